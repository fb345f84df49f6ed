"""COM006: columns that (almost) always say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.completeness._wording import equals, nothing_to_judge, percent
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Extremes, ExtremeValues, Facts, Missing, MissingCounts, Sample, Value, quote_name
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled, cells, plain_value

ORDERED = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.TEXT, ColumnKind.TEMPORAL)
REMEDY = (
    "Drop the column: it cannot tell rows apart. If it should vary, repair the filter or the default that froze it."
)
REMEDY_NULLS = (
    "Ask what the absence means: if it is the other half of a yes/no, store it as a boolean; otherwise drop the column."
)
REMEDY_NEAR = "Keep it only if the rare values matter (a rare flag can); otherwise drop it, or merge it with its like."


@register
@dataclass(frozen=True, slots=True)
class ConstantColumns:
    """Columns with one value only, or almost only.

    What it measures: a column is constant when its smallest and largest value over all rows are equal (exact, missing
        values aside). It is nearly constant when one value makes up at least `near` of the values in the sample.
        Empty columns are COM001's business, a lopsided label is BAL001's.
    Why it matters: a constant carries no information, yet takes part in scaling, distances and explanations; where it
        should vary, a filter, a default or a broken join froze it.
    What to do: drop it, or repair what froze it. A nearly constant column may be a rare but important flag: it is
        reported as `info` only.

    Options:
        near: share (0 to 1) of one value from which a column is nearly constant (our choice).
        smallest: number of values below which a column is not judged.
    """

    code: ClassVar[str] = "COM006"
    name: ClassVar[str] = "constant-columns"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    near: float = 0.999
    smallest: int = 10

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for extremes (fused scan) and the sample; split, weight and load time may be constant."""
        spared = {data.roles.split, data.roles.weight, data.roles.ingested}
        names = tuple(name for name in data.of_kind(*ORDERED) if name not in spared)
        problem = nothing_to_judge(data)
        if problem is None and data.rows < self.smallest:
            problem = NotEvaluated(
                f"{data.rows:,} rows are too few to call a column constant; it takes {self.smallest}"
            )
        if problem is None and not names:
            problem = NotEvaluated("no column has values that can be compared")
        return problem or {
            "extremes": {name: Extremes(name) for name in names},
            "missing": {name: Missing(name) for name in names},
            "sample": Sample(names),
            "text": frozenset(data.of_kind(ColumnKind.TEXT)),
            "label": data.roles.label,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each column: constant by its extremes, nearly constant by the sample."""
        for column, extremes in facts["extremes"].items():
            missing: MissingCounts = facts["missing"][column]
            values = missing.rows - missing.missing
            if values == 0:
                continue  # COM001 says so
            if values < self.smallest:
                yield NotEvaluated(f"{values:,} values are too few to call it constant", (column,))
            elif is_constant(extremes) and not missing.infinite:
                yield self._constant(column, extremes.low, missing)
            else:
                yield self._near(column, facts["sample"], column in facts["text"], column == facts["label"])

    def _constant(self, column: str, value: Value, missing: MissingCounts) -> Finding:
        values = missing.rows - missing.missing
        shown = plain_value(value)
        aside = f" ({missing.missing:,} of {missing.rows:,} rows are missing)" if missing.missing else ""
        return Finding(
            code=self.code,
            columns=(column,),
            severity=Severity.WARN,
            message=f"'{column}' is constant: all {values:,} values are {_shown(shown)}{aside}, "
            f"limit at least 2 distinct values",
            statistic="distinct_values",
            value=1,
            limit=2,
            basis=Basis(missing.rows, missing.rows),
            effect=1.0,
            affected=values,
            where=f"{quote_name(column)} IS NOT NULL",
            remedy=REMEDY_NULLS if missing.missing else REMEDY,
            evidence={"value": _json(shown), "missing": missing.missing},
        )

    def _near(self, column: str, sample: Sampled, text: bool, label: bool) -> Judgement:
        value, count, known = most_frequent(sample, column, text)
        basis, share = sample.basis, count / known if known else 0.0
        if share < self.near or label or not known:
            # below one half the candidate need not be the most frequent value: no number is claimed
            return Measurement("largest_share", (column,), share if share > 0.5 else None, basis, limit=self.near)
        shown = plain_value(value)
        return Finding(
            code=self.code,
            columns=(column,),
            severity=Severity.INFO,
            message=f"'{column}' is nearly constant: {count:,} of {known:,} values are {_shown(shown)} "
            f"({percent(share)}), limit {percent(self.near)}",
            statistic="largest_share",
            value=share,
            limit=self.near,
            basis=basis,
            effect=share * 0.5,
            affected=round((known - count) * sample.of / max(sample.rows, 1)),
            where=f"NOT ({equals(column, shown)})",
            remedy=REMEDY_NEAR,
            evidence={"value": _json(shown), "other_values": known - count},
        )


def is_constant(extremes: ExtremeValues) -> bool:
    """Return whether there is a value, and only one."""
    return extremes.low is not None and extremes.low == extremes.high


def most_frequent(sample: Sampled, column: str, text: bool) -> tuple[Any, int, int]:
    """Return the only value that can make up most of a column, its count, and the number of non-missing values.

    A value with more than nine tenths of the rows is the most frequent among 101 evenly spaced ones, so the column is
    read once and never sorted.
    """
    missing = sample.missing(column)
    known = int(len(missing) - missing.sum())
    if not known:
        return None, 0, 0
    rows = np.flatnonzero(~missing)
    probe = rows[np.linspace(0, known - 1, min(101, known)).astype(np.int64)]
    probed = cells(sample.table.column(column).take(probe))
    candidate = max(probed, key=probed.count)
    if text:
        import pyarrow.compute as pc

        return candidate, int(pc.sum(pc.equal(sample.table.column(column), candidate)).as_py() or 0), known
    numbers = sample.numbers(column)
    return candidate, int((numbers == numbers[probe[probed.index(candidate)]]).sum()), known


def _shown(value: Value) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _json(value: Value) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
