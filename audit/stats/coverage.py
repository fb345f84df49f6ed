"""Which combinations of values a table lacks, and how far its shares are from those of a population."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A maximal uncovered pattern: too few rows, while every more general pattern has enough.

    Attributes:
        attributes: places of the attributes that the pattern fixes, increasing.
        values: the code of each of them.
        rows: rows that match.
        expected: rows that would match if the last relation were absent: the smallest of (rows of the pattern without
            one attribute) x (share of that attribute's value); for a single attribute its own rows.
        p_value: chance of so few rows then (Poisson); 1 for a single attribute.
        holes: cells over these attributes that have less than half of what is expected, significantly: one for a single
            hole, many where one attribute determines another.
        cells: cells over these attributes.
    """

    attributes: tuple[int, ...]
    values: tuple[int, ...]
    rows: int
    expected: float
    p_value: float
    holes: int
    cells: int


def uncovered_patterns(
    codes: Sequence[Codes], sizes: Sequence[int], least: float, *, most_attributes: int = 3
) -> list[Uncovered]:
    """Return the maximal uncovered patterns of up to three attributes, those with the most expected rows first.

    A pattern fixes the values of some attributes. It is uncovered when fewer than `least` rows match, and maximal when
    every pattern that leaves out one of its attributes is covered.

    Args:
        codes: one int64[n] an attribute, 0..size-1, or -1 for missing (such rows match no pattern on it).
        sizes: number of values of each attribute.
        least: rows that a covered pattern has.
        most_attributes: patterns of more attributes are not looked at.

    Source: Asudeh, Jin & Jagadish (2019), Assessing and remedying coverage for a given dataset, ICDE, definitions 1-4.
    """
    tables = {
        chosen: _count(codes, sizes, chosen)
        for level in range(1, min(most_attributes, len(codes)) + 1)
        for chosen in itertools.combinations(range(len(codes)), level)
    }
    found: list[Uncovered] = []
    for chosen, table in tables.items():
        maximal = table < least
        for place in range(len(chosen)) if len(chosen) > 1 else ():
            parent = tables[chosen[:place] + chosen[place + 1 :]]
            maximal = maximal & (np.expand_dims(parent, place) >= least)
        if bool(maximal.any()):
            found.extend(_patterns(chosen, table, maximal, tables))
    return sorted(found, key=lambda u: (-u.expected, u.attributes, u.values))


def _count(codes: Sequence[Codes], sizes: Sequence[int], chosen: tuple[int, ...]) -> NDArray[np.int64]:
    shape = [sizes[i] for i in chosen]
    present = np.ones(len(codes[chosen[0]]), dtype=bool)
    flat = np.zeros(len(present), dtype=np.int64)
    for i in chosen:
        present &= codes[i] >= 0
        flat = flat * sizes[i] + codes[i]
    return np.bincount(flat[present], minlength=int(np.prod(shape))).reshape(shape)


def _patterns(
    chosen: tuple[int, ...],
    table: NDArray[np.int64],
    maximal: NDArray[np.bool_],
    tables: dict[tuple[int, ...], NDArray[np.int64]],
) -> list[Uncovered]:
    from scipy.special import pdtr

    if len(chosen) == 1:
        return [
            Uncovered(chosen, (int(v),), int(table[v]), float(table[v]), 1.0, 0, len(table))
            for v in np.flatnonzero(maximal)
        ]
    expected = np.full(table.shape, np.inf)
    for place, attribute in enumerate(chosen):
        single = tables[(attribute,)].astype(np.float64)
        share = single / max(single.sum(), 1.0)
        shape = [1] * len(chosen)
        shape[place] = len(share)
        parent = np.expand_dims(tables[chosen[:place] + chosen[place + 1 :]], place)
        expected = np.minimum(expected, parent * share.reshape(shape))
    p_values = pdtr(table, np.maximum(expected, 1e-12))
    holes = int(np.count_nonzero((table < expected / 2) & (p_values < 1e-4)))
    return [
        Uncovered(
            chosen,
            tuple(int(v) for v in cell),
            int(table[cell]),
            float(expected[cell]),
            float(p_values[cell]),
            holes,
            table.size,
        )
        for cell in map(tuple, np.argwhere(maximal))
    ]


# --- shares of a population -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fit:
    """Pearson's chi-square test that counts follow given shares, and the distance between them.

    Attributes:
        statistic: chi-square.
        dof: degrees of freedom.
        p_value: chance of a statistic as large when the shares hold.
        tvd: total variation distance, half the sum of differences of shares, 0 to 1.
        ratios: share / target of each value.
    """

    statistic: float
    dof: int
    p_value: float
    tvd: float
    ratios: Floats


def goodness_of_fit(counts: Sequence[float], shares: Sequence[float]) -> Fit:
    """Return how well counts follow given shares.

    Args:
        counts: rows of each value [k].
        shares: the target share of each [k], positive; scaled to sum to 1.

    Raises:
        ValueError: lengths differ, no rows, or a share is not positive.
    """
    from scipy.special import chdtrc

    rows, target = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if rows.shape != target.shape or not rows.sum() > 0 or bool(np.any(target <= 0)):
        raise ValueError("counts and shares must have the same length, some rows, and only positive shares")
    target = target / target.sum()
    expected = target * rows.sum()
    statistic = float(((rows - expected) ** 2 / expected).sum())
    dof = len(rows) - 1
    share = rows / rows.sum()
    p_value = float(chdtrc(dof, statistic)) if dof else 1.0
    return Fit(statistic, dof, p_value, float(np.abs(share - target).sum() / 2), share / target)


def rake(table: Floats, margins: Sequence[Floats], *, steps: int = 200, tolerance: float = 1e-10) -> Floats | None:
    """Return the weight of each cell that brings every margin of a table to its target: iterative proportional fitting.

    Args:
        table: counts[k1, k2, ...].
        margins: for each axis the target shares [k]; each sums to 1.
        steps: most rounds over all axes.
        tolerance: largest difference of a share from its target.

    Returns:
        float64 of the table's shape, with mean 1 over the rows; None where a value with a target has no row, or the
        margins contradict each other.

    Source: Deming & Stephan (1940), Annals of Mathematical Statistics 11:427-444.
    """
    fitted = table / table.sum()
    axes = range(table.ndim)
    sums = [tuple(other for other in axes if other != axis) for axis in axes]
    for axis in axes:
        if bool(np.any((fitted.sum(axis=sums[axis]) == 0) & (margins[axis] > 0))):
            return None
    for _ in range(steps):
        for axis in axes:
            now = fitted.sum(axis=sums[axis])
            scale = np.divide(margins[axis], now, out=np.zeros_like(now), where=now > 0)
            shape = [1] * table.ndim
            shape[axis] = len(scale)
            fitted = fitted * scale.reshape(shape)
        apart = max(float(np.abs(fitted.sum(axis=sums[axis]) - margins[axis]).max()) for axis in axes)
        if apart < tolerance:
            held = table > 0
            weights: Floats = np.divide(fitted * table.sum(), table, out=np.zeros_like(fitted), where=held)
            return weights
    return None


def effective_rows(table: Floats, weights: Floats) -> float:
    """Return Kish's effective number of rows, (sum w)^2 / sum w^2, each row with the weight of its cell.

    Source: Kish (1965), Survey Sampling, section 11.7.
    """
    total, squares = float((table * weights).sum()), float((table * weights**2).sum())
    return total * total / squares if squares > 0 else 0.0
