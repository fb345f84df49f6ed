"""Effective sizes, against direct products and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from audit.stats.trajectory_weights import effective_by_step, ratio_log_weights, weighing


def test_equal_weights_lose_nothing_and_one_weight_takes_all() -> None:
    assert weighing(np.full(40, -3.0)).effective == pytest.approx(40)
    alone = weighing(np.array([0.0, -np.inf, -np.inf]))
    assert (alone.effective, alone.largest, alone.n) == (1.0, 1.0, 3)
    assert weighing(np.full(3, -np.inf)).effective == 0
    assert weighing(np.array([])).effective == 0


def test_logarithms_give_what_weights_give_and_do_not_overflow() -> None:
    w = np.random.default_rng(0).gamma(1, 1, 200)
    assert weighing(np.log(w)).effective == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert weighing(np.log(w)).largest == pytest.approx(w.max() / w.sum())
    assert weighing(np.log(w) + 5_000).effective == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_lognormal_weights_keep_exp_of_minus_the_variance() -> None:
    logs = np.random.default_rng(1).normal(0, 0.7, 400_000)
    assert weighing(logs).effective / 400_000 == pytest.approx(np.exp(-0.49), rel=0.02)


def test_ratios_are_multiplied_inside_each_episode() -> None:
    random = np.random.default_rng(2)
    lengths = np.array([3, 0, 5, 1])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pi, mu = np.log(random.random(9)), np.log(random.random(9))
    expected = [np.prod(np.exp(pi - mu)[a:b]) for a, b in itertools.pairwise(offsets)]
    assert np.allclose(np.exp(ratio_log_weights(pi, mu, offsets)), expected)
    curve = effective_by_step(pi, mu, offsets, 5)
    first = np.exp(pi - mu)[[0, 3, 8]]
    assert curve[0] == pytest.approx(first.sum() ** 2 / (first**2).sum())
    assert curve[4] == pytest.approx(1.0)
