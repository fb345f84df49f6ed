"""Association against scipy and pandas, and the biases that other tools have."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from audit.stats import association as a

EXACT: dict[str, Any] = {"rel": 1e-9, "abs": 1e-12}


def test_contingency_counts_pairs_and_leaves_missing_codes_out() -> None:
    table = a.contingency(np.array([0, 1, 1, -1, 0]), np.array([2, 0, 0, 1, -1]), 2, 3)
    assert table.tolist() == [[0, 0, 1], [2, 0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_plain_v_and_chi_squared_agree_with_scipy(seed: int) -> None:
    table = np.random.default_rng(seed).integers(1, 30, size=(2 + seed, 3))
    assert a.cramers_v(table, bias_corrected=False) == pytest.approx(
        stats.contingency.association(table, method="cramer"), **EXACT
    )
    expected = stats.chi2_contingency(table, correction=False)
    statistic, freedom = a.chi_squared(table)
    assert statistic == pytest.approx(expected.statistic, **EXACT)
    assert freedom == expected.dof


def test_two_by_two_has_no_yates_correction() -> None:
    table = np.array([[12, 5], [3, 9]])
    phi = (12 * 9 - 5 * 3) / np.sqrt(17 * 12 * 15 * 14)
    assert a.cramers_v(table, bias_corrected=False) == pytest.approx(phi, **EXACT)


def test_corrected_v_agrees_with_the_documented_example_of_clickhouse() -> None:
    # SELECT cramersV(a, b), cramersVBiasCorrected(a, b) of number % 10, number % 4 over numbers(150)
    number = np.arange(150)
    table = a.contingency(number % 10, number % 4, 10, 4)
    assert a.cramers_v(table, bias_corrected=False) == pytest.approx(0.5798088336225178, rel=1e-9)
    assert a.cramers_v(table) == pytest.approx(0.5305112825189074, rel=1e-9)


def test_independent_ten_by_ten_at_100_rows_is_030_uncorrected_and_007_corrected() -> None:
    rng = np.random.default_rng(0)
    tables = [a.contingency(rng.integers(0, 10, 100), rng.integers(0, 10, 100), 10, 10) for _ in range(400)]
    assert np.mean([a.cramers_v(t, bias_corrected=False) for t in tables]) == pytest.approx(0.30, abs=0.02)
    corrected = [a.cramers_v(t) for t in tables]
    assert np.sqrt(np.mean(np.square(corrected))) == pytest.approx(0.07, abs=0.02)


def test_v_is_one_for_a_recoding_and_undefined_for_a_constant() -> None:
    codes = np.random.default_rng(1).integers(0, 5, 500)
    assert a.cramers_v(a.contingency(codes, 4 - codes, 5, 5)) == pytest.approx(1.0)
    assert np.isnan(a.cramers_v(np.array([[3, 4, 5]])))
    assert np.isnan(a.cramers_v(np.zeros((0, 0), dtype=int)))
    assert np.isnan(a.cramers_v(np.eye(6, dtype=int)))  # as many categories as rows: nothing can be said


tables = hnp.arrays(np.int64, st.tuples(st.integers(2, 6), st.integers(2, 6)), elements=st.integers(0, 50))


@given(tables)
def test_v_is_symmetric_bounded_blind_to_order_and_to_empty_categories(table: np.ndarray) -> None:
    v = a.cramers_v(table)
    assert a.cramers_v(table.T) == pytest.approx(v, nan_ok=True)
    assert a.cramers_v(table[::-1]) == pytest.approx(v, nan_ok=True)
    assert a.cramers_v(np.pad(table, ((0, 2), (1, 0)))) == pytest.approx(v, nan_ok=True)
    assert np.isnan(v) or 0.0 <= v <= 1.0


@given(tables)
def test_theils_u_is_a_share_of_entropy(table: np.ndarray) -> None:
    rows = stats.entropy(table.sum(axis=1)) if table.sum() else 0.0
    if rows <= 0:
        assert np.isnan(a.theils_u(table))
        return
    weights = table.sum(axis=0)
    given_column = (
        sum(w * stats.entropy(column) for w, column in zip(weights, table.T, strict=True) if w) / weights.sum()
    )
    assert a.theils_u(table) == pytest.approx(1 - given_column / rows, rel=1e-9, abs=1e-9)


def test_theils_u_has_a_direction() -> None:
    city = np.arange(600) % 6
    table = a.contingency(city, city // 3, 6, 2)  # six cities in two countries
    assert a.theils_u(table.T) == pytest.approx(1.0)  # the city tells the country
    assert a.theils_u(table) == pytest.approx(np.log(2) / np.log(6))


def test_variance_analysis_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 4, 300)
    values = rng.normal(size=300) + 0.3 * codes
    Z, _, _ = a.standardise(values[:, None])
    found = a.analyse_variance(Z, None, codes)
    groups = [values[codes == k] for k in range(4)]
    f = stats.f_oneway(*groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / 296
    total = ((values - values.mean()) ** 2).sum()
    between = total - 296 * within
    assert found.p_value[0] == pytest.approx(f.pvalue, **EXACT)
    assert found.eta_squared[0] == pytest.approx(between / total, **EXACT)
    assert found.omega_squared[0] == pytest.approx((between - 3 * within) / (total + within), **EXACT)


def test_eta_of_noise_in_1000_levels_is_032_and_omega_is_nothing() -> None:
    rng = np.random.default_rng(3)
    values, codes = rng.normal(size=10_000), rng.integers(0, 1000, 10_000)
    assert np.sqrt(a.eta_squared(values, codes)) == pytest.approx(0.316, abs=0.02)  # sqrt(999 / 9,999)
    assert a.omega_squared(values, codes) < 0.01


def test_omega_with_missing_values_constants_and_single_rows() -> None:
    values = np.array([1.0, 2.0, np.nan, 9.0, 10.0, np.inf])
    codes = np.array([0, 0, 0, 1, 1, 1])
    assert a.omega_squared(values, codes) == pytest.approx(
        a.omega_squared(np.array([1.0, 2, 9, 10]), codes[[0, 1, 3, 4]])
    )
    assert np.isnan(a.omega_squared(np.ones(5), np.arange(5)))
    assert np.isnan(a.omega_squared(np.arange(5.0), np.arange(5)))  # every group a single value
    assert np.isnan(a.eta_squared(np.array([]), np.array([], dtype=np.int64)))


def test_many_columns_with_gaps_are_analysed_as_one_by_one() -> None:
    rng = np.random.default_rng(7)
    codes = rng.integers(-1, 5, 400)
    X = rng.normal(size=(400, 3)) + codes[:, None] * [0.0, 1.0, 0.2] + [0.0, 1e6, 5.0]
    X[rng.random(X.shape) < 0.2] = np.nan
    X[:, 2] = np.where(codes >= 0, 4.0, X[:, 2])  # varies only where the category is missing
    Z, present, _ = a.standardise(X)
    found = a.analyse_variance(Z, present, codes)
    alone = [a.omega_squared(X[:, j], codes) for j in range(3)]
    np.testing.assert_allclose(found.omega_squared, alone, rtol=1e-9)
    assert np.isnan(found.omega_squared[2])
    assert found.n.tolist() == [int((np.isfinite(X[:, j]) & (codes >= 0)).sum()) for j in range(3)]


def test_pearson_and_spearman_agree_with_scipy_and_rank_ties() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(500, 4))
    X[:, 1] = np.round(X[:, 0] + X[:, 1], 0)  # many ties
    X[:, 2] = np.exp(3 * X[:, 0])
    pearson, spearman = a.pearson_matrix(X), a.spearman_matrix(X)
    for i in range(4):
        for j in range(4):
            assert pearson.r[i, j] == pytest.approx(stats.pearsonr(X[:, i], X[:, j]).statistic, **EXACT)
            assert spearman.r[i, j] == pytest.approx(stats.spearmanr(X[:, i], X[:, j]).statistic, **EXACT)
    assert (pearson.n == 500).all()


def test_pairwise_complete_pearson_agrees_with_pandas() -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 1e4
    for j, share in enumerate((0.0, 0.0, 0.1, 0.5, 0.9, 0.1)):
        X[rng.random(400) < share, j] = np.nan
    X[3, 2] = np.inf  # an infinity is missing too
    found = a.pearson_matrix(X)
    frame = pd.DataFrame(X).replace(np.inf, np.nan)
    np.testing.assert_allclose(found.r, frame.corr().to_numpy(), rtol=1e-9, atol=1e-11)
    both = frame.notna().to_numpy().astype(int)
    assert (found.n == both.T @ both).all()
    x, y = X[:, 3], X[:, 5]
    assert a.spearman(x, y) == pytest.approx(frame[[3, 5]].corr(method="spearman").iloc[0, 1], **EXACT)


def test_midranks_agree_with_scipy() -> None:
    x = np.array([3.0, 1.0, 3.0, -2.0, 3.0, 1.0])
    assert a.midranks(x).tolist() == stats.rankdata(x).tolist()
    np.testing.assert_array_equal(a.midranks(np.array([np.nan, 5.0, 2.0, np.inf])), [np.nan, 2.0, 1.0, np.nan])
    assert a.midranks(np.array([])).size == 0


def test_constant_all_missing_and_empty_columns_give_nan_not_a_warning() -> None:
    X = np.column_stack([np.arange(5.0), np.full(5, 0.1), np.full(5, np.nan), [1, np.nan, np.nan, np.nan, np.nan]])
    found = a.pearson_matrix(X)
    assert found.r[0, 0] == 1.0
    assert np.isnan(found.r[0, 1:]).all()
    assert np.isnan(np.diag(found.r)[1:]).all()
    assert a.pearson_matrix(np.zeros((0, 2))).r.shape == (2, 2)
    assert a.spearman_matrix(np.zeros((3, 0))).r.shape == (0, 0)


def test_values_of_any_size_stay_in_range() -> None:
    x = np.arange(50.0)
    for scale in (1e-300, 1e300):
        assert a.pearson(x, x * scale) == pytest.approx(1.0)
    assert a.pearson(x, 1.7e9 + x * 1e-3) == pytest.approx(1.0)  # seconds since 1970, milliseconds apart


@settings(max_examples=50)
@given(hnp.arrays(np.float64, (20, 3), elements=st.floats(-100, 100).map(lambda v: round(v, 3))), st.randoms())
def test_correlations_do_not_depend_on_row_order_or_units(X: np.ndarray, random: Random) -> None:
    order = list(range(20))
    random.shuffle(order)
    once = a.pearson_matrix(X).r
    np.testing.assert_allclose(a.pearson_matrix(X[order]).r, once, atol=1e-9)
    np.testing.assert_allclose(a.spearman_matrix(-X).r, a.spearman_matrix(X).r, atol=1e-9)
    np.testing.assert_allclose(a.pearson_matrix(np.vstack([X, X])).r, once, atol=1e-9)


def test_fisher_bound_does_not_take_chance_for_association() -> None:
    # 200 columns of 10 rows: some of the 19,900 pairs of noise exceed 0.9
    X = np.random.default_rng(6).normal(size=(10, 200))
    found = a.pearson_matrix(X)
    off = np.triu(np.ones((200, 200), dtype=bool), 1)
    assert (np.abs(found.r[off]) > 0.9).any()
    assert a.fisher_lower_bound(found.r[off], found.n[off], tests=19_900).max() < 0.3
    assert float(a.fisher_lower_bound(0.95, 1000, tests=19_900)) > 0.9
    assert float(a.fisher_lower_bound(1.0, 3)) == 0.0
    assert np.isnan(a.fisher_lower_bound(np.nan, 10))
