"""JSON Lines and JSON arrays, read once into a temporary table."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import audit.sources.plain_text as text
from audit.errors import SourceError
from audit.sources.formats import decompress
from audit.sources.locate import Files
from audit.sources.messages import one_line, reading
from audit.sources.relation import Relation, SourceOptions, quote_name, quote_text
from audit.sources.temporary import relation_of, store

if TYPE_CHECKING:
    import duckdb

# All rows decide the types; a thousand different keys are a thousand columns, never one MAP.
_SETTINGS = (
    "sample_size = -1, map_inference_threshold = -1, field_appearance_threshold = 0, union_by_name = true, "
    "hive_partitioning = false"
)
_EDGE = 4096  # bytes at the start and end of a file
_MOST_NAMED = 5  # lines that a note names


def open_json(connection: duckdb.DuckDBPyConnection, files: Files, options: SourceOptions) -> Relation:
    """Return a relation over JSON Lines, or over arrays of objects.

    A column with values of several types becomes text. Lines that are not JSON are left out, counted and named.

    Raises:
        SourceError: the files are no JSON objects.
    """
    import duckdb

    notes = list(files.notes)
    with tempfile.TemporaryDirectory(prefix="audit-", dir=text.working_folder(connection)) as folder:
        found = [
            (
                path,
                _plain(files, path, detected.compression, given=options.encoding, folder=folder, notes=notes),
                detected,
            )
            for path, detected in zip(files.paths, files.detected, strict=True)
        ]
        paths = [plain for _, plain, _ in found]
        lines = all(detected.format == "jsonl" for _, _, detected in found)
        for path, plain, one in found:
            if one.compression is None or plain != path:  # what is cut inside gzip or zstd does not decompress
                with files.open(path) if plain == path else open(plain, "rb") as stream:
                    _require_end(stream, files.short(path))
        with reading(files.uri, "JSON"):
            try:
                table, row_id = _load(connection, paths, lines, notes)
            except duckdb.InvalidInputException as error:
                if not lines:
                    raise
                paths = []
                for path, plain, one in found:
                    with files.open(path) if plain == path else open(plain, "rb") as stream:
                        source = decompress(stream, one.compression if plain == path else None)
                        paths.append(_valid_lines(source, folder, files.short(path), notes))
                if not any(os.path.getsize(path) for path in paths):
                    raise SourceError(f"{files.uri} holds no line that is JSON: {one_line(error)}") from error
                table, row_id = _load(connection, paths, lines, notes)
    return relation_of(connection, table, row_id, uri=files.uri, id=files.id, size=files.size(), notes=notes)


def _require_end(stream: IO[bytes], name: str) -> None:
    """Raise for an array that stops short: DuckDB would read what is there without a word."""
    if stream.read(_EDGE).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"[":
        return
    stream.seek(0, os.SEEK_END)
    stream.seek(max(stream.tell() - _EDGE, 0))
    if not stream.read().rstrip().endswith(b"]"):
        raise SourceError(f"{name} is truncated: it starts as a JSON array, but does not end as one; write it again")


def _plain(
    files: Files, path: str, compression: str | None, *, given: str | None, folder: str, notes: list[str]
) -> str:
    """Return a path that holds the file in UTF-8."""
    encoding = text.find_encoding(text.read_head(files, path, compression), given)
    if encoding != "utf-8":
        notes.append(f"JSON: {files.short(path)} has encoding {encoding}")
    if encoding == "utf-8-sig":
        encoding = "utf_8_sig"  # DuckDB's JSON reader does not skip a byte-order mark: have it rewritten
    return text.readable_path(files, path, compression, encoding, folder)


def _load(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[str], lines: bool, notes: list[str]
) -> tuple[str, str]:
    listed = ", ".join(map(quote_text, paths))
    sql = f"read_json([{listed}], format = '{'newline_delimited' if lines else 'auto'}', {_SETTINGS})"
    relation = connection.sql(f"SELECT * FROM {sql}")
    if relation.columns == ["json"]:
        notes.append("JSON: values are not objects with names, so each is read as one column, 'json'")
    mixed = [name for name, kind in zip(relation.columns, relation.types, strict=True) if str(kind) == "JSON"]
    # `->> '$'` takes the quotes off strings; other values stay as JSON writes them
    columns = [
        f"{quote_name(name)} ->> '$' AS {quote_name(name)}" if name in mixed else quote_name(name)
        for name in relation.columns
    ]
    stored = store(connection, f"SELECT {', '.join(columns)} FROM {sql}", relation.columns)
    notes += [f"JSON: column '{name}' has values of several types, so it is read as text" for name in mixed]
    return stored


def _valid_lines(source: Any, folder: str, name: str, notes: list[str]) -> str:
    """Write the lines that are JSON objects to a file of their own; say how many are not."""
    target = os.path.join(folder, f"{len(os.listdir(folder))}.jsonl")
    bad: list[int] = []
    with open(target, "wb") as copy:
        rest, number = b"", 0
        while block := source.read(1 << 20):
            *whole, rest = (rest + block).split(b"\n")
            for line in whole:
                number += 1
                _keep(line, number, copy, bad)
        if rest.strip():
            _keep(rest, number + 1, copy, bad)
    if bad:
        listed = ", ".join(map(str, bad[:_MOST_NAMED])) + (", …" if len(bad) > _MOST_NAMED else "")
        notes.append(
            f"JSON: {len(bad):,} line{'s' if len(bad) > 1 else ''} of {name} cannot be read as an object and "
            f"{'are' if len(bad) > 1 else 'is'} left out (line {listed})"
        )
    return target


def _keep(line: bytes, number: int, copy: IO[bytes], bad: list[int]) -> None:
    if not line.strip():
        return
    try:
        value = json.loads(line, object_pairs_hook=_without_repeats)
    except ValueError:  # also a byte that is not UTF-8
        bad.append(number)
        return
    if isinstance(value, dict):
        copy.write(line.strip() + b"\n")
    else:
        bad.append(number)


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value
