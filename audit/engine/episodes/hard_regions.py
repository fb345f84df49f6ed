"""Outliers that are none: where the model is bad for everybody, large residuals are no surprise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.transition_model import Model, inputs, shifted
from audit.engine.episodes.view import EpisodeView
from audit.stats.local_noise import local_noise
from audit.stats.trimmed_regression import FAR, FEW

PROBED = 1_000
"""Outliers that are looked at first; where nearly none of them lies in a hard region, the others are left alone."""
WORTH = 0.1
MOST = 100_000
LEAST_KNOWN = 500
MOST_KNOWN = 15_000


def excuse(view: EpisodeView, model: Model, judged: NDArray[np.bool_], score: NDArray[np.float32]) -> None:
    """Divide the scores of outliers by what is usual around their state and action, in place.

    Usual is what steps of other episodes show there, of episodes with few outliers of their own; where none of them has
    been, the model is not trusted as far as elsewhere.
    """
    far = np.flatnonzero(judged & (score > FAR))
    if not len(far) or len(far) > MOST:
        return
    t = view.trajectories
    count = np.bincount(view.episode_of_row[judged], minlength=t.episodes)
    bad = np.bincount(view.episode_of_row[far], minlength=t.episodes)
    calm = bad < FEW * np.maximum(count, 1)
    known = np.flatnonzero(judged & (model.group_of >= 0))
    known = known[calm[view.episode_of_row[known]]]
    if len(known) < max(LEAST_KNOWN, 0.2 * model.fitted):
        return
    random = np.random.default_rng(view.seed)
    known = np.sort(random.permutation(known)[:MOST_KNOWN])
    first = np.sort(random.permutation(far)[:PROBED])
    levels = _levels(view, model, known, score, first)
    if np.mean(score[first] <= FAR * levels) < WORTH:
        return
    for start in range(0, len(far), 20_000):
        rows = far[start : start + 20_000]
        score[rows] = score[rows] / _levels(view, model, known, score, rows)


def _levels(
    view: EpisodeView,
    model: Model,
    known: NDArray[np.int64],
    score: NDArray[np.float32],
    rows: NDArray[np.int64],
) -> NDArray[np.float64]:
    return local_noise(_points(view, model, known), score[known], _points(view, model, rows), seed=view.seed)


def _points(view: EpisodeView, model: Model, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    action_rows = shifted(view, rows, model.lag)[0]
    x, choice = inputs(view, view.trajectories.observations[rows], action_rows)
    parts = [x] if choice is None else [x, view.action_matrix(action_rows)]
    return np.concatenate(parts, axis=1, dtype=np.float64)
