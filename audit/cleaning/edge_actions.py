"""The actions that a shift leaves without a value: told by the dynamics, where these tell actions reliably.

After actions have moved a step earlier, the last step of each episode has none. Where that step is terminated, to drop
it would drop what ends the task: the flag, and often the only reward. Measured on CartPole, all actions one step late:
a learner then gets back 26% of what the fault took; with the steps kept, all of it. And what the action did is
recorded: the observation before it and the one after it. A model of the other steps says which action does that.

It is believed only where it proves itself on steps whose action is known: on episodes that it was not fitted on, at
least 99% of choices must be right, or 99% of the variance of vectors explained. A step whose change is unlike what the
model saw keeps no action, and is dropped as before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.trajectories import Flags, Rows, Trajectories

RIGHT = 0.99
"""Share of choices, or of the variance of vectors, that must be told right."""

_MOST_ROWS = 20_000
_LEAST_ROWS = 200
_MOST_ACTIONS = 50
_MOST_INPUTS = 30  # with more, squares and products would be too many
_UNLIKE = 3.0  # times the 99.9th percentile of the residuals


@dataclass(frozen=True, slots=True)
class EdgeActions:
    """What the dynamics tell.

    Attributes:
        rows: int64[K], the steps whose action is told.
        actions: [K] or [K, k], theirs, as the data have them.
        words: how well it was told where it is known; empty where nothing was told.
    """

    rows: Rows
    actions: NDArray[Any]
    words: str = ""


def told_by_dynamics(t: Trajectories, actions: NDArray[Any], known: Flags, wanted: Flags) -> EdgeActions:
    """Return the actions of the wanted steps, as far as the dynamics tell them.

    Args:
        t: the trajectories, N steps.
        actions: [N] or [N, k], as moved.
        known: bool[N], steps whose action is right.
        wanted: bool[N], steps that have none.
    """
    before, change, has_change = _changes(t)
    none = EdgeActions(np.zeros(0, np.int64), actions[:0])
    edge = np.flatnonzero(wanted & has_change)
    usable = np.flatnonzero(known & has_change & np.isfinite(np.asarray(actions, float).reshape(t.rows, -1)).all(1))
    if not len(edge) or len(usable) < _LEAST_ROWS:
        return none
    draws = np.random.default_rng(0)
    usable = np.sort(draws.choice(usable, min(len(usable), _MOST_ROWS), replace=False))
    fitted_on = t.episode_of_row[usable] % 2 == 0
    if not 0.2 < fitted_on.mean() < 0.8:  # so few episodes that steps must be told apart
        fitted_on = np.arange(len(usable)) % 2 == 0
    fit, test = usable[fitted_on], usable[~fitted_on]
    tell = _tell_choices if actions.ndim == 1 else _tell_vectors
    return tell(before, change, actions, fit, test, edge) or none


def _changes(t: Trajectories) -> tuple[NDArray[np.float64], NDArray[np.float64], Flags]:
    """Return observations, what follows less them, and where both are known: float64[N, d], float64[N, d], bool[N]."""
    before = t.observations.reshape(t.rows, -1).astype(np.float64)
    after = np.full_like(before, np.nan)
    linked = t.linked
    after[linked] = before[np.flatnonzero(linked) + 1]
    if t.next_observations is not None:
        given = ~linked & (np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next)
        after[given] = t.next_observations.reshape(t.rows, -1)[given]
    change = after - before
    return before, change, np.asarray(np.isfinite(change).all(axis=1))


def _model(inputs: int) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    degree = 2 if inputs <= _MOST_INPUTS else 1
    return make_pipeline(StandardScaler(), PolynomialFeatures(degree, include_bias=False), Ridge(1e-6))


def _tell_choices(  # noqa: PLR0917  # the arrays of one question
    before: NDArray[np.float64], change: NDArray[np.float64], actions: NDArray[Any], fit: Rows, test: Rows, edge: Rows
) -> EdgeActions | None:
    """Fit the change that each choice makes; a step's choice is the one whose change is nearest to its own."""
    choices = np.unique(actions[fit])
    if not 2 <= len(choices) <= _MOST_ACTIONS:
        return None
    models, noise = [], np.zeros(before.shape[1])
    for choice in choices:
        rows = fit[actions[fit] == choice]
        if len(rows) < _LEAST_ROWS // 4:
            return None
        models.append(_model(before.shape[1]).fit(before[rows], change[rows]))
        noise += np.abs(change[rows] - models[-1].predict(before[rows])).mean(0) / len(choices)
    scale = np.maximum(noise, 1e-6 * np.abs(change[fit]).mean(0) + 1e-12)

    def residuals(rows: Rows) -> NDArray[np.float64]:
        return np.stack([(np.abs(change[rows] - model.predict(before[rows])) / scale).mean(1) for model in models], 1)

    tested = residuals(test)
    right = float((choices[tested.argmin(1)] == actions[test]).mean())
    if right < RIGHT:
        return None
    found = residuals(edge)
    like = found.min(1) <= _UNLIKE * np.quantile(tested.min(1), 0.999)
    return EdgeActions(edge[like], choices[found.argmin(1)][like], f"{_share(right)} right")


def _tell_vectors(  # noqa: PLR0917  # the same
    before: NDArray[np.float64], change: NDArray[np.float64], actions: NDArray[Any], fit: Rows, test: Rows, edge: Rows
) -> EdgeActions | None:
    """Fit the action to the observation and its change."""
    inputs = np.hstack([before, change])
    model = _model(inputs.shape[1]).fit(inputs[fit], actions[fit])
    truth = actions[test].astype(np.float64)
    left = ((truth - model.predict(inputs[test]).reshape(truth.shape)) ** 2).sum(0)
    spread = ((truth - truth.mean(0)) ** 2).sum(0)
    if (spread <= 0).any() or (left > (1.0 - RIGHT) * spread).any():
        return None
    told = model.predict(inputs[edge]).reshape(len(edge), -1)
    low, high = actions[fit].min(0), actions[fit].max(0)
    like = ((told >= low - 0.1 * (high - low)) & (told <= high + 0.1 * (high - low))).all(1)
    explained = float((1.0 - left / spread).min())
    return EdgeActions(
        edge[like], np.clip(told[like], low, high).astype(actions.dtype), f"{_share(explained)} of their variance told"
    )


def _share(value: float) -> str:
    """Return a share as a percentage, never rounded up."""
    return f"{math.floor(1e4 * value) / 100:g}%"
