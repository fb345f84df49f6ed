"""FRE001: how old the newest data is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.freshness.clock import (
    ZONE_DOUBT,
    ask_rhythm,
    bound_of,
    in_doubt,
    instant_of,
    rhythm_of,
    say_time,
    time_column,
    unit_seconds,
)
from audit.dataset import Column, Dataset, Kind
from audit.facts import Asks, Facts, Quantiles, QuantileValues
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.cadence import parse_duration, say_duration


@register
@dataclass(frozen=True, slots=True)
class DataAge:
    """Data that stopped arriving.

    What it measures: the age of the newest data at the moment of the audit (`--as-of`): from the time that all but a
    few rows precede, not from the largest time, so that one wrong row cannot hide that everything else is old. Rows
    after the moment of the audit do not count. Without a limit of yours, the data's own rhythm gives one: `times` the
    usual distance between periods with rows (the longer of the median and the 95% quantile, so that weekends are
    usual), at least `least`.
    Why it matters: a model trained on data that ended long ago learns a world that is gone; a pipeline that stopped
    looks just like one that works.
    What to do: look at the pipeline. If the data is an archive that is meant to end there, audit it as of then:
    `--as-of 2013-12-31`; if it must be fresh, set `max_age`.

    Times without a zone are taken as UTC unless `--tz` says otherwise; where that decides the verdict it is a
    warning, else it is mentioned. A date without a time of day may be up to 24 hours younger than it says: it gets the
    benefit of that doubt. A limit that comes from the data's rhythm never gives more than a warning.

    Options:
        max_age: a fail above this age, such as 7d or 24h.
        warn_age: a warning above this age.
        times: without a limit, a warning above this many usual distances (our choice).
        least: the smallest limit that the data's own rhythm may give.
        quantile: share of rows that the newest time must lie above, for small tables.
        strays: in large tables, this many rows may be newer than what is taken as the newest time.
    """

    code: ClassVar[str] = "FRE001"
    name: ClassVar[str] = "data-age"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TABULAR
    max_age: str | None = None
    warn_age: str | None = None
    times: float = 2.0
    least: str = "1d"
    quantile: float = 0.999
    strays: int = 10

    def __post_init__(self) -> None:
        """Refuse ages that are no durations.

        Raises:
            ConfigError: the option cannot be read.
        """
        for text in (self.max_age, self.warn_age, self.least):
            if text is not None:
                parse_duration(text)

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the newest time up to the moment of the audit, and for the rhythm."""
        column = time_column(data)
        if isinstance(column, NotEvaluated):
            return column
        probability = max(self.quantile, 1.0 - self.strays / data.rows) if data.rows else self.quantile
        bound = bound_of(data.as_of, column, data.timezone)
        return {
            "newest": Quantiles(column.name, (probability,), not_after=bound),
            "rhythm": ask_rhythm(column.name),
            "column": column,
            "as_of": data.as_of,
            "timezone": data.timezone,
            "rows": data.rows,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the age by the limit given, or by the rhythm."""
        column: Column = facts["column"]
        newest: QuantileValues = facts["newest"]
        as_of: dt.datetime = facts["as_of"]
        basis = Basis(facts["rows"], facts["rows"])
        moment = instant_of(newest.values[0], facts["timezone"]) if newest.n else None
        if moment is None:
            yield NotEvaluated(f"'{column.name}' has no time up to {say_time(as_of)}", (column.name,))
            return
        age = (as_of - moment).total_seconds()
        if column.date_only:
            age = max(0.0, age - 86_400)
        limits = self._limits(facts)
        yield Measurement("age", (column.name,), age, basis, limits[0][1] if limits else None, unit="seconds")
        exceeded = [limit for limit in limits if age > limit[1]]
        if not limits:
            yield NotEvaluated("too few periods have rows to tell a rhythm; set max_age", (column.name,))
        if exceeded:
            yield self._old(column, facts, moment, exceeded[0])
        if in_doubt(column, facts["timezone"]):
            decides = any(abs(age - limit[1]) <= ZONE_DOUBT for limit in limits)
            yield self._doubt(column, basis, age, decides=decides)

    def _limits(self, facts: Facts) -> list[tuple[Severity, float, str]]:
        """Return the limits in seconds, the gravest first, each with where it comes from."""
        given = [(Severity.FAIL, self.max_age, "max_age"), (Severity.WARN, self.warn_age, "warn_age")]
        limits = [(s, parse_duration(text).total_seconds(), name) for s, text, name in given if text is not None]
        if limits:
            return limits
        rhythm = rhythm_of(facts["rhythm"]["fine"], facts["rhythm"]["days"])
        if rhythm is None or rhythm.numbers.size < 3:
            return []
        distances = rhythm.seconds
        usual = max(float(np.median(distances)), float(np.quantile(distances, 0.95)), unit_seconds(rhythm.every))
        limit = max(self.times * usual, parse_duration(self.least).total_seconds())
        source = f"the longer of {self.least} and {self.times:g} x the data's usual distance of {say_duration(usual)}"
        return [(Severity.WARN, limit, source)]

    def _old(self, column: Column, facts: Facts, moment: dt.datetime, limit: tuple[Severity, float, str]) -> Finding:
        severity, seconds, source = limit
        as_of, basis = facts["as_of"], Basis(facts["rows"], facts["rows"])
        age = (as_of - moment).total_seconds()
        own = "usual distance" in source
        return Finding(
            self.code, (column.name,), severity,
            f"{column.name}: the newest data is of {say_time(moment)} and {say_duration(age)} old on "
            f"{say_time(as_of)}, limit {say_duration(seconds)} ({source})",
            "age", age, seconds, basis, limit_source=source, effect=min(1.0, age / (age + 10 * seconds) + 0.1),
            affected=basis.of,
            remedy="See whether the pipeline still runs."
            + (" If this is an archive that is meant to end there, audit it as of then: pass --as-of." if own else ""),
        )  # fmt: skip

    def _doubt(self, column: Column, basis: Basis, age: float, *, decides: bool) -> Finding:
        what = "which decides about its age" if decides else "which does not change the verdict on its age"
        return Finding(
            self.code, (column.name,), Severity.WARN if decides else Severity.INFO,
            f"{column.name}: its times have no zone and were taken as UTC; they may be up to 14 hours off, {what}",
            "zone", "none", "a zone", basis, effect=0.2 if decides else 0.02, segment="zone",
            remedy="Pass --tz (such as Europe/Berlin), or store times with a zone.",
            evidence={"age_seconds": age},
        )  # fmt: skip
