"""Scales and tick marks: nice numbers, and calendar times in ISO form."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (1, 5, 15, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR)
_DAY_STEPS = (1, 2, 7, 14)
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000)
_MONTH_SECONDS = 30.44 * _DAY


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight map from data values to picture coordinates."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value."""
        if self.high == self.low:
            return (self.start + self.stop) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


Tick = tuple[float, str]


def numbers_or_times(values: Sequence[Any]) -> tuple[list[float | None], bool]:
    """Return values as numbers, and whether they were ISO times (then: seconds since 1970, UTC).

    None, NaN and infinity become None.

    Raises:
        ValueError: a text is no ISO time.
    """
    is_time = any(isinstance(value, str) for value in values)
    return [_seconds(v) if isinstance(v, str) else _finite(v) for v in values], is_time


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _seconds(text: str) -> float:
    if re.fullmatch(r"\d{4}(-\d\d)?", text):  # a year or a month, which fromisoformat does not take
        text = f"{text}-01" if len(text) == 7 else f"{text}-01-01"
    time = dt.datetime.fromisoformat(text)
    return ((time if time.tzinfo else time.replace(tzinfo=dt.UTC)) - _EPOCH).total_seconds()


_LEAST = 1e-300  # a smaller span has no exact tenths: they are subnormal


def ticks(low: float, high: float, most: int, *, is_time: bool = False, share: bool = False) -> list[Tick]:
    """Return at most about `most` tick marks inside [low, high]: steps of 1, 2 or 5, or calendar steps.

    >>> [label for _, label in ticks(0, 2400, 5)]
    ['0', '500', '1000', '1500', '2000']
    >>> [label for _, label in ticks(0, 0.4, 4, share=True)]
    ['0%', '10%', '20%', '30%', '40%']
    """
    if is_time:
        return _time_ticks(low, high, most) or _time_ticks(low, high, 2 * most)
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [(low, _compact(low, abs(low) or 1.0))]
    if span <= max(1e-12 * max(abs(low), abs(high)), _LEAST):  # floats cannot tell marks in between apart
        return [(low, f"{low:.6g}")]
    step = _nice_step(span / most)
    values = _multiples(step, low, high)
    for _ in range(2):
        if len(values) < 2:  # the step straddles the range; the next smaller one does not
            step = _nice_step(0.4 * step)  # from 5 to 2, from 2 to 1, from 1 to 0.5
            values = _multiples(step, low, high)
    if share:
        decimals = max(0, -math.floor(math.log10(100 * step) + 1e-9))
        return [(value, f"{100 * value:.{decimals}f}%") for value in values]
    largest = max((abs(value) for value in values), default=1.0)
    return [(value, _label(value, step, largest)) for value in values]


def _multiples(step: float, low: float, high: float) -> list[float]:
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _nice_step(raw: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * (1 - 1e-9))


def _label(value: float, step: float, largest: float) -> str:
    digits = max(math.ceil(math.log10(max(largest / step, 1))) + 1, 1)  # enough to tell neighbours apart
    if largest >= 1e15 or step < 1e-4:
        return f"{value:.{digits}g}"
    if largest >= 10_000 and step >= 100:
        return _compact(value, largest, digits)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}"


def _compact(value: float, largest: float, digits: int = 6) -> str:
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if largest >= size * 10 or largest >= size > 1e3:
            return f"{value / size:.{max(digits, 3)}g}{sign}" if value else "0"
    return f"{value:g}"


def _time_ticks(low: float, high: float, most: int) -> list[Tick]:
    raw = max(high - low, 1e-6) / most
    for step in (*_STEPS, *(days * _DAY for days in _DAY_STEPS)):
        if step >= raw:
            layout = "%H:%M:%S" if step < _MINUTE else "%m-%d %H:%M" if step < _DAY else "%Y-%m-%d"
            first = math.ceil(low / step)
            return [(k * step, _moment(k * step, layout)) for k in range(first, math.floor(high / step) + 1)]
    return _month_ticks(low, high, raw)


def _month_ticks(low: float, high: float, raw: float) -> list[Tick]:
    months = next((m for m in _MONTH_STEPS if m * _MONTH_SECONDS >= raw), _MONTH_STEPS[-1])
    start, layout = _at(low), "%Y" if months >= 12 else "%Y-%m"
    found = []
    index = (start.year * 12 + start.month - 1) // months * months
    while index < 12 * 9999:
        if index >= 12:
            moment = dt.datetime(index // 12, index % 12 + 1, 1, tzinfo=dt.UTC)
            value = (moment - _EPOCH).total_seconds()
            if value > high:
                break
            if value >= low:
                found.append((value, moment.strftime(layout)))
        index += months
    return found


def _at(seconds: float) -> dt.datetime:
    try:
        return _EPOCH + dt.timedelta(seconds=seconds)
    except OverflowError:
        return _EPOCH if seconds < 0 else _LAST


def _moment(seconds: float, layout: str) -> str:
    return _at(seconds).strftime(layout)


def moment(seconds: float, span: float) -> str:
    """Return seconds since 1970 as an ISO time, as fine as a picture that covers `span` seconds needs."""
    return _moment(
        seconds, "%Y-%m-%d" if span > 4 * _DAY else "%Y-%m-%d %H:%M" if span > _HOUR else "%Y-%m-%d %H:%M:%S"
    )
