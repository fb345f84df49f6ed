"""Choices of steps for models: finite ones, spread over the sampled episodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.view import EpisodeView, Flags, Places


def chosen_rows(view: EpisodeView, most: int, among: Flags | None = None) -> Places:
    """Return at most `most` of the sampled steps, a uniform choice by the seed, in order.

    Args:
        view: the trajectories.
        most: steps that a model can afford.
        among: bool[N], the steps that can be chosen; by default those with finite numbers only.
    """
    rows = view.sampled_rows
    rows = rows[(view.finite if among is None else among)[rows]]
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(view.seed).choice(rows, most, replace=False))


def finite_observations(view: EpisodeView, rows: Places) -> NDArray[np.float64]:
    """Return the observations of some steps as float64[n, d]."""
    return np.asarray(view.trajectories.observations[rows], dtype=np.float64)


def with_actions(view: EpisodeView, rows: Places, *, apart: float = 1.0) -> NDArray[np.float64]:
    """Return observations with actions as float64[n, d + k]: vectors as they are, choices as number times `apart`."""
    actions = np.asarray(view.trajectories.actions[rows], dtype=np.float64)
    actions = actions[:, None] * apart if actions.ndim == 1 else actions
    return np.column_stack([finite_observations(view, rows), actions])


def halves_of(view: EpisodeView, rows: Places) -> Flags:
    """Return bool[n]: which steps are in the first of two random halves of the episodes that the steps come from."""
    episodes = view.episode_of_row[rows]
    present, place = np.unique(episodes, return_inverse=True)
    order = np.random.default_rng(view.seed + 1).permutation(len(present))
    return np.asarray(order[place.reshape(-1)] % 2 == 0)


def same_shape(view: EpisodeView) -> str:
    """Return why the data cannot be compared with the reference entry by entry; empty where it can."""
    if view.reference is None:
        return "there is no reference dataset to compare with; name one with --ref"
    ours, theirs = view.trajectories, view.reference.trajectories
    if ours.observations.shape[1] != theirs.observations.shape[1]:
        return (
            f"observations have {ours.observations.shape[1]} entries, those of the reference "
            f"{theirs.observations.shape[1]}"
        )
    if ours.discrete != theirs.discrete:
        return "one of the data and the reference has discrete actions, the other continuous ones"
    if not ours.discrete and ours.actions.shape[1] != theirs.actions.shape[1]:
        return f"actions have {ours.actions.shape[1]} entries, those of the reference {theirs.actions.shape[1]}"
    return ""
