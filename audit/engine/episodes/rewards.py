"""Answers about residuals of the reward, of the few rewards beside one usual value, and about conflicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.hard_regions import excuse
from audit.engine.episodes.one_thread import one_thread
from audit.engine.episodes.registry import answers
from audit.engine.episodes.reward_model import Model, RewardFit, Trusted, inputs, shifted_rewards
from audit.engine.episodes.transition_model import CHUNK
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.rewards import (
    REWARD_KINDS,
    RewardConflicts,
    RewardConflictValues,
    RewardLag,
    RewardLagValues,
    RewardModel,
    RewardModelValues,
)
from audit.stats.features import degree_for, make_features
from audit.stats.hashing import hash_rows
from audit.stats.lag import explained_beyond
from audit.stats.robust import fences
from audit.stats.trimmed_regression import FAR
from audit.stats.verdicts import episode_scores

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

LAGGED, SIGN, SCALED, UNEXPLAINED = (REWARD_KINDS.index(k) for k in ("lagged", "sign", "scaled", "unexplained"))
USUAL = 0.5
"""Share of the rewards from which on one value is the usual one."""
EXPLAINED = 0.6
COLLAPSE = 0.35
ENRICHED = 3.0
STRUCTURED = 0.1
"""Share of the variance of "is an outlier" that state and action explain, above which these rewards have a reason."""
SPIKE = 100.0
MOST_DIAGNOSED = 10_000


@answers(RewardModel)
@one_thread
def reward_model(_fact: RewardModel, view: EpisodeView) -> RewardModelValues:
    """Judge rewards by a model, or by their one usual value."""
    t = view.trajectories
    assert t.rewards is not None
    known = np.isfinite(t.rewards)
    sampled = t.rewards[view.sampled_rows[known[view.sampled_rows]]]
    if len(sampled) < 20:
        return _none(view, "fewer than 20 steps have a finite reward")
    values, counts = np.unique(sampled, return_counts=True)
    if counts.max() >= USUAL * len(sampled):
        return _one_value(view, known, float(values[counts.argmax()]))
    lag: RewardLagValues = view.answer(RewardLag())
    model: Model | None = view.answer(RewardFit(lag.lag))
    if model is None or model.fit.explained[0] < EXPLAINED:
        return _unpredicted(view, known, 0.0 if model is None else float(model.fit.explained[0]))
    return _by_model(view, model, lag.lag)


def _none(view: EpisodeView, reason: str, explained: float = 0.0) -> RewardModelValues:
    n, e = view.rows, view.trajectories.episodes
    return RewardModelValues(
        reason, None, explained, np.zeros(n, dtype=bool), np.zeros(n, dtype=np.float32), np.zeros(n, dtype=bool),
        np.zeros(e, dtype=np.int8), np.zeros(e, dtype=np.int8), np.zeros(e), {},
    )  # fmt: skip


def _by_model(view: EpisodeView, model: Model, lag: int) -> RewardModelValues:
    t = view.trajectories
    rewards = t.rewards
    assert rewards is not None
    judged = np.asarray(view.answer(Trusted())).copy()
    noise = float(model.fit.noise[0])
    predicted = np.zeros(view.rows)
    score = np.zeros(view.rows, dtype=np.float32)
    for start in range(0, view.rows, CHUNK):
        rows = np.arange(start, min(start + CHUNK, view.rows))
        rows = rows[judged[rows]]
        at, fine = shifted_rewards(view, rows, lag)
        judged[rows[~fine]] = False
        rows, at = rows[fine], at[fine]
        if len(rows):
            predicted[rows] = model.predict(view, rows)
            score[rows] = np.minimum(np.abs(rewards[at] - predicted[rows]) / noise, 1e6)
    excuse(view, lambda rows: _points(view, rows), model.group_of >= 0, judged, score)
    scores = episode_scores(score, judged, t.offsets)
    kind = np.where(scores.outlying, UNEXPLAINED, 0).astype(np.int8)
    lags = np.zeros(t.episodes, dtype=np.int8)
    details: dict[int, str] = {}
    suspects = scores.outlying | (scores.mean > 1.2 * max(scores.usual, 0.8)) | (scores.share > 0.05)
    ruler = _Ruler(view, predicted, noise, lag, scores.usual)
    worst = np.flatnonzero(suspects)
    worst = worst[np.argsort(-scores.mean[worst], kind="stable")[:MOST_DIAGNOSED]]
    for episode in worst.tolist():
        rows = np.arange(t.offsets[episode], t.offsets[episode + 1])
        rows = rows[judged[rows]]
        fits_at = ruler.other_lag(rows)
        if fits_at is not None:
            kind[episode], lags[episode] = LAGGED, fits_at
        elif kind[episode] == UNEXPLAINED:
            kind[episode], details[episode] = ruler.other_scale(rows)
    outlying = judged & (score > FAR) & (kind == 0)[view.episode_of_row]
    outlying = _without_reason(view, outlying, judged)
    return RewardModelValues(
        "", None, float(model.fit.explained[0]), judged, score, outlying, kind, lags, scores.mean, details
    )


def _points(view: EpisodeView, rows: NDArray[np.int64]) -> Floats:
    return np.concatenate([view.trajectories.observations[rows], view.action_matrix(rows)], axis=1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Ruler:
    """Measures how the rewards of an episode fit after a fault is undone on paper.

    Attributes:
        view: the trajectories.
        predicted: float64[N], what the model expects.
        noise: of the model.
        lag: of the dataset.
        usual: the usual mean score of an episode.
    """

    view: EpisodeView
    predicted: Floats
    noise: float
    lag: int
    usual: float

    @property
    def rewards(self) -> Floats:
        rewards = self.view.trajectories.rewards
        assert rewards is not None
        return rewards

    def mean(self, values: Floats, expected: Floats) -> float:
        """Return the mean residual in multiples of the noise, each at most `FAR`."""
        return float(np.mean(np.minimum(np.abs(values - expected) / self.noise, FAR)))

    def other_lag(self, rows: NDArray[np.int64]) -> int | None:
        """Return the lag at which the rewards fit far better, or None."""
        at = {k: shifted_rewards(self.view, rows, k) for k in (-1, 0, 1)}
        fine = at[-1][1] & at[0][1] & at[1][1]
        if fine.sum() < 3:
            return None
        expected = self.predicted[rows[fine]]
        now = self.mean(self.rewards[at[self.lag][0][fine]], expected)
        for k in (-1, 0, 1):
            then = self.mean(self.rewards[at[k][0][fine]], expected)
            if k != self.lag and then <= COLLAPSE * now and then <= max(2.0 * self.usual, 0.5) and now > 0.5:
                return k
        return None

    def other_scale(self, rows: NDArray[np.int64]) -> tuple[int, str]:
        """Return the kind of the episode, and what was found out in words: another sign, another scale, or neither."""
        own, expected = self.rewards[shifted_rewards(self.view, rows, self.lag)[0]], self.predicted[rows]
        large = np.abs(expected) > self.noise
        if large.sum() < 3:
            return UNEXPLAINED, ""
        now = self.mean(own, expected)
        if self.mean(-own, expected) <= COLLAPSE * now:
            return SIGN, "its rewards have the opposite sign"
        factor = float(np.median(own[large] / expected[large]))
        if np.isfinite(factor) and factor != 0.0 and self.mean(own / factor, expected) <= COLLAPSE * now:
            return SCALED, f"its rewards are {factor:.3g} times what they should be"
        return UNEXPLAINED, ""


def _without_reason(view: EpisodeView, outlying: Flags, judged: Flags) -> Flags:
    """Leave out outliers that have a reason: those at the end of episodes, and those that their state explains."""
    if not outlying.any():
        return outlying
    last = view.is_last
    if view.trajectories.terminated is not None:
        last = last | view.trajectories.terminated
    others = outlying & ~last
    at_end = float(np.mean(outlying[last & judged])) if (last & judged).any() else 0.0
    elsewhere = float(np.mean(outlying[judged & ~last])) if (judged & ~last).any() else 0.0
    if at_end > ENRICHED * elsewhere:
        outlying = others
    rows = view.sampled_rows[:50_000]
    rows = rows[np.asarray(view.answer(Trusted()))[rows] & judged[rows]]
    y = outlying[rows].astype(np.float64)[:, None]
    if y.sum() < 20 or y.min() == y.max():
        return outlying
    x, choice = inputs(view, rows, (), False)
    if choice is not None:
        x = np.concatenate([x, view.action_matrix(rows)], axis=1)
    made = make_features(x, 0, min(degree_for(x.shape[1], len(rows)), 2), bound=4.0)
    fold = view.episode_of_row[rows] % 5
    if len(np.unique(fold)) < 5:
        return outlying
    share = explained_beyond(np.ones((len(rows), 1)), {0: made.of(x)}, y, fold).get(0, 0.0)
    return np.zeros_like(outlying) if share > STRUCTURED else outlying


def _one_value(view: EpisodeView, known: Flags, usual: float) -> RewardModelValues:
    """Judge rewards that are mostly one value: whole episodes with another one, and steps with a far one."""
    t = view.trajectories
    assert t.rewards is not None
    other = known & (t.rewards != usual)
    kind = np.zeros(t.episodes, dtype=np.int8)
    details: dict[int, str] = {}
    outlying = np.zeros(view.rows, dtype=bool)
    if other.any() and usual != 0.0:
        lowest, highest = _extremes(np.where(known, t.rewards, usual), t.offsets)
        whole = (lowest == highest) & (lowest != usual) & (lowest != 0.0) & (t.lengths >= 3)
        kind[whole] = np.where(lowest[whole] == -usual, SIGN, SCALED)
        for e in np.flatnonzero(whole)[:1_000].tolist():
            details[e] = f"every reward is {lowest[e]:g} where others are {usual:g}"
        outlying = other & ~whole[view.episode_of_row]
    elif other.any():
        size = np.abs(t.rewards[other])
        far = other & (np.abs(np.where(known, t.rewards, 0.0)) > SPIKE * np.median(size))
        outlying = far if far.sum() <= 0.3 * other.sum() else outlying
    outlying = _without_reason(view, outlying, known)
    score = np.where(known, np.abs(t.rewards - usual), 0.0)
    score = np.minimum(score / max(abs(usual), 1e-12), 1e6).astype(np.float32)
    scores = episode_scores(score, known, t.offsets)
    return RewardModelValues(
        "", usual, 1.0, known, score, outlying, kind, np.zeros(t.episodes, dtype=np.int8), scores.mean, details
    )


def _extremes(values: Floats, offsets: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the lowest and the highest value of each episode; NaN for an empty one."""
    low, high = np.full(len(offsets) - 1, np.nan), np.full(len(offsets) - 1, np.nan)
    filled = np.diff(offsets) > 0
    starts = offsets[:-1][filled]
    low[filled], high[filled] = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return low, high


