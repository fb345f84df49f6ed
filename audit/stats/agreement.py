"""Agreement of labels given by several people or models, beyond chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Weights = Literal["none", "linear", "quadratic"]


def label_text(value: object) -> str:
    """Return a label as text, so that 1, 1.0 and "1" are one label, whatever type a column has.

    >>> [label_text(v) for v in (1.0, 2.5, True, " cat ")]
    ['1', '2.5', 'true', 'cat']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def match_labels(values: Sequence[Hashable], known: Sequence[str]) -> dict[Hashable, int]:
    """Return the position in `known` of each value that means the same label; values without one are left out.

    Texts are compared exactly; where that matches fewer values, without case, and true/false as 1/0.

    >>> match_labels([0, 1], ["1", "0"])
    {0: 1, 1: 0}
    >>> match_labels([False, True], ["0", "1"])
    {False: 0, True: 1}
    """
    best: dict[Hashable, int] = {}
    for spell in (str, _loosely):
        places = {spell(text): i for i, text in enumerate(known)}
        if len(places) < len(known):
            continue  # two known labels would become one
        found = {value: places[spelt] for value in values if (spelt := spell(label_text(value))) in places}
        if len(found) > len(best):
            best = found
    return best


def _loosely(text: str) -> str:
    folded = text.casefold()
    return {"true": "1", "false": "0", "1.0": "1", "0.0": "0"}.get(folded, folded)


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa of a k x k table.

    Attributes:
        kappa: (observed - expected) / (1 - expected); NaN when chance alone explains full agreement.
        error: its standard error for large n (Fleiss, Cohen & Everitt 1969, equation 13); NaN where kappa is.
        observed: (weighted) agreement.
        expected: agreement of two raters with these shares who do not look.
        n: rows.
    """

    kappa: float
    error: float
    observed: float
    expected: float
    n: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the normal interval, cut to -1..1."""
        from scipy.special import ndtri

        half = float(ndtri(0.5 + level / 2)) * self.error
        return max(-1.0, self.kappa - half), min(1.0, self.kappa + half)


def cohen_kappa(table: ArrayLike, *, weights: Weights = "none") -> Kappa:
    """Return Cohen's (weighted) kappa with its standard error.

    Args:
        table: [k, k] counts; cell (i, j) holds the rows that the first rater called i and the second j. For weights,
            classes must be in their order, evenly spaced.
        weights: `none` counts only equal labels as agreement; `linear` and `quadratic` count near ones in part.

    Raises:
        ValueError: the table is not square.

    Source: Cohen (1960, 1968); Fleiss, Cohen & Everitt (1969), Large sample standard errors of kappa and weighted
    kappa, Psychological Bulletin 72:323-327.
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"table must be square, got shape {counts.shape}")
    n = float(counts.sum())
    if n == 0:
        return Kappa(float("nan"), float("nan"), float("nan"), float("nan"), 0.0)
    k = len(counts)
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / max(k - 1, 1)
    credit = np.eye(k) if weights == "none" else 1.0 - (distance if weights == "linear" else distance**2)
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed = float((credit * p).sum())
    expected = float(rows @ credit @ columns)
    if 1.0 - expected < 1e-12:
        return Kappa(float("nan"), float("nan"), observed, expected, n)
    kappa = (observed - expected) / (1.0 - expected)
    by_row, by_column = credit @ columns, credit.T @ rows  # mean credit of each row's and each column's class
    terms = credit - (by_row[:, None] + by_column[None, :]) * (1.0 - kappa)
    variance = ((p * terms**2).sum() - (kappa - expected * (1.0 - kappa)) ** 2) / (n * (1.0 - expected) ** 2)
    return Kappa(kappa, float(max(variance, 0.0) ** 0.5), observed, expected, n)


def gwet_ac1(table: ArrayLike) -> float:
    """Return Gwet's AC1 of a k x k table: agreement beyond chance that does not collapse when one class is rare.

    Chance agreement is sum pi (1 - pi) / (k - 1), with pi the mean share of a class over both raters. NaN without rows
    or with a single class.

    Source: Gwet (2008), Computing inter-rater reliability and its variance in the presence of high agreement, British
    Journal of Mathematical and Statistical Psychology 61:29-48, equation 10.
    """
    counts = np.asarray(table, dtype=np.float64)
    n, k = float(counts.sum()), len(counts)
    if n == 0 or k < 2:
        return float("nan")
    share = (counts.sum(axis=0) + counts.sum(axis=1)) / (2 * n)
    expected = float((share * (1 - share)).sum()) / (k - 1)
    return (float(np.trace(counts)) / n - expected) / (1 - expected)


def fleiss_kappa(ratings: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return Fleiss' kappa of several raters.

    Args:
        ratings: [units, k]; how many raters put a unit into each class; the same number of raters for every unit.
        weights: [units], how many units look like this one; 1 by default.

    Returns:
        Kappa; NaN without units, with fewer than two raters, or when only one class was ever used.

    Raises:
        ValueError: units differ in their number of raters.

    Source: Fleiss (1971), Measuring nominal scale agreement among many raters, Psychological Bulletin 76:378-382.
    """
    counts = np.asarray(ratings, dtype=np.float64)
    if counts.shape[0] == 0:
        return float("nan")
    each = np.ones(len(counts)) if weights is None else np.asarray(weights, dtype=np.float64)
    raters = counts.sum(axis=1)
    if np.ptp(raters) > 0:
        raise ValueError("every unit needs the same number of raters; leave incomplete units out")
    m, units = float(raters[0]), float(each.sum())
    if m < 2 or units == 0:
        return float("nan")
    share = each @ counts / (units * m)
    observed = float(each @ ((counts**2).sum(axis=1) - m)) / (units * m * (m - 1))
    expected = float((share**2).sum())
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


