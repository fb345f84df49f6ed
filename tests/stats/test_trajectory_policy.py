"""Randomness of actions, against policies whose entropy and noise are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from audit.stats.trajectory_policy import UNIFORM, choice_randomness, vector_randomness

N = 4_000


def _states(seed: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], np.random.Generator]:
    random = np.random.default_rng(seed)
    return random.normal(size=(N, 3)), random


EPISODES = np.repeat(np.arange(40), N // 40)


def test_uniform_actions_have_randomness_1() -> None:
    states, random = _states(0)
    found = choice_randomness(states, random.integers(0, 4, N), 4, EPISODES, 0)
    assert found.cross_entropy > 0.99
    assert found.agreement == pytest.approx(0.25, abs=0.03)


def test_a_function_of_the_observation_has_next_to_none() -> None:
    states, _ = _states(1)
    found = choice_randomness(states, (states[:, 0] + states[:, 1] > 0).astype(np.int64), 2, EPISODES, 0)
    assert found.cross_entropy < 0.1
    assert found.agreement > 0.97


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_random_shares_of_actions_give_the_entropy_of_the_mixture(share: float) -> None:
    states, random = _states(2)
    actions = np.where(random.random(N) < share, random.integers(0, 2, N), states[:, 0] > 0).astype(np.int64)
    true = entropy([1 - share / 2, share / 2], base=2)
    found = choice_randomness(states, actions, 2, EPISODES, 0)
    assert true - 0.02 < found.cross_entropy < true + 0.12  # an upper bound, near it where the policy is simple


@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_noise_of_continuous_actions_is_found(noise: float) -> None:
    states, random = _states(3)
    actions = (states @ [1.0, -2.0, 0.5] + noise * random.normal(size=N))[:, None]
    found = vector_randomness(states, actions, np.array([1.0]), EPISODES, 0)
    assert found.residual[0] == pytest.approx(noise, rel=0.1)
    assert found.explained[0] > 0.9


def test_uniform_continuous_actions_have_the_spread_of_a_uniform_distribution() -> None:
    states, random = _states(4)
    found = vector_randomness(states, random.uniform(-2, 2, (N, 2)), np.array([4.0, 4.0]), EPISODES, 0)
    assert np.allclose(found.residual, UNIFORM, rtol=0.05)
    assert (found.explained < 0.05).all()
