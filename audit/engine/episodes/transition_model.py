"""The model of the dynamics that answers share: its inputs, its rows, its residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.one_thread import one_thread
from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.sensors import FrozenSensors, FrozenSensorValues
from audit.facts import Fact
from audit.stats.features import degree_for
from audit.stats.trimmed_regression import Fit, fit_trimmed

Places = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.floating]

MOST_FITTED = 30_000
"""Steps that a model is fitted on: it has at most a few hundred weights."""
BLOCK = 1_000
"""Most steps of a group: long episodes are cut into blocks, so that there are groups enough to leave out."""
CHUNK = 16_384


def usable(view: EpisodeView) -> Flags:
    """bool[N]: steps whose change can be judged: known, finite, with a possible action, no frozen sensor around."""
    t = view.trajectories
    following, known = view.following
    good = known & view.finite & np.isfinite(following).all(axis=1)
    if t.discrete:
        good &= (t.actions >= 0) & (t.actions < t.action_space.size)
    frozen: FrozenSensorValues = view.answer(FrozenSensors())
    good &= ~frozen.frozen
    good[:-1] &= ~(frozen.frozen[1:] & view.linked[:-1])  # the change into a frozen value is none
    return good


def shifted(view: EpisodeView, rows: Places, lag: int) -> tuple[Places, Flags]:
    """Return the rows whose action a step has at a lag, and whether there is one in the episode."""
    if lag == 0:
        return rows, np.ones(len(rows), dtype=bool)
    other = np.clip(rows + lag, 0, view.rows - 1)
    linked = view.linked
    fine = linked[rows] if lag == 1 else linked[np.maximum(rows - 1, 0)] & (rows > 0)
    if view.trajectories.discrete:
        actions = view.trajectories.actions
        fine = fine & (actions[other] >= 0) & (actions[other] < view.trajectories.action_space.size)
    else:
        fine = fine & view.finite[other]
    return np.where(fine, other, rows), fine


def grouped_sample(view: EpisodeView, good: Flags, most: int = MOST_FITTED) -> tuple[Places, Places]:
    """Return rows for a fit and their groups: whole episodes (long ones in blocks), a seeded choice."""
    rows = view.sampled_rows
    rows = rows[good[rows]]
    if not len(rows):
        return rows, rows
    block = int(min(BLOCK, max(20, len(rows) // 40)))
    t = view.trajectories
    episode = view.episode_of_row[rows]
    inside = (rows - t.offsets[episode]) // block
    key = episode * (int(t.lengths.max()) // block + 1) + inside
    _, group = np.unique(key, return_inverse=True)
    if len(rows) > most:
        sizes = np.bincount(group)
        order = np.random.default_rng(view.seed).permutation(len(sizes))
        taken = order[: max(int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")), 1)]
        chosen = np.zeros(len(sizes), dtype=bool)
        chosen[taken] = True
        rows, group = rows[chosen[group]], group[chosen[group]]
        _, group = np.unique(group, return_inverse=True)
    return rows, np.asarray(group, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Moving(Fact):
    """Entries of the observation that change, and the steps that can be judged. Answer: `MovingValues`."""


@dataclass(frozen=True, slots=True)
class MovingValues:
    """Entries by place, and bool[N]: `usable`."""

    entries: Places
    good: Flags


@answers(Moving)
def moving(_fact: Moving, view: EpisodeView) -> MovingValues:
    """Leave out entries that never change inside an episode."""
    good = usable(view)
    rows = view.sampled_rows
    rows = rows[good[rows]]
    following = view.following[0]
    change = following[rows] != view.trajectories.observations[rows]
    return MovingValues(np.flatnonzero(change.any(axis=0)), good)


@dataclass(frozen=True, slots=True)
class TransitionModel(Fact):
    """A model of the dynamics with the action at a lag. Answer: `Model`, or None where there is too little data."""

    lag: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A fit, and what it was fitted on.

    Attributes:
        fit: the regression of the change of the moving entries.
        entries: the moving entries.
        lag: of the action.
        group_of: int32[N], the group of each row that was fitted on, -1 elsewhere.
        fitted: number of such rows.
    """

    fit: Fit
    entries: Places
    lag: int
    group_of: NDArray[np.int32]
    fitted: int

    def changes(self, view: EpisodeView, rows: Places) -> NDArray[np.float64]:
        """Return float64[n, q]: what changed."""
        following = view.following[0]
        return following[rows][:, self.entries].astype(np.float64) - view.trajectories.observations[rows][
            :, self.entries
        ].astype(np.float64)

    def residuals(self, view: EpisodeView, rows: Places, lag: int | None = None) -> NDArray[np.float64]:
        """Return float64[n, q]: change minus prediction; rows that were fitted on are predicted by other folds."""
        states = view.trajectories.observations[rows]
        lag = self.lag if lag is None else lag
        return self.changes(view, rows) - self.predict(view, states, shifted(view, rows, lag)[0], rows)

    def points(self, view: EpisodeView, rows: Places) -> NDArray[np.float64]:
        """Return float64[n, ...]: state and action, choices one-hot."""
        action_rows = shifted(view, rows, self.lag)[0]
        return np.concatenate(
            [view.trajectories.observations[rows], view.action_matrix(action_rows)], axis=1, dtype=np.float64
        )

    def predict(
        self, view: EpisodeView, states: Floats, action_rows: Places, rows: Places | None = None
    ) -> NDArray[np.float64]:
        """Return float64[n, q]: the change of the moving entries in some states with the actions of some rows."""
        x, choice = inputs(view, states, action_rows)
        group = None if rows is None else self.group_of[rows]
        if group is None or (group < 0).all():
            return self.fit.predict(x, choice)
        out = np.empty((len(x), len(self.entries)))
        for mine, own in ((group >= 0, group), (group < 0, None)):
            at = np.flatnonzero(mine)
            if len(at):
                chosen = None if choice is None else choice[at]
                out[at] = self.fit.predict(x[at], chosen, None if own is None else own[at].astype(np.int64))
        return out


