"""What single entries of the observation do over time: constant, copied, frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class RedundantEntries(Fact):
    """Entries of the observation that say nothing of their own. Answer: `RedundantEntryValues`."""


@dataclass(frozen=True, slots=True)
class RedundantEntryValues:
    """Entries by their place in the observation.

    Attributes:
        constant: entries with one finite value in all steps.
        fixed: entries that change between episodes only, never inside one.
        copies: (entry, the earlier entry that it equals in all steps).
        rescaled: (entry, the earlier entry of which it is a linear function, up to rounding).
    """

    constant: tuple[int, ...]
    fixed: tuple[int, ...]
    copies: tuple[tuple[int, int], ...]
    rescaled: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FrozenSensors(Fact):
    """Runs of exactly equal values while the world moved on. Answer: `FrozenSensorValues`."""


@dataclass(frozen=True, slots=True)
class FrozenSensorValues:
    """Runs of equal consecutive values that end with a jump, where such runs are not the sensor's habit.

    Attributes:
        frozen: bool[N], a step whose observation repeats, in some entry, what an earlier step of the run measured; the
            first step of a run is true and not marked.
        by_entry: entry -> number of such steps; the whole observation is -1.
        runs: entry (or -1) -> number of runs.
        jump: entry (or -1) -> median change at the end of a run, as a multiple of a usual step's change.
        stuck: int64[...], places of episodes in which an entry never changes that changes in nearly all others.
        stuck_entry: int64[...], the entry, for each of these.
        habitual: entries that repeat their value so often, for short, that a frozen one cannot be told.
    """

    frozen: NDArray[np.bool_]
    by_entry: dict[int, int]
    runs: dict[int, int]
    jump: dict[int, float]
    stuck: NDArray[np.int64]
    stuck_entry: NDArray[np.int64]
    habitual: tuple[int, ...]
