"""Which cells of the space of states and actions the steps of trajectories fall into."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats.density import quantiles

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_ENTRIES = 4
"""With more entries than this nearly every step has a cell of its own, and the number of cells says nothing."""
MOST_CELLS = 10_000
CHUNK = 500_000


def bins_of(entries: int) -> int:
    """Return the bins of each entry so that all of them together make at most 10,000 cells; at most 100.

    >>> [bins_of(entries) for entries in (1, 2, 3, 4)]
    [100, 100, 21, 10]
    """
    return min(100, int(MOST_CELLS ** (1 / max(entries, 1)) + 1e-9))


def robust_limits(values: Floats, tail: float = 0.005) -> tuple[Floats, Floats]:
    """Return the lowest and highest end of the bins of each entry: the middle 99%, wider by a twentieth on each side.

    With the extremes as ends, a single outlier would push all other steps into one bin.

    Args:
        values: finite, float64[n, d], n > 0.
        tail: share that is cut off at each end.

    Returns:
        float64[d] twice; an entry that does not vary in its middle gets its extremes.
    """
    low, high = np.empty(values.shape[1]), np.empty(values.shape[1])
    for j in range(values.shape[1]):
        ordered = np.sort(values[:, j])
        first, last = quantiles(ordered, (tail, 1 - tail)).tolist()
        if last <= first:
            first, last = float(ordered[0]), float(ordered[-1])
        margin = (last - first) / 20
        low[j], high[j] = first - margin, last + margin
    return low, high


def cell_counts(
    states: NDArray[np.floating[Any]],
    actions: NDArray[np.integer[Any]] | None,
    low: Floats,
    high: Floats,
    *,
    bins: int,
    choices: int = 1,
) -> Counts:
    """Return the steps in each cell: int64[bins ** d * choices]. Exact: no sketch and no hash.

    Steps outside the limits count for the outermost bin; steps that are not finite, or whose action is none of the
    choices, are left out.

    Args:
        states: [n, d], continuous entries.
        actions: int[n], choices 0 .. choices-1, or None.
        low: lower end of the bins of each entry, float64[d].
        high: upper end.
        bins: of each entry.
        choices: number of discrete actions.
    """
    total = np.zeros(bins ** len(low) * choices, dtype=np.int64)
    width = np.where(high > low, high - low, 1.0)
    for start in range(0, len(states), CHUNK):
        part = states[start : start + CHUNK]
        cell = np.zeros(len(part), dtype=np.int64)
        usable = np.ones(len(part), dtype=bool)
        for j in range(len(low)):
            with np.errstate(over="ignore", invalid="ignore"):
                place = (part[:, j].astype(np.float64) - low[j]) * (bins / width[j])
            usable &= np.isfinite(place)
            np.clip(place, 0, bins - 1, out=place)
            place[~np.isfinite(place)] = 0
            cell = cell * bins + place.astype(np.int64)
        if actions is not None:
            chosen = actions[start : start + CHUNK].astype(np.int64)
            usable &= (chosen >= 0) & (chosen < choices)
            cell = cell * choices + np.clip(chosen, 0, choices - 1)
        total += np.bincount(cell[usable], minlength=len(total))
    return total


def expected_cells(counts: Counts, rows: int) -> float:
    """Return how many cells `rows` of the steps, drawn without replacement, hit on average.

    E[S] = sum over cells of 1 - C(N - n_i, m) / C(N, m). It makes sets of unequal size comparable without a random
    draw; with m = N it is the number of cells.

    Args:
        counts: steps in each cell.
        rows: m, at most the sum of the counts.

    Source: Hurlbert (1971), The nonconcept of species diversity, Ecology 52:577-586, eq. 17 (rarefaction).
    """
    from scipy.special import gammaln

    held = counts[counts > 0].astype(np.float64)
    n = float(held.sum())
    m = min(float(rows), n)
    if m <= 0:
        return 0.0
    without = n - held
    possible = without >= m
    rest = without[possible]
    log_missed = gammaln(rest + 1) - gammaln(rest - m + 1) - gammaln(n + 1) + gammaln(n - m + 1)
    return float(len(held) - np.exp(log_missed).sum())
