"""Tell formats apart: by what a file starts with, and by its name where the content leaves it open."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from audit.errors import SourceError

if TYPE_CHECKING:
    from audit.sources.locate import Files

FORMATS: dict[str, str] = {
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet",
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".psv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".arrow": "arrow", ".arrows": "arrow", ".feather": "arrow", ".ipc": "arrow",
    ".duckdb": "duckdb", ".ddb": "duckdb", ".db": "duckdb",
}  # fmt: skip
"""Suffixes that are known, and the format that each stands for."""

COMPRESSIONS: dict[str, str] = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
"""Suffixes of compressed text files."""

HEAD = 1 << 16
"""Bytes from the start of a file that are looked at."""

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n", "HDF5, which is not read as a table; write it as Parquet (pandas: to_parquet)"),
    (b"SQLite format 3\x00", "an SQLite database; export the table to CSV or Parquet"),
    (b"\x93NUMPY", "a NumPy array: it has no column names, and object arrays hold pickles; write it as Parquet"),
    (b"PK\x03\x04", "a zip archive (as .xlsx and .npz are); unpack it, or save the sheet as CSV"),
    (b"%PDF", "a PDF; export the table to CSV"),
    (b"ORC", "ORC, which is not read; write it as Parquet"),
    (b"Obj\x01", "Avro, which is not read; write it as Parquet"),
    (b"FEA1", "Feather version 1, which is not read; write it again as Feather version 2 or Parquet"),
    (b"PARE", "Parquet with an encrypted footer, which is not read; decrypt it first"),
)
_PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth")
_BINARY = {"parquet", "arrow", "duckdb"}


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file is: its format, how it is compressed (None: it is not), and remarks."""

    format: str
    compression: str | None = None
    notes: tuple[str, ...] = ()


def format_of_name(name: str) -> tuple[str | None, str | None]:
    """Return the format and the compression that a file's name stands for; None where it says nothing.

    >>> format_of_name("Orders.CSV.gz"), format_of_name("notes.docx")
    (('csv', 'gzip'), (None, None))
    """
    stem, suffix = os.path.splitext(name.lower())
    compression = COMPRESSIONS.get(suffix)
    if compression:
        suffix = os.path.splitext(stem)[1]
    return FORMATS.get(suffix), compression


def decompress(stream: IO[bytes], compression: str | None) -> Any:
    """Return a readable stream of the plain bytes."""
    if compression is None:
        return stream
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), compression)


def read_head(files: Files, path: str, compression: str | None = None, size: int = HEAD) -> bytes:
    """Return the first bytes of a file, decompressed."""
    from audit.sources.messages import reading

    with files.open(path) as stream, reading(path, compression or "a file"):
        return bytes(decompress(stream, compression).read(size))


def detect(files: Files, path: str, given: str | None = None) -> Detected:
    """Find out what a file is.

    Raises:
        SourceError: it is empty, truncated, something else than its name says, or nothing that is read here.
    """
    name = files.short(path) or path
    by_name, _ = format_of_name(path)
    head = read_head(files, path)
    _refuse(head, path, name)
    compression = _compression(head)
    if compression:
        head = read_head(files, path, compression)
        if not head:
            raise SourceError(f"{name} is empty once decompressed; write it again")
    content = _binary_format(head)
    if content and compression:
        raise SourceError(f"{name} is {content} inside {compression}; decompress it first")
    if content == "parquet":
        _require_footer(files, path, name)
    found = given or content
    if given in _BINARY and content != given:
        raise SourceError(f"{name} is not {given}: {_looks(head)}; leave the format out to let it be found")
    if found is None:
        found = _text_format(head, by_name, name)
    differs = content is not None and by_name is not None and by_name != content
    notes = (f"{name} is {content} by its content, whatever its name says",) if differs else ()
    return Detected(found, compression, notes)


def _refuse(head: bytes, path: str, name: str) -> None:
    """Raise for what is never read."""
    if not head:
        raise SourceError(f"{name} is empty (0 bytes); write it again")
    if head.startswith(b"version https://git-lfs"):
        raise SourceError(f"{name} is a git-lfs pointer, not the data; run `git lfs pull`")
    if path.lower().endswith(_PICKLES) or (head[:1] == b"\x80" and head[1] in (2, 3, 4, 5)):
        raise SourceError(
            f"{name} is a pickle, which can run code when it is opened, so it is never read; write it as Parquet"
        )
    for magic, what in _REFUSED:
        if head.startswith(magic):
            raise SourceError(f"{name} is {what}")


def _compression(head: bytes) -> str | None:
    magic = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\x04\x22\x4d\x18": "lz4"}
    return next((name for start, name in magic.items() if head.startswith(start)), None)


def _binary_format(head: bytes) -> str | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    return "duckdb" if head[8:12] == b"DUCK" else None


def _require_footer(files: Files, path: str, name: str) -> None:
    size = files.size_of(path)
    with files.open(path) as stream:
        stream.seek(max(size - 4, 0))
        tail = stream.read(4)
    if size < 12 or tail != b"PAR1":
        raise SourceError(
            f"{name} is truncated: it starts as Parquet, but its footer is missing ({size:,} bytes are there); "
            "copy or write it again"
        )


def is_text(head: bytes) -> bool:
    """Return whether bytes look like text in UTF-8, UTF-16 or a one-byte encoding."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    zeros = head.count(0)
    if zeros:  # UTF-16 without a mark: nearly every other byte of Latin text is zero
        even, odd = head[::2].count(0), head[1::2].count(0)
        return max(even, odd) > 0.35 * len(head) and min(even, odd) <= 0.02 * len(head)
    control = sum(head.count(code) for code in range(32) if code not in (9, 10, 12, 13, 27))
    return control <= 0.01 * len(head)


def _looks(head: bytes) -> str:
    """Return what content looks like, in words."""
    if not is_text(head):
        return "its content is binary of no known kind"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return "its content is text that looks like HTML or XML"
    if start in (b"{", b"["):
        return "its content is text that looks like JSON"
    return (
        "its content is text that looks like CSV"
        if b"," in head or b";" in head or b"\t" in head
        else "its content is text"
    )


def _text_format(head: bytes, by_name: str | None, name: str) -> str:
    if by_name in _BINARY:
        known = {"parquet": "Parquet", "arrow": "Arrow", "duckdb": "a DuckDB database"}[by_name]
        raise SourceError(f"{name} is not {known}: {_looks(head)}; give it the suffix of what it is, or write it again")
    if not is_text(head):
        raise SourceError(
            f"{name} is not a data file that is read here: {_looks(head)}; known suffixes are {known_suffixes()}"
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<" and by_name != "csv":
        raise SourceError(f"{name} is not a data file that is read here: {_looks(head)}; export the table to CSV")
    if by_name is not None:
        return by_name
    if start == b"{":
        return "jsonl"
    raise SourceError(f"unknown suffix of {name}: {_looks(head)}; rename it to one of {known_suffixes()}")


def known_suffixes() -> str:
    """Return the known suffixes as a list in words."""
    return ", ".join(FORMATS) + " (text also with .gz, .zst)"
