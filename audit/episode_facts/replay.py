"""What the environment itself answers to the recorded actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class Replay(Fact):
    """Recorded steps, taken again in a registered Gymnasium environment. Answer: `ReplayValues`.

    The state is set from the observation where the environment is known to allow it; else episodes are replayed from
    their seed. Nothing of the data is run: it only gives numbers, and the environment is named by the user.
    """

    environment: str
    steps: int = 2_000


@dataclass(frozen=True, slots=True)
class ReplayValues:
    """What came back.

    Attributes:
        reason: why nothing could be replayed; empty where it could.
        how: "state" (each step by itself) or "seed" (whole episodes).
        rows: int64[n], the steps replayed.
        next_off: float64[n], largest difference of the next observation, as a share of the entry's spread.
        reward_off: float64[n], difference of the reward; NaN without rewards.
        terminated_off: bool[n], whether the flag differs; False where the source has none.
    """

    reason: str
    how: str
    rows: NDArray[np.int64]
    next_off: NDArray[np.float64]
    reward_off: NDArray[np.float64]
    terminated_off: NDArray[np.bool_]
