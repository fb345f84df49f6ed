"""The AUC and its interval against scikit-learn and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from audit.stats.separation import auc, drivers, separate

Values = np.ndarray[tuple[int], np.dtype[np.float64]]


@given(hnp.arrays(np.float64, st.integers(2, 60), elements=st.integers(0, 9).map(float)), st.integers(0, 99))
def test_the_area_is_scikit_learns(scores: Values, seed: int) -> None:
    second = np.random.default_rng(seed).random(len(scores)) < 0.5
    second[:2] = [True, False]
    assert auc(scores, second).value == pytest.approx(roc_auc_score(second, scores), rel=1e-9, abs=1e-12)


def test_the_interval_is_delongs() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=80), random.normal(1, 1, 60)
    found = auc(np.concatenate([a, b]), np.repeat([False, True], [80, 60]))
    wins = (b[:, None] > a[None, :]).astype(float)  # the definition: every pair
    variance = wins.mean(axis=1).var(ddof=1) / 60 + wins.mean(axis=0).var(ddof=1) / 80
    half = 1.959963984540054 * variance**0.5
    assert (found.low, found.high) == pytest.approx((wins.mean() - half, wins.mean() + half), rel=1e-9)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    truth = 0.7602499389065233  # of two normal distributions one standard deviation apart: Phi(1 / sqrt 2)
    second = np.repeat([False, True], [100, 100])
    covered = 0
    for _ in range(400):
        found = auc(np.concatenate([random.normal(size=100), random.normal(1, 1, 100)]), second)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_rows_of_a_group_count_as_one() -> None:
    random = np.random.default_rng(2)
    scores, second = random.normal(size=100), np.arange(100) % 2 == 0
    alone = auc(scores, second)
    tenfold = auc(np.repeat(scores, 10), np.repeat(second, 10), np.repeat(np.arange(100), 10))
    careless = auc(np.repeat(scores, 10), np.repeat(second, 10))
    assert tenfold.value == pytest.approx(alone.value)
    assert tenfold.high - tenfold.low == pytest.approx(alone.high - alone.low, rel=0.02)
    assert careless.high - careless.low < (alone.high - alone.low) / 3


def test_one_set_alone_has_no_area() -> None:
    assert np.isnan(auc(np.ones(3), np.ones(3, dtype=bool)).value)


def test_the_column_that_tells_is_named_and_noise_is_not() -> None:
    random = np.random.default_rng(3)
    matrix = random.normal(size=(1_000, 5))
    second = np.arange(1_000) % 2 == 0
    matrix[second, 2] += 2
    matrix[random.random(matrix.shape) < 0.05] = np.nan
    found = separate(matrix, second)
    assert found.auc.value == pytest.approx(0.9, abs=0.05)
    assert [column for column, _ in drivers(matrix, second, found.pairs[0])] == [2]