def inputs(view: EpisodeView, states: Floats, action_rows: Places) -> tuple[NDArray[np.float32], Places | None]:
    """Return the inputs of a model of the dynamics: states with vectors of actions, and choices of discrete ones."""
    t = view.trajectories
    if t.discrete:
        return np.asarray(states, dtype=np.float32), t.actions[action_rows].astype(np.int64)
    return np.concatenate([states, t.actions[action_rows]], axis=1, dtype=np.float32), None


@answers(TransitionModel)
@one_thread
def transition_model(fact: TransitionModel, view: EpisodeView) -> Model | None:
    """Fit a polynomial; where it explains little, try random cosines, too, and keep the better."""
    where: MovingValues = view.answer(Moving())
    if not len(where.entries):
        return None
    rows, group = grouped_sample(view, where.good)
    action_rows, fine = shifted(view, rows, fact.lag)
    rows, action_rows, group = rows[fine], action_rows[fine], group[fine]
    if not len(rows):
        return None
    _, group = np.unique(group, return_inverse=True)
    t = view.trajectories
    x, choice = inputs(view, t.observations[rows], action_rows)
    y = view.following[0][rows][:, where.entries].astype(np.float64) - t.observations[rows][:, where.entries]
    choices = t.action_space.size if t.discrete else 0
    degree = degree_for(x.shape[1], len(rows) // max(choices, 1))
    follows = np.append(False, (np.diff(rows) == 1) & view.linked[rows[:-1]])
    fit = fit_trimmed(x, choice, y, group, choices=choices, degree=degree, seed=view.seed, follows=follows)
    if fit is not None and fit.explained.mean() < 0.9 and len(rows) >= 2_000:
        other = fit_trimmed(
            x, choice, y, group, choices=choices, degree=degree, cosines=150, seed=view.seed, follows=follows
        )
        if other is not None and other.explained.mean() > fit.explained.mean() + 0.02:
            fit = other
    if fit is None:
        return None
    group_of = np.full(view.rows, -1, dtype=np.int32)
    group_of[rows] = group
    return Model(fit, where.entries, fact.lag, group_of, len(rows))
