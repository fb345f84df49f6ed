"""Leaving steps out of episodes and cutting episodes, so that no transition jumps over what is gone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.trajectories import PER_ROW, Flags, Rows, Trajectories

EDGE = "edge of the shift"
NO_NEXT = "no next observation"


@dataclass(slots=True)
class Cuts:
    """Where episodes are to be cut and which steps leave, each with the id of the repair that wants it.

    Attributes:
        after: bool[N], the episode ends after this step.
        gone: bool[N], the step leaves.
        trusted: bool[N], the observation of a step that leaves is right, so that the step before can end with it.
        cut_by: how many cuts each repair made; known when all is done.
    """

    after: Flags
    gone: Flags
    trusted: Flags
    _splitter: NDArray[np.int32]
    _dropper: NDArray[np.int32]
    _names: list[str] = field(default_factory=list)
    cut_by: Counter[str] = field(default_factory=Counter)

    @classmethod
    def none(cls, rows: int) -> Cuts:
        """Return no cuts at all."""
        after, gone = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
        nobody = np.full(rows, -1, dtype=np.int32)
        return cls(after, gone, np.ones(rows, dtype=bool), nobody, nobody.copy())

    def split(self, rows: Rows, name: str) -> None:
        """Cut after some steps; the first repair that asks for a cut gives its name."""
        new = rows[~self.after[rows]]
        self.after[new] = True
        self._splitter[new] = self._number(name)

    def drop(self, rows: Rows, name: str, *, trusted: bool, edge: bool = False) -> None:
        """Leave some steps out; the first repair that asks for it gives its name."""
        self.trusted[rows] &= trusted
        self._leave(rows, f"{name}: {EDGE}" if edge else name)

    def drop_without_next(self, rows: Rows) -> None:
        """Leave out steps before a cut whose next observation is not known, in the name of who made the cut."""
        causes = self._causes(rows)
        for cause in np.unique(causes).tolist():
            self._leave(rows[causes == cause], f"{self._owner(cause)}: {NO_NEXT}")

    def count(self, ends: Rows) -> None:
        """Count the cuts behind some steps under the name of who made them."""
        causes, counts = np.unique(self._causes(ends), return_counts=True)
        for cause, count in zip(causes.tolist(), counts.tolist(), strict=True):
            self.cut_by[self._owner(cause)] += count

    def dropped(self) -> dict[str, Rows]:
        """Return the steps that leave, by name."""
        return {name: np.flatnonzero(self._dropper == number) for number, name in enumerate(self._names)}

    def _leave(self, rows: Rows, name: str) -> None:
        new = rows[~self.gone[rows]]
        self.gone[new] = True
        self._dropper[new] = self._number(name)

    def _causes(self, ends: Rows) -> NDArray[np.int32]:
        """Return who cut behind some steps: who split there, else who dropped the step behind."""
        behind = np.minimum(ends + 1, len(self.gone) - 1)
        return np.where(self.after[ends], self._splitter[ends], self._dropper[behind])

    def _owner(self, number: int) -> str:
        return self._names[number].partition(": ")[0]

    def _number(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)


@dataclass(frozen=True, slots=True)
class _Ends:
    """Kept steps that end an episode anew, and whether kept steps of the source's episode come behind them."""

    rows: Rows
    inner: Flags


def cut_episodes(t: Trajectories, cuts: Cuts, leaving: Flags) -> tuple[Trajectories, Rows]:
    """Return what is left of the episodes that are not `leaving` (bool[E]), cut, and the place of each step in `t`.

    A part that ends where its episode went on is truncated there, with its real final observation where that is known:
    the source gives it, or it is the observation of the step that left and that is not what was wrong with it. Where it
    is not known, the last step leaves, too. Nothing of that is asked of data without end flags, nor of a step that is
    terminated. A split is no transition, so the observation behind it is no next observation.
    """
    cutter = _Cutter.of(t, cuts, leaving)
    while True:
        ends = cutter.ends()
        unknown = cutter.without_next(ends.rows)
        if not len(unknown):
            break
        cuts.drop_without_next(unknown)
    kept = cutter.kept
    if kept.all() and not len(ends.rows) and not leaving.any():
        return t, np.arange(t.rows)
    cuts.count(ends.rows[ends.inner])
    return cutter.assembled(ends), np.flatnonzero(kept)


