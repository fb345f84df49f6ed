"""Numbers and dates that look as if they stood for "no value"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY = 86_400.0
"""Seconds in a day."""

SENTINEL_DAYS = (
    "0001-01-01", "1582-10-15", "1600-01-01", "1601-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01",
    "1901-01-01", "1969-12-31", "1970-01-01", "1980-01-01", "2099-12-31", "2199-12-31", "2262-04-11", "2999-12-31",
    "9999-01-01", "9999-12-31",
)  # fmt: skip
"""Days that systems write for "no date": their epoch, or the end of their calendar."""

FAR_FUTURE = float(np.datetime64("2900-01-01", "s").astype(np.int64))
LIMITS_OF_TYPES = frozenset(
    (-128.0, 255.0, 32767.0, -32768.0, 65535.0, 2147483647.0, -2147483648.0, 4294967295.0, 2.0**63, -(2.0**63))
)


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A suspicious value: how often it occurs, whether it is a code known for this, and why it is suspected."""

    value: float
    count: int
    strong: bool
    reason: str


def is_code(value: float) -> bool:
    """Return whether a number is written like a code: -1, nines or one digit repeated, a limit of a type, a -1000.

    >>> [is_code(v) for v in (-1, -9, 99, -999, 9999.0, 999.9, 777, -1000, 32767)]
    [True, True, True, True, True, True, True, True, True]
    >>> [is_code(v) for v in (0, 1, 5, 12, 100, 3.5, -2)]
    [False, False, False, False, False, False, False]
    """
    if value in LIMITS_OF_TYPES or value == -1.0 or abs(value) >= 1e30:
        return True
    digits = f"{abs(value):.6f}".rstrip("0").rstrip(".").replace(".", "")
    if set(digits) == {"9"}:
        return value < 0 or len(digits) >= 2
    repeated = len(digits) >= 3 and len(set(digits)) == 1 and digits[0] != "0"
    negative_round = value <= -100 and digits.rstrip("0") == "1"
    return repeated or negative_round


def number_sentinels(values: Floats, share: float = 0.005, gap: float = 3.0) -> list[Sentinel]:
    """Return the smallest and largest values that look like stand-ins, at most three a side.

    A value is suspected when at least `share` of the finite values equal it and it lies more than `gap` IQRs of the
    rest away from its nearest neighbour. A code (`is_code`) needs no more; any other value must also be at least five
    times as frequent as the most frequent of the rest. A negative code that is the only negative value is suspected
    without the gap. Columns with fewer than five other distinct values, or without spread, are not judged.

    Args:
        values: float64 [n]; NaN and infinities do not count.
        share: smallest share of the finite values.
        gap: distance to the nearest other value, in IQRs of the rest.
    """
    found: list[Sentinel] = []
    sides = [side for side in (-1.0, 1.0) if _worth_a_look(values, side, share, gap)]
    if not sides:
        return found
    finite = values[np.isfinite(values)]
    total = len(finite)
    if total < 20:
        return found
    for side in sides:
        for _ in range(3):
            sentinel = _at_the_end(finite, side, share * total, gap)
            if sentinel is None:
                break
            found.append(sentinel)
            finite = finite[finite != sentinel.value]
    return found


def _worth_a_look(values: Floats, side: float, share: float, gap: float) -> bool:
    """Whether the end of a column may pass the rules, told from 2,000 values and without copying the column.

    Nearly every column of a table fails here: its end is not frequent, or not far from the next of the few.
    """
    end = float(np.fmax.reduce(values, initial=-np.inf) if side > 0 else np.fmin.reduce(values, initial=np.inf))
    if not np.isfinite(end):
        return bool(np.isfinite(values).any())
    few = values[:: max(1, len(values) // 2_000)]
    known = few[np.isfinite(few)]
    rest = known[known != end]
    if len(rest):
        spread = float(np.subtract(*np.quantile(rest, [0.75, 0.25])))
        # the nearest of a few is at least as far away as the nearest of all
        if float(np.abs(rest - end).min()) <= 0.5 * gap * spread and not (end < 0 and is_code(end)):
            return False
    # half the share: the number of finite values is only estimated here, the exact rule follows
    return int(np.count_nonzero(values == end)) >= 0.5 * share * len(known) / max(len(few), 1) * len(values)


def _at_the_end(finite: Floats, side: float, least: float, gap: float) -> Sentinel | None:
    """Judge the smallest (side -1) or largest (side 1) value."""
    if not len(finite):
        return None
    end = float(finite.max() if side > 0 else finite.min())
    at_end = finite == end
    count = int(at_end.sum())
    if count < max(least, 3):
        return None
    rest = finite[~at_end]
    if len(rest) < 20:
        return None
    near = float(rest.max() if side > 0 else rest.min())
    code = is_code(end)
    only_negative = code and end < 0 <= near
    spread = float(np.subtract(*np.quantile(rest, [0.75, 0.25])))
    if spread <= 0 or len(np.unique(rest[:: max(1, len(rest) // 2_000)])) < 5:
        return None
    far = abs(end - near) > gap * spread
    if far and code:
        return Sentinel(end, count, True, f"lies {abs(end - near) / spread:,.1f} IQR beyond the next value")
    if only_negative:
        return Sentinel(end, count, False, "is the only negative value")
    if far and count >= 5 * np.unique(rest, return_counts=True)[1].max():
        return Sentinel(
            end, count, False, f"is frequent and lies {abs(end - near) / spread:,.1f} IQR beyond the next value"
        )
    return None


def date_sentinels(seconds: Floats, share: float = 0.005, gap: float = 3.0) -> list[Sentinel]:
    """Return the days of `SENTINEL_DAYS` that look like stand-ins for "no date", at most six, most frequent first.

    A day is suspected when at least `share` of the times fall on it and it either lies more than `gap` IQRs away from
    every other time or is at least five times as frequent as any other day. Any day after the year 2900 is suspected.

    Args:
        seconds: float64 [n], seconds since 1970 (UTC or wall clock); NaN does not count.
        share: smallest share of the times.
        gap: distance to the nearest other time, in IQRs of the rest.
    """
    known = seconds[np.isfinite(seconds)]
    if len(known) < 20:
        return []
    days = np.floor(known / DAY)
    suspects = np.array([np.datetime64(day, "D").astype(np.int64) for day in SENTINEL_DAYS], dtype=np.float64)
    at = np.isin(days, suspects) | (known >= FAR_FUTURE)
    if not at.any():
        return []
    rest = days[~at]
    spread = float(np.subtract(*np.quantile(rest, [0.75, 0.25]))) if len(rest) else 0.0
    busiest = int(np.unique(rest, return_counts=True)[1].max()) if len(rest) else 0
    found: list[Sentinel] = []
    for day, count in zip(*np.unique(days[at], return_counts=True), strict=True):
        future = day * DAY >= FAR_FUTURE
        if len(rest) == 0 or (count < max(share * len(known), 3) and not future):
            continue
        away = float(np.abs(rest - day).min())
        far = away > gap * max(spread, 1.0)
        frequent = count >= 5 * busiest
        if future or far or frequent:
            reason = (
                "lies after the year 2900"
                if future
                else f"lies {away / 365.25:,.1f} years from every other date"
                if far
                else f"is {count / busiest:,.0f} times as frequent as any other day"
            )
            found.append(Sentinel(float(day * DAY), int(count), True, reason))
    return sorted(found, key=lambda s: -s.count)[:6]
