"""Which actions are taken, how often at their bounds, and how often nothing is done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact
from audit.findings import Basis


@dataclass(frozen=True, slots=True)
class ActionChoices(Fact):
    """Steps of each discrete action, over all steps. Answer: `ActionChoicesValues`."""


@dataclass(frozen=True, slots=True)
class ActionChoicesValues:
    """How discrete actions are spread.

    Attributes:
        counts: int64[A].
        episodes: int64[A], episodes in which the action occurs.
        outside: steps whose action is none of 0 .. A-1.
        repeats: share of steps whose action is that of the step before.
    """

    counts: NDArray[np.int64]
    episodes: NDArray[np.int64]
    outside: int
    repeats: float


@dataclass(frozen=True, slots=True)
class ActionVectors(Fact):
    """Bounds and standstill of continuous actions, over all steps. Answer: `ActionVectorsValues`.

    Args:
        tolerance: share of an entry's range within which two actions are the same.
    """

    tolerance: float = 1e-4


@dataclass(frozen=True, slots=True)
class ActionVectorsValues:
    """How continuous actions are spread.

    Attributes:
        ids: str[E].
        lengths: int64[E].
        names: of the k entries.
        low, high: float64[k], declared bounds, else the extremes that occur.
        declared: whether the bounds are declared.
        at_low, at_high: int64[k], steps at a bound.
        outside: int64[k], steps beyond a declared bound.
        constant: bool[k], entries that never vary.
        finite: steps with finite actions.
        idle: bool[N], steps on which nothing is done: all entries are 0, or all are as on the step before.
        leading: int64[E], idle steps at the start of each episode.
        trailing: int64[E], idle steps at its end; 0 where every step is idle.
        edges: of the entries' histograms, float64[b + 1] in ranges of the entry (0 is `low`, 1 is `high`).
        counts: int64[k, b], sampled steps.
        basis: of the histograms.
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    names: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    declared: bool
    at_low: NDArray[np.int64]
    at_high: NDArray[np.int64]
    outside: NDArray[np.int64]
    constant: NDArray[np.bool_]
    finite: int
    idle: NDArray[np.bool_]
    leading: NDArray[np.int64]
    trailing: NDArray[np.int64]
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    basis: Basis
