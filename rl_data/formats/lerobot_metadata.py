"""The metadata of LeRobot's data sets: what `meta/` declares of episodes, features and totals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rl_data.formats import hdf5
from rl_data.trajectories import TrajectoryError

_INFO = "meta/info.json"
_PICTURES = frozenset({"video", "image"})
_MOST = 1_000_000  # episodes with a file of their own; more are a mistake in the metadata
_WANTED = ("episode_index", "length", "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a data set says of itself.

    Attributes:
        version: `codebase_version`, such as v2.1.
        info: the content of `meta/info.json`.
        files: the file that each declared episode should be in.
        declared: for `Provenance.declared`.
        problems: what of the metadata cannot be read.
    """

    version: str
    info: Mapping[str, Any]
    files: Mapping[int, str]
    declared: Mapping[str, Any]
    problems: tuple[tuple[str, str], ...]

    @property
    def features(self) -> Mapping[str, Any]:
        """The declared columns."""
        features = self.info.get("features")
        return features if isinstance(features, dict) else {}

    @property
    def fps(self) -> float | None:
        """Declared frames a second."""
        fps = self.info.get("fps")
        return float(fps) if isinstance(fps, int | float) and fps > 0 else None

    @property
    def pictures(self) -> dict[str, str]:
        """Features that are videos or images, with which of the two."""
        kinds = {name: str(self._feature(name).get("dtype")) for name in self.features}
        return {name: kind for name, kind in kinds.items() if kind in _PICTURES}

    @property
    def expected(self) -> set[int]:
        """Episodes that should be there."""
        return set(self.files)

    def file_of(self, episode: int) -> str:
        """Return the file that an episode should be in."""
        return self.files.get(episode, f"episode {episode}")

    def episodes_in(self, file: str) -> set[int]:
        """Return the episodes that a file should hold."""
        return {episode for episode, name in self.files.items() if name == file}

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the declared shape of a feature; empty when it is not declared."""
        shape = self._feature(name).get("shape")
        return tuple(shape) if isinstance(shape, list) and all(isinstance(n, int) for n in shape) else ()

    def names(self, name: str) -> list[str]:
        """Return the declared names of a feature's entries: given as a list, lists in a list, or lists by group."""
        found = _flat(self._feature(name).get("names"))
        return found if len(set(found)) == len(found) else []

    def _feature(self, name: str) -> Mapping[str, Any]:
        feature = self.features.get(name)
        return feature if isinstance(feature, dict) else {}


def root_of(path: Path) -> Path | None:
    """Return the folder of the data set that a path names: the folder itself, or its `meta/info.json`."""
    if path.is_file() and path.name == "info.json" and path.parent.name == "meta":
        return path.parent.parent
    return path if (path / _INFO).is_file() else None


def evidence(root: Path) -> str | None:
    """Return what shows that a folder is a LeRobot data set; None when nothing does."""
    try:
        info = _info(root)
    except TrajectoryError as error:
        beside = [
            name for name in ("meta/episodes.jsonl", "meta/episodes", "meta/tasks.jsonl") if (root / name).exists()
        ]
        if not beside or not (root / "data").is_dir():
            return None
        fault = str(error).removeprefix(f"{root / _INFO}: ").partition(";")[0]
        return f"{_INFO} beside `data` and `{beside[0]}`, but {fault}"
    return f"{_INFO} says `codebase_version` {info['codebase_version']}"


def read(root: Path) -> Metadata:
    """Return the metadata of a data set.

    Raises:
        TrajectoryError: `meta/info.json` is empty, damaged or of a version that is neither 2 nor 3.
    """
    info = _info(root)
    version = str(info["codebase_version"])
    if not version.startswith(("v2.", "v3.")):
        remedy = "convert it with LeRobot's own scripts to v2.1 or v3.0"
        raise TrajectoryError(f"{root / _INFO}: `codebase_version` is {version}, which is not read; {remedy}")
    problems: list[tuple[str, str]] = []
    rows = _episodes_v2(root, problems) if version.startswith("v2.") else _episodes_v3(root, problems)
    total = info.get("total_episodes")
    if version.startswith("v2."):
        size = info.get("chunks_size")
        chunk = size if isinstance(size, int) and size > 0 else 1000
        numbers = set(rows) | set(range(total if isinstance(total, int) and total <= _MOST else 0))
        files = {n: f"data/chunk-{n // chunk:03d}/episode_{n:06d}.parquet" for n in sorted(numbers)}
    else:
        files = {
            n: f"data/chunk-{row['data/chunk_index']:03d}/file-{row['data/file_index']:03d}.parquet"
            for n, row in rows.items()
            if row.get("data/chunk_index") is not None and row.get("data/file_index") is not None
        }
    return Metadata(version, info, files, _declared(info, rows, files), tuple(problems))


