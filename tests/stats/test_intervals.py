"""Intervals and corrected p-values against scipy and statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import bootstrap, false_discovery_control
from statsmodels.stats.proportion import proportion_confint

from audit.stats.intervals import benjamini_hochberg, bootstrap_interval, wilson


@given(
    st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.8, 0.95, 0.99]),
)
def test_wilson_agrees_with_statsmodels(pair: tuple[int, int], level: float) -> None:
    successes, n = pair
    low, high = wilson(successes, n, level)
    oracle = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert (low, high) == pytest.approx(oracle, rel=1e-9, abs=1e-15)


def test_wilson_takes_arrays_and_broadcasts() -> None:
    low, high = wilson(np.array([0, 5, 10]), 10)
    assert low[0] == 0.0
    assert high[2] == 1.0
    assert (low[1], high[1]) == wilson(5, 10)


def test_nothing_seen_means_nothing_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_mirrors_and_holds_the_share(pair: tuple[int, int]) -> None:
    k, n = pair
    low, high = wilson(k, n)
    mirrored_low, mirrored_high = wilson(n - k, n)
    assert 0.0 <= low <= k / n <= high <= 1.0
    assert (1 - mirrored_high, 1 - mirrored_low) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("k", "n", "level"), [(2, 1, 0.95), (-1, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)])
def test_wilson_refuses_what_is_no_share(k: int, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        wilson(k, n, level)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_benjamini_hochberg_agrees_with_scipy(p: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), rtol=1e-9)


def test_tests_that_were_not_made_do_not_count() -> None:
    adjusted = benjamini_hochberg([0.01, np.nan, 0.04, np.nan])
    np.testing.assert_allclose(adjusted[[0, 2]], false_discovery_control([0.01, 0.04]), rtol=1e-9)
    assert np.isnan(adjusted[[1, 3]]).all()
    assert benjamini_hochberg([]).shape == (0,)
    assert benjamini_hochberg([[0.2, 0.3]]).shape == (1, 2)


def test_benjamini_hochberg_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([1.5])


def test_bootstrap_of_a_mean_is_near_scipy_and_seeded() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    low, high = bootstrap_interval(values, lambda v: float(v.mean()), seed=3)
    oracle = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    assert (low, high) == pytest.approx((oracle.low, oracle.high), abs=0.02)
    assert (low, high) == bootstrap_interval(values, lambda v: float(v.mean()), seed=3)


def test_bootstrap_keeps_rows_whole() -> None:
    paired = np.column_stack([np.arange(50), np.arange(50) * 2]).astype(np.float64)

    def difference(rows: NDArray[Any]) -> float:
        return float((rows[:, 1] - 2 * rows[:, 0]).sum())

    low, high = bootstrap_interval(paired, difference, seed=0, repeats=50)
    assert (low, high) == (0.0, 0.0)


def test_bootstrap_without_rows_has_no_interval() -> None:
    assert np.isnan(bootstrap_interval(np.array([]), lambda v: 0.0, seed=0)).all()
    assert np.isnan(bootstrap_interval(np.ones(3), lambda v: float("nan"), seed=0, repeats=5)).all()
