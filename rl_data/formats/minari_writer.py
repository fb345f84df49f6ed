"""Writing Minari's HDF5 with h5py alone, so that `minari.load_dataset` and `minari.MinariDataset` read it.

Layout as `minari.dataset._storages.hdf5_storage` of Minari 0.5 has it: `data/metadata.json` and `data/main_data.hdf5`
with a group `episode_{i}` of T + 1 observations, T actions, rewards, terminations and truncations, and attributes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_data.formats import writing
from rl_data.formats.minari_storage import MAIN, METADATA
from rl_data.trajectories import Space, Trajectories, TrajectoryError

if TYPE_CHECKING:
    import h5py

_NAME = "Minari"
_VERSION = "0.5.4"  # of the layout
_KEPT = ("rewards", "terminated", "truncated")
_ID = re.compile(r"[-_\w]+-v\d+")


def write(trajectories: Trajectories, path: Path) -> tuple[str, ...]:
    """Write a folder `path` with a Minari data set; return what the format does not hold, in words.

    The data set's id is the folder's name, with `-v0` where it names no version. For `minari.load_dataset(ID)`, the
    folder has to lie in the folder that `MINARI_DATASETS_PATH` names.

    Raises:
        TrajectoryError: rewards or flags are not known, or the folder cannot be written.
    """
    t = trajectories
    writing.require(t, ("rewards", "terminated", "truncated"), _NAME)
    if not t.rows:
        raise TrajectoryError(f"{t.provenance.uri}: there is no step to write")
    import h5py

    after, known = writing.following(t)
    filled = np.flatnonzero(t.lengths)  # Minari knows no episode without a step
    final = known[t.last_rows]
    with writing.new_folder(path) as folder:
        data = folder / "data"
        data.mkdir()
        with h5py.File(data / MAIN, "w", track_order=True) as file:
            for number, episode in enumerate(filled.tolist()):
                rows = slice(int(t.offsets[episode]), int(t.offsets[episode + 1]))
                last = after[rows.stop - 1 : rows.stop] if final[number] else after[:0]
                _write_episode(file, number, t, rows, np.concatenate([t.observations[rows], last]))
        size = (data / MAIN).stat().st_size
        metadata = _metadata(t, _dataset_id(path), len(filled), size)
        (data / METADATA).write_text(json.dumps(metadata, sort_keys=True) + "\n", encoding="utf-8")
    return (*writing.lost(t, _KEPT, _NAME), *_lost_observations(t, final), *_lost_rest(t, len(filled)))


def _write_episode(file: h5py.File, number: int, t: Trajectories, rows: slice, observations: np.ndarray) -> None:
    assert t.rewards is not None
    assert t.terminated is not None
    assert t.truncated is not None
    group = file.create_group(f"episode_{number}")
    group.attrs["id"] = number
    group.attrs["total_steps"] = rows.stop - rows.start
    arrays = {
        "observations": observations,
        "actions": t.actions[rows].astype(np.int64) if t.discrete else t.actions[rows],
        "rewards": t.rewards[rows],
        "terminations": t.terminated[rows],
        "truncations": t.truncated[rows],
    }
    for name, array in arrays.items():
        group.create_dataset(name, data=array)


def _metadata(t: Trajectories, dataset_id: str, total: int, size: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dataset_id": dataset_id,
        "minari_version": _VERSION,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "total_episodes": total,
        "total_steps": t.rows,
        "dataset_size": round(size / 1e6, 1),
        "observation_space": json.dumps(_space(t.observation_space, t.observations.shape[1])),
        "action_space": json.dumps(_space(t.action_space, t.actions.shape[1] if t.actions.ndim == 2 else 0)),
    }
    if t.env_id is not None:
        metadata["env_spec"] = _environment(t.env_id, t.step_limit)
    return metadata


def _space(space: Space, size: int) -> dict[str, Any]:
    """Return a space as Minari writes it to JSON."""
    if space.kind == "discrete":
        return {"type": "Discrete", "dtype": "int64", "start": 0, "n": max(space.size, 1)}
    low = list(space.low) if space.low is not None else [-np.inf] * size
    high = list(space.high) if space.high is not None else [np.inf] * size
    return {"type": "Box", "dtype": "float32", "shape": [size], "low": low, "high": high}


def _environment(env_id: str, step_limit: int | None) -> str:
    """Return the environment's specification: Gymnasium's own where it knows the id, else id and step limit alone."""
    spec: dict[str, Any] = {
        "id": env_id, "entry_point": None, "reward_threshold": None, "nondeterministic": False,
        "disable_env_checker": False, "kwargs": {}, "additional_wrappers": [], "vector_entry_point": None,
    }  # fmt: skip
    try:
        import gymnasium

        spec = json.loads(gymnasium.spec(env_id).to_json())
    except Exception:  # noqa: S110  # not installed, or an id that it does not know
        pass
    return json.dumps({**spec, "max_episode_steps": step_limit})


def _dataset_id(path: Path) -> str:
    name = re.sub(r"[^-_\w]+", "-", path.name).strip("-") or "dataset"
    return name if _ID.fullmatch(name) else f"{name}-v0"


def _lost_observations(t: Trajectories, final: np.ndarray) -> tuple[str, ...]:
    """Return in words which observations Minari's T + 1 a episode do not hold."""
    said = []
    absent = int((~final).sum())
    if absent:
        said.append(
            f"the final observation of {absent:,} of {len(final):,} episodes is not known: they have as many "
            "observations as actions"
        )
    if t.next_observations is not None:
        given = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next.copy()
        given[t.last_rows] = False
        rows = np.flatnonzero(given)
        same = (t.next_observations[rows] == t.observations[rows + 1]) | (
            np.isnan(t.next_observations[rows]) & np.isnan(t.observations[rows + 1])
        )
        differ = int((~same.all(axis=1)).sum())
        if differ:
            said.append(
                f"the next observation of {differ:,} steps is not the observation of the row after them, and Minari "
                "holds only the latter"
            )
    return tuple(said)


def _lost_rest(t: Trajectories, filled: int) -> tuple[str, ...]:
    said = []
    if filled < t.episodes:
        said.append(f"{t.episodes - filled:,} episodes without a step are left out")
    if t.env_id is None and t.step_limit is not None:
        said.append(f"Minari does not hold the step limit ({t.step_limit:,}) without an environment's id")
    if t.observation_space.names or t.action_space.names:
        said.append("Minari does not hold the names of a vector's entries")
    return tuple(said)
