"""Answers about what the report shows of trajectories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Places
from audit.episode_facts.profile import (
    ENDS,
    EpisodeLines,
    EpisodeLineValues,
    EpisodeTraces,
    StreamNumbers,
    StreamValues,
    Trace,
)
from audit.sources.trajectories import describe
from rl_data.trajectories import Trajectories

_CHUNK = 400_000  # numbers at a time: they stay in the processor's cache
_PICTURED = 4_000_000  # numbers that all pictures of a stream's entries together rest on, at most
_MOST_CHOICES = 10_000


@answers(StreamNumbers)
def stream_numbers(_fact: StreamNumbers, view: EpisodeView) -> tuple[StreamValues, ...]:
    """Sum each stream up over all steps in one pass, and take its values at the sampled steps."""
    t = view.trajectories
    known = describe(t)
    found = [*_entries(view, "observation", known.observation_names, t.observations)]
    if t.discrete:
        found.append(_choices(view, t.actions))
    else:
        found += _entries(view, "action", known.action_names, t.actions)
    if t.rewards is not None:
        found += _entries(view, "reward", ("reward",), t.rewards[:, None])
    return tuple(found)


def _entries(
    view: EpisodeView, stream: str, names: Sequence[str], array: NDArray[np.floating[Any]]
) -> Iterator[StreamValues]:
    sums = _sum_up(array)
    rows = _thinned(view.sampled_rows, array.shape[1])
    for i, name in enumerate(names):
        n = int(sums["n"][i])
        mean, variance, third = (float(sums[key][i]) for key in ("mean", "variance", "third"))
        values = array[rows, i].astype(np.float64)
        yield StreamValues(
            name,
            stream,
            str(array.dtype),
            len(array),
            int(sums["nan"][i]),
            len(array) - n - int(sums["nan"][i]),
            mean if n else None,
            variance**0.5 if n else None,
            third / variance**1.5 if n and variance > 0 else None,
            float(sums["low"][i]) if n else None,
            float(sums["high"][i]) if n else None,
            values[np.isfinite(values)],
            view.basis_of(len(rows)),
        )


def _sum_up(array: NDArray[np.floating[Any]]) -> dict[str, NDArray[Any]]:
    """Return n, nan, mean, variance, third central moment, low and high of the finite values of each column.

    The power sums are of values less a shift near the mean, so that they do not cancel.
    """
    rows, columns = array.shape
    step = max(_CHUNK // max(columns, 1), 1)
    first = array[:step].astype(np.float64)
    usable = np.isfinite(first)
    shift = np.where(usable, first, 0.0).sum(axis=0) / np.maximum(usable.sum(axis=0), 1)
    n, nan = np.zeros(columns, dtype=np.int64), np.zeros(columns, dtype=np.int64)
    low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
    powers = np.zeros((3, columns))
    for start in range(0, rows, step):
        x = np.array(array[start : start + step].T, dtype=np.float64, order="C")  # a column is a run of memory: faster
        lowest, highest = x.min(axis=1), x.max(axis=1)
        if np.isfinite(lowest).all() and np.isfinite(highest).all():  # NaN would have spread into both
            n += x.shape[1]
        else:
            good = np.isfinite(x)
            n += good.sum(axis=1)
            nan += np.isnan(x).sum(axis=1)
            lowest = np.where(good, x, np.inf).min(axis=1)
            highest = np.where(good, x, -np.inf).max(axis=1)
            x = np.where(good, x, shift[:, None])
        low, high = np.minimum(low, lowest), np.maximum(high, highest)
        x -= shift[:, None]
        squares = x * x
        powers += x.sum(axis=1), squares.sum(axis=1), np.einsum("ij,ij->i", squares, x)
    one, two, three = powers / np.maximum(n, 1)
    variance = np.maximum(two - one**2, 0.0)
    variance[low >= high] = 0.0  # a constant: nothing is left but rounding
    third = three - 3 * one * two + 2 * one**3
    return {"n": n, "nan": nan, "mean": shift + one, "variance": variance, "third": third, "low": low, "high": high}


def _thinned(rows: Places, columns: int) -> Places:
    """Return every k-th of the rows, so that pictures of very long vectors stay quick."""
    return rows[:: max(1, -(-len(rows) * columns // _PICTURED))]


def _choices(view: EpisodeView, actions: NDArray[np.integer[Any]]) -> StreamValues:
    low, high = (int(actions.min()), int(actions.max())) if len(actions) else (0, -1)
    if high - low < _MOST_CHOICES:
        counts = np.bincount(actions.astype(np.int64) - low, minlength=max(high - low + 1, 0)).astype(np.int64)
        choices = np.arange(low, high + 1)[counts > 0]
        counts = counts[counts > 0]
    else:
        choices, counts = (part.astype(np.int64) for part in np.unique(actions, return_counts=True))
    sampled = actions[view.sampled_rows].astype(np.float64)
    return StreamValues(
        "action",
        "action",
        str(actions.dtype),
        len(actions),
        nan=0,
        infinite=0,
        mean=None,
        std=None,
        skewness=None,
        low=low if len(actions) else None,
        high=high if len(actions) else None,
        values=sampled,
        basis=view.basis,
        choices=choices,
        counts=counts,
    )


@answers(EpisodeLines)
def episode_lines(_fact: EpisodeLines, view: EpisodeView) -> EpisodeLineValues:
    """Read the flags of each last step."""
    t = view.trajectories
    return EpisodeLineValues(view.ids, t.offsets, _returns(t), _ends(t))


def _returns(t: Trajectories) -> NDArray[np.float64] | None:
    """Return the sum of each episode's rewards; one that is not finite spoils its own episode only."""
    if t.rewards is None:
        return None
    returns = np.zeros(t.episodes)
    filled = t.lengths > 0
    if filled.any():
        with np.errstate(invalid="ignore"):  # an infinite reward less another
            returns[filled] = np.add.reduceat(t.rewards, t.offsets[:-1][filled])
    return returns


