"""NumPy archives: bounds in many forms, and nothing is ever unpickled."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_data.formats import npz
from rl_data.trajectories import TrajectoryError

ROLLOUTS = Path(__file__).parents[4] / "shared" / "data" / "imitation_cartpole" / "rollouts.npz"
OBSERVATIONS = np.arange(12, dtype=np.float64).reshape(6, 2)
ACTIONS = np.array([0, 1, 0, 1, 1, 0])


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch unpickled",)


@pytest.mark.parametrize(
    "bounds",
    [
        {"indices": np.array([2, 5])},
        {"episode_starts": np.array([1, 0, 1, 0, 0, 1], bool)},
        {"episode_starts": np.array([0, 2, 5])},
        {"episode_ends": np.array([2, 5, 6])},
        {"episode_ends": np.array([0, 1, 0, 0, 1, 1], bool)},
        {"episode_lengths": np.array([2, 3, 1])},
        {"episode_id": np.array([4, 4, 7, 7, 7, 9])},
        {"timesteps": np.zeros(6), "t": np.array([0, 1, 0, 1, 2, 0])},
        {"dones": np.array([0, 1, 0, 0, 1, 1], bool)},
        {"terminals": np.array([0, 1, 0, 0, 0, 0], bool), "timeouts": np.array([0, 0, 0, 0, 1, 1], bool)},
    ],
    ids=lambda bounds: "+".join(f"{name}-{array.dtype}" for name, array in bounds.items()),
)
def test_bounds_in_many_forms(tmp_path: Path, bounds: dict[str, Any]) -> None:
    path = saved(tmp_path / "t.npz", observations=OBSERVATIONS, actions=ACTIONS, rewards=np.ones((6, 1)), **bounds)
    assert npz.matches(path) is not None
    read = npz.read(path)
    assert read.lengths.tolist() == [2, 3, 1]
    np.testing.assert_array_equal(read.observations, OBSERVATIONS.astype(np.float32))
    assert read.actions.tolist() == ACTIONS.tolist()
    assert read.rewards is not None
    assert read.discrete
    assert "3" in read.provenance.mapping["episode_id"]


def test_imitation_keeps_one_observation_more_an_episode(tmp_path: Path) -> None:
    obs = np.arange(18, dtype=np.float32).reshape(9, 2)
    infos = np.array([Bomb() for _ in range(6)], dtype=object)
    path = saved(
        tmp_path / "t.npz", obs=obs, acts=ACTIONS, rews=np.ones(6), indices=np.array([2, 5]), infos=infos,
        terminal=np.array([True, True, False]),
    )  # fmt: skip
    before = Path("unpickled").exists()
    read = npz.read(path)
    assert Path("unpickled").exists() == before
    assert read.lengths.tolist() == [2, 3, 1]
    np.testing.assert_array_equal(read.observations, obs[[0, 1, 3, 4, 5, 7]])
    assert read.next_observations is not None
    np.testing.assert_array_equal(read.next_observations[[1, 4, 5]], obs[[2, 6, 8]])
    assert read.has_next is not None
    assert read.has_next.tolist() == [False, True, False, False, True, True]
    assert read.ended is not None
    assert read.ended.tolist() == [False, True, False, False, True, False]
    assert read.terminated is None
    assert read.truncated is None
    assert read.provenance.skipped == ("array infos: Python objects; unpickling could run code, so it is not read",)
    assert any("ended, not how" in text for text in read.provenance.unknown)


@pytest.mark.skipif(not ROLLOUTS.exists() and "CI" not in os.environ, reason="the shared real data are not here")
def test_the_rollouts_of_imitation() -> None:
    """`indices` has 56 entries: the places between 57 episodes, as `terminal` (57) and `obs` (26,964 + 57) agree."""
    assert npz.matches(ROLLOUTS) is not None
    read = npz.read(ROLLOUTS)
    assert (read.rows, read.episodes) == (26_964, 57)
    assert (int(read.lengths.min()), int(read.lengths.max())) == (393, 500)
    assert read.rewards is not None
    assert (read.rewards == 1).all()
    assert [text.split(":")[0] for text in read.provenance.skipped] == ["array infos"]
    # the dynamics of CartPole hold inside episodes: x' = x + 0.02 v, also into the final observations
    following = np.roll(read.observations, -1, axis=0)
    assert read.next_observations is not None
    following[read.last_rows] = read.next_observations[read.last_rows]
    np.testing.assert_allclose(following[:, 0], read.observations[:, 0] + 0.02 * read.observations[:, 1], atol=1e-6)


def test_needed_arrays_of_objects_are_refused_with_a_remedy(tmp_path: Path) -> None:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.zeros((2, 3)), np.zeros((4, 3))]
    path = saved(tmp_path / "t.npz", observations=ragged, actions=ACTIONS)
    with pytest.raises(
        TrajectoryError, match=r"observations is an array of Python objects.*flat array.*lengths"
    ) as caught:
        npz.read(path)
    assert "t.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"observations": OBSERVATIONS[:4], "actions": ACTIONS, "indices": np.array([2])}, "4 rows for 6 actions in 2"),
        ({"observations": OBSERVATIONS, "actions": ACTIONS, "indices": np.array([5, 2])}, "indices must rise"),
        ({"observations": OBSERVATIONS, "actions": ACTIONS, "episode_lengths": np.array([2, 2])}, "adds up to 4 steps"),
        ({"observations": OBSERVATIONS, "actions": ACTIONS, "indices": np.array([0.5])}, "indices holds float64"),
        ({"observations": OBSERVATIONS, "actions": ACTIONS}, "nothing says where episodes start"),
        ({"observations": OBSERVATIONS}, "no array of actions among observations"),
        ({"observations": OBSERVATIONS.astype("U5"), "actions": ACTIONS, "indices": np.array([2])}, "holds <U5, not"),
        ({"observations": OBSERVATIONS[:0], "actions": ACTIONS[:0], "indices": np.array([2])}, "actions is empty"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(TrajectoryError, match=words) as caught:
        npz.read(saved(tmp_path / "bad.npz", **arrays))
    assert "bad.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.npz", observations=OBSERVATIONS, actions=ACTIONS, dones=ACTIONS)
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    (tmp_path / "damaged.npz").write_bytes(content)
    (tmp_path / "cut.npz").write_bytes(content[:100])
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("damaged.npz", "cut.npz", "pickle.npz"):
        with pytest.raises(TrajectoryError, match=rf"{name}: cannot be read as \.npz"):
            npz.read(tmp_path / name)
    assert not Path("unpickled").exists()
    assert npz.matches(tmp_path / "pickle.npz") is None
    assert npz.matches(saved(tmp_path / "weights.npz", w=np.ones(3))) is None
    assert npz.matches(tmp_path) is None
