"""How episodes end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact

ENDS = ("terminated", "truncated", "ended, not said how", "no end flag")
SUCCESS = ("success", "is_success", "next.success", "task_success")
"""Columns beside the canonical ones that say whether the task was done."""


@dataclass(frozen=True, slots=True)
class EpisodeOutcomes(Fact):
    """The end of each episode. Answer: `EpisodeOutcomesValues`."""


@dataclass(frozen=True, slots=True)
class EpisodeOutcomesValues:
    """How episodes end, by the flags of their last step.

    Attributes:
        ids: str[E].
        lengths: int64[E].
        ends: int64[E], the place in `ENDS`; a last step that is both terminated and truncated counts as terminated.
        flags: the end flags that the source has, of `terminated`, `truncated`, `ended`.
        success: bool[E]: the episode's success column is true at some step; None without such a column.
        success_name: that column.
        finals: int64: truncated episodes whose final observation is known.
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    ends: NDArray[np.int64]
    flags: tuple[str, ...]
    success: NDArray[np.bool_] | None
    success_name: str
    finals: int

    @property
    def filled(self) -> NDArray[np.bool_]:
        """bool[E]: the episode has steps."""
        return self.lengths > 0

    @property
    def terminated_share(self) -> float | None:
        """Share of the episodes that terminated; None when the source cannot say."""
        if "terminated" not in self.flags or not self.filled.any():
            return None
        return float((self.ends[self.filled] == 0).mean())
