"""FRE003: periods without rows where rows are expected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.freshness.clock import Rhythm, ask_rhythm, rhythm_of, say_time, time_column, timeline, zone_of
from audit.dataset import Column, Dataset, Kind
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.cadence import Gap, chance_of_gap, gaps_of, say_duration

LISTED = 20


@register
@dataclass(frozen=True, slots=True)
class TimeGaps:
    """Periods without rows in data that has rows at every such time otherwise.

    What it measures: rows per period, exactly, on the finest unit that fits the range and that most periods fill; the
    periods expected but empty; the longest gap against the usual distance between periods with rows. Expected is each
    place of the weekly (or daily) pattern that has rows at least half of the time, so weekends and nights are no gaps,
    and neither is the hour that daylight saving skips. A gap counts only if rows that arrive at random would hardly
    leave it. In data without a regular pattern, the longest distance is compared with the usual ones.
    Why it matters: a gap is usually an outage: the rows existed and were lost, and what a model learns of that time is
    wrong or nothing. Rolling features and splits by time step over it in silence.
    What to do: load the missing periods again; if they cannot be had, mark them, so that no feature spans them.

    Options:
        times: a warning where the longest gap is more than this many usual distances; shorter gaps are mentioned.
        share: a warning where more than this share of the expected periods is missing (our choice).
        significance: a gap that random arrival leaves with at least this probability is ignored.
    """

    code: ClassVar[str] = "FRE003"
    name: ClassVar[str] = "time-gaps"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TABULAR
    times: float = 3.0
    share: float = 0.05
    significance: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the rows per period."""
        column = time_column(data)
        if isinstance(column, NotEvaluated):
            return column
        rhythm = ask_rhythm(column.name)
        return {"rhythm": rhythm, "column": column, "timezone": data.timezone, "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the missing periods of a regular rhythm, or the longest distance of an irregular one."""
        column: Column = facts["column"]
        basis = Basis(facts["rows"], facts["rows"])
        rhythm = rhythm_of(facts["rhythm"]["fine"], facts["rhythm"]["days"])
        if rhythm is None or rhythm.numbers.size < 5:
            yield NotEvaluated(f"'{column.name}' has rows in fewer than 5 periods: no gap can be told", (column.name,))
        elif rhythm.grid.regular:
            yield from self._regular(column, rhythm, facts["timezone"], basis)
        else:
            yield from self._irregular(column, rhythm, basis)

    def _regular(self, column: Column, rhythm: Rhythm, timezone: str | None, basis: Basis) -> Iterator[Judgement]:
        expected, rows = rhythm.grid.expected.size, int(rhythm.counts.sum())
        gaps = [
            gap
            for gap in gaps_of(rhythm.grid)
            if chance_of_gap(expected, rows, gap.missing) < self.significance
            and not (gap.missing == 1 and skipped_hour(rhythm.start(gap.first), rhythm.every, column, timezone))
        ]
        longest = max(gaps, key=lambda gap: gap.missing, default=Gap(0, 0, 0))
        missing = sum(gap.missing for gap in gaps)
        ratio = longest.missing + 1.0
        yield Measurement("longest_gap", (column.name,), ratio, basis, self.times, unit="usual distances")
        yield Measurement("missing_periods", (column.name,), missing / expected, basis, self.share)
        if not gaps:
            return
        severe = ratio > self.times or missing / expected > self.share
        unit = rhythm.every if rhythm.grid.step == 1 else f"period of {rhythm.grid.step} {rhythm.every}s"
        first, last = say_time(rhythm.start(longest.first)), say_time(rhythm.start(longest.last))
        when = first if longest.missing == 1 else f"{first} to {last}"
        yield Finding(
            self.code, (column.name,), Severity.WARN if severe else Severity.INFO,
            f"{column.name}: {missing:,} of {expected:,} {unit}s expected have no rows; the longest gap ({when}) is "
            f"{ratio:g} times the usual distance, limit {self.times:g}",
            "longest_gap", ratio, self.times, basis, effect=min(1.0, missing / expected + (0.2 if severe else 0.0)),
            remedy="Load the missing periods again; if they cannot be had, let no feature or window span them.",
            chart=timeline(column.name, rhythm),
            evidence={
                "every": rhythm.every,
                "gaps": [{"first": rhythm.start(gap.first).isoformat(), "last": rhythm.start(gap.last).isoformat(),
                          "missing": gap.missing} for gap in gaps[:LISTED]],
            },
        )  # fmt: skip

    def _irregular(self, column: Column, rhythm: Rhythm, basis: Basis) -> Iterator[Judgement]:
        distances = rhythm.seconds
        usual = float(np.median(distances))
        k = int(np.argmax(distances))
        longest = float(distances[k])
        ratio = longest / usual
        yield Measurement("longest_gap", (column.name,), ratio, basis, self.times, unit="usual distances")
        # random arrival: distances are exponential with mean = median / ln 2; bursts make the 95% quantile larger
        chance = distances.size * float(np.exp(-longest * np.log(2) / usual))
        if ratio <= self.times or chance >= self.significance or longest <= 3 * float(np.quantile(distances, 0.95)):
            return
        after = rhythm.start(int(rhythm.numbers[k]))
        yield Finding(
            self.code, (column.name,), Severity.WARN,
            f"{column.name}: after {say_time(after)} no row comes for {say_duration(longest)}, {ratio:.1f} times the "
            f"median distance of {say_duration(usual)} between {distances.size + 1:,} {rhythm.every}s with rows, limit "
            f"{self.times:g}",
            "longest_gap", ratio, self.times, basis, effect=min(1.0, 0.2 + longest / float(distances.sum())),
            remedy="Find out whether rows of this time were lost, and load them again.",
            chart=timeline(column.name, rhythm),
            evidence={"every": rhythm.every, "after": after.isoformat(), "seconds": longest},
        )  # fmt: skip


def skipped_hour(start: dt.datetime, every: str, column: Column, timezone: str | None) -> bool:
    """Whether daylight saving skips this hour: in the zone known, or, without one, wherever clocks change.

    Clocks change between midnight and four in the morning of a Sunday in March, April, September, October or November
    in every zone that has daylight saving on whole hours today.
    """
    if every != "hour" or column.zoned:
        return False
    if timezone is None:
        return start.weekday() == 6 and start.hour < 4 and start.month in (3, 4, 9, 10, 11)
    zone = zone_of(timezone)
    there_and_back = start.replace(tzinfo=zone).astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None)
    return there_and_back != start
