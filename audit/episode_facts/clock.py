"""The time of each step, and when the episodes were recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.episode_facts.structure import steps_per_episode
from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class EpisodeClock(Fact):
    """The intervals between the timestamps of consecutive steps. Answer: `EpisodeClockValues`.

    `tolerance`: share of the usual interval by which an interval may differ from it.
    """

    tolerance: float = 0.2


@dataclass(frozen=True, slots=True)
class EpisodeClockValues:
    """What the timestamps say; an interval belongs to the step that it starts at.

    Attributes:
        ids: str[E], the episodes' ids.
        offsets: int64[E + 1], where episodes start and end.
        intervals: how many there are: steps whose next row is the next step of the same episode.
        not_finite: bool[N], steps without a finite timestamp.
        backwards: bool[N], the next step is earlier.
        repeated: bool[N], the next step has the same timestamp.
        uneven: bool[N], the interval differs from the usual one by more than the tolerance (and is positive).
        usual: the median of the positive intervals, in seconds; NaN without any.
        fps: declared frames a second; None when unknown.
        lost_steps: how many steps of the usual interval would fit into the intervals that are too long.
        sample: float64[<= 20,000], positive intervals, for the picture.
        from_zero: episodes whose first timestamp is 0 (within one usual interval).
        overlapping: episodes not from 0 that start before the one before them ended.
    """

    ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    intervals: int
    not_finite: NDArray[np.bool_]
    backwards: NDArray[np.bool_]
    repeated: NDArray[np.bool_]
    uneven: NDArray[np.bool_]
    usual: float
    fps: float | None
    lost_steps: int
    sample: NDArray[np.float64]
    from_zero: int
    overlapping: int

    def per_episode(self, steps: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return int64[E]: how many of the marked steps lie in each episode."""
        return steps_per_episode(steps, self.offsets)


@dataclass(frozen=True, slots=True)
class RecordingTimes(Fact):
    """When the episodes were recorded, as far as the source says it. Answer: `RecordingTimeValues`."""


@dataclass(frozen=True, slots=True)
class RecordingTimeValues:
    """The span of time in which the source was recorded.

    Attributes:
        source: what says it, such as `timestamp` or `created_at`; empty where nothing does.
        oldest: seconds since 1970 (UTC); NaN where nothing says it.
        newest: likewise.
        rows: steps that say it; 0 where the metadata do.
    """

    source: str
    oldest: float
    newest: float
    rows: int
