"""Multicollinearity: how far each column is a linear combination of the others, and which ones make it so.

All of it is a function of the correlation matrix R, so that the definition is the same whatever the columns' units and
means: VIF_j = (R^-1)_jj. (Implementations that regress on raw columns need a constant added by hand, and give other
numbers without one.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.stats.association import standardise

Floats = NDArray[np.float64]

LARGEST_VIF = 1e9
"""What a column that others determine exactly gets: beyond it, rounding decides and not the data."""


@dataclass(frozen=True, slots=True)
class Moments:
    """A correlation matrix that can be inverted: positive semi-definite, of columns that are not constant.

    Attributes:
        r: float[p, p].
        rows: the rows that it rests on.
        complete: whether those are the complete rows; otherwise missing values were put at their column's mean.
    """

    r: Floats
    rows: int
    complete: bool


def correlation_for_inverse(X: Floats, rows_per_column: float = 5.0, fewest: int = 30) -> Moments:
    """Return a positive semi-definite correlation matrix of the columns of `X` float[n, p] (NaN or infinite: missing).

    Over the complete rows where they are enough (`rows_per_column` for each column, and at least `fewest`). Otherwise
    missing values are put at their column's mean: that keeps every row and pulls coefficients towards 0, so a VIF from
    it is a lower bound. Pairwise deletion is not used: its matrices need not be positive semi-definite, and the inverse
    of such a matrix has negative "variance inflation".
    """
    finite = np.isfinite(X)
    complete = finite.all(axis=1)
    count = int(complete.sum())
    everything = count == X.shape[0]
    listwise = everything or count >= max(fewest, rows_per_column * X.shape[1])
    Z, _, constant = standardise(X if everything or not listwise else X[complete])
    r = np.clip(Z.T @ Z, -1.0, 1.0)
    np.fill_diagonal(r, np.where(constant, 0.0, 1.0))
    return Moments(r, count if listwise else int(X.shape[0]), listwise)


def variance_inflation(r: Floats) -> Floats:
    """Return VIF_j = (R^-1)_jj = 1 / (1 - R_j^2) of each column, float[p], from a correlation matrix `r` float[p, p].

    From the eigenvalues: VIF_j = sum_k v_jk^2 / l_k. Where R is singular, the columns in its null space get
    `LARGEST_VIF` and the others what remains (a pseudo-inverse alone would give dependent columns a small, wrong
    number). Columns with a zero on the diagonal (constant) get NaN.
    """
    judged = np.diag(r) > 0
    vif = np.full(r.shape[0], np.nan)
    if judged.any():
        values, vectors = np.linalg.eigh(r[np.ix_(judged, judged)])
        null = values < 1e-10 * max(float(values[-1]), 1.0)
        shares = vectors**2
        found = (shares[:, ~null] / values[~null]).sum(axis=1)
        found[shares[:, null].sum(axis=1) > 1e-8] = LARGEST_VIF
        vif[judged] = np.minimum(found, LARGEST_VIF)
    return vif


def adjusted_variance_inflation(vif: Floats, n: int, p: int) -> Floats:
    """Return 1 / (1 - adjusted R^2) = VIF (n - p) / (n - 1), float[p]: what chance alone gives is taken out.

    With n rows and p columns of pure noise VIF is (n - 1) / (n - p) on average: 6 at n = 60, p = 50. A column that is
    determined exactly stays at `LARGEST_VIF`. NaN where n <= p.
    """
    if n <= p:
        return np.full_like(vif, np.nan)
    return np.where(vif >= LARGEST_VIF, vif, np.maximum(1.0, vif * (n - p) / (n - 1)))


def condition_indices(r: Floats) -> Floats:
    """Return sqrt(largest eigenvalue / eigenvalue) of a correlation matrix, ascending, float[p]; infinite if singular.

    The largest is the condition number (Belsley, Kuh & Welsch 1980, ch. 3, for centred and scaled columns: uncentred
    ones, as in the book, also flag every column whose mean is large against its spread, such as a year).
    """
    if r.size == 0:
        return np.zeros(0)
    values = np.maximum(np.linalg.eigvalsh(r)[::-1], 0.0)
    with np.errstate(divide="ignore"):
        return np.where(values > 1e-12 * values[0], np.sqrt(values[0] / values), np.inf)


def partial_correlations(r: Floats, ridge: float = 1e-8) -> Floats:
    """Return the correlation of each pair of columns given all others, float[p, p], from a correlation matrix.

    -P_ij / sqrt(P_ii P_jj) with P = (R + ridge I)^-1. The ridge keeps P finite for exact dependencies, where it tends
    to the projection on the null space: columns of one dependency stay tied together, those of two are not.
    """
    precision = np.linalg.inv(r + ridge * np.eye(r.shape[0]))
    scale = np.sqrt(np.diag(precision))
    partial = -precision / scale[:, None] / scale
    np.fill_diagonal(partial, 1.0)
    return np.asarray(np.clip(partial, -1.0, 1.0))


def connected(links: NDArray[np.bool_]) -> list[list[int]]:
    """Return the groups of two or more indices that links bool[p, p] join, each ascending, by first member."""
    linked = links | links.T
    np.fill_diagonal(linked, False)
    seen = np.zeros(linked.shape[0], dtype=bool)
    groups = []
    for start in np.flatnonzero(linked.any(axis=1)):
        if seen[start]:
            continue
        members = np.zeros_like(seen)
        members[start] = True
        frontier = members
        while frontier.any():
            frontier = linked[frontier].any(axis=0) & ~members
            members = members | frontier
        seen |= members
        groups.append([int(i) for i in np.flatnonzero(members)])
    return groups
