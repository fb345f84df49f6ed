"""How far steps lie from those of another set: nearest neighbours in whitened space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.stats.robust import robust_scale

Floats = NDArray[np.float64]

FAR = 10.0
"""Standardised values are cut here: beyond it, far is far."""
TREE_UP_TO = 8
"""A k-d tree is quicker than looking at all pairs up to about this many entries."""


@dataclass(frozen=True, slots=True)
class Whitening:
    """A map into a space in which the steps have unit variance in every direction.

    Attributes:
        centre: median of each entry, float64[d].
        scale: its robust standard deviation; 1 where an entry does not vary.
        axes: float64[d, q], from standardised entries to components.
    """

    centre: Floats
    scale: Floats
    axes: Floats

    def __call__(self, values: Floats) -> Floats:
        """Return float64[n, q]."""
        return np.asarray(np.clip((values - self.centre) / self.scale, -FAR, FAR) @ self.axes, dtype=np.float64)


def whitening(values: Floats, *, share: float = 0.99, most: int = 20) -> Whitening:
    """Return the whitening of some steps: principal components of standardised entries, each of unit variance.

    Components that hold the last hundredth of the variance are left out: they are noise, and whitening would make them
    as large as the rest.

    Args:
        values: finite, float64[n, d].
        share: of the variance that the kept components hold.
        most: components.
    """
    centre = np.median(values, axis=0)
    scale = np.array([robust_scale(values[:, j]) for j in range(values.shape[1])])
    scale[~(scale > 0) | ~np.isfinite(scale)] = 1.0
    standard = np.clip((values - centre) / scale, -FAR, FAR)
    variances, vectors = np.linalg.eigh(np.atleast_2d(np.cov(standard, rowvar=False)))
    order = np.argsort(-variances, kind="stable")
    variances, vectors = np.maximum(variances[order], 0.0), vectors[:, order]
    total = float(variances.sum())
    if total <= 0:
        return Whitening(centre, scale, np.zeros((values.shape[1], 1)))
    kept = min(int(np.searchsorted(np.cumsum(variances), share * total)) + 1, most, int((variances > 0).sum()))
    return Whitening(centre, scale, vectors[:, :kept] / np.sqrt(variances[:kept]))


def neighbour_distances(points: Floats, queries: Floats, k: int) -> Floats:
    """Return the Euclidean distance of each query to its k-th nearest point: float64[m]; infinite with fewer points."""
    if len(points) < k:
        return np.full(len(queries), np.inf)
    if not len(queries):
        return np.empty(0)
    if points.shape[1] <= TREE_UP_TO:
        from scipy.spatial import cKDTree

        found = cKDTree(points).query(queries, k=[k])[0]
        return np.asarray(found, dtype=np.float64).reshape(-1)
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors(queries)[0]
    return np.asarray(found[:, k - 1], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Outside:
    """Queries that lie farther from a set than the set's own steps do.

    Attributes:
        share: of the queries; 1 - quantile when both come from one distribution.
        limit: the distance that counts as far, averaged over the halves.
        far: bool[m], beyond the limit of both halves.
    """

    share: float
    limit: float
    far: NDArray[np.bool_]


def outside(points: Floats, halves: NDArray[np.bool_], queries: Floats, k: int, quantile: float = 0.95) -> Outside:
    """Return which queries lie beyond the set's own distances.

    The own distances are those of one half of the episodes to the other, both ways: a step's neighbours in its own
    episode are near because they are next in time, and the queries have no such neighbours. The queries are measured
    against the same halves, so that the number of points is the same, too.

    Args:
        points: the set, float64[n, q].
        halves: bool[n], the half of each step's episode.
        queries: float64[m, q].
        k: the neighbour whose distance counts.
        quantile: of the own distances that is still near.
    """
    shares, limits = [], []
    far = np.ones(len(queries), dtype=bool)
    for half in (halves, ~halves):
        limit = float(np.quantile(neighbour_distances(points[half], points[~half], k), quantile))
        beyond = neighbour_distances(points[half], queries, k) > limit * (1 + 1e-9)
        shares.append(float(beyond.mean()))
        limits.append(limit)
        far &= beyond
    return Outside(float(np.mean(shares)), float(np.mean(limits)), far)
