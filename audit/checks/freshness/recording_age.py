"""FRE102: when were the episodes recorded?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TRAJECTORY, register
from audit.dataset import Dataset, Kind
from audit.episode_facts.clock import RecordingTimes, RecordingTimeValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.cadence import parse_duration, say_duration

DAY = 86_400.0


@register
@dataclass(frozen=True, slots=True)
class RecordingAge:
    """Episodes that were recorded long ago, over a long time, or in the future.

    What it measures: the time of the newest and of the oldest step against the moment of the audit (`--as-of`), from
        timestamps that are times of day and not counted from a start, else from a column of times, else from the
        declared time of creation. It is judged only by the limits that you set: recordings have no rhythm of their own.
    Why it matters: a robot is recalibrated and a simulator changes its version. Old episodes show a system that is
        gone, and learners mix them with new ones without a word.
    What to do: record anew what has changed, or keep old and new apart with a policy or version column. If the
        recording must be fresh, set `max_age`; audit an archive as of its own time with `--as-of`.

    Options:
        max_age: a fail when the newest episode is older than this, such as 30d.
        warn_age: a warning when the newest episode is older than this.
        max_span: a warning when oldest and newest lie further apart than this.
    """

    code: ClassVar[str] = "FRE102"
    name: ClassVar[str] = "recording-age"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TRAJECTORY

    max_age: str | None = None
    warn_age: str | None = None
    max_span: str | None = None

    def __post_init__(self) -> None:
        """Refuse ages that are no durations.

        Raises:
            ConfigError: the option cannot be read.
        """
        for text in (self.max_age, self.warn_age, self.max_span):
            if text is not None:
                parse_duration(text)

    def ask(self, data: Dataset) -> Asks:
        """Ask for the times of recording."""
        return {"times": RecordingTimes(), "as_of": data.as_of, "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the age of the newest, the span, and times in the future."""
        times: RecordingTimeValues = facts["times"]
        if not times.source:
            yield NotEvaluated(
                "nothing says when the episodes were recorded: timestamps count from a start, or there are none"
            )
            return
        as_of: dt.datetime = facts["as_of"]
        basis = Basis(facts["rows"], facts["rows"])
        age = as_of.timestamp() - times.newest
        if age < -DAY:
            yield self._future(times, -age, as_of, basis)
            return
        yield from self._age(times, max(age, 0.0), as_of, basis)
        yield from self._span(times, basis)

    def _future(self, times: RecordingTimeValues, ahead: float, as_of: dt.datetime, basis: Basis) -> Finding:
        return Finding(
            self.code, (times.source,), Severity.WARN,
            f"{times.source}: the newest step is of {_day(times.newest)}, {say_duration(ahead)} after the moment of "
            f"the audit ({as_of:%Y-%m-%d}), limit {say_duration(DAY)}",
            "age", -ahead, -DAY, basis, effect=0.2,
            remedy="Look at the recorder's clock and at the unit of the times.",
        )  # fmt: skip

    def _age(self, times: RecordingTimeValues, age: float, as_of: dt.datetime, basis: Basis) -> Iterator[Judgement]:
        given = [(Severity.FAIL, self.max_age), (Severity.WARN, self.warn_age)]
        limits = [(severity, parse_duration(text).total_seconds()) for severity, text in given if text is not None]
        exceeded = [limit for limit in limits if age > limit[1]]
        yield Measurement("age", (times.source,), age, basis, limits[0][1] if limits else None, unit="seconds")
        if exceeded:
            severity, limit = exceeded[0]
            yield Finding(
                self.code, (times.source,), severity,
                f"{times.source}: the newest step is of {_day(times.newest)} and {say_duration(age)} old on "
                f"{as_of:%Y-%m-%d}, limit {say_duration(limit)}",
                "age", age, limit, basis, effect=min(1.0, age / (age + 10 * limit) + 0.1), affected=basis.of,
                remedy="Record anew what has changed since, or audit the archive as of its own time: pass --as-of.",
            )  # fmt: skip

    def _span(self, times: RecordingTimeValues, basis: Basis) -> Iterator[Judgement]:
        span = times.newest - times.oldest
        limit = None if self.max_span is None else parse_duration(self.max_span).total_seconds()
        if limit is None or span <= limit:
            yield Measurement("span", (times.source,), span, basis, limit, unit="seconds")
            return
        yield Finding(
            self.code, (times.source,), Severity.WARN,
            f"{times.source}: the steps are of {_day(times.oldest)} to {_day(times.newest)}, {say_duration(span)} "
            f"apart, limit {say_duration(limit)}",
            "span", span, limit, basis, effect=min(1.0, span / (span + 10 * limit) + 0.1),
            remedy="Compare old and new episodes, and keep them apart where the system has changed.",
        )  # fmt: skip


def _day(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d}"
