"""Answers about the spread of rewards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.rewards_shape import RewardShape, RewardShapeValues
from audit.stats.density import bin_edges, histogram


@answers(RewardShape)
def reward_shape(_fact: RewardShape, view: EpisodeView) -> RewardShapeValues:
    """Count over all steps; only the histogram rests on the sample."""
    t = view.trajectories
    assert t.rewards is not None
    finite = np.isfinite(t.rewards)
    whole = bool(finite.all())
    rewards = t.rewards if whole else t.rewards[finite]
    zero = t.rewards == 0
    sampled = t.rewards[view.sampled_rows]
    ordered = np.sort(sampled[np.isfinite(sampled)])
    edges = bin_edges(ordered)
    return RewardShapeValues(
        ids=view.ids,
        lengths=t.lengths,
        steps=len(rewards),
        zeros=per_episode(view, zero),
        finite=t.lengths if whole else per_episode(view, finite),
        low=float(rewards.min()) if len(rewards) else float("nan"),
        high=float(rewards.max()) if len(rewards) else float("nan"),
        mean=float(rewards.mean()) if len(rewards) else float("nan"),
        positive=int(np.count_nonzero(rewards > 0)),
        negative=int(np.count_nonzero(rewards < 0)),
        edges=edges,
        counts=histogram(ordered, edges).counts,
    )


def per_episode(view: EpisodeView, steps: Flags) -> NDArray[np.int64]:
    """Return int64[E]: how many of the marked steps lie in each episode."""
    t = view.trajectories
    filled = t.lengths > 0
    counts = np.zeros(t.episodes, dtype=np.int64)
    if filled.any():
        counts[filled] = np.add.reduceat(steps, t.offsets[:-1][filled], dtype=np.int64)
    return counts
