"""Find the files that a path, a glob, a folder or a url stands for."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from audit.errors import SourceError
from audit.sources.formats import FORMATS, Detected, format_of_name
from audit.sources.messages import reading

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Files:
    """Files to read as one table.

    Attributes:
        uri: as shown to people.
        id: the base name of what the user named.
        paths: what DuckDB opens, sorted, so that row numbers are the same in every run.
        root: the folder below which names (and `key=value` folders) count.
        filesystem: an fsspec file system; None for the local one.
        notes: what was left out.
        detected: what each of `paths` is, once it was looked at.
    """

    uri: str
    id: str
    paths: tuple[str, ...]
    root: str
    filesystem: Any = None
    notes: tuple[str, ...] = ()
    detected: tuple[Detected, ...] = ()

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading bytes."""
        with reading(path):
            opener = open if self.filesystem is None else self.filesystem.open
            stream: IO[bytes] = opener(path, "rb")
            return stream

    def size_of(self, path: str) -> int:
        """Return a file's size in bytes."""
        with reading(path):
            return int(os.path.getsize(path) if self.filesystem is None else self.filesystem.size(path) or 0)

    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(self.size_of(path) for path in self.paths)

    def short(self, path: str) -> str:
        """Return a path as the user would name it: relative to the root."""
        return path[len(self.root) :].lstrip("/") if self.root and path.startswith(self.root) else path


def scheme_of(uri: str) -> str | None:
    """Return the scheme of a url, or None for a local path.

    >>> scheme_of("s3://bucket/key"), scheme_of("C:/data.csv"), scheme_of("data.csv")
    ('s3', None, None)
    """
    match = _SCHEME.match(uri)
    return match.group(1).lower() if match else None


def locate(uri: str, *, format: str | None = None) -> Files:
    """Find the files that `uri` stands for.

    Raises:
        SourceError: nothing is there, or the file system's package is not installed.
    """
    scheme = scheme_of(uri)
    if scheme == "file":
        from urllib.parse import unquote, urlsplit

        return _locate_local(unquote(urlsplit(uri).path), uri, format)
    if scheme is None:
        return _locate_local(os.path.expanduser(uri), uri, format)
    return _locate_remote(uri, scheme, format)


def locate_all(uris: Sequence[str], *, format: str | None = None) -> Files:
    """Find the files of several paths, which are read as one table."""
    if not uris:
        raise SourceError("the list of files is empty; name at least one file")
    found = [locate(uri, format=format) for uri in uris]
    if len(found) == 1:
        return found[0]
    if any(part.filesystem is not found[0].filesystem for part in found):
        raise SourceError("files of one dataset must be on one file system; copy them to one place")
    shown = f"{found[0].uri} and {len(found) - 1} more"
    paths = tuple(dict.fromkeys(path for part in found for path in part.paths))
    notes = tuple(note for part in found for note in part.notes)
    root = os.path.commonpath([os.path.dirname(path) for path in paths]) if found[0].filesystem is None else ""
    return Files(shown, found[0].id, paths, root, found[0].filesystem, notes)


def _locate_local(path: str, uri: str, format: str | None) -> Files:
    base = os.path.basename(os.path.normpath(path)) or path
    try:
        if os.path.isdir(path):
            found = [
                os.path.join(folder, name)
                for folder, _, names in os.walk(path, onerror=_raise, followlinks=True)
                for name in names
            ]
            return _folder(uri, path, found, format)
        if os.path.exists(path):
            return Files(uri, base, (path,), os.path.dirname(path))
    except PermissionError as error:
        raise SourceError(f"no permission to read {uri}; ask its owner for read access") from error
    if _GLOB.search(path):
        matches = sorted(match for match in glob.glob(path, recursive=True) if os.path.isfile(match))
        if not matches:
            raise SourceError(f"no file matches the pattern {uri}; check it, or name a folder")
        return Files(uri, base, tuple(matches), _fixed_part(path))
    raise SourceError(f"{uri} does not exist{_near(path)}")


def _raise(error: OSError) -> None:
    raise error


def _fixed_part(pattern: str) -> str:
    return os.path.dirname(pattern[: next(m.start() for m in _GLOB.finditer(pattern))])


