"""How sure a number is: intervals of shares and of any statistic, and p-values corrected for many tests."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@overload
def wilson(successes: float, n: float, level: float = ...) -> tuple[float, float]: ...
@overload
def wilson(successes: ArrayLike, n: ArrayLike, level: float = ...) -> tuple[Floats, Floats]: ...
def wilson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[float, float] | tuple[Floats, Floats]:
    """Return the Wilson score interval of a share, without continuity correction.

    Args:
        successes: how many of `n`; a number or an array (the two broadcast).
        n: how many were looked at. For `n` = 0 nothing is known: the interval is (0, 1).
        level: the confidence level, between 0 and 1.

    Returns:
        The lower and upper ends, within 0..1: two floats for two numbers, two float64 arrays otherwise.

    Raises:
        ValueError: `level` is not between 0 and 1, or successes are not within 0..n.

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22:209-212.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    k, total = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if bool(np.any((k < 0) | (k > total))):
        raise ValueError("successes must lie between 0 and n")
    z = NormalDist().inv_cdf(0.5 + level / 2)  # scipy is slow to import
    safe = np.where(total > 0, total, 1.0)
    share = k / safe
    scale = 1.0 + z * z / safe
    middle = (share + z * z / (2 * safe)) / scale
    half = z / scale * np.sqrt(share * (1 - share) / safe + z * z / (4 * safe * safe))
    # the ends are exactly 0 and 1 at k = 0 and k = n; rounding must not move them
    low = np.where((total == 0) | (k == 0), 0.0, np.clip(middle - half, 0.0, 1.0))
    high = np.where((total == 0) | (k == total), 1.0, np.clip(middle + half, 0.0, 1.0))
    if low.ndim == 0:
        return float(low), float(high)
    return low, high


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return p-values adjusted for their number, so that a cut at q keeps the false discovery rate at most q.

    Args:
        p: p-values, any shape; NaN marks a test that was not made: it stays NaN and does not count.

    Returns:
        float64 of the shape of `p`: the smallest rate at which each test would be called a discovery.

    Raises:
        ValueError: a p-value lies outside 0..1.

    Source: Benjamini & Hochberg (1995), Controlling the false discovery rate, JRSS B 57:289-300.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    made = ~np.isnan(values)
    tests = values[made]
    if tests.size == 0:
        return adjusted
    if bool(np.any((tests < 0) | (tests > 1))):
        raise ValueError("p-values must lie between 0 and 1")
    order = np.argsort(tests, kind="stable")
    steps = tests[order] * tests.size / np.arange(1, tests.size + 1)
    steps = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    ranked = np.empty_like(steps)
    ranked[order] = steps
    adjusted[made] = ranked
    return adjusted


def bootstrap_interval(
    values: NDArray[np.generic],
    statistic: Callable[[NDArray[np.generic]], float],
    *,
    seed: int,
    repeats: int = 1_000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic.

    Args:
        values: the rows, shape [n] or [n, ...]; rows are drawn whole, so paired columns stay paired.
        statistic: a function of such an array; NaN results (a resample without one of the classes) are left out.
        seed: of the resampling.
        repeats: number of resamples.
        level: the confidence level, between 0 and 1.

    Returns:
        The lower and upper ends; (NaN, NaN) without rows or without a single usable resample.

    Raises:
        ValueError: `level` is not between 0 and 1.

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    n = len(values)
    if n == 0 or repeats < 1:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    drawn = np.array([statistic(values[random.integers(0, n, n)]) for _ in range(repeats)], dtype=np.float64)
    usable = drawn[~np.isnan(drawn)]
    if usable.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(usable, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
