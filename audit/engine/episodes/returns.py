"""Answers about returns."""

from __future__ import annotations

import numpy as np

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.returns import EpisodeReturns, EpisodeReturnsValues


@answers(EpisodeReturns)
def episode_returns(_fact: EpisodeReturns, view: EpisodeView) -> EpisodeReturnsValues:
    """Add up each episode by itself, so that a faulty reward spoils no other episode and equal ones stay equal."""
    t = view.trajectories
    if t.rewards is None:
        return EpisodeReturnsValues(view.ids, t.lengths, None)
    returns = np.full(t.episodes, np.nan)
    filled = t.lengths > 0
    if filled.any():
        with np.errstate(over="ignore", invalid="ignore"):
            sums = np.add.reduceat(t.rewards, t.offsets[:-1][filled])
        returns[filled] = np.where(np.isfinite(sums), sums, np.nan)
    return EpisodeReturnsValues(view.ids, t.lengths, returns)
