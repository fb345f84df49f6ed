"""Tables of the connection's own: what is read once and scanned many times."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from audit.dataset import Column
from audit.facts import quote_name
from audit.sources.relation import Relation, count_rows, free_name, hash_schema, read_columns

if TYPE_CHECKING:
    import duckdb

_numbers = itertools.count(1)


def new_table_name() -> str:
    """Return a table name that this process has not used yet."""
    return f"audit_source_{next(_numbers)}"


@contextmanager
def source_order(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Keep rows in the order of the source while a table is made, whatever the connection is set to."""
    before = setting(connection, "preserve_insertion_order")
    connection.execute("SET preserve_insertion_order = true").fetchall()
    try:
        yield
    finally:
        connection.execute(f"SET preserve_insertion_order = {before}").fetchall()


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return a setting of a connection as text."""
    return str(connection.execute(f"SELECT current_setting('{name}')").fetchall()[0][0]).lower()


def store(connection: duckdb.DuckDBPyConnection, select: str, names: Sequence[str]) -> tuple[str, str]:
    """Store the rows of a SELECT in a temporary table, which spills to disk under the connection's memory limit.

    `names` are the user's columns. Returns the table's quoted name and the expression of the row number: `rowid`, or a
    column of its own where the user's data has a column of that name.
    """
    table, row = new_table_name(), "rowid"
    with source_order(connection):
        if any(name.lower() == "rowid" for name in names):
            row = quote_name(free_name(names))
            select = f"SELECT *, row_number() OVER () - 1 AS {row} FROM ({select}) AS source"
        connection.execute(f"CREATE TEMP TABLE {quote_name(table)} AS {select}").fetchall()
    return f"temp.main.{quote_name(table)}", row


def drop(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> None:
    """Drop temporary tables by their quoted names."""
    for table in tables:
        connection.execute(f"DROP TABLE IF EXISTS {table}").fetchall()


def relation_of(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    row_id: str,
    *,
    uri: str,
    id: str,
    size: int | None = None,
    notes: Iterable[str] = (),
    columns: tuple[Column, ...] | None = None,
    rows: int | None = None,
) -> Relation:
    """Return the relation for a FROM item; columns and rows are asked of DuckDB where they are not given."""
    if columns is None:
        columns = tuple(c for c in read_columns(connection, sql) if quote_name(c.name) != row_id)
    if rows is None:
        rows = count_rows(connection, sql)
    return Relation(sql, row_id, columns, rows, uri, id, size, tuple(notes), hash_schema(columns))


def relation_without_columns(rows: int, **known: Any) -> Relation:
    """Return a relation that has rows and no columns: DuckDB has no such table, so one of row numbers stands in."""
    sql = f'(SELECT range AS "__row" FROM range({rows})) AS rows_only'
    notes = (*known.pop("notes", ()), "there are no columns")
    return Relation(sql, '"__row"', (), rows, known["uri"], known["id"], known.get("size"), notes, hash_schema(()))
