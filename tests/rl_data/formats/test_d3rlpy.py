"""d3rlpy: both versions of its HDF5, as its own code lays them out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_data.formats import d3rlpy, detect
from rl_data.trajectories import TrajectoryError

h5py = pytest.importorskip("h5py")


def episode(steps: int, seed: int = 0, *, terminated: bool = True, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "observations": rng.normal(size=(steps, 3)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (steps, 2)).astype(np.float32),
        "rewards": rng.normal(size=(steps, 1)).astype(np.float32),
        "terminated": terminated,
    } | changes


def write_v2(path: Path, given: list[dict[str, Any]]) -> Path:
    """As d3rlpy 2.8.1's `dataset/io.py` writes it."""
    with h5py.File(path, "w") as file:
        columns = list(given[0])
        file.create_dataset("columns", data=columns)
        file.create_dataset("num_episodes", data=len(given))
        for number, content in enumerate(given):
            for column in columns:
                if isinstance(content[column], tuple):
                    for part, array in enumerate(content[column]):
                        file.create_dataset(f"{column}_{number}_{part}", data=array)
                else:
                    file.create_dataset(f"{column}_{number}", data=content[column])
        file.create_dataset("version", data="2.1")
    return path


def write_v1(path: Path, **changes: Any) -> Path:
    """As d3rlpy 1.x's `MDPDataset.dump` writes it."""
    rng = np.random.default_rng(0)
    content = {
        "observations": rng.normal(size=(12, 3)).astype(np.float32),
        "actions": rng.integers(0, 3, 12).astype(np.int32),
        "rewards": rng.normal(size=12).astype(np.float32),
        "terminals": (np.arange(12) == 4).astype(np.float32),
        "episode_terminals": np.isin(np.arange(12), (4, 9)).astype(np.float32),
        "discrete_action": True,
        "create_mask": False,
        "mask_size": 1,
    } | changes
    with h5py.File(path, "w") as file:
        for name, array in content.items():
            if array is not None:
                file.create_dataset(name, data=array)
    return path


def test_version_2_is_read_episode_by_episode(tmp_path: Path) -> None:
    given = [episode(5), episode(8, 1, terminated=False), *(episode(2, seed) for seed in range(2, 12))]
    path = write_v2(tmp_path / "v2.h5", given)
    detected = detect(path)
    assert detected is not None
    assert detected.name == "d3rlpy"
    read = d3rlpy.read(path)
    assert read.lengths.tolist() == [5, 8, *[2] * 10]  # episode 10 comes after 9, not after 1
    for field in ("observations", "actions"):
        assert np.array_equal(getattr(read, field), np.concatenate([content[field] for content in given]))
    assert read.rewards is not None
    assert np.array_equal(read.rewards, np.concatenate([content["rewards"] for content in given])[:, 0])
    assert read.terminated is not None
    assert read.truncated is not None
    assert np.flatnonzero(read.terminated).tolist() == [4, *range(14, 33, 2)]
    assert np.flatnonzero(read.truncated).tolist() == [12]
    assert read.next_observations is None
    assert "as many observations as actions" in read.provenance.unknown[0]
    assert read.provenance.declared["total_episodes"] == 12
    assert read.provenance.declared["version"] == "2.1"


