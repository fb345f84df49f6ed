"""Answers about timestamps."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.clock import EpisodeClock, EpisodeClockValues, RecordingTimes, RecordingTimeValues

SHOWN = 20_000
FIRST, LAST = 631_152_000.0, 4_102_444_800.0
"""1990 and 2100, in seconds since 1970: numbers between them can be times, smaller ones count from a start."""

UNITS = (1.0, 1e3, 1e6, 1e9)  # seconds, milli-, micro-, nanoseconds
TIME_NAME = re.compile(r"(^|_)(time|timestamp|date|datetime|created|recorded|start_time|wall_time)($|_)", re.IGNORECASE)


@answers(EpisodeClock)
def episode_clock(fact: EpisodeClock, view: EpisodeView) -> EpisodeClockValues:
    """Take the differences of consecutive timestamps, all at once."""
    t = view.trajectories
    assert t.timestamps is not None  # the check asks only then
    times = t.timestamps
    finite = np.isfinite(times)
    linked = view.linked.copy()
    linked[:-1] &= finite[:-1] & finite[1:]
    steps = np.flatnonzero(linked)
    change = np.diff(times)[linked[:-1]]
    forward = change > 0
    usual = float(np.median(change[forward])) if forward.any() else float("nan")
    backwards, repeated, uneven = (np.zeros(view.rows, dtype=bool) for _ in range(3))
    backwards[steps[change < 0]] = True
    repeated[steps[change == 0]] = True
    odd = forward & (np.abs(change - usual) > fact.tolerance * usual)
    uneven[steps[odd]] = True
    long = change[odd & (change > usual)]
    positive = change[forward]
    filled = t.lengths > 0
    starts, ends = times[t.offsets[:-1][filled]], times[t.last_rows]
    from_zero = np.abs(starts) <= (usual if np.isfinite(usual) else 0.0)
    overlapping = ~from_zero[1:] & (starts[1:] < ends[:-1])
    return EpisodeClockValues(
        view.ids, t.offsets, len(steps), ~finite, backwards, repeated, uneven, usual, t.fps,
        int(np.maximum(np.rint(long / usual) - 1, 0).sum()) if len(long) else 0,
        positive[:: max(len(positive) // SHOWN, 1)][:SHOWN], int(from_zero.sum()), int(overlapping.sum()),
    )  # fmt: skip


@answers(RecordingTimes)
def recording_times(_fact: RecordingTimes, view: EpisodeView) -> RecordingTimeValues:
    """Take the timestamps if they are times and not counted from a start, else a column or a declaration of times."""
    t = view.trajectories
    columns: list[tuple[str, Any]] = [] if t.timestamps is None else [("timestamp", t.timestamps)]
    columns += [(name, values) for name, values in sorted(t.infos.items()) if TIME_NAME.search(name)]
    for name, values in columns:
        seconds = _seconds(values)
        if seconds is not None:
            return RecordingTimeValues(name, float(seconds.min()), float(seconds.max()), len(seconds))
    declared = [(name, moment) for name, value in _leaves(t.provenance.declared) if (moment := _moment(name, value))]
    if declared:
        name, newest = max(declared, key=lambda item: item[1])
        return RecordingTimeValues(name, min(moment for _, moment in declared), newest, 0)
    return RecordingTimeValues("", float("nan"), float("nan"), 0)


def _seconds(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the finite values as seconds since 1970, if nearly all are times in one of the usual units."""
    if values.ndim != 1 or not len(values):
        return None
    if values.dtype.kind == "M":
        known = values[~np.isnat(values)]
        return known.astype("datetime64[us]").astype(np.float64) / 1e6 if len(known) else None
    if values.dtype.kind not in "iuf":
        return None
    if not _plausible(values[:: max(len(values) // 1_000, 1)]):
        return None
    known = values.astype(np.float64)
    known = known[np.isfinite(known)]
    for unit in UNITS:
        inside = (known >= FIRST * unit) & (known <= LAST * unit)
        if len(known) and inside.mean() >= 0.99:
            return np.asarray(known[inside] / unit)
    return None


def _plausible(values: NDArray[Any]) -> bool:
    """Return whether some of a few values can be times at all: timestamps that count from a start are all too small."""
    return bool((values >= FIRST).any())


def _leaves(declared: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in declared.items():
        if isinstance(value, Mapping):
            if len(value) <= 100:  # not the lengths of ten thousand episodes
                yield from _leaves({str(key): entry for key, entry in value.items()})
        else:
            yield name, value


def _moment(name: str, value: object) -> float | None:
    if not TIME_NAME.search(name):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = _seconds(np.array([value], dtype=np.float64))
        return None if seconds is None else float(seconds[0])
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    return None
