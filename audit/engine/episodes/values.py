"""Answers about values that are no measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.values import Fill, ValueFaults, ValueFaultValues
from audit.stats.imputation import fill_evidence, usual_change

Matrix = NDArray[np.floating[Any]]

FAR = 0.15
"""Share of the steps with a constant that must lie off their neighbours' course for it to be a fill (our choice: steps
early in an episode may be near to any constant; values that a system takes by itself are far in hardly any step)."""


@answers(ValueFaults)
def value_faults(fact: ValueFaults, view: EpisodeView) -> ValueFaultValues:
    """Look at every value once; constants are guessed from a sample of steps, then looked for in all."""
    streams = dict(_streams(view))
    not_finite: dict[str, Flags] = {}
    huge: dict[str, Flags] = {}
    for name, values in streams.items():
        given = _given(view) if name == "next_observation" else None
        bad = _not_finite(values if given is None else values[given], given)
        if bad is not None:
            not_finite[name] = bad
        far = _huge(values, view, fact.huge)
        if far is not None:
            far = far & ~bad if bad is not None else far
            if far.any():
                huge[name] = far
    padded = _padded(view)
    filled, fills = _fills(view, skip=padded)
    return ValueFaultValues(
        view.ids, view.trajectories.offsets, tuple(streams), not_finite,
        _only_negative_infinite(view, not_finite.get("observation")), huge, padded, _dummy(view), filled, fills,
    )  # fmt: skip


def _streams(view: EpisodeView) -> list[tuple[str, Matrix]]:
    t = view.trajectories
    streams: list[tuple[str, Matrix]] = [("observation", t.observations)]
    if t.actions.ndim == 2:
        streams.append(("action", t.actions))
    if t.rewards is not None:
        streams.append(("reward", t.rewards[:, None]))
    if t.next_observations is not None:
        streams.append(("next_observation", t.next_observations))
    return streams


def _given(view: EpisodeView) -> Flags:
    has_next = view.trajectories.has_next
    return np.ones(view.rows, dtype=bool) if has_next is None else has_next


def _not_finite(values: Matrix, given: Flags | None) -> Flags | None:
    """Return bool[N], or None where all of the values (those of the rows `given`) are finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):  # a sum is many times as fast as a mark for each value
            return None
    bad = _rows_with(~np.isfinite(values))
    if not bad.any():
        return None
    if given is None:
        return bad
    marked = given.copy()
    marked[given] = bad
    return marked


def _equal_rows(values: Matrix, value: Matrix) -> Flags:
    """Return bool[N]: rows that are the vector `value`; most rows are told by their first entry."""
    places = np.flatnonzero(values[:, 0] == value[0])
    for entry in range(1, values.shape[1]):
        places = places[values[places, entry] == value[entry]]
    equal = np.zeros(len(values), dtype=bool)
    equal[places] = True
    return equal


def _rows_with(marks: NDArray[np.bool_]) -> Flags:
    """Return bool[N]: steps with a marked entry (entry by entry: many times as fast as along the short axis)."""
    rows = marks[:, 0].copy() if marks.shape[1] else np.zeros(len(marks), dtype=bool)
    for entry in range(1, marks.shape[1]):
        rows |= marks[:, entry]
    return rows


def _huge(values: Matrix, view: EpisodeView, times: float) -> Flags | None:
    sample = values[view.sampled_rows]
    finite = np.isfinite(sample)
    rows = np.zeros(len(values), dtype=bool)
    least, most = float(np.nanmin(values, initial=0.0)), float(np.nanmax(values, initial=0.0))
    for entry in range(values.shape[1]):
        known = sample[finite[:, entry], entry].astype(np.float64)
        if not len(known):
            continue
        middle = float(np.median(known))
        scale = max(float(np.quantile(np.abs(known - middle), 0.99)), abs(middle), 1.0)
        low, high = middle - times * scale, middle + times * scale
        if low <= least and most <= high:
            continue
        column = values[:, entry]
        with np.errstate(invalid="ignore", over="ignore"):
            rows |= (column > high) | (column < low)
    return rows if rows.any() else None


def _only_negative_infinite(view: EpisodeView, bad: Flags | None) -> Flags:
    marked = np.zeros(view.rows, dtype=bool)
    if bad is not None:
        places = np.flatnonzero(bad)
        values = view.trajectories.observations[places]
        marked[places] = (np.isfinite(values) | np.isneginf(values)).all(axis=1)
    return marked


def _zero(view: EpisodeView, rows: NDArray[np.int64] | slice = slice(None)) -> Flags:
    """Return bool[n]: action and reward of some rows are 0 (those that there are)."""
    t = view.trajectories
    actions = t.actions[rows]
    zero = actions == 0 if actions.ndim == 1 else ~_rows_with(actions != 0)
    return zero if t.rewards is None else zero & (t.rewards[rows] == 0)


