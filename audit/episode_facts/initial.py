"""The observations that episodes start with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class InitialStates(Fact):
    """The first observation of each episode. Answer: `InitialStatesValues`."""


@dataclass(frozen=True, slots=True)
class InitialStatesValues:
    """What episodes start with.

    Attributes:
        ids: str[E].
        lengths: int64[E].
        usable: bool[E]: the episode has steps, its first step is numbered 0, and its first observation is finite.
        late: bool[E]: its first step is not numbered 0.
        distinct: how many different first observations the usable episodes have.
        repeated: bool[E]: another usable episode has exactly the same first observation.
        distance: float64[E]: the largest distance of an entry from the median of all starts, in robust standard
            deviations (of starts; at least a hundredth of that of all steps); 0 where not usable.
        farthest: int64[E]: the entry with that distance.
        names: of the entries.
        map_names: the two entries that vary most.
        map_values: float64[<= 500, 2], starts on them.
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    usable: NDArray[np.bool_]
    late: NDArray[np.bool_]
    distinct: int
    repeated: NDArray[np.bool_]
    distance: NDArray[np.float64]
    farthest: NDArray[np.int64]
    names: tuple[str, ...]
    map_names: tuple[str, ...]
    map_values: NDArray[np.float64]
