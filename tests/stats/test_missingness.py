"""Patterns of absence against pandas, scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportions_ztest

from audit.stats.missingness import (
    absence_by_categories,
    absence_by_numbers,
    co_missing_phi,
    flux,
    largest_gap,
    quantile_codes,
)

Bools = NDArray[np.bool_]


def patterns_of(mask: Bools) -> tuple[Bools, NDArray[np.int64]]:
    patterns, counts = np.unique(mask, axis=0, return_counts=True)
    return patterns, counts


@given(hnp.arrays(bool, st.tuples(st.integers(2, 60), st.integers(1, 5))))
def test_phi_is_the_correlation_of_the_null_indicators(mask: Bools) -> None:
    oracle = pd.DataFrame(np.where(mask, np.nan, 1.0)).isnull()
    varies = (oracle.nunique() > 1).to_numpy()
    phi = co_missing_phi(*patterns_of(mask))
    np.testing.assert_allclose(phi[np.ix_(varies, varies)], oracle.loc[:, varies].corr(), rtol=1e-9, atol=1e-12)
    assert np.isnan(phi[~varies]).all()


def test_phi_without_rows_is_unknown() -> None:
    assert np.isnan(co_missing_phi(np.zeros((0, 2), bool), np.zeros(0, int))).all()


@given(hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 5))), st.integers(0, 3))
def test_flux_is_the_formula_written_as_loops(mask: Bools, complete_columns: int) -> None:
    r = np.column_stack([~mask, np.ones((len(mask), complete_columns), bool)]).astype(float)
    d = r.shape[1]
    influx, outflux = flux(*patterns_of(mask), columns=d)
    for j in range(mask.shape[1]):
        into = sum((1 - r[:, j]) @ r[:, k] for k in range(d))
        out = sum(r[:, j] @ (1 - r[:, k]) for k in range(d))
        if r.sum():
            assert influx[j] == pytest.approx(into / r.sum())
        if (1 - r).sum():
            assert outflux[j] == pytest.approx(out / (1 - r).sum())


def test_rank_auc_agrees_with_scikit_learn_and_skips_unknown_predictors() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(500, 2)).round(1)  # ties
    values[random.random(values.shape) < 0.2] = np.nan
    missing = random.random((500, 3)) < 0.3
    found = absence_by_numbers(missing, values)
    for p in range(2):
        known = ~np.isnan(values[:, p])
        for t in range(3):
            x, y = values[known, p], missing[known, t]
            assert found.auc[p, t] == pytest.approx(roc_auc_score(y, x), rel=1e-9)
            smd = (x[y].mean() - x[~y].mean()) / np.sqrt((x[y].var(ddof=1) + x[~y].var(ddof=1)) / 2)
            assert found.difference[p, t] == pytest.approx(smd, rel=1e-9)
            assert (found.missing[p, t], found.present[p, t]) == (y.sum(), (~y).sum())


def test_swapping_missing_and_present_mirrors_the_auc() -> None:
    random = np.random.default_rng(1)
    values, missing = random.normal(size=(200, 1)), random.random((200, 1)) < 0.4
    assert absence_by_numbers(missing, values).auc == pytest.approx(1 - absence_by_numbers(~missing, values).auc)


def test_a_category_that_decides_absence_is_found() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, 4_000)
    missing = (random.random(4_000) < np.array([0.02, 0.02, 0.02, 0.6])[codes])[:, None]
    found = absence_by_categories(missing, codes, random.integers(0, 2, 4_000))
    rate = np.array([missing[codes == k].mean() for k in range(4)])
    assert found.auc[0, 0] == pytest.approx(roc_auc_score(missing[:, 0], rate[codes]), abs=0.01)
    assert found.p_values()[0, 0] < 1e-12


def test_a_thousand_meaningless_categories_predict_nothing() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 1_000, 4_000)
    missing = random.random((4_000, 5)) < 0.2
    found = absence_by_categories(missing, codes, random.integers(0, 2, 4_000))
    assert (np.abs(found.auc - 0.5) < 0.05).all()


def test_categories_without_rows_have_no_auc() -> None:
    found = absence_by_categories(np.ones((5, 1), bool), np.full(5, -1), np.array([0, 1, 0, 1, 0]))
    assert np.isnan(found.auc).all()


def test_false_alarms_of_the_rank_test_are_as_rare_as_it_says() -> None:
    random = np.random.default_rng(5)
    p = absence_by_numbers(random.random((300, 40)) < 0.2, random.normal(size=(300, 50))).p_values()
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_false_alarms_of_the_category_test_are_as_rare_as_it_says() -> None:
    random = np.random.default_rng(6)
    p = [
        absence_by_categories(
            random.random((400, 4)) < 0.2, random.integers(0, 20, 400), random.integers(0, 2, 400)
        ).p_values()
        for _ in range(400)
    ]
    assert (np.concatenate(p) < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_quantile_codes_keep_equal_values_together() -> None:
    codes = quantile_codes(np.array([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, np.nan, np.inf]), bins=4)
    assert len(set(codes[:4])) == 1
    assert codes[6:].tolist() == [-1, -1]
    assert codes[5] > codes[0]


@given(st.lists(st.tuples(st.integers(30, 500), st.floats(0, 1)), min_size=2, max_size=2))
def test_two_segments_agree_with_statsmodels(segments: list[tuple[int, float]]) -> None:
    sizes = np.array([n for n, _ in segments])
    successes = np.array([int(n * share) for n, share in segments])
    gap = largest_gap(successes, sizes)
    assert gap is not None
    assert gap.size == pytest.approx(np.ptp(successes / sizes))
    if 0 < successes.sum() < sizes.sum():
        _, p = proportions_ztest(successes, sizes)
        assert gap.p_value == pytest.approx(p, rel=1e-9, abs=1e-300)


def test_small_segments_do_not_count() -> None:
    assert largest_gap(np.array([29, 0, 0]), np.array([29, 100, 29])) is None
    gap = largest_gap(np.array([29, 0, 10]), np.array([29, 100, 100]))
    assert gap is not None
    assert (gap.high, gap.low, gap.segments) == (2, 1, 2)


def test_choosing_the_worst_of_many_segments_is_paid_for() -> None:
    random = np.random.default_rng(3)
    alarms = 0
    for _ in range(300):
        sizes = np.full(60, 40)
        gap = largest_gap(random.binomial(sizes, 0.2), sizes)
        assert gap is not None
        alarms += gap.p_value < 0.05
    assert alarms <= 30  # 5% of 300 is 15; without the correction all 300 would alarm
