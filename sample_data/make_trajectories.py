"""Make the sample trajectories: CartPole and Pendulum, clean and with planted faults, in all layouts.

    python sample_data/make_trajectories.py [FOLDER] [--all]

Everything follows from one seed. Needs the extra `rl`. Without `--all` only the files that are committed are made; the
tests make the others from `LAYOUTS`. Each layout is written by the format's own library where that can be had for a few
megabytes (Minari, h5py), else in the way its documentation or source says.

The faults are planted by `rl_data.corrupt`; `trajectories/expected.yaml` lists what must be found.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rl_data.corrupt import inject
from rl_data.formats import d4rl_writer, lerobot_writer, write_canonical
from rl_data.record import Actor, record
from rl_data.trajectories import PER_ROW, Trajectories

SEED = 20_250_101
FPS = {"CartPole-v1": 50.0, "Pendulum-v1": 20.0}
"""Steps of the simulated clock in a second, by environment."""

CARTPOLE_FAULTS = (
    ("term_all_zero", 0.2),
    ("obs_units", 0.1),
    ("nan_to_zero", 0.01),
    ("duplicates", 0.05),
)
PENDULUM_FAULTS = (
    ("timeout_as_terminal", 0.2),
    ("reward_sign", 0.1),
    ("shuffled", 0.1),
    ("act_lag1", 0.1),
    ("frozen_sensor", 0.02),
    ("boundary_merge", 0.1),
    ("final_observation_leaked", 0.2),
)
"""(injector, rate), planted one after another."""

# --- what is in the files ---------------------------------------------------------------------------------------------


def recorded(env_id: str, seed: int, actor: Actor | None = None, **size: int) -> Trajectories:
    """Return episodes of a policy (default: at random), with the simulation's clock."""
    played = record(env_id, actor, seed=seed, **size)
    return replace(played, timestamps=played.steps / FPS[env_id], fps=FPS[env_id])


def planted(clean: Trajectories, faults: tuple[tuple[str, float], ...]) -> Trajectories:
    """Return the trajectories with faults planted one after another."""
    for place, (name, rate) in enumerate(faults):
        clean = inject(name, clean, rate=rate, seed=SEED + place).trajectories
    return clean


@dataclass(frozen=True, slots=True)
class LazyBrake:
    """Brakes the pendulum where it is fast, and does nothing elsewhere: a deterministic policy."""

    name: str = "lazy brake"
    fast: float = 4.0

    def sample(
        self, observations: NDArray[np.float32], draws: Sequence[np.random.Generator]
    ) -> tuple[NDArray[np.float32], None]:
        """Choose torques; see `rl_data.record.Actor`."""
        speed = observations[:, 2:3]
        return np.where(np.abs(speed) > self.fast, np.clip(-speed, -2.0, 2.0), 0.0).astype(np.float32), None


def stamped(t: Trajectories, start: dt.datetime) -> Trajectories:
    """Return the trajectories with times of day: an episode a quarter of an hour, from `start`."""
    assert t.timestamps is not None
    return replace(t, timestamps=start.timestamp() + 900.0 * t.episode_of_row + t.timestamps)


def logged(t: Trajectories, successes: int) -> Trajectories:
    """Return the trajectories with a column `success`: at the last step of the first episodes."""
    success = np.zeros(t.rows, dtype=bool)
    success[t.last_rows[:successes]] = True
    return replace(t, infos={"success": success})


def log_faults(t: Trajectories) -> Trajectories:
    """Plant what goes wrong while a robot is logged: lost rows, a clock set back, rewards never written."""
    episode = t.episode_of_row
    keep = ~(np.isin(episode, (2, 9, 16)) & np.isin(t.steps, (50, 51, 52)))  # COM101
    assert t.timestamps is not None
    timestamps = t.timestamps - 30.0 * (np.isin(episode, (4, 11)) & (t.steps >= 120))  # FRE101
    t = replace(t, timestamps=timestamps, rewards=np.zeros(t.rows))  # BAL103
    arrays = {name: array[keep] for name in PER_ROW if (array := getattr(t, name)) is not None}
    lengths = np.bincount(episode[keep], minlength=t.episodes)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return replace(t, offsets=offsets, infos={name: array[keep] for name, array in t.infos.items()}, **arrays)


