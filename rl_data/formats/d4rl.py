"""D4RL's HDF5: one long array a field, all episodes one after the other, flags `terminals` and often `timeouts`.

Layout as read by D4RL's `offline_env.py`: `observations`, `actions`, `rewards`, `terminals`; optional `timeouts`,
`next_observations`, `infos/*`, `metadata/*`. An episode ends where a terminal or a timeout is set.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rl_data.formats import episodes, hdf5
from rl_data.trajectories import Provenance, Trajectories, TrajectoryError

if TYPE_CHECKING:
    import h5py

NAME = "d4rl"
_REQUIRED = frozenset({"observations", "actions", "rewards", "terminals"})
_D3RLPY = frozenset({"discrete_action", "episode_terminals", "create_mask", "version"})
_LOG_PROBABILITY = "infos/action_log_probs"
_LONG_TEXT = 200  # characters of a metadata text that are kept


def matches(path: Path) -> str | None:
    """Return the evidence that the file is D4RL's, None when it is not."""
    found = hdf5.names(path)
    if not found >= _REQUIRED or found & _D3RLPY:
        return None
    with hdf5.open_file(path) as file:
        if any(hdf5.array(file, name) is None for name in _REQUIRED):
            return None
    timeouts = "`timeouts`" if "timeouts" in found else "no `timeouts`"
    return f"HDF5 with flat `observations`, `actions`, `rewards`, `terminals` and {timeouts}"


def read(path: Path) -> Trajectories:
    """Return the trajectories of a D4RL file.

    Raises:
        TrajectoryError: the file is no HDF5 or damaged, a required array is missing, or arrays do not fit together.
    """
    with hdf5.open_file(path) as file:
        return _read(file, path)


def _read(file: h5py.File, path: Path) -> Trajectories:
    skipped: list[str] = []
    problems: list[tuple[str, str]] = []
    observations = flat_observations(file, "observations", skipped)
    terminated = episodes.flags(flat(file, "terminals"), "terminals")
    timeouts = _optional(file, "timeouts", problems)
    truncated = None if timeouts is None else episodes.flags(timeouts, "timeouts")
    next_observations = None
    if hdf5.array(file, "next_observations") is not None and observations.shape[1]:
        next_observations = flat_observations(file, "next_observations", skipped)
    log_probability = _optional(file, _LOG_PROBABILITY, problems)
    declared, left = _rest(file)
    whole = episodes.assemble(
        [
            episodes.Episode(
                id=0,
                where="all rows",
                observations=observations,
                actions=flat_actions(file),
                rewards=episodes.scalars(flat(file, "rewards"), "rewards"),
                terminated=terminated,
                truncated=truncated,
                next_observations=next_observations,
                behaviour_log_prob=log_probability,
                file=path.name,
            )
        ],
        Provenance(
            format="d4rl-hdf5",
            uri=str(path),
            mapping=_mapping(truncated is not None, next_observations is not None, log_probability is not None),
            unknown=_unknown(truncated is not None, next_observations is not None),
            skipped=(*skipped, *left),
            declared=declared,
            problems=tuple(problems),
        ),
    )
    return episodes.cut(whole, terminated if truncated is None else terminated | truncated)


def flat(file: h5py.File, name: str) -> NDArray[Any]:
    """Return a required array of numbers.

    Raises:
        TrajectoryError: it is absent, a group, or not of numbers.
    """
    array = hdf5.array(file, name)
    if array is None:
        raise TrajectoryError(f"`{name}` is missing or no array; write the file anew with one entry a step")
    return hdf5.numbers(array, name)


def flat_observations(file: h5py.File, name: str, skipped: list[str]) -> NDArray[Any]:
    """Return observations [N, d]; images are skipped, and that is noted, which leaves [N, 0]."""
    array = hdf5.array(file, name)
    if array is not None and episodes.is_blob(array.shape[1:]):
        shape = "x".join(str(n) for n in array.shape[1:])
        skipped.append(f"{name}: {array.shape[0]:,} images of {shape}, counted and not read")
        return np.empty((array.shape[0], 0), np.float32)
    return episodes.vectors(flat(file, name))


def flat_actions(file: h5py.File) -> NDArray[Any]:
    """Return actions [N] or [N, k]."""
    actions = flat(file, "actions")
    return actions if actions.ndim <= 2 else episodes.vectors(actions)


def _optional(file: h5py.File, name: str, problems: list[tuple[str, str]]) -> NDArray[Any] | None:
    """Return an array [N], or None when it is absent or cannot be read, which is noted."""
    try:
        array = hdf5.array(file, name)
        return None if array is None else episodes.scalars(hdf5.numbers(array, name), name)
    except TrajectoryError as error:
        problems.append((name, str(error)))
        return None


def _rest(file: h5py.File) -> tuple[dict[str, Any], list[str]]:
    """Return what `metadata` declares, and in words what else was left out."""
    declared: dict[str, Any] = {}
    left: list[str] = []
    used = {*_REQUIRED, "timeouts", "next_observations", _LOG_PROBABILITY}
    for top in hdf5.keys(file):
        if top in used:
            continue
        found = hdf5.entry(file, top)
        arrays = {} if found is None else hdf5.leaves(found, top)
        words = {name: hdf5.texts(array) for name, array in arrays.items() if array.size == 1}
        for name, array in arrays.items():
            if top == "metadata" and array.size == 1:
                value: Any = words[name][0][:_LONG_TEXT] if words[name] else None
                if array.dtype.kind in "biuf":
                    value = np.asarray(array[()]).item()
                declared[name.removeprefix("metadata/")] = value
            elif name not in used:
                shape = "x".join(str(n) for n in array.shape) or "one value"
                left.append(f"{name}: {shape} of {hdf5.kind(array.dtype)}, not read")
    return ({"metadata": declared} if declared else {}), left


def _mapping(timeouts: bool, following: bool, log_probability: bool) -> dict[str, str]:
    mapping = {
        "observations": "observation",
        "actions": "action",
        "rewards": "reward of the same row's action",
        "terminals": "terminated",
        "(row)": "step: place in the episode; an episode ends where "
        + ("`terminals` or `timeouts` is set" if timeouts else "`terminals` is set")
        + ", the rows after the last end are kept as an unfinished episode",
    }
    if timeouts:
        mapping["timeouts"] = "truncated"
    if following:
        mapping["next_observations"] = "next_observation"
    if log_probability:
        mapping[_LOG_PROBABILITY] = "behaviour_log_prob"
    return mapping


def _unknown(timeouts: bool, following: bool) -> tuple[str, ...]:
    unknown = []
    if not timeouts:
        unknown.append(
            "truncated: the file has no `timeouts`, so where a time limit ended an episode is not known, and what is "
            "read as one episode may be several"
        )
    if not following:
        unknown.append(
            "next observation of an episode's last row: the file has no `next_observations`, and the next row already "
            "belongs to the next episode"
        )
    return tuple(unknown)
