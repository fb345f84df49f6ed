"""How far two samples of a column lie apart, and how far chance alone would bring them apart.

Every distance is between a reference (n values) and the current data (m values). Shares always have every row in the
denominator: a missing value is a category, or a bin, of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.stats.robust import scale_of_sorted

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


# --- numbers into bins ------------------------------------------------------------------------------------------------


def reference_cuts(reference: Floats, bins: int = 10) -> Floats:
    """Return the cuts between bins that hold about equal shares of the reference: float64[<= bins - 1], increasing.

    The first bin starts at -infinity, the last ends at +infinity. Each cut lies half-way between two values that occur,
    at the place nearest to a quantile, so no value lies on a cut and mirrored data get mirrored bins. Several quantiles
    within one frequent value give one cut, and the bin keeps the whole mass of that value.

    Args:
        reference: values, float64[n]; NaN and infinities are ignored. Sorted input is quicker.
        bins: number of bins wanted: 10 for deciles.
    """
    finite = np.sort(reference[np.isfinite(reference)])
    n = len(finite)
    if n < 2 or bins < 2:
        return np.empty(0)
    ends = np.flatnonzero(finite[1:] > finite[:-1]) + 1  # rows up to and including each distinct value but the last
    if not ends.size:
        return np.empty(0)
    wanted = np.arange(1, bins) * n  # compared in whole numbers: (rows x bins) against (quantile x rows)
    place = np.clip(np.searchsorted(ends * bins, wanted), 1, max(len(ends) - 1, 1))
    above, below = np.minimum(place, len(ends) - 1), place - 1
    to_above, to_below = np.abs(ends[above] * bins - wanted), np.abs(ends[below] * bins - wanted)
    chosen = np.unique(np.concatenate([above[to_above <= to_below], below[to_below <= to_above]]))
    left, right = finite[ends[chosen] - 1], finite[ends[chosen]]
    cuts: Floats = left / 2 + right / 2
    return np.unique(np.where(cuts >= right, left, cuts))  # neighbouring floats have nothing between them


def bin_counts(values: Floats, cuts: Floats) -> Counts:
    """Return the rows in each bin, and last the missing ones: int64[len(cuts) + 2].

    Args:
        values: float64[n]; NaN is missing, -infinity lies in the first bin, +infinity in the last but one.
        cuts: increasing; a value equal to a cut lies below it.
    """
    missing = np.isnan(values)
    absent = int(np.count_nonzero(missing))
    present = values[~missing] if absent else values
    ordered = np.sort(present)
    up_to = np.searchsorted(ordered, cuts, side="right")
    edges = np.concatenate([[0], up_to, [len(ordered)]])
    return np.append(np.diff(edges), absent).astype(np.int64)


# --- distances of shares ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stability:
    """The population stability index, with what it is when nothing differs.

    Attributes:
        value: the index, in nats; 0 for equal shares.
        bins: B, the bins that hold any row.
        expected: (B - 1)(1/n + 1/m), its mean when both samples come from one distribution.
        p_value: chance of a value as large when both samples come from one distribution.
    """

    value: float
    bins: int
    expected: float
    p_value: float

    @property
    def excess(self) -> float:
        """How much of the value is more than chance gives on average; never negative."""
        return max(0.0, self.value - self.expected)


def stability(reference: ArrayLike, current: ArrayLike) -> Stability:
    """Return the population stability index, sum (q - p) ln(q / p), of two rows of counts over the same bins.

    An empty bin counts as half a row of its own sample: a floor that shrinks with n, so that a small new category is
    seen (a fixed floor of 0.01 hides one of 0.9%). Bins that are empty in both are left out.

    Args:
        reference: counts[B].
        current: counts[B].

    Raises:
        ValueError: the two differ in length, or one has no rows.

    Source: for the null distribution, (1/n + 1/m) chi^2 with B - 1 degrees of freedom, Yurdakul & Naranjo (2020),
    Statistical properties of the population stability index, Journal of Risk Model Validation 14(4).
    """
    from scipy.special import chdtrc

    a, b, n, m = _pair(reference, current)
    held = (a > 0) | (b > 0)
    a, b = a[held], b[held]
    p, q = np.maximum(a, 0.5) / n, np.maximum(b, 0.5) / m
    value = float(((q - p) * np.log(q / p)).sum())
    spread = 1 / n + 1 / m
    freedom = len(a) - 1
    p_value = float(chdtrc(freedom, value / spread)) if freedom > 0 else 1.0
    return Stability(value, len(a), freedom * spread, p_value)


def critical_stability(bins: int, n: int, m: int, alpha: float = 0.01) -> float:
    """Return the index that chance exceeds with probability `alpha`: (1/n + 1/m) chi^2_{B-1, 1-alpha}."""
    from scipy.special import chdtri

    return (1 / n + 1 / m) * float(chdtri(bins - 1, alpha)) if bins > 1 else 0.0


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the Jensen-Shannon distance (the root of the divergence, base 2) of two rows of counts: 0 to 1.

    Source: Endres & Schindelin (2003), A new metric for probability distributions, IEEE Trans. Inf. Theory 49:1858.
    """
    a, b, n, m = _pair(reference, current)
    p, q = a / n, b / m
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0.0) + np.where(q > 0, q * np.log2(q / middle), 0.0)
    return float(np.sqrt(min(1.0, max(0.0, float(terms.sum()) / 2))))


def _pair(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats, float, float]:
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the two must be counts over the same bins, got {a.shape} and {b.shape}")
    n, m = float(a.sum()), float(b.sum())
    if not (n > 0 and m > 0):
        raise ValueError("each of the two needs rows")
    return a, b, n, m