def sets() -> dict[str, Trajectories]:
    """Return the trajectories by name; clean and planted ones are different episodes."""
    cartpole, other_cartpole = (recorded("CartPole-v1", SEED + k, episodes=140) for k in (1, 2))
    pendulum, other_pendulum, log = (recorded("Pendulum-v1", SEED + k, episodes=20) for k in (3, 4, 5))
    lazy = recorded("Pendulum-v1", SEED + 6, LazyBrake(), episodes=20)
    return {
        "cartpole_clean": cartpole,
        "cartpole_planted": planted(other_cartpole, CARTPOLE_FAULTS),
        "pendulum_clean": pendulum,
        "pendulum_planted": planted(other_pendulum, PENDULUM_FAULTS),
        "pendulum_late_planted": planted(other_pendulum, (("rew_lag1", 1.0),)),
        "log_clean": logged(stamped(log, dt.datetime(2024, 12, 20, tzinfo=dt.UTC)), successes=10),
        "log_planted": logged(log_faults(stamped(lazy, dt.datetime(2023, 5, 4, tzinfo=dt.UTC))), successes=0),
    }


# --- layouts: each function writes one file or folder, named without its ending, and returns its path -----------------


def canonical(t: Trajectories, path: Path) -> Path:
    """Write the canonical form."""
    path = path.with_suffix(".parquet")
    write_canonical(t, path)
    return path


def wide(t: Trajectories, path: Path) -> Path:
    """Write one column a number, as people do who come from tables."""
    path = path.with_suffix(".wide.parquet")
    pq.write_table(pa.table({"episode": t.episode_ids[t.episode_of_row], "step": t.steps, **_columns(t)}), path)
    return path


def minari_hdf5(t: Trajectories, path: Path) -> Path:
    """Write with Minari's own library, HDF5."""
    return _minari(t, path, "hdf5")


def minari_arrow(t: Trajectories, path: Path) -> Path:
    """Write with Minari's own library, Arrow."""
    return _minari(t, path, "arrow")


def _minari(t: Trajectories, path: Path, storage: str) -> Path:
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    assert t.rewards is not None
    assert t.terminated is not None
    assert t.truncated is not None
    assert t.next_observations is not None
    environment = gymnasium.make(t.env_id)
    buffers = []
    for first, stop in _spans(t):
        observations = np.concatenate([t.observations[first:stop], t.next_observations[stop - 1 : stop]])
        actions = t.actions[first:stop]
        flags = {"terminations": t.terminated[first:stop].tolist(), "truncations": t.truncated[first:stop].tolist()}
        rewards = t.rewards[first:stop].tolist()
        buffers.append(EpisodeBuffer(observations=observations, actions=actions, rewards=rewards, **flags))
    target = path.with_name(f"{path.name}_minari_{storage}-v0")
    before = os.environ.get("MINARI_DATASETS_PATH")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing author, description and the like
        os.environ["MINARI_DATASETS_PATH"] = folder
        try:
            minari.create_dataset_from_buffers(target.name, buffers, env=environment, data_format=storage)
        finally:
            os.environ.pop("MINARI_DATASETS_PATH")
            if before is not None:
                os.environ["MINARI_DATASETS_PATH"] = before
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(Path(folder) / target.name, target)
    return target


def lerobot_v2(t: Trajectories, path: Path) -> Path:
    """Write LeRobot v2.1: one Parquet file an episode."""
    path = path.with_name(f"{path.name}_lerobot")
    shutil.rmtree(path, ignore_errors=True)
    lerobot_writer.write(t, path)
    return path


