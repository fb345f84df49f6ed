"""Robust scores, and fences that no clean shape crosses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from audit.stats.robust import fences, median_mad, robust_scale, robust_z

Values = np.ndarray[tuple[int], np.dtype[np.float64]]
numbers = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6, allow_nan=False))


@given(numbers)
def test_median_and_mad_are_scipys(values: Values) -> None:
    assert median_mad(values) == pytest.approx((np.median(values), stats.median_abs_deviation(values)), rel=1e-9)


def test_scores_are_those_of_the_modified_z_score() -> None:
    values = np.random.default_rng(0).normal(10, 3, 501)
    expected = (values - np.median(values)) / stats.median_abs_deviation(values, scale="normal")
    np.testing.assert_allclose(robust_z(values), expected, rtol=1e-9)


def test_with_most_values_equal_the_mean_deviation_takes_over() -> None:
    values = np.array([0.0] * 8 + [4.0, -6.0])
    np.testing.assert_allclose(robust_z(values)[-2:], np.array([4.0, -6.0]) / (np.sqrt(np.pi / 2) * 1.0), rtol=1e-9)
    assert not robust_z(np.full(5, 3.0)).any()


def test_the_scale_of_a_normal_distribution_is_its_standard_deviation() -> None:
    values = np.random.default_rng(0).normal(0, 5, 100_000)
    assert robust_scale(values) == pytest.approx(5, rel=0.02)
    assert robust_scale(values) == pytest.approx(stats.iqr(values, scale="normal"), rel=1e-9)
    assert robust_scale(np.array([0.0] * 90 + [1.0] * 10)) == pytest.approx(0.3)


def test_nothing_is_known_of_no_values() -> None:
    empty = np.empty(0)
    assert np.isnan(median_mad(empty)).all()
    assert np.isnan(robust_scale(empty))
    assert robust_z(empty).size == 0
    assert fences(empty) is None


SHAPES: dict[str, Callable[[np.random.Generator, int], Values]] = {
    "normal": lambda r, n: r.normal(size=n),
    "log-normal": lambda r, n: r.lognormal(0, 1, n),
    "very skewed": lambda r, n: r.lognormal(0, 2, n),
    "exponential": lambda r, n: r.exponential(size=n),
    "skewed to the left": lambda r, n: -r.exponential(size=n),
    "uniform": lambda r, n: r.uniform(size=n),
    "heavy-tailed": lambda r, n: r.standard_t(5, n),
    "counts": lambda r, n: r.poisson(3, n).astype(float),
    "rare counts": lambda r, n: r.poisson(0.1, n).astype(float),
    "mostly zero": lambda r, n: np.where(r.random(n) < 0.9, 0.0, r.exponential(3, n)),
    "rounded": lambda r, n: np.round(r.lognormal(1, 1, n)),
    "two humps": lambda r, n: np.where(r.random(n) < 0.95, r.normal(10, 1, n), r.normal(100, 5, n)),
    "indicator": lambda r, n: (r.random(n) < 0.015).astype(float),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [100, 5_000, 200_000])
def test_clean_columns_of_any_shape_have_no_outliers(shape: str, n: int) -> None:
    for seed in range(20 if n < 200_000 else 3):
        values = SHAPES[shape](np.random.default_rng([seed, n]), n)
        found = fences(values)
        if found is not None:
            assert not ((values < found.low) | (values > found.high)).any()


@pytest.mark.parametrize("shape", ["normal", "log-normal", "exponential", "uniform", "counts", "heavy-tailed"])
@pytest.mark.parametrize("n", [1_000, 20_000])
def test_slipped_decimal_points_are_found(shape: str, n: int) -> None:
    values = SHAPES[shape](np.random.default_rng(n), n)
    values[:3] = [1e5, 2e5, 1e7]
    found = fences(values)
    assert found is not None
    assert np.flatnonzero(values > found.high).tolist() == [0, 1, 2]
    assert not (values < found.low).any()


@given(st.integers(0, 50), st.floats(0.01, 100), st.floats(-1e3, 1e3))
def test_fences_move_with_the_unit_and_turn_with_the_sign(seed: int, scale: float, shift: float) -> None:
    values = np.random.default_rng(seed).normal(size=500)
    values[0] = 1_000
    plain, moved, mirrored = fences(values), fences(values * scale + shift), fences(-values)
    assert plain is not None
    assert moved is not None
    assert mirrored is not None
    assert moved.high == pytest.approx(plain.high * scale + shift, rel=1e-6, abs=1e-6)
    assert (mirrored.low, mirrored.inner_low) == pytest.approx((-plain.high, -plain.inner_high))


def test_a_group_of_two_per_cent_is_no_outlier() -> None:
    values = np.random.default_rng(0).normal(size=5_000)
    values[:100] = 1e4
    found = fences(values)
    assert found is not None
    assert found.high == np.inf
