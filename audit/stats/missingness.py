"""Patterns of absence: what is missing together, what predicts that it is missing, and where it is missing more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def co_missing_phi(patterns: Bools, counts: Ints) -> Floats:
    """Return the phi coefficient between the absence of each two columns: `frame.isnull().corr()`.

    Args:
        patterns: bool [p, d], True where a column is missing in the pattern.
        counts: int [p], rows with each pattern.

    Returns:
        float64 [d, d] in -1..1; NaN for a column that is never or always missing.

    Source: Pearson's r of two 0/1 variables (Yule 1912, JRSS 75:579-652).
    """
    d = patterns.shape[1]
    weights = counts.astype(np.float64)
    n = weights.sum()
    if n == 0:
        return np.full((d, d), np.nan)
    flags = patterns.astype(np.float64)
    both = (flags * weights[:, None]).T @ flags
    alone = np.diag(both)
    covariance = both / n - np.outer(alone, alone) / n**2
    spread = np.sqrt(alone / n * (1 - alone / n))
    scale = np.outer(spread, spread)
    phi = np.divide(covariance, scale, out=np.full((d, d), np.nan), where=scale > 0)
    return np.asarray(np.clip(phi, -1.0, 1.0), dtype=np.float64)


def flux(patterns: Bools, counts: Ints, columns: int) -> tuple[Floats, Floats]:
    """Return influx and outflux of each column: how well it can be filled from the others, and help to fill them.

    Influx is the share of (missing here, present elsewhere) pairs among all present cells; outflux the share of
    (present here, missing elsewhere) pairs among all missing cells.

    Args:
        patterns: bool [p, d], True where missing; columns without missing values may be left out.
        counts: int [p], rows with each pattern.
        columns: number of columns of the whole table, at least d.

    Returns:
        Two float64 [d] in 0..1; NaN where the table has no present (influx) or no missing (outflux) cell.

    Source: van Buuren (2018), Flexible Imputation of Missing Data, 2nd ed., section 4.1.3.
    """
    weights = counts.astype(np.float64)
    missing = patterns.astype(np.float64)
    per_row = missing.sum(axis=1)
    absent = float(weights @ per_row)
    present = float(weights @ (columns - per_row))
    incoming = (weights * (columns - per_row)) @ missing
    outgoing = (weights * per_row) @ (1.0 - missing)
    nothing = np.full(patterns.shape[1], np.nan)
    return (incoming / present if present else nothing), (outgoing / absent if absent else nothing)


@dataclass(frozen=True, slots=True)
class Prediction:
    """How well predictors tell where targets are missing; all arrays [predictors, targets].

    Attributes:
        auc: chance that a row where the target is missing ranks above one where it is not (0.5: no relation).
        difference: standardised mean difference (missing minus present); NaN for categories.
        missing: rows with the target missing, among those where the predictor is known.
        present: rows with the target present, likewise.
        error: standard error of the AUC if there is no relation.
    """

    auc: Floats
    difference: Floats
    missing: Floats
    present: Floats
    error: Floats

    def p_values(self) -> Floats:
        """Return two-sided p-values of "AUC = 0.5" by normal approximation (ties make it conservative)."""
        from scipy.special import ndtr

        return np.asarray(2 * ndtr(-np.abs(self.auc - 0.5) / self.error), dtype=np.float64)


def _rank_error(missing: Floats, present: Floats) -> Floats:
    """Return the Mann-Whitney standard error of an AUC without relation: sqrt((n1 + n0 + 1) / (12 n1 n0))."""
    pairs = missing * present
    return np.asarray(np.sqrt((missing + present + 1) / (12 * np.where(pairs > 0, pairs, np.nan))), dtype=np.float64)


def absence_by_numbers(missing: Bools, values: Floats) -> Prediction:
    """Say how well numbers tell where other columns are missing, by rank and by standardised difference.

    Args:
        missing: bool [n, t], True where target column t is missing.
        values: float64 [n, p], NaN where a predictor is unknown (such rows do not count for that predictor).

    Source: AUC = U / (n1 n0) (Hanley & McNeil 1982, Radiology 143:29-36); the difference as in Austin (2009),
    Statistics in Medicine 28:3083-3107.
    """
    absent = missing.astype(np.float64)
    known = np.isfinite(values).astype(np.float64)
    ranks = np.zeros(values.shape)
    centred = np.zeros(values.shape)
    for j in range(values.shape[1]):
        rows = known[:, j] > 0
        ranks[rows, j] = _ranks(values[rows, j])
        centred[rows, j] = values[rows, j] - values[rows, j].mean() if rows.any() else 0.0
    n1 = known.T @ absent
    n0 = known.sum(axis=0)[:, None] - n1
    with np.errstate(divide="ignore", invalid="ignore"):
        auc = (ranks.T @ absent - n1 * (n1 + 1) / 2) / (n1 * n0)
        sum1, square1 = centred.T @ absent, (centred**2).T @ absent
        sum0 = centred.sum(axis=0)[:, None] - sum1
        square0 = (centred**2).sum(axis=0)[:, None] - square1
        mean1, mean0 = sum1 / n1, sum0 / n0
        variance1 = (square1 - n1 * mean1**2) / (n1 - 1)
        variance0 = (square0 - n0 * mean0**2) / (n0 - 1)
        pooled = np.sqrt((variance1 + variance0) / 2)
        difference = np.where(pooled > 0, (mean1 - mean0) / pooled, np.nan)
    return Prediction(auc, difference, n1, n0, _rank_error(n1, n0))


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1, equal values sharing their mean rank (scipy.stats is slow to import)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else order
    sizes = np.diff(np.append(first, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first + (sizes + 1) / 2, sizes)
    return ranks


def absence_by_categories(missing: Bools, codes: Ints, folds: Ints) -> Prediction:
    """Say how well a category tells where other columns are missing, by two-fold target encoding.

    Each category is scored by its share of missing rows in the other fold (pulled towards the overall share by five
    rows), so that many small categories do not look predictive by chance.

    Args:
        missing: bool [n, t], True where target column t is missing.
        codes: int [n], category of each row, -1 unknown (does not count).
        folds: int [n], 0 or 1.

    Returns:
        A `Prediction` with one predictor, arrays [1, t].
    """
    known = codes >= 0
    width = int(codes.max(initial=-1)) + 1
    targets = missing.shape[1]
    sizes = [np.bincount(codes[known & (folds == f)], minlength=width).astype(np.float64) for f in (0, 1)]
    auc = np.full((1, targets), np.nan)
    n1, n0 = np.zeros((1, targets)), np.zeros((1, targets))
    for t in range(targets):
        absent = [
            np.bincount(codes[known & missing[:, t] & (folds == f)], minlength=width).astype(np.float64) for f in (0, 1)
        ]
        total = absent[0].sum() + absent[1].sum()
        n1[0, t], n0[0, t] = total, known.sum() - total
        parts = [_fold_auc(absent[1 - f], sizes[1 - f], absent[f], sizes[f] - absent[f]) for f in (0, 1)]
        weights = [float(absent[f].sum()) for f in (0, 1)]
        usable = [(a, w) for a, w in zip(parts, weights, strict=True) if not np.isnan(a)]
        if usable:
            auc[0, t] = sum(a * w for a, w in usable) / sum(w for _, w in usable)
    # both folds compare the same two sets of shares, so the two scores move together: no halving of the variance
    return Prediction(auc, np.full((1, targets), np.nan), n1, n0, np.sqrt(2) * _rank_error(n1, n0))


def _fold_auc(absent: Floats, size: Floats, test_absent: Floats, test_present: Floats) -> float:
    if not size.sum() or not test_absent.sum() or not test_present.sum():
        return float("nan")
    score = (absent + 5.0 * absent.sum() / size.sum()) / (size + 5.0)
    _, level = np.unique(score, return_inverse=True)
    high = np.bincount(level, weights=test_absent)
    low = np.bincount(level, weights=test_present)
    below = np.cumsum(low) - low
    return float((high * (below + low / 2)).sum() / (high.sum() * low.sum()))


def quantile_codes(values: Floats, bins: int = 20) -> Ints:
    """Return the quantile bin of each value, int [n] with -1 for NaN and infinity; equal values share a bin."""
    finite = np.isfinite(values)
    codes = np.full(len(values), -1, dtype=np.int64)
    if finite.any():
        edges = np.unique(np.quantile(values[finite], np.arange(1, bins) / bins))
        codes[finite] = np.searchsorted(edges, values[finite], side="left")
    return codes


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference of a share between two segments.

    Attributes:
        size: highest minus lowest share.
        high, low: positions of those segments.
        share_high, share_low: their shares.
        p_value: two-proportion z test of these two, times the number of pairs they were chosen from (at most 1).
        segments: how many segments were compared.
    """

    size: float
    high: int
    low: int
    share_high: float
    share_low: float
    p_value: float
    segments: int