def _ends(t: Trajectories) -> NDArray[np.int8]:
    ends = np.full(t.episodes, ENDS.index("unknown"), dtype=np.int8)
    filled = t.lengths > 0
    last = t.last_rows

    def flag(values: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        return np.zeros(len(last), dtype=bool) if values is None else values[last]

    terminated, truncated, ended = flag(t.terminated), flag(t.truncated), flag(t.ended)
    said = t.terminated is not None and t.truncated is not None
    found = np.full(len(last), ENDS.index("none" if said or t.ended is not None else "unknown"), dtype=np.int8)
    found[ended] = ENDS.index("ended")
    found[terminated] = ENDS.index("terminated")
    found[truncated] = ENDS.index("truncated")
    found[terminated & truncated] = ENDS.index("both")
    ends[filled] = found
    return ends


@answers(EpisodeTraces)
def episode_traces(fact: EpisodeTraces, view: EpisodeView) -> tuple[tuple[Trace, ...], ...]:
    """Thin the streams of each episode to a band over time."""
    return tuple(
        tuple(_traces(view.trajectories, place, wanted, fact.points))
        for place, wanted in zip(fact.episodes, fact.streams, strict=True)
    )


def _traces(t: Trajectories, place: int, wanted: Sequence[str], points: int) -> Iterator[Trace]:
    span = slice(int(t.offsets[place]), int(t.offsets[place + 1]))
    if span.start == span.stop:
        return
    known = describe(t)
    if t.rewards is not None:
        yield _trace("reward", "reward", t.rewards[span], points)
    for names, stream, array in (
        (known.observation_names, "observation", t.observations),
        (known.action_names, "action", t.actions),
    ):
        for i, name in enumerate(names):
            if name in wanted:
                yield _trace(name, stream, array[span, i], points)
    if t.discrete:
        yield _trace("action", "action", t.actions[span], points)


def _trace(name: str, stream: str, values: NDArray[Any], points: int) -> Trace:
    x = values.astype(np.float64)
    steps = np.unique(np.linspace(0, len(x), min(points, len(x)), endpoint=False).astype(np.int64))
    good = np.isfinite(x)
    count = np.add.reduceat(good.astype(np.int64), steps)
    any_good = count > 0
    mean = np.add.reduceat(np.where(good, x, 0.0), steps) / np.maximum(count, 1)
    low = np.minimum.reduceat(np.where(good, x, np.inf), steps)
    high = np.maximum.reduceat(np.where(good, x, -np.inf), steps)
    ends = (np.where(any_good, part, np.nan) for part in (mean, low, high))
    return Trace(name, stream, steps, *ends)
