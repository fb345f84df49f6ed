"""BAL003: whether the class mix is the same in every group and over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import (
    ClassTable,
    class_table,
    largest_change,
    literal,
    name_of,
    where_in,
    without_classes,
)
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Fact, Facts, Grouped, GroupTable, TimeBuckets, TimeBucketTable, Value, quote_name
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View
from audit.stats.balance import chance_variation, homogeneity, total_variation
from audit.stats.intervals import benjamini_hochberg

PERIODS = 60
LISTED = 5
REMEDIES = {
    "group": "Find out what made these groups differ; if it is real, keep groups whole when splitting and report "
    "scores for each.",
    "time": "Find out what changed then; if it is real, split by time instead of at random.",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """One group or period against all the others: distance beyond chance, p-value, and in words what differs."""

    value: Value
    rows: int
    distance: float
    beyond: float
    p: float
    words: str


@register
@dataclass(frozen=True, slots=True)
class BalanceByGroupAndTime:
    """A class mix that differs from group to group, or that drifts over time.

    What it measures: for each group and each period with at least `least` rows, the total variation distance between
    its class mix and that of all other rows, exactly, beyond the distance that chance gives; it must also be
    significant (chi-square, false discovery rate over all groups or periods). Periods are of the finest unit, up to
    months, that gives at most 60.
    Why it matters: a label whose mix changes over time makes a random split too optimistic, and a group with its own
    mix lets a model learn the group instead of the reason. Both are often errors in how labels were made.
    What to do: look at what changed in the named groups or periods (label rules, a filter, an outage). If it is real,
    split by time or by group and report scores for each.

    Options:
        by_time: distance beyond chance of a period that is worth a warning (0 to 1; our choice).
        by_group: the same for a group; groups differ rightly more often.
        significance: false discovery rate of the chi-square tests.
        least: groups and periods with fewer labelled rows are not judged.
    """

    code: ClassVar[str] = "BAL003"
    name: ClassVar[str] = "balance-by-group-and-time"
    dimension: ClassVar[str] = "class_balance"
    kinds: ClassVar[Kind] = TABULAR
    by_time: float = 0.10
    by_group: float = 0.20
    significance: float = 0.01
    least: int = 30

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the rows of each class in each group and period."""
        reason = without_classes(data)
        if reason is not None:
            return reason
        label, group, time = data.roles.label, data.roles.group, data.roles.time
        assert label is not None
        asks: dict[str, Fact] = {}
        if group is not None:
            asks["group"] = Grouped((group, label))
        if time is not None and data.column(time).kind is ColumnKind.TEMPORAL:
            asks["time"] = TimeBuckets(time, by=label, buckets=PERIODS)
            asks["months"] = TimeBuckets(time, every="month", by=label)
        if not asks:
            return NotEvaluated("no column has the role group or time; name one with --group or --time")
        return {**asks, "label": label, "group_column": group, "time_column": time, "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the groups, then the periods."""
        label: str = facts["label"]
        basis = Basis(facts["rows"], facts["rows"])
        if "group" in facts:
            groups: GroupTable = facts["group"]
            table = class_table([k[0] for k in groups.keys], [k[1] for k in groups.keys], groups.counts)
            yield from self._judge((label, facts["group_column"]), "group", table, basis)
        if "time" in facts:
            periods = _periods(facts["time"], facts["months"])
            table = class_table(periods.starts, periods.groups, periods.counts).sorted()
            if (table.counts.sum(axis=1) >= self.least).any():
                yield _view(label, table, periods.every, self.least)
            yield from self._judge((label, facts["time_column"]), periods.every, table, basis)

    def _judge(self, columns: tuple[str, str], unit: str, table: ClassTable, basis: Basis) -> Iterator[Judgement]:
        label, column = columns
        kind = "group" if unit == "group" else "time"
        limit = self.by_group if kind == "group" else self.by_time
        compared = _compare(table, self.least)
        if len(table.classes) < 2 or len(compared) < 2:
            yield NotEvaluated(
                f"'{column}' has {len(compared)} {unit}s with at least {self.least} labelled rows and the label "
                f"'{label}' {len(table.classes)} classes: at least two of each are needed", (column,),
            )  # fmt: skip
            return
        adjusted = benjamini_hochberg([part.p for part in compared])
        worst = max(part.beyond for part in compared)
        yield Measurement(f"tvd_by_{kind}", columns, worst, basis, limit, p_adjusted=float(adjusted.min()))
        odd = [p for p, q in zip(compared, adjusted, strict=True) if p.beyond >= limit and q < self.significance]
        if not odd:
            return
        odd.sort(key=lambda part: (-part.beyond, str(part.value)))
        first = odd[0]
        rows = sum(part.rows for part in odd)
        values = [part.value for part in odd]
        yield Finding(
            self.code, columns, Severity.WARN,
            f"{label}: {len(odd)} of {len(compared)} {unit}s of '{column}' have another class mix than the rest, most "
            f"of all '{_period(first.value)}' ({first.rows:,} rows): distance {first.distance:.3f}, "
            f"{first.beyond:.3f} more than chance gives, limit {limit:g}; {first.words}",
            f"tvd_by_{kind}", first.beyond, limit, basis, effect=min(1.0, first.beyond), affected=rows,
            where=where_in(column, values[:100]) if kind == "group" else _in_periods(column, values[:100], unit),
            remedy=REMEDIES[kind],
            chart=_worst_chart(odd, limit, unit),
            evidence={"parts": [{"part": _period(p.value), "rows": p.rows, "tvd": p.distance, "beyond_chance": p.beyond}
                                for p in odd[:LISTED]]},
        )  # fmt: skip


def _periods(fine: TimeBucketTable, months: TimeBucketTable) -> TimeBucketTable:
    """Return the finest unit that fits, but months at most: one wrong year must not leave years as the only unit."""
    return months if fine.every in ("quarter", "year") else fine


def _compare(by_part: ClassTable, least: int) -> list[_Part]:
    """Return every part with enough rows against the rest of the rows."""
    table = by_part.counts
    if table.size == 0:
        return []
    total = table.sum(axis=0)
    parts = []
    for value, here in zip(by_part.parts, table, strict=True):
        rest = total - here
        if here.sum() < least or rest.sum() < least:
            continue
        distance, chance = total_variation(here, rest), chance_variation(here, rest)
        p = homogeneity(np.vstack([here, rest])).p_value
        words = largest_change(by_part.classes, here, rest)
        parts.append(_Part(value, int(here.sum()), distance, max(0.0, distance - chance), p, words))
    return parts


def _period(value: Value) -> str:
    return name_of(value).removesuffix("+00:00").removesuffix(" 00:00:00")


def _in_periods(column: str, starts: Sequence[Value], unit: str) -> str:
    truncated = f"date_trunc('{unit}', {quote_name(column)})"
    return f"{truncated} IN ({', '.join(literal(s) for s in starts)})"


def _worst_chart(odd: Sequence[_Part], limit: float, unit: str) -> Chart:
    shown = odd[:20]
    data = {"labels": [_period(p.value) for p in shown], "values": [p.beyond for p in shown], "limit": limit}
    return Chart("bars", "Distance of the class mix from the rest, beyond chance", data, unit, "distance")


def _view(label: str, by_period: ClassTable, unit: str, least: int) -> View:
    judged = by_period.counts.sum(axis=1) >= least  # a few rows of 1970 would squeeze the others together
    starts = [start for start, kept in zip(by_period.parts, judged, strict=True) if kept]
    classes, table = by_period.classes, by_period.counts[judged]
    sums = table.sum(axis=1)
    top = np.argsort(-table.sum(axis=0), kind="stable")[:6]
    series = [
        {"name": name_of(classes[k]), "values": [float(s) for s in table[:, k] / np.maximum(sums, 1)]} for k in top
    ]
    data = {"x": [str(s).replace(" ", "T") for s in starts], "series": series}
    caption = "" if judged.all() else f"{unit.capitalize()}s with fewer than {least} labelled rows are left out."
    return View(Chart("line", f"Share of each class of {label} by {unit}", data, unit, "share"), caption)
