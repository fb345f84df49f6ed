"""Are values missing completely at random? Little's test, with mean and covariance by maximum likelihood (EM).

The p-value alone decides nothing: with many rows the least difference is "significant". `LittleTest.effect` says how
large the difference is, in standard deviations. No test can tell "missing at random" from "missing not at random".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NormalFit:
    """Mean [d] and covariance [d, d] (divisor n) of a normal distribution fitted by EM, and how EM ended."""

    mean: Floats
    covariance: Floats
    iterations: int
    converged: bool


@dataclass(frozen=True, slots=True)
class LittleTest:
    """Little's test of "missing completely at random".

    Attributes:
        statistic: Little's d2, chi-squared with `df` degrees of freedom under MCAR.
        df: sum over patterns of the observed columns, minus the number of columns.
        p_value: upper tail probability.
        effect: root mean squared distance of the patterns' means from the overall mean, in standard deviations per
            observed value and freed of what chance adds: sqrt(max(0, d2 - df) / sum n_p k_p). 0.1 is small.
        patterns: number of patterns of absence among the rows with at least one value.
        rows: those rows.
        converged: whether EM reached its tolerance.
    """

    statistic: float
    df: int
    p_value: float
    effect: float
    patterns: int
    rows: int
    converged: bool


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Rows summed up by pattern: all that EM and the test need, so that neither loops over rows."""

    observed: Bools  # [p, d]
    rows: Floats  # [p]
    sums: Floats  # [p, d], zero where not observed
    products: Floats  # [p, d, d]

    @property
    def n(self) -> float:
        return float(self.rows.sum())


def little_mcar_test(values: Floats, *, tolerance: float = 1e-9, iterations: int = 1_000) -> LittleTest:
    """Test whether the values of numeric columns are missing completely at random.

    Args:
        values: float64 [n, d] with NaN where a value is missing; rows without any value are left out.
        tolerance: EM stops when no standardised parameter moves by more.
        iterations: the most EM steps.

    Raises:
        ValueError: there are fewer than two patterns, a column is constant or empty, or columns depend linearly on each
            other (the covariance cannot be inverted).

    Source: Little (1988), A test of missing completely at random for multivariate data with missing values, JASA
    83:1198-1202, eq. 5 (d2 with the maximum likelihood estimates).
    """
    from scipy.special import chdtrc

    scaled = _standardised(values)
    patterns = _patterns(scaled)
    if len(patterns.rows) < 2:
        raise ValueError("fewer than two patterns of absence: there is nothing to compare")
    fit = _fit(patterns, tolerance, iterations)
    if not np.isfinite(fit.covariance).all() or np.linalg.cond(fit.covariance) > 1e10:
        raise ValueError("the columns depend linearly on each other, so that their covariance cannot be inverted")
    inverses = _masked_inverses(fit.covariance, patterns.observed)
    offsets = np.where(patterns.observed, patterns.sums / patterns.rows[:, None] - fit.mean, 0.0)
    statistic = float(np.einsum("p,pi,pij,pj->", patterns.rows, offsets, inverses, offsets, optimize=True))
    df = int(patterns.observed.sum()) - scaled.shape[1]
    cells = float((patterns.rows * patterns.observed.sum(axis=1)).sum())
    return LittleTest(
        statistic=statistic,
        df=df,
        p_value=float(chdtrc(df, statistic)),
        effect=float(np.sqrt(max(0.0, statistic - df) / cells)),
        patterns=len(patterns.rows),
        rows=int(patterns.n),
        converged=fit.converged,
    )


def fit_normal(values: Floats, *, tolerance: float = 1e-9, iterations: int = 1_000) -> NormalFit:
    """Fit a multivariate normal distribution to rows with missing values, by EM.

    Args:
        values: float64 [n, d], NaN where missing.
        tolerance: EM stops when no standardised parameter moves by more.
        iterations: the most EM steps.

    Raises:
        ValueError: a column is constant or empty.

    Source: Dempster, Laird & Rubin (1977), JRSS B 39:1-38; Little & Rubin (2019), Statistical Analysis with Missing
    Data, section 11.2.
    """
    mean, scale = _location_scale(values)
    fit = _fit(_patterns((values - mean) / scale), tolerance, iterations)
    covariance = fit.covariance * np.outer(scale, scale)
    return NormalFit(fit.mean * scale + mean, covariance, fit.iterations, fit.converged)