def _unpredicted(view: EpisodeView, known: Flags, explained: float) -> RewardModelValues:
    """Judge rewards that no model explains by their size alone."""
    t = view.trajectories
    assert t.rewards is not None
    found = fences(t.rewards[known], most=0.05)
    reason = (
        f"state and action explain {max(explained, 0.0):.0%} of the reward in episodes not fitted on, and "
        f"{EXPLAINED:.0%} are needed to judge its sign and its alignment by episode"
    )
    none = _none(view, reason, explained)
    if found is None:
        return none
    values = np.where(known, t.rewards, 0.0)
    outlying = known & ((values < found.low) | (values > found.high))
    outlying = _without_reason(view, outlying, known)
    return RewardModelValues(
        reason, None, explained, none.judged, none.score, outlying, none.episode_kind, none.episode_lag,
        none.episode_score, {},
    )  # fmt: skip


@answers(RewardConflicts)
def reward_conflicts(_fact: RewardConflicts, view: EpisodeView) -> RewardConflictValues:
    """Group steps by the bits of state, action and next state, and compare the rewards inside each group."""
    t = view.trajectories
    assert t.rewards is not None
    following, known = view.following
    rows = np.flatnonzero(known & view.finite)
    key = hash_rows((t.observations[rows], t.actions[rows], following[rows]), len(rows))
    conflicting = np.zeros(view.rows, dtype=bool)
    ordered = np.sort(key)
    if not len(rows) or not (ordered[1:] == ordered[:-1]).any():
        return RewardConflictValues(0, 0, 0, conflicting)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(np.append(starts, len(order)))
    rewards = t.rewards[rows][order]
    low, high = np.minimum.reduceat(rewards, starts), np.maximum.reduceat(rewards, starts)
    differ = high - low > 1e-6 * np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-6)
    conflicting[rows[order[np.repeat(differ, sizes)]]] = True
    again = sizes > 1
    return RewardConflictValues(int(again.sum()), int(sizes[again].sum()), int(differ.sum()), conflicting)
