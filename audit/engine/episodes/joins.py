"""Answers about episodes that run into others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags, Places
from audit.episode_facts.links import EpisodeJoins, EpisodeJoinValues, NextObservations
from audit.episode_facts.structure import steps_per_episode
from audit.episode_facts.values import ValueFaults
from audit.stats.transitions import OneStep, StartRegion, fit_one_step, start_region

MOST = 20_000
"""Steps that the model of one step is fitted on."""

LIMIT = 6.0
"""Surprise of a jump to where episodes begin. Measured: clean CartPole, Pendulum and Acrobot stay below 10 and, where
the next observation looks like a first one, below 6; joints of CartPole start at 33, of Pendulum at 8."""

ALONE = 25.0
"""Surprise of a jump that counts without the first observations as a witness."""

TIMES_USUAL = (3.0, 15.0)
"""The same two limits in units of the surprise that one in ten steps exceeds, where the model fits badly."""

FEW_STARTS, COMMON = 5, 0.6
"""First observations below which they are no witness; share of all observations that look like first ones above which
looking like one says nothing."""

ODD = 0.2
"""Share of an episode's steps that are surprises above which none is a join: rows out of order, or in other units."""

AT_REST = 0.1
"""Share of episodes that end at rest from which on a jump after a rest may be a join."""

LOOKED_AT = 50
"""Steps of an episode that are looked at for that."""

CHUNK = 200_000


@dataclass(frozen=True, slots=True)
class _Judge:
    """The model of one step, applied to rows of one view."""

    view: EpisodeView
    model: OneStep

    def surprise(self, rows: Places) -> NDArray[np.float64]:
        """Return the surprise of going from each row to the next one."""
        t = self.view.trajectories
        parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        scored = [
            self.model.surprise(t.observations[part], self.view.action_matrix(part), t.observations[part + 1])
            for part in parts
        ]
        return np.concatenate(scored) if scored else np.empty(0)

    def calm(self, rows: Places, usable: Flags) -> Flags:
        """Return bool[n]: going on from each row is no surprise, or cannot be judged."""
        calm = np.ones(len(rows), dtype=bool)
        inside = (rows >= 0) & (rows < self.view.rows)
        known = np.flatnonzero(inside)
        known = known[usable[rows[known]]]
        calm[known] = self.surprise(rows[known]) <= LIMIT
        return calm


