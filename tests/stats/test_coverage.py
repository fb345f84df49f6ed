"""Uncovered patterns against brute force; raking against its definition; chi-square against scipy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from audit.stats.coverage import effective_rows, goodness_of_fit, rake, uncovered_patterns

Codes = np.ndarray[tuple[int], np.dtype[np.int64]]


def brute_force(codes: list[Codes], sizes: list[int], least: float) -> set[tuple[tuple[int, int], ...]]:
    def rows(pattern: tuple[tuple[int, int], ...]) -> int:
        return int(np.all([codes[a] == v for a, v in pattern], axis=0).sum()) if pattern else len(codes[0])

    found = set()
    for level in (1, 2, 3):
        for chosen in itertools.combinations(range(len(codes)), level):
            for values in itertools.product(*(range(sizes[a]) for a in chosen)):
                pattern = tuple(zip(chosen, values, strict=True))
                parents = [pattern[:i] + pattern[i + 1 :] for i in range(level)] if level > 1 else []
                if rows(pattern) < least and all(rows(parent) >= least for parent in parents):
                    found.add(pattern)
    return found


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_patterns_are_those_of_brute_force(seed: int, least: int) -> None:
    random = np.random.default_rng(seed)
    sizes = [2, 3, 4, 2]
    codes = [random.integers(-1, size, 120) for size in sizes]
    found = {tuple(zip(u.attributes, u.values, strict=True)) for u in uncovered_patterns(codes, sizes, least)}
    assert found == brute_force(codes, sizes, least)


def test_a_hole_is_expected_to_be_filled_and_rare_with_rare_is_not() -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 3, 3_000), random.choice(3, 3_000, p=[0.6, 0.399, 0.001])
    b[(a == 0) & (b == 1)] = 0
    found = uncovered_patterns([a, b], [3, 3], 30)
    assert found[0].attributes == (0, 1)
    assert found[0].values == (0, 1)
    assert found[0].rows == 0
    assert found[0].expected > 200
    assert found[0].p_value < 1e-50
    assert (found[0].holes, found[0].cells) == (1, 9)
    assert [u.values for u in found[1:]] == [(2,)]


def test_a_determined_attribute_has_many_holes() -> None:
    city = np.random.default_rng(0).integers(0, 6, 3_000)
    (first, *_) = uncovered_patterns([city, city // 2], [6, 3], 30)
    assert first.holes == 12


def test_the_fit_is_scipys() -> None:
    counts, shares = [30, 50, 20], [0.4, 0.4, 0.2]
    expected = stats.chisquare(counts, np.array(shares) * 100)
    found = goodness_of_fit(counts, shares)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert found.tvd == pytest.approx(0.1)
    assert found.ratios.tolist() == pytest.approx([0.75, 1.25, 1.0])


@pytest.mark.parametrize(("counts", "shares"), [([1, 2], [0.5]), ([0, 0], [0.5, 0.5]), ([1, 2], [0.0, 1.0])])
def test_what_cannot_be_compared_is_refused(counts: Any, shares: Any) -> None:
    with pytest.raises(ValueError, match="counts and shares"):
        goodness_of_fit(counts, shares)


def test_raking_meets_every_margin_and_keeps_the_odds_ratio() -> None:
    table = np.array([[40.0, 10.0], [20.0, 30.0]])
    margins = [np.array([0.3, 0.7]), np.array([0.5, 0.5])]
    weights = rake(table, margins)
    assert weights is not None
    fitted = table * weights
    assert fitted.sum(axis=1) / 100 == pytest.approx(margins[0])
    assert fitted.sum(axis=0) / 100 == pytest.approx(margins[1])
    assert fitted[0, 0] * fitted[1, 1] / (fitted[0, 1] * fitted[1, 0]) == pytest.approx(6.0)  # as in the table


def test_raking_is_impossible_without_rows_of_a_target() -> None:
    assert rake(np.array([[10.0, 0.0], [20.0, 0.0]]), [np.array([0.5, 0.5]), np.array([0.5, 0.5])]) is None


def test_equal_weights_cost_no_row_and_unequal_ones_do() -> None:
    table = np.array([90.0, 10.0])
    assert effective_rows(table, np.ones(2)) == pytest.approx(100)
    weights = rake(table, [np.array([0.5, 0.5])])
    assert weights is not None
    w = np.repeat(weights, [90, 10])
    assert effective_rows(table, weights) == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-9)
    assert effective_rows(table, weights) == pytest.approx(36)
