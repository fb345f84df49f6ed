"""Bootstrap intervals over episodes, interquartile mean, stratified intervals over runs and tasks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rl_data.errors import SettingsError
from rl_data.evaluation.evaluation import Interval

Values = NDArray[np.float64]


def resamples(episodes: int, count: int, generator: np.random.Generator) -> Values:
    """Return how often each episode is drawn, float64[count, episodes]; each row adds up to episodes."""
    return generator.multinomial(episodes, np.full(episodes, 1.0 / episodes), size=count).astype(np.float64)


def percentiles(replicates: Values, level: float = 0.95) -> Interval:
    """Return the percentile interval of bootstrap replicates (Efron and Tibshirani 1993, section 13.3)."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(replicates, [tail, 1.0 - tail])
    return Interval(float(low), float(high), level)


def mean_interval(
    values: Values, generator: np.random.Generator, *, count: int = 2_000, level: float = 0.95
) -> Interval:
    """Return the percentile interval of the mean of float[E], one value an episode."""
    return percentiles(resamples(len(values), count, generator) @ values / len(values), level)


def critics_interval(by_critic: Values, *, level: float = 0.95) -> Interval:
    """Return the interval of a mean over episodes whose values come from a critic that is itself estimated.

    Row r of float[R, E] holds the episodes' values by a critic that was fitted to resample r of the data: their means
    differ as those of other data would (Hao et al., arXiv 2102.03607: critics must be refitted on the resamples). The
    variance of the episodes is added to that. Both are estimated, from R and from E values, so Student's quantile is
    taken with Satterthwaite's degrees of freedom (1946). A bias that all critics share does not show.
    """
    from scipy import stats

    refits, episodes = by_critic.shape
    within = float(by_critic.mean(0).var(ddof=1)) / episodes
    between = float(by_critic.mean(1).var(ddof=1)) if refits > 1 else 0.0
    variance = within + between
    middle = float(by_critic.mean())
    if not variance > 0.0:
        return Interval(middle, middle, level)
    freedom = variance**2 / (within**2 / (episodes - 1) + (between**2 / (refits - 1) if refits > 1 else 0.0))
    reach = float(stats.t.ppf(0.5 + level / 2.0, freedom)) * variance**0.5
    return Interval(middle - reach, middle + reach, level)


def iqm(scores: NDArray[np.floating]) -> float:
    """Return the mean of the middle half: the mean after the lowest and the highest quarter are cut off.

    As rliable and scipy's `trim_mean(scores, 0.25)`: floor(n / 4) values are cut at each end (Agarwal et al., arXiv
    2108.13264, section 4.3).
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def stratified_interval(
    scores: Values,
    statistic: Callable[[Values], float] = iqm,
    *,
    generator: np.random.Generator,
    count: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """Return the interval of a statistic of float[runs, tasks]: runs are resampled within each task.

    Agarwal et al., arXiv 2108.13264, section 4.1.

    Raises:
        SettingsError: scores are not a table with at least two runs.
    """
    if scores.ndim != 2 or len(scores) < 2:
        raise SettingsError(f"scores must be a table of at least 2 runs by tasks, not of shape {scores.shape}")
    runs, tasks = scores.shape
    replicates = [
        statistic(np.take_along_axis(scores, generator.integers(runs, size=(runs, tasks)), axis=0))
        for _ in range(count)
    ]
    return percentiles(np.array(replicates), level)
