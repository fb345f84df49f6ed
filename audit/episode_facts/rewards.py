"""What a model of the reward, r ~ g(s, a, s'), says about steps, episodes and the alignment of rewards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact

REWARD_KINDS: tuple[str, ...] = ("fine", "lagged", "sign", "scaled", "unexplained")
"""What an episode's rewards say: the place in this tuple is the code in `RewardModelValues.episode_kind`."""


@dataclass(frozen=True, slots=True)
class RewardLag(Fact):
    """How well the rewards of t - 1, t and t + 1 are explained by step t. Answer: `RewardLagValues`."""


@dataclass(frozen=True, slots=True)
class RewardLagValues:
    """The lag test of rewards.

    Attributes:
        open: lag (-1, 0, 1) -> share of the reward's variance that step t does not explain of the reward at t + lag.
        lag: the lag at which rewards fit the whole dataset; 0 unless another one leaves far less open.
        agree: share of the episodes tested in which that lag leaves less open than lag 0.
        rows: steps that the test rests on.
        reason: why there is no answer; empty where there is one.
    """

    open: Mapping[int, float]
    lag: int
    agree: float
    rows: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RewardModel(Fact):
    """Residuals of a model of the reward, cross-fitted, refitted without what fits worst. Answer: `RewardModelValues`.

    Episodes and steps whose observations the dynamics do not explain (`Dynamics`) are not judged here, too.
    """


@dataclass(frozen=True, slots=True)
class RewardModelValues:
    """What the model says; arrays over steps hold zeros where nothing is judged.

    Attributes:
        reason: why rewards are not judged; empty where they are.
        usual: the one value that most rewards have; None where they vary.
        explained: share of the variance explained in episodes not fitted on (1 where most rewards are one value).
        judged: bool[N].
        score: float32[N], residual in multiples of the noise.
        outlying: bool[N], steps with a reward that is far from what their state and action lead to, outside episodes
            that are judged as a whole, and not explained by where they are.
        episode_kind: int8[E], place in `REWARD_KINDS`.
        episode_lag: int8[E], the lag at which the rewards of a lagged episode fit.
        episode_score: float64[E].
        details: place of an episode -> what was found out, in words.
    """

    reason: str
    usual: float | None
    explained: float
    judged: NDArray[np.bool_]
    score: NDArray[np.float32]
    outlying: NDArray[np.bool_]
    episode_kind: NDArray[np.int8]
    episode_lag: NDArray[np.int8]
    episode_score: NDArray[np.float64]
    details: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class RewardConflicts(Fact):
    """Steps with equal state, action and next state but different rewards. Answer: `RewardConflictValues`."""


@dataclass(frozen=True, slots=True)
class RewardConflictValues:
    """Steps that are equal but for their rewards.

    Attributes:
        repeated: different (s, a, s') that occur more than once.
        rows: their steps.
        conflicts: those of them that have more than one reward.
        conflicting: bool[N], the steps of these.
    """

    repeated: int
    rows: int
    conflicts: int
    conflicting: NDArray[np.bool_]
