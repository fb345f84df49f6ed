"""Trajectories as the engine sees them, with what several facts need derived once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import ANSWERS
from audit.facts import Fact
from audit.findings import Basis
from rl_data.trajectories import Trajectories

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass
class EpisodeView:
    """One set of trajectories, and the answers so far.

    Attributes:
        trajectories: as read, faults included.
        sample: most steps that a model is fitted on.
        seed: of every random choice.
        reference: the trajectories to compare with (`--ref`), or None.
    """

    trajectories: Trajectories
    sample: int
    seed: int
    reference: EpisodeView | None = None
    _answers: dict[Fact, Any] = field(default_factory=dict, repr=False)
    _locks: defaultdict[Fact, Lock] = field(default_factory=lambda: defaultdict(Lock), repr=False)
    _guard: Lock = field(default_factory=Lock, repr=False)

    def answer(self, fact: Fact) -> Any:
        """Return the answer to a fact, computed at most once; facts that rest on others ask here, too.

        Raises:
            Exception: whatever the fact's function raises.
        """
        with self._guard:
            own = self._locks[fact]
        with own:  # who comes second waits for the first; facts rest on one another in one direction only
            if fact not in self._answers:
                self._answers[fact] = ANSWERS[type(fact)](fact, self)
            return self._answers[fact]

    @property
    def rows(self) -> int:
        """Number of steps, N."""
        return self.trajectories.rows

    @property
    def basis(self) -> Basis:
        """What a number over all steps rests on."""
        return Basis(self.rows, self.rows, unit="steps")

    def basis_of(self, rows: int) -> Basis:
        """Return what a number rests on that used `rows` of the steps."""
        if rows >= self.rows:
            return self.basis
        return Basis(rows, self.rows, self.seed, 0.98 / rows**0.5 if rows else None, unit="steps")

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Return the episodes' ids as text."""
        return tuple(map(str, self.trajectories.episode_ids.tolist()))

    @cached_property
    def episode_of_row(self) -> Places:
        """int64[N]: the place (0 .. E-1) of each step's episode."""
        return self.trajectories.episode_of_row

    @cached_property
    def linked(self) -> Flags:
        """bool[N]: whether the next row is the next step of the same episode (its number is one higher)."""
        return self.trajectories.linked

    @cached_property
    def is_last(self) -> Flags:
        """bool[N]: the last row of an episode."""
        last = np.zeros(self.rows, dtype=bool)
        last[self.trajectories.last_rows] = True
        return last

    @cached_property
    def following(self) -> tuple[NDArray[np.float32], Flags]:
        """Return float32[N, d], the observation after each step, and bool[N], where it is known.

        What the source gives as next observation counts; else the observation of the next row where it is `linked`.
        Where it is not known the row repeats the observation itself, so mask with the flags.
        """
        t = self.trajectories
        following = t.observations.copy()
        following[:-1][self.linked[:-1]] = t.observations[1:][self.linked[:-1]]
        known = self.linked.copy()
        if t.next_observations is not None:
            given = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next
            following[given] = t.next_observations[given]
            known |= given
        return following, known

    @cached_property
    def finite(self) -> Flags:
        """bool[N]: observation, action and (where there is one) reward are finite numbers."""
        t = self.trajectories
        finite = np.isfinite(t.observations).all(axis=1)
        if t.actions.ndim == 2:
            finite &= np.isfinite(t.actions).all(axis=1)
        if t.rewards is not None:
            finite &= np.isfinite(t.rewards)
        return np.asarray(finite)

    @cached_property
    def sampled_episodes(self) -> Places:
        """int64[<= E]: places of whole episodes, a seeded choice with at most `sample` steps together, in order.

        At least one episode; every episode where all steps fit.
        """
        t = self.trajectories
        if t.rows <= self.sample:
            return np.arange(t.episodes)
        order = np.random.default_rng(self.seed).permutation(t.episodes)
        most = max(int(np.searchsorted(np.cumsum(t.lengths[order]), self.sample, side="right")), 1)
        return np.sort(order[:most])

    @cached_property
    def sampled_rows(self) -> Places:
        """int64[<= N]: the steps of `sampled_episodes`, in order."""
        t = self.trajectories
        if len(self.sampled_episodes) == t.episodes:
            return np.arange(t.rows)
        chosen = np.zeros(t.episodes, dtype=bool)
        chosen[self.sampled_episodes] = True
        return np.flatnonzero(np.repeat(chosen, t.lengths))

    def action_matrix(self, rows: Places | slice = slice(None)) -> NDArray[np.float32]:
        """Return the actions of some steps as float32[n, k]: vectors as they are, choices one-hot."""
        t = self.trajectories
        actions = t.actions[rows]
        if actions.ndim == 2:
            return np.asarray(actions, dtype=np.float32)
        return np.asarray(actions[:, None] == np.arange(max(t.action_space.size, 1)), dtype=np.float32)
