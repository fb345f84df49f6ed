"""How evenly rows are spread over classes, and how far two such spreads lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Balance:
    """The spread of rows over classes.

    Attributes:
        classes: K, the number of classes that have rows.
        total: rows in all of them.
        smallest, largest: rows of the smallest and of the largest class.
        ratio: largest / smallest (the imbalance ratio).
        entropy: H = -sum p ln p, in nats.
        evenness: H / ln K, from 0 to 1; 1 is perfectly balanced. A single class has no balance: 0.
        effective_classes: exp(H), the number of equally large classes with the same entropy (Hill number of order 1).
        inverse_simpson: 1 / sum p^2, the same of order 2: it listens to the large classes.

    Source: Hill (1973), Diversity and evenness, Ecology 54:427-432.
    """

    classes: int
    total: int
    smallest: int
    largest: int
    ratio: float
    entropy: float
    evenness: float
    effective_classes: float
    inverse_simpson: float


def entropy(counts: ArrayLike) -> float:
    """Return Shannon's entropy of counts (any shape, none negative), in nats; 0 for nothing."""
    n = np.asarray(counts, dtype=np.float64).ravel()
    n = n[n > 0]
    if n.size == 0:
        return 0.0
    p = n / n.sum()
    return max(0.0, float(-(p * np.log(p)).sum()))


def balance_of(counts: ArrayLike) -> Balance:
    """Return the spread of rows over classes; classes without rows do not count.

    Raises:
        ValueError: no class has rows, or a count is negative.
    """
    n = np.asarray(counts, dtype=np.float64).ravel()
    if bool(np.any(n < 0)):
        raise ValueError("counts must not be negative")
    n = n[n > 0]
    if n.size == 0:
        raise ValueError("no class has rows: balance needs at least one")
    p = n / n.sum()
    h = entropy(n)
    return Balance(
        classes=int(n.size),
        total=int(n.sum()),
        smallest=int(n.min()),
        largest=int(n.max()),
        ratio=float(n.max() / n.min()),
        entropy=h,
        evenness=min(1.0, h / float(np.log(n.size))) if n.size > 1 else 0.0,
        effective_classes=float(np.exp(h)),
        inverse_simpson=float(1.0 / (p * p).sum()),
    )


def class_weights(counts: ArrayLike) -> Floats:
    """Return n / (K n_k): the weights that give each class the same say (scikit-learn's `class_weight="balanced"`).

    Source: King and Zeng (2001), Logistic regression in rare events data, Political Analysis 9:137-163.
    """
    n = np.asarray(counts, dtype=np.float64)
    weights: Floats = n.sum() / (n.size * n)
    return weights


def is_rare(counts: ArrayLike, threshold: float = 0.1) -> NDArray[np.bool_]:
    """Return which classes hold less than `threshold` of an equal share: p_k < threshold / K (cleanlab's rule).

    cleanlab speaks of the rarest class only; this marks every class below the line.
    """
    n = np.asarray(counts, dtype=np.float64)
    rare: NDArray[np.bool_] = n < threshold * n.sum() / max(n.size, 1)
    return rare


def total_variation(a: ArrayLike, b: ArrayLike) -> float:
    """Return the total variation distance of two spreads: half the sum of the differences of shares, 0 to 1.

    It is the largest share of rows that would have to change class for the two to agree.

    Args:
        a: counts or weights of each class in one set [k].
        b: the same in the other [k].

    Raises:
        ValueError: the two differ in length, or one of them is empty or sums to 0.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"the two spreads must be over the same classes, got {x.shape} and {y.shape}")
    if not (x.sum() > 0 and y.sum() > 0):
        raise ValueError("each of the two spreads needs rows")
    return min(1.0, float(0.5 * np.abs(x / x.sum() - y / y.sum()).sum()))


def chance_variation(a: ArrayLike, b: ArrayLike) -> float:
    """Return the total variation distance that two samples of these sizes show on average when nothing differs.

    Each difference of shares is near normal with variance p(1-p)(1/n+1/m), and E|N(0, s^2)| = s sqrt(2/pi). With many
    classes or few rows this is large: a distance means something only beyond it.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    n, m = x.sum(), y.sum()
    p = (x + y) / (n + m)
    spread = np.sqrt(p * (1.0 - p) * (1.0 / n + 1.0 / m))
    return min(1.0, float(0.5 * np.sqrt(2.0 / np.pi) * spread.sum()))


@dataclass(frozen=True, slots=True)
class Homogeneity:
    """Pearson's chi-square test that the rows of a table share one spread over its columns."""

    statistic: float
    dof: int
    p_value: float


def homogeneity(table: ArrayLike, *, min_expected: float = 5.0) -> Homogeneity:
    """Return Pearson's chi-square test of homogeneity, without continuity correction.

    Columns in which some expected count is below `min_expected` are pooled into one first (smallest first, Cochran's
    rule), so that many rare classes do not fake a difference; 0 pools nothing. A table that has fewer than two rows or
    columns left has nothing to test: statistic 0, p-value 1.

    Args:
        table: counts [r, k]: r sets, k classes.
        min_expected: the smallest expected count that a column may hold.

    Source: Cochran (1954), Some methods for strengthening the common chi-square tests, Biometrics 10:417-451.
    """
    from scipy.special import chdtrc

    n = np.asarray(table, dtype=np.float64)
    n = n[n.sum(axis=1) > 0][:, n.sum(axis=0) > 0]
    if n.shape[0] > 1 and min_expected > 0:
        n = _pool_rare(n, min_expected)
    if min(n.shape) < 2:
        return Homogeneity(0.0, 0, 1.0)
    expected = np.outer(n.sum(axis=1), n.sum(axis=0)) / n.sum()
    statistic = float(((n - expected) ** 2 / expected).sum())
    dof = (n.shape[0] - 1) * (n.shape[1] - 1)
    return Homogeneity(statistic, dof, float(chdtrc(dof, statistic)))


def _pool_rare(n: Floats, min_expected: float) -> Floats:
    """Return the table with its small columns added up, until each column's smallest expected count is large enough."""
    smallest_share = float(n.sum(axis=1).min() / n.sum())
    order = np.argsort(n.sum(axis=0), kind="stable")
    n = n[:, order]
    enough = n.sum(axis=0) * smallest_share >= min_expected
    pooled = int(np.count_nonzero(~enough))
    if pooled == 0:
        return n
    # the pool itself must be large enough: take in the smallest of the good columns until it is
    while pooled < n.shape[1] and n[:, :pooled].sum() * smallest_share < min_expected:
        pooled += 1
    return np.column_stack([n[:, :pooled].sum(axis=1), n[:, pooled:]])