@answers(EpisodeJoins)
def episode_joins(_fact: EpisodeJoins, view: EpisodeView) -> EpisodeJoinValues:
    """Fit what one step usually does, then look at the steps that lead to where episodes begin.

    A join is a single surprise: the step before it and the step after it are usual, and so are most steps of its
    episode. So values that are wrong for a step, which jump there and back, are none, and neither are the steps of an
    episode out of order or in other units. Nor is a jump after the very same observation twice (a sensor that hung),
    unless episodes often end at rest.
    """
    t = view.trajectories
    usable = _usable(view)
    places = np.flatnonzero(usable)
    fit_rows = view.sampled_rows[usable[view.sampled_rows]]
    if len(fit_rows) < 200:
        return _none(view, f"{len(fit_rows):,} usable steps are too few to tell a jump from a step")
    if len(fit_rows) > MOST:
        fit_rows = np.sort(np.random.default_rng(view.seed).choice(fit_rows, MOST, replace=False))
    model = fit_one_step(t.observations[fit_rows], view.action_matrix(fit_rows), t.observations[fit_rows + 1])
    judge = _Judge(view, model)
    usual = judge.surprise(fit_rows[:: max(len(fit_rows) // 2_000, 1)])
    firsts = t.offsets[:-1][t.lengths > 0]
    firsts = firsts[view.finite[firsts]]
    region = start_region(t.observations[firsts], model.scale) if len(firsts) >= FEW_STARTS else None
    chosen, witness = _candidates(view, region, places, fit_rows)
    often = float(np.quantile(usual, 0.9))
    seen, unseen = (max(least, times * often) for least, times in zip((LIMIT, ALONE), TIMES_USUAL, strict=True))
    limit = seen if witness else unseen
    surprises = judge.surprise(chosen)
    jumps = chosen[surprises > limit]
    if region is None and len(jumps) >= FEW_STARTS:  # where the great jumps lead is where episodes begin
        found = start_region(t.observations[jumps + 1], model.scale)
        jumps = chosen[(surprises > seen) & found.holds(t.observations[chosen + 1])]
    certain, torn = _parted(view, _certain(view, model, usable))
    # what the given next observation proves needs no witness
    jumps = np.union1d(jumps, np.flatnonzero(certain))
    alone = judge.calm(jumps - 1, usable) & judge.calm(jumps + 1, usable) & ~_hung(view, jumps)
    alone[alone] &= _in_usual_episodes(judge, jumps[alone], usable)
    jumps = jumps[(alone & ~torn[jumps]) | certain[jumps]]
    joins = np.zeros(view.rows, dtype=bool)
    joins[jumps] = True
    return EpisodeJoinValues(
        joins, certain & joins, torn, limit, judge.surprise(jumps), usual, len(firsts), "", len(places)
    )


def _none(view: EpisodeView, reason: str) -> EpisodeJoinValues:
    none, empty = np.zeros(view.rows, dtype=bool), np.empty(0)
    return EpisodeJoinValues(none, none, none, LIMIT, empty, empty, 0, reason, 0)


def _usable(view: EpisodeView) -> Flags:
    """Return bool[N]: the step and the next row are consecutive, finite and no constants in place of measurements."""
    faults = view.answer(ValueFaults())
    bad = ~view.finite | faults.filled | faults.padded
    for huge in faults.huge.values():
        bad |= huge
    usable = view.linked & ~bad
    usable[:-1] &= ~bad[1:]
    return np.asarray(usable)


def _candidates(view: EpisodeView, region: StartRegion | None, places: Places, sample: Places) -> tuple[Places, bool]:
    """Return the steps to be judged, and whether the next observation's looking like a first one is a witness."""
    if region is None:
        return places, False
    observations = view.trajectories.observations
    witness = bool(region.holds(observations[sample]).mean() <= COMMON)
    inside = np.concatenate(
        [region.holds(observations[start : start + CHUNK]) for start in range(0, len(observations), CHUNK)]
    )
    return places[inside[places + 1]], witness


def _certain(view: EpisodeView, model: OneStep, usable: Flags) -> Flags:
    """Mark steps whose given next observation is no surprise, while the next row is something else and is one."""
    t = view.trajectories
    certain = np.zeros(view.rows, dtype=bool)
    rows = np.flatnonzero(view.answer(NextObservations()).contradicts & usable)
    if len(rows) and t.next_observations is not None:
        given = t.next_observations[rows]
        rows, given = rows[finite := np.isfinite(given).all(axis=1)], given[finite]
        actions = view.action_matrix(rows)
        goes_on = model.surprise(t.observations[rows], actions, given) <= LIMIT
        breaks = model.surprise(t.observations[rows], actions, t.observations[rows + 1]) > LIMIT
        certain[rows[goes_on & breaks]] = True
    return certain


def _parted(view: EpisodeView, certain: Flags) -> tuple[Flags, Flags]:
    """Return the marked steps of episodes with few of them, and those of episodes with many: rows out of order."""
    t = view.trajectories
    many = steps_per_episode(certain, t.offsets) > np.maximum(ODD / 2 * t.lengths, 1)
    torn = certain & np.repeat(many, t.lengths) if many.any() else np.zeros(view.rows, dtype=bool)
    return certain & ~torn, torn


def _hung(view: EpisodeView, jumps: Places) -> Flags:
    """Return bool[n]: the step before the jump has the very same observation, which episodes seldom end with."""
    t = view.trajectories
    ends = t.last_rows[t.lengths[t.lengths > 0] > 1]
    same = np.zeros(len(jumps), dtype=bool)
    before = (jumps > 0) & view.linked[jumps - 1]
    same[before] = (t.observations[jumps[before]] == t.observations[jumps[before] - 1]).all(axis=1)
    at_rest = (t.observations[ends] == t.observations[ends - 1]).all(axis=1).mean() if len(ends) else 0.0
    return same if at_rest < AT_REST else np.zeros(len(jumps), dtype=bool)


def _in_usual_episodes(judge: _Judge, jumps: Places, usable: Flags) -> Flags:
    """Return bool[n]: few of the other steps of the jump's episode are surprises (looked at evenly, 50 at most)."""
    t = judge.view.trajectories
    episodes, own = np.unique(np.searchsorted(t.offsets, jumps, side="right") - 1, return_inverse=True)
    starts, lengths = t.offsets[episodes], t.lengths[episodes]
    looked = np.minimum(lengths, LOOKED_AT)
    within = np.arange(int(looked.sum())) - np.repeat(np.cumsum(looked) - looked, looked)
    rows = np.repeat(starts, looked) + within * np.repeat(lengths, looked) // np.repeat(looked, looked)
    place = np.repeat(np.arange(len(episodes)), looked)
    chosen = usable[rows] & ~np.isin(rows, jumps)
    odd = judge.surprise(rows[chosen]) > LIMIT
    seen = np.bincount(place[chosen], minlength=len(episodes))
    share = np.bincount(place[chosen], weights=odd, minlength=len(episodes)) / np.maximum(seen, 1)
    return np.asarray(share[own] <= ODD)
