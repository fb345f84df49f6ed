"""Distances against scipy, and the silent errors of other tools as tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial.distance import jensenshannon

from audit.stats.association import cramers_v
from audit.stats.drift import (
    bin_counts,
    critical_stability,
    jensen_shannon,
    novelty,
    numeric_distance,
    reference_cuts,
    size_free_v,
    stability,
    top_and_rest,
)

Values = np.ndarray[tuple[int], np.dtype[np.float64]]
samples = hnp.arrays(np.float64, st.integers(2, 80), elements=st.integers(-20, 20).map(float) | st.floats(-1e3, 1e3))
counts = hnp.arrays(np.int64, 6, elements=st.integers(0, 500))


def psi(reference: Values, current: Values, bins: int = 10) -> float:
    cuts = reference_cuts(reference, bins)
    return stability(bin_counts(reference, cuts), bin_counts(current, cuts)).value


# --- oracles ----------------------------------------------------------------------------------------------------------


@given(samples, samples)
def test_distances_of_numbers_are_scipys(a: Values, b: Values) -> None:
    found = numeric_distance(a, b)
    assert found.ks == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic, rel=1e-9, abs=1e-12)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-9, abs=1e-9)


def test_the_p_value_is_near_the_exact_one() -> None:
    random = np.random.default_rng(0)
    for shift in (0.0, 0.1, 0.2, 0.3):
        a, b = random.normal(size=400), random.normal(shift, 1, 500)
        exact = stats.ks_2samp(a, b, method="exact").pvalue
        assert numeric_distance(a, b).ks_p == pytest.approx(exact, rel=0.25, abs=1e-3)


def test_the_mean_difference_is_that_of_austin() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(0, 1, 100), random.normal(1, 2, 200)
    expected = (b.mean() - a.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert numeric_distance(a, b).smd == pytest.approx(expected, rel=1e-9)


@given(counts, counts)
def test_jensen_shannon_is_scipys_distance(a: Any, b: Any) -> None:
    assume(a.sum() > 0 and b.sum() > 0)
    expected = jensenshannon(a, b, base=2)
    assert jensen_shannon(a, b) == pytest.approx(0.0 if np.isnan(expected) else expected, rel=1e-9, abs=1e-7)


def test_jensen_shannon_is_the_distance_not_the_divergence() -> None:
    assert jensen_shannon([5, 5], [9, 1]) == pytest.approx(0.383, abs=5e-4)


@given(counts, counts)
def test_stability_is_the_sum_of_its_formula(a: Any, b: Any) -> None:
    a, b = a + 1, b + 1
    p, q = a / a.sum(), b / b.sum()
    found = stability(a, b)
    assert found.value == pytest.approx(float(((q - p) * np.log(q / p)).sum()), rel=1e-9, abs=1e-12)
    assert found.expected == pytest.approx(5 * (1 / a.sum() + 1 / b.sum()))


def test_the_critical_value_is_that_of_chi_squared() -> None:
    expected = (1 / 100 + 1 / 200) * stats.chi2.ppf(0.99, 9)
    assert critical_stability(10, 100, 200, 0.01) == pytest.approx(expected, rel=1e-9)
    a, b = [30, 30, 40], [60, 50, 90]
    found = stability(a, b)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.value / (1 / 100 + 1 / 200), 2), rel=1e-9)


def test_v_of_equal_sizes_is_bergsmas_and_does_not_shrink_for_unequal_ones() -> None:
    table = np.array([[50, 30, 20], [20, 30, 50]])
    assert size_free_v(*table) == pytest.approx(cramers_v(table), rel=1e-12)
    even, skewed = np.array([500, 500]), np.array([800, 200])
    assert size_free_v(even, skewed) == pytest.approx(0.31, abs=0.01)
    assert size_free_v(even, skewed * 200) == pytest.approx(0.31, abs=0.01)
    assert cramers_v(np.stack([even, skewed * 200])) < 0.06


# --- the silent errors of other tools ---------------------------------------------------------------------------------


def test_one_huge_value_does_not_hide_a_shift() -> None:
    random = np.random.default_rng(0)
    reference, current = random.normal(size=1_000), random.normal(1, 1, 1_000)
    alone = psi(reference, current)
    current[0] = 1e6
    assert alone > 0.8
    assert psi(reference, current) == pytest.approx(alone, rel=0.05)


def test_missing_values_are_a_bin() -> None:
    reference = np.random.default_rng(0).normal(size=1_000)
    current = np.where(np.arange(1_000) % 10 < 6, np.nan, reference)
    assert psi(reference, current) > 1
    assert bin_counts(current, reference_cuts(reference))[-1] == 600


def test_values_below_the_reference_go_to_the_lowest_bin() -> None:
    reference = np.linspace(0, 1, 1_001)
    down, up = psi(reference, reference - 0.1), psi(reference, reference + 0.1)
    assert down == pytest.approx(up, rel=0.05)
    assert down > 0.5
    found = bin_counts(np.array([-np.inf, -5, 0.5, 7, np.inf, np.nan]), reference_cuts(reference))
    assert (found[0], found[-2], found[-1]) == (2, 2, 1)


def test_a_new_category_of_one_per_cent_is_seen() -> None:
    # a floor of 0.01, as Deepchecks has it, scores 0.00008
    assert stability([100_000, 0], [99_110, 890]).value > 0.05


def test_without_drift_the_index_has_the_mean_that_it_says() -> None:
    random = np.random.default_rng(0)
    found = [psi(random.normal(size=500), random.normal(size=500)) for _ in range(200)]
    assert np.mean(found) == pytest.approx(9 * (2 / 500), rel=0.15)


@pytest.mark.parametrize("n", [100, 1_000])
def test_p_values_without_drift_are_not_too_small(n: int) -> None:
    random = np.random.default_rng(1)
    small = {"psi": 0, "ks": 0}
    for _ in range(400):
        a, b = random.lognormal(size=n), random.lognormal(size=n)
        cuts = reference_cuts(a)
        small["psi"] += stability(bin_counts(a, cuts), bin_counts(b, cuts)).p_value < 0.01
        small["ks"] += numeric_distance(a, b).ks_p < 0.01
    assert max(small.values()) <= 12  # 4 are expected


# --- bins -------------------------------------------------------------------------------------------------------------


@given(samples)
def test_no_row_is_lost_and_no_value_lies_on_a_cut(values: Values) -> None:
    cuts = reference_cuts(values)
    found = bin_counts(values, cuts)
    assert found.sum() == len(values)
    assert bool(np.all(np.diff(cuts) > 0))
    assert bool(np.all(found[:-1] > 0))  # no bin of the reference is empty


def test_a_frequent_value_keeps_its_mass_in_one_bin() -> None:
    values = np.concatenate([np.zeros(600), np.arange(1, 401)])
    found = bin_counts(values, reference_cuts(values))
    assert found.tolist() == [600, 100, 100, 100, 100, 0]


def test_continuous_values_are_cut_into_tenths() -> None:
    values = np.random.default_rng(0).normal(size=1_000)
    assert bin_counts(values, reference_cuts(values)).tolist() == [100] * 10 + [0]


def test_a_constant_has_one_bin_and_still_shows_what_leaves_it() -> None:
    constant = np.full(100, 3.0)
    assert reference_cuts(constant).size == 0
    assert numeric_distance(constant, np.full(50, 4.0)).ks == 1.0


# --- what must not change anything ------------------------------------------------------------------------------------


@given(samples, samples)
def test_mirrored_data_have_the_same_distances(a: Values, b: Values) -> None:
    assume(not np.isin(b, reference_cuts(a, 5)).any())  # a new value right on a cut has to go to one side
    assert psi(a, b, 5) == pytest.approx(psi(-a, -b, 5), rel=1e-9, abs=1e-12)
    one, other = numeric_distance(a, b), numeric_distance(-a, -b)
    assert one.ks == pytest.approx(other.ks)
    assert one.wasserstein == pytest.approx(other.wasserstein, rel=1e-9, abs=1e-9)


@given(samples, samples)
def test_the_order_of_the_two_does_not_matter(a: Values, b: Values) -> None:
    one, other = numeric_distance(a, b), numeric_distance(b, a)
    assert one.ks == pytest.approx(other.ks)
    assert one.wasserstein == pytest.approx(other.wasserstein, rel=1e-9, abs=1e-9)


@given(counts, counts)
def test_shares_decide_and_not_sizes(a: Any, b: Any) -> None:
    a, b = a + 1, b + 1
    assert stability(a, b).value == pytest.approx(stability(b, a).value)
    assert stability(a * 3, b * 3).value == pytest.approx(stability(a, b).value)
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a * 7), abs=1e-7)
    assert stability(a[::-1], b[::-1]).value == pytest.approx(stability(a, b).value)


# --- categories -------------------------------------------------------------------------------------------------------


def test_rare_categories_are_new_by_chance() -> None:
    random = np.random.default_rng(0)
    weights = 1 / np.arange(1, 2_001)
    shares = []
    for _ in range(50):
        a, b = (np.bincount(random.choice(2_000, 500, p=weights / weights.sum()), minlength=2_000) for _ in range(2))
        found = novelty(a, b)
        assert found.share > 0.2
        shares.append((found.share - found.expected, found.p_value))
    excess, p = np.array(shares).T
    assert abs(excess.mean()) < 0.01
    assert (p < 0.01).mean() <= 0.06


def test_new_categories_beyond_chance_are_told() -> None:
    found = novelty([50] * 20 + [0], [40] * 20 + [200])
    assert found.share == pytest.approx(0.2)
    assert found.excess > 0.19
    assert found.p_value < 1e-6


def test_the_rest_is_added_up() -> None:
    a, b, kept = top_and_rest([5, 1, 9, 2], [5, 8, 9, 0], top=2)
    assert kept.tolist() == [2, 0]
    assert (a.tolist(), b.tolist()) == ([9, 5, 3], [9, 5, 8])


def test_empty_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="needs rows"):
        stability([0, 0], [1, 2])
    with pytest.raises(ValueError, match="same bins"):
        jensen_shannon([1], [1, 2])
    assert np.isnan(numeric_distance(np.empty(0), np.ones(3)).ks)
