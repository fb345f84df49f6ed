"""Statistics of returns, against closed forms and published definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from audit.stats.trajectory_returns import return_spread, trajectory_quality


def test_quality_is_0_for_random_and_1_for_the_best() -> None:
    assert trajectory_quality(np.array([10.0, 30.0]), 20.0, 500.0) == 0
    assert trajectory_quality(np.array([500.0]), 20.0, 500.0) == 1
    assert trajectory_quality(np.array([260.0, 260.0]), 20.0, 500.0) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="above the random"):
        trajectory_quality(np.array([1.0]), 5.0, 5.0)
    with pytest.raises(ValueError, match="at least one"):
        trajectory_quality(np.array([]), 1.0, 5.0)


def test_positive_sided_variance_of_two_values_is_p_times_1_minus_p_squared() -> None:
    returns = np.array([0.0] * 75 + [8.0] * 25)
    found = return_spread(returns)
    assert found.rpsv == pytest.approx(64 * 0.25 * 0.75**2)
    assert found.rpsv_normalised == pytest.approx(0.25 * 0.75**2)


def test_positive_sided_variance_of_a_normal_distribution_is_half_its_variance() -> None:
    returns = np.random.default_rng(0).normal(3, 2, 400_000)
    half = quad(lambda x: x * x * norm.pdf(x), 0, np.inf)[0]
    assert return_spread(returns).rpsv == pytest.approx(4 * half, rel=0.01)


def test_relative_improvement_of_uniform_returns() -> None:
    returns = np.linspace(-50, 150, 2_001)
    found = return_spread(returns)
    assert found.eri == pytest.approx(1.0)  # max 200 above the lowest, mean 100
    assert found.eri_q95 == pytest.approx(0.9)
    assert found.contrast == pytest.approx((140 + 40) / 140)


def test_the_best_episode_moves_the_improvement_but_not_its_robust_form() -> None:
    returns = np.append(np.linspace(0, 1, 1_000), 100.0)
    found = return_spread(returns)
    assert found.eri > 100
    assert found.eri_q95 < 1


def test_shift_and_scale_do_not_matter_where_they_should_not() -> None:
    returns = np.random.default_rng(1).gamma(2, 3, 500)
    one, other = return_spread(returns), return_spread(4 * returns - 1_000)
    for name in ("eri", "eri_q95", "rpsv_normalised"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert other.rpsv == pytest.approx(16 * one.rpsv)


def test_equal_returns_have_no_spread() -> None:
    found = return_spread(np.full(5, 500.0))
    assert (found.rpsv, found.rpsv_normalised, found.eri, found.eri_q95, found.contrast) == (0, 0, 0, 0, 0)
    assert return_spread(np.zeros(3)).contrast == 0
