"""Answers about the lag between rewards and the steps that earn them."""

from __future__ import annotations

import numpy as np

from audit.engine.episodes.one_thread import one_thread
from audit.engine.episodes.registry import answers
from audit.engine.episodes.reward_model import Model, RewardFit, Sample, fit_reward, inputs, sample_for, shifted_rewards
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.rewards import RewardLag, RewardLagValues

LAGS = (-1, 1)
ROUNDING = 1e-4
"""Share of the variance below which what is left open says nothing."""
MARGIN = 0.25
"""A lag wins when it leaves at most this share of what lag 0 leaves open: half the error."""
POWER = 0.3
FEWEST = 200
VARIED = 10


@answers(RewardLag)
@one_thread
def reward_lag(_fact: RewardLag, view: EpisodeView) -> RewardLagValues:
    """Fit the reward of t - 1, t and t + 1 on step t; lag 0 may use s', too, so that r(s') is no lag."""
    rewards = view.trajectories.rewards
    assert rewards is not None
    sample = sample_for(view, 0)
    y = rewards[sample.reward_rows]
    if len(y) < FEWEST:
        return RewardLagValues({}, 0, 0.0, len(y), f"only {len(y):,} steps can be used, and {FEWEST} are needed")
    values, counts = np.unique(y, return_counts=True)
    if len(values) < VARIED or counts.max() > 0.5 * len(y):
        most = float(values[counts.argmax()])
        reason = (
            f"no power: {counts.max() / len(y):.0%} of the rewards are {most:g}, of {len(values):,} values; only "
            "rewards that vary from step to step show a lag"
        )
        return RewardLagValues({}, 0, 0.0, len(y), reason)
    model: Model | None = view.answer(RewardFit(0))
    if model is None:
        return RewardLagValues({}, 0, 0.0, len(y), "there are too few episodes to fit a model of the reward")
    fine = np.ones(len(sample.rows), dtype=bool)
    shifted = {}
    for lag in LAGS:
        shifted[lag], here = shifted_rewards(view, sample.rows, lag)
        fine &= here
    _, group = np.unique(sample.group[fine], return_inverse=True)
    rows = sample.rows[fine]
    open_: dict[int, float] = {0: 1.0 - float(model.fit.explained[0])}
    off = {0: _per_group(view, model, Sample(rows, rows, group), rewards[rows])}
    for lag in LAGS:
        own = Sample(rows, shifted[lag][fine], group)
        fit = fit_reward(view, own, model.pairs, change=False, cosines=model.cosines)
        if fit is None:
            return RewardLagValues({}, 0, 0.0, len(rows), "there are too few steps to fit a model of the reward")
        open_[lag] = 1.0 - float(fit.explained[0])
        x, choice = inputs(view, rows, model.pairs, False)
        rest = np.abs(rewards[own.reward_rows] - fit.predict(x, choice, group)[:, 0])
        off[lag] = np.bincount(group, rest) / np.bincount(group)
    if min(open_.values()) > 1.0 - POWER:
        reason = f"no power: state and action explain at most {1.0 - min(open_.values()):.0%} of the reward at any lag"
        return RewardLagValues(open_, 0, 0.0, len(rows), reason)
    best = min(LAGS, key=lambda lag: open_[lag])
    wins = open_[0] > ROUNDING and open_[best] <= MARGIN * open_[0]
    agree = float(np.mean(off[best] <= MARGIN**0.5 * off[0]))
    return RewardLagValues(dict(sorted(open_.items())), best if wins else 0, agree, len(rows))


def _per_group(view: EpisodeView, model: Model, sample: Sample, y: np.ndarray) -> np.ndarray:
    rest = np.abs(y - model.predict(view, sample.rows))
    return np.asarray(np.bincount(sample.group, rest) / np.bincount(sample.group))
