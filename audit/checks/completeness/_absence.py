"""What predicts that a value is missing: the parts of COM003 that read the sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.checks.completeness._wording import percent
from audit.dataset import Column, ColumnKind, Roles
from audit.facts import CoMissingTable, Facts
from audit.findings import Chart, NotEvaluated, View
from audit.sample import Sampled
from audit.stats.intervals import benjamini_hochberg
from audit.stats.mcar import LittleTest, little_mcar_test
from audit.stats.missingness import Prediction, absence_by_categories, absence_by_numbers, quantile_codes

ROWS = 20_000
"""Rows of the sample that are read here: enough for an AUC to about 0.01 where a tenth is missing."""

SMALLEST = 30
"""A column's absence is explained from this many missing and this many present values on."""

RANKED = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.TEMPORAL)


@dataclass(frozen=True, slots=True)
class Clue:
    """One column that may predict the absence of another."""

    column: str
    auc: float
    difference: float | None
    p_adjusted: float
    label: bool

    @property
    def detail(self) -> str:
        """What is known beyond the AUC, in words."""
        if self.difference is None or abs(self.difference) < 0.1:
            return "0.5 means not at all, 1 perfectly"
        way = "higher" if self.difference > 0 else "lower"
        return f"where it is missing, '{self.column}' is {abs(self.difference):.2f} standard deviations {way}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Clues about one column's absence, strongest first, over `rows` rows of which `missing` miss it.

    `alike` are further columns that are missing in (nearly) the same rows: the same clues hold for them.
    """

    column: str
    alike: tuple[str, ...]
    rows: int
    missing: int
    clues: tuple[Clue, ...]

    def strongest(self, significance: float) -> Clue | None:
        """Return the strongest clue beyond chance, else the strongest at all."""
        sure = [clue for clue in self.clues if clue.p_adjusted < significance]
        return max(sure or self.clues, key=lambda clue: clue.auc, default=None)


def explain_absence(facts: Facts, most_targets: int, most_predictors: int) -> Iterator[Explanation]:
    """Try every other column as an explanation of each column's absence (bounded by both numbers, and by `ROWS`)."""
    sample: Sampled = facts["sample"]
    table: CoMissingTable = facts["patterns"]
    columns: dict[str, Column] = {column.name: column for column in facts["columns"]}
    rows = evenly_spaced(sample.rows, ROWS)
    absent = {c: sample.missing(c)[rows] for c in sorted(table.columns, key=lambda c: -table.missing[c])}
    usable = {c: flags for c, flags in absent.items() if SMALLEST <= flags.sum() <= len(rows) - SMALLEST}
    alike = _together(usable, most_targets)
    targets = list(alike)
    if not targets:
        return
    missing = np.column_stack([absent[c] for c in targets])
    predictors = choose_predictors(columns, facts["roles"], most_predictors)
    numbers = [c for c in predictors if columns[c].kind in RANKED]
    found = _predictions(sample, rows, missing, predictors, numbers)
    own = np.array([[p == t for t in targets] for p in found.names])
    small = (found.result.missing < SMALLEST) | (found.result.present < SMALLEST) | own
    p_values = np.where(small, np.nan, found.result.p_values())
    adjusted = benjamini_hochberg(p_values)
    for t, target in enumerate(targets):
        clues: dict[str, Clue] = {}
        for i, name in enumerate(found.names):
            auc = float(found.result.auc[i, t])
            if small[i, t] or np.isnan(auc):
                continue
            auc = max(auc, 1 - auc) if found.ranked[i] else auc  # an out-of-fold score below 0.5 says nothing
            gap = float(found.result.difference[i, t])
            difference = clues[name].difference if name in clues else None if np.isnan(gap) else gap
            clue = Clue(name, auc, difference, float(adjusted[i, t]), name == facts["roles"].label)
            if name not in clues or clue.auc > clues[name].auc:
                clues[name] = clue
        ranked = tuple(sorted(clues.values(), key=lambda c: -c.auc))
        yield Explanation(target, tuple(alike[target]), len(rows), int(missing[:, t].sum()), ranked)


def _together(absent: dict[str, NDArray[np.bool_]], most: int) -> dict[str, list[str]]:
    """Return one column of each set that is missing in (nearly) the same rows, with the others: phi above 0.95."""
    names = list(absent)
    if not names:
        return {}
    flags = np.column_stack([absent[c] for c in names]).astype(np.float64)
    shares = flags.mean(axis=0)
    covariance = flags.T @ flags / len(flags) - np.outer(shares, shares)
    phi = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    found: dict[str, list[str]] = {}
    for j, name in enumerate(names):
        first = next((kept for kept in found if phi[j, names.index(kept)] > 0.95), None)
        if first is not None:
            found[first].append(name)
        elif len(found) < most:
            found[name] = []
    return found


@dataclass(frozen=True, slots=True)
class _Found:
    names: list[str]
    ranked: list[bool]
    result: Prediction


def _predictions(
    sample: Sampled, rows: NDArray[np.int64], missing: NDArray[np.bool_], predictors: list[str], numbers: list[str]
) -> _Found:
    """Numbers by rank and again by quantile bin (high and low values may both be withheld), the rest by category."""
    folds = np.random.default_rng(sample.seed).integers(0, 2, len(rows))
    parts: list[Prediction] = []
    names, ranked = list(numbers), [True] * len(numbers)
    values = np.empty((len(rows), 0))
    if numbers:
        values = np.column_stack([sample.numbers(c)[rows] for c in numbers])
        parts.append(absence_by_numbers(missing, values))
    for j, column in enumerate(numbers):
        parts.append(absence_by_categories(missing, quantile_codes(values[:, j]), folds))
        names.append(column)
        ranked.append(False)
    for column in predictors:
        if column in numbers:
            continue
        codes = sample.codes(column)[0][rows]
        if len(np.unique(codes)) > len(rows) / 2:  # a name or an identifier: no two rows alike, nothing to learn from
            continue
        parts.append(absence_by_categories(missing, codes, folds))
        names.append(column)
        ranked.append(False)
    empty = np.empty((0, missing.shape[1]))
    joined = [
        np.concatenate([getattr(part, field) for part in parts]) if parts else empty
        for field in ("auc", "difference", "missing", "present", "error")
    ]
    return _Found(names, ranked, Prediction(*joined))


