"""FRE006: groups that stopped sending while the others went on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import name_of, where_in
from audit.checks.freshness.clock import instant_of, time_column
from audit.dataset import Column, Dataset, Kind
from audit.facts import Asks, Facts, Grouped, GroupTable, Value
from audit.findings import Basis, Chart, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.cadence import say_duration
from audit.stats.intervals import wilson

LISTED = 20


@register
@dataclass(frozen=True, slots=True)
class StaleKeys:
    """Groups (sites, devices, regions) whose newest row is old while the other groups have new ones.

    What it measures: for each value of the column with the role group that has at least `least` rows, the time from its
    newest row to the newest row of the group that is fresher than 90% of them, exactly. A group is stale where this is
    longer than `times` its own usual distance between rows (its time span over its rows), and than `times` that of the
    median group.
    Why it matters: the total looks fresh as long as anybody sends; the silent groups are missing from every recent
    window, and a model drifts for them unseen.
    What to do: see what the named groups have in common (a site, a version, a credential), load their rows again, or
    remove groups that have ended.

    Options:
        warn: share of stale groups that is a warning; fewer are mentioned.
        times: distances of silence that make a group stale (our choice).
        least: groups with fewer rows are not judged.
    """

    code: ClassVar[str] = "FRE006"
    name: ClassVar[str] = "stale-keys"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TABULAR
    warn: float = 0.05
    times: float = 10.0
    least: int = 5

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the first and the last time of each group."""
        column = time_column(data)
        if isinstance(column, NotEvaluated):
            return column
        group = data.roles.group
        if group is None:
            return NotEvaluated("no column has the role group; name it with --group")
        groups = Grouped((group,), extremes=(column.name,))
        return {"groups": groups, "group": group, "column": column, "timezone": data.timezone, "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge how long each group has been silent."""
        table: GroupTable = facts["groups"]
        column: Column = facts["column"]
        columns = (facts["group"], column.name)
        keys, counts, low, high = _spans(table, column.name, facts["timezone"], self.least)
        if len(keys) < 3:
            yield NotEvaluated(
                f"'{facts['group']}' has {len(keys)} groups with at least {self.least} rows and a time: at least 3 are "
                f"needed to compare them", columns,
            )  # fmt: skip
            return
        distance = (high - low) / (counts - 1)
        if column.date_only:
            distance = np.maximum(distance, 86_400.0)
        usual = np.maximum(distance, float(np.median(distance)))
        newest = float(np.quantile(high, 0.9, method="lower"))
        silence = np.maximum(newest - high, 0.0)
        stale = silence > np.maximum(self.times * usual, 1.0)
        share = float(stale.mean())
        basis = Basis(int(sum(table.counts)), facts["rows"]) if table.complete else Basis(facts["rows"], facts["rows"])
        interval = Interval(*wilson(int(stale.sum()), len(keys)), "wilson")
        yield Measurement("stale_share", columns, share, basis, self.warn, interval)
        if stale.any():
            yield self._finding(columns, (keys, counts, silence, usual), stale, table, basis)

    def _finding(
        self, columns: tuple[str, str],
        groups: tuple[list[Value], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
        stale: NDArray[np.bool_], table: GroupTable, basis: Basis,
    ) -> Finding:  # fmt: skip
        keys, counts, silence, usual = groups
        share = float(stale.mean())
        at = np.flatnonzero(stale)
        order = at[np.argsort(-silence[at] / np.maximum(usual[at], 1.0), kind="stable")]
        k = int(order[0])
        named = ", ".join(f"'{name_of(keys[i])}'" for i in order[:3]) + (", …" if order.size > 3 else "")
        among = "" if table.complete else f" (the {len(table.keys):,} largest of {table.groups:,})"
        shown = order[:LISTED]
        return Finding(
            self.code, columns, Severity.WARN if share >= self.warn else Severity.INFO,
            f"{columns[0]}: {at.size:,} of {len(keys):,} groups{among} ({share:.1%}) are stale, limit {self.warn:.0%}: "
            f"{named}; '{name_of(keys[k])}' has been silent for {say_duration(float(silence[k]))}, where "
            f"{say_duration(float(usual[k]))} are usual",
            "stale_share", share, self.warn, basis, effect=min(1.0, 0.1 + share), affected=int(counts[at].sum()),
            where=where_in(columns[0], [keys[i] for i in order[:100]]),
            remedy="See what these groups have in common and load their rows again, or remove groups that have ended.",
            chart=Chart("bars", "Days of silence of the stale groups",
                        {"labels": [name_of(keys[i]) for i in shown],
                         "values": [float(silence[i]) / 86_400 for i in shown]}, columns[0], "days"),
            evidence={"groups": [{"group": name_of(keys[i]), "rows": int(counts[i]),
                                  "silent_seconds": float(silence[i])} for i in shown]},
        )  # fmt: skip


def _spans(
    table: GroupTable, column: str, timezone: str | None, least: int
) -> tuple[list[Value], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the groups with enough rows: keys, rows, first and last time in seconds since 1970."""
    keys: list[Value] = []
    numbers = []
    for (key,), count, low, high in zip(table.keys, table.counts, table.low[column], table.high[column], strict=True):
        first, last = instant_of(low, timezone), instant_of(high, timezone)
        if key is not None and count >= least and first is not None and last is not None:
            keys.append(key)
            numbers.append((float(count), first.timestamp(), last.timestamp()))
    columns = np.array(numbers, dtype=np.float64).reshape(-1, 3)
    return keys, columns[:, 0], columns[:, 1], columns[:, 2]
