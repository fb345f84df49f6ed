"""What a model of the dynamics, s' - s ~ f(s, a), says about steps, episodes and the alignment of actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact

EPISODE_KINDS: tuple[str, ...] = (
    "fine", "lagged", "scaled", "shuffled", "interleaved", "reversed", "unexplained",
)  # fmt: skip
"""What an episode's residuals say: the place in this tuple is the code in `DynamicsValues.episode_kind`."""

STEP_KINDS: tuple[str, ...] = ("fine", "observation", "transition")
"""What a step's residuals say: its observation fits neither neighbour, or only what follows it does not fit."""


@dataclass(frozen=True, slots=True)
class ActionLag(Fact):
    """How well the action of t - 1, t and t + 1 explains the change from t to t + 1. Answer: `ActionLagValues`."""


@dataclass(frozen=True, slots=True)
class ActionLagValues:
    """The lag test.

    Attributes:
        gain: lag (-1, 0, 1) -> share of the change left open by the state that the action explains, at most 1.
        lag: the lag at which actions fit the whole dataset; 0 unless another one explains far more.
        rows: steps that the test rests on.
        reason: why there is no answer; empty where there is one.
    """

    gain: Mapping[int, float]
    lag: int
    rows: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Dynamics(Fact):
    """Residuals of a model of the dynamics, cross-fitted, refitted without what fits worst. Answer: `DynamicsValues`.

    The model has the action at the lag that fits the whole dataset (`ActionLag`).
    """


@dataclass(frozen=True, slots=True)
class DynamicsValues:
    """What the model says; arrays over steps hold zeros where nothing is judged.

    Attributes:
        reason: why the dynamics are not judged; empty where they are.
        explained: float64[d], share of the change of each entry that the model explains; NaN where it never changes.
        used: bool[d], entries that it explains well enough to judge.
        fitted: steps that it was fitted on.
        judged: bool[N], steps whose change was judged.
        score: float32[N], largest residual of a used entry, in multiples of the noise.
        entry: int16[N], the entry with the largest residual.
        step_kind: int8[N], place in `STEP_KINDS`; 0 within episodes that are judged as a whole.
        episode_score: float64[E], mean of the scores, each at most 10.
        episode_share: float64[E], share of judged steps with a score above 10.
        usual_share: the median of that share.
        episode_kind: int8[E], place in `EPISODE_KINDS`.
        episode_lag: int8[E], the lag at which the actions of a lagged episode fit.
        details: place of an episode -> what was found out, in words.
        lag: the lag of the whole dataset.
    """

    reason: str
    explained: NDArray[np.float64]
    used: NDArray[np.bool_]
    fitted: int
    judged: NDArray[np.bool_]
    score: NDArray[np.float32]
    entry: NDArray[np.int16]
    step_kind: NDArray[np.int8]
    episode_score: NDArray[np.float64]
    episode_share: NDArray[np.float64]
    usual_share: float
    episode_kind: NDArray[np.int8]
    episode_lag: NDArray[np.int8]
    details: Mapping[int, str]
    lag: int = 0
