"""FRE004: rows that arrive late, or before they happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.freshness.clock import time_column
from audit.dataset import Column, ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, LagQuantiles, LagValues, quote_name
from audit.findings import Basis, Chart, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.cadence import parse_duration, say_duration
from audit.stats.intervals import wilson


@register
@dataclass(frozen=True, slots=True)
class LateArrivals:
    """Rows whose ingestion time is long after the time of the event, or before it.

    What it measures: the lag from the column with the role time to the one with the role ingested, exactly: median,
    95% and 99% quantile, and the share of negative lags. Without `max_lag`, late is a 95% quantile above `times`
    medians and above `least`.
    Why it matters: features made as of some moment see rows that had not arrived yet, which training forgives and
    production does not; and the newest periods are incomplete until the late rows are in. A negative lag means a wrong
    clock or zone.
    What to do: train on what had arrived at the time (by ingestion time), and wait for the 95% quantile before using a
    period; repair clocks and zones.

    Options:
        max_lag: the longest lag that 95% of rows may have, such as 24h; above it is a fail.
        times: without a limit, a warning where the 95% quantile is above this many medians.
        least: and above this (both are our choice).
        negative: share of negative lags that is a warning; fewer are mentioned.
    """

    code: ClassVar[str] = "FRE004"
    name: ClassVar[str] = "late-arrivals"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TABULAR
    max_lag: str | None = None
    times: float = 10.0
    least: str = "1d"
    negative: float = 0.001

    def __post_init__(self) -> None:
        """Refuse lags that are no durations.

        Raises:
            ConfigError: the option cannot be read.
        """
        for text in (self.max_lag, self.least):
            if text is not None:
                parse_duration(text)

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the lag's quantiles."""
        time = time_column(data)
        if isinstance(time, NotEvaluated):
            return time
        if data.roles.ingested is None:
            return NotEvaluated("no column has the role ingested (when a row arrived); name it with --ingested")
        arrived = data.column(data.roles.ingested)
        if arrived.kind is not ColumnKind.TEMPORAL:
            return NotEvaluated(f"the ingestion column '{arrived.name}' is {arrived.type}, not a date or timestamp")
        if time.zoned != arrived.zoned and (data.timezone or "").upper() != "UTC":
            return NotEvaluated(
                f"one of '{time.name}' and '{arrived.name}' has a zone and the other not: their lag is unknown"
            )
        return {"lag": LagQuantiles(time.name, arrived.name), "time": time, "arrived": arrived, "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the 95% quantile, then the negative lags."""
        lag: LagValues = facts["lag"]
        time: Column = facts["time"]
        arrived: Column = facts["arrived"]
        columns = (time.name, arrived.name)
        if lag.n == 0:
            yield NotEvaluated(f"no row has both '{time.name}' and '{arrived.name}'", columns)
            return
        basis = Basis(facts["rows"], facts["rows"])
        yield from self._late(columns, lag, basis)
        if arrived.date_only and not time.date_only:
            yield NotEvaluated(f"'{arrived.name}' has no time of day: negative lags cannot be told", columns)
        else:
            yield from self._negative(columns, lag, basis)

    def _late(self, columns: tuple[str, str], lag: LagValues, basis: Basis) -> Iterator[Judgement]:
        median, p95, p99 = lag.seconds
        least = parse_duration(self.least).total_seconds()
        given = parse_duration(self.max_lag).total_seconds() if self.max_lag is not None else None
        limit = given if given is not None else max(self.times * median, least)
        source = "max_lag" if given is not None else f"the longer of {self.times:g} medians and {self.least}"
        for name, value in (("lag_p50", median), ("lag_p95", p95), ("lag_p99", p99)):
            yield Measurement(name, columns, value, basis, limit if name == "lag_p95" else None, unit="seconds")
        if p95 <= limit:
            return
        time, arrived = (quote_name(name) for name in columns)
        yield Finding(
            self.code, columns, Severity.FAIL if given is not None else Severity.WARN,
            f"{columns[1]}: 5% of {lag.n:,} rows arrive more than {say_duration(p95)} after {columns[0]}, limit "
            f"{say_duration(limit)} ({source}); the median lag is {say_duration(median)}",
            "lag_p95", p95, limit, basis, limit_source=source, effect=min(1.0, p95 / (p95 + limit)),
            where=f"{arrived} - {time} > INTERVAL '{round(limit)} seconds'",
            remedy="Train on what had arrived at the time (by ingestion time), and treat newer periods as incomplete.",
            chart=Chart("bars", "Lag from event to arrival, in hours",
                        {"labels": ["median", "95%", "99%"], "values": [s / 3600 for s in lag.seconds],
                         "limit": limit / 3600}, "quantile", "hours"),
            evidence={"p50": median, "p95": p95, "p99": p99, "largest": lag.largest},
        )  # fmt: skip

    def _negative(self, columns: tuple[str, str], lag: LagValues, basis: Basis) -> Iterator[Judgement]:
        share = lag.negative / lag.n
        low, high = wilson(lag.negative, lag.n)
        interval = Interval(low, high, "wilson")
        yield Measurement("negative_lag_share", columns, share, basis, self.negative, interval)
        if lag.negative == 0:
            return
        time, arrived = (quote_name(name) for name in columns)
        yield Finding(
            self.code, columns, Severity.WARN if share > self.negative else Severity.INFO,
            f"{columns[1]}: {lag.negative:,} of {lag.n:,} rows ({share:.2%}) arrive before {columns[0]}, limit "
            f"{self.negative:.1%}",
            "negative_lag_share", share, self.negative, basis, interval=interval, effect=min(1.0, 0.1 + share),
            affected=lag.negative, where=f"{arrived} < {time}",
            remedy="Compare the clocks and zones of the two columns: nothing arrives before it happens.",
        )  # fmt: skip
