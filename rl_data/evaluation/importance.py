"""Importance sampling: what the logged episodes would have returned under another policy.

All functions take rows flat over episodes with `offsets`, int64[E + 1], and `ratios`, float[N]: rho_t = pi(a_t | s_t) /
mu(a_t | s_t). The weight of an episode is the product of its ratios, so its spread grows with the episode's length:
look at the effective sample size before the value.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def cumulative_ratios(ratios: Floats, offsets: Rows) -> Floats:
    """Return rho_0 .. rho_t within each episode, float64[N]."""
    out = np.empty(len(ratios))
    for first, last in pairwise(offsets):
        np.cumprod(ratios[first:last], out=out[first:last])
    return out


def episode_weights(ratios: Floats, offsets: Rows, horizon: int | None = None) -> Floats:
    """Return the product of each episode's ratios, float64[E]; of its first `horizon` ones where that is given."""
    ends = offsets[1:] if horizon is None else np.minimum(offsets[1:], offsets[:-1] + horizon)
    return np.array([ratios[first:last].prod() for first, last in zip(offsets[:-1], ends, strict=True)])


def effective_sample_size(weights: Floats) -> float:
    """Return (sum w)^2 / sum w^2, the number of equally weighted episodes that is worth as much (Kong 1992).

    0 when all weights are 0.
    """
    total = float(weights.sum())
    largest = float(weights.max(initial=0.0))
    if total <= 0.0 or not np.isfinite(largest):
        return 0.0
    scaled = weights / largest
    return float(scaled.sum() ** 2 / (scaled**2).sum())


def discounts(offsets: Rows, gamma: float) -> Floats:
    """Return gamma^t, t counted from the start of each episode, float64[N]."""
    step = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
    return np.asarray(gamma ** step.astype(np.float64))


def episode_sums(values: Floats, offsets: Rows) -> Floats:
    """Return the sum over each episode, float64[E]; 0 for an episode without rows."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[offsets[1:]] - total[offsets[:-1]])


def trajectory_wise(rewards: Floats, ratios: Floats, offsets: Rows, *, gamma: float) -> Floats:
    """Return w_i G_i, float64[E]; their mean is ordinary importance sampling (Precup et al. 2000, eq. 3)."""
    return episode_weights(ratios, offsets) * episode_sums(rewards * discounts(offsets, gamma), offsets)


def weighted(rewards: Floats, ratios: Floats, offsets: Rows, *, gamma: float) -> float:
    """Return WIS, sum w_i G_i / sum w_i: biased, consistent, and bounded by the returns (Precup et al. 2000, eq. 4).

    NaN when every weight is zero.
    """
    return weighted_mean(episode_weights(ratios, offsets), episode_sums(rewards * discounts(offsets, gamma), offsets))


def weighted_mean(weights: Floats, values: Floats) -> float:
    """Return sum w v / sum w, scaled so that large weights do not overflow; NaN when every weight is zero."""
    largest = weights.max(initial=0.0)
    if not largest > 0.0 or not np.isfinite(largest):
        return float("nan")
    scaled = weights / largest
    return float((scaled * values).sum() / scaled.sum())


def per_decision(rewards: Floats, ratios: Floats, offsets: Rows, *, gamma: float) -> Floats:
    """Return sum_t gamma^t (rho_0 .. rho_t) r_t, float64[E]; their mean is PDIS (Precup et al. 2000, eq. 5)."""
    return episode_sums(discounts(offsets, gamma) * cumulative_ratios(ratios, offsets) * rewards, offsets)


def doubly_robust(
    rewards: Floats, ratios: Floats, values: Floats, q_values: Floats, offsets: Rows, *, gamma: float
) -> Floats:
    """Return V_DR of each episode's start, float64[E] (Jiang and Li, arXiv 1511.03722, eq. 10).

        V_DR(t) = V(s_t) + rho_t (r_t + gamma V_DR(t + 1) - Q(s_t, a_t)),  V_DR(T) = 0

    Unbiased if the ratios are right, whatever V and Q are; if they are right too, its variance is the smallest. An
    episode that was cut counts as over: what would have followed is missing, as in PDIS.

    Args:
        rewards: float64[N]
        ratios: float64[N]
        values: float64[N], V(s_t) = E_pi Q(s_t, .).
        q_values: float64[N], Q(s_t, a_t).
        offsets: int64[E + 1]; every episode has rows.
        gamma: discount.
    """
    out = np.empty(len(offsets) - 1)
    for episode, (first, last) in enumerate(pairwise(offsets)):
        following = 0.0
        for t in range(last - 1, first - 1, -1):
            following = values[t] + ratios[t] * (rewards[t] + gamma * following - q_values[t])
        out[episode] = following
    return out
