"""Parquet, scanned in place: one file, many files, `key=value` folders, schemas that changed over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.errors import SourceError
from audit.sources.locate import Files
from audit.sources.messages import reading
from audit.sources.relation import Relation, SourceOptions, count_rows, quote_name, quote_text, read_columns
from audit.sources.temporary import relation_of, relation_without_columns, source_order, store

if TYPE_CHECKING:
    import duckdb

Schema = Mapping[str, str]
"""Type by column name, in file order."""

_ONE_FILE = "file_row_number"
_MANY_FILES = "(CAST(file_index AS BIGINT) * 1099511627776 + file_row_number)"
"""2^40 rows a file: both are virtual columns of DuckDB, the same in every scan while the list of files is."""

_RESERVED = {"file_row_number", "file_index"}
_MOST_NAMED = 5  # files that a note names


def open_parquet(connection: duckdb.DuckDBPyConnection, files: Files, options: SourceOptions) -> Relation:
    """Return a relation that scans Parquet files in place.

    Every scan says `can_have_nan`: without it DuckDB believes file statistics, which leave NaN out, and answers
    `sum(CASE WHEN isnan(x) ...)` with 0.

    Raises:
        SourceError: a file is not readable Parquet, or the files' types do not go together.
    """
    import duckdb

    known: dict[str, Any] = {"uri": files.uri, "id": files.id, "size": files.size()}
    with reading(files.uri, "Parquet"):
        try:
            schemas = _schemas(connection, files.paths)
        except duckdb.InvalidInputException as error:
            if len(files.paths) > 1 or "non-root column" not in str(error):
                raise
            return relation_without_columns(_rows_without_columns(files), **known, notes=files.notes)
    hive = _hive_keys(files) if options.hive is not False else ()
    differ = len({tuple(schema.items()) for schema in schemas.values()}) > 1
    settings = ["can_have_nan = true", f"hive_partitioning = {str(bool(hive)).lower()}"]
    if differ:
        settings.append("union_by_name = true")
    sql = f"read_parquet([{', '.join(map(quote_text, files.paths))}], {', '.join(settings)})"
    notes = [*files.notes, *_schema_notes(files, schemas)]
    if hive:
        notes.append(f"folder names give the column{'s' if len(hive) > 1 else ''} {', '.join(hive)}")
    with reading(files.uri, "Parquet"):
        columns = read_columns(connection, sql)
        file_names = {name for schema in schemas.values() for name in schema}
        keys = {name.lower() for name in hive}
        outer = {c.name for c in columns if hive and c.name not in file_names and _is_folder_key(files, c.name)} - {
            c.name for c in columns if c.name.lower() in keys
        }
        columns = tuple(c for c in columns if c.name not in outer)
        notes += _renamed(schemas, [c.name for c in columns])
        names = [column.name for column in columns]
        row_id = _ONE_FILE if len(files.paths) == 1 else _MANY_FILES
        if _RESERVED & {name.lower() for name in names}:
            listed = ", ".join(map(quote_name, names))
            sql, row_id = store(connection, f"SELECT {listed} FROM {sql}", names)
            notes.append(
                "a column has a name that DuckDB keeps for row numbers, so the file was copied to a temporary table"
            )
        rows = count_rows(connection, sql)
        if differ:
            _require_common_types(connection, files, schemas, [column.name for column in columns])
    return relation_of(connection, sql, row_id, **known, notes=notes, columns=columns, rows=rows)


def _schemas(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> dict[str, Schema]:
    """Return the top-level columns of each file, from the footers."""
    listed = ", ".join(map(quote_text, paths))
    with source_order(connection):
        elements = connection.execute(
            f"SELECT file_name, name, coalesce(num_children, 0), coalesce(duckdb_type, logical_type, 'nested') "
            f"FROM parquet_schema([{listed}])"
        ).fetchall()
    schemas: dict[str, dict[str, str]] = {}
    deeper: dict[str, int] = {}  # elements still to come that lie below a top-level column
    for file_name, name, children, kind in elements:
        if file_name not in schemas:  # the first element of each file is its root
            schemas[file_name], deeper[file_name] = {}, 0
        elif deeper[file_name]:
            deeper[file_name] += children - 1
        else:
            schemas[file_name][_distinct(name, schemas[file_name])] = str(kind)
            deeper[file_name] = children
    place = {path: position for position, path in enumerate(paths)}
    return {path: schemas[path] for path in sorted(schemas, key=lambda path: (place.get(path, len(place)), path))}


def _distinct(name: str, taken: Mapping[str, str]) -> str:
    while name in taken:
        name += " (again)"
    return name


def _require_common_types(
    connection: duckdb.DuckDBPyConnection, files: Files, schemas: Mapping[str, Schema], names: Sequence[str]
) -> None:
    """Raise for a column whose types in different files do not go together: a scan would fail later."""
    import duckdb

    for name in names:
        examples = {schema[name]: path for path, schema in schemas.items() if name in schema}
        if len(examples) < 2:
            continue
        queries = {
            path: f"SELECT {quote_name(name)} FROM read_parquet({quote_text(path)}, hive_partitioning = false)"
            for path in examples.values()
        }
        kinds = {path: str(connection.sql(query).types[0]) for path, query in queries.items()}
        listed = ", ".join(map(quote_text, queries))
        try:  # the first row of each is enough: DuckDB sets up the cast when it opens a file
            connection.execute(
                f"SELECT {quote_name(name)} FROM read_parquet([{listed}], union_by_name = true, "
                "hive_partitioning = false) WHERE file_row_number = 0"
            ).fetchall()
        except duckdb.Error as error:
            (path, kind), (other, other_kind) = list(kinds.items())[:2]
            raise SourceError(
                f"column '{name}' is {kind} in {files.short(path)} and {other_kind} in {files.short(other)}, which do "
                "not go together; name the files of one kind"
            ) from error


def _rows_without_columns(files: Files) -> int:
    """Return the rows of a file that has no column, which DuckDB does not open."""
    import pyarrow.parquet as pq

    with files.open(files.paths[0]) as stream:
        return int(pq.read_metadata(stream).num_rows)


def _hive_keys(files: Files) -> tuple[str, ...]:
    """Return the names of `key=value` folders below the root, when every file lies in the same ones."""
    keys = {
        tuple(part.split("=", 1)[0] for part in files.short(path).split("/")[:-1] if "=" in part)
        for path in files.paths
    }
    return keys.pop() if len(keys) == 1 else ()


def _is_folder_key(files: Files, name: str) -> bool:
    return any(f"/{name.lower()}=" in path.lower() for path in files.paths)


def _renamed(schemas: Mapping[str, Schema], names: Sequence[str]) -> list[str]:
    """Say which columns DuckDB calls otherwise: those without a name, or that differ only by case from another."""
    first = next(iter(schemas.values()))
    return [
        f"column {position + 1}, '{name}', is called '{called}' here: names must be there and differ by more than case"
        for position, (name, called) in enumerate(zip(first, names, strict=False))
        if len(schemas) == 1 and name != called
    ]


def _schema_notes(files: Files, schemas: Mapping[str, Schema]) -> list[str]:
    """Say which files lack which columns, and which columns change their type."""
    if len(schemas) < 2:
        return []
    notes = [f"{len(schemas)} files are read as one table, in the order of their names"]
    everywhere = dict.fromkeys(name for schema in schemas.values() for name in schema)
    for name in everywhere:
        lacking = [files.short(path) for path, schema in schemas.items() if name not in schema]
        if lacking:
            listed = ", ".join(lacking[:_MOST_NAMED]) + (", …" if len(lacking) > _MOST_NAMED else "")
            notes.append(f"column '{name}' is not in {len(lacking)} of {len(schemas)} files ({listed}): NULL there")
        types = sorted({schema[name] for schema in schemas.values() if name in schema})
        if len(types) > 1:
            notes.append(f"column '{name}' changes its type between files: {', '.join(types)}")
    return notes
