"""Answers about covered states and actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.choose import chosen_rows, finite_observations, halves_of, same_shape, with_actions
from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Places
from audit.episode_facts.coverage import (
    CellCoverage,
    CellCoverageValues,
    NeighbourCoverage,
    NeighbourCoverageValues,
)
from audit.sources.trajectories import names_of
from audit.stats.balance import entropy
from audit.stats.density import bin_edges
from audit.stats.robust import robust_scale
from audit.stats.trajectory_cells import MOST_ENTRIES, bins_of, cell_counts, expected_cells, robust_limits
from audit.stats.trajectory_neighbours import outside, whitening

Floats = NDArray[np.float64]

LIMIT_ROWS = 20_000
FIELDS = 20
ACTIONS_APART = 1e4  # entries are cut at 10 before they are whitened: a step with another action is never near
DECLARED = 1e6  # bounds from here on stand for "unbounded"
FEWEST_EPISODES = 10


@answers(CellCoverage)
def cell_coverage(_fact: CellCoverage, view: EpisodeView) -> CellCoverageValues:
    """Count the cells of all steps on bins that the data and the reference share."""
    t = view.trajectories
    rows = chosen_rows(view, LIMIT_ROWS)
    sample = _entries(view, rows)
    other = view.reference if not same_shape(view) else None
    both = sample if other is None else np.concatenate([sample, _entries(other, chosen_rows(other, LIMIT_ROWS))])
    varies = np.ptp(both, axis=0) > 0 if len(both) else np.zeros(both.shape[1], dtype=bool)
    axes = np.flatnonzero(varies)
    choices = _choices(view, other)
    used = (
        np.bincount(t.actions[(t.actions >= 0) & (t.actions < choices)], minlength=choices) if t.discrete else _none()
    )
    names, edges, counts = _map(view, sample[:, : t.observations.shape[1]])
    bins = bins_of(len(axes)) if len(axes) <= MOST_ENTRIES and len(both) else 0
    cells = _none()
    theirs: NDArray[np.int64] | None = None
    if bins:
        limits = robust_limits(both[:, axes])
        cells = _counts(view, axes, limits, bins, choices)
        theirs = None if other is None else _counts(other, axes, limits, bins, choices)
    held = int((cells > 0).sum())
    equal = int(min(cells.sum(), theirs.sum())) if theirs is not None else 0
    h = entropy(cells)
    return CellCoverageValues(
        entries=len(axes),
        constant=int((~varies[: t.observations.shape[1]]).sum()),
        bins=bins,
        choices=choices,
        used=used,
        cells=held,
        effective=float(np.exp(h)) if held else 0.0,
        entropy=h / float(np.log(len(cells))) if len(cells) > 1 else 0.0,
        reference_cells=None if theirs is None else int((theirs > 0).sum()),
        equal_rows=equal,
        at_equal_rows=expected_cells(cells, equal) if theirs is not None else 0.0,
        reference_at_equal_rows=expected_cells(theirs, equal) if theirs is not None else 0.0,
        shared=_shared(cells, theirs),
        narrowest=_narrowest(view, sample),
        map_names=names,
        map_edges=edges,
        map_counts=counts,
        basis=view.basis,
        map_basis=view.basis_of(len(rows)),
    )


def _none() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


def _entries(view: EpisodeView, rows: Places) -> Floats:
    return finite_observations(view, rows) if view.trajectories.discrete else with_actions(view, rows)


def _choices(view: EpisodeView, other: EpisodeView | None) -> int:
    if not view.trajectories.discrete:
        return 1
    return max(view.trajectories.action_space.size, 1 if other is None else other.trajectories.action_space.size, 1)


def _counts(
    view: EpisodeView, axes: Places, limits: tuple[Floats, Floats], bins: int, choices: int
) -> NDArray[np.int64]:
    """Count all steps; observation and action columns are put together a chunk at a time."""
    t = view.trajectories
    total = np.zeros(bins ** len(axes) * choices, dtype=np.int64)
    chunk = 500_000
    for start in range(0, t.rows, chunk):
        part = slice(start, start + chunk)
        states = t.observations[part]
        states = (states if t.discrete else np.concatenate([states, t.actions[part]], axis=1))[:, axes]
        total += cell_counts(states, t.actions[part] if t.discrete else None, *limits, bins=bins, choices=choices)
    return total


def _shared(cells: NDArray[np.int64], theirs: NDArray[np.int64] | None) -> float:
    if theirs is None or not (theirs > 0).any():
        return float("nan")
    return float((cells[theirs > 0] > 0).mean())


def _narrowest(view: EpisodeView, sample: Floats) -> float | None:
    """Return the largest share of its declared range that an entry of the observation spans."""
    space = view.trajectories.observation_space
    if space.low is None or space.high is None or len(sample) < 2:
        return None
    low, high = np.asarray(space.low, dtype=np.float64), np.asarray(space.high, dtype=np.float64)
    bounded = np.isfinite(low) & np.isfinite(high) & (np.abs(low) < DECLARED) & (np.abs(high) < DECLARED) & (high > low)
    if not bounded.any():
        return None
    first, last = np.quantile(sample[:, : len(low)], [0.005, 0.995], axis=0)
    return float(((last - first)[bounded] / (high - low)[bounded]).max())


def _map(view: EpisodeView, states: Floats) -> tuple[tuple[str, ...], Floats, NDArray[np.int64]]:
    """Return a map over the two entries of the observation whose values are spread most evenly."""
    spread = [_evenness(states[:, j]) for j in range(states.shape[1])] if len(states) else []
    order = np.argsort(-np.asarray(spread), kind="stable")[:2]
    chosen = [int(j) for j in order if spread[int(j)] > 0]
    if len(chosen) < 2:
        return (), np.empty((0, FIELDS + 1)), np.zeros((0, 0), dtype=np.int64)
    chosen.sort()
    low, high = robust_limits(states[:, chosen])
    edges = np.linspace(low, high, FIELDS + 1, axis=1)
    counts = cell_counts(states[:, chosen], None, low, high, bins=FIELDS).reshape(FIELDS, FIELDS)
    names = names_of(view.trajectories.observation_space, "observation")
    return tuple(names[j] for j in chosen), edges, counts


def _evenness(values: Floats) -> float:
    ordered = np.sort(values)
    edges = bin_edges(ordered, most=20)
    if len(edges) < 3:
        return 0.0
    return entropy(np.histogram(ordered, edges)[0]) if robust_scale(values) > 0 else 0.0


@answers(NeighbourCoverage)
def neighbour_coverage(fact: NeighbourCoverage, view: EpisodeView) -> NeighbourCoverageValues:
    """Measure the steps of the reference against the data, and those of the data against the reference."""
    reason = same_shape(view)
    if reason or view.reference is None:
        return NeighbourCoverageValues(reason)
    other = view.reference
    ours, theirs = chosen_rows(view, fact.rows), chosen_rows(other, fact.rows)
    episodes = [len(np.unique(v.episode_of_row[rows])) for v, rows in ((view, ours), (other, theirs))]
    if min(episodes) < FEWEST_EPISODES or min(len(ours), len(theirs)) < 20 * fact.neighbours:
        return NeighbourCoverageValues(
            f"{episodes[0]:,} episodes against {episodes[1]:,} in the reference: distances need at least "
            f"{FEWEST_EPISODES} of each, and {20 * fact.neighbours} steps"
        )
    now, before = _entries(view, ours), _entries(other, theirs)
    space = whitening(np.concatenate([_thin(before, len(now)), _thin(now, len(before))]))
    now, before = space(now), space(before)
    if view.trajectories.discrete:
        now = np.column_stack([now, view.trajectories.actions[ours] * ACTIONS_APART])
        before = np.column_stack([before, other.trajectories.actions[theirs] * ACTIONS_APART])
    uncovered = outside(now, halves_of(view, ours), before, fact.neighbours)
    foreign = outside(before, halves_of(other, theirs), now, fact.neighbours)
    return NeighbourCoverageValues(
        "",
        uncovered.share,
        foreign.share,
        tuple(ours[foreign.far].tolist()[:1_000]),
        len(ours),
        len(theirs),
        space.axes.shape[1],
        view.basis_of(len(ours)),
    )


def _thin(values: Floats, most: int) -> Floats:
    """Return evenly spaced rows, so that neither set alone decides the space."""
    return values[np.linspace(0, len(values) - 1, min(most, len(values))).astype(np.int64)]