def _info(root: Path) -> dict[str, Any]:
    path = root / _INFO
    content = path.read_bytes()
    if not content.strip():
        raise TrajectoryError(f"{path}: the file is empty; fetch it again, without it no column is known")
    if hdf5.is_lfs_pointer(path):
        raise TrajectoryError(f"{path}: a git-lfs pointer, not the data itself; run `git lfs pull`")
    try:
        info = json.loads(content)
    except ValueError as error:
        raise TrajectoryError(f"{path}: no JSON ({error}); fetch it again") from error
    if not isinstance(info, dict) or "codebase_version" not in info:
        raise TrajectoryError(f"{path}: no `codebase_version`; fetch it again")
    return info


def _episodes_v2(root: Path, problems: list[tuple[str, str]]) -> dict[int, dict[str, Any]]:
    path = root / "meta/episodes.jsonl"
    if not path.is_file() or hdf5.is_lfs_pointer(path):
        what = "run `git lfs pull`" if path.is_file() else "fetch it again"
        problems.append(("meta/episodes.jsonl", f"missing, so the episodes' lengths are not declared; {what}"))
        return {}
    rows: dict[int, dict[str, Any]] = {}
    for place, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows[int(row["episode_index"])] = row
        except (ValueError, TypeError, KeyError):
            problems.append((f"meta/episodes.jsonl, line {place}", "no episode in JSON; fetch the file again"))
    return rows


def _episodes_v3(root: Path, problems: list[tuple[str, str]]) -> dict[int, dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: dict[int, dict[str, Any]] = {}
    files = sorted((root / "meta/episodes").rglob("*.parquet"))
    if not files:
        problems.append(("meta/episodes", "no Parquet file, so the episodes' lengths are not declared; fetch it again"))
    for path in files:
        name = path.relative_to(root).as_posix()
        if hdf5.is_lfs_pointer(path):
            problems.append((name, "a git-lfs pointer, not the data itself; run `git lfs pull`"))
            continue
        try:
            file = pq.ParquetFile(path)
            table = file.read(columns=[column for column in _WANTED if column in file.schema_arrow.names])
            rows |= {int(row["episode_index"]): row for row in table.to_pylist()}
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            problems.append((name, f"cannot be read ({' '.join(str(error).split())[:120]}); fetch it again"))
    return rows


def _declared(
    info: Mapping[str, Any], rows: Mapping[int, Mapping[str, Any]], files: Mapping[int, str]
) -> dict[str, Any]:
    wanted = {
        "total_episodes": "total_episodes",
        "total_frames": "total_steps",
        "total_tasks": "total_tasks",
        "total_videos": "total_videos",
        "fps": "fps",
        "robot_type": "robot_type",
        "splits": "splits",
        "codebase_version": "codebase_version",
    }
    declared: dict[str, Any] = {ours: info[theirs] for theirs, ours in wanted.items() if theirs in info}
    for theirs, ours in (
        ("length", "lengths"),
        ("dataset_from_index", "first_index"),
        ("dataset_to_index", "end_index"),
    ):
        given = {number: row[theirs] for number, row in sorted(rows.items()) if isinstance(row.get(theirs), int)}
        if given:
            declared[ours] = given
    declared["files"] = dict(files)
    return declared


def _flat(names: object) -> list[str]:
    if isinstance(names, str):
        return [names]
    if isinstance(names, dict):
        return [name for below in names.values() for name in _flat(below)]
    return [name for below in names for name in _flat(below)] if isinstance(names, list) else []
