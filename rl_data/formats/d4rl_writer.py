"""Writing D4RL's HDF5: see `rl_data.formats.d4rl` for the layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rl_data.formats import writing
from rl_data.trajectories import Trajectories

_NAME = "D4RL"
_KEPT = ("rewards", "terminated", "truncated", "behaviour_log_prob")


def write(trajectories: Trajectories, path: Path) -> tuple[str, ...]:
    """Write one flat array a field; return what the format does not hold, in words.

    Raises:
        TrajectoryError: there are no rewards or no `terminated`, or the file cannot be written.
    """
    t = trajectories
    writing.require(t, ("rewards", "terminated"), _NAME)
    assert t.rewards is not None
    assert t.terminated is not None
    arrays: dict[str, Any] = {
        "observations": t.observations,
        "actions": t.actions,
        "rewards": writing.narrowed(t.rewards),
        "terminals": t.terminated,
    }
    if t.truncated is not None:
        arrays["timeouts"] = t.truncated
    after, known = writing.following(t)
    if known.all():
        arrays["next_observations"] = after
    if t.behaviour_log_prob is not None:
        arrays["infos/action_log_probs"] = t.behaviour_log_prob
    import h5py

    with writing.new_file(path) as temporary, h5py.File(temporary, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", compression_opts=4, shuffle=True)
        if t.env_id is not None:
            file.create_dataset("metadata/env_id", data=t.env_id)
    return (*writing.lost(t, _KEPT, _NAME), *_boundaries(t), *_without_next(t, int((~known).sum())))


def _boundaries(t: Trajectories) -> tuple[str, ...]:
    """Return in words which ends of episodes the flags do not show: there the next episode seems to go on."""
    assert t.terminated is not None
    flagged = t.terminated if t.truncated is None else t.terminated | t.truncated
    ends = np.zeros(t.rows, dtype=bool)
    ends[t.last_rows] = True
    open_ends = int((ends & ~flagged)[:-1].sum())
    inner = int((flagged & ~ends).sum())
    said = []
    if open_ends:
        what = "episode has no end flag and runs" if open_ends == 1 else "episodes have no end flag and run"
        said.append(f"{open_ends:,} {what} into the next one: D4RL knows episodes by their flags alone")
    if inner:
        said.append(f"{inner:,} flags inside of episodes end them there: D4RL knows episodes by their flags alone")
    return tuple(said)


def _without_next(t: Trajectories, unknown: int) -> tuple[str, ...]:
    if not unknown:
        return ()
    final = "" if t.next_observations is None else ", and those that are known are left out"
    return (
        f"no `next_observations`: D4RL holds one for every step or none, and {unknown:,} of {t.rows:,} steps have "
        f"none{final}",
    )
