"""Which states and actions the steps cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact
from audit.findings import Basis

NONE = Basis(0, 0)


@dataclass(frozen=True, slots=True)
class CellCoverage(Fact):
    """Cells of the space of states and actions, counted exactly over all steps. Answer: `CellCoverageValues`."""


@dataclass(frozen=True, slots=True)
class CellCoverageValues:
    """How many cells the steps fall into; compared with the reference where there is one.

    Attributes:
        entries: entries of observation and continuous action that vary: the axes of the cells.
        constant: entries of the observation that hold one value only.
        bins: of each entry; 0 where there are more than four entries and no cells were counted.
        choices: discrete actions; 1 for continuous ones.
        used: int64[choices], steps of each discrete action; empty for continuous ones.
        cells: cells that hold a step.
        effective: exp(H), the number of equally full cells with the same entropy.
        entropy: H over ln(number of cells), 0 to 1.
        reference_cells: cells that hold a step of the reference; None without one.
        equal_rows: the number of steps at which both are compared.
        at_equal_rows: expected cells of `equal_rows` steps of the data.
        reference_at_equal_rows: the same of the reference.
        shared: share of the reference's cells that hold a step of the data.
        narrowest: the largest share, over the entries with declared bounds, of the declared range that the middle 99%
            of the steps span; None without declared bounds.
        map_names: the two entries of the map.
        map_edges: their edges, float64[2, 21].
        map_counts: int64[20, 20], sampled steps in each field of the map.
        basis: of the cells.
        map_basis: of the map.
    """

    entries: int
    constant: int
    bins: int
    choices: int
    used: NDArray[np.int64]
    cells: int
    effective: float
    entropy: float
    reference_cells: int | None
    equal_rows: int
    at_equal_rows: float
    reference_at_equal_rows: float
    shared: float
    narrowest: float | None
    map_names: tuple[str, ...]
    map_edges: NDArray[np.float64]
    map_counts: NDArray[np.int64]
    basis: Basis
    map_basis: Basis


@dataclass(frozen=True, slots=True)
class NeighbourCoverage(Fact):
    """Steps far from those of the reference, both ways. Answer: `NeighbourCoverageValues`.

    Args:
        rows: most steps taken of each set.
        neighbours: the neighbour whose distance counts.
    """

    rows: int = 5_000
    neighbours: int = 5


@dataclass(frozen=True, slots=True)
class NeighbourCoverageValues:
    """Distances between the data and the reference in whitened space, against each set's own.

    Attributes:
        reason: why nothing was measured; empty otherwise.
        uncovered: share of the reference's steps beyond the 95% quantile of the data's own distances.
        foreign: share of the data's steps beyond that of the reference's own distances.
        foreign_rows: places of data steps beyond it.
        rows: steps taken of the data.
        reference_rows: steps taken of the reference.
        components: dimensions of the whitened space.
        basis: of the data's steps.
    """

    reason: str
    uncovered: float = float("nan")
    foreign: float = float("nan")
    foreign_rows: tuple[int, ...] = ()
    rows: int = 0
    reference_rows: int = 0
    components: int = 0
    basis: Basis = NONE
