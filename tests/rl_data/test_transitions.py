"""Which rows can be learned from, and what the next observation of each is."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch

from rl_data.errors import DataError
from rl_data.trajectories import Space, Trajectories
from rl_data.transitions import problem_of, transitions
from tests.rl_data.small_tasks import chain, pointing, trajectories


def two_episodes(**changes: Any) -> Trajectories:
    """Return an episode of 3 steps that terminated and one of 2 that was cut; observations count up from 0."""
    episodes = [
        {"observations": np.arange(4.0)[:, None], "actions": [0, 1, 0], "rewards": [1, 2, 3], "terminated": True},
        {"observations": np.arange(10.0, 13.0)[:, None], "actions": [1, 1], "rewards": [4, 5], "terminated": False},
    ]
    return trajectories(episodes, Space("discrete", 2), **changes)


def test_next_observations_are_the_rows_own() -> None:
    rows = transitions(two_episodes())
    assert rows.observations[:, 0].tolist() == [0, 1, 2, 10, 11]
    assert rows.next_observations[:, 0].tolist() == [1, 2, 0, 11, 12]  # nothing after the end of the task
    assert rows.terminated.tolist() == [False, False, True, False, False]
    assert rows.truncated.tolist() == [False, False, False, False, True]
    assert rows.offsets.tolist() == [0, 3, 5]
    assert rows.notes == ()


def test_a_cut_without_its_final_observation_loses_its_last_row_and_says_so() -> None:
    rows = transitions(two_episodes(next_observations=None, has_next=None))
    assert rows.observations[:, 0].tolist() == [0, 1, 2, 10]
    assert rows.next_observations[:, 0].tolist() == [1, 2, 0, 11]
    assert rows.truncated.tolist() == [False, False, False, True]
    assert rows.offsets.tolist() == [0, 3, 4]
    assert rows.notes == ("1 last rows without a final observation were left out: their next observation is unknown",)


def test_an_episode_of_which_nothing_is_left_has_no_offsets() -> None:
    data = two_episodes(next_observations=None, has_next=None).take(np.array([1, 0, 1]))
    one_row = transitions(data).offsets
    assert one_row.tolist() == [0, 1, 4, 5]
    episodes = [{"observations": np.zeros((2, 1)), "actions": [0], "rewards": [0], "terminated": False}] * 2
    episodes[1] = {**episodes[1], "terminated": True}
    left = transitions(trajectories(episodes, Space("discrete", 2), next_observations=None, has_next=None))
    assert left.offsets.tolist() == [0, 1]


def test_rows_before_a_gap_are_left_out() -> None:
    rows = transitions(two_episodes(steps=np.array([0, 2, 3, 0, 1], np.int32)))
    assert rows.observations[:, 0].tolist() == [1, 2, 10, 11]
    assert "1 rows before a gap" in rows.notes[0]


def test_a_cut_inside_an_episode_does_not_lead_into_the_next_row() -> None:
    data = two_episodes()
    truncated = np.array([True, False, False, False, True])
    rows = transitions(two_episodes(truncated=truncated))
    assert rows.observations[:, 0].tolist() == [1, 2, 10, 11]
    assert data.rows == 5


def test_both_flags_are_an_end() -> None:
    flags = np.array([False, False, True, False, True])
    rows = transitions(two_episodes(terminated=flags, truncated=flags, next_observations=None, has_next=None))
    assert rows.terminated.tolist() == flags.tolist()
    assert not rows.truncated.any()


def test_an_end_of_unknown_kind_is_asked_for() -> None:
    data = two_episodes(terminated=None, truncated=None, ended=np.array([False, False, True, False, True]))
    with pytest.raises(DataError, match="--ends terminated or --ends truncated"):
        transitions(data)
    assert transitions(data, ends="terminated").terminated.tolist() == [False, False, True, False, True]
    cut = transitions(data, ends="truncated")
    assert not cut.terminated.any()
    assert cut.truncated.tolist() == [False, False, True, False, True][: cut.rows] or cut.rows < 5
    with pytest.raises(DataError, match="ends must be"):
        transitions(data, ends="both")


def test_no_end_at_all_is_said() -> None:
    rows = transitions(two_episodes(terminated=np.zeros(5, bool)))
    assert any("no row is terminated" in note for note in rows.notes)


@pytest.mark.parametrize(
    ("field", "place", "message"),
    [
        ("observations", (3, 2), r"observation_2 is NaN at row 3, and 1 rows have such values.*COM001"),
        ("rewards", (7,), r"reward is NaN at row 7.*COM001"),
        ("next_observations", (0, 1), r"next_observation_1 is NaN at a next observation"),
    ],
)
def test_nan_is_named_with_its_column_and_the_check_that_finds_it(field: str, place: Any, message: str) -> None:
    data = chain(20, has_next=np.ones(chain(20).rows, bool))
    getattr(data, field)[place] = np.nan
    with pytest.raises(DataError, match=message):
        transitions(data)


def test_infinite_actions_and_named_entries() -> None:
    data = pointing(5, action_space=Space("box", 1, names=("torque",)))
    data.actions[2, 0] = np.inf
    with pytest.raises(DataError, match=r"action_0 \(torque\) is infinite at row 2"):
        transitions(data)


def test_what_next_observations_do_not_hold_may_be_nan() -> None:
    data = chain(20)
    assert data.next_observations is not None
    assert data.has_next is not None
    data.next_observations[~data.has_next] = np.nan
    assert bool(torch.isfinite(transitions(data).next_observations).all())


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match="no transitions"):
        transitions(chain(3).take(np.array([], dtype=np.int64)))
    one_row = [{"observations": np.zeros((2, 1)), "actions": [0], "rewards": [0], "terminated": False}]
    with pytest.raises(DataError, match="no row has a next observation"):
        transitions(trajectories(one_row, Space("discrete", 2), next_observations=None, has_next=None))


def test_problem_of_data() -> None:
    discrete, continuous = problem_of(chain(5)), problem_of(pointing(5))
    assert (discrete.observation_size, discrete.discrete, discrete.action_size) == (6, True, 2)
    assert (continuous.low, continuous.high) == ((-2.0,), (2.0,))
    unbounded = problem_of(pointing(5, action_space=Space("box", 1, (-np.inf,), (np.inf,))))
    actions = pointing(5).actions
    assert unbounded.low == pytest.approx((actions.min(),))
    assert unbounded.high == pytest.approx((actions.max(),))
    more = problem_of(chain(5, actions=np.full(chain(5).rows, 6, np.int32)))
    assert more.action_size == 7  # an action beyond the declared ones
