"""LeRobot's data sets: v2.x with one Parquet file an episode, v3.x with many episodes a file.

Layout: `meta/info.json` (`codebase_version`, `fps`, `features`), episode metadata in `meta/episodes.jsonl` (v2.x) or
`meta/episodes/chunk-*/file-*.parquet` (v3.x), rows in `data/`, videos in `videos/`. A row's `next.reward`, `next.done`
and `next.success` are the result of its `action`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rl_data.formats import columns, episodes, hdf5, lerobot_metadata
from rl_data.formats.lerobot_metadata import Metadata
from rl_data.trajectories import Provenance, Space, Trajectories, TrajectoryError

NAME = "lerobot"
_EPISODE_FILE = re.compile(r"episode_(\d+)\.parquet")
_INFOS = ("index", "task_index", "next.success")
_KNOWN = frozenset(
    {*_INFOS, "timestamp", "frame_index", "episode_index", "next.reward", "next.done", "next.terminated",
     "next.truncated"}
)  # fmt: skip

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns are put together to what."""

    observations: tuple[str, ...]
    actions: tuple[str, ...]
    present: frozenset[str]


def matches(path: Path) -> str | None:
    """Return the evidence that the folder is a LeRobot data set, None when it is not."""
    root = lerobot_metadata.root_of(path)
    return None if root is None else lerobot_metadata.evidence(root)


def read(path: Path) -> Trajectories:
    """Return the trajectories of a LeRobot data set.

    Args:
        path: the data set's folder or its `meta/info.json`.

    Raises:
        TrajectoryError: `meta/info.json` is missing, empty or of an unknown version, or no episode can be read.
    """
    root = lerobot_metadata.root_of(path)
    if root is None:
        raise TrajectoryError(f"{path}: no `meta/info.json`; name the data set's folder")
    meta = lerobot_metadata.read(root)
    files = sorted((root / "data").rglob("*.parquet"))
    if not files:
        raise TrajectoryError(f"{root}: no Parquet file under `data/`; fetch the data set again")
    skipped = episodes.Skipped()
    problems = list(meta.problems)
    found: dict[int, episodes.Episode] = {}
    chosen: _Columns | None = None
    unread: set[int] = set()
    for file in files:
        name = file.relative_to(root).as_posix()
        try:
            table = _table(file)
            chosen = chosen or _choose(table.schema, meta)
            _add(found, _episodes_of(table, name, chosen, problems, unread), problems)
        except TrajectoryError as error:
            problems.append((name, str(error).removeprefix(f"{name}: ")))
            unread |= meta.episodes_in(name)
        else:
            _count_skipped(table.schema, table.num_rows, chosen, skipped)
    missing = sorted(meta.expected - found.keys() - unread - _numbers(files))
    problems += [(meta.file_of(number), f"missing{_of(meta, number)}; fetch it again") for number in missing]
    provenance = Provenance(
        format=f"lerobot-{meta.version}",
        uri=str(root),
        mapping=_mapping(chosen) if chosen is not None else {},
        unknown=_unknown(chosen.present if chosen is not None else frozenset()),
        skipped=(*episodes.tell(skipped), *_videos(root, meta)),
        declared=meta.declared,
        problems=tuple(problems),
    )
    return _assembled(meta, chosen, [found[number] for number in sorted(found)], provenance)


def _assembled(
    meta: Metadata, chosen: _Columns | None, found: list[episodes.Episode], provenance: Provenance
) -> Trajectories:
    first = found[0] if found else None
    return episodes.assemble(
        found,
        provenance,
        observation_space=_space(meta, chosen.observations, first.observations) if chosen and first else None,
        action_space=_space(meta, chosen.actions, first.actions) if chosen and first else None,
        fps=meta.fps,
    )


