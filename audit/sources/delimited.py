"""CSV and its kin, read once into a temporary table: what was found out is said, nothing is dropped in silence."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import audit.sources.plain_text as text
from audit.errors import SourceError
from audit.sources.locate import Files
from audit.sources.messages import reading
from audit.sources.relation import Relation, SourceOptions, quote_name, quote_text
from audit.sources.temporary import drop, new_table_name, relation_of, source_order, store

if TYPE_CHECKING:
    import duckdb

_MOST_NAMED = 3  # lines that a note shows
_CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "BIGINT": ("BIGINT", "HUGEINT", "DOUBLE"),
    "HUGEINT": ("HUGEINT", "DOUBLE"),
    "DATE": ("DATE", "TIMESTAMP"),
    "TIMESTAMP": ("TIMESTAMP",),
    "TIMESTAMP WITH TIME ZONE": ("TIMESTAMP WITH TIME ZONE",),
}
"""Types that the first rows may suggest and later rows belie without an error, and what to try then over all rows.

DuckDB's reader rounds a late 2.5 to a whole number, and drops a late time of day or zone, without a word.
"""
_ZONE = "':.*(Z|z|[+-][0-9:]+|[A-Za-z]{3,})\\s*$'"
_LOSES: Mapping[str, str] = {  # values that the type would take, but not whole
    "BIGINT": "regexp_matches({}, '[.eE]')",
    "HUGEINT": "regexp_matches({}, '[.eE]')",
    "DOUBLE": "false",
    "DATE": "contains({}, ':')",
    "TIMESTAMP": f"regexp_matches({{}}, {_ZONE.replace('{', '{{').replace('}', '}}')})",
    "TIMESTAMP WITH TIME ZONE": f"NOT regexp_matches({{}}, {_ZONE.replace('{', '{{').replace('}', '}}')})",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written, and the types of its columns."""

    delimiter: str
    quote: str
    escape: str
    header: bool
    skip: int
    comment: str
    types: Mapping[str, str]
    date_format: str | None = None
    timestamp_format: str | None = None

    def settings(self) -> str:
        """Return the arguments of `read_csv`."""
        columns = ", ".join(f"{quote_text(name)}: {quote_text(kind)}" for name, kind in self.types.items())
        words = {"delim": self.delimiter, "quote": self.quote, "escape": self.escape, "comment": self.comment}
        formats = {"dateformat": self.date_format, "timestampformat": self.timestamp_format}
        listed = [f"{key} = {quote_text(value)}" for key, value in (words | formats).items() if value is not None]
        listed += [f"header = {str(self.header).lower()}", f"skip = {self.skip}", f"columns = {{{columns}}}"]
        return "auto_detect = false, hive_partitioning = false, " + ", ".join(listed)

    def __str__(self) -> str:
        """Return the words of the note."""
        quote = f"'{self.quote}'" if self.quote else "none"
        return f"delimiter {self.delimiter!r}, quote {quote}, header {'yes' if self.header else 'no'}"


def open_csv(connection: duckdb.DuckDBPyConnection, files: Files, options: SourceOptions) -> Relation:
    """Return a relation over CSV files: delimiter, quoting, encoding, header and types are found out for each.

    Raises:
        SourceError: a file is no table, or an option contradicts it.
    """
    notes = list(files.notes)
    tables: list[str] = []
    names: dict[str, None] = {}
    with tempfile.TemporaryDirectory(prefix="audit-", dir=text.working_folder(connection)) as folder:
        for position in range(len(files.paths)):
            path = files.paths[position]
            table, dialect = _load_file(connection, files, position, options=options, folder=folder, notes=notes)
            tables.append(table)
            names |= dict.fromkeys(dialect.types)
            if len(tables) > 1:
                lacking = [name for name in names if name not in dialect.types]
                notes += [f"column '{name}' is not in {files.short(path)}: NULL there" for name in lacking]
    known: dict[str, Any] = {"uri": files.uri, "id": files.id, "size": files.size()}
    row_id = "rowid"
    if len(tables) > 1 or any(name.lower() == "rowid" for name in names):
        select = " UNION ALL BY NAME ".join(f"SELECT * FROM {table}" for table in tables)
        with reading(files.uri, "CSV"):
            table, row_id = store(connection, select, list(names))
        drop(connection, tables)
        tables = [table]
    return relation_of(connection, tables[0], row_id, **known, notes=notes)


