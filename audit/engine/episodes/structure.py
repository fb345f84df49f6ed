"""Answers about step numbers."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues


@answers(EpisodeStructure)
def episode_structure(_fact: EpisodeStructure, view: EpisodeView) -> EpisodeStructureValues:
    """Compare each step number with the one before it; only episodes that are not 0 .. T-1 are looked at closely."""
    t = view.trajectories
    lengths, steps = t.lengths, t.steps.astype(np.int64)
    filled = lengths > 0
    firsts = t.offsets[:-1][filled]
    starts = np.zeros(t.episodes, dtype=np.int64)
    starts[filled] = steps[firsts]
    missing = np.zeros(t.episodes, dtype=np.int64)
    repeated = np.zeros(t.rows, dtype=bool)
    disordered = np.zeros(t.rows, dtype=bool)
    disordered[1:] = steps[1:] < steps[:-1]
    disordered[firsts] = False
    restarts = np.zeros(t.rows, dtype=bool)
    before_gap = np.zeros(t.rows, dtype=bool)
    stride = _stride(view)
    before_gap[:-1] = steps[1:] > steps[:-1] + stride
    before_gap[t.last_rows] = False
    regular = view.linked | view.is_last
    if stride > 1:
        regular[:-1] |= np.diff(steps) == stride
    uneven = np.unique(view.episode_of_row[~regular])
    for episode in uneven.tolist():
        span = slice(t.offsets[episode], t.offsets[episode + 1])
        own = steps[span]
        if (runs := _runs(own)) is not None:
            restarts[t.offsets[episode] + runs - 1] = True
            disordered[span] = False
            continue
        known, first_place = np.unique(own, return_index=True)
        again = np.ones(len(own), dtype=bool)
        again[first_place] = False
        repeated[span] = again
        missing[episode] = int(known[-1] - known[0]) // stride + 1 - len(known)
    return EpisodeStructureValues(
        view.ids, lengths, starts, np.maximum(missing, 0), before_gap, repeated, disordered, restarts, stride,
        t.step_limit, _scattered(view),
    )  # fmt: skip


def _stride(view: EpisodeView) -> int:
    """Return the difference that at least nine in ten steps have to the next one; 1 where no other is so usual."""
    if view.linked.mean() >= 0.1:
        return 1
    rows = view.sampled_rows[~view.is_last[view.sampled_rows]]
    change = np.diff(view.trajectories.steps.astype(np.int64))[rows] if len(rows) else np.empty(0, dtype=np.int64)
    values, counts = np.unique(change, return_counts=True)
    if not len(values):
        return 1
    usual = int(values[np.argmax(counts)])
    return usual if usual > 1 and counts.max() >= 0.9 * len(change) else 1


def _runs(own: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return where the later runs start, if the numbers are nothing but runs (2 or more) from the same first number."""
    breaks = np.flatnonzero(np.diff(own) != 1) + 1
    lengths = np.diff(np.concatenate([[0], breaks, [len(own)]]))
    return breaks if len(breaks) and (own[breaks] == own[0]).all() and (lengths >= 2).all() else None


def _scattered(view: EpisodeView) -> int:
    """Return what the reader noted about episodes whose rows stand apart."""
    note = view.trajectories.provenance.mapping.get("episode_id", "")
    found = re.search(r"rows of ([\d,]+) of [\d,]+ episodes stand apart", note)
    return int(found.group(1).replace(",", "")) if found else 0
