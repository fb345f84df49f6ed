"""Opening tables of steps or episodes: Parquet, Arrow, JSON lines and delimited text, one file or a folder of files.

What a file is, its first bytes say; its name only breaks ties between kinds of text.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rl_data.trajectories import Rows, TrajectoryError

_SUFFIXES = (".parquet", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson", ".csv", ".tsv")
_JSON_BLOCK = 1 << 26  # bytes; a line (one step, or one whole episode) must fit in it
_NAMED = 12  # columns that a message names


@dataclass(frozen=True, slots=True)
class Source:
    """A table and where its rows come from.

    Attributes:
        uri: as shown to people.
        table: the rows, files one after the other.
        files: the names of the files.
        rows: int64[F], rows of each file.
    """

    uri: str
    table: pa.Table
    files: tuple[str, ...]
    rows: Rows

    def row_in_file(self) -> Rows:
        """Return int64[N]: the place of each row in its own file."""
        starts = np.cumsum(self.rows) - self.rows
        return np.asarray(np.arange(self.table.num_rows) - np.repeat(starts, self.rows), dtype=np.int64)

    def file_of_row(self, rows: Rows) -> np.ndarray[Any, Any]:
        """Return str[len(rows)]: the file that holds each of some rows."""
        return np.asarray(self.files)[np.searchsorted(np.cumsum(self.rows), rows, side="right")]


def open_table(path: Path) -> Source:
    """Read all columns of a table.

    Raises:
        TrajectoryError: there is no readable table, it has no rows, or the files of a folder do not go together.
    """
    files = _files(path)
    if not files:
        raise TrajectoryError(f"{path}: the folder holds no Parquet, Arrow, JSON lines or CSV file")
    tables = [_read(file) for file in files]
    for file, table in zip(files[1:], tables[1:], strict=True):
        if not table.schema.equals(tables[0].schema):
            difference = _difference(tables[0].schema, table.schema)
            raise TrajectoryError(
                f"{file}: its columns are not those of {files[0].name} ({difference}); make the files alike or read "
                "them apart"
            )
    table = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
    if table.num_rows == 0:
        raise TrajectoryError(f"{path}: the table has no rows, so there is no episode to read")
    rows = np.array([part.num_rows for part in tables], dtype=np.int64)
    names = tuple(str(file.relative_to(path)) if path.is_dir() else str(file) for file in files)
    return Source(str(path), table, names, rows)


def schema_of(path: Path) -> pa.Schema | None:
    """Return names and types of a table's columns from its head; None when there is no readable table."""
    try:
        files = _files(path)
        if not files:
            return None
        status = files[0].stat()
        schema = _schema(files[0], status.st_mtime_ns, status.st_size)
        return None if schema is None else _decoded(schema)
    except (pa.ArrowException, OSError, ValueError):
        return None


def without_content(path: Path) -> str | None:
    """Return what is wrong with a file that holds no data at all, and what to do; None when it may hold some."""
    if path.is_dir():
        return None
    with path.open("rb") as stream:
        head = stream.read(64)
    if not head:
        return "the file is empty (0 bytes); copy or write it anew"
    if head.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer, not the data itself; run `git lfs pull`"
    return None


def describe_unknown(path: Path) -> str:
    """Return what a file or folder of no known format is, in words that help to find out why."""
    if (absent := without_content(path)) is not None:
        return absent
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir())
        return f"a folder with {len(names)} entries ({', '.join(names[:_NAMED]) or 'empty'})"
    with path.open("rb") as stream:
        head = stream.read(256)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "an HDF5 file whose groups are not those of Minari, D4RL, d3rlpy or robomimic"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive without arrays of observations and actions"
    if _kind(path) is None:
        return "neither a table nor an HDF5 or .npz file"
    try:
        schema = _decoded(_schema(path, 0, 0) or pa.schema([]))
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"the {_kind(path)} content cannot be read ({_one_line(error)}), so copy or write the file anew"
    listed = ", ".join(schema.names[:_NAMED]) + (", ..." if len(schema.names) > _NAMED else "")
    return (
        f"a table with the columns {listed}, among which no numeric observation and action beside an episode, "
        "reward or end-of-episode column were recognised: rename them (observation_0.., action_0.., episode_id, reward)"
    )


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn what a library raises on bad content into a message of one line."""
    try:
        yield
    except TrajectoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        remedy = "copy the file anew or write it again"
        raise TrajectoryError(f"{path}: cannot be read as {kind}: {_one_line(error)}; {remedy}") from error


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in path.rglob("*")
        if file.suffix.lower() in _SUFFIXES
        and file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    ]
    return sorted(found, key=lambda file: _natural(str(file.relative_to(path))))


def _natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key under which part 10 follows part 9."""
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name))


