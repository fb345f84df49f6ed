"""What the source declares, against its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class DeclaredMetadata(Fact):
    """Counts, lengths, limits, indices and spaces that the source declares, against its rows.

    Answer: `DeclaredMetadataValues`.
    """


@dataclass(frozen=True, slots=True)
class Claim:
    """One declared thing and what the rows say.

    Attributes:
        subject: such as `total_steps`, `lengths`, `step_limit`, `action_space`.
        kind: "count", "lengths", "limit", "index", "splits" or "space".
        declared: in words or as a number.
        found: likewise.
        wrong: how many episodes, steps or units are off; 0 when all agrees.
        of: out of how many.
        unit: of `wrong` and `of`: "episode" or "step".
        episodes: ids of those that are off, as many as 1,000.
        rows: bool[N], the steps that are off; None where it is not about steps.
    """

    subject: str
    kind: str
    declared: str
    found: str
    wrong: int
    of: int
    unit: str
    episodes: tuple[str, ...] = ()
    rows: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class DeclaredMetadataValues:
    """What was compared, and what could not be read.

    Attributes:
        claims: all that was declared and could be compared.
        problems: parts that could not be read: (where, what is wrong).
        rows: number of steps.
    """

    claims: tuple[Claim, ...]
    problems: tuple[tuple[str, str], ...]
    rows: int
