"""One step of a system: what the next observation usually is, and how far a given one is from that.

A jump that no action explains is where one episode ends and another begins, when it leads to where episodes begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDE = 12
"""From this many entries of observation and action on, products of different entries are left out."""


@dataclass(frozen=True, slots=True)
class OneStep:
    """A least-squares model of the change of the observation, quadratic in observation and action.

    Attributes:
        centre: float64[d], of the observations.
        scale: float64[d], of the observations.
        weights: float64[f, d], of the features.
        usual: float64[d], what a residual of each entry is measured in: the 90% quantile of the residuals, at least
            `floor` times that of the changes themselves (a model that is exact in one entry must not make every
            rounding there a surprise).
    """

    centre: Floats
    scale: Floats
    weights: Floats
    usual: Floats

    def surprise(
        self, states: NDArray[np.floating], actions: NDArray[np.floating], nexts: NDArray[np.floating]
    ) -> Floats:
        """Return the root mean square over the entries of (residual / usual residual), float64[n]."""
        start = np.asarray(states, dtype=np.float64)
        change = np.asarray(nexts, dtype=np.float64) - start
        residual = change - _features((start - self.centre) / self.scale, actions) @ self.weights
        return np.asarray(np.sqrt(np.mean((residual / self.usual) ** 2, axis=1)))


def fit_one_step(
    states: NDArray[np.floating],
    actions: NDArray[np.floating],
    nexts: NDArray[np.floating],
    *,
    rounds: int = 4,
    kept: float = 0.9,
    floor: float = 0.1,
) -> OneStep:
    """Fit the change of the observation; each round leaves out the tenth of the steps that the last one fitted worst.

    Args:
        states: finite, [n, d].
        actions: finite, [n, k] (choices one-hot).
        nexts: finite, [n, d].
        rounds: fits, so that jumps do not pull the model towards themselves.
        kept: share of the steps that each round keeps.
        floor: see `OneStep.usual`.

    Source: least trimmed squares by concentration steps (Rousseeuw & Van Driessen, 2006, Data Mining and Knowledge
    Discovery 12:29-45), with a ridge of 1e-6.
    """
    start = np.asarray(states, dtype=np.float64)
    change = np.asarray(nexts, dtype=np.float64) - start
    centre, scale = start.mean(axis=0), start.std(axis=0) + 1e-12
    features = _features((start - centre) / scale, actions)
    least = floor * np.quantile(np.abs(change), 0.9, axis=0)
    chosen = np.ones(len(start), dtype=bool)
    ridge = 1e-6 * np.eye(features.shape[1])
    for _ in range(rounds):
        own = features[chosen]
        weights = np.linalg.solve(own.T @ own + len(own) * ridge, own.T @ change[chosen])
        residual = np.abs(change - features @ weights)
        usual = np.maximum(np.maximum(np.quantile(residual, 0.9, axis=0), least), 1e-12)
        surprise = np.mean((residual / usual) ** 2, axis=1)
        chosen = surprise <= np.quantile(surprise, kept)
    return OneStep(centre, scale, np.asarray(weights, dtype=np.float64), np.asarray(usual, dtype=np.float64))


def _features(states: Floats, actions: NDArray[np.floating]) -> Floats:
    both = np.concatenate([states, np.asarray(actions, dtype=np.float64)], axis=1)
    entries = both.shape[1]
    if entries > WIDE:
        products = states**2
    else:
        first, second = np.triu_indices(entries)
        products = both[:, first] * both[:, second]
    return np.concatenate([np.ones((len(both), 1)), both, products], axis=1)


@dataclass(frozen=True, slots=True)
class StartRegion:
    """Where episodes begin: the middle and half width of the first observations, entry by entry.

    `spread` is that of all observations: the entry in which the region is narrowest, compared with it, tells most.
    """

    middle: Floats
    half: Floats
    spread: Floats

    def holds(self, states: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return bool[n]: near to where episodes begin, in the mean of the entries and in each (3 half widths)."""
        entries = len(self.middle)
        places = np.arange(len(states))
        total = np.zeros(len(states))
        with np.errstate(invalid="ignore", over="ignore"):
            # entry by entry, each time only what is still possible: the mean is above 1 when one square is above d
            for entry in np.argsort(self.half / self.spread, kind="stable").tolist():
                column = states[:, entry] if len(places) == len(states) else states[places, entry]
                squared = np.square(
                    (column - self.middle[entry].astype(column.dtype)) / self.half[entry].astype(column.dtype)
                )
                near = squared <= min(9.0, entries)
                places, total = places[near], total[near] + squared[near]
        inside = np.zeros(len(states), dtype=bool)
        inside[places] = total <= entries
        return inside


def start_region(firsts: NDArray[np.floating], spread: Floats) -> StartRegion:
    """Return the region of the first observations.

    Args:
        firsts: finite, [n, d]; from 50 on, the outer 1% on each side do not count.
        spread: float64[d], standard deviation of all observations; 2% of it is the least half width.
    """
    first = np.asarray(firsts, dtype=np.float64)
    low, high = (np.quantile(first, q, axis=0) for q in ((0.01, 0.99) if len(first) >= 50 else (0.0, 1.0)))
    # n values of a uniform distribution cover n - 1 of n + 1 of its width
    half = (high - low) / 2 * (1 + 2 / max(len(first) - 1, 1)) + 0.02 * np.asarray(spread) + 1e-9
    return StartRegion((low + high) / 2, half, np.asarray(spread) + 1e-12)