def _kind(path: Path) -> str | None:
    """Return what the first bytes say: Parquet, Arrow, Arrow stream, JSON lines, delimited text; None for the rest."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(b"PAR1"):
        return "Parquet"
    if head.startswith(b"ARROW1"):
        return "Arrow"
    if head.startswith(b"\xff\xff\xff\xff"):
        return "Arrow stream"
    if not head or b"\x00" in head or head.startswith(b"version https://git-lfs"):
        return None
    if head.lstrip().startswith(b"{"):
        return "JSON lines"
    first = head.split(b"\n", 1)[0]
    return "delimited text" if any(mark in first for mark in (b",", b"\t", b";")) else None


def _read(path: Path) -> pa.Table:
    kind = _kind(path)
    if kind is None:
        raise TrajectoryError(f"{path}: {describe_unknown(path)}")
    with reading(path, kind):
        if kind == "Parquet":
            import pyarrow.parquet as pq

            return _validated(pq.ParquetFile(path, memory_map=True).read())
        if kind == "Arrow":
            return _validated(pa.ipc.open_file(pa.memory_map(str(path))).read_all())
        if kind == "Arrow stream":
            return _validated(pa.ipc.open_stream(pa.memory_map(str(path))).read_all())
        if kind == "JSON lines":
            import pyarrow.json as pj

            return pj.read_json(path, read_options=pj.ReadOptions(block_size=_JSON_BLOCK))
        import pyarrow.csv as pc

        return pc.read_csv(path, parse_options=pc.ParseOptions(delimiter=_delimiter(path)))


def _validated(table: pa.Table) -> pa.Table:
    """Return a table that was checked: Arrow believes the offsets in a file, and wrong ones can end the process."""
    table.validate(full=True)
    _decoded(table.schema)
    return table


def _decoded(schema: pa.Schema) -> pa.Schema:
    """Return a schema once its names have proved to be text (Arrow decodes them late) and to be distinct."""
    names = list(schema.names)
    doubled = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if doubled is not None:
        raise ValueError(f"the column {doubled} occurs {names.count(doubled)} times")
    return schema


@functools.lru_cache(maxsize=16)
def _schema(path: Path, changed: int, size: int) -> pa.Schema | None:  # changed and size: part of the cache's key
    kind = _kind(path)
    if kind == "Parquet":
        import pyarrow.parquet as pq

        return pq.read_schema(path)
    if kind == "Arrow":
        return pa.ipc.open_file(pa.memory_map(str(path))).schema
    if kind == "Arrow stream":
        return pa.ipc.open_stream(pa.memory_map(str(path))).schema
    if kind == "JSON lines":
        return _schema_of_json(path)
    if kind == "delimited text":
        import pyarrow.csv as pc

        return pc.open_csv(path, parse_options=pc.ParseOptions(delimiter=_delimiter(path))).schema
    return None


def _schema_of_json(path: Path) -> pa.Schema | None:
    with path.open("rb") as stream:
        line = stream.readline(_JSON_BLOCK)
    record = json.loads(line)
    return pa.Table.from_pylist([record]).schema if isinstance(record, dict) else None


def _delimiter(path: Path) -> str:
    with path.open("rb") as stream:
        first = stream.readline(1 << 20)
    return max((",", "\t", ";"), key=lambda mark: first.count(mark.encode()))


def _difference(first: pa.Schema, other: pa.Schema) -> str:
    for field in first:
        if field.name not in other.names:
            return f"{field.name} is missing"
        if not other.field(field.name).type.equals(field.type):
            return f"{field.name} is {other.field(field.name).type} here and {field.type} there"
    extra = [name for name in other.names if name not in first.names]
    return f"{extra[0]} is only here" if extra else "the same columns in another order"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
