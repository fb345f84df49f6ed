"""NumPy archives (`.npz`) of flat arrays, with whatever says where episodes start.

The library `imitation` stores `acts` and `rews` flat (N rows), `obs` with one final observation more an episode (N + E
rows), `indices` (the E - 1 places where actions are cut) and `terminal` (one flag an episode, which merges termination
and truncation). Others store equally long arrays beside `episode_starts`, `episode_ends`, `episode_lengths`, ids, or
flags only. Arrays of Python objects would have to be unpickled, which can run code: they are refused by name, and the
other arrays are read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rl_data.formats import columns as convert
from rl_data.formats import naming, wide
from rl_data.formats.rows import Episodes, build, episodes_from_ids
from rl_data.formats.tables import Source
from rl_data.trajectories import Provenance, Rows, Trajectories, TrajectoryError

NAME = "npz"
_OBSERVATION = (*naming.OBSERVATION, "ob")
_NEXT = (*naming.NEXT_OBSERVATION, "next_ob")
_BOUNDS = ("indices", "episode_starts", "episode_ends", "episode_lengths", "traj_lengths", "lengths", "ep_lengths")
"""Keys of arrays that say where episodes start or end."""

_DAMAGE = (OSError, ValueError, EOFError, RuntimeError, AttributeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise on archives that are damaged, encrypted or none."""


@dataclass(slots=True)
class Archive:
    """The arrays of an archive that could be read, by key, and why the others could not."""

    uri: str
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def key(self, names: tuple[str, ...]) -> str | None:
        """Return the first key among some names."""
        lowered = {key.lower(): key for key in reversed(list(self.arrays))}
        return next((lowered[name] for name in names if name in lowered), None)


def matches(path: Path) -> str | None:
    """Return the evidence that an archive holds trajectories; see `rl_data.formats`."""
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as file:
            keys = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
    except _DAMAGE:
        return None
    lowered = {key.lower() for key in keys}
    if not lowered & set(_OBSERVATION) or not lowered & set(naming.ACTION):
        return None
    return f"a NumPy archive with the arrays {', '.join(keys)}"


def read(path: Path) -> Trajectories:
    """Return the trajectories; arrays of objects are refused by name, never unpickled.

    Raises:
        TrajectoryError: the archive cannot be read, has no arrays of observations and actions, or nothing says where
            episodes start.
    """
    archive = _load(path)
    uri = archive.uri
    observation = _needed(archive, "observations", _OBSERVATION)
    action = _needed(archive, "actions", naming.ACTION)
    reading = wide.Reading(used={observation, action})
    rows = len(archive.arrays[action])
    if rows == 0:
        raise TrajectoryError(f"{uri}: {action} is empty, so there is no episode to read")
    episodes = _episodes(archive, action, rows, reading)
    _read_observations(archive, observation, episodes, reading)
    steps = _steps(archive, {action: archive.arrays[action]}, rows, reading)
    reading.arrays["actions"] = convert.to_actions(steps[action], action, uri, episodes.label)
    reading.mapping["action"] = f"{action}: {_shape(archive.arrays[action])}"
    _read_episode_flags(archive, episodes, reading)
    wide.read_flags(steps, uri, episodes.label, reading)
    wide.read_singles(steps, uri, episodes.label, reading)
    unused = [key for key in archive.arrays if key not in reading.used]
    provenance = Provenance(
        format=NAME,
        uri=uri,
        mapping=reading.mapping,
        unknown=tuple(reading.unknown),
        skipped=(
            *(f"array {key}: {why}" for key, why in archive.refused.items()),
            *(f"array {key} ({_shape(archive.arrays[key])}): no known meaning" for key in unused),
        ),
        problems=tuple(reading.problems),
    )
    source = Source(uri, steps, (uri,), np.array([rows], dtype=np.int64))
    return build(source, episodes, reading.arrays, provenance)


