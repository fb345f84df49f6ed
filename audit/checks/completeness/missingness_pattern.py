"""COM003: what is missing together, and what predicts that a value is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.completeness._absence import Explanation, explain_absence, little_test, missingness_view
from audit.checks.completeness._wording import is_missing, listed, nothing_to_judge, percent
from audit.dataset import Dataset, Kind
from audit.facts import Asks, CoMissing, CoMissingTable, Facts, Sample
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.missingness import co_missing_phi, flux

LIMIT_SOURCE_PHI = "default (reference: show abs(phi) >= 0.5)"
REMEDY_TOGETHER = (
    "Look for the one source that fills these columns (a join, a sensor, a page of a form) and repair it once; fill "
    "them together, with one flag for the absence."
)
REMEDY_LABEL = (
    "Do not drop these rows: it changes the class balance. Find out whether the value is only recorded after the "
    "outcome (then it leaks); otherwise add a flag for the absence and fill inside the training folds."
)
REMEDY_PREDICTED = (
    "Do not drop these rows: those left would be a special group. Fill the value from the columns that predict the "
    "absence, inside the training folds, with a flag for the absence."
)
REMEDY_COMPLETE = (
    "Do not train on complete rows only: choose a learner that takes missing values, fill them, or drop the few "
    "columns that cost most rows."
)
REMEDY_LITTLE = (
    "Fill missing values from the other columns rather than by a constant or by dropping rows. The test cannot tell "
    "whether the absent values themselves matter: ask how they came to be absent."
)


@register
@dataclass(frozen=True, slots=True)
class MissingnessPattern:
    """Which values are missing together, and which columns or label predict their absence.

    What it measures: exactly: the patterns of absence, the share of complete rows, phi between the absence of each two
        columns, influx and outflux. On the sample: for each column with missing values, how well every other column
        tells where it is missing (AUC: 0.5 means not at all, 1 means perfectly; by rank for numbers and times, by
        out-of-fold share for categories), with the standardised mean difference; p-values corrected for their number.
        Little's test of "completely at random" on the numeric columns, beside the size of the effect. A p-value alone
        decides nothing, and no test can show that the absent values themselves decide (MNAR): this one never says so.
    Why it matters: where absence depends on other columns, dropping incomplete rows biases the data; where it depends
        on the label, it leaks the answer or distorts the class balance.
    What to do: fill from the columns that predict the absence, keep a flag for it, and repair a common source once.

    Options:
        phi: absolute phi (0 to 1) from which columns count as missing together.
        auc: AUC (0.5 to 1) from which a column's absence is reported as predicted; the label warns from here.
        auc_warn: AUC (0.5 to 1) from which any other column warns (these limits are our choice).
        significance: adjusted p-value below which an AUC or Little's d2 counts at all.
        rare: share (0 to 1) of missing values below which a predicted absence is `info` only.
        complete: share (0 to 1) of complete rows below which that is reported.
        targets: most columns whose absence is explained (those with most missing values).
        predictors: most columns that are tried as explanations.
    """

    code: ClassVar[str] = "COM003"
    name: ClassVar[str] = "missingness-pattern"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    phi: float = 0.5
    auc: float = 0.6
    auc_warn: float = 0.75
    significance: float = 0.01
    rare: float = 0.01
    complete: float = 0.5
    targets: int = 20
    predictors: int = 60

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the exact patterns and the sample."""
        return nothing_to_judge(data) or {
            "patterns": CoMissing(data.names),
            "sample": Sample(data.names),
            "columns": data.columns,
            "roles": data.roles,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge patterns (exact), then what predicts absence and Little's test (sample)."""
        table: CoMissingTable = facts["patterns"]
        sample: Sampled = facts["sample"]
        basis = Basis(table.rows, table.rows)
        if table.rows == 0:
            yield NotEvaluated("the dataset has no rows")
            return
        if not table.columns:
            yield Measurement("complete_row_share", (), 1.0, basis, limit=self.complete)
            return
        floating = frozenset(column.name for column in facts["columns"] if column.floating)
        yield from self._patterns(table, basis, len(facts["columns"]), floating)
        yield missingness_view(sample, table)
        for explanation in explain_absence(facts, self.targets, self.predictors):
            yield self._explained(explanation, sample, table, floating)
        yield from self._little(facts)

    def _patterns(
        self, table: CoMissingTable, basis: Basis, columns: int, floating: frozenset[str]
    ) -> Iterator[Judgement]:
        flags, counts = _matrix(table)
        whole = len(table.patterns) == table.distinct
        if table.left_out:
            yield NotEvaluated(
                f"patterns are those of the {len(table.columns)} columns with most missing values", table.left_out
            )
        else:
            yield self._complete_rows(table, basis)
        if not whole:
            yield NotEvaluated(
                f"{table.distinct:,} patterns exist; phi and flux rest on the {len(table.patterns):,} most frequent"
            )
        influx, outflux = flux(flags, counts, columns)
        for j, column in enumerate(table.columns):
            yield Measurement("influx", (column,), _number(influx[j]), basis)
            yield Measurement("outflux", (column,), _number(outflux[j]), basis)
        phi = co_missing_phi(flags, counts)
        for group in _groups(phi, self.phi):
            yield self._together(group, phi, table, basis, floating)

    def _complete_rows(self, table: CoMissingTable, basis: Basis) -> Judgement:
        full = dict(zip(table.patterns, table.counts, strict=True)).get((), 0)
        share = full / table.rows
        if share >= self.complete:
            return Measurement("complete_row_share", (), share, basis, limit=self.complete)
        return Finding(
            code=self.code,
            columns=(),
            severity=Severity.INFO,
            message=f"{full:,} of {table.rows:,} rows are complete ({percent(share)}), limit {percent(self.complete)}; "
            f"{table.distinct:,} patterns of absence in {len(table.columns)} columns",
            statistic="complete_row_share",
            value=share,
            limit=self.complete,
            basis=basis,
            effect=0.5 * (1 - share),
            affected=table.rows - full,
            chart=_pattern_chart(table),
            remedy=REMEDY_COMPLETE,
            evidence={"patterns": _pattern_rows(table)},
        )

    def _together(
        self, group: list[int], phi: NDArray[np.float64], table: CoMissingTable, basis: Basis, floating: frozenset[str]
    ) -> Finding:
        columns = tuple(table.columns[j] for j in group)
        pairs = [(abs(phi[a, b]), a, b) for i, a in enumerate(group) for b in group[i + 1 :] if not np.isnan(phi[a, b])]
        _, a, b = max(pairs)
        value = float(phi[a, b])
        pair = f" for '{table.columns[a]}' and '{table.columns[b]}'" if len(columns) > 2 else ""
        words = (
            "are missing in the same rows" if value > 0 else "are missing in different rows, one instead of the other"
        )
        least = 2 if value > 0 else 1  # together: rows that miss two or more; one instead of the other: either
        rows = zip(table.patterns, table.counts, strict=True)
        affected = sum(count for pattern, count in rows if len(set(columns) & set(pattern)) >= least)
        flags = " + ".join(f"CASE WHEN {is_missing(c, c in floating)} THEN 1 ELSE 0 END" for c in columns)
        return Finding(
            code=self.code,
            columns=columns,
            severity=Severity.INFO,
            message=f"{listed(columns)} {words}: phi is {value:.2f}{pair} "
            f"over {table.rows:,} rows, limit {self.phi:g} either way",
            statistic="co_missing_phi",
            value=value,
            limit=self.phi,
            limit_source=LIMIT_SOURCE_PHI,
            basis=basis,
            effect=abs(value) * 0.5,
            affected=affected,
            where=f"{flags} >= {least}",
            remedy=REMEDY_TOGETHER,
            evidence={
                "pairs": [
                    {"columns": [table.columns[a], table.columns[b]], "phi": float(phi[a, b])}
                    for _, a, b in sorted(pairs, reverse=True)[:20]
                ]
            },
        )

    def _explained(
        self, found: Explanation, sample: Sampled, table: CoMissingTable, floating: frozenset[str]
    ) -> Judgement:
        basis = sample.basis_of(found.rows)
        best = found.strongest(self.significance)
        label = next((c for c in found.clues if c.label and self._counts(c)), None)
        if best is None or not self._counts(best):
            top = best.auc if best else None
            return Measurement("absence_auc", (found.column,), top, basis, limit=self.auc)
        shown = label if label is not None and best.auc < self.auc_warn else best
        rare = table.missing[found.column] < self.rare * table.rows
        warned = not rare and (shown.label or shown.auc >= self.auc_warn)
        limit = self.auc if shown.label or not warned else self.auc_warn
        subject = f"the label '{shown.column}'" if shown.label else f"'{shown.column}'"
        others = [c.column for c in found.clues if c.column != shown.column and self._counts(c)]
        also = f"; so do {listed(others, 3)}" if others else ""
        together = f"; missing with it: {listed(found.alike, 3)}" if found.alike else ""
        return Finding(
            code=self.code,
            columns=(found.column,),
            severity=Severity.WARN if warned else Severity.INFO,
            message=f"{subject} predicts where '{found.column}' is missing: AUC {shown.auc:.2f} ({shown.detail}) over "
            f"{found.missing:,} missing of {found.rows:,} rows, limit {limit:g}{also}{together}",
            statistic="absence_auc",
            value=shown.auc,
            limit=limit,
            basis=basis,
            effect=min(1.0, 2 * shown.auc - 1),
            affected=table.missing[found.column],
            where=is_missing(found.column, found.column in floating),
            remedy=REMEDY_LABEL if label is not None else REMEDY_PREDICTED,
            evidence={
                "predictors": [
                    {
                        "column": clue.column,
                        "auc": clue.auc,
                        "standardised_difference": clue.difference,
                        "p_adjusted": clue.p_adjusted,
                        "label": clue.label,
                    }
                    for clue in found.clues[:5]
                ]
            },
        )

    def _counts(self, clue: Any) -> bool:
        return bool(clue.auc >= self.auc and clue.p_adjusted < self.significance)

    def _little(self, facts: Facts) -> Iterator[Judgement]:
        sample: Sampled = facts["sample"]
        result = little_test(facts)
        if isinstance(result, NotEvaluated):
            yield result
            return
        test, columns = result
        basis = sample.basis_of(test.rows)
        yield Measurement("little_d2", columns, test.statistic, basis, p_value=test.p_value)
        if test.p_value >= self.significance or test.effect < 0.1:
            return
        yield Finding(
            code=self.code,
            columns=columns,
            severity=Severity.INFO,
            message=f"absence in {len(columns)} numeric columns is not completely at random: rows with different "
            f"values missing differ by {test.effect:.2f} standard deviations, limit 0.1 (Little's d2 "
            f"{test.statistic:,.1f}, {test.df} degrees of freedom, p {_p(test.p_value)}, {test.patterns} patterns, "
            f"{test.rows:,} rows)",
            statistic="little_effect",
            value=test.effect,
            limit=0.1,
            basis=basis,
            effect=min(1.0, test.effect / 2),
            remedy=REMEDY_LITTLE,
            evidence={
                "d2": test.statistic,
                "df": test.df,
                "p_value": test.p_value,
                "patterns": test.patterns,
                "converged": test.converged,
            },
        )


def _matrix(table: CoMissingTable) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return the listed patterns as bool [p, d] and their counts [p]."""
    place = {column: j for j, column in enumerate(table.columns)}
    flags = np.zeros((len(table.patterns), len(table.columns)), dtype=bool)
    for i, pattern in enumerate(table.patterns):
        flags[i, [place[column] for column in pattern]] = True
    return flags, np.array(table.counts, dtype=np.int64)


def _groups(phi: NDArray[np.float64], limit: float) -> list[list[int]]:
    """Return the columns that belong together (connected by phi >= limit), and pairs that exclude each other."""
    left, groups = set(range(len(phi))), []
    while left:
        group, front = set(), [min(left)]
        while front:
            j = front.pop()
            group.add(j)
            left.discard(j)
            front += [k for k in left if phi[j, k] >= limit and k not in front]
        if len(group) > 1:
            groups.append(sorted(group))
    apart = [[a, b] for a in range(len(phi)) for b in range(a + 1, len(phi)) if phi[a, b] <= -limit]
    return groups + apart[:10]


def _pattern_rows(table: CoMissingTable, most: int = 20) -> list[dict[str, Any]]:
    listed_patterns = zip(table.patterns[:most], table.counts[:most], strict=True)
    return [{"missing": list(pattern), "rows": count} for pattern, count in listed_patterns]


def _pattern_chart(table: CoMissingTable, most: int = 12) -> Chart:
    labels = [", ".join(pattern) if pattern else "complete" for pattern in table.patterns[:most]]
    return Chart(
        "bars",
        "Patterns of absence",
        {
            "labels": [label if len(label) <= 60 else label[:59] + "…" for label in labels],
            "values": list(table.counts[:most]),
        },
        x_title="rows",
        y_title="columns missing together",
    )


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-300 else "below 1e-300"  # smaller ones are rounded to zero
