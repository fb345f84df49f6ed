"""How many observations weighted data are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weighing:
    """What weights leave of a sample.

    Attributes:
        effective: Kish's effective size, (sum w)^2 / sum w^2: n for equal weights, 1 when one has all.
        largest: the largest weight's share of the sum.
        n: number of weights.
    """

    effective: float
    largest: float
    n: int


def weighing(log_weights: Floats) -> Weighing:
    """Return what weights leave of a sample; computed from logarithms, so that no product overflows.

    Args:
        log_weights: ln w, float64[n]; -infinity is a weight of 0; NaN and +infinity are not allowed.

    Source: Kish (1965), Survey Sampling, section 11.2C; for ratios of policies Precup, Sutton & Singh (2000), ICML.
    """
    if not len(log_weights) or not np.isfinite(log_weights.max()):
        return Weighing(0.0, 0.0, len(log_weights))
    weights = np.exp(log_weights - log_weights.max())
    total = float(weights.sum())
    return Weighing(total**2 / float((weights**2).sum()), 1.0 / total, len(log_weights))


def ratio_log_weights(target: Floats, behaviour: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Return ln prod_t pi(a_t|s_t) / mu(a_t|s_t) of each episode: float64[E]; 0 for an episode without steps.

    Args:
        target: ln pi of each step, float64[N].
        behaviour: ln mu of each step, float64[N].
        offsets: episode e has the steps offsets[e] to offsets[e + 1].
    """
    filled = np.diff(offsets) > 0
    total = np.zeros(len(offsets) - 1)
    if filled.any():
        total[filled] = np.add.reduceat(target - behaviour, offsets[:-1][filled])
    return total


def effective_by_step(target: Floats, behaviour: Floats, offsets: NDArray[np.int64], steps: int) -> Floats:
    """Return the effective number of episodes if the ratios are multiplied up to step t: float64[steps].

    Only episodes that are longer than t count at t.
    """
    lengths = np.diff(offsets)
    total = np.zeros(len(lengths))
    curve = np.zeros(steps)
    for t in range(steps):
        alive = lengths > t
        rows = offsets[:-1][alive] + t
        total[alive] += target[rows] - behaviour[rows]
        curve[t] = weighing(total[alive]).effective
    return curve
