"""How well a model tells two sets of rows apart, and which columns give them away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.stats.association import midranks
from audit.stats.prediction import (
    Fold,
    Model,
    extra_trees,
    feature_groups,
    folds,
    merge_groups,
    out_of_fold_probabilities,
)

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Auc:
    """The area under the ROC curve: the chance that a row of the second set scores above one of the first.

    Attributes:
        value: 0 to 1; 0.5 when the scores tell nothing.
        low: lower end of the 95% interval.
        high: upper end of the 95% interval.
    """

    value: float
    low: float
    high: float


def auc(scores: Floats, second: NDArray[np.bool_], groups: Codes | None = None) -> Auc:
    """Return the area under the ROC curve with its 95% interval; NaN when one of the sets is empty.

    Args:
        scores: float64[n]; ties count one half.
        second: bool[n], whether a row is of the second set.
        groups: int[n], rows that belong together; the interval then treats each group as one observation.

    Source: DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837-845; with groups, the sums of their structural
    components over each group, Obuchowski (1997), Biometrics 53:567-578.
    """
    a, b = scores[~second], scores[second]
    n, m = len(a), len(b)
    if n == 0 or m == 0:
        nan = float("nan")
        return Auc(nan, nan, nan)
    ranks = midranks(np.concatenate([a, b]))
    beats = (ranks[n:] - midranks(b)) / n  # of a second row: the share of first rows below it
    beaten = 1 - (ranks[:n] - midranks(a)) / m  # of a first row: the share of second rows above it
    value = float(beats.mean())
    if groups is None:
        variance = (beats.var(ddof=1) / m if m > 1 else 0.0) + (beaten.var(ddof=1) / n if n > 1 else 0.0)
    else:
        parts = np.empty(n + m)
        parts[~second], parts[second] = (beaten - value) / n, (beats - value) / m
        sums = np.bincount(np.unique(groups, return_inverse=True)[1].reshape(-1), weights=parts)
        variance = float((sums**2).sum()) * len(sums) / max(len(sums) - 1, 1)
    half = 1.959963984540054 * float(variance) ** 0.5
    return Auc(value, max(0.0, value - half), min(1.0, value + half))


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a model told the sets apart on rows that it had not seen.

    Attributes:
        auc: of the scores out of fold.
        scores: float64[n], each row's probability of being of the second set.
        pairs: the (train, test) pairs.
    """

    auc: Auc
    scores: Floats
    pairs: tuple[Fold, ...]


def separate(
    matrix: Floats, second: NDArray[np.bool_], *, groups: Codes | None = None, k: int = 3, seed: int = 0
) -> Separation:
    """Return how well extremely randomised trees tell two sets of rows apart, cross-validated.

    Equal rows, and rows of one group, are never split between training and test: otherwise copies of a row would be
    recognised, not predicted. Where equal rows are common (few columns, few values) they are no copies and are split.

    Args:
        matrix: float64[n, p]; NaN is missing.
        second: bool[n], whether a row is of the second set.
        groups: int[n], rows that belong together; negative for none.
        k: number of folds.
        seed: of folds and models.
    """
    keep = _together(matrix, groups)
    labels = second.astype(np.int64)
    pairs = folds(len(second), k, labels=labels, groups=keep, seed=seed)
    found = out_of_fold_probabilities(matrix, labels, pairs, _trees(matrix.shape[1]), classes=2, seed=seed)
    return Separation(auc(found[:, 1], second, keep), found[:, 1], tuple(pairs))


def _together(matrix: Floats, groups: Codes | None) -> Codes | None:
    equal = feature_groups(matrix)
    copies = int(np.bincount(equal).max(initial=0)) <= max(10, len(matrix) // 100)
    given = [*([equal] if copies else []), *([groups] if groups is not None else [])]
    return merge_groups(*given) if given else None


def _trees(columns: int) -> Model:
    # ten columns a split and twelve levels: on 10,000 x 20 that halves the time and costs 0.02 of an AUC of 0.69
    return extra_trees(classes=True, trees=60, min_leaf=5, max_depth=12, max_features=min(0.5, 10 / max(columns, 1)))


def drivers(
    matrix: Floats, second: NDArray[np.bool_], pair: Fold, *, most: int = 10, repeats: int = 3, seed: int = 0
) -> list[tuple[int, float]]:
    """Return the columns that tell two sets apart: (column, fall of the AUC when it is shuffled), largest first.

    Permutation importance on rows that the model has not seen, for the `most` columns that its trees use most; only
    columns without which the AUC falls by a tenth of the largest fall, and at least by 0.005, are named.

    Source: Breiman (2001), Random Forests, section 10; Fisher, Rudin & Dominici (2019), JMLR 20(177).
    """
    train, test = pair
    model = _trees(matrix.shape[1])(seed)
    model.fit(matrix[train], second[train])
    random = np.random.default_rng(seed)
    test = np.sort(random.choice(test, min(len(test), 2_000), replace=False))
    held = matrix[test].copy()
    whole = auc(model.predict_proba(held)[:, 1], second[test]).value
    falls: list[tuple[int, float]] = []
    for column in _most_used(model.feature_importances_, most):
        kept = held[:, column].copy()
        shuffled = []
        for _ in range(repeats):
            held[:, column] = random.permutation(kept)
            shuffled.append(auc(model.predict_proba(held)[:, 1], second[test]).value)
        held[:, column] = kept
        falls.append((column, whole - float(np.mean(shuffled))))
    least = max(0.005, max((fall for _, fall in falls), default=0.0) / 10)
    return sorted((fall for fall in falls if fall[1] > least), key=lambda fall: -fall[1])


def _most_used(importances: Sequence[float], most: int) -> list[int]:
    return [int(j) for j in np.argsort(-np.asarray(importances), kind="stable")[:most]]
