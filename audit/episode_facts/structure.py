"""How steps make up episodes: their numbers, their order, their lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


def steps_per_episode(steps: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64[E]: how many of the marked steps lie in each episode, which are rows offsets[e] to offsets[e + 1].

    >>> steps_per_episode(np.array([True, False, True, True]), np.array([0, 2, 2, 4]))
    array([1, 0, 2])
    """
    episode = np.searchsorted(offsets, np.flatnonzero(steps), side="right") - 1
    return np.bincount(episode, minlength=len(offsets) - 1)


@dataclass(frozen=True, slots=True)
class EpisodeStructure(Fact):
    """Step numbers inside each episode. Answer: `EpisodeStructureValues`."""


@dataclass(frozen=True, slots=True)
class EpisodeStructureValues:
    """What the step numbers say; `T` steps of an episode should be numbered 0 .. T-1, each once, in order.

    Attributes:
        ids: str[E], the episodes' ids.
        lengths: int64[E], steps of each episode.
        starts: int64[E], the number of its first step as it stands in the data; 0 where an episode is empty.
        missing: int64[E], step numbers between an episode's lowest and highest that no step has.
        before_gap: bool[N], a step after which at least one step number is missing.
        repeated: bool[N], a step whose number an earlier step of its episode has.
        disordered: bool[N], a step whose number is lower than that of the step before it in its episode.
        restarts: bool[N], the last step before the numbers start again, in an episode that is nothing but several runs
            from the same first number: several episodes under one id. Its steps are not `repeated` or `disordered`.
        stride: by how much the numbers go up: 1, or what nine in ten differences are (then no step is missing).
        limit: the declared longest episode; None when unknown.
        scattered: how many episodes' rows stand apart in the source, among those of other episodes.
    """

    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    missing: NDArray[np.int64]
    before_gap: NDArray[np.bool_]
    repeated: NDArray[np.bool_]
    disordered: NDArray[np.bool_]
    restarts: NDArray[np.bool_]
    stride: int
    limit: int | None
    scattered: int

    def per_episode(self, steps: NDArray[np.bool_]) -> NDArray[Any]:
        """Return int64[E]: how many of the marked steps lie in each episode."""
        return steps_per_episode(steps, np.concatenate([[0], np.cumsum(self.lengths)]))
