"""Every kind of source gives back the same rows, columns, kinds, values and row numbers."""

import datetime as dt
import decimal
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from audit.dataset import ColumnKind
from audit.facts import quote_name
from audit.source import Relation, SourceOptions, open_relation

ROWS = 5_000
TABLE = pa.table(
    {
        "number": pa.array(range(ROWS), pa.int64()),
        "price": pa.array([None if i % 10 == 0 else i / 4 for i in range(ROWS)], pa.float64()),
        "city": pa.array([None if i % 7 == 0 else f"Städtchen {i % 50}" for i in range(ROWS)], pa.string()),
        "fine": pa.array([i % 2 == 0 for i in range(ROWS)]),
        "time": pa.array([dt.datetime(2024, 1, 1) + dt.timedelta(minutes=i) for i in range(ROWS)], pa.timestamp("us")),
    }
)
KINDS = [ColumnKind.NUMERIC, ColumnKind.NUMERIC, ColumnKind.TEXT, ColumnKind.BOOLEAN, ColumnKind.TEMPORAL]


def read_rows(connection: duckdb.DuckDBPyConnection, relation: Relation) -> list[tuple[Any, ...]]:
    """All rows in the order of their numbers, which must be 0, 1, 2 ... within each file."""
    names = "".join(quote_name(column.name) + ", " for column in relation.columns)
    rows = connection.execute(f"SELECT {names} {relation.row_id} AS r FROM {relation.sql} ORDER BY r").fetchall()
    numbers = [row[-1] for row in rows]
    assert len(set(numbers)) == len(numbers) == relation.rows
    return [row[:-1] for row in rows]


