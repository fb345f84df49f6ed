"""Answers about episodes that run into others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags, Places
from audit.episode_facts.links import EpisodeJoins, EpisodeJoinValues, NextObservations
from audit.episode_facts.values import ValueFaults
from audit.stats.transitions import OneStep, StartRegion, fit_one_step, start_region

MOST = 20_000
"""Steps that the model of one step is fitted on."""

LIMIT = 6.0
"""Surprise of a jump to where episodes begin. Measured: clean CartPole, Pendulum and Acrobot stay below 10 and, where
the next observation looks like a first one, below 6; joints of CartPole start at 33, of Pendulum at 8."""

ALONE = 25.0
"""Surprise of a jump that counts without the first observations as a witness."""

FEW_STARTS, COMMON = 5, 0.6
"""First observations below which they are no witness; share of all observations that look like first ones above which
looking like one says nothing."""

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

    A join is a single surprise: the step before it and the step after it are usual. So values that are wrong for a
    step, which jump there and back, are none, and neither is an episode in other units.
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
    chosen, limit = _candidates(view, region, places, fit_rows)
    surprises = judge.surprise(chosen)
    jumps = chosen[surprises > limit]
    if region is None and len(jumps) >= FEW_STARTS:  # where the great jumps lead is where episodes begin
        found = start_region(t.observations[jumps + 1], model.scale)
        jumps = chosen[(surprises > LIMIT) & found.holds(t.observations[chosen + 1])]
    certain = _certain(view, model, usable)
    # what the given next observation proves needs no witness
    jumps = np.union1d(jumps, np.flatnonzero(certain))
    alone = judge.calm(jumps - 1, usable & view.linked) & judge.calm(jumps + 1, usable)
    jumps = jumps[alone | certain[jumps]]
    joins = np.zeros(view.rows, dtype=bool)
    joins[jumps] = True
    return EpisodeJoinValues(joins, certain & joins, limit, judge.surprise(jumps), usual, len(firsts), "", len(places))


def _none(view: EpisodeView, reason: str) -> EpisodeJoinValues:
    none, empty = np.zeros(view.rows, dtype=bool), np.empty(0)
    return EpisodeJoinValues(none, none, LIMIT, empty, empty, 0, reason, 0)


def _usable(view: EpisodeView) -> Flags:
    """Return bool[N]: the step and the next row are consecutive, finite and no constants in place of measurements."""
    faults = view.answer(ValueFaults())
    bad = ~view.finite | faults.filled | faults.padded
    for huge in faults.huge.values():
        bad |= huge
    usable = view.linked & ~bad
    usable[:-1] &= ~bad[1:]
    return np.asarray(usable)


def _candidates(view: EpisodeView, region: StartRegion | None, places: Places, sample: Places) -> tuple[Places, float]:
    """Return the steps to be judged, and the surprise from which on they count."""
    if region is None:
        return places, ALONE
    observations = view.trajectories.observations
    limit = ALONE if region.holds(observations[sample]).mean() > COMMON else LIMIT
    inside = np.concatenate(
        [region.holds(observations[start : start + CHUNK]) for start in range(0, len(observations), CHUNK)]
    )
    return places[inside[places + 1]], limit


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
