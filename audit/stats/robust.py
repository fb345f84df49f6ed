"""Centre, scale and outliers that a few wild values cannot move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NORMAL_MAD = 0.6744897501960817
"""The median absolute deviation of the standard normal distribution: its 75% quantile."""

NORMAL_IQR = 1.3489795003921634
"""The interquartile range of the standard normal distribution."""

NORMAL_MEAN_DEVIATION = 0.7978845608028654
"""The mean absolute deviation of the standard normal distribution: sqrt(2 / pi)."""


def median_mad(values: Floats) -> tuple[float, float]:
    """Return the median and the median absolute deviation from it (unscaled) of finite values; NaN for none."""
    if not len(values):
        return float("nan"), float("nan")
    median = float(np.median(values))
    return median, float(np.median(np.abs(values - median)))


def robust_z(values: Floats) -> Floats:
    """Return the modified z-score of each value, 0.6745 (x - median) / MAD.

    Where more than half of the values are equal, MAD is 0 and the mean absolute deviation takes its place (scaled so
    that the score of a normal distribution is the same); where all are equal, every score is 0.

    Args:
        values: finite values, float64[n].

    Returns:
        float64[n].

    Source: Iglewicz & Hoaglin (1993), How to Detect and Handle Outliers, p. 11; the case MAD = 0 as in IBM SPSS.
    """
    if not len(values):
        return np.empty(0)
    median, mad = median_mad(values)
    deviation = values - median
    if mad > 0:
        return np.asarray(NORMAL_MAD * deviation / mad, dtype=np.float64)
    mean_deviation = float(np.mean(np.abs(deviation)))
    if mean_deviation > 0:
        return np.asarray(NORMAL_MEAN_DEVIATION * deviation / mean_deviation, dtype=np.float64)
    return np.zeros(len(values))


def robust_scale(values: Floats) -> float:
    """Return a standard deviation that outliers do not move: IQR / 1.349, else the plain one, 0.0 for equal values.

    The plain standard deviation (n in the denominator) takes over where half of the values are equal.
    """
    if not len(values):
        return float("nan")
    return scale_of_sorted(np.sort(values))


def scale_of_sorted(ordered: Floats) -> float:
    """Return `robust_scale` of values that are sorted already (at least one)."""
    low, high = quantile_of_sorted(ordered, 0.25), quantile_of_sorted(ordered, 0.75)
    return (high - low) / NORMAL_IQR if high > low else float(np.std(ordered))


def quantile_of_sorted(ordered: Floats, probability: float) -> float:
    """Return a quantile of sorted values by linear interpolation (type 7, as numpy's default), without a search."""
    place = probability * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (high - low) * (place - below)


@dataclass(frozen=True, slots=True)
class Fences:
    """Values below `low` or above `high` are far outliers; an end without outliers is infinite.

    `inner_low` and `inner_high` are the ends of the other values: nothing lies between them and the fences.
    """

    low: float
    high: float
    inner_low: float
    inner_high: float


def fences(
    values: Floats, *, z: float = 10.0, gap: float = 5.0, most: float = 0.01, chance: float = 0.1
) -> Fences | None:
    """Return the fences beyond which values are far outliers, whatever the shape of the distribution.

    On each side, a value is a far outlier when all of these hold:

    - its distance from the median is more than `z` robust standard deviations (MAD / 0.6745);
    - it lies beyond where the tail itself leads: the quantiles at 80%, 90% and 95% give the tail's index xi by Pickands
      (1975), and the generalised Pareto tail with xi one standard error higher would exceed the fence in one of
      `1 / chance` datasets of this size. So a log-normal, exponential or Student tail is no outlier;
    - it and all beyond it are `gap` times as far from the median as the values that are not (and as the quantile at
      1 - `most`, so that at most this share of the values are outliers on each side). The largest of a Pareto tail
      with index 1/3 is 5 times as large as the second in 1 of 125 datasets.

    Args:
        values: finite values, float64[n].
        z: robust standard deviations.
        gap: how many times as far from the median as the next value.
        most: largest share of values that can be outliers on a side.
        chance: expected number of values of an undisturbed tail beyond a fence.

    Returns:
        None where both sides have fewer than 30 values beyond the median, or all but the share `most` are equal.

    Source: Iglewicz & Hoaglin (1993) for z; Pickands (1975), Statistical inference using extreme order statistics,
    Annals of Statistics 3:119-131, and Dekkers & de Haan (1989), Annals of Statistics 17:1795-1832, for the tail.
    """
    if len(values) < 60:
        return None
    ordered = np.sort(values)
    middle = quantile_of_sorted(ordered, 0.5)
    # numpy sorts several times as fast as it selects
    mad = quantile_of_sorted(np.sort(np.abs(ordered - middle)), 0.5)
    high = _upper_fence(ordered, z, gap, most, chance, middle=middle, mad=mad)
    low = _upper_fence(-ordered[::-1], z, gap, most, chance, middle=-middle, mad=mad)
    if high is None and low is None:
        return None
    infinite = float("inf")
    low_fence, low_inner = (-infinite, float(ordered[0])) if low is None else (-low[0], -low[1])
    high_fence, high_inner = (infinite, float(ordered[-1])) if high is None else high
    return Fences(low_fence, high_fence, low_inner, high_inner)


def _upper_fence(
    ordered: Floats, z: float, gap: float, most: float, chance: float, *, middle: float, mad: float
) -> tuple[float, float] | None:
    """Return the fence and the largest value below it; an infinite fence where there are no outliers.

    None where the side has fewer than 30 values beyond the median, or no spread, to judge by.
    """
    n = len(ordered)
    bulk = float(ordered[int((1 - most) * (n - 1))])
    reach = bulk - middle
    spread = n - int(np.searchsorted(ordered, middle, side="right"))
    if reach <= 0 or spread < 30:
        return None
    fence = max(middle + z * _deviation(ordered, middle, mad, bulk), _tail_fence(ordered, chance))
    inside = int(np.searchsorted(ordered, fence, side="right"))
    beyond = ordered[max(inside - 1, 0) :] - middle
    gaps = np.flatnonzero(beyond[1:] > gap * np.maximum(beyond[:-1], reach))
    if not gaps.size:
        return float("inf"), float(ordered[-1])
    inner = float(ordered[max(inside - 1, 0) + int(gaps[0])])
    return max(fence, inner), inner


def _deviation(ordered: Floats, middle: float, mad: float, bulk: float) -> float:
    if mad > 0:
        return mad / NORMAL_MAD
    within = ordered[ordered <= bulk]  # more than half are equal: the mean deviation, without possible outliers
    return float(np.mean(np.abs(within - middle))) / NORMAL_MEAN_DEVIATION


def _tail_fence(ordered: Floats, chance: float) -> float:
    """Return what a generalised Pareto tail, its index one standard error higher, exceeds `chance` times in n."""
    n = len(ordered)
    q80, q90, q95 = (quantile_of_sorted(ordered, probability) for probability in (0.80, 0.90, 0.95))
    first, second = q90 - q80, q95 - q90
    if first <= 0 or second <= 0:  # ties: the gap and the z-score decide
        return float("-inf")
    k = n * 0.05
    xi = float(np.log2(second / first))
    deviation = 1.81 / k**0.5  # sqrt(3) / (2 ln(2)^2): Pickands' standard deviation times sqrt(k), at xi = 0
    xi = min(max(xi + deviation, 0.0), 2.0)
    scale = first / np.log(2) if xi < 1e-9 else first * xi / (2**xi - 1)
    many = n * 0.2 / chance
    beyond = np.log(many) if xi < 1e-9 else (many**xi - 1) / xi
    return float(q80 + scale * beyond)
