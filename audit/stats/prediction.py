"""The modelling kernel: mixed columns as one matrix, leak-free folds, predictions out of fold.

Used wherever a check asks "can this be predicted from that?": label errors, drift by a domain classifier, leakage.
Everything here is decided by its seed alone: the number of threads changes the speed, never a bit of the result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.sample import Sampled
from rl_data.processors import processors

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Fold = tuple[Codes, Codes]

LARGEST = 1e30
"""Numbers are cut to this size: trees work in float32, where larger ones overflow."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Mixed columns as one matrix.

    Attributes:
        matrix: float64[n, p]; NaN marks a missing value.
        names: the source column of each of the p matrix columns.
        categorical: bool[p]; True where the numbers are category codes 0..k-1 whose order means nothing.
        left_out: columns whose type no model can read (binary, nested, without any value).
    """

    matrix: Floats
    names: tuple[str, ...]
    categorical: NDArray[np.bool_]
    left_out: tuple[str, ...] = ()


def thin(sampled: Sampled, rows: int, *, among: NDArray[np.bool_] | None = None) -> Sampled:
    """Return at most `rows` rows of a sample, a uniform choice by the sample's own seed, in source order.

    Args:
        sampled: the shared sample.
        rows: how many rows a model can afford.
        among: bool[n], the rows that can be chosen (such as those with a label); all by default.
    """
    usable = np.arange(sampled.rows) if among is None else np.flatnonzero(among)
    if usable.size > rows:
        usable = np.sort(np.random.default_rng(sampled.seed).choice(usable, rows, replace=False))
    elif usable.size == sampled.rows:
        return sampled
    return Sampled(sampled.table.take(usable), sampled.row_ids[usable], sampled.of, sampled.seed)


def stack(first: Sampled, second: Sampled, columns: Sequence[str]) -> Sampled:
    """Return two samples below each other (first, then second), so that both are encoded alike.

    Raises:
        pyarrow.ArrowInvalid, pyarrow.ArrowTypeError: a column's types differ beyond what can be widened.
    """
    import pyarrow as pa

    names = list(columns)
    table = pa.concat_tables([first.table.select(names), second.table.select(names)], promote_options="permissive")
    row_ids = np.concatenate([first.row_ids, second.row_ids])
    return Sampled(table, row_ids, first.of + second.of, first.seed)


def encode(sampled: Sampled, columns: Iterable[str], *, max_categories: int = 200) -> Encoded:
    """Return mixed columns as one matrix, a matrix column each.

    Numbers and booleans stay as they are (infinities are cut to 1e30), times become seconds since the earliest, text
    becomes category codes, or, with more than `max_categories` distinct values, the rank of a value's frequency (rank 0
    is the most frequent; ties by text). Missing stays NaN. Columns that no model can read are named in `left_out`.

    Args:
        sampled: rows to read.
        columns: names of its columns.
        max_categories: most distinct texts of a column that is kept as categories.
    """
    import pyarrow.types as pt

    arrays: list[Floats] = []
    names: list[str] = []
    categorical: list[bool] = []
    left_out: list[str] = []
    for name in columns:
        kind = sampled.table.schema.field(name).type
        value_type = kind.value_type if pt.is_dictionary(kind) else kind
        if pt.is_null(kind) or pt.is_nested(value_type) or pt.is_binary(value_type) or pt.is_large_binary(value_type):
            left_out.append(name)
            continue
        texts = not (pt.is_primitive(value_type) or pt.is_decimal(value_type))
        if texts or pt.is_time(value_type) or pt.is_duration(value_type):
            values, is_category = _text_numbers(sampled, name, max_categories if texts else 0, by_rank=not texts)
        else:
            values, is_category = _numbers(sampled, name, since_first=pt.is_temporal(value_type)), False
        arrays.append(values)
        names.append(name)
        categorical.append(is_category)
    matrix = np.column_stack(arrays) if arrays else np.empty((sampled.rows, 0))
    return Encoded(matrix, tuple(names), np.array(categorical, dtype=bool), tuple(left_out))


def _numbers(sampled: Sampled, name: str, *, since_first: bool) -> Floats:
    values = np.array(sampled.numbers(name))
    if since_first and bool(np.isfinite(values).any()):
        values -= np.nanmin(values)  # float32 trees would see seconds since 1970 in steps of two minutes
    return np.clip(values, -LARGEST, LARGEST)


def _text_numbers(sampled: Sampled, name: str, max_categories: int, *, by_rank: bool) -> tuple[Floats, bool]:
    codes, distinct = sampled.codes(name)
    missing = codes < 0
    if not by_rank and len(distinct) > max_categories:
        counts = np.bincount(codes[~missing], minlength=len(distinct))
        rank = np.empty(len(distinct), dtype=np.int64)
        rank[np.lexsort((np.arange(len(distinct)), -counts))] = np.arange(len(distinct))
        codes = np.where(missing, -1, rank[codes])
    return np.where(missing, np.nan, codes.astype(np.float64)), not by_rank and len(distinct) <= max_categories


def dense(encoded: Encoded, *, one_hot_up_to: int = 30) -> Floats:
    """Return the matrix for models that know neither NaN nor categories: float64[n, q], each column of unit variance.

    Numbers: the median in place of NaN, beside an indicator column where any was missing; more than ten times as wide
    as their middle half (heavy tails), they are cut to the 1% and 99% quantile first. Categories: an indicator for each
    of the `one_hot_up_to` most frequent. Columns that hold one value only are dropped.
    """
    columns: list[Floats] = []
    for j in range(encoded.matrix.shape[1]):
        values = encoded.matrix[:, j]
        missing = np.isnan(values)
        if bool(missing.any()):
            columns.append(missing.astype(np.float64))
        if bool(missing.all()):
            continue
        if encoded.categorical[j]:
            counts = np.bincount(values[~missing].astype(np.int64))
            frequent = [int(c) for c in np.argsort(-counts, kind="stable")[:one_hot_up_to] if counts[c]]
            columns.extend((values == c).astype(np.float64) for c in frequent)
        else:
            columns.append(_filled(values, missing))
    if not columns:
        return np.empty((len(encoded.matrix), 0))
    matrix = np.column_stack(columns)
    matrix -= matrix.mean(axis=0)
    deviation = matrix.std(axis=0)
    varies = deviation > 1e-12 * np.maximum(1.0, np.abs(matrix).max(axis=0, initial=0.0))
    scaled: Floats = matrix[:, varies] / deviation[varies]
    return scaled


def _filled(values: Floats, missing: NDArray[np.bool_]) -> Floats:
    low, q1, median, q3, high = np.nanquantile(values, [0.01, 0.25, 0.5, 0.75, 0.99])
    filled = np.where(missing, median, values)
    if q3 > q1 and float(np.ptp(filled)) > 10 * (q3 - q1):
        filled = np.clip(filled, min(low, q1 - 5 * (q3 - q1)), max(high, q3 + 5 * (q3 - q1)))
    return filled


def feature_groups(matrix: Floats) -> Codes:
    """Return one id for each distinct row of a matrix: int64[n]. NaN equals NaN, 0.0 equals -0.0.

    Rows are told apart by a 64-bit hash; two different rows share an id with a chance below n^2 / 2^64, which would
    merely keep them in one fold.
    """
    values = np.where(np.isnan(matrix), np.nan, matrix + 0.0)  # one bit pattern for NaN, and for zero
    bits = np.ascontiguousarray(values).view(np.uint64)
    mixed = np.zeros(len(matrix), dtype=np.uint64)
    for j in range(matrix.shape[1]):
        mixed = (mixed ^ bits[:, j]) * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing, then a xor-shift
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
    return np.unique(mixed, return_inverse=True)[1].astype(np.int64).reshape(-1)


def merge_groups(*groups: NDArray[np.integer[Any]]) -> Codes:
    """Return ids of the finest grouping that keeps every given group whole: int64[n].

    Two rows belong together when any of the groupings joins them, directly or through other rows (the connected
    components). A negative id stands for "in no group" (a missing customer number is not one customer).
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(groups[0])
    starts: list[Codes] = []
    ends: list[Codes] = []
    nodes = n
    for ids in groups:
        grouped = np.flatnonzero(ids >= 0)
        if grouped.size:
            starts.append(grouped)
            ends.append(np.unique(ids[grouped], return_inverse=True)[1].reshape(-1) + nodes)
            nodes = int(ends[-1].max()) + 1
    if not starts:
        return np.arange(n)
    start, end = np.concatenate(starts), np.concatenate(ends)
    graph = coo_matrix((np.ones(start.size, dtype=np.int8), (start, end)), shape=(nodes, nodes))
    component = connected_components(graph, directed=False)[1][:n]
    return np.unique(component, return_inverse=True)[1].astype(np.int64).reshape(-1)


