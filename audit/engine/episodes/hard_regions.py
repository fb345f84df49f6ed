"""Outliers that are none: where the model is bad for everybody, large residuals are no surprise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.view import EpisodeView
from audit.stats.local_noise import local_noise
from audit.stats.trimmed_regression import FAR, FEW

Points = Callable[[NDArray[np.int64]], NDArray[np.float64]]

PROBED = 1_000
"""Outliers that are looked at first; where nearly none of them lies in a hard region, the others are left alone."""
WORTH = 0.1
MOST = 100_000
LEAST_KNOWN = 100
MOST_KNOWN = 15_000
CALM = 0.2
"""Share of the steps fitted on that must lie in episodes with few outliers; else nothing says what is usual."""


def excuse(
    view: EpisodeView,
    points: Points,
    fitted: NDArray[np.bool_],
    judged: NDArray[np.bool_],
    score: NDArray[np.float32],
) -> None:
    """Divide the scores of outliers by what is usual around their state and action, in place.

    Usual is what steps of other episodes show there, of episodes with few outliers of their own; where none of them has
    been, the model is not trusted as far as elsewhere.

    Args:
        view: the trajectories.
        points: gives the inputs of the model at some rows.
        fitted: bool[N], steps that the model was fitted on.
        judged: bool[N], steps that have a score.
        score: float32[N], changed.
    """
    far = np.flatnonzero(judged & (score > FAR))
    if not len(far) or len(far) > MOST:
        return
    episodes = view.trajectories.episodes
    count = np.bincount(view.episode_of_row[judged], minlength=episodes)
    bad = np.bincount(view.episode_of_row[far], minlength=episodes)
    calm = bad < FEW * np.maximum(count, 1)
    known = np.flatnonzero(judged & fitted)
    known = known[calm[view.episode_of_row[known]]]
    if len(known) < max(LEAST_KNOWN, CALM * int(fitted.sum())):
        return
    random = np.random.default_rng(view.seed)
    known = np.sort(random.permutation(known)[:MOST_KNOWN])
    first = np.sort(random.permutation(far)[:PROBED])

    def levels(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return local_noise(points(known), score[known], points(rows), seed=view.seed)

    if np.mean(score[first] <= FAR * levels(first)) < WORTH:
        return
    for start in range(0, len(far), 20_000):
        rows = far[start : start + 20_000]
        score[rows] = score[rows] / levels(rows)
