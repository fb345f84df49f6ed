"""Histograms and densities that an outlier cannot flatten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID = 256
POINTS = 64


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts on equal bins; `below` and `above` values lie outside the bins."""

    edges: Floats
    counts: NDArray[np.int64]
    below: int
    above: int


def quantiles(ordered: Floats, probabilities: Sequence[float]) -> Floats:
    """Return quantiles by linear interpolation (type 7, numpy's default) of values in ascending order.

    Args:
        ordered: finite values, ascending, float64[n], n > 0.
        probabilities: between 0 and 1, [k].

    Returns:
        float64[k].
    """
    place = np.asarray(probabilities) * (len(ordered) - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    share = place - below
    return np.asarray(ordered[below] * (1 - share) + ordered[above] * share, dtype=np.float64)


def bin_edges(ordered: Floats, *, most: int = 40, whole: bool = False) -> Floats:
    """Return edges for a histogram of finite values.

    Bin width by Freedman and Diaconis (1981): 2 IQR / n^(1/3), between 5 and `most` bins. Where the full range is over
    five times the range of the middle 99%, the bins cover that middle only. Whole numbers of few values get a bin each.

    Args:
        ordered: finite values, ascending, float64[n].
        most: largest number of bins.
        whole: whether the values are whole numbers.

    Returns:
        float64[k + 1], increasing; two edges where all values are equal; empty without values.
    """
    if not len(ordered):
        return np.empty(0)
    low, q005, q25, q75, q995, high = quantiles(ordered, (0.0, 0.005, 0.25, 0.75, 0.995, 1.0)).tolist()
    if high - low > 5 * (q995 - q005) > 0:
        low, high = q005, q995
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    if not np.isfinite(high - low):  # wider than the numbers of a computer
        return np.array([low, low / 2, 0.0, high / 2, high])
    if whole and high - low < most:
        return np.asarray(np.arange(np.floor(low), np.ceil(high) + 2) - 0.5, dtype=np.float64)
    width = 2 * (q75 - q25) / len(ordered) ** (1 / 3)
    bins = int(np.clip(np.ceil((high - low) / width) if width > 0 else most, 5, most))
    if whole:
        step = np.ceil((high - low + 1) / bins)
        first = np.floor(low)
        return np.asarray(first - 0.5 + step * np.arange(np.ceil((high - first + 1) / step) + 1), dtype=np.float64)
    return np.linspace(low, high, bins + 1)


def histogram(ordered: Floats, edges: Floats) -> Histogram:
    """Return the counts of ascending finite values on given edges; the last bin holds its right edge."""
    if len(edges) < 2:
        return Histogram(edges, np.empty(0, dtype=np.int64), 0, 0)
    places = np.searchsorted(ordered, edges[:-1], side="left")
    last = np.searchsorted(ordered, edges[-1], side="right")
    counts = np.diff(np.append(places, last))
    return Histogram(edges, counts.astype(np.int64), int(places[0]), len(ordered) - int(last))


def density(ordered: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """Return a Gaussian kernel density estimate on 64 points between `low` and `high`.

    Bandwidth by Silverman (1986, eq. 3.31): 0.9 min(s, IQR / 1.34) n^(-1/5). The values are put on a grid of 256 cells
    first and convolved, so the cost does not grow with n; against the exact estimate the error is below 2% of the peak.

    Args:
        ordered: finite values, ascending, float64[n].
        low: left end.
        high: right end.

    Returns:
        Points and density, float64[64] each; empty where the spread is zero or overflows, or fewer than 10 values lie
        inside.
    """
    first, last = np.searchsorted(ordered, low, side="left"), np.searchsorted(ordered, high, side="right")
    inside = ordered[first:last]
    with np.errstate(over="ignore", invalid="ignore"):  # the square of 1e300 is infinite
        deviation = float(inside.std()) if len(inside) >= 10 and high > low else 0.0
    if deviation == 0 or not np.isfinite(deviation):
        return np.empty(0), np.empty(0)
    q25, q75 = quantiles(inside, (0.25, 0.75)).tolist()
    spread = min(deviation, (q75 - q25) / 1.34) if q75 > q25 else deviation
    bandwidth = max(0.9 * spread * len(inside) ** -0.2, (high - low) / GRID)
    edges = np.linspace(low, high, GRID + 1)
    counts = histogram(inside, edges).counts
    centers = (edges[1:] + edges[:-1]) / 2
    points = np.linspace(low, high, POINTS)
    kernel = np.exp(-0.5 * ((points[:, None] - centers[None, :]) / bandwidth) ** 2)
    return points, np.asarray(kernel @ counts / (len(inside) * bandwidth * np.sqrt(2 * np.pi)), dtype=np.float64)
