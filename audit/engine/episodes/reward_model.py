"""The model of the reward that answers share: its inputs, its rows, its residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.one_thread import one_thread
from audit.engine.episodes.registry import answers
from audit.engine.episodes.transition_model import grouped_sample, shifted, usable
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.dynamics import EPISODE_KINDS, STEP_KINDS, Dynamics, DynamicsValues
from audit.facts import Fact
from audit.stats.features import angle_pairs, degree_for
from audit.stats.trimmed_regression import Fit, fit_trimmed

Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

GOOD = 0.99
ENOUGH = 0.9
BETTER = 0.7
MOST = 20_000
COSINES = 150


@dataclass(frozen=True, slots=True)
class Trusted(Fact):
    """Steps whose state, action and next state can be believed. Answer: bool[N]."""


@answers(Trusted)
def trusted(_fact: Trusted, view: EpisodeView) -> Flags:
    """Leave out what the dynamics do not explain; episodes with lagged actions stay."""
    d: DynamicsValues = view.answer(Dynamics())
    fine = (d.episode_kind == 0) | (d.episode_kind == EPISODE_KINDS.index("lagged"))
    wrong = d.step_kind == STEP_KINDS.index("observation")
    good = usable(view) & fine[view.episode_of_row] & ~wrong
    good[:-1] &= ~(wrong[1:] & view.linked[:-1])
    return np.asarray(good)


@dataclass(frozen=True, slots=True)
class RewardFit(Fact):
    """A model of the reward at a lag. Answer: `Model`, or None where there is too little data."""

    lag: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A fit of the reward, and what it was fitted on.

    Attributes:
        fit: the regression.
        pairs: entries of the observation that are cosine and sine of an angle, which is then an input, too.
        change: whether the change of the state is an input.
        cosines: number of random cosine features.
        group_of: int32[N], the group of each row that was fitted on, -1 elsewhere.
    """

    fit: Fit
    pairs: tuple[tuple[int, int], ...]
    change: bool
    cosines: int
    group_of: NDArray[np.int32]

    def predict(self, view: EpisodeView, rows: Places) -> NDArray[np.float64]:
        """Return float64[n]; rows that were fitted on are predicted by other folds."""
        x, choice = inputs(view, rows, self.pairs, self.change)
        group = self.group_of[rows]
        out = np.empty(len(rows))
        for mine, cross in ((group >= 0, True), (group < 0, False)):
            at = np.flatnonzero(mine)
            if len(at):
                own = group[at].astype(np.int64) if cross else None
                out[at] = self.fit.predict(x[at], None if choice is None else choice[at], own)[:, 0]
        return out


def inputs(
    view: EpisodeView, rows: Places, pairs: tuple[tuple[int, int], ...], change: bool
) -> tuple[NDArray[np.float32], Places | None]:
    """Return state, angles, vector of actions and (if asked) the change of the state; and the choice of an action."""
    t = view.trajectories
    states = t.observations[rows]
    parts = [states, *(np.arctan2(states[:, j], states[:, i])[:, None] for i, j in pairs)]
    if not t.discrete:
        parts.append(t.actions[rows])
    if change:
        parts.append(view.following[0][rows] - states)
    x = np.concatenate(parts, axis=1, dtype=np.float32)
    return x, t.actions[rows].astype(np.int64) if t.discrete else None


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of a fit of the reward at a lag, the rows of their rewards, and their groups."""

    rows: Places
    reward_rows: Places
    group: Places


def sample_for(view: EpisodeView, lag: int) -> Sample:
    """Return steps to fit on that have a reward at this lag."""
    rows, group = grouped_sample(view, view.answer(Trusted()), MOST)
    reward_rows, fine = shifted_rewards(view, rows, lag)
    rows, reward_rows, group = rows[fine], reward_rows[fine], group[fine]
    _, group = np.unique(group, return_inverse=True)
    return Sample(rows, reward_rows, np.asarray(group, dtype=np.int64))


def shifted_rewards(view: EpisodeView, rows: Places, lag: int) -> tuple[Places, Flags]:
    """Return the rows whose reward a step has at a lag, and whether there is a finite one in the episode."""
    other, fine = shifted(view, rows, lag)
    rewards = view.trajectories.rewards
    assert rewards is not None
    return other, fine & np.isfinite(rewards[other])


def fit_reward(
    view: EpisodeView, sample: Sample, pairs: tuple[tuple[int, int], ...], *, change: bool, cosines: int = 0
) -> Fit | None:
    """Fit the rewards of a sample."""
    t = view.trajectories
    assert t.rewards is not None
    x, choice = inputs(view, sample.rows, pairs, change)
    moving = np.ptp(x, axis=0) > 0 if len(x) else np.zeros(x.shape[1], dtype=bool)
    if not moving.any():
        return None
    choices = t.action_space.size if t.discrete else 0
    degree = degree_for(x.shape[1], len(x) // max(choices, 1))
    y = t.rewards[sample.reward_rows][:, None]
    return fit_trimmed(x, choice, y, sample.group, choices=choices, degree=degree, cosines=cosines, seed=view.seed)


@answers(RewardFit)
@one_thread
def reward_fit(fact: RewardFit, view: EpisodeView) -> Model | None:
    """Fit the simplest model that explains the reward: (s, a), then with s', then with random cosines."""
    sample = sample_for(view, fact.lag)
    if not len(sample.rows):
        return None
    pairs = angle_pairs(view.trajectories.observations[sample.rows])
    change, cosines = False, 0
    best = fit_reward(view, sample, pairs, change=False)
    if best is None:
        return None
    tries = [(True, 0), (None, COSINES)] if len(sample.rows) >= 2_000 else [(True, 0)]
    for with_change, hidden in tries:
        if best.explained[0] >= (GOOD if not hidden else ENOUGH):
            break
        wanted = change if with_change is None else with_change
        other = fit_reward(view, sample, pairs, change=wanted, cosines=hidden)
        if other is not None and 1.0 - other.explained[0] < BETTER * (1.0 - best.explained[0]):
            best, change, cosines = other, wanted, hidden
    group_of = np.full(view.rows, -1, dtype=np.int32)
    group_of[sample.rows] = sample.group
    return Model(best, pairs, change, cosines, group_of)
