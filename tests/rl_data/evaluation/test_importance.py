"""Importance sampling against hand computation, exact values, and its invariants."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rl_data.evaluation import importance as imp
from rl_data.trajectories import Trajectories
from tests.rl_data.tabular import Process, random_policy, random_process

OFFSETS = np.array([0, 2, 3])
REWARDS = np.array([1.0, 2.0, 3.0])
RATIOS = np.array([0.5, 4.0, 3.0])


def test_two_episodes_by_hand() -> None:
    # episode 0: returns 1 + 0.5 * 2 = 2, weight 0.5 * 4 = 2; episode 1: return 3, weight 3
    assert imp.episode_weights(RATIOS, OFFSETS).tolist() == [2.0, 3.0]
    assert imp.trajectory_wise(REWARDS, RATIOS, OFFSETS, gamma=0.5).tolist() == [4.0, 9.0]
    assert imp.weighted(REWARDS, RATIOS, OFFSETS, gamma=0.5) == pytest.approx((2 * 2 + 3 * 3) / 5)
    # per decision: 0.5 * 1 + 0.5 * (2) * 2 = 2.5; 3 * 3 = 9
    assert imp.per_decision(REWARDS, RATIOS, OFFSETS, gamma=0.5).tolist() == [2.5, 9.0]
    assert imp.effective_sample_size(np.array([2.0, 3.0])) == pytest.approx(25 / 13)
    assert imp.episode_weights(RATIOS, OFFSETS, horizon=1).tolist() == [0.5, 3.0]


def test_doubly_robust_by_hand() -> None:
    values, q = np.array([1.0, 2.0, 0.0]), np.array([0.5, 1.0, 1.0])
    # last row of episode 0: 2 + 4 (2 - 1) = 6; first: 1 + 0.5 (1 + 0.5 * 6 - 0.5) = 2.75; episode 1: 0 + 3 (3 - 1) = 6
    found = imp.doubly_robust(REWARDS, RATIOS, values, q, OFFSETS, gamma=0.5)
    assert found.tolist() == [2.75, 6.0]


@pytest.fixture(scope="module")
def recorded() -> tuple[Process, Trajectories, np.ndarray, np.ndarray]:
    process = random_process(ending=0.4)
    behaviour, target = random_policy(seed=1), random_policy(seed=6)
    return process, process.record(behaviour, 6_000, seed=3), behaviour, target


def arrays(data: Trajectories, behaviour: np.ndarray, target: np.ndarray) -> tuple[Any, Any, Any, Any]:
    states = data.observations.argmax(1)
    ratios = target[states, data.actions] / behaviour[states, data.actions]
    return data.rewards, ratios, data.offsets, states


def within(estimates: np.ndarray, truth: float) -> bool:
    return bool(abs(estimates.mean() - truth) < 4 * estimates.std() / np.sqrt(len(estimates)))


def test_unbiased_against_dynamic_programming(recorded: Any) -> None:
    process, data, behaviour, target = recorded
    rewards, ratios, offsets, states = arrays(data, behaviour, target)
    truth = process.value(target, 0.9)
    assert abs(truth - process.value(behaviour, 0.9)) > 0.02  # the two policies do differ
    assert within(imp.trajectory_wise(rewards, ratios, offsets, gamma=0.9), truth)
    assert within(imp.per_decision(rewards, ratios, offsets, gamma=0.9), truth)
    wrong = np.random.default_rng(0).normal(size=(4, 2))  # any critic whatever, if V = E Q
    values, q = (target * wrong).sum(1)[states], wrong[states, data.actions]
    assert within(imp.doubly_robust(rewards, ratios, values, q, offsets, gamma=0.9), truth)
    assert imp.weighted(rewards, ratios, offsets, gamma=0.9) == pytest.approx(truth, rel=0.03)


def test_exact_critic_makes_doubly_robust_the_most_precise(recorded: Any) -> None:
    process, data, behaviour, target = recorded
    rewards, ratios, offsets, states = arrays(data, behaviour, target)
    exact = process.q(target, 0.9)
    values, q = (target * exact).sum(1)[states], exact[states, data.actions]
    robust = imp.doubly_robust(rewards, ratios, values, q, offsets, gamma=0.9)
    assert within(robust, process.value(target, 0.9))
    assert robust.std() < imp.per_decision(rewards, ratios, offsets, gamma=0.9).std()


def test_the_behaviour_itself_gets_the_mean_return(recorded: Any) -> None:
    _, data, behaviour, _ = recorded
    rewards, ratios, offsets, _ = arrays(data, behaviour, behaviour)
    mean = data.returns(0.9).mean()
    assert imp.weighted(rewards, ratios, offsets, gamma=0.9) == pytest.approx(mean)
    assert imp.per_decision(rewards, ratios, offsets, gamma=0.9).mean() == pytest.approx(mean)
    assert imp.effective_sample_size(imp.episode_weights(ratios, offsets)) == pytest.approx(data.episodes)


weights = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30).map(np.array)


@given(weights)
def test_effective_sample_size_lies_between_one_and_the_number_of_episodes(w: np.ndarray) -> None:
    ess = imp.effective_sample_size(w)
    if w.max() == 0.0:
        assert ess == 0.0
    else:
        assert 1.0 - 1e-9 <= ess <= len(w) + 1e-9
        assert imp.effective_sample_size(w * 7.0) == pytest.approx(ess)


@given(weights, st.integers(0, 100))
def test_weighted_mean_stays_within_the_values(w: np.ndarray, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=len(w))
    found = imp.weighted_mean(w, values)
    if w.max() == 0.0:
        assert np.isnan(found)
    else:
        assert values.min() - 1e-9 <= found <= values.max() + 1e-9
