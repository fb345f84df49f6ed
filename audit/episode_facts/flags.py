"""How episodes end, as the flags say it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class EpisodeEnds(Fact):
    """The end flags of each episode, on its last row and before. Answer: `EpisodeEndsValues`."""


@dataclass(frozen=True, slots=True)
class EpisodeEndsValues:
    """What the flags say, and what the last observations say about episodes that have none.

    Empty episodes count as flagged: there is no row to carry a flag.

    Attributes:
        ids: str[E], the episodes' ids.
        lengths: int64[E], steps of each episode.
        last_rows: int64[E], the place of its last row; -1 where it is empty.
        terminated: bool[E], the flag on its last row; None when the source cannot tell.
        truncated: bool[E], likewise.
        early_terminated: bool[N], `terminated` on a row that is not the last of its episode.
        early_truncated: bool[N], likewise.
        limit: the declared longest episode.
        open_likeness: float64[E], for episodes without a flag: how much the last observation is like those of other
            episodes that ended (0 to 1); NaN where it cannot be told.
        open_auc: how well last observations of ended and of unflagged episodes, shorter than the limit, can be told
            from others (0.5: not at all); None where it was not looked at, or there are too few.
        limit_auc: the same for episodes that are terminated in the step that is the limit (or the longest).
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    last_rows: NDArray[np.int64]
    terminated: NDArray[np.bool_] | None
    truncated: NDArray[np.bool_] | None
    early_terminated: NDArray[np.bool_]
    early_truncated: NDArray[np.bool_]
    limit: int | None
    open_likeness: NDArray[np.float64]
    open_auc: float | None
    limit_auc: float | None

    @property
    def unflagged(self) -> NDArray[np.bool_]:
        """bool[E]: no flag on the last row of a filled episode; only where the source has both flags."""
        if self.terminated is None or self.truncated is None:
            return np.zeros(len(self.lengths), dtype=bool)
        return np.asarray(~self.terminated & ~self.truncated & (self.lengths > 0))

    @property
    def horizon(self) -> int:
        """The declared limit, else the longest episode."""
        return self.limit if self.limit is not None else int(self.lengths.max(initial=0))
