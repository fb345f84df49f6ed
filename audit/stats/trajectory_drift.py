"""How far two sets of trajectories lie apart in each entry, when the steps of an episode are not independent.

A test that counts steps calls every difference significant: 1,000 steps of one episode say little more than one. Here
chance is what happens when whole episodes change sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EpisodeStability:
    """The population stability index of one entry, with what it is when episodes change sides at random.

    Attributes:
        value: the index, in nats.
        expected: its mean over the exchanges.
        p_value: chance of a value as large.
    """

    value: float
    expected: float
    p_value: float

    @property
    def excess(self) -> float:
        """How much of the value is more than chance gives on average; never negative."""
        return max(0.0, self.value - self.expected)


def counts_by_episode(places: Codes, episodes: Codes, bins: int, size: int) -> Floats:
    """Return the steps of each episode in each bin: float64[size, bins].

    Args:
        places: int64[n], the bin of each step.
        episodes: int64[n], 0 .. size-1.
        bins: number of bins.
        size: number of episodes.
    """
    flat = np.bincount(episodes * bins + places, minlength=size * bins)
    return flat.reshape(size, bins).astype(np.float64)


def exchanges(before: int, now: int, *, times: int = 200, seed: int = 0) -> NDArray[np.bool_]:
    """Return random choices of which episodes stand for the reference: bool[times, before + now]."""
    random = np.random.default_rng(seed)
    chosen = np.zeros((times, before + now), dtype=bool)
    for row in chosen:
        row[random.permutation(before + now)[:before]] = True
    return chosen


def episode_stability(before: Floats, now: Floats, chosen: NDArray[np.bool_]) -> EpisodeStability:
    """Return the stability index of two sets of episodes and its chance.

    The null distribution is that of the exchanges, smoothed to a gamma distribution with their mean and variance, so
    that small p-values need no thousands of them.

    Args:
        before: steps of each episode of the reference in each bin, float64[E1, B].
        now: the same of the data, float64[E2, B].
        chosen: of `exchanges(E1, E2)`.

    Source: permutation of whole clusters, Good (2005), Permutation, Parametric and Bootstrap Tests, section 3.7; the
    gamma approximation as in Winkler et al. (2016), Faster permutation inference, NeuroImage 141:502-516.
    """
    from scipy.special import gammaincc

    both = np.concatenate([before, now])
    both = both[:, both.sum(axis=0) > 0]
    total = both.sum(axis=0)
    first = np.zeros((1, len(both)), dtype=bool)
    first[0, : len(before)] = True
    a = np.concatenate([first, chosen]).astype(np.float64) @ both
    values = _indices(a, total - a)
    value, null = float(values[0]), values[1:]
    mean, variance = float(null.mean()), float(null.var())
    if both.shape[1] < 2 or mean <= 0:
        return EpisodeStability(value, mean, 1.0)
    if variance <= 0:
        return EpisodeStability(value, mean, 1.0 if value <= mean else 0.0)
    return EpisodeStability(value, mean, float(gammaincc(mean**2 / variance, value * mean / variance)))


def _indices(a: Floats, b: Floats) -> Floats:
    """Return sum (q - p) ln(q / p) of each pair of rows of counts; an empty bin counts as half a step."""
    p = np.maximum(a, 0.5) / np.maximum(a.sum(axis=1, keepdims=True), 1.0)
    q = np.maximum(b, 0.5) / np.maximum(b.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=1), dtype=np.float64)
