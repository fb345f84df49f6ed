"""A folder of results: what each run came to, read from the head of its file.

A result begins with what an overview needs (run, dataset, verdict, scores), and its findings, measurements and charts,
which are nearly all of it, come after. So only the first kilobytes of each file are read, and its last bytes, to tell
a file that was cut off.
"""

from __future__ import annotations

import codecs
import datetime as dt
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import SourceError
from audit.findings import DIMENSIONS
from audit.saved import schema_problem

HEAD_BYTES = 65_536

_NEEDED = ("schema_version", "run", "dataset", "verdict", "scores")
_OURS = frozenset({
    *_NEEDED, "approximations", "baseline", "columns", "episode_totals", "episodes", "findings", "learning", "outcomes",
    "reference", "roles", "settings",
})  # fmt: skip
_STATUSES = ("pass", "warn", "fail", "error", "not_applicable")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, as the head of its file tells it.

    Attributes:
        path: of the JSON.
        report: of the HTML report beside it; None without.
        dataset: the name under which runs are comparable.
        status: the verdict: pass, warn, fail, error or not_applicable.
        findings: open ones by severity.
        scores: by dimension, 0 to 100; None where it was not assessed.
    """

    path: Path
    report: Path | None
    dataset: str
    uri: str
    kind: str
    rows: int
    columns: int
    episodes: int | None
    started: dt.datetime
    status: str
    findings: Mapping[str, int]
    errors: int
    scores: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that holds no result; `broken` says that it should: it is a result cut off, or of another schema."""

    path: Path
    reason: str
    broken: bool


@dataclass(frozen=True, slots=True)
class Runs:
    """What a folder holds: for each dataset its runs, the oldest first, and the files that could not be read."""

    folder: Path
    datasets: Mapping[str, tuple[RunSummary, ...]]
    unread: tuple[Unread, ...]

    @property
    def count(self) -> int:
        """How many runs there are."""
        return sum(len(runs) for runs in self.datasets.values())


def read_runs(folder: str | Path) -> Runs:
    """Return the runs in a folder and the folders in it; those whose name begins with a dot are left out.

    Raises:
        SourceError: there is no such folder, or no result in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"there is no folder {root}; `audit run DATA -o {root}/result.json` writes results into one")
    found: list[RunSummary] = []
    unread: list[Unread] = []
    for path in _json_files(root, unread):
        read = read_head(path)
        (found if isinstance(read, RunSummary) else unread).append(read)  # type: ignore[arg-type]  # each its own kind
    if not found:
        more = f" ({unread[0].path}: {unread[0].reason})" if unread else ""
        raise SourceError(
            f"no result of an audit in {root}{more}; write one with `audit run DATA -o {root}/result.json`"
        )
    datasets: dict[str, list[RunSummary]] = {}
    for run in sorted(found, key=lambda run: (run.started, str(run.path))):
        datasets.setdefault(run.dataset, []).append(run)
    return Runs(root, {name: tuple(runs) for name, runs in datasets.items()}, tuple(unread))


def _json_files(root: Path, unread: list[Unread]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unread.append(Unread(Path(str(error.filename)), error.strerror or "it cannot be opened", True))

    for place, folders, files in os.walk(root, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(".json") and not name.startswith("."):
                yield Path(place, name)


def read_head(path: Path) -> RunSummary | Unread:
    """Return what a file says about its run, reading no more of it than that takes."""
    try:
        head = _head(path)
        if head is None:
            return Unread(path, "it holds no result of an audit", False)
        problem = schema_problem(head["schema_version"])
        return Unread(path, f"it {problem}", True) if problem else _summary(path, head)
    except OSError as error:
        return Unread(path, error.strerror or "it cannot be opened", True)
    except UnicodeDecodeError:
        return Unread(path, "it is not UTF-8 text", True)
    except _CutOffError:
        return Unread(path, "it ends in the middle: writing it was interrupted, or it is no JSON", True)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        return Unread(path, f"it begins like a result and goes on otherwise ({type(error).__name__}: {error})", True)


class _CutOffError(Exception):
    """The text ends before the values that are needed do."""


def _head(path: Path) -> Mapping[str, Any] | None:
    """Return the top-level values that are needed; None where the file is no result.

    Raises:
        _CutOffError: the file ends too early.
    """
    with path.open("rb") as stream:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        text, size = "", HEAD_BYTES
        while True:
            chunk = stream.read(size)
            text += decoder.decode(chunk)
            try:
                head = _first_values(text)
                break
            except _CutOffError:
                if not chunk:
                    raise
                size *= 4
        if head is not None:
            stream.seek(-min(64, stream.seek(0, os.SEEK_END)), os.SEEK_END)
            if not stream.read().rstrip().endswith(b"}"):
                raise _CutOffError
    return head


def _first_values(text: str) -> Mapping[str, Any] | None:
    """Return the values of the needed keys of the JSON object that a text begins with; None where it is no result.

    Raises:
        _CutOffError: the text ends before all of them are there.
    """
    decoder, at = json.JSONDecoder(), _skip(text, 0)
    values: dict[str, Any] = {}
    if text[at] != "{":
        return None
    while not all(name in values for name in _NEEDED):
        at = _skip(text, at + 1)
        if text[at] == "}":  # of an empty object
            return None
        key, at = _value(decoder, text, at)
        if key not in _OURS and not values:
            return None
        at = _skip(text, at)
        if text[at] != ":":
            raise ValueError(f"there is no colon after {str(key)[:40]!r}")
        values[str(key)], at = _value(decoder, text, _skip(text, at + 1))
        at = _skip(text, at)  # the character behind a value proves that it is whole
        if text[at] not in ",}":
            raise ValueError(f"there is no comma after the value of {str(key)[:40]!r}")
        if text[at] == "}":
            break
    return values if all(name in values for name in _NEEDED) else None


def _skip(text: str, at: int) -> int:
    """Return the place of the next character that is no space."""
    found = _SPACE.match(text, at)
    assert found is not None, "it matches the empty text"
    if found.end() >= len(text):
        raise _CutOffError
    return found.end()


def _value(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, at)
    except ValueError as error:
        raise _CutOffError from error


def _summary(path: Path, head: Mapping[str, Any]) -> RunSummary:
    dataset, verdict = head["dataset"], head["verdict"]
    if verdict["status"] not in _STATUSES:
        raise ValueError(f"the verdict is {str(verdict['status'])[:40]}")
    scores = {score["dimension"]: _score(score["value"]) for score in head["scores"]}
    episodes = dataset.get("episodes")
    return RunSummary(
        path=path,
        report=_report(path),
        dataset=str(dataset["id"]),
        uri=str(dataset["uri"]),
        kind=str(dataset["kind"]),
        rows=int(dataset["rows"]),
        columns=int(dataset["columns"]),
        episodes=None if episodes is None else int(episodes),
        started=_moment(head["run"]["started"]),
        status=verdict["status"],
        findings={name: int(verdict["findings"][name]) for name in ("fail", "warn", "info")},
        errors=int(verdict["errors"]),
        scores={name: scores.get(name) for name in DIMENSIONS},
    )


def _score(value: Any) -> float | None:
    if value is None:
        return None
    score = float(value)
    if not (math.isfinite(score) and 0 <= score <= 100):
        raise ValueError(f"a score is {score}")
    return score


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _report(path: Path) -> Path | None:
    """Return the report beside a result: of the same name, or `report.html` beside `result.json`."""
    beside = [path.with_suffix(".html")]
    if path.name == "result.json":
        beside.append(path.with_name("report.html"))
    return next((report for report in beside if report.is_file()), None)
