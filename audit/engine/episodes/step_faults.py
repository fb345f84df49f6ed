"""Which observation, or which transition, is wrong where a change is not explained: walk along the episode.

A wrong observation spoils two changes, the one into it and the one out of it, and what comes after it still follows
from what came before. A wrong transition (another action was taken, steps are missing) spoils one, and a new chain
starts there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.transition_model import Model, shifted
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.dynamics import STEP_KINDS
from audit.stats.trimmed_regression import FAR

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

OBSERVATION, TRANSITION = STEP_KINDS.index("observation"), STEP_KINDS.index("transition")
MOST_PENDING = 10
"""Wrong observations in a row after which what follows counts as a new chain."""
MOST_STEPS = 1_000_000


def step_faults(view: EpisodeView, model: Model, good: Flags, judged: Flags, far: Flags) -> NDArray[np.int8]:
    """Return int8[N], places in `STEP_KINDS`: where an outlying change comes from.

    Args:
        view: the trajectories.
        model: of the dynamics.
        good: bool[q], moving entries that are judged.
        judged: bool[N], changes that were judged.
        far: bool[N], changes that are outliers; only episodes with some are walked along.
    """
    kinds = np.zeros(view.rows, dtype=np.int8)
    t = view.trajectories
    before = np.maximum(np.arange(view.rows) - 1, 0)
    beside = far & ((far[before] & view.linked[before]) | np.append(far[1:] & view.linked[:-1], False))
    kinds[far] = TRANSITION
    episodes = np.unique(view.episode_of_row[beside])
    episodes = episodes[np.cumsum(t.lengths[episodes]) <= MOST_STEPS]
    if len(episodes):
        starts, stops = t.offsets[episodes], t.offsets[episodes + 1]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            kinds[start:stop] = 0
        _walk(view, model, good, fine=judged & ~far, far=far, starts=starts, stops=stops, kinds=kinds)
    return kinds


def _walk(
    view: EpisodeView,
    model: Model,
    good: Flags,
    *,
    fine: Flags,
    far: Flags,
    starts: Places,
    stops: Places,
    kinds: NDArray[np.int8],
) -> None:
    """Walk along all episodes at once, from the first change that is explained; mark steps in `kinds`."""
    observations = view.trajectories.observations
    entries, noise = model.entries, model.fit.noise
    at = np.array([_first(fine, a, b) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)])
    for a, b in zip(starts.tolist(), at.tolist(), strict=True):
        kinds[a:b][far[a:b]] = OBSERVATION  # before the first explained change: wrong until there
    state = observations[np.minimum(at, len(observations) - 1)].astype(np.float64)
    pending = np.zeros(len(at), dtype=np.int64)
    stop_at = stops - 1
    while True:
        on = np.flatnonzero(at < stop_at)
        if not len(on):
            break
        rows = at[on]
        step = model.predict(view, state[on], shifted(view, rows, model.lag)[0])
        state[on[:, None], entries] += step
        at[on] += 1
        rows = at[on]
        seen = observations[rows].astype(np.float64)
        off = (np.abs(seen[:, entries] - state[on][:, entries]) / noise)[:, good].max(axis=1)
        # a change that was not judged (unknown, frozen, at an end stop) leads anywhere
        unknown = ~fine[rows - 1] & ~far[rows - 1]
        as_expected = (off <= FAR * (1 + pending[on])) | unknown
        new_chain = ~as_expected & (fine[rows] | (pending[on] >= MOST_PENDING) | ~np.isfinite(off))
        waiting = ~as_expected & ~new_chain
        for place in np.flatnonzero(as_expected & (pending[on] > 0)).tolist():
            row = int(rows[place])
            kinds[row - pending[on[place]] : row] = OBSERVATION
        for place in np.flatnonzero(new_chain).tolist():
            row = int(rows[place])
            span = slice(row - int(pending[on[place]]) - 1, row)
            kinds[span][far[span]] = TRANSITION
        settled = ~waiting
        state[on[settled]] = seen[settled]
        # entries that the model does not follow are taken as they are
        free = np.ones(observations.shape[1], dtype=bool)
        free[entries[good]] = False
        state[np.ix_(on, np.flatnonzero(free))] = seen[:, free]
        pending[on[settled]] = 0
        pending[on[waiting]] += 1
    for place in np.flatnonzero(pending > 0).tolist():  # the last steps of the episode
        row = int(at[place])
        kinds[row - pending[place] + 1 : row + 1] = OBSERVATION


def _first(fine: Flags, start: int, stop: int) -> int:
    places = np.flatnonzero(fine[start:stop])
    return int(start + places[0]) if len(places) else stop
