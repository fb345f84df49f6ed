"""CSV and JSON Lines: what is found out is right and said, and nothing is dropped in silence."""

import datetime as dt
import gzip
from pathlib import Path

import duckdb
import hypothesis
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from audit.dataset import ColumnKind
from audit.errors import SourceError
from audit.source import Relation, SourceOptions, open_relation


def rows_of(connection: duckdb.DuckDBPyConnection, relation: Relation) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {relation.sql} ORDER BY {relation.row_id}").fetchall()


def types_of(relation: Relation) -> dict[str, str]:
    return {column.name: column.type for column in relation.columns}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16"),
     ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_encodings(
    encoding: str, said: str, packed: bool, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    body = "name;price\nMüller €;1\nŠkoda;2\n".encode(encoding)
    path = write(tmp_path / ("a.csv.gz" if packed else "a.csv"), gzip.compress(body) if packed else body)
    relation = open_relation(connection, path)
    assert rows_of(connection, relation) == [("Müller €", 1), ("Škoda", 2)]
    assert relation.notes == (f"CSV: encoding {said}, delimiter ';', quote '\"', header yes",)


def test_latin_1_where_cp1252_has_no_character(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    relation = open_relation(connection, write(tmp_path / "a.csv", b"a,b\ncaf\xe9,\x81\n"))
    assert rows_of(connection, relation) == [("café", "\x81")]
    assert "encoding latin-1" in relation.notes[0]


def test_a_late_byte_that_is_not_utf8_is_found(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    body = b"a,b\n" + b"plain,1\n" * 30_000 + b"caf\xe9,2\n"
    relation = open_relation(connection, write(tmp_path / "a.csv", body))
    assert relation.rows == 30_001
    assert rows_of(connection, relation)[-1] == ("café", 2)
    assert "encoding cp1252" in relation.notes[0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(delimiter: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    lines = ["a|b|c", '1|"x,;|y"|2.5', '2|"say ""hi"""|3.5', '3|"two\nlines"|']
    body = "\n".join(lines).replace("|", "\0")
    body = body.replace(",;\0y", ",;|y").replace("\0", delimiter)
    relation = open_relation(connection, write(tmp_path / "a.csv", body))
    assert rows_of(connection, relation) == [(1, "x,;|y", 2.5), (2, 'say "hi"', 3.5), (3, "two\nlines", None)]
    assert f"delimiter {delimiter!r}, quote '\"', header yes" in relation.notes[0]


@pytest.mark.parametrize(
    ("late", "kind", "value"),
    [("n/a", "VARCHAR", "n/a"), ("2.5", "DOUBLE", 2.5), ("18446744073709551615", "HUGEINT", 2**64 - 1)],
)
def test_a_late_value_decides_the_type(
    late: str, kind: str, value: object, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    body = "a,b\n" + "".join(f"{i},{i}\n" for i in range(40_000)) + f"{late},7\n"
    relation = open_relation(connection, write(tmp_path / "a.csv", body))
    assert types_of(relation) == {"a": kind, "b": "BIGINT"}
    assert relation.rows == 40_001
    assert rows_of(connection, relation)[-1] == (value, 7)
    said = [note for note in relation.notes if "read as text" in note]
    assert len(said) == (kind == "VARCHAR")


@pytest.mark.parametrize(
    ("early", "late", "kind"),
    [
        ("2024-01-31", "2024-02-01 10:30:00", "TIMESTAMP"),
        ("2024-01-31 10:00:00", "2024-02-01T10:00:00+02:00", "VARCHAR"),
        ("2024-01-31T10:00:00Z", "2024-02-01T10:00:00", "VARCHAR"),
        ("2024-01-31", "soon", "VARCHAR"),
        ("1.5", "?", "VARCHAR"),
        ("7", "1e3", "DOUBLE"),
        ("true", "maybe", "VARCHAR"),
        ("31/12/2024", "2024-12-31", "VARCHAR"),
    ],
)
def test_no_late_value_is_cut_to_fit(
    early: str, late: str, kind: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    body = "x,b\n" + f"{early},1\n" * 30_000 + f"{late},1\n"
    relation = open_relation(connection, write(tmp_path / "a.csv", body))
    assert types_of(relation)["x"] == kind
    last = str(rows_of(connection, relation)[-1][0])
    assert last == {"DOUBLE": "1000.0"}.get(kind, late)


def test_ragged_lines_are_counted_and_named(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    good = "".join(f"{i},{i},x\n" for i in range(100))
    relation = open_relation(connection, write(tmp_path / "a.csv", f"a,b,c\n{good}1,2\n1,2,3,4\n{good}"))
    assert relation.rows == 200
    assert [c.name for c in relation.columns] == ["a", "b", "c"]
    (note,) = [note for note in relation.notes if "left out" in note]
    assert note == (
        "CSV: 2 lines cannot be read and are left out (line 102 missing columns: expected 3 found 2; "
        "line 103 too many columns: expected 3 found 4)"
    )


def test_identifiers_keep_their_leading_zeros(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    relation = open_relation(connection, write(tmp_path / "a.csv", "zip,n\n00123,1\n01234,2\n"))
    assert rows_of(connection, relation) == [("00123", 1), ("01234", 2)]


def test_times(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    body = "d,t,z\n31/12/2024,2024-01-01 10:00:00,2024-01-01T10:00:00+02:00\n01/02/2024,,2024-01-01T10:00:00Z\n"
    relation = open_relation(connection, write(tmp_path / "a.csv", body))
    day, naive, zoned = relation.columns
    assert (day.date_only, naive.zoned, zoned.zoned) == (True, False, True)
    assert connection.execute(f"SELECT d FROM {relation.sql} ORDER BY d").fetchall()[0] == (dt.date(2024, 2, 1),)
    assert "dates as %d/%m/%Y" in relation.notes[0]


def test_a_quote_later_than_the_first_lines(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    body = "a,b\n" + "".join(f"{i},x\n" for i in range(30_000)) + '1,"x, y"\n'
    relation = open_relation(connection, write(tmp_path / "a.csv", body))
    assert relation.rows == 30_001
    assert rows_of(connection, relation)[-1] == (1, "x, y")


def test_header_only_and_no_header(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    empty = open_relation(connection, write(tmp_path / "a.csv", "a,b\n"))
    assert (empty.rows, [c.name for c in empty.columns]) == (0, ["a", "b"])
    bare = open_relation(connection, write(tmp_path / "b.csv", "1,2\n3,4\n"))
    assert rows_of(connection, bare) == [(1, 2), (3, 4)]
    assert "header no" in bare.notes[0]


def test_a_folder_of_csv_files_with_other_columns(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    write(tmp_path / "1.csv", "a,b\n1,x\n")
    write(tmp_path / "2.csv", "b;c\ny;2.5\n")
    write(tmp_path / "_SUCCESS", "")
    relation = open_relation(connection, tmp_path)
    assert rows_of(connection, relation) == [(1, "x", None), (None, "y", 2.5)]
    assert any("column 'a' is not in 2.csv" in note for note in relation.notes)


def test_options_are_obeyed(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    path = write(tmp_path / "a.csv", "a;'b;c'\nd;e\n")
    options = SourceOptions(delimiter=";", quote="'", header=False)
    assert rows_of(connection, open_relation(connection, path, options=options)) == [("a", "b;c"), ("d", "e")]
    with pytest.raises(SourceError, match="unknown encoding 'klingon'; Python's codec names are allowed"):
        open_relation(connection, path, options=SourceOptions(encoding="klingon"))
    with pytest.raises(SourceError, match="unknown format 'xls'; allowed are parquet, csv"):
        open_relation(connection, path, options=SourceOptions(format="xls"))


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and any(c.isalpha() for c in text) and text.lower() not in {"true", "false"}
)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(rows=st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), TEXT), min_size=1, max_size=8))
def test_any_rows_come_back_from_csv_and_json(
    rows: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import csv
    import json

    folder = tmp_path_factory.mktemp("any")
    with open(folder / "a.csv", "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC).writerows([("n", "name"), *rows])
    (folder / "a.jsonl").write_text("\n".join(json.dumps({"n": n, "name": name}) for n, name in rows))
    with duckdb.connect() as connection:
        for name in ("a.csv", "a.jsonl"):
            relation = open_relation(connection, folder / name, options=SourceOptions(header=True, encoding="utf-8"))
            assert relation.rows == len(rows)
            assert [row[0] for row in rows_of(connection, relation)] == [n for n, _ in rows]
            if relation.columns[1].kind is ColumnKind.TEXT:  # a text such as "1e" may be a number or a date to a reader
                assert [row[1] for row in rows_of(connection, relation)] == [name for _, name in rows]


def test_json_values_of_several_types(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    body = '{"a": 1, "b": "x"}\n{"a": 2.5}\n\n{"a": "z", "n": {"k": [1]}, "big": 18446744073709551615}\n'
    relation = open_relation(connection, write(tmp_path / "a.jsonl", body))
    assert [column.kind.value for column in relation.columns] == ["text", "text", "nested", "numeric"]
    assert rows_of(connection, relation) == [
        ("1", "x", None, None), ("2.5", None, None, None), ("z", None, {"k": [1]}, 2**64 - 1),
    ]  # fmt: skip
    assert "JSON: column 'a' has values of several types, so it is read as text" in relation.notes


def test_json_lines_that_cannot_be_read_are_counted(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    body = '{"a": 1}\n{"a": 2\n{"a": 3}\n[4]\nnot json\n{"a": 5, "a": 6}\n{"a": 7}'
    for name, content in (("a.jsonl", body.encode()), ("a.jsonl.gz", gzip.compress(body.encode()))):
        relation = open_relation(connection, write(tmp_path / name, content))
        assert rows_of(connection, relation) == [(1,), (3,), (7,)]
        assert relation.notes == (
            f"JSON: 4 lines of {name} cannot be read as an object and are left out (line 2, 4, 5, 6)",
        )


def test_json_with_many_rare_keys_keeps_its_columns(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    body = "\n".join(f'{{"k{i}": {i}}}' for i in range(300))
    relation = open_relation(connection, write(tmp_path / "a.ndjson", body))
    assert len(relation.columns) == 300


def test_json_with_a_byte_order_mark(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        relation = open_relation(connection, write(tmp_path / f"{encoding}.jsonl", '{"a": "é"}\n'.encode(encoding)))
        assert rows_of(connection, relation) == [("é",)]
        assert encoding in relation.notes[0]


def test_json_without_a_suffix_is_known_by_its_content(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    assert open_relation(connection, write(tmp_path / "events.log", '{"a": 1}\n')).rows == 1


def test_materialised_rows_keep_the_order_of_the_source(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    table = pa.table({"i": range(200_000)})
    path = tmp_path / "a.csv"
    table.to_pandas().to_csv(path, index=False)
    for data in (path, table.to_reader(max_chunksize=1000)):
        relation = open_relation(connection, data)
        broken = connection.execute(f"SELECT count(*) FROM {relation.sql} WHERE i <> {relation.row_id}").fetchall()
        assert broken == [(0,)]
    assert connection.execute("SELECT current_setting('preserve_insertion_order')").fetchall() == [(False,)]
