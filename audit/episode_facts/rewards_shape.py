"""How rewards are spread over steps and episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class RewardShape(Fact):
    """Zeros, constants and signs of the rewards, over all steps. Answer: `RewardShapeValues`."""


@dataclass(frozen=True, slots=True)
class RewardShapeValues:
    """How rewards are spread; steps whose reward is not finite are left out.

    Attributes:
        ids: str[E].
        lengths: int64[E].
        steps: steps with a finite reward.
        zeros: int64[E], steps of each episode with a reward of exactly 0.
        finite: int64[E], steps of each episode with a finite reward.
        low, high: the smallest and the largest reward; NaN without any.
        mean: of the rewards.
        positive, negative: steps with such a reward.
        edges, counts: of a histogram of sampled rewards: float64[b + 1], int64[b].
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    steps: int
    zeros: NDArray[np.int64]
    finite: NDArray[np.int64]
    low: float
    high: float
    mean: float
    positive: int
    negative: int
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def constant(self) -> bool:
        """Whether every reward is the same."""
        return self.steps > 0 and self.low == self.high

    @property
    def sparsity(self) -> float:
        """Mean over the episodes of the share of steps with a reward of 0; NaN without any reward."""
        held = self.finite > 0
        return float((self.zeros[held] / self.finite[held]).mean()) if held.any() else float("nan")

    @property
    def rewarded(self) -> int:
        """Episodes with at least one reward other than 0."""
        return int((self.finite > self.zeros).sum())
