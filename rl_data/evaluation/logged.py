"""Logged episodes as evaluation needs them: transitions, and the log-probability of each logged action."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rl_data.errors import DataError
from rl_data.trajectories import Trajectories
from rl_data.transitions import Transitions, transitions


@dataclass(frozen=True, slots=True)
class Logged:
    """Held-out episodes.

    A stretch (see `rl_data.transitions`) is an episode, or what a gap left of one. Critics learn from all of them; only
    those that begin where their episode does tell what an episode returns. A stretch that a gap ended is one that was
    cut.

    Attributes:
        rows: the transitions whose next observation is known; S stretches of E episodes.
        log_prob: float64[N], the behaviour policy's, as the data have it; None where they do not.
    """

    rows: Transitions
    log_prob: NDArray[np.float64] | None

    @property
    def offsets(self) -> NDArray[np.int64]:
        """int64[S + 1]."""
        return np.asarray(self.rows.offsets.numpy())

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return self.rows.episodes

    @property
    def episode_of_stretch(self) -> NDArray[np.int64]:
        """int64[S]."""
        return np.asarray(self.rows.episode_of_stretch.numpy())

    @property
    def episode_of_row(self) -> NDArray[np.int64]:
        """int64[N]."""
        return np.asarray(self.rows.episode_of_row.numpy())

    @property
    def starts(self) -> NDArray[np.int64]:
        """int64[<= E]: the stretches that begin where their episode does."""
        return np.flatnonzero(self.rows.begins.numpy())

    def missing_tails(self, gamma: float) -> NDArray[np.float64]:
        """Return how much of the discounted future lies beyond each of `starts`: gamma^T where cut, 0 where over."""
        lengths = np.diff(self.offsets)[self.starts]
        cut = self.rows.truncated.numpy()[self.offsets[1:][self.starts] - 1]
        return np.where(cut, gamma ** lengths.astype(np.float64), 0.0)

    @property
    def rewards(self) -> NDArray[np.float64]:
        """float64[N]."""
        return self.rows.rewards.double().numpy()


def logged(trajectories: Trajectories, *, ends: str | None = None) -> Logged:
    """Return the episodes that can be evaluated on; see `rl_data.transitions.transitions` for what is left out.

    Raises:
        DataError: there are no rewards, fewer than four episodes, or what `transitions` refuses.
    """
    uri = trajectories.provenance.uri
    if trajectories.rewards is None:
        raise DataError(f"{uri}: without rewards no return can be estimated")
    rows = transitions(trajectories, ends=ends)
    begun = int(rows.begins.sum())
    if begun < 4:
        raise DataError(
            f"{uri}: {begun} episodes with their beginning are too few: folds and intervals need at least 4"
        )
    log_prob = None
    if trajectories.behaviour_log_prob is not None:
        if np.isnan(trajectories.behaviour_log_prob).any() or (trajectories.behaviour_log_prob == np.inf).any():
            raise DataError(f"{uri}: behaviour_log_prob has NaN or infinite values")
        # the same rows are left out as of the rewards, since they go the same way
        kept = transitions(replace(trajectories, rewards=trajectories.behaviour_log_prob.clip(-80.0)), ends=ends)
        log_prob = kept.rewards.double().numpy()
    return Logged(rows, log_prob)
