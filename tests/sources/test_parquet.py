"""Parquet in place: files of several schemas, partitions, NaN that file statistics leave out."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import SourceError
from audit.source import SourceOptions, open_relation


@pytest.fixture
def table_with_nan() -> pa.Table:
    values = np.random.default_rng(0).normal(size=10_000)
    values[::7] = np.nan
    values[1], values[2] = np.inf, -np.inf
    return pa.table({"x": values, "y": np.arange(10_000.0), "half": pa.array(values.astype(np.float32))})


@pytest.mark.parametrize("optimizer", [False, True])
def test_nan_is_counted_in_parquet(
    optimizer: bool, table_with_nan: pa.Table, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    pq.write_table(table_with_nan, tmp_path / "a.parquet", row_group_size=1000)
    if not optimizer:
        connection.execute("SET disabled_optimizers = 'statistics_propagation'").fetchall()
    relation = open_relation(connection, tmp_path / "a.parquet")
    for column in ("x", "half"):
        # each alone: with other aggregates beside it DuckDB takes another path
        for aggregate, expected in {
            f"sum(CASE WHEN isnan({column}) THEN 1 ELSE 0 END)": 1429,
            f"count(CASE WHEN isinf({column}) THEN 1 END)": 2,
            f"count(CASE WHEN {column} > 1e300 AND NOT isnan({column}) THEN 1 END)": 1,
        }.items():
            assert connection.execute(f"SELECT {aggregate} FROM {relation.sql}").fetchall() == [(expected,)], aggregate
    finite = np.asarray(table_with_nan["x"])
    finite = finite[np.isfinite(finite)]
    largest = connection.execute(f"SELECT max(CASE WHEN isfinite(x) THEN x END) FROM {relation.sql}").fetchall()
    assert largest == [(finite.max(),)]


def test_bare_extremes_need_the_optimizer_switched_off(
    table_with_nan: pa.Table, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    pq.write_table(table_with_nan, tmp_path / "a.parquet")
    relation = open_relation(connection, tmp_path / "a.parquet")
    connection.execute("SET disabled_optimizers = 'statistics_propagation'").fetchall()
    assert connection.execute(f"SELECT max(y) FROM {relation.sql}").fetchall() == [(9999.0,)]


def test_files_with_other_columns_and_types(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    pq.write_table(pa.table({"id": [1, 2], "old": ["x", "y"]}), tmp_path / "2023.parquet")
    pq.write_table(pa.table({"id": [3.5], "new": [[1, 2]], "s": [{"a": 1, "b": {"c": 2}}]}), tmp_path / "2024.parquet")
    relation = open_relation(connection, tmp_path)
    names = [column.name for column in relation.columns]
    assert names == ["id", "old", "new", "s"]
    rows = connection.execute(f"SELECT * FROM {relation.sql} ORDER BY {relation.row_id}").fetchall()
    assert rows == [
        (1.0, "x", None, None), (2.0, "y", None, None), (3.5, None, [1, 2], {"a": 1, "b": {"c": 2}}),
    ]  # fmt: skip
    assert relation.notes == (
        "2 files are read as one table, in the order of their names",
        "column 'id' changes its type between files: BIGINT, DOUBLE",
        "column 'old' is not in 1 of 2 files (2024.parquet): NULL there",
        "column 'new' is not in 1 of 2 files (2023.parquet): NULL there",
        "column 's' is not in 1 of 2 files (2023.parquet): NULL there",
    )


def test_partitions_below_the_folder_are_columns(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    root = tmp_path / "outside=1" / "orders"
    for year, country, value in ((2023, "DE", 1), (2024, "a b", 2), ("__HIVE_DEFAULT_PARTITION__", "FR", 3)):
        folder = root / f"year={year}" / f"country={country}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"v": [value]}), folder / "part-0.parquet")
    (root / "_SUCCESS").touch()
    relation = open_relation(connection, root)
    assert [(c.name, c.type) for c in relation.columns] == [
        ("v", "BIGINT"), ("country", "VARCHAR"), ("year", "BIGINT"),
    ]  # fmt: skip
    query = f"SELECT v, year, country FROM {relation.sql} ORDER BY v"
    assert connection.execute(query).fetchall() == [(1, 2023, "DE"), (2, 2024, "a b"), (3, None, "FR")]
    assert relation.id == "orders"
    assert "folder names give the columns year, country" in relation.notes
    inner = root / "year=2023" / "country=DE" / "part-0.parquet"
    assert [c.name for c in open_relation(connection, inner).columns] == ["v"]
    plain = open_relation(connection, root, options=SourceOptions(hive=False))
    assert [c.name for c in plain.columns] == ["v"]


def test_types_that_do_not_go_together_are_one_line(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [[1]]}), tmp_path / "2.parquet")
    with pytest.raises(SourceError) as raised:
        open_relation(connection, tmp_path)
    assert str(raised.value) == (
        "column 'a' is BIGINT in 1.parquet and BIGINT[] in 2.parquet, which do not go together; "
        "name the files of one kind"
    )


def test_another_suffix_than_the_content(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.csv")
    relation = open_relation(connection, tmp_path / "a.csv")
    assert relation.rows == 1
    assert relation.notes == ("a.csv is parquet by its content, whatever its name says",)


def test_the_same_data_twice_on_one_connection(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as writer:
        writer.execute("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u AS SELECT 2 AS a").fetchall()
    first = open_relation(connection, f"{tmp_path}/a.duckdb::t")
    second = open_relation(connection, f"{tmp_path}/a.duckdb::u")
    query = f"SELECT a FROM {first.sql} UNION ALL SELECT a FROM {second.sql} ORDER BY 1"
    assert connection.execute(query).fetchall() == [(1,), (2,)]