@dataclass(frozen=True, slots=True)
class _Cutter:
    """The trajectories, what is cut and dropped, and what is derived from both once.

    Attributes:
        episode: int64[N], the place of each step's episode.
        last: bool[N], the last step of an episode in the source.
        linked: bool[N], the next row is the next step of the same episode.
        given: bool[N], the source gives a next observation, and it is finite.
    """

    t: Trajectories
    cuts: Cuts
    leaving: Flags
    episode: Rows
    last: Flags
    linked: Flags
    given: Flags

    @classmethod
    def of(cls, t: Trajectories, cuts: Cuts, leaving: Flags) -> _Cutter:
        last, given = (np.zeros(t.rows, dtype=bool) for _ in range(2))
        last[t.last_rows] = True
        if t.next_observations is not None:
            said = True if t.has_next is None else t.has_next
            given = np.asarray(np.isfinite(t.next_observations).all(axis=1) & said)
        return cls(t, cuts, leaving, t.episode_of_row, last, t.linked, given)

    @property
    def kept(self) -> Flags:
        return ~self.cuts.gone & ~self.leaving[self.episode]

    def ends(self) -> _Ends:
        """Return the kept steps behind which an episode is cut, or ends earlier than in the source."""
        rows = np.flatnonzero(self.kept)
        if not len(rows):
            return _Ends(rows, np.zeros(0, dtype=bool))
        behind = np.append(rows[1:], self.t.rows)  # the next step that is kept
        inner = np.zeros(len(rows), dtype=bool)
        inner[:-1] = self.episode[rows[1:]] == self.episode[rows[:-1]]
        cuts = np.concatenate([[0], np.cumsum(self.cuts.after)])
        gap = behind > rows + 1
        gap[:-1] &= self.t.steps[rows[1:]] != self.t.steps[rows[:-1]] + 1  # not where only a copy has left
        chosen = np.where(inner, (cuts[behind] > cuts[rows]) | gap, ~self.last[rows])
        return _Ends(rows[chosen], inner[chosen])

    def without_next(self, ends: Rows) -> Rows:
        """Return the ends whose next observation is needed and not known."""
        t = self.t
        if t.terminated is None or not len(ends):
            return ends[:0]
        ends = ends[~t.terminated[ends]]
        given = self.given[ends].copy()
        if t.next_observations is not None:  # at a split, the observation behind it, written out, is a leak
            behind = np.minimum(ends + 1, t.rows - 1)
            split = self.cuts.after[ends] & ~self.last[ends]
            given &= ~(split & (t.next_observations[ends] == t.observations[behind]).all(axis=1))
        return ends[~(given | self._told_by_the_row_behind(ends))]

    def _told_by_the_row_behind(self, ends: Rows) -> Flags:
        """Whether the step behind an end, which leaves, tells how the step ended."""
        behind = np.minimum(ends + 1, self.t.rows - 1)
        right = self.cuts.trusted[behind] & np.isfinite(self.t.observations[behind]).all(axis=1)
        return np.asarray(self.linked[ends] & ~self.cuts.after[ends] & right)

    def assembled(self, ends: _Ends) -> Trajectories:
        """Return the kept steps as trajectories."""
        t, rows = self.t, np.flatnonzero(self.kept)
        changes = self._ended(ends.rows)
        cut = np.zeros(t.rows, dtype=bool)
        cut[ends.rows[ends.inner]] = True
        starts = np.ones(len(rows), dtype=bool)
        starts[1:] = (self.episode[rows[1:]] != self.episode[rows[:-1]]) | cut[rows[:-1]]
        first = np.flatnonzero(starts)
        lengths = np.diff(np.append(first, len(rows)))
        empty = np.flatnonzero((t.lengths == 0) & ~self.leaving)  # episodes without a step stay where they are
        of = np.concatenate([self.episode[rows[first]], empty])
        order = np.argsort(of, kind="stable")
        lengths = np.concatenate([lengths, np.zeros(len(empty), np.int64)])[order]
        for name in PER_ROW:
            array = changes.get(name, getattr(t, name))
            changes[name] = None if array is None else array[rows]
        changes["steps"] = self._numbered(rows, first, changes["steps"])
        return replace(
            t,
            episode_ids=_ids(t, of[order]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            infos={name: array[rows] for name, array in t.infos.items()},
            source_files=None if t.source_files is None else t.source_files[of[order]],
            **changes,
        )

    def _ended(self, ends: Rows) -> dict[str, Any]:
        """Return the flags and the next observations with the new ends in them."""
        t = self.t
        changes: dict[str, Any] = {}
        if not len(ends):
            return changes
        open_ends = ends if t.terminated is None else ends[~t.terminated[ends]]
        for name, rows in (("truncated", open_ends), ("ended", ends)):
            flags = getattr(t, name)
            if flags is not None:
                changes[name] = flags.copy()
                changes[name][rows] = True
        need = open_ends[~self.given[open_ends]]
        if t.terminated is None or not len(need):
            return changes
        after = np.full_like(t.observations, np.nan)
        known = np.zeros(t.rows, dtype=bool)
        if t.next_observations is not None:
            after = t.next_observations.copy()
            known = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next.copy()
        after[need] = t.observations[need + 1]
        known[need] = True
        return changes | {"next_observations": after, "has_next": known}

    def _numbered(self, rows: Rows, first: Rows, steps: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return step numbers: parts that do not begin where their episode did are counted from 0."""
        if not len(rows):
            return steps
        begins = np.zeros(self.t.rows, dtype=bool)
        begins[self.t.offsets[:-1][self.t.lengths > 0]] = True
        lowest = np.where(begins[rows[first]], 0, np.minimum.reduceat(steps, first))
        return np.asarray(steps - np.repeat(lowest, np.diff(np.append(first, len(rows)))), dtype=np.int32)


def _ids(t: Trajectories, of: Rows) -> NDArray[Any]:
    """Return the ids of the parts: as they were where no episode has two parts, else all as text."""
    parts = np.bincount(of, minlength=t.episodes)
    if not (parts > 1).any():
        return t.episode_ids[of]
    texts = [str(identity) for identity in t.episode_ids.tolist()]
    known, cut = set(texts), np.flatnonzero(parts > 1).tolist()
    mark = "."
    while any(f"{texts[episode]}{mark}{n}" in known for episode in cut for n in range(1, parts[episode] + 1)):
        mark += "."
    number: Counter[int] = Counter()
    names = []
    for episode in of.tolist():
        number[episode] += 1
        names.append(f"{texts[episode]}{mark}{number[episode]}" if parts[episode] > 1 else texts[episode])
    return np.array(names)
