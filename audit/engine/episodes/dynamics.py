"""Answers about residuals of the dynamics: every step scored, outlying episodes looked at closely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.diagnosis import diagnose
from audit.engine.episodes.hard_regions import excuse
from audit.engine.episodes.one_thread import one_thread
from audit.engine.episodes.registry import answers
from audit.engine.episodes.step_faults import step_faults
from audit.engine.episodes.transition_model import CHUNK, Model, Moving, MovingValues, TransitionModel, shifted
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.dynamics import ActionLag, ActionLagValues, Dynamics, DynamicsValues
from audit.stats.trimmed_regression import FAR
from audit.stats.verdicts import episode_scores

EXPLAINED = 0.6
"""Share of an entry's change that must be explained before residuals of this entry are judged."""
PERIODS = (2.0 * np.pi, 360.0)
SEVERAL = 3
OFTEN = 5
MOST_STOPS = 4


@answers(Dynamics)
@one_thread
def dynamics(_fact: Dynamics, view: EpisodeView) -> DynamicsValues:
    """Fit on a sample, score every step, judge episodes, diagnose those that stand out, classify the other steps."""
    t = view.trajectories
    lag: ActionLagValues = view.answer(ActionLag())
    model: Model | None = view.answer(TransitionModel(lag.lag))
    explained = np.full(t.observations.shape[1], np.nan)
    used = np.zeros(t.observations.shape[1], dtype=bool)
    if model is None:
        return _none(view, "there are too few steps to fit a model of the dynamics", explained, used)
    explained[model.entries] = model.fit.explained
    good = model.fit.explained >= EXPLAINED
    used[model.entries[good]] = True
    if not good.any():
        best = float(model.fit.explained.max())
        reason = (
            f"the dynamics cannot be predicted from state and action: at most {max(best, 0.0):.0%} of the change of an "
            f"entry is explained in episodes not fitted on, and {EXPLAINED:.0%} are needed"
        )
        return _none(view, reason, explained, used, model.fitted)
    judged, score, entry = _score(view, model, good)
    excuse(view, lambda rows: model.points(view, rows), model.group_of >= 0, judged, score)
    scores = episode_scores(score, judged, t.offsets)
    found = diagnose(view, model, good, judged, scores)
    far = judged & (score > FAR) & (found.kind == 0)[view.episode_of_row]
    kinds = step_faults(view, model, good, judged, far)
    return DynamicsValues(
        "", explained, used, model.fitted, judged, score, entry, kinds, scores.mean, scores.share, scores.usual_share,
        found.kind, found.lag, found.details, lag.lag,
    )  # fmt: skip


def _none(
    view: EpisodeView, reason: str, explained: NDArray[np.float64], used: NDArray[np.bool_], fitted: int = 0
) -> DynamicsValues:
    n, e = view.rows, view.trajectories.episodes
    return DynamicsValues(
        reason, explained, used, fitted, np.zeros(n, dtype=bool), np.zeros(n, dtype=np.float32),
        np.zeros(n, dtype=np.int16), np.zeros(n, dtype=np.int8), np.zeros(e), np.zeros(e), 0.0,
        np.zeros(e, dtype=np.int8), np.zeros(e, dtype=np.int8), {},
    )  # fmt: skip


def multiples(model: Model, good: NDArray[np.bool_], residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |residuals| of the used entries in multiples of the noise; jumps by a full turn of an angle are none."""
    own, noise = np.abs(residual[:, good]), model.fit.noise[good]
    for period in PERIODS:
        turned = np.abs(own - period)
        near = (own > 0.5 * period) & (turned < 0.05 * period)
        own = np.where(near, turned, own)
    return np.asarray(own / noise)


def _score(
    view: EpisodeView, model: Model, good: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.int16]]:
    where: MovingValues = view.answer(Moving())
    judged = where.good.copy()
    score = np.zeros(view.rows, dtype=np.float32)
    entry = np.zeros(view.rows, dtype=np.int16)
    places = model.entries[good]
    ends = _end_stops(view, places)
    for start in range(0, view.rows, CHUNK):
        rows = np.arange(start, min(start + CHUNK, view.rows))
        rows = rows[judged[rows]]
        if model.lag and len(rows):
            fine = shifted(view, rows, model.lag)[1]
            judged[rows[~fine]] = False
            rows = rows[fine]
        if not len(rows):
            continue
        z = multiples(model, good, model.residuals(view, rows))
        after = view.following[0][rows]
        stopped = np.zeros(len(rows), dtype=bool)
        for j, values in zip(places.tolist(), ends, strict=True):
            if len(values):
                stopped |= np.isin(after[:, j], values)
        if stopped.any():
            judged[rows[stopped]] = False
            rows, z = rows[~stopped], z[~stopped]
        worst = z.argmax(axis=1)
        score[rows] = np.minimum(z[np.arange(len(rows)), worst], 1e6)
        entry[rows] = places[worst]
    return judged, score, entry


def _end_stops(view: EpisodeView, entries: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """Return, for each entry, the values at which it ends in several episodes exactly, as their highest or lowest.

    Velocities are clipped and joints have stops; a model of the free motion is wrong there, and rightly so.
    """
    t = view.trajectories
    starts = t.offsets[:-1][t.lengths > 0]
    ends = []
    for j in entries.tolist():
        column = t.observations[:, j]
        both = np.concatenate([np.minimum.reduceat(column, starts), np.maximum.reduceat(column, starts)])
        both = both[np.isfinite(both)]
        values, counts = np.unique(both, return_counts=True)
        several = counts >= SEVERAL
        found = list(values[several][np.argsort(-counts[several], kind="stable")[:MOST_STOPS]])
        found += [end for end in (values[:1], values[-1:]) if len(end) and (column == end[0]).sum() >= OFTEN]
        ends.append(np.unique(np.concatenate([np.atleast_1d(v) for v in found])) if found else values[:0])
    return ends
