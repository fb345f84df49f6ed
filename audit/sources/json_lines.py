"""JSON Lines and JSON arrays, read once into a temporary table."""

from __future__ import annotations

import codecs
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import SourceError
from audit.sources.formats import Detected, decompress, detect
from audit.sources.locate import Files
from audit.sources.messages import one_line, reading
from audit.sources.plain_text import find_encoding, working_folder, write_utf8
from audit.sources.relation import Relation, SourceOptions, quote_name, quote_text
from audit.sources.temporary import relation_of, store

if TYPE_CHECKING:
    import duckdb

# All rows decide the types; a thousand different keys are a thousand columns, never one MAP.
_SETTINGS = (
    "sample_size = -1, map_inference_threshold = -1, field_appearance_threshold = 0, union_by_name = true, "
    "hive_partitioning = false"
)


def open_json(connection: duckdb.DuckDBPyConnection, files: Files, options: SourceOptions) -> Relation:
    """Return a relation over JSON Lines or arrays of objects.

    A value that is not of its column's type makes the column text; lines that are not JSON are left out, counted and
    said.

    Raises:
        SourceError: no line is a JSON object.
    """
    notes = list(files.notes)
    with tempfile.TemporaryDirectory(prefix="audit-", dir=working_folder(connection)) as folder:
        paths = []
        for number, path in enumerate(files.paths):
            detected = detect(files, path, options.format)
            encoding = find_encoding(files, path, detected.compression, options.encoding)
            if encoding not in {"utf-8", "utf-8-sig"} or detected.compression not in {None, "gzip", "zstd"}:
                target = os.path.join(folder, f"{number}.json")
                write_utf8(files, path, detected.compression, encoding, target)
                notes.append(f"{files.short(path)}: encoding {encoding}")
                path = target
            elif detected.compression and not path.endswith((".gz", ".zst")):
                target = os.path.join(folder, f"{number}.json")
                write_utf8(files, path, detected.compression, "utf-8-sig", target)
                path = target
            paths.append(path)
        sql = _reader(paths, lines=all(_is_lines(files, path) for path in files.paths))
        try:
            select, names = _select(connection, sql, notes)
        except Exception as error:
            sql = _reader(_only_valid(files, folder, notes, error), lines=True)
            with reading(files.uri, "JSON"):
                select, names = _select(connection, sql, notes)
        with reading(files.uri, "JSON"):
            table, row_id = store(connection, select, names)
    return relation_of(connection, table, row_id, uri=files.uri, id=files.id, size=files.size(), notes=notes)