def _load_file(
    connection: duckdb.DuckDBPyConnection,
    files: Files,
    position: int,
    *,
    options: SourceOptions,
    folder: str,
    notes: list[str],
) -> tuple[str, Dialect]:
    """Read one file into a table of its own."""
    path, compression = files.paths[position], files.detected[position].compression
    name = files.short(path) or path
    encoding = text.find_encoding(text.read_head(files, path, compression), options.encoding)
    head = text.read_head(files, path, compression)
    plain = text.readable_path(files, path, compression, encoding, folder)
    with reading(name, "CSV"):
        dialect = _sniff(connection, plain, options, head)
        table, dialect, rejected = _load_rows(connection, plain, dialect, notes)
        if any(kind == "INVALID ENCODING" for kind, *_ in rejected) and options.encoding is None:
            drop(connection, [table])  # a late byte shows that the start was misleading: it is not UTF-8
            encoding = text.one_byte_encoding(files, path, compression)
            plain = text.readable_path(files, path, compression, encoding, folder)
            dialect = _sniff(connection, plain, options, head)
            table, dialect, rejected = _load_rows(connection, plain, dialect, notes)
    which = f"{name}: " if len(files.paths) > 1 else ""
    skipped = f", {dialect.skip} lines before the header skipped" if dialect.skip else ""
    dates = f", dates as {dialect.date_format}" if dialect.date_format else ""
    notes.append(f"CSV: {which}encoding {encoding}, {dialect}{skipped}{dates}")
    if rejected:
        notes.append(_rejected_note(which, rejected))
    return table, dialect


def _sniff(connection: duckdb.DuckDBPyConnection, path: str, options: SourceOptions, head: bytes) -> Dialect:
    """Find out how a file is written; ragged lines do not decide."""
    import duckdb

    given = []
    for key, value in (("delim", options.delimiter), ("quote", options.quote)):
        if value is not None:
            given.append(f"{key} = {quote_text(value)}")
    if options.header is not None:
        given.append(f"header = {str(options.header).lower()}")
    best: Dialect | None = None
    failure: duckdb.Error | None = None
    for lenient in ([], ["ignore_errors = true"], ["ignore_errors = true", "strict_mode = false"]):
        arguments = ", ".join([quote_text(path), *given, *lenient])
        try:
            rows = connection.execute(f"SELECT * FROM sniff_csv({arguments})").fetchall()
        except duckdb.Error as error:
            failure = failure or error
            continue
        dialect = _dialect_of(rows[0], options)
        if best is None or len(dialect.types) > len(best.types):
            best = dialect
        if len(best.types) > 1:
            break
    if best is None:
        raise failure or SourceError(f"{path} is no CSV")
    if not best.quote and options.quote is None and b'"' not in head:
        best = replace(best, quote='"', escape='"')  # none seen so far; a later field may still be quoted
    return best


def _dialect_of(row: Sequence[Any], options: SourceOptions) -> Dialect:
    def plain(value: Any) -> str:
        return "" if value in (None, "(empty)") else str(value)

    delimiter, quote, escape, _, comment, skip, header, columns, date_format, timestamp_format = row[:10]
    quote = plain(quote) if options.quote is None else options.quote
    date_format = None if plain(date_format) == "%Y-%m-%d" else date_format  # ISO dates need no format
    types = {column["name"]: column["type"] for column in columns}
    return Dialect(
        plain(delimiter), quote, plain(escape) or quote, bool(header), int(skip), plain(comment), types,
        plain(date_format) or None, plain(timestamp_format) or None,
    )  # fmt: skip


Rejected = tuple[str, int, str, str]
"""Kind of error, line, column, DuckDB's words."""


