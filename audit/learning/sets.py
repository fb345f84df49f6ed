"""The sets of data that a comparison learns from, and the episodes that nothing is learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.cleaning import Cleaned
from audit.stats.hashing import Hashes, hash_rows, hash_segments
from rl_data.trajectories import Flags, Trajectories

LEAST_HELD_OUT = 4
"""Episodes below which an evaluation on them says nothing."""
MOST_COPIES = 0.5
"""Share of a set that may be copies of held-out episodes; beyond it they are how the set is, and no accident."""
LARGER = 1.05
"""A pristine set with more than this many times the raw set's steps is thinned: more data would win by itself."""


@dataclass(frozen=True, slots=True)
class LearningSet:
    """Data to learn from."""

    name: str
    what: str
    data: Trajectories


@dataclass(frozen=True, slots=True)
class LearningSets:
    """All data of a comparison, and the episodes that nothing is learned from.

    Attributes:
        learned_from: raw first; then clean, pristine and control where there are any.
        held_out: clean episodes for evaluation; None without.
        changed: whether cleaning changed anything.
        notes: what was left out, one sentence each.
    """

    learned_from: tuple[LearningSet, ...]
    held_out: Trajectories | None
    changed: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """Episodes for evaluation: as cleaning left them, and as they came."""

    clean: Trajectories
    source: Trajectories
    chosen: Flags
    pieces: Flags


def learning_sets(cleaned: Cleaned, pristine: Trajectories | None, share: float) -> LearningSets:
    """Return raw, clean, pristine and a control that lost as many random steps, in whole episodes, as cleaning took.

    Args:
        cleaned: what cleaning did.
        pristine: the same data without faults, where there is such a set.
        share: of the episodes that nothing is learned from. They leave every set, and so do exact copies of them and,
            from the pristine set, the episodes that they were before the faults.
    """
    source, clean = cleaned.source, cleaned.repaired.clean
    draws = np.random.default_rng(cleaned.result.settings["seed"])
    changed = not cleaned.unchanged
    raw = source
    notes: list[str] = []
    held = _hold_out(cleaned, share, draws) if share and source.rewards is not None else None
    if held is not None:
        raw, clean = source.take(np.flatnonzero(~held.chosen)), clean.take(np.flatnonzero(~held.pieces))
        raw, told_raw = without_copies(raw, held, "raw")
        clean, told_clean = without_copies(clean, held, "clean")
        notes += [*told_raw, *(told_clean if changed else ())]
    found = [LearningSet("raw", "as it came", raw)]
    if changed:
        found.append(LearningSet("clean", "after cleaning", clean))
    if pristine is not None:
        best, told = _pristine(pristine, raw, held, draws)
        found.append(best)
        notes += told
    lost = raw.rows - clean.rows
    if changed and lost > 0:
        what = f"raw, less {lost:,} steps of random episodes"
        found.append(LearningSet("control", what, thinned(raw, lost, draws)))
    return LearningSets(tuple(found), None if held is None else held.clean, changed, tuple(notes))


def _hold_out(cleaned: Cleaned, share: float, draws: np.random.Generator) -> _HeldOut | None:
    """Choose source episodes of which something is left in the clean set; None where there are too few."""
    source, repaired = cleaned.source, cleaned.repaired
    first = source.episode_of_row[repaired.kept][repaired.clean.offsets[:-1]]
    known = np.unique(first)
    count = int(share * len(known))
    if count < LEAST_HELD_OUT:
        return None
    chosen = np.zeros(source.episodes, dtype=bool)
    chosen[draws.choice(known, count, replace=False)] = True
    pieces = chosen[first]
    held = repaired.clean.take(np.flatnonzero(pieces))
    return _HeldOut(held, source.take(np.flatnonzero(chosen)), chosen, pieces)


def without_copies(t: Trajectories, held: _HeldOut, name: str) -> tuple[Trajectories, tuple[str, ...]]:
    """Return a set without the episodes whose observations are those of a held-out one, and how many these were.

    Where they are most of the set, a deterministic policy in a deterministic environment makes the same episode again
    and again; they are kept then, and this is said.
    """
    copies = _copies(t, held)
    count = int(copies.sum())
    if not count:
        return t, ()
    if count > MOST_COPIES * t.episodes:
        return t, (f"{name}: {count:,} of {t.episodes:,} episodes are equal to held-out ones: too many to leave out",)
    words = "1 episode is a copy of a held-out one and was" if count == 1 else (
        f"{count:,} episodes are copies of held-out ones and were"
    )  # fmt: skip
    return t.take(np.flatnonzero(~copies)), (f"{name}: {words} left out",)


def _copies(t: Trajectories, held: _HeldOut) -> Flags:
    """Return bool[E]: episodes with the observations of a held-out one, as it came or as cleaning left it."""
    known = np.concatenate([_contents(held.clean), _contents(held.source)])
    return np.asarray(np.isin(_contents(t), known) & (t.lengths > 0))


def _contents(t: Trajectories) -> Hashes:
    """Return the hash of each episode's observations; actions and rewards may be what the faults are in."""
    return hash_segments(hash_rows([t.observations], t.rows), t.offsets)


def _pristine(
    t: Trajectories, raw: Trajectories, held: _HeldOut | None, draws: np.random.Generator
) -> tuple[LearningSet, tuple[str, ...]]:
    """Return the set without what is held out, as large as raw, and what was kept although it is held out."""
    what = "without faults to begin with"
    notes: tuple[str, ...] = ()
    if held is not None:
        others = t.take(np.flatnonzero(~_namesakes(t, held.source)))
        t, notes = without_copies(others, held, "pristine")
        notes = notes if t is others else ()  # what was left out are the held-out episodes themselves
    surplus = t.rows - raw.rows
    if t.rows > LARGER * raw.rows:
        t, what = thinned(t, surplus, draws), f"{what}, less {surplus:,} steps of random episodes: as large as raw"
    return LearningSet("pristine", what, t), notes


def _namesakes(t: Trajectories, held: Trajectories) -> Flags:
    """Return bool[E]: episodes with the id of a held-out one that can be it.

    Both are numbered from 0 where sources have no ids: the same number means the same episode only if the two are as
    long, or have an observation in common.
    """
    places = {str(name): place for place, name in enumerate(held.episode_ids.tolist())}
    found = np.zeros(t.episodes, dtype=bool)
    ours, theirs = hash_rows([t.observations], t.rows), hash_rows([held.observations], held.rows)
    for episode, name in enumerate(t.episode_ids.tolist()):
        place = places.get(str(name))
        if place is not None:
            span = slice(t.offsets[episode], t.offsets[episode + 1])
            other = slice(held.offsets[place], held.offsets[place + 1])
            same_length = t.lengths[episode] == held.lengths[place]
            found[episode] = same_length or bool(np.isin(ours[span], theirs[other]).any())
    return found


def thinned(t: Trajectories, steps: int, draws: np.random.Generator) -> Trajectories:
    """Return the trajectories without random episodes that have about so many steps together."""
    order = draws.permutation(t.episodes)
    gone = int(np.searchsorted(np.cumsum(t.lengths[order]), steps, side="left")) + 1
    return t.take(np.sort(order[min(gone, t.episodes - 1) :]))
