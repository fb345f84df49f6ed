"""The rhythm of time-stamped rows: their grid of periods, the periods that are missing, and unusual volumes.

Times are turned into whole numbers of periods (days since 1970, months since 1970 ...), so that gaps are differences.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.errors import ConfigError
from audit.stats.robust import robust_z

Periods = NDArray[np.int64]
Floats = NDArray[np.float64]

UNITS = ("minute", "hour", "day", "week", "month", "quarter", "year")
SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
DURATIONS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
EPOCH = dt.datetime(1970, 1, 1)
MONDAY = dt.datetime(1969, 12, 29)  # weeks start on Mondays


def parse_duration(text: str) -> dt.timedelta:
    """Return a duration written as number and unit: s, m (or min), h, d, w; several parts add up.

    Raises:
        ConfigError: the text is no such duration.

    >>> parse_duration("1d 12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[smhdw])", text.strip().lower())
    rest = re.sub(r"\d+(?:\.\d+)?\s*(?:min|[smhdw])", "", text.strip().lower()).strip()
    if not parts or rest:
        raise ConfigError(f"'{text}' is not a duration: write a number and a unit (s, m, h, d or w), such as 24h")
    return dt.timedelta(seconds=sum(float(number) * DURATIONS[unit] for number, unit in parts))


