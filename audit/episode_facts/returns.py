"""What episodes return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class EpisodeReturns(Fact):
    """The undiscounted return of each episode. Answer: `EpisodeReturnsValues`."""


@dataclass(frozen=True, slots=True)
class EpisodeReturnsValues:
    """What episodes return.

    Attributes:
        ids: str[E].
        lengths: int64[E].
        returns: float64[E]; NaN where the episode has no steps or a reward that is not finite; None without rewards.
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    returns: NDArray[np.float64] | None

    @property
    def finite(self) -> NDArray[np.float64]:
        """The returns that are numbers; empty without rewards."""
        return np.empty(0) if self.returns is None else self.returns[np.isfinite(self.returns)]
