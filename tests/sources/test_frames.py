"""Frames, relations and sources of other packages."""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit.source
from audit.dataset import ColumnKind
from audit.errors import SourceError
from audit.source import Relation, open_relation


def rows_of(connection: duckdb.DuckDBPyConnection, relation: Relation) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * EXCLUDE (__row) FROM {relation.sql} ORDER BY {relation.row_id}").fetchall()


def test_pandas_columns_of_every_kind(connection: duckdb.DuckDBPyConnection) -> None:
    frame = pd.DataFrame(
        {
            "float": [1.5, np.nan, np.inf],
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "text": ["a", None, "c"],
            "category": pd.Categorical(["x", None, "y"]),
            "mixed": [1, "two", None],
            "zoned": pd.to_datetime(["2024-01-01", "NaT", "2024-01-03"]).tz_localize("Europe/Berlin"),
            "period": pd.period_range("2024-01", periods=3, freq="M"),
            "complex": [1j, 2j, 3j],
            "sparse": pd.arrays.SparseArray([0, 0, 1]),
            "objects": [object(), {1, 2}, None],
            7: [True, False, True],
        },
        index=["p", "q", "r"],
    )
    relation = open_relation(connection, frame, name="orders")
    kinds = {column.name: column.kind.value for column in relation.columns}
    assert kinds == {
        "float": "numeric", "nullable": "numeric", "text": "text", "category": "text", "mixed": "text",
        "zoned": "temporal", "period": "numeric", "complex": "text", "sparse": "numeric", "objects": "text",
        "7": "boolean",
    }  # fmt: skip
    rows = rows_of(connection, relation)
    assert rows[1][:5] == (None, None, None, None, "two")
    assert rows[2][0] == float("inf")
    assert rows[0][4] == "1"
    assert relation.columns[5].zoned
    assert relation.uri == relation.id == "orders"
    assert relation.notes[0] == "pandas does not tell NaN from a missing value: NaN, NaT and None are all read as NULL"
    assert "the index is left out; call reset_index() to have it audited" in relation.notes
    assert "column 'mixed' has values of several or unknown types, so it is read as text" in relation.notes


def test_pandas_columns_with_one_name(connection: duckdb.DuckDBPyConnection) -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    relation = open_relation(connection, frame)
    assert [column.name for column in relation.columns] == ["a", "a_1"]
    assert rows_of(connection, relation) == [(1, 2)]


def test_polars_tells_nan_from_null(connection: duckdb.DuckDBPyConnection) -> None:
    frame = pl.DataFrame(
        {
            "x": [1.0, float("nan"), None],
            "c": pl.Series(["a", "b", None], dtype=pl.Categorical),
            "e": pl.Series(["a", "b", None], dtype=pl.Enum(["a", "b"])),
            "l": [[1], [], None],
            "t": [dt.time(1), None, None],
            "n": [None, None, None],
        }
    )
    relation = open_relation(connection, frame)
    kinds = [column.kind.value for column in relation.columns]
    assert kinds == ["numeric", "text", "text", "nested", "duration", "null"]
    counts = connection.execute(
        "SELECT count(*) - count(x), sum(CASE WHEN isnan(x) THEN 1 ELSE 0 END), count(*) - count(c) "
        f"FROM {relation.sql}"
    ).fetchall()
    assert counts == [(1, 1, 1)]


def test_a_lazy_frame_that_fails_is_one_line(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(SourceError) as raised:
        open_relation(connection, pl.DataFrame({"a": [1]}).lazy().select("b"))
    assert "\n" not in str(raised.value)


def test_series(connection: duckdb.DuckDBPyConnection) -> None:
    for data in (pd.Series([1, 2], name="s"), pl.Series("s", [1, 2])):
        relation = open_relation(connection, data)
        assert [column.name for column in relation.columns] == ["s"]
        assert rows_of(connection, relation) == [(1,), (2,)]


def test_an_arrow_table_is_not_copied(connection: duckdb.DuckDBPyConnection) -> None:
    table = pa.table({"x": np.arange(1_000_000.0)})
    before = pa.total_allocated_bytes()
    relation = open_relation(connection, table)
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert connection.execute(f"SELECT sum(x) FROM {relation.sql}").fetchall() == [(499999500000.0,)]


def test_a_relation_of_another_connection(connection: duckdb.DuckDBPyConnection) -> None:
    with duckdb.connect() as mine:
        mine.execute("CREATE TABLE t AS SELECT range AS a, range / 2 AS b FROM range(300000)").fetchall()
        relation = open_relation(connection, mine.table("t").filter("a % 2 = 0"), name="t")
    assert relation.rows == 150_000
    assert relation.columns[0].kind is ColumnKind.NUMERIC
    assert connection.execute(f"SELECT sum(a) FROM {relation.sql}").fetchall() == [(sum(range(0, 300_000, 2)),)]


def test_a_row_number_column_of_the_user_stays_the_users(connection: duckdb.DuckDBPyConnection) -> None:
    relation = open_relation(connection, pa.table({"__row": [7, 8], "__ROW_2": [1, 2]}))
    assert relation.row_id == '"__row_3"'
    assert [column.name for column in relation.columns] == ["__row", "__ROW_2"]


NUMBERS_SOURCE = '''
"""A source as another package would add it."""

import pyarrow as pa

from audit.source import Relation, SourceOptions, open_relation


def open_numbers(connection, uri: str, options: SourceOptions) -> Relation:
    count = int(uri.removeprefix("numbers://").removesuffix(".numbers").rsplit("/", 1)[-1])
    return open_relation(connection, pa.table({"n": range(count)}), name=uri)
'''


def test_sources_of_other_packages(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "numbers_source-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: numbers-source\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        f"[{audit.source.ENTRY_POINTS}]\nnumbers = numbers_source:open_numbers\nbroken = numbers_source:nothing\n"
    )
    (tmp_path / "numbers_source.py").write_text(NUMBERS_SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert open_relation(connection, "numbers://5").rows == 5
    assert open_relation(connection, "somewhere/7.numbers").rows == 7
    with pytest.raises(SourceError, match=r"the source 'broken' .* cannot be loaded"):
        open_relation(connection, "broken://5")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    assert open_relation(connection, tmp_path / "a.parquet").rows == 1
