"""robomimic: demonstrations with groups of observations; `dones` is never taken for a terminal flag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_data.formats import detect, robomimic
from rl_data.trajectories import TrajectoryError

h5py = pytest.importorskip("h5py")

ENV = {"env_name": "Lift", "env_type": 1, "env_version": "1.4.1", "env_kwargs": {"control_freq": 20, "horizon": 500}}


def demo(steps: int, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """One demonstration by path below its group; None leaves an array out."""
    rng = np.random.default_rng(seed)
    eef = rng.normal(size=(steps + 1, 3))
    joint = rng.normal(size=(steps + 1, 1))
    return {
        "actions": rng.uniform(-1, 1, (steps, 7)),
        "rewards": (np.arange(steps) == steps - 1).astype(float),
        "dones": (np.arange(steps) == steps - 1).astype(np.int64),
        "states": rng.normal(size=(steps, 32)),
        "obs/robot0_eef_pos": eef[:-1],
        "obs/joint": joint[:-1],
        "obs/agentview_image": np.zeros((steps, 84, 84, 3), np.uint8),
        "next_obs/robot0_eef_pos": eef[1:],
        "next_obs/joint": joint[1:],
        "next_obs/agentview_image": np.zeros((steps, 84, 84, 3), np.uint8),
    } | changes


def write(path: Path, demos: dict[str, dict[str, Any]], env: dict[str, Any] | None = None) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(ENV if env is None else env)
        data.attrs["total"] = sum(len(content["actions"]) for content in demos.values())
        for name, content in demos.items():
            group = data.create_group(name)
            group.attrs["num_samples"] = len(content["actions"])
            for field, array in content.items():
                if array is not None:
                    group.create_dataset(field, data=array)
        file.create_dataset("mask/train", data=np.array([b"demo_0", b"demo_2"]))
        file.create_dataset("mask/valid", data=["demo_1"])
    return path


def test_demonstrations_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    demos = {f"demo_{n}": demo(4 + n, n) for n in (0, 1, 2, 10)}
    path = write(tmp_path / "low_dim.hdf5", demos)
    detected = detect(path)
    assert detected is not None
    assert detected.name == "robomimic"
    assert "`data/demo_0` .. `data/demo_10`" in detected.evidence
    read = robomimic.read(path)
    assert read.episode_ids.tolist() == ["demo_0", "demo_1", "demo_2", "demo_10"]
    assert read.lengths.tolist() == [4, 5, 6, 14]
    assert read.observation_space.names == ("joint", "robot0_eef_pos[0]", "robot0_eef_pos[1]", "robot0_eef_pos[2]")
    expected = np.concatenate(
        [np.column_stack([content["obs/joint"], content["obs/robot0_eef_pos"]]) for content in demos.values()]
    )
    assert np.array_equal(read.observations, expected.astype(np.float32))
    expected = np.concatenate(
        [np.column_stack([content["next_obs/joint"], content["next_obs/robot0_eef_pos"]]) for content in demos.values()]
    )
    assert read.next_observations is not None
    assert np.array_equal(read.next_observations, expected.astype(np.float32))
    assert np.array_equal(read.actions, np.concatenate([c["actions"] for c in demos.values()]).astype(np.float32))
    assert read.provenance.problems == ()


def test_dones_is_kept_apart_from_both_flags(tmp_path: Path) -> None:
    read = robomimic.read(write(tmp_path / "low_dim.hdf5", {"demo_0": demo(4), "demo_1": demo(3, 1)}))
    assert read.terminated is None
    assert read.truncated is None
    assert read.ended is not None
    assert np.flatnonzero(read.ended).tolist() == [3, 6]
    assert any("does not say which" in line for line in read.provenance.unknown)


def test_what_the_file_declares_is_kept(tmp_path: Path) -> None:
    read = robomimic.read(write(tmp_path / "low_dim.hdf5", {"demo_0": demo(4), "demo_1": demo(3, 1)}))
    declared = read.provenance.declared
    assert declared["splits"] == {"train": ["demo_0", "demo_2"], "valid": ["demo_1"]}
    assert declared["total_steps"] == 7
    assert declared["lengths"] == {"demo_0": 4, "demo_1": 3}
    assert declared["env_args"]["env_name"] == "Lift"
    assert read.fps == 20
    assert read.env_id is None  # Lift is a task of robosuite, no environment of Gymnasium
    assert "obs/agentview_image: 7 images, counted and not read" in read.provenance.skipped


@pytest.mark.parametrize("key", ["type", "env_type"])
def test_a_gym_environment_gives_its_id(tmp_path: Path, key: str) -> None:
    env = {"env_name": "Hopper-v3", key: 2, "env_kwargs": {}}
    read = robomimic.read(write(tmp_path / "hopper.hdf5", {"demo_0": demo(4)}, env))
    assert read.env_id == "Hopper-v3"
    assert read.fps is None


def test_imitation_data_without_reward_flag_and_next_observation(tmp_path: Path) -> None:
    bare: dict[str, Any] = {"rewards": None, "dones": None} | {
        name: None for name in demo(1) if name.startswith("next_obs")
    }
    read = robomimic.read(write(tmp_path / "raw.hdf5", {"demo_0": demo(4, **bare)}))
    assert read.rewards is None
    assert read.ended is None
    assert read.next_observations is None
    assert [line.split(":")[0] for line in read.provenance.unknown] == [
        "terminated and truncated",
        "reward",
        "the observation after an episode's last action",
    ]


def test_states_stand_in_where_no_observations_were_extracted(tmp_path: Path) -> None:
    raw: dict[str, Any] = {name: None for name in demo(1) if "obs" in name}
    read = robomimic.read(write(tmp_path / "demo.hdf5", {"demo_0": demo(4, **raw)}))
    assert read.observations.shape == (4, 32)
    assert read.observation_space.names[0] == "states[0]"
    assert "states" in " ".join(read.provenance.mapping)


def test_what_does_not_fit_is_left_out_by_name(tmp_path: Path) -> None:
    demos = {f"demo_{n}": demo(4, n) for n in range(8)}
    demos["demo_1"]["obs/joint"] = np.zeros((3, 1))
    demos["demo_2"]["obs/joint"] = np.zeros((4, 2))
    demos["demo_3"]["obs/gripper"] = demos["demo_3"].pop("obs/joint")
    demos["demo_4"]["actions"] = np.zeros(4, dtype="V16")
    demos["demo_5"]["rewards"] = None
    read = robomimic.read(write(tmp_path / "mixed.hdf5", demos))
    assert read.episode_ids.tolist() == ["demo_0", "demo_6", "demo_7"]
    problems = dict(read.provenance.problems)
    assert "`obs/joint` has 3 steps, `actions` 4" in problems["data/demo_1"]
    assert "5 numbers a step, 4 in" in problems["data/demo_2"]
    assert "observations are gripper, robot0_eef_pos, joint, robot0_eef_pos in 5" in problems["data/demo_3"]
    assert "`actions` holds opaque bytes" in problems["data/demo_4"]
    assert "no rewards, which 3 of 4 episodes have" in problems["data/demo_5"]


def test_other_hdf5_files_are_not_robomimics(tmp_path: Path) -> None:
    path = tmp_path / "other.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=np.zeros(3))
    assert robomimic.matches(path) is None
    with pytest.raises(TrajectoryError, match="no group `data/demo_0`"):
        robomimic.read(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("data/demo_0/pixels", data=np.zeros(3))
    assert robomimic.matches(path) is None
    with pytest.raises(TrajectoryError, match="`actions` is missing"):
        robomimic.read(path)
