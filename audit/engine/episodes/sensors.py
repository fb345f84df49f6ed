"""Answers about constant, copied and frozen entries of the observation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.sensors import FrozenSensors, FrozenSensorValues, RedundantEntries, RedundantEntryValues
from audit.stats.runs import equal_runs, habitual_repeats

WHOLE = -1
SURE = 4
"""Equal pairs in a row of a long run."""
SHORT = 2
"""Equal pairs from which on a run counts where the sensor has no habit of repeating itself."""
JUMP = 1.5
STEP = 0.75
"""A run that holds a value of its own may end with a usual step, as noise does; a rest ends with a smaller one."""
DISTINCT = 0.8
FEWEST_STEPS = 10
COMMON = 0.9


@answers(RedundantEntries)
def redundant_entries(_fact: RedundantEntries, view: EpisodeView) -> RedundantEntryValues:
    """Compare entries with each other: candidates on a sample, copies then on all steps."""
    t = view.trajectories
    d = t.observations.shape[1]
    constant, fixed, moving = [], [], []
    for j in range(d):
        column = t.observations[:, j]
        finite = np.isfinite(column)
        own = column if finite.all() else column[finite]
        if not len(own) or own.min() == own.max():
            if len(own) > 1:
                constant.append(j)
        elif not ((column[1:] != column[:-1]) & view.linked[:-1]).any():
            fixed.append(j)
        else:
            moving.append(j)
    rows = view.sampled_rows[:20_000]
    sample = t.observations[rows].astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    copies: list[tuple[int, int]] = []
    rescaled: list[tuple[int, int]] = []
    taken: set[int] = set()
    for place, j in enumerate(moving):
        for i in moving[:place]:
            if i in taken or j in taken or len(sample) < 20:
                continue
            if np.array_equal(sample[:, i], sample[:, j]):
                if np.array_equal(t.observations[:, i], t.observations[:, j], equal_nan=True):
                    copies.append((j, i))
                    taken.add(j)
            elif _linear(sample[:, i], sample[:, j]):
                rescaled.append((j, i))
                taken.add(j)
    return RedundantEntryValues(tuple(constant), tuple(fixed), tuple(copies), tuple(rescaled))


def _linear(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Whether y is a linear function of x up to the rounding of single precision."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    slope, shift = np.polyfit(x - x.mean(), y, 1)
    rest = np.abs(y - shift - slope * (x - x.mean())).max()
    return bool(rest <= 1e-5 * np.ptp(y))


@answers(FrozenSensors)
def frozen_sensors(_fact: FrozenSensors, view: EpisodeView) -> FrozenSensorValues:
    """Find runs of equal values entry by entry, and of the whole observation."""
    t = view.trajectories
    redundant: RedundantEntryValues = view.answer(RedundantEntries())
    still = set(redundant.constant) | set(redundant.fixed)
    moving = [j for j in range(t.observations.shape[1]) if j not in still]
    frozen = np.zeros(t.rows, dtype=bool)
    by_entry: dict[int, int] = {}
    runs: dict[int, int] = {}
    jump: dict[int, float] = {}
    habitual: list[int] = []
    stuck: dict[int, int] = {}
    joined = view.linked[:-1]
    whole = joined.copy()
    masks: dict[int, NDArray[np.bool_]] = {}
    for j in moving:
        column = t.observations[:, j]
        equal = (column[1:] == column[:-1]) & joined
        whole &= equal
        if equal.any():
            masks[j] = equal
    if len(moving) > 1 and whole.any():
        masks = {WHOLE: whole, **masks}
    for j, equal in masks.items():
        own = equal if j == WHOLE else equal & ~whole if WHOLE in masks else equal
        if not own.any():
            continue
        if j != WHOLE:
            stuck.update(dict.fromkeys(_stuck_episodes(view, own), j))
        starts, pairs = equal_runs(own)
        if habitual_repeats(pairs, sure=SURE):
            habitual.append(j)
            continue
        keep = pairs >= SHORT
        starts, pairs = starts[keep], pairs[keep]
        ratio = _jumps(view, moving if j == WHOLE else [j], starts + pairs, equal)
        least = STEP if _anywhere(view, j, starts) else JUMP
        if not len(starts) or not len(ratio) or np.median(ratio) < least:
            continue
        mark = np.zeros(t.rows + 1, dtype=np.int64)
        np.add.at(mark, starts + 1, 1)
        np.add.at(mark, starts + pairs + 1, -1)
        mine = np.cumsum(mark[:-1]) > 0
        frozen |= mine
        by_entry[j], runs[j], jump[j] = int(mine.sum()), len(starts), float(np.median(ratio))
    places = np.array(sorted(stuck), dtype=np.int64)
    for e in places.tolist():
        frozen[t.offsets[e] + 1 : t.offsets[e + 1]] = True
    entries = np.array([stuck[e] for e in places.tolist()], dtype=np.int64)
    return FrozenSensorValues(frozen, by_entry, runs, jump, places, entries, tuple(h for h in habitual if h != WHOLE))


def _jumps(
    view: EpisodeView, entries: list[int], ends: NDArray[np.int64], equal: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return, for runs that end inside an episode, the change after them as a multiple of the usual change."""
    t = view.trajectories
    ends = ends[(ends < t.rows - 1)]
    ends = ends[view.linked[ends]]
    if not len(ends):
        return np.empty(0)
    total = np.zeros(len(ends))
    used = 0
    usual_rows = np.flatnonzero(view.linked[:-1] & ~equal)[:200_000]
    for j in entries:
        column = t.observations[:, j].astype(np.float64)
        change = np.abs(column[usual_rows + 1] - column[usual_rows])
        change = change[np.isfinite(change) & (change > 0)]
        if len(change) < FEWEST_STEPS:
            continue
        after = np.abs(column[ends + 1] - column[ends])
        total += np.minimum(np.nan_to_num(after, nan=0.0, posinf=0.0) / np.median(change), 10.0)
        used += 1
    return total / used if used else np.empty(0)


def _anywhere(view: EpisodeView, entry: int, starts: NDArray[np.int64]) -> bool:
    """Whether the runs of an entry (or of all) hold different values, unlike a closed gripper or a contact."""
    observations = view.trajectories.observations
    values = observations[starts] if entry == WHOLE else observations[starts, entry]
    return len(values) > 1 and len(np.unique(values, axis=0)) >= DISTINCT * len(values)


def _stuck_episodes(view: EpisodeView, equal: NDArray[np.bool_]) -> list[int]:
    """Return long episodes in which the entry never changes, where it does in nearly all others."""
    t = view.trajectories
    count = np.concatenate([[0], np.cumsum(np.concatenate([equal, [False]]))])
    repeats = count[t.offsets[1:]] - count[t.offsets[:-1]]
    long = t.lengths >= FEWEST_STEPS
    never = long & (repeats == t.lengths - 1)
    if not never.any() or never.sum() > (1.0 - COMMON) * long.sum():
        return []
    return [int(e) for e in np.flatnonzero(never)]
