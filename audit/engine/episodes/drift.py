"""Answers about differences from the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.choose import chosen_rows, same_shape
from audit.engine.episodes.initial import start_rows
from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Places
from audit.episode_facts.drift import (
    DriftOfEntry,
    EntryDrift,
    EntryDriftValues,
    TransitionSeparation,
    TransitionSeparationValues,
)
from audit.sources.trajectories import names_of
from audit.stats.balance import total_variation
from audit.stats.density import bin_edges, histogram
from audit.stats.drift import numeric_distance, reference_cuts
from audit.stats.separation import drivers, separate
from audit.stats.trajectory_drift import counts_by_episode, episode_stability, exchanges

Floats = NDArray[np.float64]
FEWEST_EPISODES = 10
MOST_EPISODES = 2_000
BINS = 10


@dataclass(frozen=True, slots=True)
class _Side:
    """Steps of one of the two sets, and the place of each one's episode among those that were chosen."""

    view: EpisodeView
    rows: Places
    episodes: NDArray[np.int64]
    size: int


def _side(view: EpisodeView, fact: EntryDrift) -> _Side:
    if fact.initial:
        starts, usable, _ = start_rows(view)
        rows = starts[usable]
    else:
        rows = chosen_rows(view, fact.rows)
    present, place = np.unique(view.episode_of_row[rows], return_inverse=True)
    if len(present) > MOST_EPISODES:
        kept = np.zeros(len(present), dtype=bool)
        kept[np.random.default_rng(view.seed).choice(len(present), MOST_EPISODES, replace=False)] = True
        rows = rows[kept[place.reshape(-1)]]
        present, place = np.unique(view.episode_of_row[rows], return_inverse=True)
    return _Side(view, rows, place.reshape(-1).astype(np.int64), len(present))


@answers(EntryDrift)
def entry_drift(fact: EntryDrift, view: EpisodeView) -> EntryDriftValues:
    """Compare each entry, with whole episodes changing sides as the measure of chance."""
    reason = same_shape(view)
    if reason or view.reference is None:
        return EntryDriftValues(reason, different_shape=view.reference is not None)
    before, now = _side(view.reference, fact), _side(view, fact)
    if min(before.size, now.size) < FEWEST_EPISODES:
        return EntryDriftValues(
            f"{now.size:,} episodes against {before.size:,} in the reference: at least {FEWEST_EPISODES} of each are "
            "needed"
        )
    chosen = exchanges(before.size, now.size, seed=view.seed)
    names = names_of(view.trajectories.observation_space, "observation")
    entries = [
        _of_numbers(name, (_column(before, "observations", j), _column(now, "observations", j)), (before, now), chosen)
        for j, name in enumerate(names)
    ]
    if not fact.initial:
        entries.extend(_of_actions(view, before, now, chosen))
        if view.trajectories.rewards is not None and view.reference.trajectories.rewards is not None:
            rewards = (_rewards(before), _rewards(now))
            entries.append(_of_numbers("reward", rewards, (before, now), chosen))
    basis = view.basis_of(len(now.rows)) if not fact.initial else view.basis
    return EntryDriftValues("", entries=tuple(entries), episodes=(before.size, now.size), basis=basis)


def _column(side: _Side, field: str, j: int) -> Floats:
    return np.asarray(getattr(side.view.trajectories, field)[side.rows, j], dtype=np.float64)


def _rewards(side: _Side) -> Floats:
    return np.asarray(side.view.trajectories.rewards)[side.rows]


def _of_actions(view: EpisodeView, before: _Side, now: _Side, chosen: NDArray[np.bool_]) -> list[DriftOfEntry]:
    t = view.trajectories
    if not t.discrete:
        names = names_of(t.action_space, "action")
        return [
            _of_numbers(name, (_column(before, "actions", j), _column(now, "actions", j)), (before, now), chosen)
            for j, name in enumerate(names)
        ]
    both = [np.asarray(s.view.trajectories.actions[s.rows], dtype=np.int64) for s in (before, now)]
    low, high = min(int(a.min()) for a in both), max(int(a.max()) for a in both)
    size = high - low + 1
    if size > 1_000:
        return []
    tables = [counts_by_episode(a - low, s.episodes, size, s.size) for a, s in zip(both, (before, now), strict=True)]
    found = episode_stability(tables[0], tables[1], chosen)
    a, b = tables[0].sum(axis=0), tables[1].sum(axis=0)
    most = int(np.argmax(np.abs(b / b.sum() - a / a.sum())))
    return [
        DriftOfEntry(
            "action", found.value, found.expected, found.p_value, total_variation(a, b),
            (float(a[most] / a.sum()), float(b[most] / b.sum())), low + most, np.arange(low, high + 1.0),
            b.astype(np.int64), a.astype(np.int64),
        )
    ]  # fmt: skip