def _table(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    if hdf5.is_lfs_pointer(path):
        raise TrajectoryError("a git-lfs pointer, not the data itself; run `git lfs pull`")
    try:
        file = pq.ParquetFile(path)
        wanted = [field.name for field in file.schema_arrow if not pa.types.is_struct(field.type)]
        return file.read(columns=wanted)
    except (pa.ArrowException, OSError, ValueError) as error:
        why = " ".join(str(error).split())[:120]
        raise TrajectoryError(f"cannot be read as Parquet ({why}); fetch it again") from error


def _choose(schema: pa.Schema, meta: Metadata) -> _Columns:
    """Return the columns of numbers that make up an observation and an action, in the order of the features."""

    def numeric(prefix: str) -> tuple[str, ...]:
        names = [name for name in meta.features if name in schema.names] or schema.names
        fits = [
            name
            for name in names
            if (name == prefix or name.startswith(f"{prefix}."))
            and columns.is_numeric(schema.field(name).type)
            and not episodes.is_blob(meta.shape(name))
        ]
        return tuple(sorted(fits, key=lambda name: name not in {prefix, f"{prefix}.state"}))

    actions = numeric("action")
    if not actions:
        raise TrajectoryError("no column `action`; without actions there are no transitions to read")
    return _Columns(numeric("observation"), ("action",) if "action" in actions else actions, frozenset(schema.names))


def _episodes_of(
    table: pa.Table, file: str, chosen: _Columns, problems: list[tuple[str, str]], unread: set[int]
) -> list[episodes.Episode]:
    """Return the episodes of one file; those that cannot be read are noted in `problems` and `unread`."""
    codes = _integers(table, "episode_index", file)
    named = _EPISODE_FILE.search(file)
    if named is not None:
        number = int(named[1])
        if codes is not None and (odd := codes[codes != number]).size:
            share = f"`episode_index` is {odd[0]} in {odd.size:,} of {len(codes):,} rows"
            problems.append((file, f"{share}; read as episode {number}, as the file's name says"))
        return [_episode(table, number, np.arange(table.num_rows), file, chosen)]
    if codes is None:
        raise TrajectoryError("no column `episode_index`, so the rows belong to no episode; record them anew")
    order = np.argsort(codes, kind="stable")
    numbers, starts = np.unique(codes[order], return_index=True)
    found = []
    whole = _whole(table, file, chosen)
    for number, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
        try:
            if whole is not None:
                found.append(_slice(whole, number, rows))
            else:
                found.append(_episode(table.take(rows), number, rows, file, chosen))
        except TrajectoryError as error:
            unread.add(number)
            problems.append((f"{file}, episode {number}", str(error).removeprefix(f"{file}: ")))
    return found


def _whole(table: pa.Table, file: str, chosen: _Columns) -> episodes.Episode | None:
    """Return all rows of a file as if they were one episode; None when some episode of it cannot be read."""
    try:
        return _episode(table, -1, np.arange(table.num_rows), file, chosen)
    except TrajectoryError:
        return None


def _slice(whole: episodes.Episode, number: int, rows: Array) -> episodes.Episode:
    """Return one episode out of a file's rows."""

    def cut(array: Array | None) -> Array | None:
        return None if array is None else array[rows]

    return episodes.Episode(
        id=number,
        where=f"{whole.file}, episode {number}",
        observations=whole.observations[rows],
        actions=whole.actions[rows],
        rewards=cut(whole.rewards),
        terminated=cut(whole.terminated),
        truncated=cut(whole.truncated),
        timestamps=cut(whole.timestamps),
        ended=cut(whole.ended),
        steps=cut(whole.steps),
        source_rows=rows,
        infos={name: array[rows] for name, array in whole.infos.items()},
        file=whole.file,
    )


def _episode(table: pa.Table, number: int, rows: Array, file: str, chosen: _Columns) -> episodes.Episode:
    """Return the rows of a table as one episode.

    Raises:
        TrajectoryError: a column is missing or cannot be read as what it should be.
    """

    def label(row: int) -> str:
        return f"row {rows[row]:,}"

    def vectors(names: tuple[str, ...]) -> Array:
        parts = [columns.to_matrix(_column(table, name), name, file, label) for name in names]
        return np.concatenate(parts, axis=1) if parts else np.empty((table.num_rows, 0), np.float32)

    def flag(name: str) -> Array | None:
        return columns.to_flags(table.column(name), name, file, label) if name in table.column_names else None

    def numbers(name: str) -> Array | None:
        return columns.to_numbers(table.column(name), name, file) if name in table.column_names else None

    infos = {name: columns.to_plain(table.column(name)) for name in _INFOS if name in table.column_names}
    single = len(chosen.actions) == 1
    return episodes.Episode(
        id=number,
        where=file,
        observations=vectors(chosen.observations),
        actions=columns.to_actions(_column(table, "action"), "action", file, label)
        if single
        else vectors(chosen.actions),
        rewards=numbers("next.reward"),
        terminated=flag("next.terminated"),
        truncated=flag("next.truncated"),
        timestamps=numbers("timestamp"),
        ended=None if {"next.terminated", "next.truncated"} <= chosen.present else flag("next.done"),
        steps=_integers(table, "frame_index", file),
        source_rows=rows,
        infos={name: array for name, array in infos.items() if array is not None},
        file=file,
    )


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise TrajectoryError(f"no column `{name}`; record the episode anew or leave the file out")
    return table.column(name)


def _integers(table: pa.Table, name: str, file: str) -> Array | None:
    if name not in table.column_names:
        return None
    return columns.to_integers(table.column(name), name, file, lambda row: f"row {row:,}")


def _add(found: dict[int, episodes.Episode], new: list[episodes.Episode], problems: list[tuple[str, str]]) -> None:
    for episode in new:
        number = int(episode.id)
        if number in found:
            what = f"episode {number} is in {found[number].file} already; left out, give every episode its own number"
            problems.append((episode.where, what))
        else:
            found[number] = episode


def _count_skipped(schema: pa.Schema, rows: int, chosen: _Columns, skipped: episodes.Skipped) -> None:
    used = {*chosen.observations, *chosen.actions, *_KNOWN}
    for name in schema.names:
        if name not in used:
            skipped[name, f"rows of {schema.field(name).type}, not read"] += rows


def _videos(root: Path, meta: Metadata) -> tuple[str, ...]:
    """Return what is said of videos and images, with the number of files that are there."""
    files = [file.relative_to(root).as_posix() for file in (root / "videos").rglob("*.mp4")]
    told = []
    for name, kind in meta.pictures.items():
        if kind == "video":
            there = sum(f"/{name}/" in file for file in files)
            told.append(f"{name}: video, counted and not read; {there:,} files under `videos/`")
        else:
            told.append(f"{name}: {kind} in the rows, not read")
    return tuple(told)


def _numbers(files: list[Path]) -> set[int]:
    return {int(match[1]) for file in files if (match := _EPISODE_FILE.search(file.name))}


def _of(meta: Metadata, number: int) -> str:
    """Return which episode a missing file would have held, where the file's name does not say so."""
    return "" if _EPISODE_FILE.search(meta.file_of(number)) else f" episode {number}"


def _space(meta: Metadata, names: tuple[str, ...], array: Array) -> Space | None:
    """Return the space of a vector with the entries' names, None for choices."""
    if array.ndim == 1:
        return None
    told: list[str] = []
    for name in names:
        entries = meta.names(name)
        if not entries:
            return None if len(names) == 1 else Space("box", array.shape[1])
        short = name.partition(".")[2]
        told += entries if len(names) == 1 else [f"{short}.{entry}" for entry in entries]
    return Space("box", array.shape[1], names=tuple(told)) if len(told) == array.shape[1] else None


def _mapping(chosen: _Columns) -> dict[str, str]:
    fixed = {
        "next.reward": "reward of the same row's action",
        "next.done": "ended; neither terminated nor truncated, see what is unknown",
        "next.terminated": "terminated",
        "next.truncated": "truncated",
        "timestamp": "timestamp, in seconds",
        "frame_index": "step",
        "episode_index": "episode",
        "next.success": "info, kept as it is",
    }
    observed = "observation, put together in this order" if len(chosen.observations) > 1 else "observation"
    return {
        ", ".join(chosen.observations) or "(no numeric observation)": observed,
        ", ".join(chosen.actions): "action",
        **{name: target for name, target in fixed.items() if name in chosen.present},
    }


def _unknown(present: frozenset[str]) -> tuple[str, ...]:
    unknown = []
    if not present & {"next.terminated", "next.truncated"}:
        unknown.append(
            "terminated and truncated: `next.done` says that an episode ended, not whether task or recording did"
            if "next.done" in present
            else "terminated and truncated: the rows have no end flag; an episode ends with its last row"
        )
    if "next.reward" not in present:
        unknown.append("reward: the rows have no `next.reward`")
    unknown.append("the observation after an episode's last action: LeRobot stores as many observations as actions")
    return tuple(unknown)
