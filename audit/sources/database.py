"""DuckDB tables and views in a database file, and relations of the user's own connection."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from audit.errors import SourceError, did_you_mean
from audit.sources.arrow import open_stream
from audit.sources.formats import detect
from audit.sources.locate import locate
from audit.sources.messages import one_line, reading
from audit.sources.relation import Relation, SourceOptions, quote_name, quote_text, read_columns
from audit.sources.temporary import new_table_name, relation_of, store

if TYPE_CHECKING:
    import duckdb

_BATCH = 100_000  # rows


def split_uri(uri: str) -> tuple[str, str | None]:
    """Return the path of a database file and the table that a uri names.

    >>> split_uri("duckdb:///data/shop.db?table=orders"), split_uri("shop.duckdb::main.orders"), split_uri("shop.db")
    (('/data/shop.db', 'orders'), ('shop.duckdb', 'main.orders'), ('shop.db', None))
    """
    if uri.startswith("duckdb://"):
        parts = urlsplit(uri)
        table = parse_qs(parts.query).get("table", [None])[0]
        return unquote(parts.netloc + parts.path), table
    path, separator, table = uri.partition("::")
    return path, table if separator else None


def open_database(connection: duckdb.DuckDBPyConnection, uri: str, options: SourceOptions) -> Relation:
    """Return a relation over a table of a DuckDB database file, opened read-only and scanned in place.

    Raises:
        SourceError: there is no such file or table, several tables and none named, or another process holds the file.
    """
    path, table = split_uri(uri)
    files = locate(path)
    path = files.paths[0]
    if detect(files, path, None).format != "duckdb":
        raise SourceError(f"{path} is not a DuckDB database; name its format by its suffix")
    database = _attach(connection, path)
    found = connection.execute(
        "SELECT schema_name, table_name, true FROM duckdb_tables() WHERE database_name = ? AND NOT internal "
        "UNION ALL SELECT schema_name, view_name, false FROM duckdb_views() WHERE database_name = ? AND NOT internal "
        "ORDER BY 1, 2",
        [database, database],
    ).fetchall()
    schema, name, stored = _choose(uri, table or options.table, found)
    sql = ".".join(map(quote_name, (database, schema, name)))
    notes = [f"DuckDB: {'table' if stored else 'view'} {schema}.{name}, opened read-only"]
    with reading(uri, "a DuckDB table"):
        columns = read_columns(connection, sql)
        row_id, names = "rowid", [column.name for column in columns]
        if not stored or any(known.lower() == "rowid" for known in names):
            sql, row_id = store(connection, f"SELECT * FROM {sql}", names)
        return relation_of(
            connection, sql, row_id, uri=uri, id=name, size=os.path.getsize(path), notes=notes, columns=columns
        )


def _attach(connection: duckdb.DuckDBPyConnection, path: str) -> str:
    """Return the name under which the connection knows a database file."""
    import duckdb

    full = os.path.realpath(path)
    for name, known in connection.execute("SELECT database_name, path FROM duckdb_databases()").fetchall():
        if known is not None and os.path.realpath(known) == full:
            return str(name)
    name = new_table_name()
    try:
        connection.execute(f"ATTACH {quote_text(full)} AS {quote_name(name)} (READ_ONLY)").fetchall()
    except duckdb.Error as error:
        text = one_line(error)
        if "lock" in text.lower() or "already attached" in text.lower():
            raise SourceError(
                f"{path} is open for writing elsewhere; close that connection, or pass its table as a relation: "
                "audit.run(connection.table('name'))"
            ) from error
        raise SourceError(f"cannot open {path} as a DuckDB database: {text}") from error
    return name


def _choose(uri: str, table: str | None, found: list[tuple[Any, ...]]) -> tuple[str, str, bool]:
    names = [name if schema == "main" else f"{schema}.{name}" for schema, name, _ in found]
    if not found:
        raise SourceError(f"{uri} holds no table")
    if table is None:
        if len(found) == 1:
            return found[0][0], found[0][1], found[0][2]
        raise SourceError(f"{uri} holds {len(found)} tables; name one: {uri}::{names[0]}{did_you_mean('', names)}")
    wanted = table.lower()
    for schema, name, stored in found:
        if wanted in {name.lower(), f"{schema}.{name}".lower()}:
            return schema, name, stored
    raise SourceError(f"no table '{table}' in {uri}{did_you_mean(table, names)}")


def open_duckdb_relation(connection: duckdb.DuckDBPyConnection, data: Any, *, uri: str, id: str) -> Relation:
    """Return a relation over one that lives on the user's own connection: its rows are copied to ours, as a stream."""
    with reading(uri, "a DuckDB relation"):
        read = getattr(data, "to_arrow_reader", None) or data.fetch_record_batch
        reader = read(_BATCH)
    notes = ["the relation was read once from its own connection into a temporary table"]
    return open_stream(connection, reader, uri=uri, id=id, notes=notes)
