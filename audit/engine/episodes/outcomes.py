"""Answers about how episodes end."""

from __future__ import annotations

import numpy as np

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.outcomes import SUCCESS, EpisodeOutcomes, EpisodeOutcomesValues

FLAGS = ("terminated", "truncated", "ended")


@answers(EpisodeOutcomes)
def episode_outcomes(_fact: EpisodeOutcomes, view: EpisodeView) -> EpisodeOutcomesValues:
    """Read the flags of each episode's last step."""
    t = view.trajectories
    filled = t.lengths > 0
    ends = np.full(t.episodes, 3, dtype=np.int64)
    places = np.flatnonzero(filled)
    for place, name in reversed(list(enumerate(FLAGS))):
        flag = getattr(t, name)
        if flag is not None:
            ends[places[flag[t.last_rows]]] = place
    known = view.following[1] if t.rows else np.zeros(0, dtype=bool)
    truncated_rows = t.last_rows[ends[places] == 1]
    name, success = _success(view)
    return EpisodeOutcomesValues(
        view.ids,
        t.lengths,
        ends,
        tuple(n for n in FLAGS if getattr(t, n) is not None),
        success,
        name,
        int(known[truncated_rows].sum()),
    )


def _success(view: EpisodeView) -> tuple[str, Flags | None]:
    t = view.trajectories
    for name in SUCCESS:
        values = t.infos.get(name)
        if values is not None and values.ndim == 1 and values.dtype.kind in "biuf":
            true = np.nan_to_num(np.asarray(values, dtype=np.float64)) > 0
            done = np.zeros(t.episodes, dtype=bool)
            done[np.unique(view.episode_of_row[true])] = True
            return name, done
    return "", None
