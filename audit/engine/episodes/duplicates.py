"""Answers about episodes that are there twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.duplicates import DuplicateEpisodes, DuplicateEpisodeValues
from audit.facts import Fact
from audit.stats.hashing import Hashes, hash_rows, hash_runs, hash_segments

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

SPLITS = ("split", "fold", "subset", "partition")
SEEDS = ("seed", "reset_seed")
OFTEN = 5
"""Occurrences from which on a step repeats by itself: windows that were cut with overlap repeat it less often."""


@dataclass(frozen=True, slots=True)
class StepHashes(Fact):
    """A hash of each step and of each episode. Answer: `StepHashValues`."""

    rewards: bool


@dataclass(frozen=True, slots=True)
class StepHashValues:
    """uint64[N] and uint64[E]."""

    steps: Hashes
    episodes: Hashes


@answers(StepHashes)
def step_hashes(fact: StepHashes, view: EpisodeView) -> StepHashValues:
    """Hash observation, action and reward."""
    t = view.trajectories
    columns = [t.observations, t.actions] + ([t.rewards] if fact.rewards and t.rewards is not None else [])
    steps = hash_rows(columns, t.rows)
    return StepHashValues(steps, hash_segments(steps, t.offsets))


@answers(DuplicateEpisodes)
def duplicate_episodes(fact: DuplicateEpisodes, view: EpisodeView) -> DuplicateEpisodeValues:
    """Compare episodes by hash, then runs of steps by hash; equal hashes of 64 bits are taken as equal content."""
    t = view.trajectories
    against = view.reference
    rewards = t.rewards is not None and (against is None or against.trajectories.rewards is not None)
    own: StepHashValues = view.answer(StepHashes(rewards))
    _, first, inverse = np.unique(own.episodes, return_index=True, return_inverse=True)
    original = first[inverse]
    original[t.lengths == 0] = np.flatnonzero(t.lengths == 0)
    in_reference = np.zeros(t.episodes, dtype=bool)
    overlap_reference = np.zeros(t.episodes, dtype=np.int64)
    copies = original != np.arange(t.episodes)
    runs, places = _runs(own.steps, t.offsets, fact.window)
    if against is not None:
        theirs: StepHashValues = against.answer(StepHashes(rewards))
        in_reference = np.isin(own.episodes, theirs.episodes) & (t.lengths > 0)
        their_runs, _ = _runs(theirs.steps, against.trajectories.offsets, fact.window)
        shared = np.isin(runs, their_runs)
        overlap_reference = _covered(view, places[shared], fact.window)
    overlap, partner = _overlaps(view, runs, places, copies, fact.window)
    return DuplicateEpisodeValues(
        original, t.lengths, overlap, partner, in_reference, overlap_reference, _splits(view),
        t.source_files is None or len(np.unique(t.source_files)) <= 1, _other_seed(view, original),
        _repetitive(own.steps[~np.repeat(copies, t.lengths)]),
    )  # fmt: skip


def _runs(steps: Hashes, offsets: Places, window: int) -> tuple[Hashes, Places]:
    """Return the hash of each run of steps that lies inside one episode and moves, and the step that it starts with."""
    hashes = hash_runs(steps, window)
    inside = np.zeros(len(hashes), dtype=bool)
    lengths = np.diff(offsets)
    ends = np.repeat(offsets[1:], lengths)
    inside = np.arange(len(hashes)) + window <= ends[: len(hashes)]
    changed = np.concatenate([[0], np.cumsum(steps[1:] != steps[:-1])]) if len(steps) else np.empty(0, dtype=np.int64)
    moving = changed[window - 1 :][: len(hashes)] - changed[: len(hashes)] >= window - 2
    places = np.flatnonzero(inside & moving)
    return hashes[places], places


def _overlaps(view: EpisodeView, runs: Hashes, places: Places, copies: Flags, window: int) -> tuple[Places, Places]:
    """Return the steps of each episode in runs that an earlier episode has, and the earlier one; copies left out."""
    episodes = view.trajectories.episodes
    partner = np.full(episodes, -1, dtype=np.int64)
    ordered = np.sort(runs)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return np.zeros(episodes, dtype=np.int64), partner
    hit = np.isin(runs, again)
    runs, places = runs[hit], places[hit]
    episode = view.episode_of_row[places]
    keep = ~copies[episode]
    runs, places, episode = runs[keep], places[keep], episode[keep]
    _, first, inverse = np.unique(runs, return_index=True, return_inverse=True)
    earlier = episode[first][inverse]
    later = earlier < episode
    for e, other in zip(episode[later].tolist()[::-1], earlier[later].tolist()[::-1], strict=True):
        partner[e] = other
    return _covered(view, places[later], window), partner


def _covered(view: EpisodeView, starts: Places, window: int) -> Places:
    """Return how many steps of each episode lie in runs that start at these steps."""
    mark = np.zeros(view.rows + 1, dtype=np.int64)
    np.add.at(mark, starts, 1)
    np.add.at(mark, np.minimum(starts + window, view.rows), -1)
    total = np.concatenate([[0], np.cumsum(np.cumsum(mark[:-1]) > 0)])
    offsets = view.trajectories.offsets
    return np.asarray(total[offsets[1:]] - total[offsets[:-1]])


def _splits(view: EpisodeView) -> tuple[str, ...]:
    t = view.trajectories
    name = next((n for n in SPLITS if n in t.infos), None)
    if name is None or not t.episodes or (t.lengths == 0).any():
        return ()
    return tuple(map(str, t.infos[name][t.offsets[:-1]].tolist()))


def _other_seed(view: EpisodeView, original: Places) -> Flags:
    t = view.trajectories
    name = next((n for n in SEEDS if n in t.infos and t.infos[n].ndim == 1), None)
    if name is None or not t.rows:
        return np.zeros(t.episodes, dtype=bool)
    seeds = t.infos[name][np.minimum(t.offsets[:-1], t.rows - 1)]
    return np.asarray(seeds != seeds[original])


def _repetitive(steps: Hashes) -> float:
    """Return the share of the steps whose content occurs at least `OFTEN` times."""
    if not len(steps):
        return 0.0
    ordered = np.sort(steps)
    if len(ordered) >= OFTEN and not (ordered[OFTEN - 1 :] == ordered[: 1 - OFTEN]).any():
        return 0.0
    _, counts = np.unique(ordered, return_counts=True)
    return float(counts[counts >= OFTEN].sum() / len(ordered))
