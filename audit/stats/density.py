"""Histograms and densities that an outlier cannot flatten."""

from __future__ import annotations

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


def bin_edges(values: Floats, *, most: int = 40, whole: bool = False) -> Floats:
    """Return edges for a histogram of finite values.

    Bin width by Freedman and Diaconis (1981): 2 IQR / n^(1/3), between 5 and `most` bins. Where the full range is over
    five times the range of the middle 99%, the bins cover that middle only. Whole numbers of few values get a bin each.

    Args:
        values: finite values, float64[n].
        most: largest number of bins.
        whole: whether the values are whole numbers.

    Returns:
        float64[k + 1], increasing; two edges where all values are equal; empty without values.
    """
    if not len(values):
        return np.empty(0)
    low, q005, q25, q75, q995, high = np.quantile(values, [0.0, 0.005, 0.25, 0.75, 0.995, 1.0])
    if high - low > 5 * (q995 - q005) > 0:
        low, high = q005, q995
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    if whole and high - low < most:
        return np.asarray(np.arange(np.floor(low), np.ceil(high) + 2) - 0.5, dtype=np.float64)
    width = 2 * (q75 - q25) / len(values) ** (1 / 3)
    bins = int(np.clip(np.ceil((high - low) / width) if width > 0 else most, 5, most))
    if whole:
        step = np.ceil((high - low + 1) / bins)
        first = np.floor(low)
        return first - 0.5 + step * np.arange(np.ceil((high - first + 1) / step) + 1)
    return np.linspace(low, high, bins + 1)


def histogram(values: Floats, edges: Floats) -> Histogram:
    """Return the counts of finite values on given edges; the last bin holds its right edge."""
    if len(edges) < 2:
        return Histogram(edges, np.empty(0, dtype=np.int64), 0, 0)
    counts, _ = np.histogram(values, bins=edges)
    below, above = int((values < edges[0]).sum()), int((values > edges[-1]).sum())
    return Histogram(edges, counts.astype(np.int64), below, above)


def density(values: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """Return a Gaussian kernel density estimate on 64 points between `low` and `high`.

    Bandwidth by Silverman (1986, eq. 3.31): 0.9 min(s, IQR / 1.34) n^(-1/5). The values are put on a grid of 256 cells
    first (linear binning is not needed at this resolution) and convolved, so the cost does not grow with n.

    Returns:
        Points and density, float64[64] each; empty where the spread is zero or fewer than 10 values lie inside.
    """
    inside = values[(values >= low) & (values <= high)]
    if len(inside) < 10 or high <= low:
        return np.empty(0), np.empty(0)
    q25, q75 = np.quantile(inside, [0.25, 0.75])
    spread = (
        min(s for s in (float(inside.std()), float(q75 - q25) / 1.34, high - low) if s > 0) if inside.std() else 0.0
    )
    bandwidth = 0.9 * spread * len(inside) ** -0.2
    if bandwidth <= 0:
        return np.empty(0), np.empty(0)
    counts, edges = np.histogram(inside, bins=GRID, range=(low, high))
    centers = (edges[1:] + edges[:-1]) / 2
    points = np.linspace(low, high, POINTS)
    bandwidth = max(bandwidth, (high - low) / GRID)
    kernel = np.exp(-0.5 * ((points[:, None] - centers[None, :]) / bandwidth) ** 2)
    return points, kernel @ counts / (len(inside) * bandwidth * np.sqrt(2 * np.pi))
