"""Cross-fitted prediction from one column, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from audit.stats import leakage as k


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=4, max_size=60))
def test_auc_agrees_with_scikit_learn_with_ties(rows: list[tuple[int, bool]]) -> None:
    score = np.array([r[0] for r in rows], dtype=float)
    y = np.array([r[1] for r in rows])
    if y.all() or not y.any():
        return
    expected = roc_auc_score(y, score)
    assert k.auc_of_counts(score, y.astype(float), (~y).astype(float)) == pytest.approx(expected, rel=1e-9)
    assert k.rank_auc(score, y) == pytest.approx(max(expected, 1 - expected), rel=1e-9)


def test_cross_fitted_auc_is_the_auc_of_class_shares_learned_on_the_other_half() -> None:
    rng = np.random.default_rng(0)
    codes, y = rng.integers(-1, 6, 500), rng.integers(0, 3, 500)
    codes = np.where((y == 2) & (rng.random(500) < 0.5), 5, codes)
    half = k.halves(500, 1)
    bins = k.bin_codes(codes, 6)
    found = k.cross_fitted_auc(bins, y, 2, half)
    for c in (0, 1):
        expected = []
        for h in (0, 1):
            learn = half != h
            prior = (y[learn] == c).mean()
            rows = [learn & (bins.codes == b) for b in range(7)]
            score = np.array([((y[r] == c).sum() + prior) / (r.sum() + 1) for r in rows])
            expected.append(roc_auc_score(y[~learn] == c, score[bins.codes[~learn]]))
        assert found[c] == pytest.approx(np.mean(expected), rel=1e-9)


def test_cross_fitted_r2_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=1000)
    y = x**2 + 0.1 * rng.normal(size=1000)
    half, bins = k.halves(1000, 0), k.bin_numbers(x)
    expected = []
    for h in (0, 1):
        learn, judge = half != h, half == h
        centred = y - y.mean()
        table = [
            (centred[learn & (bins.codes == b)].sum() + centred[learn].mean()) / ((learn & (bins.codes == b)).sum() + 1)
            for b in range(bins.count)
        ]
        expected.append(r2_score(centred[judge], np.array(table)[bins.codes[judge]]))
    assert k.cross_fitted_r2(bins, y, half) == pytest.approx(np.mean(expected), rel=1e-9)
    assert k.cross_fitted_r2(bins, y, half) > 0.85


def test_many_levels_of_noise_and_identifiers_predict_nothing() -> None:
    rng = np.random.default_rng(2)
    y, half = rng.integers(0, 2, 10_000), k.halves(10_000, 0)
    noise = k.bin_codes(rng.integers(0, 1000, 10_000), 1000)
    assert k.cross_fitted_auc(noise, y, 2, half)[0] == pytest.approx(0.5, abs=0.03)
    identifier = k.bin_codes(np.arange(10_000), 10_000)
    assert k.cross_fitted_auc(identifier, y, 2, half)[0] == 0.5
    assert k.cross_fitted_r2(noise, rng.normal(size=10_000), half) < 0


def test_a_copy_of_the_label_a_threshold_and_a_window_are_found() -> None:
    rng = np.random.default_rng(3)
    x, half = rng.normal(size=5000), k.halves(5000, 0)
    for y in (x > 0.731, x > 2.5, np.abs(x) < 0.4):
        assert k.cross_fitted_auc(k.bin_numbers(x), y.astype(int), 2, half)[1] > 0.99
    codes = rng.integers(0, 200, 5000).astype(float)  # a code whose order means nothing
    assert k.cross_fitted_auc(k.bin_numbers(codes), (codes.astype(int) * 37 % 2), 2, half)[0] > 0.99


def test_missing_values_have_a_bin_and_predict() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 2000)
    x = np.where(y == 1, np.nan, rng.normal(size=2000))
    bins = k.bin_numbers(x)
    assert (bins.codes[np.isnan(x)] == bins.count - 1).all()
    assert k.cross_fitted_auc(bins, y, 2, k.halves(2000, 0))[1] == pytest.approx(1.0)
    assert k.bin_numbers(np.full(9, np.nan)).count == 1


def test_bins_are_quantiles_or_single_values() -> None:
    x = np.random.default_rng(5).lognormal(size=64_000)
    bins = k.bin_numbers(x)
    sizes = np.bincount(bins.codes)
    assert len(sizes) == k.MOST_BINS
    assert sizes.min() > 500
    assert k.bin_numbers((np.arange(10_000) % 7).astype(np.float64)).count == 8
    assert k.bin_numbers(np.array([np.inf, 1.0, 2.0, -np.inf] * 30)).codes[[0, 3]].tolist() == [2, 2]


def test_halves_are_equal_in_size_and_seeded() -> None:
    assert k.halves(101, 3).sum() == 50
    assert (k.halves(100, 3) == k.halves(100, 3)).all()


def test_auc_of_noise_on_few_rows_is_within_chance() -> None:
    rng = np.random.default_rng(6)
    y = np.arange(20) % 2 == 0
    best = max(k.rank_auc(rng.normal(size=20), y) for _ in range(1000))
    assert best > 0.85
    assert float(k.auc_z(best, 10, 10)) < 4.06  # the bound of a 5% error in 1,000 tests
    assert float(k.auc_z(1.0, 20, 20)) > 5