def _load_rows(
    connection: duckdb.DuckDBPyConnection, path: str, dialect: Dialect, notes: list[str]
) -> tuple[str, Dialect, list[Rejected]]:
    """Load all rows; each column gets the narrowest type that takes every value whole."""
    formats = {"DATE": dialect.date_format, "TIMESTAMP": dialect.timestamp_format}
    open_types = {  # a type with a format of its own is read strictly
        name: kind
        for name, kind in dialect.types.items()
        if kind in _CANDIDATES and formats.get(kind.removesuffix(" WITH TIME ZONE")) is None
    }
    texts = dict.fromkeys(open_types, "VARCHAR")
    while True:
        loaded = replace(dialect, types=dict(dialect.types) | texts)
        table, rejected = _read_csv(connection, path, loaded)
        misfits = sorted({column for kind, _, column, _ in rejected if kind == "CAST"})
        if not misfits:
            break
        drop(connection, [table])
        texts |= dict.fromkeys(misfits, "VARCHAR")
    types = dict(loaded.types) | _settle(connection, table, open_types)
    notes += [
        f"CSV: column '{name}' begins like {dialect.types[name]}, but later values are not, so it is read as text"
        for name in texts
        if types[name] == "VARCHAR"
    ]
    if types != loaded.types:
        columns = ", ".join(f"CAST({quote_name(name)} AS {kind}) AS {quote_name(name)}" for name, kind in types.items())
        typed = f"temp.main.{quote_name(new_table_name())}"
        with source_order(connection):
            connection.execute(f"CREATE TEMP TABLE {typed} AS SELECT {columns} FROM {table}").fetchall()
        drop(connection, [table])
        table = typed
    return table, replace(dialect, types=types), rejected


def _read_csv(connection: duckdb.DuckDBPyConnection, path: str, dialect: Dialect) -> tuple[str, list[Rejected]]:
    """Read a file into a new table; return its name and the lines that did not fit."""
    table, rejects, scans = new_table_name(), new_table_name(), new_table_name()
    target = f"temp.main.{quote_name(table)}"
    with source_order(connection):
        connection.execute(
            f"CREATE TEMP TABLE {target} AS SELECT * FROM read_csv({quote_text(path)}, {dialect.settings()}, "
            f"store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{scans}', rejects_limit = 0)"
        ).fetchall()
    rejected = connection.execute(
        f"SELECT CAST(error_type AS VARCHAR), line, coalesce(column_name, ''), error_message FROM {rejects} "
        "ORDER BY line"
    ).fetchall()
    drop(connection, [rejects, scans])
    return target, rejected


def _settle(connection: duckdb.DuckDBPyConnection, table: str, guessed: Mapping[str, str]) -> dict[str, str]:
    """Return the first candidate type of each text column that takes all of its values whole, else VARCHAR."""
    settled = dict.fromkeys(guessed, "VARCHAR")
    pending = {name: list(_CANDIDATES[kind]) for name, kind in guessed.items()}
    while pending:
        kinds = {name: candidates.pop(0) for name, candidates in pending.items()}
        misfits = [
            f"count(CASE WHEN TRY_CAST({column} AS {kind}) IS NULL OR {_LOSES[kind].format(column)} THEN {column} END)"
            for column, kind in ((quote_name(name), kind) for name, kind in kinds.items())
        ]
        counts = connection.execute(f"SELECT {', '.join(misfits)} FROM {table}").fetchall()[0]
        settled |= {name: kind for (name, kind), count in zip(kinds.items(), counts, strict=True) if count == 0}
        pending = {name: left for name, left in pending.items() if left and settled[name] == "VARCHAR"}
    return settled


def _rejected_note(which: str, rejected: Sequence[Rejected]) -> str:
    lines: dict[int, str] = {}
    for kind, line, _, message in rejected:
        detail = message.splitlines()[0].replace("Expected Number of Columns:", "expected").replace("Found:", "found")
        lines.setdefault(line, f"line {line} {kind.lower()}: {detail.rstrip('.')}")
    shown = "; ".join(list(lines.values())[:_MOST_NAMED]) + ("; …" if len(lines) > _MOST_NAMED else "")
    words = "1 line cannot be read and is" if len(lines) == 1 else f"{len(lines):,} lines cannot be read and are"
    return f"CSV: {which}{words} left out ({shown})"
