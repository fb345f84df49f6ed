"""Errors of other libraries as one clear line of our own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import AuditError, MemoryLimitError, SourceError

_LONGEST = 300  # characters that we quote of another library's message
ACCEPTED = (
    "a path, glob, folder or fsspec url of Parquet, CSV/TSV, JSON Lines or Arrow/Feather files (or a list of them), "
    "a DuckDB table (`file.duckdb::table`) or relation, a pandas or polars frame, or anything with __arrow_c_stream__"
)


def one_line(error: BaseException) -> str:
    r"""Return the first line of an error's message, without the library's own prefix.

    >>> one_line(ValueError("Invalid Input Error: no such thing\n\nLINE 1: select"))
    'no such thing'
    """
    text = str(error).strip() or type(error).__name__
    line = re.sub(r"^(?:[A-Z][A-Za-z]+ )+Error: ", "", text.splitlines()[0]).strip()
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


@contextmanager
def reading(uri: str, what: str = "data") -> Iterator[None]:
    """Turn whatever a reader raises about the data at `uri` into a `SourceError` of one line.

    Raises:
        SourceError: in place of errors of the operating system, DuckDB, Arrow, fsspec and codecs.
        MemoryLimitError: in place of DuckDB's.
    """
    import duckdb

    try:
        yield
    except AuditError:
        raise
    except duckdb.OutOfMemoryException as error:
        raise MemoryLimitError(f"--memory is too little to read {uri}; allow more") from error
    except FileNotFoundError as error:
        raise SourceError(f"{uri} is not there; check the path") from error
    except PermissionError as error:
        raise SourceError(f"no permission to read {uri}; ask its owner for read access, or copy it") from error
    except Exception as error:
        from_arrow = type(error).__module__.startswith("pyarrow")  # by name: importing pyarrow here costs a start 0.1 s
        if not (from_arrow or isinstance(error, OSError | ValueError | duckdb.Error)):
            raise
        raise SourceError(f"cannot read {uri} as {what}: {one_line(error).rstrip('.')}") from error
