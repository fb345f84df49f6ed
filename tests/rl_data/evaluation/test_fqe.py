"""Fitted Q evaluation against exact values, and against two bugs that others shipped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch

from rl_data.errors import SettingsError
from rl_data.evaluation.behaviour import Behaviour
from rl_data.evaluation.evaluate import ratios_of
from rl_data.evaluation.fqe import FQEConfig, bounds, fit
from rl_data.evaluation.logged import logged
from rl_data.networks import Architecture
from rl_data.policies import no_density, no_probabilities
from rl_data.trajectories import Trajectories
from tests.rl_data.small_tasks import pointing
from tests.rl_data.tabular import Process, Table, random_policy, random_process

QUICK = FQEConfig(steps=1_000, batch=128, network=Architecture(width=32), learning_rate=3e-3)


def as_the_data_say(process: Process, data: Trajectories) -> Process:
    """Return the process with the frequencies of the data in place of its probabilities: what a critic can know."""
    moves, ends = np.zeros_like(process.transition), np.zeros_like(process.reward)
    assert data.next_observations is not None
    assert data.terminated is not None
    states, following = data.observations.argmax(1), data.next_observations.argmax(1)
    np.add.at(moves, (states, data.actions, following), ~data.terminated)
    np.add.at(ends, (states, data.actions), data.terminated)
    alive = moves.sum(2)
    return replace(process, transition=moves / alive[:, :, None], ending=ends / (ends + alive))


def test_finds_the_exact_values_of_a_small_process() -> None:
    process, target = random_process(seed=1, ending=0.1), random_policy(seed=6)
    recorded = process.record(random_policy(seed=3), 400, seed=0)
    data = logged(recorded)
    values = fit(data.rows, Table(target), torch.ones(2, data.episodes), gamma=0.9, config=QUICK)
    exact = as_the_data_say(process, recorded).q(target, 0.9)
    states, actions = data.rows.observations.argmax(1).numpy(), data.rows.actions.numpy()
    for member in range(2):
        np.testing.assert_allclose(values.q[member].numpy(), exact[states, actions], rtol=0.04)
        np.testing.assert_allclose(values.v[member].numpy(), (target * exact).sum(1)[states], rtol=0.04)
    assert (values.next_v[:, data.rows.terminated] == 0.0).all()


def test_bootstraps_from_the_next_observation_not_from_this_one() -> None:
    """d3rlpy issue 93: with s in place of s', state 0 would get the value of state 0, here 0 instead of gamma."""
    move = np.zeros((2, 1, 2))
    move[:, :, 1] = 1.0
    process = Process(move, np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]), np.array([1.0, 0.0]))
    data = logged(process.record(np.ones((2, 1)), 50, seed=0))
    values = fit(data.rows, Table(np.ones((2, 1))), torch.ones(1, 50), gamma=0.8, config=replace(QUICK, steps=800))
    np.testing.assert_allclose(values.v[0].numpy(), np.tile([0.8, 1.0], 50), atol=0.03)


def test_ratios_are_those_of_the_logged_action() -> None:
    """RLlib issue 7107: the weight was that of the action the new policy would take."""
    behaviour, target = np.array([[0.8, 0.2]]), np.array([[0.1, 0.9]])
    process = Process(np.ones((1, 2, 1)), np.ones((1, 2)), np.full((1, 2), 0.5), np.ones(1))
    data = logged(process.record(behaviour, 200, seed=1))
    assert data.log_prob is not None
    known = Behaviour(data.log_prob, False, 0.0)
    ratios = ratios_of(data, Table(target), known)
    expected = np.where(data.rows.actions.numpy() == 0, 0.1 / 0.8, 0.9 / 0.2)
    assert ratios is not None
    np.testing.assert_allclose(ratios, expected, rtol=1e-5)


def test_a_held_out_episode_does_not_move_the_critic() -> None:
    process, target = random_process(seed=1, ending=0.3), random_policy(seed=2)
    recorded = process.record(target, 40, seed=0)
    weights = torch.ones(1, 40)
    weights[0, :10] = 0.0
    rewards = recorded.rewards
    assert rewards is not None
    changed = rewards.copy()
    inside = slice(0, int(recorded.offsets[10]))
    changed[inside] = rewards[inside][::-1]  # the same extremes, in other places
    config = replace(QUICK, steps=100)
    one, other = (
        fit(logged(replace(recorded, rewards=r)).rows, Table(target), weights, gamma=0.9, config=config)
        for r in (rewards, changed)
    )
    np.testing.assert_array_equal(one.q.numpy(), other.q.numpy())


class Pointing:
    """Acts `share` times the observation."""

    discrete, deterministic = False, True

    def __init__(self, share: float) -> None:
        self.share = share

    def act(self, observations: Any) -> Any:
        return self.share * observations

    def sample(self, observations: Any, generator: Any = None) -> Any:
        return self.act(observations)

    def probabilities(self, observations: Any) -> Any:
        raise no_probabilities(self)

    def log_prob(self, observations: Any, actions: Any) -> Any:
        raise no_density(self)


def test_continuous_actions_enter_the_critic() -> None:
    data = logged(pointing(300))
    config = replace(QUICK, network=Architecture(width=64))
    for share in (1.0, 0.0):  # expected reward of a = share * o: -(share - 1)^2 / 3
        values = fit(data.rows, Pointing(share), torch.ones(1, data.episodes), gamma=0.0, config=config)
        assert float(values.v.mean()) == pytest.approx(-((share - 1.0) ** 2) / 3.0, abs=0.1)


def test_values_stay_within_what_returns_can_be() -> None:
    process, target = random_process(seed=1, ending=0.0), random_policy(seed=2)
    data = logged(process.record(target, 10, seed=0, limit=20))
    values = fit(
        data.rows, Table(target), torch.ones(1, 10), gamma=0.99, config=replace(QUICK, steps=50, learning_rate=0.5)
    )
    low, high = bounds(data.rows, 0.99)
    assert low == pytest.approx(float(data.rows.rewards.min()) * 100, rel=1e-4)
    for part in (values.q, values.v, values.next_v):
        assert part.min() >= low - 1e-6
        assert part.max() <= high + 1e-6


def test_the_same_seed_gives_the_same_critic_and_torchs_own_state_is_left_alone() -> None:
    data = logged(random_process().record(random_policy(), 20, seed=0))
    before = torch.random.get_rng_state()
    one, other = (
        fit(data.rows, Table(random_policy()), torch.ones(1, 20), gamma=0.9, config=replace(QUICK, steps=20))
        for _ in range(2)
    )
    assert torch.equal(one.q, other.q)
    assert torch.equal(before, torch.random.get_rng_state())


def test_settings_that_make_no_sense_are_refused() -> None:
    data = logged(random_process().record(random_policy(), 20, seed=0))
    with pytest.raises(SettingsError, match=r"\[0, 1\)"):
        fit(data.rows, Table(random_policy()), torch.ones(1, 20), gamma=1.0)
    with pytest.raises(SettingsError, match="no episode"):
        fit(data.rows, Table(random_policy()), torch.zeros(1, 20), gamma=0.9)
    with pytest.raises(SettingsError, match="steps"):
        FQEConfig(steps=0)
    with pytest.raises(SettingsError, match="follow"):
        FQEConfig(follow=0.0)
