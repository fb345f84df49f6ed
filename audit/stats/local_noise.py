"""How wrong a model is around a point: the residuals of its neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

NEIGHBOURS = 10
NEAR = 3.0
"""A neighbourhood counts where its radius is at most so many times a usual one."""
OUTSIDE = 5.0
"""The noise where there are no neighbours: a model that was never there goes astray by and by, a fault at once."""


def local_noise(known: Floats, scores: Floats, points: Floats, *, seed: int = 0) -> NDArray[np.float64]:
    """Return the median score of the nearest known points, at least 1; `OUTSIDE` where none are near.

    A model that is good on the whole is worse where the system is wild, and there a large residual is no surprise. Of
    ten neighbours up to four may themselves be faults.

    Args:
        known: float[m, q], inputs of the model, at least `NEIGHBOURS` + 1.
        scores: float[m], their residuals in multiples of the noise.
        points: float[n, q].
        seed: of the choice of points that a usual radius is measured on.

    Returns:
        float64[n].
    """
    from scipy.spatial import cKDTree

    centre, scale = known.mean(axis=0), known.std(axis=0)
    moving = scale > 0
    scale = np.where(moving, scale, 1.0)
    z = ((known - centre) / scale)[:, moving]
    q = np.clip((points - centre) / scale, -1e3, 1e3)[:, moving]
    tree = cKDTree(z)
    some = np.random.default_rng(seed).permutation(len(z))[:500]
    usual = float(np.median(np.asarray(tree.query(z[some], k=NEIGHBOURS + 1)[0])[:, -1]))
    distance, near = (np.asarray(found) for found in tree.query(q, k=NEIGHBOURS))
    level = np.median(np.asarray(scores)[near], axis=1)
    return np.where(distance[:, -1] <= NEAR * usual, np.maximum(level, 1.0), OUTSIDE)
