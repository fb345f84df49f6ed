"""Logged episodes as evaluation needs them: transitions, and the log-probability of each logged action."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rl_data.errors import DataError
from rl_data.trajectories import Trajectories
from rl_data.transitions import Transitions, transitions


@dataclass(frozen=True, slots=True)
class Logged:
    """Held-out episodes.

    Attributes:
        rows: the transitions whose next observation is known.
        log_prob: float64[N], the behaviour policy's, as the data have it; None where they do not.
        step_limit: the environment's longest episode; None when unknown.
    """

    rows: Transitions
    log_prob: NDArray[np.float64] | None
    step_limit: int | None = None

    @property
    def offsets(self) -> NDArray[np.int64]:
        """int64[E + 1]."""
        return np.asarray(self.rows.offsets.numpy())

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.rows.offsets) - 1

    @property
    def episode_of_row(self) -> NDArray[np.int64]:
        """int64[N]."""
        return np.repeat(np.arange(self.episodes), np.diff(self.offsets))

    @property
    def first(self) -> Tensor:
        """int64[E]: the first row of each episode."""
        return self.rows.offsets[:-1]

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
    if len(rows.offsets) - 1 < 4:
        raise DataError(f"{uri}: {len(rows.offsets) - 1} episodes are too few: folds and intervals need at least 4")
    log_prob = None
    if trajectories.behaviour_log_prob is not None:
        if np.isnan(trajectories.behaviour_log_prob).any() or (trajectories.behaviour_log_prob == np.inf).any():
            raise DataError(f"{uri}: behaviour_log_prob has NaN or infinite values")
        # the same rows are left out as of the rewards, since they go the same way
        kept = transitions(replace(trajectories, rewards=trajectories.behaviour_log_prob.clip(-80.0)), ends=ends)
        log_prob = kept.rewards.double().numpy()
    return Logged(rows, log_prob, trajectories.step_limit)
