"""d3rlpy's HDF5: version 1 has flat arrays, version 2 a few arrays an episode.

Version 1, as `MDPDataset.dump` of d3rlpy 1.x writes it: `observations`, `actions`, `rewards`, `terminals`,
`episode_terminals`, `discrete_action` and others. Version 2, as `d3rlpy.dataset.dump` of d3rlpy 2.x writes it:
`columns`, `num_episodes`, `version` and `{column}_{episode}`, or `{column}_{episode}_{part}` where observations are
tuples.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rl_data.formats import d4rl, episodes, hdf5
from rl_data.trajectories import Provenance, Trajectories, TrajectoryError

if TYPE_CHECKING:
    import h5py

NAME = "d3rlpy"
_V2 = frozenset({"columns", "num_episodes"})
_V1 = frozenset({"observations", "actions", "rewards", "terminals"})
_ACTIONS = re.compile(r"actions_(\d+)")
_V1_MARKS = frozenset({"discrete_action", "episode_terminals"})


def matches(path: Path) -> str | None:
    """Return the evidence that the file is d3rlpy's, None when it is not."""
    found = hdf5.names(path)
    if found >= _V2:
        return "HDF5 with `columns`, `num_episodes` and one array an episode and column, as d3rlpy 2 writes it"
    if found >= _V1 and (marks := sorted(found & _V1_MARKS)):
        return f"HDF5 with flat arrays and {' and '.join(f'`{mark}`' for mark in marks)}, as d3rlpy 1 writes it"
    return None


def read(path: Path) -> Trajectories:
    """Return the trajectories of a d3rlpy file, version 1 or 2.

    Raises:
        TrajectoryError: the file is no HDF5 or damaged, a required array is missing, or no episode can be read.
    """
    with hdf5.open_file(path) as file:
        return _read_v2(file, path) if _V2.issubset(hdf5.keys(file)) else _read_v1(file, path)


def _read_v1(file: h5py.File, path: Path) -> Trajectories:
    skipped: list[str] = []
    observations = d4rl.flat_observations(file, "observations", skipped)
    terminated = episodes.flags(d4rl.flat(file, "terminals"), "terminals")
    ends, truncated = terminated, None
    if hdf5.array(file, "episode_terminals") is not None:
        ends = episodes.flags(d4rl.flat(file, "episode_terminals"), "episode_terminals") | terminated
        truncated = ends & ~terminated
    actions = d4rl.flat_actions(file)
    if _number(file, "discrete_action"):
        actions = actions.astype(np.int64)
    whole = episodes.assemble(
        [
            episodes.Episode(
                id=0,
                where="all rows",
                observations=observations,
                actions=actions,
                rewards=episodes.scalars(d4rl.flat(file, "rewards"), "rewards"),
                terminated=terminated,
                truncated=truncated,
                file=path.name,
            )
        ],
        Provenance(
            format="d3rlpy-v1",
            uri=str(path),
            mapping={
                "observations": "observation",
                "actions": "action, " + ("numbers of choices" if actions.dtype.kind in "biu" else "as stored"),
                "rewards": "reward of the same row's action",
                "terminals": "terminated",
                "episode_terminals": "truncated where `terminals` is not set too; an episode ends where it is set",
            },
            unknown=(
                *(() if truncated is not None else ("truncated: the file has no `episode_terminals`",)),
                "the alignment of rewards: d3rlpy before version 1.0 stored a reward with the observation that it led "
                "to, and the file does not name its version",
                _NO_FINAL_OBSERVATION,
            ),
            skipped=tuple(skipped),
            declared={"discrete_action": bool(_number(file, "discrete_action"))},
        ),
    )
    return episodes.cut(whole, ends)


