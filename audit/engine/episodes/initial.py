"""Answers about the observations that episodes start with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.choose import chosen_rows
from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.initial import InitialStates, InitialStatesValues
from audit.sources.trajectories import names_of
from audit.stats.prediction import feature_groups
from audit.stats.robust import robust_scale

SHOWN = 500


def start_rows(view: EpisodeView) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the first row of each episode (0 where it has none), which are usable, and which start late."""
    t = view.trajectories
    filled = t.lengths > 0
    rows = np.where(filled, np.minimum(t.offsets[:-1], max(t.rows - 1, 0)), 0)
    if not t.rows:
        return rows, filled, np.zeros_like(filled)
    late = filled & (t.steps[rows] != 0)
    return rows, filled & ~late & np.isfinite(t.observations[rows]).all(axis=1), late


@answers(InitialStates)
def initial_states(_fact: InitialStates, view: EpisodeView) -> InitialStatesValues:
    """Count distinct starts exactly, and measure each start against the others."""
    t = view.trajectories
    rows, usable, late = start_rows(view)
    starts = np.asarray(t.observations[rows[usable]], dtype=np.float64)
    groups = feature_groups(starts) if len(starts) else np.zeros(0, dtype=np.int64)
    sizes = np.bincount(groups, minlength=1)
    repeated = np.zeros(t.episodes, dtype=bool)
    repeated[usable] = sizes[groups] > 1
    distance, farthest = np.zeros(t.episodes), np.zeros(t.episodes, dtype=np.int64)
    names = names_of(t.observation_space, "observation")
    shown: tuple[str, ...] = ()
    places = np.empty((0, 2))
    if len(starts):
        everywhere = np.asarray(t.observations[chosen_rows(view, 20_000)], dtype=np.float64)
        own = np.array([robust_scale(starts[:, j]) for j in range(starts.shape[1])])
        all_steps = np.array([robust_scale(everywhere[:, j]) for j in range(starts.shape[1])])
        scale = np.fmax(own, all_steps / 100)
        away = np.abs(starts - np.median(starts, axis=0))
        z = np.where(away > 0, away / np.where(scale > 0, scale, np.inf), 0.0)
        distance[usable], farthest[usable] = z.max(axis=1), z.argmax(axis=1)
        relative = np.where(all_steps > 0, own / np.where(all_steps > 0, all_steps, 1.0), 0.0)
        two = sorted(np.argsort(-relative, kind="stable")[:2].tolist())
        if len(two) == 2 and relative[two].min() > 0:
            shown = tuple(names[j] for j in two)
            places = starts[np.linspace(0, len(starts) - 1, min(SHOWN, len(starts))).astype(np.int64)][:, two]
    return InitialStatesValues(
        view.ids, t.lengths, usable, late, len(np.unique(groups)), repeated, distance, farthest, names, shown, places
    )
