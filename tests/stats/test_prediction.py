"""The modelling kernel: encoding, folds that leak nothing, predictions out of fold."""

from __future__ import annotations

import ast
import datetime as dt
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from audit.sample import Floats, Sampled
from audit.stats.prediction import (
    dense,
    encode,
    extra_trees,
    feature_groups,
    folds,
    merge_groups,
    out_of_fold_probabilities,
    out_of_fold_values,
    stack,
    thin,
)


def sampled(columns: Mapping[str, Any], seed: int = 0) -> Sampled:
    table = pa.table(columns)
    return Sampled(table, np.arange(table.num_rows) * 10, table.num_rows, seed)


MIXED = {
    "number": pa.array([1.5, None, float("inf"), -2.0]),
    "flag": pa.array([True, False, None, True]),
    "day": pa.array([dt.date(2024, 1, 2), dt.date(2024, 1, 1), None, dt.date(2024, 1, 1)]),
    "city": pa.array(["Rome", "Bern", None, "Rome"]),
    "dictionary": pa.array(["u", "v", "u", None]).dictionary_encode(),
    "nested": pa.array([[1], [2], None, []]),
    "blob": pa.array([b"1", b"2", None, b""]),
    "empty": pa.nulls(4),
    "clock": pa.array([dt.time(1), dt.time(2), None, dt.time(1)]),
    "decimal": pa.array([1, 2, None, 4], pa.decimal128(10, 2)),
}


def test_mixed_columns_become_one_matrix() -> None:
    encoded = encode(sampled(MIXED), MIXED)
    assert encoded.names == ("number", "flag", "day", "city", "dictionary", "clock", "decimal")
    assert encoded.left_out == ("nested", "blob", "empty")
    assert encoded.categorical.tolist() == [False, False, False, True, True, False, False]
    nan = np.nan
    expected = [
        [1.5, 1, 86_400, 1, 0, 0, 1],
        [nan, 0, 0, 0, 1, 1, 2],
        [1e30, nan, nan, nan, 0, nan, nan],
        [-2.0, 1, 0, 1, nan, 0, 4],
    ]
    np.testing.assert_array_equal(encoded.matrix, expected)


def test_text_of_many_values_becomes_the_rank_of_its_frequency() -> None:
    encoded = encode(sampled({"t": ["b", "a", "c", "c", "b", "c", None]}), ["t"], max_categories=2)
    np.testing.assert_array_equal(encoded.matrix[:, 0], [1, 2, 0, 0, 1, 0, np.nan])
    assert not encoded.categorical[0]


def test_dense_is_finite_and_standardised_and_keeps_the_absence() -> None:
    matrix = dense(encode(sampled(MIXED), MIXED))
    assert np.isfinite(matrix).all()
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(matrix.std(axis=0), 1)
    constant = dense(encode(sampled({"x": [3.0, 3.0], "z": [None, None]}), ["x", "z"]))
    assert constant.shape == (2, 0)


def test_one_huge_value_does_not_flatten_a_column() -> None:
    values = np.concatenate([np.linspace(0, 1, 999), [1e9]])
    matrix = dense(encode(sampled({"x": values}), ["x"]))
    assert np.ptp(matrix[:999]) > 1


def test_a_stack_is_encoded_alike() -> None:
    first, second = sampled({"c": ["x", "y"], "n": [1, 2]}), sampled({"c": ["z", "x"], "n": [1.5, 2.5]})
    both = encode(stack(first, second, ["c", "n"]), ["c", "n"])
    np.testing.assert_array_equal(both.matrix, [[0, 1], [1, 2], [2, 1.5], [0, 2.5]])


def test_thin_is_seeded_sorted_and_chooses_among_the_usable() -> None:
    whole = sampled({"x": np.arange(1000)})
    assert thin(whole, 5000) is whole
    few = thin(whole, 100, among=np.arange(1000) % 2 == 0)
    assert few.rows == 100
    assert few.of == 1000
    assert (np.diff(few.row_ids) > 0).all()
    assert (few.row_ids % 20 == 0).all()
    np.testing.assert_array_equal(few.row_ids, thin(whole, 100, among=np.arange(1000) % 2 == 0).row_ids)
    np.testing.assert_array_equal(few.numbers("x") * 10, few.row_ids)


@given(st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf])] * 3), min_size=1, max_size=40))
def test_equal_rows_and_only_they_share_a_group(rows: list[tuple[float, float, float]]) -> None:
    ids = feature_groups(np.array(rows))
    names = [tuple("nan" if np.isnan(v) else str(v + 0.0) for v in row) for row in rows]
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            assert (ids[i] == ids[j]) == (a == b)


def test_groups_merge_through_shared_rows_and_missing_ones_stand_alone() -> None:
    merged = merge_groups(np.array([1, 1, 2, 3, 4, 5]), np.array([-1, 7, 7, 8, -1, -1]))
    assert merged[0] == merged[1] == merged[2]
    assert len({*merged[[0, 3, 4, 5]].tolist()}) == 4


