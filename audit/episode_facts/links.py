"""What follows each step: the next observations that the source gives, and where an episode runs into another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.episode_facts.structure import steps_per_episode
from audit.facts import Fact


@dataclass(frozen=True, slots=True)
class NextObservations(Fact):
    """The given next observations against the rows. Answer: `NextObservationValues`."""


@dataclass(frozen=True, slots=True)
class NextObservationValues:
    """Marks for each step; `given` is None where the source has no next observations.

    Attributes:
        ids: str[E], the episodes' ids.
        offsets: int64[E + 1], where episodes start and end.
        given: bool[N], the source gives a next observation.
        linked: bool[N], the next row is the next step of the same episode.
        is_last: bool[N], the last row of an episode.
        copied: bool[N], the next observation given is the step's own, while the next row (where there is one) differs.
        leaked: bool[N], last rows whose next observation is the first observation of the next episode.
        contradicts: bool[N], the next observation given is not the observation of the next row (and not `copied`).
        at_rest: share of the steps with a known next row whose observation does not change at all.
        terminated: bool[N], the flag; None when the source cannot tell.
        truncated: bool[N], likewise.
    """

    ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    given: NDArray[np.bool_] | None
    linked: NDArray[np.bool_]
    is_last: NDArray[np.bool_]
    copied: NDArray[np.bool_]
    leaked: NDArray[np.bool_]
    contradicts: NDArray[np.bool_]
    at_rest: float
    terminated: NDArray[np.bool_] | None
    truncated: NDArray[np.bool_] | None

    def per_episode(self, steps: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return int64[E]: how many of the marked steps lie in each episode."""
        return steps_per_episode(steps, self.offsets)


@dataclass(frozen=True, slots=True)
class EpisodeJoins(Fact):
    """Steps after which, inside an episode, another one begins. Answer: `EpisodeJoinValues`."""


@dataclass(frozen=True, slots=True)
class EpisodeJoinValues:
    """Where the rows jump to where episodes begin, as no action explains.

    Attributes:
        joins: bool[N], the last step before another episode begins.
        certain: bool[N], those whose given next observation goes on where they are, while the next row does not.
        limit: the surprise above which a jump counts (`audit.stats.transitions.OneStep.surprise`).
        surprises: float64[joins], of the jumps found, in the order of the rows.
        usual: float64[<= 2,000], of a sample of other steps, for comparison.
        starts: how many first observations say where episodes begin; with fewer than 5 the jumps alone decide.
        reason: why nothing could be looked for; empty where it was.
        judged: steps that could be judged.
    """

    joins: NDArray[np.bool_]
    certain: NDArray[np.bool_]
    limit: float
    surprises: NDArray[np.float64]
    usual: NDArray[np.float64]
    starts: int
    reason: str
    judged: int