def _padded(view: EpisodeView) -> Flags:
    """Mark the run of all-zero steps at the end of each episode, unless such steps are usual elsewhere."""
    t = view.trajectories
    zero = _equal_rows(t.observations, np.zeros(t.observations.shape[1], dtype=np.float32))
    if not zero.any():
        return zero
    zero &= _zero(view)
    filled = t.lengths > 0
    place = np.where(zero, -1, np.arange(view.rows))
    last_real = np.full(t.episodes, -1)
    last_real[filled] = np.maximum.reduceat(place, t.offsets[:-1][filled]) if filled.any() else -1
    padded = zero & (np.arange(view.rows) > np.repeat(last_real, t.lengths)) & (np.repeat(last_real, t.lengths) >= 0)
    elsewhere = int((zero & ~padded).sum())
    return padded if elsewhere <= 0.1 * max(int((~padded).sum()), 1) else np.zeros(view.rows, dtype=bool)


def _dummy(view: EpisodeView) -> Flags:
    t = view.trajectories
    none = np.zeros(view.rows, dtype=bool)
    if t.rewards is None or (t.terminated is None and t.truncated is None) or not len(t.last_rows):
        return none
    last_idle = _zero(view, t.last_rows)
    if last_idle.mean() < 0.9:
        return none
    idle = _zero(view)
    for flags in (t.terminated, t.truncated):
        if flags is not None:
            idle &= ~flags
    on_last = int(idle[t.last_rows].sum())
    elsewhere = int(idle.sum()) - on_last
    others = view.rows - len(t.last_rows)
    usual = on_last >= 0.9 * len(t.last_rows) and elsewhere <= 0.1 * others
    return idle & view.is_last if usual else none


def _fills(view: EpisodeView, skip: Flags) -> tuple[Flags, tuple[Fill, ...]]:
    """Try whole observations first, then single entries; what is marked once is not looked at again."""
    t = view.trajectories
    marked = skip.copy()
    found: list[Fill] = []
    if view.rows < 2:
        return marked, ()
    rows, whole, size = view.sampled_rows, t.observations, t.observations.shape[1]
    names = t.observation_space.names if len(set(t.observation_space.names)) == size else ()
    candidates = [("observation", whole, value) for value in _usual_rows(whole[rows])]
    for entry in range(size if size > 1 else 0):
        column = whole[:, entry : entry + 1]
        name = names[entry] if names else f"observation[{entry}]"
        candidates += [(name, column, np.array([value])) for value in _usual_values(column[rows, 0])]
    pairs = rows[view.linked[rows] & view.finite[rows] & view.finite[np.minimum(rows + 1, view.rows - 1)]]
    for name, values, value in candidates:
        hit = _equal_rows(values, value.astype(values.dtype)) & ~marked
        far = _far(view, values, hit, pairs)
        if far >= FAR:
            marked |= hit
            found.append(Fill(name, float(value[0]), int(hit.sum()), far))
    return marked & ~skip, tuple(found)


def _far(view: EpisodeView, values: Matrix, hit: Flags, pairs: NDArray[np.int64]) -> float:
    """Return the share of the steps that hold a constant and lie off the course of their neighbours.

    Where most episodes begin with the constant, their first steps are left out of `hit`.
    """
    if not hit.any() or hit.mean() > 0.9:
        return 0.0
    t = view.trajectories
    firsts = t.offsets[:-1][t.lengths > 0]
    if hit[firsts].mean() > max(0.5, 2 * hit.mean()):
        hit[firsts] = False
    clean = pairs[~hit[pairs] & ~hit[pairs + 1]]
    return fill_evidence(values, hit, t.offsets, usual_change(values[clean], values[clean + 1])).far


def _usual_values(sample: NDArray[np.float32]) -> list[float]:
    """Return 0 and the most frequent value, if the others hardly repeat (else constants are how the entry is)."""
    values, counts = np.unique(sample[np.isfinite(sample)], return_counts=True)
    if not len(values):
        return []
    top = int(np.argmax(counts))
    candidates = {0.0} | ({float(values[top])} if counts[top] >= 5 else set())
    rest = ~np.isin(values, list(candidates))
    continuous = int(rest.sum()) >= 0.5 * int(counts[rest].sum())
    return sorted(candidates) if continuous and rest.any() else []


def _usual_rows(sample: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the observation of zeros, and the most frequent one if the others hardly repeat."""
    zeros = np.zeros(sample.shape[1], dtype=np.float32)
    mixed = np.ascontiguousarray(sample).view(np.uint32).astype(np.uint64)
    odd = np.random.default_rng(0).integers(1, 2**63, sample.shape[1], dtype=np.uint64) | np.uint64(1)
    keys, first, counts = np.unique((mixed * odd).sum(axis=1), return_index=True, return_counts=True)
    top = int(np.argmax(counts))
    if counts[top] < 5 or len(keys) - 1 < 0.5 * (len(sample) - int(counts[top])):
        return [zeros]
    usual = sample[first[top]]
    return [zeros] if not usual.any() or not np.isfinite(usual).all() else [zeros, usual]