def say_duration(seconds: float) -> str:
    """Return seconds in the unit that people would use.

    >>> say_duration(5_400), say_duration(200_000), say_duration(-30)
    ('1.5 hours', '2.3 days', '-30 seconds')
    """
    for unit, size in (("year", 31_556_952), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        least = 2 * size if unit == "year" else size
        if abs(seconds) >= least or unit == "second":
            amount = f"{seconds / size:,.1f}".removesuffix(".0")
            return f"{amount} {unit}" + ("" if amount in ("1", "-1") else "s")
    raise AssertionError("the last unit always fits")


def period_numbers(starts: Sequence[dt.datetime], every: str) -> Periods:
    """Return the number of each period since 1970, int64[n]: differences count periods.

    Args:
        starts: starts of periods, with or without a zone (the zone is left out).
        every: one of `UNITS`.
    """
    plain = [start.replace(tzinfo=None) for start in starts]
    if every in ("month", "quarter", "year"):
        months = np.array([12 * (t.year - 1970) + t.month - 1 for t in plain], dtype=np.int64)
        return months // {"month": 1, "quarter": 3, "year": 12}[every]
    origin = MONDAY if every == "week" else EPOCH
    seconds = np.array([(t - origin) // dt.timedelta(seconds=1) for t in plain], dtype=np.int64)
    return seconds // SECONDS[every]


def period_start(number: int, every: str) -> dt.datetime:
    """Return the start of a period: the inverse of `period_numbers`.

    >>> period_start(1, "month")
    datetime.datetime(1970, 2, 1, 0, 0)
    """
    if every in ("month", "quarter", "year"):
        months = int(number) * {"month": 1, "quarter": 3, "year": 12}[every]
        return dt.datetime(1970 + months // 12, months % 12 + 1, 1)
    return (MONDAY if every == "week" else EPOCH) + dt.timedelta(seconds=int(number) * SECONDS[every])


def seconds_between(numbers: Periods, every: str) -> Floats:
    """Return the seconds from each period's start to the next listed one's, float64[n - 1]."""
    if every in SECONDS:
        return np.diff(numbers).astype(np.float64) * SECONDS[every]
    starts = np.array([(period_start(int(k), every) - EPOCH).total_seconds() for k in numbers])
    return np.diff(starts)


def coarsen(numbers: Periods, counts: NDArray[np.int64], every: str, to: str) -> tuple[Periods, NDArray[np.int64]]:
    """Return the same rows on a coarser unit: period numbers and their rows."""
    if to == every:
        return numbers, counts
    coarse = period_numbers([period_start(int(k), every) for k in numbers], to)
    distinct, inverse = np.unique(coarse, return_inverse=True)
    return distinct, np.bincount(inverse, weights=counts, minlength=distinct.size).astype(np.int64)


def without_strays(numbers: Periods, counts: NDArray[np.int64], share: float = 0.002) -> slice:
    """Return the stretch of periods left after cutting a few rows far off at either end (wrong dates, not gaps).

    At most `share` of the rows is cut from an end, and only where the gap to the others is longer than the whole
    stretch that the others cover, or than a year's worth of their rows' usual rhythm.
    """
    low, high = 0, numbers.size
    if numbers.size < 4:
        return slice(low, high)
    total = int(counts.sum())
    steps = np.diff(numbers)
    cumulative = np.cumsum(counts)
    middle_low = int(np.searchsorted(cumulative, 0.05 * total))
    middle_high = int(np.searchsorted(cumulative, 0.95 * total))
    reach = max(1, int(numbers[min(middle_high, numbers.size - 1)] - numbers[middle_low]))
    for i in np.flatnonzero(steps > reach // 2 + 1).tolist():
        if cumulative[i] <= share * total:
            low = max(low, i + 1)
        elif total - cumulative[i] <= share * total:
            high = min(high, i + 1)
    return slice(low, high)


@dataclass(frozen=True, slots=True)
class Grid:
    """The periods in which rows are expected.

    Attributes:
        every: the unit.
        step: periods from one expected period to the next (15 for quarter hours on a grid of minutes).
        cycle: steps after which the pattern repeats (7 for days of the week); 1 when there is no pattern.
        expected: int64[k], the numbers of the expected periods from the first to the last that has rows.
        missing: int64[m], those without rows.
        regular: whether most rows follow the grid; a grid that is not regular expects nothing.
    """

    every: str
    step: int
    cycle: int
    expected: Periods
    missing: Periods
    regular: bool


def modal_step(numbers: Periods) -> int:
    """Return the most frequent distance between neighbouring periods that have rows (the smallest of equals)."""
    if numbers.size < 2:
        return 1
    steps, counts = np.unique(np.diff(numbers), return_counts=True)
    return int(steps[np.argmax(counts)])


def expected_grid(numbers: Periods, every: str, *, present: float = 0.5) -> Grid:
    """Return the periods in which rows are expected: each place of the cycle that has rows at least `present` times.

    The cycle is a week for days and (four weeks of data or more) for hours, a day for hours and minutes (four days or
    more), so that weekends, nights and holidays that come every week are not missing. The step is the modal distance.

    Args:
        numbers: period numbers that have rows, sorted, distinct.
        every: their unit.
        present: share of a place's occurrences that must have rows for it to be expected.
    """
    nothing: Periods = np.empty(0, dtype=np.int64)
    if numbers.size < 3:
        return Grid(every, 1, 1, numbers, nothing, False)
    step = modal_step(numbers)
    phase = int(np.argmax(np.bincount(numbers % step)))
    first, last = (int(numbers[0]) - phase) // step, (int(numbers[-1]) - phase) // step
    places = np.arange(first, last + 1, dtype=np.int64)
    active = np.zeros(places.size, dtype=bool)
    active[(numbers - phase) // step - first] = True
    cycle = _cycle(every, step, places.size)
    slot = places % cycle
    share = np.bincount(slot, weights=active, minlength=cycle) / np.maximum(np.bincount(slot, minlength=cycle), 1)
    expected = share[slot] >= present
    on_grid = float(np.isin(numbers % step, [phase]).mean())
    regular = bool(expected.any() and active[expected].mean() >= present and on_grid >= 0.9)
    missing = places[expected & ~active] * step + phase
    return Grid(every, step, cycle, places[expected] * step + phase, missing if regular else nothing, regular)


def _cycle(every: str, step: int, places: int) -> int:
    """Return the number of steps after which a week (or a day) repeats, where the data holds four of them."""
    periods = {"day": (7,), "hour": (168, 24), "minute": (10_080, 1_440)}.get(every, ())
    for length in periods:
        if length % step == 0 and places >= 4 * (length // step):
            return length // step
    return 1


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of expected periods without rows: the numbers of the first and the last, and how many there are."""

    first: int
    last: int
    missing: int


def gaps_of(grid: Grid) -> tuple[Gap, ...]:
    """Return the runs of missing periods, in order; periods between that expect nothing (weekends) do not end a run."""
    if grid.missing.size == 0:
        return ()
    place = np.searchsorted(grid.expected, grid.missing)
    starts = np.flatnonzero(np.diff(place, prepend=-2) > 1)
    ends = np.append(starts[1:], place.size)
    return tuple(
        Gap(int(grid.missing[a]), int(grid.missing[b - 1]), int(b - a)) for a, b in zip(starts, ends, strict=True)
    )


def chance_of_gap(periods: int, rows: float, missing: int) -> float:
    """Return how likely a run of `missing` empty periods is somewhere by chance: periods exp(-rate missing), at most 1.

    The rate is `rows` / `periods`: rows that arrive independently leave gaps too (a Poisson process).
    """
    if periods <= 0:
        return 1.0
    return min(1.0, periods * float(np.exp(-rows / periods * missing)))


def volume_scores(numbers: Periods, counts: NDArray[np.int64], cycle: int) -> tuple[Floats, Floats]:
    """Return the usual rows of each period's place in the cycle, and its robust z score, float64[n] each.

    Compared are the periods of the same place (the same weekday); where a place has fewer than 3, all of them. The
    score is `audit.stats.robust.robust_z`: 0.6745 (x - median) / MAD (Iglewicz and Hoaglin 1993).
    """
    slots = numbers % max(cycle, 1)
    usual, scores = np.zeros(counts.size), np.zeros(counts.size)
    values = counts.astype(np.float64)
    for slot in np.unique(slots).tolist():
        here = slots == slot
        among = here if np.count_nonzero(here) >= 3 else np.ones(counts.size, dtype=bool)
        usual[here] = float(np.median(values[among]))
        scores[here] = robust_z(values[among])[here[among]]
    return usual, scores


def chance_of_volume(counts: NDArray[np.int64], usual: Floats) -> Floats:
    """Return how likely counts at least this far off are under a Poisson law with the usual mean, float64[n].

    It keeps small counts quiet: 1 row where 4 are usual is no news. Two-sided: twice the smaller tail.
    """
    from scipy.special import pdtr, pdtrc

    mean = np.maximum(usual, 1e-12)
    below = pdtr(counts, mean)
    above = np.where(counts > 0, pdtrc(np.maximum(counts - 1, 0), mean), 1.0)
    chance: Floats = np.minimum(1.0, 2.0 * np.minimum(below, above))
    return chance
