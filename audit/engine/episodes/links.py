"""Answers about given next observations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.links import NextObservations, NextObservationValues

Matrix = NDArray[np.floating[Any]]

RELATIVE = 1e-4
"""Two observations that differ by less than this are the same, written with another precision."""


@answers(NextObservations)
def next_observations(_fact: NextObservations, view: EpisodeView) -> NextObservationValues:
    """Compare each next observation given with the step's own, the next row's, and the next episode's first."""
    t = view.trajectories
    copied, leaked, contradicts = (np.zeros(view.rows, dtype=bool) for _ in range(3))
    given: Flags | None = None
    if t.next_observations is not None:
        given = np.ones(view.rows, dtype=bool) if t.has_next is None else t.has_next
        rows = np.flatnonzero(given)
        linked = view.linked[rows]
        after = np.minimum(rows + 1, view.rows - 1)
        own, nexts, following = t.observations[rows], t.next_observations[rows], t.observations[after]
        same_as_own, same_as_row = _equal(nexts, own), _equal(nexts, following)
        resting = _equal(own, following)
        copied[rows] = same_as_own & ~(linked & resting)
        contradicts[rows] = linked & ~same_as_row & ~same_as_own & ~_close(nexts, following)
        opens_next = view.is_last[rows] & (rows < view.rows - 1)
        leaked[rows] = opens_next & same_as_row & ~same_as_own
    return NextObservationValues(
        view.ids, t.offsets, given, view.linked, view.is_last, copied, leaked, contradicts, _at_rest(view),
        t.terminated, t.truncated,
    )  # fmt: skip


def _equal(one: Matrix, other: Matrix) -> Flags:
    """Return bool[n]: all entries are equal; entry by entry, which is many times as fast as along the short axis."""
    same = np.ones(len(one), dtype=bool)
    for entry in range(one.shape[1]):
        same &= one[:, entry] == other[:, entry]
    return same


def _close(one: Matrix, other: Matrix) -> Flags:
    close = np.ones(len(one), dtype=bool)
    for entry in range(one.shape[1]):
        a, b = one[:, entry], other[:, entry]
        close &= np.isclose(a, b, rtol=RELATIVE, atol=1e-6, equal_nan=True)
    return close


def _at_rest(view: EpisodeView) -> float:
    rows = view.sampled_rows[view.linked[view.sampled_rows]]
    if not len(rows):
        return 0.0
    observations = view.trajectories.observations
    return float(_equal(observations[rows], observations[rows + 1]).mean())
