"""Which episodes stand out, when a good part of them may be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.stats.robust import NORMAL_MAD
from audit.stats.trimmed_regression import FAR

LEAST_SHARE = 0.2
TIMES_USUAL = 5.0
TIMES_SCORE = 2.5
LEAST_SCORE = 3.0
WIDTHS = 10.0


@dataclass(frozen=True, slots=True)
class EpisodeScores:
    """Scores of episodes, and which stand out.

    Attributes:
        mean: float64[E], mean of the scores of an episode's judged steps, each at most `FAR`.
        share: float64[E], share of its judged steps with a score above `FAR`.
        usual_share: median share.
        usual: median of the means, over the best half of the episodes; width: their standard deviation, robustly.
        outlying: bool[E].
    """

    mean: NDArray[np.float64]
    share: NDArray[np.float64]
    usual_share: float
    usual: float
    outlying: NDArray[np.bool_]


def episode_scores(score: NDArray[np.floating], judged: NDArray[np.bool_], offsets: NDArray[np.int64]) -> EpisodeScores:
    """Score episodes by their steps.

    An episode stands out when at least a fifth of its steps (and at least two) are outliers, and five times as many as
    usual; or when its mean score is `TIMES_SCORE` times the usual one and 10 robust standard deviations above it. Usual
    is what the best half of the episodes show, so that many wrong ones do not hide each other.

    Args:
        score: float[N], of each step, in multiples of the noise.
        judged: bool[N], steps that have a score.
        offsets: int64[E + 1].
    """
    count = _sums(judged.astype(np.float64), offsets)
    far = _sums(np.where(judged, score > FAR, False).astype(np.float64), offsets)
    total = _sums(np.where(judged, np.minimum(score, FAR), 0.0), offsets)
    share, mean = far / np.maximum(count, 1), total / np.maximum(count, 1)
    seen = count > 0
    if not seen.any():
        return EpisodeScores(mean, share, 0.0, 0.0, np.zeros(len(mean), dtype=bool))
    usual_share = float(np.median(share[seen]))
    best = np.sort(mean[seen])[: max(int(seen.sum() + 1) // 2, 1)]
    usual = float(np.median(best))
    width = float(np.median(np.abs(best - usual))) / NORMAL_MAD
    many = (share >= max(LEAST_SHARE, TIMES_USUAL * usual_share)) & (far >= 2)
    high = (mean >= max(TIMES_SCORE * usual, LEAST_SCORE)) & (mean >= usual + WIDTHS * width) & (count >= 5)
    return EpisodeScores(mean, share, usual_share, usual, seen & (many | high))


def _sums(values: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[offsets[1:]] - total[offsets[:-1]])
