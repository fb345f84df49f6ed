"""Which rows can be learned from, and what the next observation of each is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch

from rl_data.checkpoints import create
from rl_data.errors import DataError
from rl_data.gae import advantages
from rl_data.training import Settings, train
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


def broken(steps: list[int], **changes: Any) -> Trajectories:
    """Return one episode of six rows with these step numbers, rewards 0 0 0 0 100 100, ending terminated."""
    whole = {"observations": np.arange(7.0)[:, None], "actions": [0, 1, 0, 1, 0, 1], "terminated": True}
    data = trajectories([{**whole, "rewards": [0, 0, 0, 0, 100, 100]}], Space("discrete", 2), **changes)
    return replace(data, steps=np.array(steps, np.int32))


def test_a_gap_breaks_an_episode_into_stretches() -> None:
    # domain: an episode whose recorder dropped steps 3 to 6; what came after tells nothing of what came before
    rows = transitions(broken([0, 1, 2, 7, 8, 9]))
    assert rows.observations[:, 0].tolist() == [0, 1, 3, 4, 5]
    assert rows.offsets.tolist() == [0, 2, 5]
    assert rows.truncated.tolist() == [False, True, False, False, False]
    assert (rows.episode_of_stretch.tolist(), rows.begins.tolist()) == ([0, 0], [True, False])
    assert (rows.episodes, rows.episode_of_row.tolist()) == (1, [0] * 5)
    assert rows.notes[-1] == (
        "1 episodes are broken by gaps or flags inside, into 2 stretches: nothing is carried from one to the next"
    )


def test_no_advantage_crosses_a_gap() -> None:
    rows, zero = transitions(broken([0, 1, 2, 7, 8, 9])), torch.zeros(5)
    found = advantages(rows.rewards, zero, zero, rows.terminated, rows.truncated, rows.offsets, gamma=1.0, lam=1.0)
    assert found.tolist() == [0, 0, 200, 200, 100]


@pytest.mark.parametrize("flag", ["terminated", "truncated"])
def test_a_flag_inside_breaks_an_episode_also_where_every_next_observation_is_given(flag: str) -> None:
    flags = np.array([False, False, True, False, False, True])
    given = {"next_observations": np.arange(1.0, 7.0, dtype=np.float32)[:, None], "has_next": np.ones(6, bool)}
    rows = transitions(broken([0, 1, 2, 3, 4, 5], **given, **{flag: flags}))
    assert rows.offsets.tolist() == [0, 3, 6]
    assert rows.truncated[2].item() is (flag == "truncated")


def test_a_step_number_that_jumps_breaks_an_episode_though_the_next_observation_is_given() -> None:
    given = {"next_observations": np.arange(1.0, 7.0, dtype=np.float32)[:, None], "has_next": np.ones(6, bool)}
    rows = transitions(broken([0, 1, 2, 7, 8, 9], **given))
    assert (rows.rows, rows.offsets.tolist()) == (6, [0, 3, 6])


def test_an_episode_without_its_first_step_begins_nowhere() -> None:
    rows = transitions(broken([0, 2, 3, 4, 5, 6]))
    assert (rows.offsets.tolist(), rows.begins.tolist()) == ([0, 5], [False])
    assert any("1 episodes lack their first step" in note for note in rows.notes)


def test_the_best_episodes_are_those_of_the_best_returns_not_the_best_halves() -> None:
    # domain: "10% BC" of data with a gap; half of a good episode must not rank below a whole poor one
    good = {"observations": np.zeros((7, 1)), "actions": [1] * 6, "rewards": [2] * 6, "terminated": True}
    poor = {"observations": np.zeros((7, 1)), "actions": [0] * 6, "rewards": [1.5] * 6, "terminated": True}
    data = trajectories([poor, good], Space("discrete", 2))
    data.steps[9:] += 4
    rows = transitions(data)
    learner = create("bc", rows.problem, {"top_share": 0.5})
    kept = learner.prepare(rows).rows
    assert kept is not None
    assert rows.actions[kept].tolist() == [1] * 5


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
        ("next_observations", (1, 1), r"next_observation_1 is NaN at a next observation"),
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


def test_a_next_observation_after_the_end_of_the_task_may_be_nan() -> None:
    data = two_episodes()
    assert data.next_observations is not None
    following = data.next_observations.copy()
    following[2] = np.nan
    rows = transitions(replace(data, next_observations=following))
    assert rows.next_observations[:, 0].tolist() == [1, 2, 0, 11, 12]


def test_imitation_keeps_every_row_whatever_came_of_it() -> None:
    data = two_episodes(next_observations=None, has_next=None, terminated=None, truncated=None)
    rows = transitions(data, imitation=True)
    assert rows.observations[:, 0].tolist() == [0, 1, 2, 10, 11]
    assert rows.next_observations.abs().sum() == 0
    assert rows.notes == ()  # nothing was left out, and how episodes end does not matter


def test_behaviour_cloning_learns_the_last_action_of_each_episode() -> None:
    episodes = [
        {"observations": np.array([[float(i)], [9.0]]), "actions": [i // 2], "rewards": [0.0], "terminated": False}
        for i in range(4)
    ]
    one_step = trajectories(episodes, Space("discrete", 2), next_observations=None, has_next=None, rewards=None)
    with pytest.raises(DataError, match="no row has a next observation"):
        transitions(one_step)
    learned = train(one_step, "bc", {"network": {"width": 16}}, Settings(steps=300, device="cpu", log_every=100))
    assert learned.learner.act(torch.arange(4.0)[:, None]).tolist() == [0, 0, 1, 1]


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