def choose_predictors(columns: dict[str, Column], roles: Roles, most: int) -> list[str]:
    """Return the columns worth trying, label first; keys and what came out of a model are not among them."""
    spared = {*roles.key, *roles.probabilities, roles.weight}
    first = [c for c in (roles.label, roles.split, roles.group, roles.time) if c in columns]
    usable = [c.name for c in columns.values() if c.kind in (*RANKED, ColumnKind.TEXT) and c.name not in spared]
    ordered = [c for c in first if c in usable] + [c for c in usable if c not in first]
    return ordered[:most]


def little_test(facts: Facts, most: int = 25, patterns: int = 200) -> tuple[LittleTest, tuple[str, ...]] | NotEvaluated:
    """Run Little's test on the numeric columns with most missing values, and the complete ones that fill the number.

    Columns are taken away until at most `patterns` patterns are left, so that EM ends in a fraction of a second.
    """
    sample: Sampled = facts["sample"]
    table: CoMissingTable = facts["patterns"]
    spared = {*facts["roles"].key, *facts["roles"].probabilities, facts["roles"].weight}
    numeric = [c.name for c in facts["columns"] if c.kind is ColumnKind.NUMERIC and c.name not in spared]
    rows = evenly_spaced(sample.rows, ROWS)
    by_missing = sorted(numeric, key=lambda c: -table.missing.get(c, 0))[: 2 * most]
    kept: list[str] = []
    arrays: list[NDArray[np.float64]] = []
    for column in by_missing:
        values = sample.numbers(column)[rows]
        values = np.where(np.isfinite(values), values, np.nan)
        known = values[~np.isnan(values)]
        if len(known) >= SMALLEST and np.ptp(known) > 0:
            kept.append(column)
            arrays.append(values)
    kept, arrays = _independent(kept, arrays, most)
    while len(kept) > 2 and _pattern_count(arrays) > patterns:
        kept, arrays = kept[: len(kept) * 2 // 3], arrays[: len(arrays) * 2 // 3]
    if len(kept) < 2 or not np.isnan(np.column_stack(arrays)).any():
        return NotEvaluated("Little's test needs two numeric columns that vary, one of them with missing values")
    try:
        return little_mcar_test(np.column_stack(arrays), tolerance=1e-7, iterations=300), tuple(kept)
    except ValueError as error:
        return NotEvaluated(f"Little's test was not made: {error}", tuple(kept))


def _independent(
    names: list[str], arrays: list[NDArray[np.float64]], most: int
) -> tuple[list[str], list[NDArray[np.float64]]]:
    """Keep the first `most` columns of which no two lie on one line (else their covariance cannot be inverted)."""
    if not arrays:
        return names, arrays
    values = np.column_stack(arrays)
    known = ~np.isnan(values)
    centred = np.where(known, values - np.nanmean(values, axis=0), 0.0)
    shared = (centred**2).T @ known.astype(np.float64)
    scale = np.sqrt(shared * shared.T)
    alike = np.abs(centred.T @ centred) >= 0.999 * scale  # true, too, where the two are never known together
    kept: list[int] = []
    for j in range(len(names)):
        if len(kept) < most and not alike[j, kept].any():
            kept.append(j)
    return [names[j] for j in kept], [arrays[j] for j in kept]


def _pattern_count(arrays: list[NDArray[np.float64]]) -> int:
    flags = np.isnan(np.column_stack(arrays))
    return len(np.unique(np.packbits(flags, axis=1), axis=0))


def evenly_spaced(rows: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` row positions, evenly spaced, in order."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)


def missingness_view(sample: Sampled, table: CoMissingTable, blocks: int = 50, most: int = 40) -> View:
    """Return the picture of absence: blocks of rows in file order by columns, share missing."""
    columns = sorted(table.columns, key=lambda c: -table.missing[c])[:most]
    blocks = max(1, min(blocks, sample.rows))
    edges = np.linspace(0, sample.of, blocks + 1)
    place = np.clip(np.searchsorted(edges, sample.row_ids, side="right") - 1, 0, blocks - 1)
    sizes = np.bincount(place, minlength=blocks)
    used = np.flatnonzero(sizes)
    shares = [np.bincount(place[sample.missing(c)], minlength=blocks)[used] / sizes[used] for c in columns]
    chart = Chart(
        "heatmap",
        "missingness",
        {
            "rows": [f"{int(edges[b]):,}-{max(int(edges[b + 1]) - 1, int(edges[b])):,}" for b in used],
            "columns": list(columns),
            "values": np.round(np.column_stack(shares), 4).tolist(),
            "low": 0.0,
            "high": 1.0,
        },
        x_title="columns with missing values",
        y_title="rows in file order",
    )
    rest = len(table.columns) + len(table.left_out) - len(columns)
    worst, share = columns[0], percent(table.missing[columns[0]] / table.rows)
    caption = f"Share of missing values by block of rows; '{worst}' misses most ({share})"
    return View(chart, f"{caption}; {rest:,} further columns have missing values" if rest else caption)