def _location_scale(values: Floats) -> tuple[Floats, Floats]:
    if values.ndim != 2 or not len(values) or bool(np.isnan(values).all(axis=0).any()):
        raise ValueError("every column needs a value")
    mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    if bool((scale <= 1e-12 * np.maximum(1.0, np.abs(mean))).any()):
        raise ValueError("a column is constant: it has no covariance with the others")
    return mean, scale


def _standardised(values: Floats) -> Floats:
    mean, scale = _location_scale(values)  # d2 does not depend on units; the arithmetic does
    return np.asarray((values - mean) / scale, dtype=np.float64)


def _patterns(values: Floats) -> _Patterns:
    seen = ~np.isnan(values)
    keep = seen.any(axis=1)
    seen, filled = seen[keep], np.where(seen[keep], values[keep], 0.0)
    observed, which = np.unique(seen, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    counts = np.bincount(which.ravel(), minlength=len(observed))
    starts = np.concatenate([[0], np.cumsum(counts)])
    grouped = filled[order]
    products = np.empty((len(observed), values.shape[1], values.shape[1]))
    sums = np.empty((len(observed), values.shape[1]))
    for p in range(len(observed)):
        rows = grouped[starts[p] : starts[p + 1]]
        products[p], sums[p] = rows.T @ rows, rows.sum(axis=0)
    return _Patterns(observed, counts.astype(np.float64), sums, products)


def _masked_inverses(covariance: Floats, observed: Bools) -> Floats:
    """Return [p, d, d]: the inverse of the observed block of each pattern, zero elsewhere."""
    both = observed[:, :, None] & observed[:, None, :]
    identity = np.eye(len(covariance))
    # ones on the diagonal of the unobserved block make all patterns one batch of the same size
    blocks = np.where(both, covariance, identity)
    return np.asarray(np.where(both, np.linalg.inv(blocks), 0.0), dtype=np.float64)


def _fit(patterns: _Patterns, tolerance: float, iterations: int) -> NormalFit:
    """Run EM from the available-case means and variances; columns are standardised, so one tolerance fits all."""
    d = patterns.observed.shape[1]
    per_column = (patterns.rows[:, None] * patterns.observed).sum(axis=0)
    mean = patterns.sums.sum(axis=0) / per_column
    covariance = np.diag(np.einsum("pii->i", patterns.products) / per_column - mean**2)
    shift, step = np.inf, 0
    while shift > tolerance and step < iterations:
        step += 1
        weights = covariance @ _masked_inverses(
            covariance + 1e-12 * np.eye(d), patterns.observed
        )  # regressions [p, d, d]
        masked = np.where(patterns.observed, mean, 0.0)
        centred = patterns.sums - patterns.rows[:, None] * masked
        cross = masked[:, :, None] * patterns.sums[:, None, :]
        products = patterns.products - cross - cross.transpose(0, 2, 1)
        products = products + patterns.rows[:, None, None] * masked[:, :, None] * masked[:, None, :]
        explained = weights @ products @ weights.transpose(0, 2, 1)
        rest = patterns.rows[:, None, None] * (covariance - weights @ covariance)  # conditional covariance
        offset = (weights @ centred[:, :, None])[:, :, 0].sum(axis=0) / patterns.n
        updated = (explained + rest).sum(axis=0) / patterns.n - np.outer(offset, offset)
        updated = (updated + updated.T) / 2
        shift = max(float(np.abs(offset).max()), float(np.abs(updated - covariance).max()))
        mean, covariance = mean + offset, updated
    return NormalFit(mean, covariance, step, shift <= tolerance)
