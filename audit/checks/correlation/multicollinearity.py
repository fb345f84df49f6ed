"""COR002: columns that several others together determine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.collinearity import (
    LARGEST_VIF,
    Moments,
    adjusted_variance_inflation,
    condition_indices,
    connected,
    correlation_for_inverse,
    partial_correlations,
    variance_inflation,
)
from audit.stats.encoding import evenly_spaced

Floats = NDArray[np.float64]

CELLS = 10_000_000  # values that the correlation matrix is computed from
MOST_ROWS = 20_000
PARTIAL = 0.3  # partial correlation from which two columns belong to one dependency
MOST_FINDINGS = 20


@register
@dataclass(frozen=True, slots=True)
class Multicollinearity:
    """Numeric features that several others together determine, while no single pair shows it.

    What it measures: the variance inflation factor of each numeric or boolean feature, VIF = 1 / (1 - R^2) of its
    regression on all others, as the diagonal of the inverse of the correlation matrix, with adjusted R^2 so that many
    columns over few rows are not taken for dependence; and the condition index of that matrix (Belsley). Columns tied
    by a single pair (|r| at or above `pairs`) count once: COR001 and COR004 report those. Complete rows are used where
    they are enough, else missing values stand at their column's mean, which makes the VIF a lower bound. Columns with a
    high VIF are grouped by their partial correlations: one finding for each dependency. Constant columns and columns
    with more than half of their values missing are left out.
    Why it matters: coefficients, their signs and importances of such columns are not determined by the data: they
    change with every new sample, and inverting the matrix loses digits.
    What to do: drop one column of the dependency (a total beside its parts), combine them, or use a penalty (ridge).

    Options:
        info: VIF from which a dependency is worth knowing (the limit that statsmodels names).
        warn: VIF from which it is a problem (the usual stricter limit).
        condition: condition index from which the features as a whole are worth a look (30: Belsley).
        pairs: size of Pearson's r from which two columns count as one here.
    """

    code: ClassVar[str] = "COR002"
    name: ClassVar[str] = "multicollinearity"
    dimension: ClassVar[str] = "correlation"
    kinds: ClassVar[Kind] = TABULAR

    info: float = 5.0
    warn: float = 10.0
    condition: float = 30.0
    pairs: float = 0.9

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the sampled numeric features."""
        numbers = data.of_kind(ColumnKind.NUMERIC, ColumnKind.BOOLEAN, names=data.roles.features)
        if len(numbers) < 3:
            return NotEvaluated("fewer than three features are numeric: a pair is judged by COR001")
        return {"sample": Sample(numbers), "numbers": numbers}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Compute the factors and report each dependency."""
        sampled: Sampled = facts["sample"]
        names, X, left_out = _usable(sampled, facts["numbers"])
        yield from left_out
        if len(names) < 3:
            yield NotEvaluated("fewer than three numeric features are left to compare")
            return
        if len(X) < 2 * len(names) + 10:
            yield NotEvaluated(f"{len(X):,} rows are too few for {len(names)} numeric features")
            return
        found = correlation_for_inverse(X)
        kept = _representatives(found.r, self.pairs)
        tied = tuple(name for i, name in enumerate(names) if i not in set(kept))
        if tied:
            yield NotEvaluated(f"tied to another feature by a single pair (|r| >= {self.pairs:.2f}): see COR001", tied)
        if len(kept) < 3:
            yield NotEvaluated("fewer than three numeric features differ enough to be judged together")
            return
        names = [names[i] for i in kept]
        r = found.r[np.ix_(kept, kept)]
        vif = adjusted_variance_inflation(variance_inflation(r), found.rows, len(names))
        index = float(min(condition_indices(r)[-1], LARGEST_VIF))
        basis = sampled.basis_of(len(X))
        dependencies = _dependencies(r, vif, self.info)
        for members in dependencies[:MOST_FINDINGS]:
            yield self._finding([names[m] for m in members], vif[members], index, basis, found)
        if len(dependencies) > MOST_FINDINGS:
            yield self._rest(names, vif, dependencies[MOST_FINDINGS:], basis)
        if not dependencies and index >= self.condition:
            yield self._ill_conditioned(index, basis)
        for j in np.argsort(-vif, kind="stable")[:20]:
            yield Measurement("vif", (names[j],), round(float(vif[j]), 6), basis, self.warn)
        yield Measurement("condition_index", (), round(index, 6), basis, self.condition)

    def _finding(self, columns: list[str], vif: Floats, index: float, basis: Basis, found: Moments) -> Finding:
        order = np.argsort(-vif, kind="stable")
        worst = float(vif[order[0]])
        limit = self.warn if worst >= self.warn else self.info
        column = columns[int(order[0])]
        others = [c for c in columns if c != column]
        by = _named(others) if others else "the other features together, each a little"
        if worst >= LARGEST_VIF:
            message = f"'{column}' is an exact linear combination of {by}: VIF without bound, limit {limit:g}"
        else:
            share = 1.0 - 1.0 / worst
            bound = "" if found.complete else " or more, since missing values stand at their mean"
            message = (
                f"'{column}' follows from {by}: they explain {share:.1%} of its variance "
                f"(VIF {worst:,.1f}{bound}, limit {limit:g})"
            )
        shown = order[:20]
        return Finding(
            code=self.code,
            columns=tuple(columns),
            severity=Severity.WARN if worst >= self.warn else Severity.INFO,
            message=message,
            statistic="vif",
            value=worst,
            limit=limit,
            limit_source="default; 5 and 10 are the usual bounds",
            basis=basis,
            effect=min(1.0, 1.0 - 1.0 / worst),
            chart=Chart(
                "bars",
                "Variance inflation factor",
                {
                    "labels": [columns[i] for i in shown],
                    "values": [float(min(vif[i], 1000.0)) for i in shown],
                    "limit": self.warn,
                },
                y_title="VIF (cut at 1,000)",
            ),
            remedy="Drop one of these columns (often a total beside its parts), combine them, or use a ridge penalty.",
            evidence={
                "vif": {columns[i]: float(vif[i]) for i in shown},
                "condition_index": index,
                "rows_used": found.rows,
            },
        )

    def _rest(self, names: list[str], vif: Floats, groups: list[list[int]], basis: Basis) -> Finding:
        worst = max(float(vif[m].max()) for m in groups)
        return Finding(
            code=self.code,
            columns=tuple(names[m] for group in groups for m in group),
            severity=Severity.WARN if worst >= self.warn else Severity.INFO,
            message=f"{len(groups)} more linear dependencies between features have a VIF of up to {worst:,.1f}, "
            f"limit {self.info:g}",
            statistic="dependencies",
            value=len(groups),
            limit=self.info,
            basis=basis,
            effect=min(1.0, 1.0 - 1.0 / worst),
            remedy="Drop one column of each dependency, or use a ridge penalty; the evidence lists them.",
            evidence={"groups": [[names[m] for m in group] for group in groups]},
        )

    def _ill_conditioned(self, index: float, basis: Basis) -> Finding:
        return Finding(
            code=self.code,
            columns=(),
            severity=Severity.INFO,
            message=f"the numeric features together have a condition index of {index:,.0f}, limit {self.condition:g}, "
            f"while no feature has a VIF of {self.info:g} or more",
            statistic="condition_index",
            value=index,
            limit=self.condition,
            limit_source="Belsley, Kuh & Welsch 1980",
            basis=basis,
            effect=min(1.0, index / 1000.0),
            remedy="Reduce the features (principal components) or use a ridge penalty before reading coefficients.",
        )


def _usable(sampled: Sampled, names: tuple[str, ...]) -> tuple[list[str], Floats, list[NotEvaluated]]:
    """Return the columns to judge, their values on at most `CELLS` cells, and why others are left out."""
    rows = evenly_spaced(sampled.rows, min(MOST_ROWS, CELLS // max(len(names), 1)))
    usable: list[str] = []
    columns: list[Floats] = []
    constant: list[str] = []
    absent: list[str] = []
    for name in names:
        x = sampled.numbers(name)[rows]
        finite = x[np.isfinite(x)]
        if finite.size == 0 or finite.min() == finite.max():
            constant.append(name)
        elif 2 * finite.size < x.size:
            absent.append(name)
        else:
            usable.append(name)
            columns.append(x)
    reasons = (
        ("constant or empty in the sample", constant),
        ("more than half of the values are missing", absent),
    )
    X = np.array(columns).T if columns else np.zeros((len(rows), 0))
    return usable, X, [NotEvaluated(reason, tuple(found)) for reason, found in reasons if found]


def _representatives(r: Floats, limit: float) -> list[int]:
    """Return the columns that no earlier kept column is tied to by |r| >= limit; constant ones are left out."""
    tied = np.abs(r) >= limit
    kept: list[int] = []
    taken = np.diag(r) == 0
    for j in range(len(r)):
        if not taken[j]:
            kept.append(j)
            taken |= tied[j]
    return kept


def _dependencies(r: Floats, vif: Floats, limit: float) -> list[list[int]]:
    """Return groups of columns with a VIF at or above the limit that depend on each other, worst first."""
    with np.errstate(invalid="ignore"):
        high = np.flatnonzero(vif >= limit)
    if high.size == 0:
        return []
    # partial correlations given *all* columns, not only the high ones
    partial = np.abs(partial_correlations(r)[np.ix_(high, high)]) >= PARTIAL
    groups = connected(partial)
    alone = sorted(set(range(high.size)) - {i for group in groups for i in group})
    if alone:  # what many columns share a little of (a common trend) ties no two of them: one dependency
        groups.append(alone)
    found = [[int(high[i]) for i in group] for group in groups]
    return sorted(found, key=lambda group: -float(vif[group].max()))


def _named(columns: list[str], most: int = 6) -> str:
    """Return names for a sentence."""
    if len(columns) == 1:
        return f"'{columns[0]}'"
    rest = len(columns) - most
    shown = [f"'{c}'" for c in columns[:most]]
    return ", ".join(shown) + f" and {rest} more" if rest > 0 else ", ".join(shown[:-1]) + f" and {shown[-1]}"