def krippendorff_alpha(ratings: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return Krippendorff's alpha for nominal data; units may lack any of their ratings.

    alpha = 1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k, with o the coincidences and n the pairable values;
    units with fewer than two ratings tell nothing and are left out.

    Args:
        ratings: [units, k]; how many raters put a unit into each class.
        weights: [units], how many units look like this one; 1 by default.

    Returns:
        Alpha: 1 is full agreement, 0 is chance. NaN when nothing can be paired or only one class was ever used.

    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C.
    """
    counts = np.asarray(ratings, dtype=np.float64)
    each = np.ones(len(counts)) if weights is None else np.asarray(weights, dtype=np.float64)
    return float(_alphas(counts, each[None, :])[0])


def krippendorff_interval(
    ratings: ArrayLike, weights: ArrayLike | None = None, *, seed: int, repeats: int = 300, level: float = 0.95
) -> tuple[float, float]:
    """Return the bootstrap interval (percentile, over units) of Krippendorff's alpha; arguments as above.

    (NaN, NaN) when no resample has two classes.
    """
    counts = np.asarray(ratings, dtype=np.float64)
    each = np.ones(len(counts)) if weights is None else np.asarray(weights, dtype=np.float64)
    units = round(float(each.sum()))
    if units == 0:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).multinomial(units, each / each.sum(), size=repeats)
    alphas = _alphas(counts, drawn.astype(np.float64))
    usable = alphas[~np.isnan(alphas)]
    if usable.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(usable, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _alphas(counts: Floats, weights: Floats) -> Floats:
    """Return alpha for each row of weights [repeats, units]."""
    raters = counts.sum(axis=1)
    paired = raters >= 2
    counts, weights, raters = counts[paired], weights[:, paired], raters[paired]
    if not len(counts):
        return np.full(len(weights), np.nan)
    disagreement = weights @ ((raters**2 - (counts**2).sum(axis=1)) / (raters - 1))
    values = weights @ counts
    n = values.sum(axis=1)
    by_chance = n**2 - (values**2).sum(axis=1)
    ratio = np.divide((n - 1) * disagreement, by_chance, out=np.full(len(n), np.nan), where=by_chance > 0)
    alphas: Floats = 1.0 - ratio
    return alphas
