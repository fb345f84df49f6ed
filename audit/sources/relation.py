"""What every source hands to the engine: a table that DuckDB can scan again and again."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.dataset import Column, ColumnKind
from audit.facts import quote_name

if TYPE_CHECKING:
    import duckdb

_INTEGERS = frozenset(f"{sign}{size}int" for sign in ("", "u") for size in ("tiny", "small", "big", "huge")) | {
    "integer",
    "uinteger",
    "bignum",
    "varint",
}
_FLOATS = frozenset({"float", "double"})
_KINDS: dict[str, ColumnKind] = {
    "decimal": ColumnKind.NUMERIC,
    "boolean": ColumnKind.BOOLEAN,
    "varchar": ColumnKind.TEXT,
    "enum": ColumnKind.TEXT,
    "uuid": ColumnKind.TEXT,
    "json": ColumnKind.TEXT,
    "bit": ColumnKind.BINARY,
    "blob": ColumnKind.BINARY,
    "geometry": ColumnKind.BINARY,
    "date": ColumnKind.TEMPORAL,
    "timestamp": ColumnKind.TEMPORAL,
    "timestamp_s": ColumnKind.TEMPORAL,
    "timestamp_ms": ColumnKind.TEMPORAL,
    "timestamp_ns": ColumnKind.TEMPORAL,
    "timestamp with time zone": ColumnKind.TEMPORAL,
    "timestamptz_ns": ColumnKind.TEMPORAL,
    "time": ColumnKind.DURATION,
    "time_ns": ColumnKind.DURATION,
    "time with time zone": ColumnKind.DURATION,
    "interval": ColumnKind.DURATION,
    "null": ColumnKind.NULL,
}
_LONGEST_TYPE = 120  # characters of a type's name: an enum or a struct can run to many thousands


@dataclass(frozen=True, slots=True)
class Relation:
    """A table that DuckDB can scan again and again on one connection.

    Attributes:
        sql: a FROM item: a table function or a quoted view or table name.
        row_id: an SQL expression over `sql` that gives each row a number (int64) that is unique within this relation,
            the same in every scan and every run, and grows in the order of the source.
        columns: the user's columns, in the order of the source; helper columns are hidden.
        rows: number of rows.
        uri: where the data is, as shown to people.
        id: identity across runs: the base name of the path, the table's name, or `frame`.
        size: bytes on disk; None for data in memory.
        notes: what the reader found out or decided, a sentence each.
        schema_hash: identity of names and types, in order.
    """

    sql: str
    row_id: str
    columns: tuple[Column, ...]
    rows: int
    uri: str
    id: str
    size: int | None
    notes: tuple[str, ...]
    schema_hash: str


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user says about the source; None lets the reader find out.

    Attributes:
        format: parquet, csv, jsonl, json, arrow or duckdb, whatever the file is called.
        delimiter: CSV: the character between fields.
        quote: CSV: the character around fields; an empty string for none.
        header: CSV: whether the first line holds the names.
        encoding: CSV and JSON: a Python codec name, such as `cp1252`.
        table: DuckDB: the table or view to read.
        hive: Parquet: whether `key=value` folders are columns.
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    encoding: str | None = None
    table: str | None = None
    hive: bool | None = None


def quote_text(text: str) -> str:
    """Return an SQL string literal.

    >>> quote_text("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def free_name(taken: Iterable[str], wish: str = "__row") -> str:
    """Return a column name that none of `taken` has, in any case.

    >>> free_name(["a", "__ROW"])
    '__row_2'
    """
    known = {name.lower() for name in taken}
    return next(
        name
        for name in itertools.chain([wish], (f"{wish}_{i}" for i in itertools.count(2)))
        if name.lower() not in known
    )


def column_of(name: str, duckdb_type: Any) -> Column:
    """Return a column for a DuckDB type (`DuckDBPyType`)."""
    identifier, text = str(duckdb_type.id).lower(), str(duckdb_type)
    if text == '"NULL"' or identifier == "sqlnull":
        identifier = text = "null"
    if len(text) > _LONGEST_TYPE:
        text = text[: _LONGEST_TYPE - 1] + "…"
    if identifier == "enum":
        text = "ENUM"
    if identifier in _INTEGERS or identifier in _FLOATS:
        return Column(name, ColumnKind.NUMERIC, text, integer=identifier in _INTEGERS, floating=identifier in _FLOATS)
    return Column(
        name,
        _KINDS.get(identifier, ColumnKind.NESTED),
        text,
        integer=identifier == "decimal" and text.endswith(",0)"),
        zoned=identifier in {"timestamp with time zone", "timestamptz_ns"},
        date_only=identifier == "date",
    )


def read_columns(connection: duckdb.DuckDBPyConnection, sql: str, hidden: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the columns of a FROM item, without those whose names are `hidden`."""
    relation = connection.sql(f"SELECT * FROM {sql}")
    return tuple(
        column_of(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True) if name not in hidden
    )


def hash_schema(columns: Iterable[Column]) -> str:
    """Return the identity of names and types, in order: the first 16 hexadecimal digits of a sha256."""
    return hashlib.sha256(json.dumps([[c.name, c.type] for c in columns]).encode()).hexdigest()[:16]


def count_rows(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return the number of rows of a FROM item."""
    # fetchall, not fetchone: an unfinished result blocks the connection
    return int(connection.execute(f"SELECT count(*) FROM {sql}").fetchall()[0][0])


__all__ = [
    "Relation", "SourceOptions", "column_of", "count_rows", "free_name", "hash_schema", "quote_name", "quote_text",
    "read_columns",
]  # fmt: skip