def _near(path: str) -> str:
    """Return the end of the message about a missing file: files of a similar name, or what the folder holds."""
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        return f"; its folder {folder} does not exist either"
    try:
        names = sorted(os.listdir(folder))
    except PermissionError:
        return ""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if not near:  # the right name with another suffix
        stem = name.split(".")[0]
        near = [known for known in names if stem and known.split(".")[0] == stem][:3]
    if near:
        return "; did you mean " + " or ".join(f"'{known}'" for known in near) + "?"
    data = [known for known in names if format_of_name(known)[0]]
    if data:
        return "; its folder holds " + ", ".join(f"'{known}'" for known in data[:5]) + (", …" if len(data) > 5 else "")
    return "; its folder holds no data file"


def _folder(uri: str, root: str, found: Iterable[str], format: str | None, *, filesystem: Any = None) -> Files:
    """Return the data files of a folder, all of one format."""
    by_format: dict[str, list[str]] = {}
    others = 0
    for path in sorted(found):
        parts = path[len(root) :].strip("/").split("/")
        if any(part.startswith((".", "_")) and "=" not in part for part in parts):
            continue  # _SUCCESS, _metadata, .crc: what Spark and others leave behind
        kind = format_of_name(parts[-1])[0]
        if kind is None or kind == "duckdb":
            others += 1
        else:
            by_format.setdefault(kind, []).append(path)
    if format in by_format:
        others += sum(len(paths) for kind, paths in by_format.items() if kind != format)
        by_format = {format: by_format[format]} if format else by_format
    if not by_format:
        known = ", ".join(sorted({suffix for suffix, kind in FORMATS.items() if kind != "duckdb"}))
        held = f"it holds {others} other file{'s' if others != 1 else ''}" if others else "it is empty"
        raise SourceError(f"no data file in the folder {uri} ({held}); known suffixes are {known}")
    if len(by_format) > 1:
        counts = ", ".join(f"{len(paths)} {kind}" for kind, paths in sorted(by_format.items()))
        raise SourceError(
            f"the folder {uri} mixes formats ({counts}); name one kind with a pattern such as "
            f"'{uri.rstrip('/')}/**/*{os.path.splitext(min(by_format.items())[1][0])[1]}'"
        )
    paths = next(iter(by_format.values()))
    notes = (f"{others} files in the folder are not data and were left out",) if others else ()
    root = root.rstrip("/")
    return Files(uri, os.path.basename(root) or root, tuple(paths), root, filesystem, notes)


def _locate_remote(uri: str, scheme: str, format: str | None) -> Files:
    import fsspec

    if scheme in {"http", "https"}:
        raise SourceError(f"{uri}: web addresses are not read; download the file and name the copy")
    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        package = re.search(r"[Ii]nstall ([\w./-]+)", str(error))
        what = package.group(1) if package else f"the fsspec package for {scheme}"
        raise SourceError(f"{scheme}:// needs the package {what}; install it: pip install {what}") from error
    except ValueError as error:
        known = "memory, file, s3, gs, az and whatever fsspec knows"
        raise SourceError(f"unknown kind of address '{scheme}://' in {uri}; known are {known}") from error
    base = path.rstrip("/").rsplit("/", 1)[-1] or uri
    with reading(uri):
        if filesystem.isdir(path):
            found = [filesystem.unstrip_protocol(name) for name in filesystem.find(path)]
            return _folder(uri, str(filesystem.unstrip_protocol(path)), found, format, filesystem=filesystem)
        if filesystem.exists(path):
            full = str(filesystem.unstrip_protocol(path))
            return Files(uri, base, (full,), full.rsplit("/", 1)[0], filesystem)
        matches = sorted(str(filesystem.unstrip_protocol(m)) for m in filesystem.glob(path) if _GLOB.search(path))
    if matches:
        return Files(uri, base, tuple(matches), _fixed_part(str(filesystem.unstrip_protocol(path))), filesystem)
    if _GLOB.search(path):
        raise SourceError(f"no file matches the pattern {uri}; check it, or name a folder")
    raise SourceError(f"{uri} does not exist; check the address")
