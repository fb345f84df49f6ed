"""FRE002: times that cannot be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.freshness.clock import ZONE_DOUBT, bound_of, in_doubt, literal, say_time
from audit.dataset import Column, ColumnKind, Dataset, Kind
from audit.errors import ConfigError
from audit.facts import Asks, CountWhere, Facts, Missing, MissingCounts, quote_name
from audit.findings import Basis, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.cadence import parse_duration
from audit.stats.intervals import wilson

FAR = dt.datetime(2200, 1, 1)
END = dt.datetime(9998, 12, 31, 23, 59, 59)  # 9999-12-31 stands for "no end": COM002 judges such sentinels
LAST = dt.datetime.max
EPOCH_START = dt.datetime(1969, 12, 31)  # 1970-01-01 seen from the west of Greenwich
EPOCH_END = dt.datetime(1970, 2, 1)
AROUND = (dt.datetime(1969, 1, 1), dt.datetime(1971, 1, 1))
AROUND_DAYS = 365 + 334 - 1


@register
@dataclass(frozen=True, slots=True)
class ImpossibleTimestamps:
    """Times in the future, before `earliest`, around 1970 by mistake, or thousands of years away.

    What it measures: exact shares of rows whose time is after the moment of the audit (`--as-of`) plus `tolerance`, or
    before `earliest`, in the columns with the roles time and ingested; and in every date or timestamp column, times
    after the year 2200 and an accumulation around the first of January 1970 (0 read as a time; seconds read as
    milliseconds fall into that month, milliseconds read as seconds into the year 50,000).
    Why it matters: one future row makes `max(time)` look fresh for ever, a wrong epoch moves rows out of every window,
    and splits by time put such rows into the wrong part.
    What to do: repair the unit or the zone at the source; make placeholders missing.

    Options:
        tolerance: how far a time may lie after the moment of the audit; 14 hours more where the zone is unknown.
        earliest: the earliest day that can be, for the columns with the roles time and ingested.
    """

    code: ClassVar[str] = "FRE002"
    name: ClassVar[str] = "impossible-timestamps"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TABULAR
    tolerance: str = "1h"
    earliest: str = "1900-01-01"

    def __post_init__(self) -> None:
        """Refuse a tolerance that is no duration and an earliest day that is no date.

        Raises:
            ConfigError: the option cannot be read.
        """
        parse_duration(self.tolerance)
        self._first()

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for exact counts beyond each bound, column by column."""
        names = data.of_kind(ColumnKind.TEMPORAL)
        if not names:
            return NotEvaluated("no column is a date or a timestamp")
        events = [name for name in (data.roles.time, data.roles.ingested) if name is not None]
        asks = {}
        for name in names:
            column = data.column(name)
            latest = self._latest(data, column)
            asks[name] = {
                "column": column,
                "latest": latest,
                "missing": Missing(name),
                "counts": {
                    **(self._event(name, latest) if name in events else {}),
                    "far": CountWhere(name, above=FAR, below=END),
                    "beyond": CountWhere(name, above=LAST),
                    "epoch": CountWhere(name, above=EPOCH_START, below=EPOCH_END),
                    "around": CountWhere(name, above=AROUND[0], below=AROUND[1]),
                },
            }
        return {"columns": asks, "rows": data.rows}

    def _event(self, name: str, latest: dt.datetime) -> Asks:
        return {"future": CountWhere(name, above=latest), "past": CountWhere(name, below=self._first())}

    def _first(self) -> dt.datetime:
        try:
            return dt.datetime.fromisoformat(self.earliest)
        except ValueError as error:
            raise ConfigError(f"earliest '{self.earliest}' is not a date such as 1900-01-01") from error

    def _latest(self, data: Dataset, column: Column) -> dt.datetime:
        slack = parse_duration(self.tolerance)
        if in_doubt(column, data.timezone):
            slack += dt.timedelta(seconds=ZONE_DOUBT)
        return bound_of(data.as_of + slack, column, data.timezone)

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each column's counts."""
        basis = Basis(facts["rows"], facts["rows"])
        for name, about in facts["columns"].items():
            missing: MissingCounts = about["missing"]
            values = missing.rows - missing.missing
            if values == 0:
                yield NotEvaluated(f"'{name}' has no value", (name,))
                continue
            yield from self._column(about["column"], about["counts"], about["latest"], values, basis)

    def _column(
        self, column: Column, counts: Facts, latest: dt.datetime, values: int, basis: Basis
    ) -> Iterator[Judgement]:
        name = quote_name(column.name)
        at = {
            "latest": literal(latest, zoned=column.zoned),
            "first": literal(self._first(), zoned=column.zoned),
            "far": literal(FAR, zoned=column.zoned),
            "epoch": literal(EPOCH_START, zoned=column.zoned),
            "epoch_end": literal(EPOCH_END, zoned=column.zoned),
        }
        far = counts["far"] + counts["beyond"]
        future = counts.get("future", 0) - (far if latest < FAR.replace(tzinfo=latest.tzinfo) else 0)
        epoch = counts["epoch"] if self._piled(counts) else 0
        cases = [
            ("future_share", future, f"after {say_time(latest)}, the moment of the audit and its tolerance",
             f"{name} > {at['latest']} AND {name} < {at['far']}",
             "Find out whether the zone, the clock or the day and month are wrong; if the audit's own moment is, "
             "pass --as-of."),
            ("far_future_share", far, "after the year 2200",
             f"{name} > {at['far']}",
             "Milliseconds read as seconds give years near 50,000: convert with the right unit."),
            ("epoch_share", epoch, "around 1 January 1970, where few others are",
             f"{name} > {at['epoch']} AND {name} < {at['epoch_end']}",
             "Zero or a missing time became 1970, or seconds were read as milliseconds: make it missing or convert "
             "with the right unit."),
            ("past_share", counts.get("past", 0), f"before {say_time(self._first())}",
             f"{name} < {at['first']}",
             "Make placeholders missing; if such times are real, set `earliest`."),
        ]  # fmt: skip
        for statistic, count, words, where, remedy in cases:
            if statistic in ("future_share", "past_share") and statistic.removesuffix("_share") not in counts:
                continue
            low, high = wilson(count, values)
            interval = Interval(low, high, "wilson")
            yield Measurement(statistic, (column.name,), count / values, basis, 0.0, interval)
            if count <= 0:
                continue
            yield Finding(
                self.code, (column.name,), Severity.WARN,
                f"{column.name}: {count:,} of {values:,} times ({count / values:.2%}) lie {words}, limit 0",
                statistic, count / values, 0.0, basis, interval=interval, affected=count, where=where, remedy=remedy,
                effect=min(1.0, 0.2 + count / values),
            )  # fmt: skip

    def _piled(self, counts: Facts) -> bool:
        """Whether the month after the epoch holds far more rows than the months around it would let one expect.

        In a column without the role of an event (births), a handful of rows may lie there rightly.
        """
        neighbours = counts["around"] - counts["epoch"]
        expected = max(neighbours, 1) * 32 / AROUND_DAYS
        least = 1 if "future" in counts else 5
        return bool(counts["epoch"] >= max(least, 5 * expected + (3 * expected**0.5 if neighbours else 0.0)))