def _load(path: Path) -> Archive:
    """Return the arrays of an archive, each read on its own so that one that is refused leaves the others."""
    archive = Archive(str(path))
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            for key in file.files:
                try:
                    array = np.asarray(file[key])
                except ValueError as error:
                    if "Object arrays" not in str(error) and "allow_pickle" not in str(error):
                        raise
                    archive.refused[key] = "Python objects; unpickling could run code, so it is not read"
                    continue
                archive.arrays[key] = array
    except _DAMAGE as error:
        words = " ".join(str(error).split())[:200]
        raise TrajectoryError(
            f"{path}: cannot be read as .npz: {words}; copy the file anew or save it again"
        ) from error
    return archive


def _needed(archive: Archive, what: str, names: tuple[str, ...]) -> str:
    key = archive.key(names)
    if key is not None and archive.arrays[key].ndim > 0:
        return key
    refused = [name for name in archive.refused if name.lower() in names]
    if refused:
        raise TrajectoryError(
            f"{archive.uri}: {refused[0]} is an array of Python objects, which is never unpickled: save the {what} as "
            "one flat array of numbers and the episode lengths beside it"
        )
    raise TrajectoryError(f"{archive.uri}: no array of {what} among {', '.join(archive.arrays)}: name it {what}")


def _episodes(archive: Archive, action: str, rows: int, reading: wide.Reading) -> Episodes:
    """Return the episodes, from the first of: bounds, ids, flags."""
    key = archive.key(_BOUNDS)
    if key is not None and archive.arrays[key].ndim == 1:
        reading.used.add(key)
        lengths, how = _lengths(key, archive.arrays[key], rows, archive.uri)
        reading.mapping["episode_id"] = f"{how}: {len(lengths):,} episodes"
        codes = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Episodes(np.arange(len(lengths), dtype=np.int64), codes, offsets, None, 0)
    key = archive.key(naming.SINGLE["episode"])
    if key is not None and archive.arrays[key].shape == (rows,):
        reading.used.add(key)
        episodes = episodes_from_ids(pa.chunked_array([pa.array(archive.arrays[key])]), key, archive.uri)
        reading.mapping["episode_id"] = f"{key}, {len(episodes.ids):,} values{episodes.note()}"
        return episodes
    return wide.episodes_from_flags(
        _steps(archive, {action: archive.arrays[action]}, rows, reading), archive.uri, reading
    )


def _lengths(key: str, bounds: NDArray[Any], rows: int, uri: str) -> tuple[Rows, str]:
    """Return the episodes' lengths from an array that says where they start or end, and how it was understood."""
    if bounds.dtype == np.bool_ and len(bounds) == rows:
        marks = np.flatnonzero(bounds)
        cuts, how = (
            (marks + 1, f"{key}: true on last steps")
            if "end" in key.lower()
            else (marks, f"{key}: true on first steps")
        )
    elif bounds.dtype.kind not in "iu":
        raise TrajectoryError(f"{uri}: {key} holds {bounds.dtype}: it must be places, lengths or one flag a step")
    elif "length" in key.lower():
        cuts, how = np.cumsum(bounds), f"{key}: steps of each episode"
        if len(bounds) and cuts[-1] != rows:
            raise TrajectoryError(
                f"{uri}: {key} adds up to {int(cuts[-1]):,} steps, the actions are {rows:,}: correct it"
            )
    else:
        cuts, how = bounds.astype(np.int64), f"{key}: places where one episode ends and the next starts"
    if len(cuts) and (cuts.min() < 0 or cuts.max() > rows or (np.diff(cuts) < 0).any()):
        raise TrajectoryError(f"{uri}: {key} must rise from 0 to {rows:,}, the number of actions: correct it")
    inner = cuts[(cuts > 0) & (cuts < rows)] if "length" not in key.lower() else cuts[:-1]
    return np.diff(np.concatenate([[0], inner, [rows]])).astype(np.int64), how


