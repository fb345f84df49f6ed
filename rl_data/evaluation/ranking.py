"""How well estimates order policies: what DOPE measures (Fu et al., arXiv 2103.16596, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rl_data.evaluation.evaluation import Interval

Values = NDArray[np.float64]


def spearman(estimates: Values, truth: Values) -> float:
    """Return the rank correlation in [-1, 1]; NaN where one of the two has no spread."""
    from scipy import stats

    if len(truth) < 2 or np.ptp(estimates) == 0.0 or np.ptp(truth) == 0.0:
        return float("nan")
    return float(stats.spearmanr(estimates, truth).statistic)


def regret(estimates: Values, truth: Values, k: int = 1) -> float:
    """Return (max V - the best V among the k best by estimate) / (max V - min V), in [0, 1]; 0 without spread."""
    spread = float(np.ptp(truth))
    if spread == 0.0:
        return 0.0
    chosen = np.argsort(-estimates, kind="stable")[:k]
    return float(truth.max() - truth[chosen].max()) / spread


def coverage(intervals: Sequence[Interval | None], truth: Values) -> float:
    """Return the share of intervals that hold the true value; NaN without any."""
    held = [value in interval for interval, value in zip(intervals, truth, strict=True) if interval is not None]
    return float(np.mean(held)) if held else float("nan")
