"""Values that are no measurements: not finite, out of all proportion, padding, constants for what was missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.episode_facts.structure import steps_per_episode
from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class ValueFaults(Fact):
    """Values of all streams that are no measurements. Answer: `ValueFaultValues`.

    `huge`: how many times as far from the median as 99% of the values a value must be to be out of all proportion.
    """

    huge: float = 1e6


@dataclass(frozen=True, slots=True)
class Fill:
    """A constant that stands where measurements were missing.

    Attributes:
        subject: the entry, or `observation` where whole observations were filled.
        value: the constant; for whole observations its first entry.
        steps: how many steps hold it.
        far: the share of them that lie off the course of their neighbours.
    """

    subject: str
    value: float
    steps: int
    far: float


@dataclass(frozen=True, slots=True)
class ValueFaultValues:
    """Marks for each step.

    A stream (`observation`, `action`, `reward`, `next_observation`) is in a mapping only where some step is marked.

    Attributes:
        ids: str[E], the episodes' ids.
        offsets: int64[E + 1], where episodes start and end.
        streams: what was looked at.
        not_finite: bool[N] by stream: NaN or an infinity.
        negative_infinite: bool[N], steps whose observation has -inf and no other value that is not finite.
        huge: bool[N] by stream.
        padded: bool[N], steps at the end of an episode in which observation, action and reward are all 0.
        dummy: bool[N], last steps with action 0, reward 0 and no flag, where nearly every episode has one and few other
            steps are like that: rows that only carry a final observation.
        filled: bool[N], steps whose observation holds a constant in place of a measurement.
        fills: those constants.
    """

    ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    streams: tuple[str, ...]
    not_finite: Mapping[str, NDArray[np.bool_]]
    negative_infinite: NDArray[np.bool_]
    huge: Mapping[str, NDArray[np.bool_]]
    padded: NDArray[np.bool_]
    dummy: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    fills: tuple[Fill, ...]

    def per_episode(self, steps: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return int64[E]: how many of the marked steps lie in each episode."""
        return steps_per_episode(steps, self.offsets)
