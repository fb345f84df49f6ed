"""A third-party check for dataset-audit: negative values in columns that cannot be negative."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Count, Expression, Facts, quote_name
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity


@register
@dataclass(frozen=True, slots=True)
class NegativeValues:
    """Negative values in columns whose name says that they count or measure something.

    What it measures: the share of rows below zero in numeric columns named by `words`, over all rows.
    Why it matters: a price of -999 is a sentinel or a sign error, and a learner takes it at its word.
    What to do: find the source of the values; turn sentinels into missing values.
    """

    code: ClassVar[str] = "NEG001"
    name: ClassVar[str] = "negative-values"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TABULAR

    words: tuple[str, ...] = ("price", "quantity", "distance", "age")
    fail: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        numeric = data.of_kind(ColumnKind.NUMERIC)
        chosen = [name for name in numeric if any(word in name.lower().split("_") for word in self.words)]
        if not chosen:
            return NotEvaluated(f"no numeric column is named after {', '.join(self.words)}")
        return {
            "rows": Count(),
            "negative": {c: Expression(f"count(CASE WHEN {quote_name(c)} < 0 THEN 1 END)") for c in chosen},
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        rows: int = facts["rows"]
        basis = Basis(rows, rows)
        for column, negative in facts["negative"].items():
            share = negative / rows if rows else 0.0
            if not negative:
                yield Measurement("negative_share", (column,), share, basis, self.fail)
                continue
            yield Finding(
                code=self.code,
                columns=(column,),
                severity=Severity.FAIL if share > self.fail else Severity.WARN,
                message=f"{negative:,} of {rows:,} rows ({share:.2%}) are below zero; above {self.fail:.2%} fails",
                statistic="negative_share",
                value=share,
                limit=self.fail,
                basis=basis,
                effect=share,
                affected=negative,
                where=f"{quote_name(column)} < 0",
                remedy="Find the source of the values; turn sentinels into missing values.",
            )
