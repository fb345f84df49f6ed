"""GAE-based returns: what they are at the ends of lambda, and against exact values."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_data.evaluation import importance as imp
from rl_data.evaluation.fqe import Values
from rl_data.evaluation.gae_returns import episode_returns, fold_weights, held_out
from rl_data.evaluation.logged import Logged, logged
from rl_data.gae import advantages, vtrace
from tests.rl_data.tabular import random_policy, random_process

GAMMA = 0.9


def critic(data: Logged, table: np.ndarray, target: np.ndarray) -> Values:
    """Return a table [S, A] as one critic of the target policy."""
    states, following = (x.argmax(1).numpy() for x in (data.rows.observations, data.rows.next_observations))
    v = (target * table).sum(1)
    alive = ~data.rows.terminated.numpy()
    columns = (table[states, data.rows.actions.numpy()], v[states], v[following] * alive)
    q, now, ahead = (torch.from_numpy(np.asarray(column, dtype=np.float64))[None] for column in columns)
    return Values(q, now, ahead)


@cache
def setting(seed: int, episodes: int = 50, ending: float = 0.4) -> tuple[Any, Logged, np.ndarray, np.ndarray]:
    process = random_process(seed=seed, ending=ending)
    behaviour, target = random_policy(seed=seed + 1), random_policy(seed=seed + 2)
    data = logged(process.record(behaviour, episodes, seed=seed + 3))
    states, actions = data.rows.observations.argmax(1).numpy(), data.rows.actions.numpy()
    return process, data, target[states, actions] / behaviour[states, actions], target


@settings(max_examples=15)
@given(st.integers(0, 50))
def test_lambda_one_without_clipping_is_doubly_robust(seed: int) -> None:
    _, data, ratios, target = setting(seed)
    table = np.random.default_rng(seed).normal(size=(4, 2))
    values = critic(data, table, target)
    found = episode_returns(data, ratios, values, gamma=GAMMA, lam=1.0)[0]
    oracle = imp.doubly_robust(
        data.rewards, ratios, values.v[0].numpy(), values.q[0].numpy(), data.offsets, gamma=GAMMA
    )
    np.testing.assert_allclose(found, oracle, rtol=1e-5, atol=1e-5)


@settings(max_examples=15)
@given(st.integers(0, 50))
def test_lambda_zero_is_the_critic_with_one_correction(seed: int) -> None:
    _, data, ratios, target = setting(seed)
    values = critic(data, np.random.default_rng(seed).normal(size=(4, 2)), target)
    found = episode_returns(data, ratios, values, gamma=GAMMA, lam=0.0)[0]
    first = data.offsets[:-1]
    q, v, ahead = (x[0].numpy()[first] for x in (values.q, values.v, values.next_v))
    np.testing.assert_allclose(
        found, v + ratios[first] * (data.rewards[first] + GAMMA * ahead - q), rtol=1e-5, atol=1e-5
    )


def test_a_critic_without_errors_is_left_alone_at_lambda_zero_on_average() -> None:
    process, data, ratios, target = setting(0, episodes=5_000)
    values = critic(data, process.q(target, GAMMA), target)
    direct = float(values.v[0][data.rows.offsets[:-1]].mean())
    found = episode_returns(data, ratios, values, gamma=GAMMA, lam=0.0)[0]
    assert abs(found.mean() - direct) < 4 * found.std() / np.sqrt(len(found))


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("clip", [0.5, 1.0, np.inf])
def test_with_an_exact_critic_neither_lambda_nor_clips_bias_it(lam: float, clip: float) -> None:
    process, data, ratios, target = setting(5, episodes=5_000)
    values = critic(data, process.q(target, GAMMA), target)
    found = episode_returns(data, ratios, values, gamma=GAMMA, lam=lam, clip_rho=clip, clip_c=clip)[0]
    assert abs(found.mean() - process.value(target, GAMMA)) < 4 * found.std() / np.sqrt(len(found))


def test_vtrace_clipped_is_biased_toward_the_behaviour_even_with_an_exact_critic() -> None:
    process, data, ratios, target = setting(5, episodes=5_000)
    values = critic(data, process.q(target, GAMMA), target)
    options: dict[str, Any] = {"gamma": GAMMA, "lam": 1.0, "clip_rho": 0.5, "clip_c": 0.5, "baseline": "v"}
    found = episode_returns(data, ratios, values, **options)[0]
    assert abs(found.mean() - process.value(target, GAMMA)) > 4 * found.std() / np.sqrt(len(found))


def test_baseline_v_is_vtrace_and_without_ratios_gae() -> None:
    _, data, ratios, target = setting(2)
    values = critic(data, np.random.default_rng(0).normal(size=(4, 2)), target)
    v, ahead = values.v[0].numpy(), values.next_v[0].numpy()
    flags = (data.rows.terminated.numpy(), data.rows.truncated.numpy(), data.offsets)
    first = data.offsets[:-1]
    found = episode_returns(data, ratios, values, gamma=GAMMA, lam=0.8, clip_rho=2.0, clip_c=1.0, baseline="v")[0]
    oracle = vtrace(data.rewards, v, ahead, *flags, ratios, gamma=GAMMA, lam=0.8, clip_rho=2.0, clip_c=1.0)
    np.testing.assert_allclose(found, oracle.returns[first])
    plain = episode_returns(data, np.ones_like(ratios), values, gamma=GAMMA, lam=0.8, baseline="v")[0]
    gains = advantages(data.rewards, v, ahead, *flags, gamma=GAMMA, lam=0.8)
    np.testing.assert_allclose(plain, (gains + v)[first])


def test_plain_gae_tells_the_behaviours_return() -> None:
    process, data, ratios, target = setting(5, episodes=5_000)
    values = critic(data, np.zeros((4, 2)), target)
    plain = episode_returns(data, np.ones_like(ratios), values, gamma=GAMMA, lam=1.0, baseline="v")[0]
    behaviour = process.value(random_policy(seed=6), GAMMA)
    assert abs(plain.mean() - behaviour) < 4 * plain.std() / np.sqrt(len(plain))
    assert abs(process.value(target, GAMMA) - behaviour) > 0.1


def test_a_truncated_episode_bootstraps_from_its_real_last_observation() -> None:
    process = random_process(seed=3, ending=0.0)
    target = random_policy(seed=4)
    data = logged(process.record(target, 2_000, seed=1, limit=3))
    assert data.rows.truncated.sum() == 2_000
    values = critic(data, process.q(target, GAMMA), target)
    found = episode_returns(data, np.ones(data.rows.rows), values, gamma=GAMMA, lam=1.0)[0]
    assert abs(found.mean() - process.value(target, GAMMA)) < 4 * found.std() / np.sqrt(len(found))


def test_each_episode_is_judged_by_critics_that_did_not_see_it() -> None:
    folds = np.array([0, 1, 0, 2])
    weights = fold_weights(folds, 3, np.ones((2, 4)))
    assert weights.shape == (6, 4)
    by_member: np.ndarray = np.add.outer(np.arange(6) * 10.0, np.arange(4.0))
    chosen = held_out(by_member, folds, 3)
    assert chosen.tolist() == [[0.0, 21.0, 2.0, 43.0], [10.0, 31.0, 12.0, 53.0]]
    members = (chosen // 10).astype(int)
    for row in members:
        assert all(weights[member, episode] == 0.0 for episode, member in enumerate(row))


def test_a_resample_without_any_episode_outside_of_a_fold_takes_them_all_once() -> None:
    weights = fold_weights(np.array([0, 0, 1]), 2, np.array([[3.0, 0.0, 0.0]]))
    assert weights.tolist() == [[0.0, 0.0, 1.0], [3.0, 0.0, 0.0]]
