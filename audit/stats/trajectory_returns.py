"""What the returns of episodes say about a dataset: quality, spread, and room to improve on the behaviour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def trajectory_quality(returns: Floats, random: float, best: float) -> float:
    """Return TQ = (mean return of the data - that of a random policy) / (best online return - that of a random one).

    0 is no better than random, 1 as good as the best policy that was trained online; it can lie outside 0..1.

    Args:
        returns: float64[E], finite.
        random: mean return of a uniformly random policy.
        best: return of the best online policy.

    Raises:
        ValueError: `best` is not above `random`, or there is no return.

    Source: Schweighofer et al. (2022), A dataset perspective on offline reinforcement learning, arXiv:2111.04714,
    section 3 (their code: mean over episodes, undiscounted).
    """
    if not best > random:
        raise ValueError(f"the best return must be above the random one, got {best:g} and {random:g}")
    if not len(returns):
        raise ValueError("quality needs at least one return")
    return (float(returns.mean()) - random) / (best - random)


@dataclass(frozen=True, slots=True)
class ReturnSpread:
    """The spread of returns above their mean.

    Attributes:
        rpsv: return positive-sided variance, E[max(G - E[G], 0)^2]: 0 when no episode is better than the average.
        rpsv_normalised: divided by (max G - min G)^2, so that datasets can be compared; 0 to 4/27.
        eri: estimated relative improvement, (max g - mean g) / mean g with g = G - min G: how far the best episode is
            above the average. It hangs on the single best episode.
        eri_q95: the same with the 95% quantile in place of the maximum.
        contrast: (q95 - q05) / max(|q95|, |q05|): how unlike the returns are; 0 when all are equal.
    """

    rpsv: float
    rpsv_normalised: float
    eri: float
    eri_q95: float
    contrast: float


def return_spread(returns: Floats) -> ReturnSpread:
    """Return the spread of returns; all 0 where they are equal.

    Args:
        returns: float64[E], finite, E > 0.

    Sources: RPSV: Hong et al. (2023), Harnessing mixed offline reinforcement learning datasets via trajectory
    weighting, ICLR, arXiv:2306.13085. ERI: Swazinna, Udluft & Runkler (2021), Measuring data quality for dataset
    selection in offline reinforcement learning, arXiv:2111.13461.
    """
    low, high, mean = float(returns.min()), float(returns.max()), float(returns.mean())
    rpsv = float((np.maximum(returns - mean, 0.0) ** 2).mean())
    q05, q95 = np.quantile(returns, [0.05, 0.95]).tolist()
    size = max(abs(q05), abs(q95))
    contrast = (q95 - q05) / size if size > 0 else 0.0
    width, shifted = high - low, mean - low
    if width <= 0 or shifted <= 0:
        return ReturnSpread(rpsv, 0.0, 0.0, 0.0, contrast)
    return ReturnSpread(rpsv, rpsv / width**2, (width - shifted) / shifted, (q95 - low - shifted) / shifted, contrast)
