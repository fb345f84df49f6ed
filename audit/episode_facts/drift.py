"""How the steps differ from those of the reference."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact
from audit.findings import Basis

NONE = Basis(0, 0)


@dataclass(frozen=True, slots=True)
class EntryDrift(Fact):
    """Each entry of observation, action and reward against the reference. Answer: `EntryDriftValues`.

    Args:
        rows: most steps taken of each set.
        initial: only the first observation of each episode.
    """

    rows: int = 20_000
    initial: bool = False


@dataclass(frozen=True, slots=True)
class DriftOfEntry:
    """One entry against the reference.

    Attributes:
        name: of the entry.
        psi: population stability index over tenths of the reference, or over the discrete actions.
        psi_by_chance: its mean when whole episodes change sides.
        p_value: chance of such a psi then.
        distance: Kolmogorov-Smirnov's D, or the total variation distance of discrete actions; 0 to 1.
        medians: of the reference and of the data; shares of the most changed action for discrete actions.
        action: the most changed action; None for numbers.
        edges, counts, reference: of a picture of both: float64[b + 1] (for discrete actions their numbers, float64[b]),
            and int64[b] twice.
    """

    name: str
    psi: float
    psi_by_chance: float
    p_value: float
    distance: float
    medians: tuple[float, float]
    action: int | None
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    reference: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EntryDriftValues:
    """How the entries differ.

    Attributes:
        reason: why nothing was measured; empty otherwise.
        different_shape: whether that is because the two do not have the same entries.
        entries: one each.
        episodes: of the reference and of the data that were used.
        basis: of the data.
    """

    reason: str
    different_shape: bool = False
    entries: tuple[DriftOfEntry, ...] = ()
    episodes: tuple[int, int] = (0, 0)
    basis: Basis = NONE


@dataclass(frozen=True, slots=True)
class TransitionSeparation(Fact):
    """Whether a model tells transitions from those of the reference. Answer: `TransitionSeparationValues`.

    Args:
        rows: most steps taken of each set.
    """

    rows: int = 2_500


@dataclass(frozen=True, slots=True)
class TransitionSeparationValues:
    """How well a model told the two apart on episodes that it had not seen.

    Attributes:
        reason: why nothing was measured; empty otherwise.
        auc, low, high: with a 95% interval that counts episodes, not steps.
        drivers: (entry, fall of the AUC when it is shuffled), largest first.
        rows: steps of the reference and of the data.
        basis: of the data.
    """

    reason: str
    auc: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    drivers: tuple[tuple[str, float], ...] = field(default=())
    rows: tuple[int, int] = (0, 0)
    basis: Basis = NONE