def write_ipc(path: Path, *, stream: bool, compression: str | None = None) -> Path:
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(str(path), TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(TABLE, max_chunksize=700)
    return path


def as_csv(folder: Path, connection: duckdb.DuckDBPyConnection, name: str, **options: Any) -> Path:
    TABLE.to_pandas().to_csv(folder / name, index=False, **options)
    return folder / name


def as_duckdb(folder: Path) -> str:
    with duckdb.connect(str(folder / "shop.duckdb")) as writer:
        writer.register("source", TABLE)
        writer.execute("CREATE TABLE orders AS SELECT * FROM source ORDER BY number").fetchall()
        writer.execute("CREATE VIEW busy AS SELECT * FROM orders").fetchall()
    return f"{folder}/shop.duckdb"


def as_parquet(folder: Path) -> Path:
    pq.write_table(TABLE, folder / "orders.parquet", row_group_size=900)
    return folder / "orders.parquet"


def as_jsonl(folder: Path, name: str = "orders.jsonl") -> Path:
    lines = [json.dumps(row, default=str) for row in TABLE.to_pylist()]
    body = "\n".join(lines) if "jsonl" in name else "[" + ",".join(lines) + "]"
    target = folder / name
    target.write_bytes(gzip.compress(body.encode()) if name.endswith(".gz") else body.encode())
    return target


def as_memory_url(folder: Path, source: Path) -> str:
    fsspec.filesystem("memory").pipe(f"/round/{source.name}", source.read_bytes())
    return f"memory://round/{source.name}"


class Capsule:
    """Nothing but the protocol."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return TABLE.__arrow_c_stream__(requested_schema)


SOURCES: dict[str, Callable[[Path, duckdb.DuckDBPyConnection], Any]] = {
    "parquet": lambda folder, _: as_parquet(folder),
    "parquet as text path": lambda folder, _: str(as_parquet(folder)),
    "parquet file url": lambda folder, _: as_parquet(folder).as_uri(),
    "parquet folder": lambda folder, _: as_parquet(folder).parent,
    "parquet glob": lambda folder, _: f"{as_parquet(folder).parent}/ord*.parquet",
    "parquet list": lambda folder, _: [as_parquet(folder)],
    "parquet in memory": lambda folder, _: as_memory_url(folder, as_parquet(folder)),
    "csv": lambda folder, c: as_csv(folder, c, "orders.csv"),
    "tsv": lambda folder, c: as_csv(folder, c, "orders.tsv", sep="\t"),
    "csv gz": lambda folder, c: as_csv(folder, c, "orders.csv.gz"),
    "csv bz2": lambda folder, c: as_csv(folder, c, "orders.csv.bz2"),
    "csv semicolon cp1252": lambda folder, c: as_csv(folder, c, "orders.csv", sep=";", encoding="cp1252"),
    "csv utf-16": lambda folder, c: as_csv(folder, c, "orders.csv", encoding="utf-16"),
    "csv in memory": lambda folder, c: as_memory_url(folder, as_csv(folder, c, "orders.csv")),
    "jsonl": lambda folder, _: as_jsonl(folder),
    "jsonl gz": lambda folder, _: as_jsonl(folder, "orders.jsonl.gz"),
    "json array": lambda folder, _: as_jsonl(folder, "orders.json"),
    "jsonl in memory": lambda folder, _: as_memory_url(folder, as_jsonl(folder)),
    "arrow file": lambda folder, _: write_ipc(folder / "orders.arrow", stream=False),
    "feather, compressed": lambda folder, _: write_ipc(folder / "orders.feather", stream=False, compression="lz4"),
    "arrow stream": lambda folder, _: write_ipc(folder / "orders.arrows", stream=True),
    "arrow in memory": lambda folder, _: as_memory_url(folder, write_ipc(folder / "orders.arrow", stream=False)),
    "pyarrow table": lambda *_: TABLE,
    "pyarrow reader": lambda *_: TABLE.to_reader(max_chunksize=700),
    "pyarrow dataset": lambda folder, _: pyarrow.dataset.dataset(as_parquet(folder)),
    "arrow capsule": lambda *_: Capsule(),
    "pandas": lambda *_: TABLE.to_pandas(),
    "pandas, arrow types": lambda *_: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, nullable": lambda *_: TABLE.to_pandas().convert_dtypes(),
    "polars": lambda *_: pl.from_arrow(TABLE),
    "polars lazy": lambda *_: pl.DataFrame(TABLE).lazy(),
    "duckdb table": lambda folder, _: f"{as_duckdb(folder)}::orders",
    "duckdb url": lambda folder, _: f"duckdb://{as_duckdb(folder)}?table=orders",
    "duckdb view": lambda folder, _: f"{as_duckdb(folder)}::main.busy",
    "duckdb relation": lambda *_: duckdb.connect().from_arrow(TABLE),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_round_trip(kind: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    relation = open_relation(connection, SOURCES[kind](tmp_path, connection))
    assert [column.name for column in relation.columns] == TABLE.column_names
    assert [column.kind for column in relation.columns] == KINDS
    assert relation.rows == ROWS
    rows = read_rows(connection, relation)
    expected = [tuple(row.values()) for row in TABLE.to_pylist()]
    assert rows == expected
    assert relation.columns[0].integer
    assert relation.schema_hash


@pytest.mark.parametrize("kind", SOURCES)
def test_the_identity_does_not_depend_on_the_folder(
    kind: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "data").mkdir(parents=True)
    first = open_relation(connection, SOURCES[kind](tmp_path / "a" / "data", connection))
    second = open_relation(connection, SOURCES[kind](tmp_path / "b" / "data", connection))
    assert (first.id, first.schema_hash, first.notes) == (second.id, second.schema_hash, second.notes)
    assert "/" not in first.id
    assert open_relation(connection, TABLE, name="mine").id == "mine"


def test_row_numbers_are_the_same_with_any_number_of_threads(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    first = 0
    for number in range(12):
        rows = 100 + 977 * number
        table = pa.table({"v": range(first, first + rows)})
        pq.write_table(table, tmp_path / f"part-{number:02}.parquet", row_group_size=500)
        first += rows
    relation = open_relation(connection, tmp_path)
    answers = []
    for threads in (1, 2, 4):
        connection.execute(f"SET threads = {threads}").fetchall()
        query = f"SELECT v, {relation.row_id} AS r FROM {relation.sql} WHERE hash({relation.row_id}) % 3 = 0 ORDER BY v"
        answers.append(connection.execute(query).fetchall())
        assert read_rows(connection, relation) == [(v,) for v in range(first)]
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) > first / 4


TYPES: dict[str, tuple[pa.Array, ColumnKind]] = {
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), ColumnKind.NUMERIC),
    "float16": (pa.array([1.5, None], pa.float16()), ColumnKind.NUMERIC),
    "float32": (pa.array([1.5, None], pa.float32()), ColumnKind.NUMERIC),
    "decimal": (pa.array([decimal.Decimal("1.50"), None], pa.decimal128(10, 2)), ColumnKind.NUMERIC),
    "whole decimal": (pa.array([decimal.Decimal(3), None], pa.decimal128(10, 0)), ColumnKind.NUMERIC),
    "long decimal": (pa.array([decimal.Decimal("1.5"), None], pa.decimal256(50, 2)), ColumnKind.NUMERIC),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), ColumnKind.TEXT),
    "string view": (pa.array(["a", None], pa.string_view()), ColumnKind.TEXT),
    "date": (pa.array([dt.date(2024, 2, 29), None]), ColumnKind.TEMPORAL),
    "zoned": (pa.array([dt.datetime(2024, 1, 1), None], pa.timestamp("us", "Europe/Berlin")), ColumnKind.TEMPORAL),
    "zoned ns": (pa.array([dt.datetime(2024, 1, 1), None], pa.timestamp("ns", "UTC")), ColumnKind.TEMPORAL),
    "ns": (pa.array([dt.datetime(2024, 1, 1), None], pa.timestamp("ns")), ColumnKind.TEMPORAL),
    "time": (pa.array([dt.time(1, 2), None]), ColumnKind.DURATION),
    "duration": (pa.array([dt.timedelta(1), None]), ColumnKind.DURATION),
    "binary": (pa.array([b"a", None]), ColumnKind.BINARY),
    "list": (pa.array([[1, None], None]), ColumnKind.NESTED),
    "fixed list": (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), ColumnKind.NESTED),
    "list of float16": (pa.array([[1.5], None], pa.list_(pa.float16())), ColumnKind.NESTED),
    "struct": (pa.array([{"a": 1}, None]), ColumnKind.NESTED),
    "struct of float16": (pa.array([{"a": 1.5}, None], pa.struct([("a", pa.float16())])), ColumnKind.NESTED),
    "map": (pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), ColumnKind.NESTED),
    "all null": (pa.nulls(2), ColumnKind.NULL),
    "null strings": (pa.nulls(2, pa.string()), ColumnKind.TEXT),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("place", ["table", "stream", "parquet", "arrow"])
def test_types(kind: str, place: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    array, expected = TYPES[kind]
    table = pa.table({"x": array})
    data: Any = table
    if place == "stream":
        data = table.to_reader()
    elif place == "parquet":
        data = tmp_path / "x.parquet"
        pq.write_table(table, data)
    elif place == "arrow":
        data = tmp_path / "x.arrow"
        with pa.ipc.new_file(str(data), table.schema) as writer:
            writer.write_table(table)
    relation = open_relation(connection, data)
    (column,) = relation.columns
    if kind == "duration" and place == "parquet":
        expected = ColumnKind.NUMERIC  # Parquet has no such type: it holds whole numbers
    assert column.kind is expected
    assert column.integer == (kind in {"uint64", "whole decimal"} or expected is not TYPES[kind][1])
    assert column.floating == (kind in {"float16", "float32", "long decimal"})
    assert column.zoned == kind.startswith("zoned")
    assert column.date_only == (kind == "date")
    nulls = connection.execute(f"SELECT count(*) - count(x), count(*) FROM {relation.sql}").fetchall()
    assert nulls == [(array.null_count, 2)]
    back = connection.sql(f"SELECT x FROM {relation.sql} ORDER BY {relation.row_id}").to_arrow_table()["x"].to_pylist()
    if kind == "long decimal":
        assert back == [1.5, None]
    elif kind in {"map", "zoned", "zoned ns", "ns", "duration"}:  # another Python type for the same thing
        assert len(back) == 2
        assert back[1] is None
        assert back[0] is not None
    else:
        assert back == array.to_pylist()


def test_hugeint_in_a_database(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    with duckdb.connect(str(tmp_path / "h.duckdb")) as writer:
        writer.execute("CREATE TABLE h AS SELECT 170141183460469231731687303715884105727::HUGEINT AS x").fetchall()
    relation = open_relation(connection, f"{tmp_path}/h.duckdb")
    assert relation.id == "h"
    assert relation.columns[0].integer
    assert read_rows(connection, relation) == [(2**127 - 1,)]


@pytest.mark.parametrize("columns", [0, 2])
@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("place", ["parquet", "arrow file", "table", "stream", "pandas", "polars"])
def test_no_rows_and_no_columns(
    columns: int, rows: int, place: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    table = pa.table({"a": pa.array(range(rows), pa.int64()), "b": pa.array(["x"] * rows, pa.string())})
    table = table.select(table.column_names[:columns])
    data: Any = table
    if place == "parquet":
        data = tmp_path / "x.parquet"
        pq.write_table(table, data)
    elif place == "arrow file":
        data = tmp_path / "x.arrow"
        with pa.ipc.new_file(str(data), table.schema) as writer:
            for batch in table.to_batches():
                writer.write_batch(batch)
    elif place == "stream":
        data = table.to_reader()
    elif place == "pandas":
        data = pd.DataFrame({name: table[name].to_pandas() for name in table.column_names}, index=range(rows))
    elif place == "polars":
        data = pl.DataFrame({name: table[name].to_pylist() for name in table.column_names})
    relation = open_relation(connection, data)
    assert [c.name for c in relation.columns] == ["a", "b"][:columns]
    if columns or place in {"table", "pandas"}:  # the others cannot say how many rows they are
        assert relation.rows == rows
    assert connection.execute(f"SELECT count(*) FROM {relation.sql}").fetchall() == [(relation.rows,)]
    assert len(read_rows(connection, relation)) == relation.rows


HOSTILE = [
    "file_row_number",
    "filename",
    "file_index",
    "rowid",
    "__row",
    "q\"u'o;--",
    "new\nline",
    "😀",
    "x" * 10_000,
    " ",
]


@pytest.mark.parametrize("place", ["table", "stream", "parquet", "parquet folder", "csv", "jsonl", "duckdb", "arrow"])
def test_hostile_names(place: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    names = [name for name in HOSTILE if not (place == "csv" and name in {" "})]
    table = pa.Table.from_arrays([pa.array([i, i + 1, i + 2]) for i in range(len(names))], names=names)
    data: Any = table
    if place == "stream":
        data = table.to_reader()
    elif place.startswith("parquet"):
        pq.write_table(table, tmp_path / "a.parquet")
        if place == "parquet folder":
            pq.write_table(table, tmp_path / "b.parquet")
        data = tmp_path if place == "parquet folder" else tmp_path / "a.parquet"
    elif place == "csv":
        data = tmp_path / "a.csv"
        table.to_pandas().to_csv(data, index=False)
    elif place == "jsonl":
        data = tmp_path / "a.jsonl"
        data.write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    elif place == "duckdb":
        data = str(tmp_path / "a.duckdb")
        with duckdb.connect(data) as writer:
            writer.register("t", table)
            writer.execute("CREATE TABLE hostile AS SELECT * FROM t").fetchall()
    elif place == "arrow":
        data = tmp_path / "a.arrow"
        with pa.ipc.new_file(str(data), table.schema) as writer:
            writer.write_table(table)
    relation = open_relation(connection, data)
    assert [column.name for column in relation.columns] == names
    expected = [tuple(row.values()) for row in table.to_pylist()]
    assert read_rows(connection, relation) == expected * (2 if place == "parquet folder" else 1)


@pytest.mark.parametrize("place", ["table", "stream", "parquet", "pandas"])
def test_names_that_are_empty_or_differ_by_case_are_said(
    place: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    table = pa.Table.from_arrays([pa.array([i]) for i in range(3)], names=["", "a", "A"])
    data: Any = table
    if place == "stream":
        data = table.to_reader()
    elif place == "parquet":
        data = tmp_path / "a.parquet"
        pq.write_table(table, data)
    elif place == "pandas":
        data = table.to_pandas()
    relation = open_relation(connection, data)
    assert [column.name for column in relation.columns] == ["C0", "a", "A_1"]
    assert read_rows(connection, relation) == [(0, 1, 2)]
    assert any("'A', is called 'A_1'" in note for note in relation.notes)
    assert any("column 1, '', is called 'C0'" in note for note in relation.notes)


def test_options_name_the_format(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    data = tmp_path / "orders.data"
    data.write_text("a|b\n1|2\n")
    relation = open_relation(connection, data, options=SourceOptions(format="csv", delimiter="|"))
    assert read_rows(connection, relation) == [(1, 2)]
