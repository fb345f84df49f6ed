"""How the actions were chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact
from audit.findings import Basis

NONE = Basis(0, 0)


@dataclass(frozen=True, slots=True)
class ActionRandomness(Fact):
    """How random actions are, given the observation: behaviour cloning, cross-fitted. Answer: `ActionRandomnessValues`.

    Args:
        rows: most steps that it is fitted on.
    """

    rows: int = 4_000


@dataclass(frozen=True, slots=True)
class ActionRandomnessValues:
    """How well actions can be told from observations, on episodes that the model has not seen.

    Attributes:
        reason: why nothing was estimated; empty otherwise.
        discrete: whether actions are choices.
        stochasticity: discrete: mean -ln p(action | observation) of held-out steps over ln(number of actions), at most
            1. Continuous: median over the entries of the standard deviation of held-out residuals over the action's
            range. Both are upper bounds: what the model cannot tell counts as random.
        randomness: the same on one scale for both: 0 for a function of the observation, 1 for uniform actions.
        entropy: discrete: normalised entropy of the model's probabilities; NaN for continuous actions.
        agreement: discrete: share of held-out actions that are the model's first choice; NaN for continuous ones.
        residual: continuous: of each entry, std of residuals over range; 0 where the entry never varies.
        explained: continuous: share of each entry's variance that the observation explains.
        names: of the entries of continuous actions.
        basis: steps that were used.
    """

    reason: str
    discrete: bool = False
    stochasticity: float = float("nan")
    randomness: float = float("nan")
    entropy: float = float("nan")
    agreement: float = float("nan")
    residual: tuple[float, ...] = ()
    explained: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    basis: Basis = NONE


@dataclass(frozen=True, slots=True)
class PolicyRecord(Fact):
    """What the data say of the behaviour policy: log-probabilities, weights, policies. Answer: `PolicyRecordValues`.

    Args:
        target: the name of a column beside the canonical ones (`infos`) with ln pi(a|s) of a policy to evaluate.
    """

    target: str = "target_log_prob"


@dataclass(frozen=True, slots=True)
class PolicyRecordValues:
    """What the data say of the behaviour policy; None where they say nothing.

    Attributes:
        log_probs: steps with a finite log-probability.
        impossible: bool[N]: NaN, +infinity, or above 0 for discrete actions (a probability above 1); None without.
        certain: share of steps with a log-probability of 0 within 1e-6, discrete actions.
        entropy: mean -ln mu over ln(number of actions), discrete actions.
        step_weights: Kish's effective number of steps by the sampling weights, and of how many steps.
        bad_weights: steps whose weight is negative or not finite.
        episode_effective: effective number of episodes by the ratios of target and behaviour, and of how many.
        largest_share: the largest of these weights over their sum.
        curve: float64[<= 200]: effective number of episodes if ratios are multiplied up to step t.
        policies: (policy, steps, episodes), most steps first.
        mixed_episodes: episodes with steps of several policies.
    """

    log_probs: int = 0
    impossible: NDArray[np.bool_] | None = None
    certain: float | None = None
    entropy: float | None = None
    step_weights: tuple[float, int] | None = None
    bad_weights: int = 0
    episode_effective: tuple[float, int] | None = None
    largest_share: float = 0.0
    curve: NDArray[np.float64] | None = None
    policies: tuple[tuple[str, int, int], ...] = ()
    mixed_episodes: int = 0