def _read_v2(file: h5py.File, path: Path) -> Trajectories:
    written = {int(match[1]) for name in hdf5.keys(file) if (match := _ACTIONS.fullmatch(name))}
    declared = _number(file, "num_episodes")
    total = len(written) if declared is None else int(declared)
    version = hdf5.array(file, "version")
    columns = hdf5.array(file, "columns")
    skipped = episodes.Skipped()
    found: list[episodes.Episode] = []
    problems: list[tuple[str, str]] = []
    if absent := episodes.missing(written, total):
        problems.append((absent, "missing; the file was not written to its end, write it anew"))
    for number in sorted(written):
        try:
            with hdf5.reading():
                found.append(_episode(file, number, path.name, skipped))
        except TrajectoryError as error:
            problems.append((f"episode {number}", str(error)))
    provenance = Provenance(
        format="d3rlpy-v2",
        uri=str(path),
        mapping={
            "observations_{i}": "observation; the parts of a tuple are put one after the other",
            "actions_{i}": "action",
            "rewards_{i}": "reward of the same row's action",
            "terminated_{i}": "one flag an episode: terminated on its last row when set; when not, truncated there, "
            "as d3rlpy has no third way for an episode to end",
        },
        unknown=(_NO_FINAL_OBSERVATION,),
        skipped=episodes.tell(skipped),
        declared={
            "total_episodes": total,
            "version": ", ".join(hdf5.texts(version)) if version is not None else None,
            "columns": hdf5.texts(columns) if columns is not None else [],
        },
        problems=tuple(problems),
    )
    return episodes.assemble(found, provenance)


def _episode(file: h5py.File, number: int, name: str, skipped: episodes.Skipped) -> episodes.Episode:
    actions = hdf5.numbers(_required(file, f"actions_{number}"), f"actions_{number}")
    rows = len(actions)
    terminated = np.zeros(rows, bool)
    flag = hdf5.value(_required(file, f"terminated_{number}"), f"terminated_{number}")
    ends = episodes.flags(np.ravel(flag), f"terminated_{number}")
    terminated[-1:] = ends.any()
    truncated = np.zeros(rows, bool)
    truncated[-1:] = not ends.any()
    rewards = hdf5.numbers(_required(file, f"rewards_{number}"), f"rewards_{number}")
    return episodes.Episode(
        id=number,
        where=f"episode {number}",
        observations=_observations(file, number, rows, skipped),
        actions=actions if actions.ndim <= 2 else episodes.vectors(actions),
        rewards=episodes.scalars(rewards, f"rewards_{number}"),
        terminated=terminated,
        truncated=truncated,
        file=name,
    )


def _observations(file: h5py.File, number: int, rows: int, skipped: episodes.Skipped) -> NDArray[Any]:
    stem = f"observations_{number}"
    arrays = {stem: whole} if (whole := hdf5.array(file, stem)) is not None else {}
    while not whole and (part := hdf5.array(file, f"{stem}_{len(arrays)}")) is not None:
        arrays[f"{stem}_{len(arrays)}"] = part
    if not arrays:
        raise TrajectoryError(f"`{stem}` is missing; write the file anew")
    parts: list[NDArray[Any]] = []
    for place, (name, array) in enumerate(arrays.items()):
        if episodes.is_blob(array.shape[1:]):
            key = "observations" if whole else f"observations, part {place}"
            skipped[key, "images, counted and not read"] += array.shape[0]
        else:
            parts.append(episodes.vectors(hdf5.numbers(array, name)))
    if len({len(part) for part in parts}) > 1:
        raise TrajectoryError(f"the parts of `{stem}` differ in length; write the file anew")
    return np.concatenate(parts, axis=1) if parts else np.empty((rows, 0), np.float32)


def _required(file: h5py.File, name: str) -> h5py.Dataset:
    array = hdf5.array(file, name)
    if array is None:
        raise TrajectoryError(f"`{name}` is missing; the file was not written to its end, write it anew")
    return array


def _number(file: h5py.File, name: str) -> float | None:
    array = hdf5.array(file, name)
    if array is None or array.shape != () or array.dtype.kind not in "biuf":
        return None
    return float(array[()])


_NO_FINAL_OBSERVATION = (
    "the observation after the last action of an episode: d3rlpy stores as many observations as actions, so the last "
    "transition of a truncated episode has no next observation"
)
