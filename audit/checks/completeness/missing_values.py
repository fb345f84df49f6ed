"""COM001: how much of each column is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.completeness._wording import is_missing, nothing_to_judge, percent
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Facts, Missing, MissingCounts, quote_name
from audit.findings import Basis, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.intervals import wilson

REMEDY = (
    "Find out why it is absent (COM003 shows what predicts it), then collect it, fill it inside the training folds "
    "with a flag for the absence, or drop the column."
)
REMEDY_EMPTY = "Repair the step that should fill this column, or drop it."
REMEDY_LABEL = (
    "Leave rows without a label out of training and evaluation, or have them labelled; check that the labelled rows "
    "still look like all rows."
)
REMEDY_INFINITE = (
    "Find the division by zero or the overflow that made them; replace them by NULL or by a bound that means something."
)


@register
@dataclass(frozen=True, slots=True)
class MissingValues:
    """Share of missing values in each column.

    What it measures: over all rows, the share of each column that is NULL or, in float columns, NaN, with its Wilson
        95% interval. Infinities are counted apart and have a finding of their own. The share itself is judged; where
        the rows are so few that the interval reaches below the limit, the message says so.
    Why it matters: most learners drop or fill such rows in silence, which shifts the data; infinities break scaling
        and gradients. A row without a label cannot be learned from at all, so any missing label is at least a warning.
    What to do: find out why it is absent, then collect it, fill it inside the training folds, or drop the column. No
        fixed share makes a column unusable: up to 90% can be filled without bias when other columns explain the absence
        (Madley-Dowd et al. 2019, J. Clin. Epidemiol. 110:63-73). Raise `fail` where you know that this holds, and name
        columns that are empty on purpose (the spouse's name of the unmarried) in `ignore`.

    Options:
        warn: share (0 to 1) above which a column warns (Deepchecks: 0.05).
        fail: share (0 to 1) above which it fails (our choice); 1 never fails.
        infinite: share (0 to 1) of infinities above which a float column warns.
        ignore: columns whose absence is meant; measured, not judged.
    """

    code: ClassVar[str] = "COM001"
    name: ClassVar[str] = "missing-values"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.05
    fail: float = 0.20
    infinite: float = 0.0
    ignore: tuple[str, ...] = ()

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the missing values of every column: one fused scan."""
        return nothing_to_judge(data) or {
            "missing": {column.name: Missing(column.name) for column in data.columns},
            "floating": frozenset(column.name for column in data.columns if column.floating),
            "label": data.roles.label,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each column's share, then its infinities."""
        columns = list(facts["missing"])
        answers: list[MissingCounts] = [facts["missing"][column] for column in columns]
        low, high = wilson(np.array([a.missing for a in answers]), np.array([a.rows for a in answers]))
        for i, (column, answer) in enumerate(zip(columns, answers, strict=True)):
            interval = Interval(float(low[i]), float(high[i]), "Wilson")
            floating = column in facts["floating"]
            yield self._missing(column, answer, interval, label=column == facts["label"], floating=floating)
            if floating:
                yield self._infinite(column, answer)

    def _missing(
        self, column: str, answer: MissingCounts, interval: Interval, label: bool, floating: bool
    ) -> Judgement:
        basis = Basis(answer.rows, answer.rows)
        share = answer.missing / answer.rows
        limit = 0.0 if label else self.warn
        if share > self.fail:
            severity, limit = Severity.FAIL, self.fail
        elif share > limit:
            severity = Severity.WARN
        else:
            severity = None
        if severity is None or column in self.ignore:
            return Measurement("missing_share", (column,), share, basis, limit=limit, interval=interval)
        empty = answer.missing == answer.rows
        return Finding(
            code=self.code,
            columns=(column,),
            severity=severity,
            message=_message(column, answer, interval, limit, label),
            statistic="missing_share",
            value=share,
            limit=limit,
            basis=basis,
            interval=interval,
            effect=share,
            affected=answer.missing,
            where=is_missing(column, floating),
            remedy=REMEDY_LABEL if label else REMEDY_EMPTY if empty else REMEDY,
            evidence={
                "null": answer.null,
                "nan": answer.nan,
                "positive_infinite": answer.positive_infinite,
                "negative_infinite": answer.negative_infinite,
            },
        )

    def _infinite(self, column: str, answer: MissingCounts) -> Judgement:
        basis = Basis(answer.rows, answer.rows)
        share = answer.infinite / answer.rows
        if share <= self.infinite or column in self.ignore:
            return Measurement("infinite_share", (column,), share, basis, limit=self.infinite)
        return Finding(
            code=self.code,
            columns=(column,),
            severity=Severity.WARN,
            message=f"'{column}': {answer.infinite:,} of {answer.rows:,} values are infinite ({percent(share)}; "
            f"{answer.positive_infinite:,} +inf, {answer.negative_infinite:,} -inf), limit {percent(self.infinite)}",
            statistic="infinite_share",
            value=share,
            limit=self.infinite,
            basis=basis,
            effect=share,
            affected=answer.infinite,
            where=f"isinf({quote_name(column)})",
            remedy=REMEDY_INFINITE,
            evidence={"positive_infinite": answer.positive_infinite, "negative_infinite": answer.negative_infinite},
        )


def _message(column: str, answer: MissingCounts, interval: Interval, limit: float, label: bool) -> str:
    subject = f"label '{column}'" if label else f"'{column}'"
    if answer.missing == answer.rows:
        return f"{subject} holds no value at all: all {answer.rows:,} rows are missing, limit {percent(limit)}"
    kinds = f"; {answer.null:,} NULL, {answer.nan:,} NaN" if answer.nan else ""
    share = percent(answer.missing / answer.rows)
    text = f"{subject}: {answer.missing:,} of {answer.rows:,} values missing ({share}{kinds}), limit {percent(limit)}"
    if interval.low < limit:
        text += f"; so few rows: the true share may lie from {percent(interval.low)} to {percent(interval.high)}"
    return text
