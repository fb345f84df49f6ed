"""Answers about actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.actions import ActionChoices, ActionChoicesValues, ActionVectors, ActionVectorsValues
from audit.sources.trajectories import names_of

Floats = NDArray[np.float64]
FIELDS = 20


@answers(ActionChoices)
def action_choices(_fact: ActionChoices, view: EpisodeView) -> ActionChoicesValues:
    """Count all steps."""
    t = view.trajectories
    size = max(t.action_space.size, 1)
    valid = (t.actions >= 0) & (t.actions < size)
    whole = bool(valid.all())
    actions = t.actions if whole else t.actions[valid]
    counts = np.bincount(actions, minlength=size)
    episodes = np.zeros(size, dtype=np.int64)
    owner = view.episode_of_row if whole else view.episode_of_row[valid]
    if size * t.episodes <= 50_000_000:
        seen = np.zeros(t.episodes * size, dtype=bool)
        seen[owner * size + actions] = True
        episodes = seen.reshape(t.episodes, size).sum(axis=0)
    same = np.zeros(t.rows, dtype=bool)
    same[1:] = t.actions[1:] == t.actions[:-1]
    firsts = t.offsets[:-1][t.lengths > 0]
    same[firsts] = False
    pairs = max(t.rows - len(firsts), 1)
    return ActionChoicesValues(counts, episodes, t.rows - int(valid.sum()), float(same.sum()) / pairs)


@answers(ActionVectors)
def action_vectors(fact: ActionVectors, view: EpisodeView) -> ActionVectorsValues:
    """Count all steps, an entry at a time; only the histograms rest on the sample."""
    t = view.trajectories
    n, k = t.actions.shape
    low, high, declared = _bounds(view)
    width = np.where(high > low, high - low, 1.0)
    zero, still = np.ones(n, dtype=bool), np.ones(n, dtype=bool)
    firsts = t.offsets[:-1][t.lengths > 0]
    still[firsts] = False
    at_low, at_high, outside = (np.zeros(k, dtype=np.int64) for _ in range(3))
    constant = np.zeros(k, dtype=bool)
    finite = np.ones(n, dtype=bool)
    for j in range(k):
        values = t.actions[:, j]
        near = np.float32(fact.tolerance * width[j])
        known = np.isfinite(values)
        finite &= known
        edge = np.float32(1e-6 * width[j] + np.spacing(np.float32(max(abs(low[j]), abs(high[j])))))
        at_low[j] = np.count_nonzero(np.abs(values - np.float32(low[j])) <= edge)
        at_high[j] = np.count_nonzero(np.abs(values - np.float32(high[j])) <= edge)
        if declared:
            outside[j] = np.count_nonzero((values < low[j] - edge) | (values > high[j] + edge))
        held = values if known.all() else values[known]
        constant[j] = not len(held) or bool(held.min() == held.max())
        if not constant[j]:  # an entry that never moves says nothing about whether something is done
            zero &= np.abs(values) <= near
            with np.errstate(invalid="ignore"):
                still[1:] &= np.abs(values[1:] - values[:-1]) <= near
    idle = (zero | still) & finite if not constant.all() else np.zeros(n, dtype=bool)
    leading, trailing = _ends(idle, t.offsets)
    edges = np.linspace(0.0, 1.0, FIELDS + 1)
    sampled = t.actions[view.sampled_rows]
    counts = np.stack([_histogram(sampled[:, j], low[j], width[j], edges) for j in range(k)])
    return ActionVectorsValues(
        view.ids, t.lengths, names_of(t.action_space, "action"), low, high, declared, at_low, at_high, outside,
        constant, int(finite.sum()), idle, leading, trailing, edges, counts, view.basis_of(len(view.sampled_rows)),
    )  # fmt: skip


def _bounds(view: EpisodeView) -> tuple[Floats, Floats, bool]:
    """Return the declared bounds where all are finite, else the extremes that occur."""
    t = view.trajectories
    space = t.action_space
    if space.low is not None and space.high is not None:
        low, high = np.asarray(space.low, dtype=np.float64), np.asarray(space.high, dtype=np.float64)
        if (
            np.isfinite(low).all()
            and np.isfinite(high).all()
            and (high > low).all()
            and np.abs([low, high]).max() < 1e6
        ):
            return low, high, True
    low, high = np.zeros(t.actions.shape[1]), np.zeros(t.actions.shape[1])
    for j in range(len(low)):
        values = t.actions[:, j][np.isfinite(t.actions[:, j])]
        if len(values):
            low[j], high[j] = values.min(), values.max()
    return low, high, False


def _histogram(values: NDArray[np.float32], low: float, width: float, edges: Floats) -> NDArray[np.int64]:
    place = (values[np.isfinite(values)].astype(np.float64) - low) / width
    return np.asarray(np.histogram(np.clip(place, 0.0, 1.0), edges)[0], dtype=np.int64)


def _ends(idle: Flags, offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the marked steps at the start and at the end of each episode."""
    lengths = np.diff(offsets)
    busy = np.flatnonzero(~idle)
    after = np.searchsorted(busy, offsets[:-1])
    before = np.searchsorted(busy, offsets[1:]) - 1
    some = before >= after
    leading, trailing = lengths.copy(), np.zeros_like(lengths)
    leading[some] = busy[after[some]] - offsets[:-1][some]
    trailing[some] = offsets[1:][some] - 1 - busy[before[some]]
    return leading, trailing