def lerobot_v3(t: Trajectories, path: Path) -> Path:
    """Write LeRobot v3.0: all episodes in one Parquet file, made out of v2.1."""
    target = path.with_name(f"{path.name}_lerobot_v3")
    shutil.rmtree(target, ignore_errors=True)
    old = lerobot_v2(t, path.with_name(f".{path.name}"))
    rows = pa.concat_tables([pq.read_table(file) for file in sorted((old / "data").rglob("*.parquet"))])
    info = json.loads((old / "meta/info.json").read_text())
    info |= {"codebase_version": "v3.0", "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"}
    for name in ("total_chunks", "total_videos"):
        info.pop(name)
    starts, stops = np.array(_spans(t), dtype=np.int64).T
    episodes = {
        "episode_index": np.arange(t.episodes),
        "tasks": [[t.env_id]] * t.episodes,
        "length": t.lengths,
        "data/chunk_index": np.zeros(t.episodes, dtype=np.int64),
        "data/file_index": np.zeros(t.episodes, dtype=np.int64),
        "dataset_from_index": starts,
        "dataset_to_index": stops,
        "meta/episodes/chunk_index": np.zeros(t.episodes, dtype=np.int64),
        "meta/episodes/file_index": np.zeros(t.episodes, dtype=np.int64),
    }
    for folder in ("meta/episodes/chunk-000", "data/chunk-000"):
        (target / folder).mkdir(parents=True)
    pq.write_table(rows, target / "data/chunk-000/file-000.parquet")
    pq.write_table(pa.table(episodes), target / "meta/episodes/chunk-000/file-000.parquet")
    pq.write_table(pa.table({"task_index": [0], "task": [t.env_id]}), target / "meta/tasks.parquet")
    (target / "meta/info.json").write_text(json.dumps(info, indent=4) + "\n")
    shutil.rmtree(old)
    return target


def d4rl(t: Trajectories, path: Path) -> Path:
    """Write D4RL's flat HDF5."""
    path = path.with_suffix(".d4rl.hdf5")
    path.unlink(missing_ok=True)
    d4rl_writer.write(t, path)
    return path


def d3rlpy(t: Trajectories, path: Path) -> Path:
    """Write d3rlpy's HDF5, version 2, as its `dataset/io.py` does."""
    path = path.with_suffix(".d3rlpy.h5")
    assert t.rewards is not None
    assert t.terminated is not None
    with h5py.File(path, "w") as file:
        file.create_dataset("columns", data=["observations", "actions", "rewards", "terminated"])
        file.create_dataset("num_episodes", data=t.episodes)
        for number, (first, stop) in enumerate(_spans(t)):
            actions = t.actions[first:stop]
            file.create_dataset(f"observations_{number}", data=t.observations[first:stop])
            file.create_dataset(f"actions_{number}", data=actions[:, None] if actions.ndim == 1 else actions)
            file.create_dataset(f"rewards_{number}", data=t.rewards[first:stop, None].astype(np.float32))
            file.create_dataset(f"terminated_{number}", data=bool(t.terminated[first:stop].any()))
        file.create_dataset("version", data="2.1")
    return path


def robomimic(t: Trajectories, path: Path) -> Path:
    """Write robomimic's HDF5, as its documentation lays it out."""
    path = path.with_suffix(".robomimic.hdf5")
    assert t.rewards is not None
    assert t.terminated is not None
    following = _following(t)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": t.env_id, "type": 2, "env_kwargs": {}})
        data.attrs["total"] = t.rows
        for number, (first, stop) in enumerate(_spans(t)):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = stop - first
            actions = t.actions[first:stop].astype(np.float32)
            demo["actions"] = actions[:, None] if actions.ndim == 1 else actions
            demo["rewards"] = t.rewards[first:stop]
            demo["dones"] = t.terminated[first:stop].astype(np.int64)
            demo["obs/flat"] = t.observations[first:stop]
            demo["next_obs/flat"] = following[first:stop]
    return path


def rlds(t: Trajectories, path: Path) -> Path:
    """Write steps in the manner of RLDS: after the last step of an episode a row with its final observation."""
    path = path.with_suffix(".rlds.parquet")
    assert t.next_observations is not None
    assert t.rewards is not None
    assert t.terminated is not None
    rows = []
    for first, stop in _spans(t):
        for i in range(first, stop):
            row = {"observation": t.observations[i], "action": t.actions[i], "reward": t.rewards[i], "discount": 1.0}
            rows.append({**row, "is_first": i == first, "is_last": False, "is_terminal": False})
        final = {"observation": t.next_observations[stop - 1], "action": 0 * t.actions[first], "reward": 0.0}
        ends = bool(t.terminated[first:stop].any())
        rows.append({**final, "discount": 0.0, "is_first": False, "is_last": True, "is_terminal": ends})
    pq.write_table(pa.Table.from_pylist([{k: _plain(v) for k, v in row.items()} for row in rows]), path)
    return path


