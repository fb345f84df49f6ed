"""The lag test: at which lag does an input explain what a baseline leaves open?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

NOISE = 1e-4
"""Share of an output's variance below which what the baseline leaves open is rounding."""


def explained_beyond(
    baseline: Floats, designs: Mapping[int, Floats], y: Floats, fold: NDArray[np.int64]
) -> dict[int, float]:
    """Return, by lag, the share of what the baseline leaves open that the wider design explains.

    Cross-fitted ridge regression; the outputs are standardised and winsorised at 1.5 interquartile ranges beyond their
    quartiles, so that a few wild values count little. It is a partial R-squared, pooled over outputs.

    Args:
        baseline: float[n, p], with a constant.
        designs: lag -> float[n, p + more], the baseline with the input at this lag.
        y: float[n, q].
        fold: int64[n], the fold of each row.

    Returns:
        lag -> share, at most 1; below 0 where the input only adds noise. Empty where nothing is left open.
    """
    outputs = np.asarray(y, dtype=np.float64)
    low, high = np.quantile(outputs, [0.25, 0.75], axis=0)
    reach = np.where(high > low, 1.5 * (high - low), np.inf)
    outputs = np.clip(outputs, low - reach, high + reach)
    spread = outputs.std(axis=0)
    outputs = (outputs - outputs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    left = np.mean(_residuals(baseline, outputs, fold) ** 2, axis=0)
    left = np.where(left > NOISE, left, 0.0)
    if not left.sum() > 0:
        return {}
    open_ = left > 0
    return {
        lag: float(1.0 - np.mean(_residuals(design, outputs, fold)[:, open_] ** 2, axis=0).sum() / left.sum())
        for lag, design in designs.items()
    }


def _residuals(design: Floats, y: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    design = np.asarray(design, dtype=np.float64)
    folds = int(fold.max()) + 1
    parts = [np.flatnonzero(fold == k) for k in range(folds)]
    grams = [design[mine].T @ design[mine] for mine in parts]
    rights = [design[mine].T @ y[mine] for mine in parts]
    gram, right = np.sum(grams, axis=0), np.sum(rights, axis=0)
    ridge = 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))
    out = np.empty_like(y)
    for k, mine in enumerate(parts):
        weights = np.linalg.lstsq(gram - grams[k] + ridge, right - rights[k], rcond=1e-12)[0]
        out[mine] = y[mine] - design[mine] @ weights
    return out


def winner(gain: Mapping[int, float], *, least: float, lags: Sequence[int] = (-1, 1)) -> int:
    """Return the lag that explains far more than lag 0, else 0.

    Far more: it leaves at most half of what lag 0 leaves open, and it explains at least `least`.
    """
    best = max(lags, key=lambda lag: gain[lag])
    far = 1.0 - gain[best] <= 0.5 * (1.0 - gain[0])
    return best if far and gain[best] >= least else 0