def _read_observations(archive: Archive, key: str, episodes: Episodes, reading: wide.Reading) -> None:
    """Read observations: one a step, or one more an episode, which is its final observation."""
    lengths = np.diff(episodes.offsets)
    rows, count = int(episodes.offsets[-1]), len(lengths)
    stored = archive.arrays[key]
    vectors = _matrix(stored, key, archive.uri)
    if len(vectors) == rows:
        _read_next(archive, vectors.shape[1], rows, reading)
        reading.arrays["observations"] = vectors
        reading.mapping["observation"] = f"{key}: {_shape(stored)}"
        return
    if len(vectors) != rows + count or episodes.order is not None:
        raise TrajectoryError(
            f"{archive.uri}: {key} has {len(vectors):,} rows for {rows:,} actions in {count:,} episodes: it needs as "
            f"many, or {rows + count:,} with a final observation for each episode"
        )
    ends = episodes.offsets[1:] + np.arange(count)
    kept = np.ones(len(vectors), dtype=np.bool_)
    kept[ends] = False
    observations = vectors[kept]
    following, has = np.full_like(observations, np.nan), np.zeros(rows, dtype=np.bool_)
    some = lengths > 0
    following[episodes.offsets[1:][some] - 1] = vectors[ends[some]]
    has[episodes.offsets[1:][some] - 1] = True
    reading.arrays |= {"observations": observations, "next_observations": following, "has_next": has}
    reading.mapping["observation"] = f"{key}: {_shape(stored)}, one more an episode than actions"
    reading.mapping["next_observation"] = f"the last row of each of {count:,} episodes in {key}"


def _read_next(archive: Archive, size: int, rows: int, reading: wide.Reading) -> None:
    key = archive.key(_NEXT)
    if key is None:
        reading.unknown.append("as many observations as actions: the final observation of each episode is not known")
        return
    reading.used.add(key)
    following = _matrix(archive.arrays[key], key, archive.uri)
    if following.shape != (rows, size):
        raise TrajectoryError(f"{archive.uri}: {key} has shape {following.shape}, the observations ({rows}, {size})")
    reading.arrays |= {"next_observations": following, "has_next": np.ones(rows, dtype=np.bool_)}
    reading.mapping["next_observation"] = f"{key}: {_shape(archive.arrays[key])}"


def _read_episode_flags(archive: Archive, episodes: Episodes, reading: wide.Reading) -> None:
    """Read an end flag that stands once an episode."""
    key = archive.key(naming.SINGLE["ended"])
    if key is not None and archive.arrays[key].shape == (len(episodes.ids),) != (int(episodes.offsets[-1]),):
        column = _column(archive.arrays[key])
        flags = convert.to_flags(column, key, archive.uri, lambda row: f"episode {episodes.ids[row]}")
        wide.read_episode_flags(flags, key, episodes, reading)


def _steps(archive: Archive, more: Mapping[str, NDArray[Any]], rows: int, reading: wide.Reading) -> pa.Table:
    """Return the arrays with one value a step as a table."""
    columns = {key: _column(array) for key, array in more.items()}
    for key, array in archive.arrays.items():
        flat = array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
        if flat.shape == (rows,) and flat.dtype.kind in "biufU" and key not in reading.used and key not in _BOUNDS:
            columns[key] = pa.chunked_array([pa.array(flat)])
    return pa.table(columns)


def _column(array: NDArray[Any]) -> pa.ChunkedArray:
    """Return an array as a column, of vectors when it has two or more dimensions."""
    flat = array.reshape(len(array), -1) if array.ndim > 1 else array
    return pa.chunked_array([convert.fixed_size_lists(flat) if flat.ndim == 2 else pa.array(flat)])


def _matrix(array: NDArray[Any], key: str, uri: str) -> NDArray[np.float32]:
    if array.dtype.kind not in "biuf":
        raise TrajectoryError(f"{uri}: {key} holds {array.dtype}, not numbers: convert it")
    return np.asarray(array.reshape(len(array), -1), dtype=np.float32)


def _shape(array: NDArray[Any]) -> str:
    return f"{array.dtype}[{', '.join(f'{n:,}' for n in array.shape)}]"
