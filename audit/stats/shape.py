"""The shape of a numeric target: tails, piles on single values, several humps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.stats.density import density, quantiles

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pile:
    """One value that many rows share: the value, its share of all rows, and the share of the runner-up."""

    value: float
    share: float
    next_share: float


def tail_share(values: Floats, tail: float = 0.01) -> float:
    """Return the share of the sum of squared deviations from the mean that the `tail` of rows farthest out carries.

    It says what a squared-error loss looks at: 0.085 for a normal distribution at 1%, 0.22 for an exponential one.
    0 for fewer than 100 values or for a constant.
    """
    if values.size < 100:
        return 0.0
    squares = (values - values.mean()) ** 2
    total = float(squares.sum())
    if total <= 0.0:
        return 0.0
    k = max(1, int(tail * squares.size))
    return float(np.partition(squares, squares.size - k)[-k:].sum() / total)


def piles(values: Floats, *, least: float = 0.02, times: float = 5.0) -> tuple[Pile, ...]:
    """Return the values that stand out of the others: at least `least` of the rows and `times` the next lesser one.

    Values are compared from the most frequent on; the first that does not stand out ends the list, so a target with a
    few round values has none. At most five are returned, most frequent first; a target with fewer than twelve
    distinct values is a scale, and its steps are no piles.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if distinct.size < 12:
        return ()
    order = np.argsort(-counts, kind="stable")[:6]
    shares = counts[order] / values.size
    found: list[Pile] = []
    last = 0
    for i in range(min(5, len(order))):
        following = float(shares[i + 1]) if i + 1 < len(order) else 0.0
        if shares[i] < least:
            break
        if shares[i] >= times * following:
            last = i + 1
    for i in range(last):
        following = float(shares[last]) if last < len(order) else 0.0
        found.append(Pile(float(distinct[order[i]]), float(shares[i]), following))
    return tuple(found)


def humps(values: Floats, least: float = 0.2) -> int:
    """Return how many humps the density of the values has, over their middle 99%; 0 where they have no spread.

    A hump is a peak that rises by `least` of the highest peak above the valleys beside it: ripples do not count.
    """
    if values.size == 0:
        return 0
    ordered = np.sort(values)
    low, high = (float(q) for q in quantiles(ordered, (0.005, 0.995)))
    _, heights = density(ordered, low, high)
    return _peaks(heights, least) if heights.size else 0


def _peaks(heights: Floats, least: float) -> int:
    need = least * float(heights.max())
    count, valley, peak = 0, 0.0, 0.0
    rising = True
    for height in heights.tolist():
        if rising:
            peak = max(peak, height)
            if peak - valley >= need and peak - height >= need:
                count, valley, rising = count + 1, height, False
        else:
            valley = min(valley, height)
            if height - valley >= need:
                peak, rising = height, True
    if rising and peak - valley >= need:
        count += 1
    return count
