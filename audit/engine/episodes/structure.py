"""Answers about step numbers."""

from __future__ import annotations

import re

import numpy as np

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
    before_gap = np.zeros(t.rows, dtype=bool)
    before_gap[:-1] = steps[1:] > steps[:-1] + 1
    before_gap[t.last_rows] = False
    regular = view.linked | view.is_last
    uneven = np.unique(view.episode_of_row[~regular])
    for episode in uneven.tolist():
        span = slice(t.offsets[episode], t.offsets[episode + 1])
        own = steps[span]
        known, first_place = np.unique(own, return_index=True)
        again = np.ones(len(own), dtype=bool)
        again[first_place] = False
        repeated[span] = again
        missing[episode] = int(known[-1] - known[0]) + 1 - len(known)
    return EpisodeStructureValues(
        view.ids, lengths, starts, missing, before_gap, repeated, disordered, _scattered(view)
    )


def _scattered(view: EpisodeView) -> int:
    """Return what the reader noted about episodes whose rows stand apart."""
    note = view.trajectories.provenance.mapping.get("episode_id", "")
    found = re.search(r"rows of ([\d,]+) of [\d,]+ episodes stand apart", note)
    return int(found.group(1).replace(",", "")) if found else 0
