"""Answers about end flags."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.flags import EpisodeEnds, EpisodeEndsValues
from audit.stats.episode_ends import Likeness, likeness

MOST_LASTS, MOST_OTHERS = 2_000, 4_000
"""Last observations, and others, that a classifier tells apart."""


@answers(EpisodeEnds)
def episode_ends(_fact: EpisodeEnds, view: EpisodeView) -> EpisodeEndsValues:
    """Take the flags apart into those on last rows and those before; look at last observations only where in doubt."""
    t = view.trajectories
    lengths = t.lengths
    last_rows = np.where(lengths > 0, t.offsets[1:] - 1, -1)
    terminated, truncated = (_on_last(flags, last_rows) for flags in (t.terminated, t.truncated))
    values = EpisodeEndsValues(
        view.ids, lengths, last_rows, terminated, truncated, _early(t.terminated, view), _early(t.truncated, view),
        t.step_limit, np.full(t.episodes, np.nan), None, None,
    )  # fmt: skip
    likeness_of_open, open_auc = _open(values, view)
    at_limit = _at_limit(values)
    told = _tell(np.flatnonzero(at_limit), values, view) if at_limit.any() else None
    return EpisodeEndsValues(
        view.ids, lengths, last_rows, terminated, truncated, values.early_terminated, values.early_truncated,
        t.step_limit, likeness_of_open, open_auc, None if told is None else told[1].auc,
    )  # fmt: skip


def _on_last(flags: Flags | None, last_rows: NDArray[np.int64]) -> Flags | None:
    return None if flags is None else np.asarray(flags[last_rows] & (last_rows >= 0))


def _early(flags: Flags | None, view: EpisodeView) -> Flags:
    return np.zeros(view.rows, dtype=bool) if flags is None else flags & ~view.is_last


def _at_limit(values: EpisodeEndsValues) -> Flags:
    if values.terminated is None:
        return np.zeros(len(values.lengths), dtype=bool)
    alone = values.terminated if values.truncated is None else values.terminated & ~values.truncated
    return np.asarray(alone & (values.lengths == values.horizon) & (values.lengths > 0))


def _open(values: EpisodeEndsValues, view: EpisodeView) -> tuple[NDArray[np.float64], float | None]:
    scores = np.full(len(values.lengths), np.nan)
    short = (values.lengths < values.horizon) if values.limit is not None else np.ones(len(scores), dtype=bool)
    if values.terminated is None or not (values.unflagged & short).any():
        return scores, None
    told = _tell(np.flatnonzero((values.unflagged | values.terminated) & short), values, view)
    if told is None:
        return scores, None
    scores[told[0]] = told[1].scores
    return scores, told[1].auc


def _tell(
    episodes: NDArray[np.int64], values: EpisodeEndsValues, view: EpisodeView
) -> tuple[NDArray[np.int64], Likeness] | None:
    """Tell the last observations of some episodes (2,000 of them at most) from observations inside episodes."""
    t = view.trajectories
    draw = np.random.default_rng(view.seed)
    if len(episodes) > MOST_LASTS:
        # the last episode of a file is the one in doubt
        episodes = np.union1d(draw.choice(episodes, MOST_LASTS, replace=False), episodes[-1:])
    rows = values.last_rows[episodes]
    lasts = t.observations[rows]
    given = t.next_observations is not None and (t.has_next is None or bool(t.has_next[rows].all()))
    if given and t.next_observations is not None:
        lasts = t.next_observations[rows]
    finite = np.isfinite(lasts).all(axis=1)
    inside = view.sampled_rows[~view.is_last[view.sampled_rows] & view.finite[view.sampled_rows]]
    if len(inside) > MOST_OTHERS:
        inside = draw.choice(inside, MOST_OTHERS, replace=False)
    told = likeness(lasts[finite], t.observations[inside], view.seed)
    return None if told is None else (episodes[finite], told)
