"""Episodes that are there twice, wholly or in part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class DuplicateEpisodes(Fact):
    """Equal episodes, and episodes that share a run of `window` equal steps. Answer: `DuplicateEpisodeValues`.

    Steps are equal when observation, action and reward are, bit by bit.
    """

    window: int = 10


@dataclass(frozen=True, slots=True)
class DuplicateEpisodeValues:
    """What is there twice; the first occurrence, in the order in which episodes were read, is the original.

    Attributes:
        original: int64[E], the place of the first episode with the same steps; an episode's own where it is the first.
        rows: int64[E], steps of each episode.
        overlap: int64[E], steps of an episode inside runs that an earlier, different episode has, too.
        partner: int64[E], the earlier episode that such a run was first seen in; -1 without.
        in_reference: bool[E], episodes that the reference dataset has, too; all False without one.
        overlap_reference: int64[E], steps of an episode inside runs that the reference has, too.
        split: the split of each episode where the source names one; else empty.
        same_source: whether all episodes come from one file, or the source does not say.
        seeds_differ: bool[E], a duplicate that was recorded with another seed than its original.
        repetitive: share of the steps, copies of episodes left out, that occur five times or more: where it is high,
            equal runs are no surprise.
    """

    original: NDArray[np.int64]
    rows: NDArray[np.int64]
    overlap: NDArray[np.int64]
    partner: NDArray[np.int64]
    in_reference: NDArray[np.bool_]
    overlap_reference: NDArray[np.int64]
    split: tuple[str, ...]
    same_source: bool
    seeds_differ: NDArray[np.bool_]
    repetitive: float