def folds(
    n: int,
    k: int = 5,
    *,
    labels: NDArray[np.integer[Any]] | None = None,
    groups: NDArray[np.integer[Any]] | None = None,
    seed: int = 0,
) -> list[Fold]:
    """Return k (train, test) pairs of sorted row positions; each row is tested once.

    Args:
        n: number of rows.
        k: number of folds; fewer when there are fewer groups.
        labels: int[n] class codes >= 0; each class is spread evenly over the folds.
        groups: int[n]; rows of a group are never split between train and test. Groups of several rows are dealt out
            first, largest first, each to the fold that is emptiest of its classes; single rows then level the folds.
        seed: of every tie.

    Raises:
        ValueError: fewer than two rows, groups or folds.
    """
    ids = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(ids, minlength=1)
    k = min(k, int(np.count_nonzero(sizes)))
    if k < 2:
        raise ValueError(f"cross-validation needs at least 2 folds and 2 groups of rows, got {k}")
    classes = np.zeros(n, dtype=np.int64) if labels is None else np.unique(labels, return_inverse=True)[1].reshape(-1)
    random = np.random.default_rng(seed)
    loads = np.zeros((k, int(classes.max()) + 1))
    fold_of = np.full(n, -1, dtype=np.int64)
    _deal_groups(fold_of, loads, ids, classes, random)
    _deal_single_rows(fold_of, loads, classes, random)
    return [(np.flatnonzero(fold_of != f), np.flatnonzero(fold_of == f)) for f in range(k)]


