"""Text files: find their encoding, and rewrite those that DuckDB cannot read as UTF-8."""

from __future__ import annotations

import codecs
import os
from typing import IO, TYPE_CHECKING

from audit.errors import SourceError
from audit.sources.formats import HEAD, decompress, read_head
from audit.sources.locate import Files
from audit.sources.messages import reading
from audit.sources.temporary import setting

if TYPE_CHECKING:
    import duckdb

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8 = {"utf-8", "utf-8-sig"}
_BLOCK = 1 << 20
_SUFFIXES = {None: "", "gzip": ".gz", "zstd": ".zst"}


def find_encoding(head: bytes, given: str | None = None) -> str:
    """Return the codec of a text file: as given, by its byte-order mark, or the first that its start decodes in.

    The order is UTF-8, UTF-16 (by its zero bytes), cp1252, latin-1.

    >>> find_encoding("Müller".encode("cp1252")), find_encoding("Müller".encode())
    ('cp1252', 'utf-8')
    """
    if given is not None:
        try:
            return codecs.lookup(given).name
        except LookupError as error:
            raise SourceError(
                f"unknown encoding '{given}'; Python's codec names are allowed, such as cp1252"
            ) from error
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec
    if head.count(0) > 0.3 * len(head):
        return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"
    return next((codec for codec in ("utf-8", "cp1252") if _decodes(head, codec)), "latin-1")


def _decodes(head: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(head)  # a character cut by the end of the head is no error
    except UnicodeDecodeError:
        return False
    return True


def one_byte_encoding(files: Files, path: str, compression: str | None) -> str:
    """Return cp1252, or latin-1 for a file with bytes that cp1252 leaves undefined; for a file that is not UTF-8."""
    undefined = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))
    with files.open(path) as stream, reading(path):
        plain = decompress(stream, compression)
        while block := plain.read(_BLOCK):
            if any(code in block for code in undefined):
                return "latin-1"
    return "cp1252"


def working_folder(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the folder for rewritten files: the connection's own spill folder where it exists."""
    folder = str(connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0] or "")
    return folder if os.path.isdir(folder) else None


def readable_path(files: Files, path: str, compression: str | None, encoding: str, folder: str) -> str:
    """Return a path that DuckDB reads as UTF-8: `path` itself, or a decoded copy in `folder`.

    Raises:
        SourceError: the file does not decode.
    """
    suffix = _SUFFIXES.get(compression)
    if encoding in _UTF8 and suffix is not None and path.lower().endswith(suffix):
        return path
    target = os.path.join(folder, f"{len(os.listdir(folder))}.txt")
    name = files.short(path) or path
    with files.open(path) as stream, open(target, "w", encoding="utf-8", newline="") as copy:
        try:
            with reading(name, f"text in {encoding}"):
                _decode(decompress(stream, compression), copy, encoding)
        except SourceError as error:
            raise SourceError(f"{error}; say another encoding") from error
    return target


def _decode(plain: IO[bytes], copy: IO[str], encoding: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding in _UTF8 else encoding)()
    while block := plain.read(_BLOCK):
        copy.write(decoder.decode(block))
    copy.write(decoder.decode(b"", final=True))


__all__ = [
    "HEAD", "find_encoding", "one_byte_encoding", "read_head", "readable_path", "setting", "working_folder",
]  # fmt: skip