def largest_gap(successes: Ints, sizes: Ints, smallest: int = 30) -> Gap | None:
    """Compare a share between segments: the two that differ most, and whether chance alone explains it.

    Args:
        successes: int [k], such as missing values of each segment.
        sizes: int [k], rows of each segment.
        smallest: segments with fewer rows are left out.

    Returns:
        None when fewer than two segments are large enough.

    Source: pooled two-proportion z test (Fleiss, Levin & Paik 2003, section 3.1) with Bonferroni's correction for the
    choice of the pair.
    """
    from scipy.special import ndtr

    usable = np.flatnonzero(sizes >= max(smallest, 1))
    if len(usable) < 2:
        return None
    shares = successes[usable] / sizes[usable]
    high, low = int(usable[np.argmax(shares)]), int(usable[np.argmin(shares)])
    n1, n0 = float(sizes[high]), float(sizes[low])
    share_high, share_low = float(successes[high] / n1), float(successes[low] / n0)
    pooled = (successes[high] + successes[low]) / (n1 + n0)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0)))
    pairs = len(usable) * (len(usable) - 1) / 2
    p = min(1.0, 2 * float(ndtr(-(share_high - share_low) / error)) * pairs) if error > 0 else 1.0
    return Gap(share_high - share_low, high, low, share_high, share_low, p, len(usable))
