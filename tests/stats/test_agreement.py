"""Agreement statistics against scikit-learn, statsmodels, published examples and plain loops."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from audit.stats.agreement import (
    Weights,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    krippendorff_interval,
    match_labels,
)

Ints = NDArray[np.int64]
Units = Sequence[Sequence[Any]]  # the labels of each unit; None where a rater gave none

SQUARES = st.integers(2, 5).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(0, 40)))


@given(SQUARES, st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_agrees_with_scikit_learn(table: Ints, weights: Weights) -> None:
    ours = cohen_kappa(table, weights=weights)
    if np.isnan(ours.kappa):
        return
    k = len(table)
    first = np.repeat(np.repeat(np.arange(k), k), table.ravel())
    second = np.repeat(np.tile(np.arange(k), k), table.ravel())
    theirs = cohen_kappa_score(first, second, labels=range(k), weights=None if weights == "none" else weights)
    assert ours.kappa == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_the_error_of_kappa_agrees_with_statsmodels(weights: Weights) -> None:
    random = np.random.default_rng(4)
    for k in (2, 3, 5):
        table = random.integers(1, 60, (k, k)) + np.eye(k, dtype=int) * 80
        oracle = cohens_kappa(table, wt=None if weights == "none" else weights)
        ours = cohen_kappa(table, weights=weights)
        assert ours.kappa == pytest.approx(oracle.kappa, rel=1e-9)
        assert ours.error == pytest.approx(oracle.std_kappa, rel=1e-9)
        assert ours.interval() == pytest.approx((oracle.kappa_low, oracle.kappa_upp), rel=1e-6)


def test_kappa_without_rows_or_with_one_class_is_undefined() -> None:
    assert np.isnan(cohen_kappa([[0, 0], [0, 0]]).kappa)
    assert np.isnan(cohen_kappa([[10, 0], [0, 0]]).kappa)
    with pytest.raises(ValueError, match="square"):
        cohen_kappa([[1, 2, 3], [4, 5, 6]])


@given(SQUARES)
def test_kappa_and_ac1_do_not_depend_on_who_is_first_nor_on_the_order_of_classes(table: Ints) -> None:
    order = np.roll(np.arange(len(table)), 1)
    for other in (table.T, table[np.ix_(order, order)]):
        assert cohen_kappa(other).kappa == pytest.approx(cohen_kappa(table).kappa, nan_ok=True, abs=1e-12)
        assert gwet_ac1(other) == pytest.approx(gwet_ac1(table), nan_ok=True, abs=1e-12)


def test_the_kappa_paradox() -> None:
    table = [[118, 5], [2, 0]]  # Gwet (2008), table 1: both raters nearly always say "+"
    assert cohen_kappa(table).observed == pytest.approx(0.944)
    assert cohen_kappa(table).kappa == pytest.approx(-0.0234, abs=1e-4)
    assert gwet_ac1(table) == pytest.approx(0.941, abs=5e-4)


def test_fleiss_kappa_of_his_own_kind_of_table() -> None:
    # the example of the article on Fleiss' kappa in Wikipedia: 10 subjects, 14 raters, 5 classes, kappa 0.210
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(table) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(table) == pytest.approx(statsmodels_fleiss(np.array(table)), rel=1e-9)


@given(st.integers(2, 6), st.integers(2, 4), st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_fleiss_kappa_agrees_with_statsmodels(raters: int, classes: int, units: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    table = random.multinomial(raters, random.dirichlet(np.ones(classes)), size=units)
    if (table.sum(axis=0) > 0).sum() < 2:
        assert np.isnan(fleiss_kappa(table))
        return
    assert fleiss_kappa(table) == pytest.approx(statsmodels_fleiss(table), rel=1e-9, abs=1e-12)


def test_fleiss_kappa_refuses_units_with_fewer_raters() -> None:
    with pytest.raises(ValueError, match="same number of raters"):
        fleiss_kappa([[2, 1], [1, 1]])
    assert np.isnan(fleiss_kappa(np.empty((0, 3))))


def plain_alpha(units: Units) -> float:
    """Krippendorff (2011), section C, word by word: the coincidence matrix in loops."""
    units = [[v for v in unit if v is not None] for unit in units]
    units = [unit for unit in units if len(unit) >= 2]
    values = sorted({v for unit in units for v in unit})
    coincidences = {(c, k): 0.0 for c in values for k in values}
    for unit in units:
        for i, j in itertools.permutations(range(len(unit)), 2):
            coincidences[unit[i], unit[j]] += 1 / (len(unit) - 1)
    totals = {c: sum(coincidences[c, k] for k in values) for c in values}
    n = sum(totals.values())
    observed = sum(o for (c, k), o in coincidences.items() if c != k)
    expected = sum(totals[c] * totals[k] for c in values for k in values if c != k) / (n - 1)
    return 1 - observed / expected if expected else float("nan")


def as_counts(units: Units, classes: Iterable[Any]) -> Ints:
    return np.array([[sum(v == c for v in unit) for c in classes] for unit in units])


def test_alpha_of_krippendorffs_example() -> None:
    # Krippendorff (2011), section C: four observers, twelve units, missing data; nominal alpha = 0.743
    n = None
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
        [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
    ]
    units = list(zip(*observers, strict=True))
    assert krippendorff_alpha(as_counts(units, range(1, 6))) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(as_counts(units, range(1, 6))) == pytest.approx(plain_alpha(units), rel=1e-9)


LABELS = st.lists(st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=3, max_size=3), min_size=1, max_size=25)


@given(LABELS)
def test_alpha_agrees_with_the_plain_loops(units: list[list[str | None]]) -> None:
    assert krippendorff_alpha(as_counts(units, "abc")) == pytest.approx(plain_alpha(units), rel=1e-9, nan_ok=True)


@given(LABELS)
def test_weights_stand_for_repeated_units(units: list[list[str | None]]) -> None:
    twice = krippendorff_alpha(as_counts(units + units, "abc"))
    assert krippendorff_alpha(as_counts(units, "abc"), np.full(len(units), 2)) == pytest.approx(twice, nan_ok=True)


def test_the_interval_of_alpha_covers_it() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(0, 3, 400)
    units = [[t if random.random() < 0.8 else random.integers(0, 3) for _ in range(3)] for t in truth]
    counts = as_counts(units, range(3))
    low, high = krippendorff_interval(counts, seed=1)
    assert low < krippendorff_alpha(counts) < high
    assert high - low < 0.15
    assert (low, high) == krippendorff_interval(counts, seed=1)


def test_labels_match_by_meaning_not_by_type() -> None:
    assert match_labels([1, 2], ["2", "1"]) == {1: 1, 2: 0}
    assert match_labels([1.0, 2.5], ["1", "2.5"]) == {1.0: 0, 2.5: 1}
    assert match_labels([True, False], ["True", "False"]) == {True: 0, False: 1}
    assert match_labels(["A", "a"], ["a", "A"]) == {"A": 1, "a": 0}
    assert match_labels(["yes"], ["no"]) == {}
