"""Open any tabular data as a relation on DuckDB."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import SourceError
from audit.sources.arrow import open_arrow_files, open_stream, open_table
from audit.sources.database import open_database, open_duckdb_relation
from audit.sources.delimited import open_csv
from audit.sources.formats import COMPRESSIONS, FORMATS, detect
from audit.sources.frames import open_pandas, open_polars
from audit.sources.json_lines import open_json
from audit.sources.locate import Files, locate_all, scheme_of
from audit.sources.messages import ACCEPTED, reading
from audit.sources.parquet import open_parquet
from audit.sources.relation import Relation, SourceOptions

if TYPE_CHECKING:
    import duckdb

__all__ = ["Relation", "SourceOptions", "open_relation"]

ENTRY_POINTS = "dataset_audit.sources"
"""Where other packages add sources: an entry point named after a url scheme or a suffix (without the dot), which is a
function `(connection, uri, options) -> Relation`."""

_READERS: dict[str, Callable[[duckdb.DuckDBPyConnection, Files, SourceOptions], Relation]] = {
    "parquet": open_parquet,
    "csv": open_csv,
    "json": open_json,
    "jsonl": open_json,
    "arrow": open_arrow_files,
}


def open_relation(
    connection: duckdb.DuckDBPyConnection,
    data: object,
    *,
    name: str | None = None,
    options: SourceOptions | None = None,
) -> Relation:
    """Open data as a relation that `connection` can scan again and again.

    Parquet is scanned in place; CSV, JSON, Arrow files and streams are read once into a temporary table of the
    connection (which spills to its temporary directory); Arrow tables and frames are registered without a copy.

    Args:
        connection: where the audit runs; temporary tables and registered objects stay on it.
        data: a path, glob, folder or url, a list of them, or an object in memory.
        name: the identity across runs, in place of the file's, table's or object's own.
        options: what the user says about the source.

    Raises:
        SourceError: the data cannot be found, opened or read; the message is one line.
    """
    options = options or SourceOptions()
    if options.format is not None and options.format not in {*_READERS, "duckdb"}:
        raise SourceError(f"unknown format '{options.format}'; allowed are {', '.join(_READERS)}, duckdb")
    if isinstance(data, str | Path):
        relation = _open_uri(connection, [str(data)], options)
    elif isinstance(data, list | tuple) and data and all(isinstance(item, str | Path) for item in data):
        relation = _open_uri(connection, [str(item) for item in data], options)
    else:
        relation = _open_object(connection, data, name or "frame")
    return relation if name is None else replace(relation, id=name)


def _open_uri(connection: duckdb.DuckDBPyConnection, uris: Sequence[str], options: SourceOptions) -> Relation:
    uri = uris[0]
    scheme = scheme_of(uri)
    is_database = scheme == "duckdb" or ("::" in uri and scheme is None) or options.format == "duckdb"
    if len(uris) == 1 and is_database:
        return open_database(connection, uri, options)
    if len(uris) == 1 and (opener := _third_party(uri, scheme)):
        return opener(connection, uri, options)
    files = locate_all(uris, format=options.format)
    if files.filesystem is not None:
        _register(connection, files)
    detected = tuple(detect(files, path, options.format) for path in files.paths)
    first = detected[0].format
    if first == "duckdb" and len(files.paths) == 1:
        return open_database(connection, uri, options)
    reader = _READERS.get(first)
    for path, other in zip(files.paths, detected, strict=True):
        if _READERS.get(other.format) is not reader or reader is None:
            raise SourceError(
                f"{files.short(files.paths[0])} is {first} and {files.short(path)} is {other.format}: files of one "
                "dataset must be of one format"
            )
    assert reader is not None
    notes = (*files.notes, *(note for one in detected for note in one.notes))
    return reader(connection, replace(files, detected=detected, notes=notes), options)


def _third_party(uri: str, scheme: str | None) -> Callable[..., Relation] | None:
    """Return another package's source for this scheme or suffix; what is built in is never replaced."""
    suffix = os.path.splitext(uri.rstrip("/").lower())[1]
    if scheme in {"file", "memory"} or (scheme is None and (suffix in {"", *FORMATS, *COMPRESSIONS})):
        return None  # before looking: reading the entry points of a large environment takes a while
    from importlib.metadata import entry_points

    found = {entry.name.lower(): entry for entry in entry_points(group=ENTRY_POINTS)}
    entry = found.get(scheme or "") or found.get(suffix[1:])
    if entry is None:
        return None
    try:
        opener: Callable[..., Relation] = entry.load()
    except Exception as error:
        raise SourceError(f"the source '{entry.name}' ({entry.value}) cannot be loaded: {error}") from error
    return opener


def _register(connection: duckdb.DuckDBPyConnection, files: Files) -> None:
    protocol = files.filesystem.protocol
    protocols = {protocol} if isinstance(protocol, str) else set(protocol)
    if not protocols & set(connection.list_filesystems()):
        with reading(files.uri):
            connection.register_filesystem(files.filesystem)


def _open_object(connection: duckdb.DuckDBPyConnection, data: Any, name: str) -> Relation:
    import duckdb
    import pyarrow as pa

    known: dict[str, Any] = {"uri": name, "id": name}
    package = type(data).__module__.split(".")[0]
    if isinstance(data, Relation):
        raise SourceError("a Relation belongs to one connection; pass the data that it was opened from")
    if isinstance(data, duckdb.DuckDBPyRelation):
        return open_duckdb_relation(connection, data, **known)
    if package == "pandas" and type(data).__name__ in {"DataFrame", "Series"}:
        return open_pandas(connection, data, **known)
    if package == "polars" and type(data).__name__ in {"DataFrame", "LazyFrame", "Series"}:
        return open_polars(connection, data, **known)
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        return open_table(connection, data, **known)
    if isinstance(data, pa.RecordBatchReader):
        return open_stream(connection, data, **known)
    if package == "pyarrow" and hasattr(data, "scanner"):  # pyarrow.dataset.Dataset, without importing it
        return open_stream(connection, data.scanner().to_reader(), **known)
    if hasattr(data, "__arrow_c_stream__"):
        with reading(name, f"the Arrow stream of {type(data).__name__}"):
            reader = pa.RecordBatchReader.from_stream(data)
        return open_stream(connection, reader, **known)
    raise SourceError(
        f"cannot read an object of type {type(data).__module__}.{type(data).__qualname__}; pass {ACCEPTED}"
    )
