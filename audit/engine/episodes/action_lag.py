"""Answers about the lag between actions and what they cause."""

from __future__ import annotations

import numpy as np

from audit.engine.episodes.one_thread import one_thread
from audit.engine.episodes.registry import answers
from audit.engine.episodes.transition_model import Moving, MovingValues, grouped_sample, shifted
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.dynamics import ActionLag, ActionLagValues
from audit.stats.features import Features, degree_for, make_features
from audit.stats.lag import explained_beyond, winner

LAGS = (-1, 0, 1)
LEAST = 0.3
"""Share that an action must explain at another lag before the whole dataset is called lagged."""
FEWEST = 100
MOST = 20_000


@answers(ActionLag)
@one_thread
def action_lag(_fact: ActionLag, view: EpisodeView) -> ActionLagValues:
    """Explain the change by the state, and by the state with the action of t - 1, t and t + 1, on the same steps."""
    where: MovingValues = view.answer(Moving())
    if not len(where.entries):
        return ActionLagValues({}, 0, 0, "no entry of the observation changes inside an episode")
    rows, group = grouped_sample(view, where.good, MOST)
    action_rows = {}
    fine = np.ones(len(rows), dtype=bool)
    for lag in LAGS:
        action_rows[lag], here = shifted(view, rows, lag)
        fine &= here
    rows, group = rows[fine], group[fine]
    if len(rows) < FEWEST or len(np.unique(group)) < 5:
        few = f"only {len(rows):,} steps have an action before and after them; the lag test needs {FEWEST}"
        return ActionLagValues({}, 0, len(rows), few)
    t = view.trajectories
    own_actions = t.actions[rows]
    if (own_actions == own_actions[0]).all():
        return ActionLagValues({}, 0, len(rows), "the actions never change")
    states = t.observations[rows].astype(np.float64)
    y = view.following[0][rows][:, where.entries].astype(np.float64) - states[:, where.entries]
    fold = np.random.default_rng(view.seed).permutation(int(group.max()) + 1)[group] % 5
    base = _features(states, 0, len(rows)).of(states).astype(np.float64)
    designs = {}
    for lag in LAGS:
        chosen = view.action_matrix(action_rows[lag][fine]).astype(np.float64)
        if t.discrete:
            designs[lag] = np.concatenate(
                [base, *(_products(states, chosen[:, [k]]) for k in range(chosen.shape[1]))], 1
            )
        else:
            both = np.concatenate([states, chosen], axis=1)
            designs[lag] = np.concatenate([base, _features(both, 0, len(rows)).of(both)], axis=1)
    gain = explained_beyond(base, designs, y, fold)
    if not gain:
        return ActionLagValues({}, 0, len(rows), "the state alone explains how it changes: no action can be told")
    if max(gain.values()) < 0.05:
        return ActionLagValues(gain, 0, len(rows), "the actions explain less than 5% of the change at every lag")
    return ActionLagValues(gain, winner(gain, least=LEAST), len(rows))


def _features(x: np.ndarray, choices: int, rows: int) -> Features:
    return make_features(x, choices, min(degree_for(x.shape[1], rows), 2), bound=4.0)


def _products(states: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    centre, scale = states.mean(axis=0), states.std(axis=0)
    z = np.clip((states - centre) / np.where(scale > 0, scale, 1.0), -4.0, 4.0)
    return np.asarray(np.concatenate([chosen, z * chosen], axis=1))