@given(st.data())
def test_folds_partition_the_rows_and_never_split_a_group(data: st.DataObject) -> None:
    n = data.draw(st.integers(6, 80))
    groups = np.array(data.draw(st.lists(st.integers(0, n), min_size=n, max_size=n)))
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    k = data.draw(st.integers(2, 6))
    if len(set(groups.tolist())) < 2:
        with pytest.raises(ValueError, match="at least 2"):
            folds(n, k, labels=labels, groups=groups)
        return
    pairs = folds(n, k, labels=labels, groups=groups, seed=1)
    assert sorted(np.concatenate([test for _, test in pairs]).tolist()) == list(range(n))
    for train, test in pairs:
        assert len(train) + len(test) == n
        assert not set(groups[train]) & set(groups[test])
        assert len(test) > 0


@pytest.mark.parametrize("seed", range(3))
def test_single_rows_are_stratified_as_evenly_as_can_be(seed: int) -> None:
    labels = np.repeat([0, 1, 2], [500, 53, 7])
    for _, test in folds(560, 5, labels=labels, seed=seed):
        counts = np.bincount(labels[test], minlength=3)
        assert counts[0] == 100
        assert counts[1] in (10, 11)
        assert counts[2] in (1, 2)
        assert abs(len(test) - 112) <= 1


def test_groups_are_stratified_where_they_allow_it() -> None:
    groups = np.repeat(np.arange(100), 5)
    labels = (groups % 4 == 0).astype(int)
    for _, test in folds(500, 5, labels=labels, groups=groups):
        assert labels[test].mean() == pytest.approx(0.25, abs=0.05)


def make_problem(n: int = 200) -> tuple[Floats, NDArray[np.int64]]:
    random = np.random.default_rng(3)
    x = random.normal(size=(n, 4))
    return x, (x[:, 0] + random.normal(size=n) > 0).astype(np.int64) + (x[:, 1] > 1)


def test_probabilities_equal_those_of_scikit_learn() -> None:
    x, labels = make_problem()
    pairs = folds(200, 4, labels=labels)
    ours = out_of_fold_probabilities(x, labels, pairs, lambda _: LogisticRegression())
    theirs = cross_val_predict(LogisticRegression(), x, labels, cv=pairs, method="predict_proba")
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_columns_stand_for_class_codes_even_where_a_fold_lacks_a_class() -> None:
    x = np.arange(12.0)[:, None]
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 4, 4, 4])
    groups = np.array([*range(9), 9, 9, 9])  # class 4 is one group: some training part has never seen it
    pairs = folds(12, 3, labels=labels, groups=groups)
    found = out_of_fold_probabilities(x, labels, pairs, lambda _: KNeighborsClassifier(1), classes=6)
    assert found.shape == (12, 6)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found[9:, 4] == 0).all()
    assert (found[:, [3, 5]] == 0).all()


def test_a_training_part_of_one_class_predicts_that_class() -> None:
    pairs = [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))]
    found = out_of_fold_probabilities(
        np.zeros((4, 1)), np.array([0, 0, 1, 1]), pairs, lambda _: LogisticRegression(), classes=2
    )
    np.testing.assert_array_equal(found, [[0, 1], [0, 1], [1, 0], [1, 0]])


def test_threads_change_nothing() -> None:
    x, labels = make_problem()
    pairs = folds(200, 4, labels=labels)
    models = [extra_trees(classes=True, trees=10), lambda _: KNeighborsClassifier(5)]
    one = out_of_fold_probabilities(x, labels, pairs, models, seed=5, threads=1)
    several = out_of_fold_probabilities(x, labels, pairs, models, seed=5, threads=4)
    np.testing.assert_array_equal(one, several)
    assert (one != out_of_fold_probabilities(x, labels, pairs, models, seed=6)).any()


def test_copies_leak_a_label_unless_they_share_a_fold() -> None:
    random = np.random.default_rng(0)
    x = np.repeat(random.normal(size=(150, 3)), 2, axis=0)
    labels = np.repeat(random.integers(0, 2, 150), 2)  # pure chance: nothing can be learned

    def accuracy(groups: NDArray[np.int64] | None) -> float:
        pairs = folds(300, 5, labels=labels, groups=groups)
        found = out_of_fold_probabilities(x, labels, pairs, lambda _: KNeighborsClassifier(1))
        return float((found.argmax(axis=1) == labels).mean())

    assert accuracy(None) > 0.75
    assert accuracy(feature_groups(x)) < 0.6


def test_numbers_are_predicted_from_trusted_rows_only() -> None:
    x = np.linspace(0, 1, 100)[:, None]
    target = 2 * x[:, 0]
    spoiled = target.copy()
    spoiled[::7] = 1e6
    pairs = folds(100, 5)
    model = extra_trees(classes=False, trees=20)
    found = out_of_fold_values(x, spoiled, pairs, model, trusted=spoiled < 10)
    assert np.abs(found - target).max() < 0.2


def test_models_that_are_loaded_late_use_one_thread_too() -> None:
    """On a busy machine boosting with several threads took over 20 times as long: each piece waits for all."""
    script = """
from audit.stats.prediction import _quiet_and_repeatable
with _quiet_and_repeatable():
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_info
    print([library["num_threads"] for library in threadpool_info()])
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    found = ast.literal_eval(done.stdout)
    assert len(found) >= 2  # linear algebra and OpenMP
    assert set(found) == {1}