def test_version_2_tuples_and_choices(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = (rng.normal(size=(4, 2)).astype(np.float32), np.zeros((4, 3, 64, 64), np.uint8), np.ones((4, 1)))
    path = write_v2(tmp_path / "v2.h5", [episode(4, observations=parts, actions=np.array([[0], [2], [1], [0]]))])
    read = d3rlpy.read(path)
    assert np.array_equal(read.observations, np.column_stack([parts[0], parts[2]]))
    assert read.actions.tolist() == [0, 2, 1, 0]
    assert read.action_space.size == 3
    assert read.provenance.skipped == ("observations, part 1: 4 images, counted and not read",)


def test_version_2_that_was_not_written_to_its_end(tmp_path: Path) -> None:
    path = write_v2(tmp_path / "v2.h5", [episode(5), episode(6, 1), episode(7, 2)])
    with h5py.File(path, "a") as file:
        del file["rewards_2"]
        del file["observations_1"]
        file["num_episodes"][()] = 1_000_000_000
    read = d3rlpy.read(path)
    assert read.episode_ids.tolist() == [0]
    problems = dict(read.provenance.problems)
    assert "`observations_1` is missing" in problems["episode 1"]
    assert "`rewards_2` is missing" in problems["episode 2"]
    where = "episode 3, episode 4, episode 5, episode 6, episode 7 and 999,999,992 more"
    assert problems[where].startswith("missing")


def test_version_2_with_one_kind_of_action_out_of_place(tmp_path: Path) -> None:
    whole = [episode(4, seed, actions=np.arange(4)[:, None]) for seed in range(3)]
    odd = episode(4, 3, actions=np.full((4, 1), 0.5))
    floats = episode(4, 4, actions=np.array([[0.0], [1.0], [2.0], [3.0]]))
    read = d3rlpy.read(write_v2(tmp_path / "v2.h5", [*whole, odd, floats]))
    assert read.discrete
    assert read.episode_ids.tolist() == [0, 1, 2, 4]  # whole numbers stored as floats lose nothing
    ((where, what),) = read.provenance.problems
    assert where == "episode 3"
    assert "fractions" in what


def test_version_2_with_lengths_that_differ(tmp_path: Path) -> None:
    given = [episode(4), episode(4, 1, observations=np.zeros((4, 5))), episode(4, 2), episode(4, 3)]
    given[3]["rewards"] = np.zeros((3, 1))
    read = d3rlpy.read(write_v2(tmp_path / "v2.h5", given))
    assert read.episode_ids.tolist() == [0, 2]
    problems = dict(read.provenance.problems)
    assert "3 rewards for 4 observations" in problems["episode 3"]
    assert "5 numbers a step, 3 in 2 of 3 episodes" in problems["episode 1"]


def test_version_2_without_any_readable_episode(tmp_path: Path) -> None:
    path = write_v2(tmp_path / "v2.h5", [episode(4, actions=np.zeros(4, "V3"))])
    with pytest.raises(TrajectoryError, match="no episode can be read; episode 0: `actions_0` holds opaque bytes"):
        d3rlpy.read(path)


def test_version_1_tells_timeouts_from_terminals(tmp_path: Path) -> None:
    path = write_v1(tmp_path / "v1.h5")
    detected = detect(path)
    assert detected is not None
    assert detected.name == "d3rlpy"
    read = d3rlpy.read(path)
    assert read.offsets.tolist() == [0, 5, 10, 12]
    assert read.terminated is not None
    assert read.truncated is not None
    assert np.flatnonzero(read.terminated).tolist() == [4]
    assert np.flatnonzero(read.truncated).tolist() == [9]
    assert read.discrete
    assert read.provenance.format == "d3rlpy-v1"
    assert any("alignment of rewards" in line for line in read.provenance.unknown)


def test_version_1_without_episode_terminals(tmp_path: Path) -> None:
    read = d3rlpy.read(write_v1(tmp_path / "v1.h5", episode_terminals=None))
    assert read.offsets.tolist() == [0, 5, 12]
    assert read.truncated is None
    assert any(line.startswith("truncated") for line in read.provenance.unknown)


def test_version_1_says_in_a_flag_that_floats_are_choices(tmp_path: Path) -> None:
    read = d3rlpy.read(write_v1(tmp_path / "v1.h5", actions=(np.arange(12) % 2).astype(np.float32)))
    assert read.discrete
    assert read.actions.tolist() == [0, 1] * 6


WRITER = """
import sys
import d3rlpy, numpy as np

arrays = np.load(sys.argv[1])
episodes = [
    d3rlpy.dataset.Episode(
        arrays[f"observations_{i}"], arrays[f"actions_{i}"], arrays[f"rewards_{i}"], bool(arrays[f"terminated_{i}"])
    )
    for i in range(2)
]
with open(sys.argv[2], "w+b") as stream:
    d3rlpy.dataset.dump(episodes, stream)
"""


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    python = Path(os.environ.get("D3RLPY_PYTHON", Path(__file__).parents[3] / ".venv-d3rlpy" / "bin" / "python"))
    if not python.exists():
        pytest.skip("d3rlpy lives in an environment of its own: make d3rlpy")
    given = [episode(5), episode(8, 1, terminated=False)]
    names = ("observations", "actions", "rewards", "terminated")
    np.savez(tmp_path / "in.npz", **{f"{name}_{i}": one[name] for i, one in enumerate(given) for name in names})
    path = tmp_path / "real.h5"
    command = [str(python), "-W", "ignore", "-c", WRITER, str(tmp_path / "in.npz"), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    read = d3rlpy.read(path)
    assert read.lengths.tolist() == [5, 8]
    assert np.array_equal(read.observations, np.concatenate([one["observations"] for one in given]))
    assert read.truncated is not None
    assert np.flatnonzero(read.truncated).tolist() == [12]