def _of_numbers(
    name: str, values: tuple[Floats, Floats], sides: tuple[_Side, _Side], chosen: NDArray[np.bool_]
) -> DriftOfEntry:
    reference, current = values
    cuts = reference_cuts(reference, BINS)
    if not len(cuts):  # a constant reference: equal to it, or not
        value = reference[0]
        cuts = np.array([np.nextafter(value, -np.inf), value])
    tables = [
        counts_by_episode(np.searchsorted(cuts, one, side="left"), s.episodes, len(cuts) + 1, s.size)
        for one, s in zip(values, sides, strict=True)
    ]
    found = episode_stability(tables[0], tables[1], chosen)
    apart = numeric_distance(reference, current)
    both = np.sort(np.concatenate([reference, current]))
    edges = bin_edges(both)
    counts = [histogram(np.sort(one), edges).counts for one in (current, reference)]
    medians = (float(np.median(reference)), float(np.median(current)))
    return DriftOfEntry(
        name, found.value, found.expected, found.p_value, apart.ks, medians, None, edges, counts[0], counts[1]
    )


@answers(TransitionSeparation)
def transition_separation(fact: TransitionSeparation, view: EpisodeView) -> TransitionSeparationValues:
    """Train on the transitions of some episodes, measure on those of others."""
    reason = same_shape(view)
    if reason or view.reference is None:
        return TransitionSeparationValues(reason)
    views = (view.reference, view)
    rows = [chosen_rows(v, fact.rows, v.finite & v.following[1]) for v in views]
    episodes = [len(np.unique(v.episode_of_row[r])) for v, r in zip(views, rows, strict=True)]
    if min(episodes) < FEWEST_EPISODES or min(map(len, rows)) < 100:
        return TransitionSeparationValues(
            f"{episodes[1]:,} episodes with transitions against {episodes[0]:,} in the reference: at least "
            f"{FEWEST_EPISODES} of each are needed, and 100 transitions"
        )
    rewards = all(v.trajectories.rewards is not None for v in views)
    size = max(v.trajectories.action_space.size for v in views)
    matrix = np.concatenate([_transitions(v, r, size, rewards) for v, r in zip(views, rows, strict=True)])
    second = np.repeat([False, True], [len(rows[0]), len(rows[1])])
    groups = np.concatenate([views[0].episode_of_row[rows[0]], views[1].episode_of_row[rows[1]] + len(views[0].ids)])
    found = separate(matrix, second, groups=groups, seed=view.seed)
    told = drivers(matrix, second, found.pairs[0], seed=view.seed) if found.auc.low > 0.5 else []
    names = _names(view, size, rewards)
    return TransitionSeparationValues(
        "", found.auc.value, found.auc.low, found.auc.high, tuple((names[j], fall) for j, fall in told),
        (len(rows[0]), len(rows[1])), view.basis_of(len(rows[1])),
    )  # fmt: skip


def _transitions(view: EpisodeView, rows: Places, choices: int, rewards: bool) -> Floats:
    """Return observation, action, change of the observation and reward of some steps: float64[n, p]."""
    t = view.trajectories
    states = np.asarray(t.observations[rows], dtype=np.float64)
    change = np.asarray(view.following[0][rows], dtype=np.float64) - states
    actions = t.actions[rows]
    actions = actions[:, None] == np.arange(choices) if t.discrete else actions
    parts = [states, np.asarray(actions, dtype=np.float64), np.nan_to_num(change)]
    if rewards and t.rewards is not None:
        parts.append(t.rewards[rows][:, None])
    return np.clip(np.concatenate(parts, axis=1), -1e30, 1e30)


def _names(view: EpisodeView, choices: int, rewards: bool) -> list[str]:
    t = view.trajectories
    states = names_of(t.observation_space, "observation")
    actions = tuple(f"action {i}" for i in range(choices)) if t.discrete else names_of(t.action_space, "action")
    return [*states, *actions, *(f"change of {name}" for name in states), *(["reward"] if rewards else [])]
