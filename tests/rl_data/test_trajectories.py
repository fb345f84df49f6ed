"""Trajectories in memory."""

from __future__ import annotations

import numpy as np
import pytest

from rl_data.episodes import from_episodes
from rl_data.trajectories import Trajectories, TrajectoryError


def some(*rewards: list[float]) -> Trajectories:
    return from_episodes([{"observations": np.arange(len(r)), "actions": [0] * len(r), "rewards": r} for r in rewards])


def test_the_return_of_an_episode_is_the_sum_of_its_rewards() -> None:
    assert some([1, 2, 3], [4], [5, 6]).returns() == pytest.approx([6, 4, 11])
    assert some([1, 2, 3], [4]).returns(0.5) == pytest.approx([1 + 1 + 0.75, 4])


def test_a_reward_that_is_not_finite_spoils_its_own_episode_only() -> None:
    found = some([1, np.nan], [2, 3], [np.inf], [4]).returns()
    assert found is not None
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx([5, np.inf, 4])


def test_next_observations_may_be_plain_numbers() -> None:
    made = from_episodes([{"observations": [0, 1], "actions": [0, 1], "next_observations": [1, 2]}])
    assert made.next_observations is not None
    assert made.next_observations.tolist() == [[1.0], [2.0]]


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(TrajectoryError, match="unknown key 'reward'"):
        from_episodes([{"observations": [0], "actions": [0], "reward": [1]}])