def _deal_groups(fold_of: Codes, loads: Floats, ids: Codes, classes: Codes, random: np.random.Generator) -> None:
    """Put each group of several rows into the fold where its classes are scarcest (changes `fold_of` and `loads`)."""
    sizes = np.bincount(ids)
    large = random.permutation(np.flatnonzero(sizes > 1))
    large = large[np.argsort(-sizes[large], kind="stable")]
    by_group = np.argsort(ids, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    weight = 1.0 / np.bincount(classes)
    for group in large:
        rows = by_group[starts[group] : starts[group + 1]]
        present, counts = np.unique(classes[rows], return_counts=True)
        crowded = (loads[:, present] * (weight[present] * counts)).sum(axis=1) / counts.sum()
        fold = int(np.lexsort((loads.sum(axis=1), crowded))[0])
        fold_of[rows] = fold
        loads[fold, present] += counts


def _deal_single_rows(fold_of: Codes, loads: Floats, classes: Codes, random: np.random.Generator) -> None:
    """Level the folds, class by class (rarest first), with the rows that are in no larger group."""
    single = np.flatnonzero(fold_of < 0)
    k = len(loads)
    for label in np.argsort(np.bincount(classes[single], minlength=loads.shape[1]), kind="stable"):
        rows = random.permutation(single[classes[single] == label])
        if not rows.size:
            continue
        # place j of fold f would be its (loads + j)-th row of this class: the lowest places are taken
        emptiest = np.argsort(np.argsort(loads.sum(axis=1), kind="stable"), kind="stable")
        level = (loads[:, label][:, None] + np.arange(rows.size)[None, :]).ravel()
        fold = np.repeat(np.arange(k), rows.size)
        chosen = fold[np.lexsort((emptiest[fold], level))[: rows.size]]
        fold_of[rows] = chosen
        loads[:, label] += np.bincount(chosen, minlength=k)


Model = Callable[[int], Any]
"""Makes an unfitted scikit-learn estimator from a seed."""


def out_of_fold_probabilities(
    matrix: Floats,
    labels: NDArray[np.integer[Any]],
    pairs: Sequence[Fold],
    models: Model | Sequence[Model],
    *,
    classes: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Floats:
    """Return each row's class probabilities from models that have not seen it: float64[n, classes].

    Column c speaks about class code c, whatever order an estimator keeps its classes in; a class that a training part
    lacks gets probability 0 there. With several models, their probabilities are averaged.

    Args:
        matrix: float64[n, p].
        labels: int[n], class codes 0..classes-1.
        pairs: the (train, test) pairs of `folds`.
        models: one maker of classifiers with `predict_proba`, or several.
        classes: number of classes; by default the largest code plus one.
        seed: of the models.
        threads: how many trees of a forest are grown at once; by default the CPUs of this process, at most 4.
    """
    makers = [models] if callable(models) else list(models)
    size = int(labels.max()) + 1 if classes is None else classes

    def fit(maker: int, fold: int) -> Floats:
        train, test = pairs[fold]
        found = np.zeros((test.size, size))
        present = np.unique(labels[train])
        if present.size == 1:  # most classifiers refuse to learn a single class
            found[:, present[0]] = 1.0
            return found
        model = _fitted(makers[maker](seed + fold), matrix[train], labels[train], threads)
        found[:, np.asarray(model.classes_, dtype=np.int64)] = model.predict_proba(matrix[test])
        return found

    probabilities = np.zeros((len(labels), size))
    with _quiet_and_repeatable():
        for maker in range(len(makers)):
            for fold, (_, test) in enumerate(pairs):
                probabilities[test] += fit(maker, fold)
    return probabilities / len(makers)


def out_of_fold_values(
    matrix: Floats,
    target: Floats,
    pairs: Sequence[Fold],
    models: Model | Sequence[Model],
    *,
    trusted: NDArray[np.bool_] | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Floats:
    """Return each row's predicted number from models that have not seen it: float64[n], averaged over the models.

    Arguments are those of `out_of_fold_probabilities`; `target` is float64[n], finite. Models learn from `trusted` rows
    only (bool[n], all by default) and predict every row.
    """
    makers = [models] if callable(models) else list(models)

    def fit(maker: int, fold: int) -> Floats:
        train, test = pairs[fold]
        if trusted is not None:
            train = train[trusted[train]]
        model = _fitted(makers[maker](seed + fold), matrix[train], target[train], threads)
        return np.asarray(model.predict(matrix[test]), dtype=np.float64)

    values = np.zeros(len(target))
    with _quiet_and_repeatable():
        for maker in range(len(makers)):
            for fold, (_, test) in enumerate(pairs):
                values[test] += fit(maker, fold)
    return values / len(makers)


@contextmanager
def _quiet_and_repeatable() -> Iterator[None]:
    """One core for each sum, because threads that add in the order they end change the last bits; no advice printed.

    And because boosting shares out thousands of small pieces: on a busy machine each one waits for all its threads.
    """
    import sklearn.ensemble  # noqa: F401  # a library that is loaded later would not be limited
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a model's advice on convergence is no news to a reader of an audit
        yield


def _fitted(model: Any, matrix: Floats, target: NDArray[Any], threads: int | None) -> Any:
    """Fit a model; the trees of a forest (or of the forest that is the `rest` of a model) grow side by side.

    That changes no bit of any tree. Prediction is on one core.
    """
    forest = getattr(model, "rest", model)
    if not (hasattr(forest, "n_estimators") and hasattr(forest, "n_jobs")):
        return model.fit(matrix, target)
    forest.n_jobs = threads or min(4, processors())
    model.fit(matrix, target)
    forest.n_jobs = 1
    return model


def extra_trees(*, classes: bool, trees: int = 100, min_leaf: int = 1, **options: Any) -> Model:
    """Return a maker of extremely randomised trees (Geurts, Ernst & Wehenkel, 2006), on one core each.

    Args:
        classes: a classifier when True, else a regressor.
        trees: number of trees.
        min_leaf: smallest leaf; larger ones smooth the probabilities.
        options: further arguments of the scikit-learn estimator.
    """

    def make(seed: int) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        estimator = ExtraTreesClassifier if classes else ExtraTreesRegressor
        return estimator(n_estimators=trees, min_samples_leaf=min_leaf, random_state=seed, n_jobs=1, **options)

    return make
