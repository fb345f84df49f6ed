"""What the report shows of trajectories: the numbers of each stream, a line for each episode, a few episodes drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact
from audit.findings import Basis

Floats = NDArray[np.float64]

ENDS = ("terminated", "truncated", "both", "ended", "none", "unknown")
"""How an episode can end: by a flag of its last step, by both, by a flag that leaves open which of the two it is, by
none although the source has flags, or in a way that the source cannot say."""


@dataclass(frozen=True, slots=True)
class StreamNumbers(Fact):
    """Every entry of the observation, every entry of the action, and the reward. Answer: tuple of `StreamValues`."""


@dataclass(frozen=True, slots=True)
class StreamValues:
    """One number that each step has.

    Attributes:
        name: as findings name it.
        stream: "observation", "action" or "reward".
        type: "float32", "int32" or "float64".
        rows: number of steps.
        nan: steps where it is NaN.
        infinite: steps where it is infinite.
        mean: of the finite values over all steps, as are the next four; None where there are none.
        std: standard deviation.
        skewness: None, too, where it does not vary.
        low: the lowest.
        high: the highest.
        choices: of discrete actions: the values, ascending.
        counts: how many of all steps have each of `choices`.
        values: finite values of a sample of the steps, for its distribution.
        basis: what `values` rest on.
    """

    name: str
    stream: str
    type: str
    rows: int
    nan: int
    infinite: int
    mean: float | None
    std: float | None
    skewness: float | None
    low: float | None
    high: float | None
    values: Floats
    basis: Basis
    choices: NDArray[np.int64] | None = None
    counts: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class EpisodeLines(Fact):
    """Length, return and end of every episode. Answer: `EpisodeLineValues`."""


@dataclass(frozen=True, slots=True)
class EpisodeLineValues:
    """One entry an episode, in the order in which they were read.

    Attributes:
        ids: the episodes' ids as text.
        offsets: int64[E + 1], the place of its first step.
        returns: float64[E], the undiscounted return; NaN where a reward is not finite; None without rewards.
        ends: int8[E], the place of the way it ends in `ENDS`.
    """

    ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    returns: Floats | None
    ends: NDArray[np.int8]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64[E]: steps of each episode."""
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True)
class EpisodeTraces(Fact):
    """The streams of a few episodes in at most so many points each. Answer: tuple of tuples of `Trace`.

    Attributes:
        episodes: places of the episodes.
        streams: names of the observation and action entries that are wanted; reward and discrete action always are.
        points: most points a stream.
    """

    episodes: tuple[int, ...]
    streams: tuple[tuple[str, ...], ...]
    points: int = 120


@dataclass(frozen=True, slots=True)
class Trace:
    """One stream of one episode: at each point the mean, lowest and highest finite value of a few steps.

    `steps` are the places of the first step of each point inside the episode; NaN where no value is finite.
    """

    name: str
    stream: str
    steps: NDArray[np.int64]
    mean: Floats
    low: Floats
    high: Floats