# --- distances of numbers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumericDistance:
    """How far two samples of finite numbers lie apart; NaN everywhere when one is empty.

    Attributes:
        ks: Kolmogorov-Smirnov's D, the largest difference of the distribution functions, 0 to 1.
        ks_p: its p-value by the asymptotic distribution (too large, so on the safe side, where values repeat).
        wasserstein: W1, the area between the distribution functions, in the column's unit.
        scale: the reference's robust standard deviation (IQR / 1.349, else the plain one).
        smd: standardised mean difference, current minus reference, over sqrt((s1^2 + s2^2) / 2); NaN without spread.
    """

    ks: float
    ks_p: float
    wasserstein: float
    scale: float
    smd: float

    @property
    def normalised_wasserstein(self) -> float:
        """W1 in robust standard deviations of the reference; NaN where the reference is constant."""
        return self.wasserstein / self.scale if self.scale > 0 else float("nan")


def numeric_distance(reference: Floats, current: Floats) -> NumericDistance:
    """Return the distances of two samples of finite numbers.

    Args:
        reference: float64[n], finite.
        current: float64[m], finite.

    Source: for the p-value, Kolmogorov's limit distribution at D sqrt(nm / (n + m)), Smirnov (1948), Annals of
    Mathematical Statistics 19:279-281; for W1, Ramdas, Garcia & Cuturi (2017), Entropy 19(2):47, eq. 10.
    """
    from scipy.special import kolmogorov

    n, m = len(reference), len(current)
    if n == 0 or m == 0:
        nan = float("nan")
        return NumericDistance(nan, nan, nan, nan, nan)
    a, b = np.sort(reference), np.sort(current)
    both = np.concatenate([a, b])
    order = np.argsort(both, kind="stable")  # two sorted runs: merged in one pass
    up_to_a = np.cumsum(order < n)
    apart = np.abs(up_to_a / n - (np.arange(1, n + m + 1) - up_to_a) / m)[:-1]
    step = np.diff(both[order])
    d = float(apart[step > 0].max(initial=0.0))  # within equal values the functions have not risen fully
    area = float((apart * step).sum())
    spread = (_variance(a) + _variance(b)) / 2
    smd = float((b.mean() - a.mean()) / spread**0.5) if spread > 0 else float("nan")
    return NumericDistance(d, float(kolmogorov(d * (n * m / (n + m)) ** 0.5)), area, scale_of_sorted(a), smd)


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


# --- categories -------------------------------------------------------------------------------------------------------


def top_and_rest(reference: ArrayLike, current: ArrayLike, top: int = 50) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return two rows of counts with all but the most frequent categories added up, and which ones were kept.

    The choice is by the counts of both together, which favours neither: had it been by the reference alone, its rare
    categories would be lost to the rest and the current data would seem full of new ones.

    Args:
        reference: counts[K].
        current: counts[K].
        top: most categories to keep.

    Returns:
        Two float64[min(K, top + 1)], the rest last; int64[<= top], the places of the kept, most frequent first.
    """
    a, b = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    order = np.argsort(-(a + b), kind="stable")
    kept, rest = order[:top], order[top:]
    if not rest.size:
        return a[kept], b[kept], kept
    return np.append(a[kept], a[rest].sum()), np.append(b[kept], b[rest].sum()), kept


@dataclass(frozen=True, slots=True)
class Novelty:
    """Rows of the current data whose category the reference does not hold.

    Attributes:
        share: of the current rows.
        expected: the share when both come from one distribution: rare categories are unseen by chance.
        p_value: chance of a share as large then (normal approximation, one-sided).
    """

    share: float
    expected: float
    p_value: float

    @property
    def excess(self) -> float:
        """How much of the share is more than chance gives; never negative."""
        return max(0.0, self.share - self.expected)


def novelty(reference: ArrayLike, current: ArrayLike) -> Novelty:
    """Return the share of current rows in categories that the reference lacks, and what chance gives.

    When nothing differs, all c rows of a category are current ones with probability (m / (n + m))^c nearly.

    Args:
        reference: counts[K]; without missing values.
        current: counts[K].
    """
    from scipy.special import ndtr

    a, b = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    n, m = float(a.sum()), float(b.sum())
    if n == 0 or m == 0:
        return Novelty(float("nan"), float("nan"), 1.0)
    unseen = float(b[a == 0].sum())
    together = a + b
    chance = (m / (n + m)) ** together
    expected = float((together * chance).sum())
    deviation = float((together**2 * chance * (1 - chance)).sum()) ** 0.5
    z = (unseen - expected - 0.5) / deviation if deviation > 0 else 0.0
    return Novelty(unseen / m, expected / m, float(ndtr(-z)) if deviation > 0 else 1.0)


def size_free_v(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the bias-corrected Cramer's V of a 2 x K table as if both samples had the same size: 0 to 1.

    Plain V shrinks when one sample is much larger: shares 50/50 against 80/20 give 0.31 for two samples of 1,000 and
    0.05 for 1,000 against 200,000. Here both rows are scaled to the harmonic mean of n and m, which keeps the chance
    part of V as it is; for n = m nothing changes. NaN where fewer than two categories hold a row.

    Source: Bergsma (2013), A bias-correction for Cramer's V and Tschuprow's T, J. Korean Stat. Soc. 42:323-328.
    """
    from audit.stats.association import cramers_v

    a, b, n, m = _pair(reference, current)
    size = 2 * n * m / (n + m)
    return cramers_v(np.stack([a / n * size, b / m * size]))
