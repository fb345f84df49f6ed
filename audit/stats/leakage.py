"""How well one column alone predicts a label, cross-fitted, from counts in bins: no model, no sorting of scores.

A column is cut into bins (quantiles of a number, levels of a category, one bin for missing values). In each of two
random halves of the rows the bins' class shares (or mean target) are learned, and judged on the other half. A column
whose every value is different therefore predicts nothing, however many levels it has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.stats.association import midranks
from audit.stats.encoding import evenly_spaced

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

MOST_BINS = 64
SINGLE_VALUES = 256  # a number with at most so many values has a bin for each: they may be codes


@dataclass(frozen=True, slots=True)
class Bins:
    """A column cut into bins: `codes` int[n] of 0..count-1; the last bin holds missing values (it may be empty).

    `edges` are the upper ends of all but the last finite bin, for numbers; empty for categories.
    """

    codes: Codes
    count: int
    edges: Floats


def bin_numbers(x: Floats) -> Bins:
    """Return `x` float[n] in bins: one a value where there are few, else quantiles; values that are not finite last.

    The number of quantile bins grows with n to `MOST_BINS`, so that each half holds some ten rows a bin.
    """
    finite = np.isfinite(x)
    some = x[evenly_spaced(x.size, 10_000)]
    some = np.sort(some[np.isfinite(some)])
    if some.size == 0:
        return Bins(np.zeros(x.size, dtype=np.int64), 1, np.zeros(0))
    values = some[np.append(True, some[1:] != some[:-1])]
    most = int(np.clip(x.size // 20, 4, MOST_BINS))
    if values.size > SINGLE_VALUES or 20 * values.size > x.size:
        values = np.unique(some[(np.arange(1, most + 1) * some.size) // most - 1])
    edges = values[:-1]
    codes = np.searchsorted(edges, x, side="left").astype(np.int64)
    codes[~finite] = edges.size + 1
    return Bins(codes, edges.size + 2, edges)


def bin_codes(codes: Codes, levels: int) -> Bins:
    """Return category codes (-1: missing) as bins."""
    return Bins(np.where(codes < 0, levels, codes), levels + 1, np.zeros(0))


def halves(n: int, seed: int) -> Codes:
    """Return the half, 0 or 1, of each of n rows: random, so that sorted files do no harm."""
    half = np.arange(n) % 2
    np.random.default_rng(seed).shuffle(half)
    return half


def auc_of_counts(score: Floats, positive: Floats, negative: Floats) -> float:
    """Return the area under the ROC curve of bins [k] with a score and counts of both classes; NaN without either.

    The Mann-Whitney form: the share of (positive, negative) pairs in the right order, ties counting half.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) > 0)) if score.size else np.zeros(0, dtype=np.int64)
    pairs = float(positive.sum()) * float(negative.sum())
    if pairs == 0:
        return float("nan")
    p, q = np.add.reduceat(positive[order], starts), np.add.reduceat(negative[order], starts)
    below = np.cumsum(q) - q
    return float((p * (below + q / 2.0)).sum() / pairs)


def cross_fitted_auc(bins: Bins, labels: Codes, classes: int, half: Codes) -> Floats:
    """Return the AUC of each class against the rest, float[classes], mean of both halves; NaN where one half lacks it.

    Args:
        bins: the column.
        labels: int[n] of 0..classes; `classes` itself stands for all other classes.
        classes: number of classes that are scored.
        half: as `halves` makes it.
    """
    width = classes + 1
    joint = (half * bins.count + bins.codes) * width + labels
    table = np.bincount(joint, minlength=2 * bins.count * width).reshape(2, bins.count, width).astype(np.float64)
    aucs = np.full((2, classes), np.nan)
    for h in (0, 1):
        learned, judged = table[1 - h], table[h]
        prior = learned.sum(axis=0) / max(learned.sum(), 1.0)
        score = (learned + prior) / (learned.sum(axis=1, keepdims=True) + 1.0)
        rows = judged.sum(axis=1)
        occupied = rows > 0
        for c in range(classes):
            positive = judged[occupied, c]
            aucs[h, c] = auc_of_counts(score[occupied, c], positive, rows[occupied] - positive)
    return np.asarray(aucs.mean(axis=0))


def cross_fitted_r2(bins: Bins, target: Floats, half: Codes) -> float:
    """Return R^2 of the bins' mean target, learned on one half and judged on the other, mean of both; at most 1.

    Negative where the mean of the target alone predicts better; NaN for a constant target.
    """
    joint = half * bins.count + bins.codes
    shape = (2, bins.count)
    n = np.bincount(joint, minlength=2 * bins.count).reshape(shape).astype(np.float64)
    centred = target - target.mean() if target.size else target
    sums = np.bincount(joint, weights=centred, minlength=2 * bins.count).reshape(shape)
    squares = np.bincount(half, weights=centred**2, minlength=2)
    scores = np.full(2, np.nan)
    for h in (0, 1):
        mean = sums[1 - h].sum() / max(n[1 - h].sum(), 1.0)
        predicted = (sums[1 - h] + mean) / (n[1 - h] + 1.0)
        error = squares[h] - 2.0 * (predicted * sums[h]).sum() + (predicted**2 * n[h]).sum()
        total = squares[h] - sums[h].sum() ** 2 / max(n[h].sum(), 1.0)
        if total > 0:
            scores[h] = 1.0 - error / total
    return float(scores.mean())


def rank_auc(x: Floats, positive: Mask) -> float:
    """Return the AUC of the values of `x` themselves, in the better direction, 0.5 to 1; missing values are lowest.

    Needs no bins, so it is sharp on few rows, where bins are coarse; blind to what is not monotone.
    """
    ranks = np.nan_to_num(midranks(x), nan=0.0)
    ranks = midranks(ranks)
    p = int(positive.sum())
    q = positive.size - p
    if p == 0 or q == 0:
        return float("nan")
    auc = (float(ranks[positive].sum()) - p * (p + 1) / 2.0) / (p * q)
    return max(auc, 1.0 - auc)


def auc_z(auc: Floats | float, positive: Floats | int, negative: Floats | int) -> Floats:
    """Return how many standard deviations of chance an AUC lies above 0.5 (Mann-Whitney, without ties)."""
    p, q = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((np.asarray(auc) - 0.5) / np.sqrt((p + q + 1.0) / (12.0 * p * q)))