def episode_lists(t: Trajectories, path: Path) -> Path:
    """Write one row an episode, as the data sets of the decision transformer on Hugging Face."""
    path = path.with_suffix(".lists.parquet")
    assert t.rewards is not None
    assert t.terminated is not None
    assert t.truncated is not None
    done = t.terminated | t.truncated
    lists = {
        name: [_plain(array[first:stop]) for first, stop in _spans(t)]
        for name, array in (
            ("observations", t.observations),
            ("actions", t.actions),
            ("rewards", t.rewards),
            ("dones", done),
        )
    }
    pq.write_table(pa.table(lists), path)
    return path


def npz(t: Trajectories, path: Path) -> Path:
    """Write flat arrays and the places where episodes start, with NumPy alone."""
    path = path.with_suffix(".npz")
    arrays = {name: getattr(t, name) for name in ("observations", "actions", "rewards", "terminated", "truncated")}
    np.savez_compressed(path, **arrays, episode_starts=t.offsets[:-1])
    return path


LAYOUTS: Mapping[str, Callable[[Trajectories, Path], Path]] = {
    "canonical": canonical,
    "wide": wide,
    "minari-hdf5": minari_hdf5,
    "minari-arrow": minari_arrow,
    "lerobot-v2.1": lerobot_v2,
    "lerobot-v3.0": lerobot_v3,
    "d4rl": d4rl,
    "d3rlpy-v2": d3rlpy,
    "robomimic": robomimic,
    "rlds": rlds,
    "episode-lists": episode_lists,
    "npz": npz,
}
"""Writers by layout."""

ONE_IN_EVERY_LAYOUT = ("cartpole_clean", "cartpole_planted", "pendulum_clean", "pendulum_planted")
"""What `--all` and the tests write."""
COMMITTED = (
    ("cartpole_clean", "canonical"),
    ("cartpole_planted", "canonical"),
    ("pendulum_clean", "canonical"),
    ("pendulum_planted", "canonical"),
    ("pendulum_late_planted", "canonical"),
    ("log_clean", "canonical"),
    ("log_planted", "canonical"),
    ("pendulum_planted", "minari-hdf5"),
    ("pendulum_planted", "d4rl"),
    ("pendulum_planted", "lerobot-v2.1"),
)
"""(set, layout) of the files that are committed; small, and one for each of the most common formats."""


def _spans(t: Trajectories) -> list[tuple[int, int]]:
    return list(zip(t.offsets[:-1].tolist(), t.offsets[1:].tolist(), strict=True))


def _columns(t: Trajectories) -> dict[str, Any]:
    columns = {f"observation_{i}": column for i, column in enumerate(t.observations.T)}
    if t.actions.ndim == 1:
        columns["action"] = t.actions
    else:
        columns |= {f"action_{i}": column for i, column in enumerate(t.actions.T)}
    for name in ("rewards", "terminated", "truncated", "timestamps"):
        array = getattr(t, name)
        if array is not None:
            columns[name.removesuffix("s")] = array
    return columns


def _following(t: Trajectories) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    assert t.next_observations is not None
    following = np.roll(t.observations, -1, axis=0)
    following[t.last_rows] = t.next_observations[t.last_rows]
    return following


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def main(folder: Path, everything: bool = False) -> None:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = sets()
    wanted = [(name, layout) for name in ONE_IN_EVERY_LAYOUT for layout in LAYOUTS] if everything else COMMITTED
    for name, layout in wanted:
        path = LAYOUTS[layout](made[name], folder / name)
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        print(f"{path.name}: {made[name].episodes} episodes, {sum(file.stat().st_size for file in files):,} bytes")


if __name__ == "__main__":
    named = [argument for argument in sys.argv[1:] if argument != "--all"]
    main(Path(named[0]) if named else Path(__file__).parent / "trajectories", "--all" in sys.argv)
