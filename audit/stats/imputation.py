"""One value in the place of many: measurements that were missing and were filled with a constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Filled:
    """How the steps that hold one constant fit to their neighbours.

    Attributes:
        steps: how many there are.
        far: share of those with a neighbour that leave the course of the values and come back to it.
    """

    steps: int
    far: float


def usual_change(before: Floats, after: Floats, quantile: float = 0.995) -> NDArray[np.float64]:
    """Return the change of each entry from one step to the next that few exceed, float64[d].

    Args:
        before: [n, d].
        after: [n, d], one step later.
        quantile: of the absolute changes.
    """
    change = np.abs(np.asarray(after, dtype=np.float64) - before)
    return np.asarray(np.quantile(change, quantile, axis=0)) if len(change) else np.zeros(before.shape[1])


def neighbours(hit: Flags, offsets: Places) -> tuple[Places, Places, Places]:
    """Return the places of the marked steps, and of the nearest unmarked steps of the episode before and after each.

    A neighbour is -1 where the episode has none.
    """
    places = np.flatnonzero(hit)
    rest = np.flatnonzero(~hit)
    slot = np.searchsorted(rest, places)
    padded = np.concatenate([[-1], rest, [-1]])
    before, after = padded[slot], padded[slot + 1]
    episode = np.searchsorted(offsets, places, side="right") - 1
    before = np.where(before >= offsets[episode], before, -1)
    after = np.where((after >= 0) & (after < offsets[episode + 1]), after, -1)
    return places, before, after


def fill_evidence(
    values: Floats, hit: Flags, offsets: Places, usual: NDArray[np.float64], times: float = 1.5
) -> Filled:
    """Return how far steps that hold one constant lie from the steps around them.

    A step is far when each neighbour that it has (the nearest steps that do not hold the constant) differs in some
    entry by more than `times` the usual change, for each step between the two. A value that a system takes by itself is
    reached and left by usual changes, at least on one side.

    Args:
        values: [N, d], all steps.
        hit: bool[N], the steps that hold the constant.
        offsets: int64[E + 1], where episodes start and end.
        usual: float64[d], from `usual_change`; entries of 0 do not count.
        times: usual changes.
    """
    places, before, after = neighbours(hit, offsets)
    judged = np.maximum(before, after) >= 0
    moving = usual > 0
    if not judged.any() or not moving.any():
        return Filled(len(places), 0.0)
    far = judged.copy()
    for other in (before, after):
        there = other >= 0
        gap = np.abs(other[there] - places[there])
        with np.errstate(invalid="ignore", over="ignore"):
            distance = np.abs(values[other[there]][:, moving].astype(np.float64) - values[places[there]][:, moving])
            far[there] &= np.max(distance / usual[moving], axis=1) > times * gap
    return Filled(len(places), float(far[judged].mean()))
