"""Open any tabular data as a relation on DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.sources.relation import Relation, SourceOptions, count_rows, hash_schema, quote_text, read_columns

if TYPE_CHECKING:
    import duckdb

__all__ = ["Relation", "SourceOptions", "open_relation"]


def open_relation(
    connection: duckdb.DuckDBPyConnection,
    data: object,
    *,
    name: str | None = None,
    options: SourceOptions | None = None,
) -> Relation:
    """First version: one Parquet file."""
    from pathlib import Path

    path = Path(str(data))
    sql = f"read_parquet([{quote_text(str(path))}], can_have_nan = true)"
    columns = read_columns(connection, sql)
    return Relation(
        sql, "file_row_number", columns, count_rows(connection, sql), str(data), name or path.name,
        path.stat().st_size, (), hash_schema(columns),
    )  # fmt: skip
