"""What the checks of this dimension share: moments in and out of columns with and without a zone, and rhythm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from audit.dataset import Column, ColumnKind, Dataset
from audit.errors import ConfigError
from audit.facts import Asks, TimeBuckets, TimeBucketTable, Value, quote_name
from audit.findings import Chart, NotEvaluated
from audit.stats.cadence import (
    SECONDS,
    UNITS,
    Grid,
    Periods,
    coarsen,
    expected_grid,
    period_numbers,
    period_start,
    seconds_between,
    without_strays,
)

ZONE_DOUBT = 14 * 3_600
"""Seconds by which a wall-clock time without a zone can differ from UTC (UTC-12 to UTC+14)."""

POINTS = 400


def time_column(data: Dataset) -> Column | NotEvaluated:
    """Return the column with the role time, or why it cannot be judged."""
    if data.roles.time is None:
        times = data.of_kind(ColumnKind.TEMPORAL)
        among = f" (one of {', '.join(times[:4])}{', …' if len(times) > 4 else ''})" if len(times) > 1 else ""
        return NotEvaluated(f"no column has the role time; name it with --time{among}")
    column = data.column(data.roles.time)
    if column.kind is not ColumnKind.TEMPORAL:
        return NotEvaluated(
            f"the time column '{column.name}' is {column.type or column.kind}, not a date or timestamp: convert it"
        )
    return column


def zone_of(timezone: str | None) -> dt.tzinfo:
    """Return the zone that times without one are in; UTC when nobody said.

    Raises:
        ConfigError: there is no such zone.
    """
    if timezone is None or timezone.upper() == "UTC":
        return dt.UTC
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(f"unknown time zone '{timezone}': use a name such as Europe/Berlin or UTC") from error


def bound_of(moment: dt.datetime, column: Column, timezone: str | None) -> dt.datetime:
    """Return a zoned moment as a bound for a column: itself, or wall-clock time where the column has no zone."""
    return moment if column.zoned else moment.astimezone(zone_of(timezone)).replace(tzinfo=None)


def instant_of(value: Value, timezone: str | None) -> dt.datetime | None:
    """Return a cell of a date or timestamp column as a moment in UTC; None for anything else."""
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=zone_of(timezone))
    elif isinstance(value, dt.date):
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=zone_of(timezone))
    else:
        return None
    return moment.astimezone(dt.UTC)


def in_doubt(column: Column, timezone: str | None) -> bool:
    """Whether nobody said which zone the column's times are in."""
    return not column.zoned and timezone is None


def say_time(moment: dt.datetime) -> str:
    """Return a moment as people read it, without seconds where they are zero.

    >>> say_time(dt.datetime(2024, 1, 2, tzinfo=dt.UTC)), say_time(dt.datetime(2024, 1, 2, 3, 4, 5))
    ('2024-01-02', '2024-01-02 03:04:05')
    """
    plain = moment.replace(tzinfo=None)
    if plain.time() == dt.time():
        return plain.date().isoformat()
    return plain.isoformat(sep=" ", timespec="seconds" if plain.second else "minutes")


def literal(moment: dt.datetime, *, zoned: bool) -> str:
    """Return a moment as an SQL literal for a column with or without a zone.

    >>> literal(dt.datetime(2024, 1, 2), zoned=True)
    "TIMESTAMPTZ '2024-01-02 00:00:00+00:00'"
    """
    plain = moment.replace(tzinfo=None).isoformat(sep=" ")
    return f"TIMESTAMPTZ '{plain}+00:00'" if zoned else f"TIMESTAMP '{plain}'"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Rows per period, on the unit that fits the data, and the periods in which rows are expected.

    `numbers` are the periods with rows (sorted), `counts` their rows; `strays` rows far off at the ends are left out.
    """

    every: str
    numbers: Periods
    counts: NDArray[np.int64]
    grid: Grid
    strays: int

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Seconds from each period with rows to the next."""
        return seconds_between(self.numbers, self.every)

    def start(self, number: int) -> dt.datetime:
        """Return the start of a period."""
        return period_start(number, self.every)


def ask_rhythm(column: str) -> Asks:
    """Return the asks for `rhythm_of`: the finest unit that fits the range, and days.

    One row with a wrong year stretches the range, so that only years would fit: then the days are used.
    """
    return {"fine": TimeBuckets(column), "days": TimeBuckets(column, every="day")}


def rhythm_of(fine: TimeBucketTable, days: TimeBucketTable) -> Rhythm | None:
    """Return the rhythm of a column; None when fewer than three periods have rows.

    The finest unit is taken on which at least 80% of the expected periods have rows; where no unit has that, the finest
    regular one; where none is regular, the finest of all (its grid then expects nothing).
    """
    table = fine if UNITS.index(fine.every) <= UNITS.index("day") else days
    if len(table.starts) < 3:
        return None
    numbers, counts = period_numbers(table.starts, table.every), np.asarray(table.counts, dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    numbers, counts = numbers[order], counts[order]
    kept = without_strays(numbers, counts)
    strays = int(counts.sum() - counts[kept].sum())
    numbers, counts = numbers[kept], counts[kept]
    candidates: list[Rhythm] = []
    for unit in UNITS[UNITS.index(table.every) :]:
        at, rows = coarsen(numbers, counts, table.every, unit)
        if at.size < 8 and candidates:
            break
        rhythm = Rhythm(unit, at, rows, expected_grid(at, unit), strays)
        if rhythm.grid.regular and rhythm.grid.missing.size <= 0.2 * rhythm.grid.expected.size:
            return rhythm
        candidates.append(rhythm)
    return next((rhythm for rhythm in candidates if rhythm.grid.regular), candidates[0])


def timeline(column: str, rhythm: Rhythm) -> Chart:
    """Return the rows of each period as a line, expected periods without rows as zeros, at most 400 points."""
    numbers = np.union1d(rhythm.numbers, rhythm.grid.missing)
    rows = np.zeros(numbers.size, dtype=np.int64)
    rows[np.searchsorted(numbers, rhythm.numbers)] = rhythm.counts
    together = -(-numbers.size // POINTS)  # neighbouring periods are added up where there are too many to draw
    cuts = np.arange(0, numbers.size, together)
    data = {
        "x": [rhythm.start(int(k)).isoformat() for k in numbers[cuts]],
        "series": [{"name": "rows", "values": np.add.reduceat(rows, cuts).tolist()}],
    }
    unit = rhythm.every if together == 1 else f"{together} {rhythm.every}s"
    return Chart("line", f"Rows per {unit} of {column}", data, column, "rows")


def where_periods(column: str, starts: Iterable[tuple[dt.datetime, dt.datetime]], *, zoned: bool) -> str:
    """Return the predicate that a time lies in one of these half-open ranges."""
    name = quote_name(column)
    ranges = [f"({name} >= {literal(a, zoned=zoned)} AND {name} < {literal(b, zoned=zoned)})" for a, b in starts]
    return ranges[0] if len(ranges) == 1 else "(" + " OR ".join(ranges) + ")"


def unit_seconds(every: str) -> float:
    """Return the length of a period in seconds; months and longer on average."""
    return float(SECONDS.get(every, {"month": 2_629_746, "quarter": 7_889_238, "year": 31_556_952}.get(every, 0)))
