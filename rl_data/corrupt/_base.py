"""What the injectors share: what they return, how they choose, how rows are put together anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rl_data.trajectories import PER_ROW, Flags, Rows, Trajectories, TrajectoryError

Kind = Literal["relabel", "shift", "split", "drop_steps", "quarantine", "rebuild_next"]
Unit = Literal["steps", "episodes"]
Random = np.random.Generator


class InjectionError(TrajectoryError):
    """The defect cannot be planted into these trajectories; the message says why."""


@dataclass(frozen=True, slots=True)
class Undo:
    """The typed repair that undoes a defect.

    Attributes:
        kind: as in `audit clean`: relabel, shift, split, drop_steps, quarantine or rebuild_next.
        words: what has to be done, in words.
        field: the stream or flag that it changes: `terminated`, `truncated`, `reward`, `action`.
        value: the new value of a flag, or the number of steps of a shift.
        exact: whether it restores every byte of what it keeps; else the affected rows are lost.
    """

    kind: Kind
    words: str
    field: str = ""
    value: bool | int | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Corrupted:
    """Trajectories with a planted defect, and the truth about it. N' steps and E' episodes.

    Attributes:
        name: of the injector.
        trajectories: with the defect; numbered anew, like a file of their own.
        steps: bool[N'], the steps whose content is wrong.
        involved: bool[N'], those, and steps that a detector may rightly name beside them: the step before an
            observation that was overwritten (its successor is wrong), the original of a copy.
        episodes: bool[E'], the episodes with a wrong step.
        rows: int64[N'], the row of `clean` that each step came from; -1 where it came from elsewhere.
        clean: the set without the defect: what was given, with next observations written out where the defect is
            about them.
        undo: the repair that undoes it.
    """

    name: str
    trajectories: Trajectories
    steps: Flags
    involved: Flags
    episodes: Flags
    rows: Rows
    clean: Trajectories
    undo: Undo


Function = Callable[[Trajectories, float, Random], Corrupted]


@dataclass(frozen=True, slots=True)
class Injector:
    """One defect that can be planted.

    Attributes:
        name: as `inject` takes it.
        unit: what `rate` is a share of.
        imitates: what happens in the field.
        evidence: where it was seen.
        detectable: whether the data alone can show it, where the injector applies.
        why: how it shows, or why it cannot.
        function: plants it.
    """

    name: str
    unit: Unit
    imitates: str
    evidence: str
    detectable: bool
    why: str
    function: Function


REGISTRY: dict[str, Injector] = {}


def injector(
    name: str, *, unit: Unit, imitates: str, evidence: str, why: str, detectable: bool = True
) -> Callable[[Function], Function]:
    """Register a function that plants a defect."""

    def register(function: Function) -> Function:
        REGISTRY[name] = Injector(name, unit, imitates, evidence, detectable, why, function)
        return function

    return register


def choose(candidates: Flags, rate: float, of: int, random: Random) -> NDArray[np.int64]:
    """Return sorted places: a seeded choice of round(rate * of) candidates, at least one, at most all of them."""
    places = np.flatnonzero(candidates)
    count = min(max(round(rate * of), 1), len(places))
    return np.sort(random.choice(places, size=count, replace=False))


def require(applies: bool | np.bool_, name: str, reason: str) -> None:
    """Stop unless the defect can be planted.

    Raises:
        InjectionError: it cannot.
    """
    if not applies:
        raise InjectionError(f"{name} cannot be planted: {reason}")


def mask(length: int, places: NDArray[np.integer[Any]]) -> Flags:
    """Return bool[length], True at the places."""
    flags = np.zeros(length, dtype=bool)
    flags[places] = True
    return flags


def rows_of(t: Trajectories, episodes: NDArray[np.integer[Any]]) -> Flags:
    """Return bool[N]: the steps of some episodes."""
    return np.repeat(mask(t.episodes, episodes), t.lengths)


def varies(values: NDArray[Any]) -> bool:
    """Whether finite values differ from one another."""
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() < finite.max())


def last_of(t: Trajectories) -> Flags:
    """Return bool[N]: the last step of each episode."""
    return mask(t.rows, t.last_rows)


def before(steps: Flags, t: Trajectories) -> Flags:
    """Return bool[N]: the marked steps, and the step before each in the same episode."""
    earlier = np.zeros_like(steps)
    earlier[:-1] = steps[1:]
    return np.asarray(steps | (earlier & ~last_of(t)))


def edited(
    name: str, t: Trajectories, steps: Flags, undo: Undo, *, involved: Flags | None = None, **changes: Any
) -> Corrupted:
    """Return a set in which some arrays have other content, and every step is where it was."""
    marked = np.zeros(t.episodes, dtype=bool)
    marked[t.episode_of_row[steps]] = True
    return Corrupted(
        name=name,
        trajectories=replace(t, source_rows=np.arange(t.rows, dtype=np.int64), **changes),
        steps=steps,
        involved=steps if involved is None else involved,
        episodes=marked,
        rows=np.arange(t.rows, dtype=np.int64),
        clean=t,
        undo=undo,
    )


def gathered(t: Trajectories, rows: Rows, lengths: Rows, ids: NDArray[Any], **changes: Any) -> Trajectories:
    """Return trajectories made of some rows in a new order, cut into episodes of the given lengths, numbered anew.

    Step numbers and timestamps are those of a recorder that noticed nothing: 0, 1, ... at the usual distance; episodes
    that are a part of one of the old ones keep their timestamps.
    """
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    arrays: dict[str, Any] = {name: getattr(t, name) for name in PER_ROW}
    taken = {name: None if array is None else array[rows] for name, array in arrays.items()}
    taken["steps"] = (np.arange(len(rows)) - np.repeat(offsets[:-1], lengths)).astype(np.int32)
    taken["source_rows"] = np.arange(len(rows), dtype=np.int64)
    if t.timestamps is not None:
        taken["timestamps"] = _restamped(t, rows, offsets)
    files = None if t.source_files is None else np.full(len(ids), t.source_files[0] if len(t.source_files) else "")
    return replace(
        t,
        episode_ids=ids,
        offsets=offsets,
        infos={name: array[rows] for name, array in t.infos.items()},
        source_files=files,
        provenance=replace(t.provenance, declared=_still_true(t.provenance.declared)),
        **{**taken, **changes},
    )


def _still_true(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in declared.items() if name not in {"total_episodes", "total_steps", "lengths"}}


def _restamped(t: Trajectories, rows: Rows, offsets: Rows) -> NDArray[np.float64]:
    assert t.timestamps is not None
    lengths = np.diff(offsets)
    episode = np.repeat(np.arange(len(lengths)), lengths)
    torn = (np.diff(rows) != 1) | (np.diff(t.episode_of_row[rows]) != 0)
    torn &= np.diff(episode) == 0
    new = mask(len(lengths), episode[1:][torn])
    steps = np.arange(len(rows)) - np.repeat(offsets[:-1], lengths)
    return np.where(np.repeat(new, lengths), period(t) * steps, t.timestamps[rows])


def period(t: Trajectories) -> float:
    """Return the usual seconds between two steps."""
    if t.fps:
        return 1.0 / t.fps
    assert t.timestamps is not None
    inside = ~last_of(t)[:-1]
    distances = np.diff(t.timestamps)[inside]
    return float(np.median(distances)) if distances.size else 1.0


def new_ids(t: Trajectories, count: int) -> NDArray[Any]:
    """Return ids of `count` episodes in the style of the set's own: 0, 1, ... or texts of them."""
    numbers = np.arange(count)
    return numbers if t.episode_ids.dtype.kind in "iu" else numbers.astype(str)


def with_next_observations(t: Trajectories) -> Trajectories:
    """Return the set with the next observation of every step written out, where it is known."""
    following = np.full_like(t.observations, np.nan)
    known = ~last_of(t)
    following[:-1][known[:-1]] = t.observations[1:][known[:-1]]
    if t.next_observations is not None:
        given = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next
        following[given] = t.next_observations[given]
        known = known | given
    return replace(t, next_observations=following, has_next=known)
