"""Runs of equal values in a sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


def equal_runs(equal: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Return where runs start, and how many equal pairs each has.

    Args:
        equal: bool[n - 1], whether value i equals value i + 1.

    Returns:
        int64[r] places of the first value of each run, int64[r] equal pairs (values - 1).

    >>> equal_runs(np.array([True, True, False, False, True]))
    (array([0, 4]), array([2, 1]))
    """
    edges = np.diff(np.concatenate([[False], equal, [False]]).astype(np.int8))
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts


def habitual_repeats(pairs: Places, sure: int, share: float = 0.25) -> bool:
    """Return whether values repeat as a habit: short runs are not rare beside the long ones.

    A sensor that measures a moving thing in floating point never repeats itself for one step; one that is frozen now
    and then has long runs only. A quantised or resting sensor has runs of all lengths.

    Args:
        pairs: equal pairs of each run.
        sure: pairs from which on a run is long.
        share: of short runs (one or two pairs) among all, above which repeating is a habit.
    """
    if not (pairs >= sure).any():
        return True
    return bool(np.mean(pairs <= 2) > share)
