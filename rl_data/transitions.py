"""Trajectories as tensors to learn from: each row with its own next observation, or left out and counted.

    terminated row                        its next observation is never used: the bootstrap is masked
    given next observation                that one
    next row of the episode, next step    its observation
    anything else                         unknown: the row is left out (the last row of a truncated episode, a gap)

A next observation is never made up: neither the row's own nor the next episode's first stands in for it.

A gap or a flag inside an episode breaks it into stretches. What is carried from row to row (advantages, ratios,
discounts, a next action) ends with a stretch; what belongs to an episode (its return, on which side of a split it lies)
goes by `Transitions.episode_of_stretch`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl_data.errors import DataError
from rl_data.trajectories import Trajectories


@dataclass(frozen=True, slots=True)
class Problem:
    """What a policy sees and does.

    Attributes:
        observation_size: length of the observation vector.
        discrete: whether actions are numbers of choices.
        action_size: number of choices, or length of the action vector.
        low: lower bounds of continuous actions, as declared, else as seen in the data; None for discrete ones.
        high: upper bounds.
    """

    observation_size: int
    discrete: bool
    action_size: int
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Transitions:
    """One row a transition; rows of an episode stay together and in order.

    Attributes:
        observations: float32[N, d]
        actions: int64[N] (discrete) or float32[N, k], in the units of the data.
        rewards: float32[N]; zeros where the data have none (`has_rewards` is False).
        next_observations: float32[N, d]; zeros at terminated rows, where it does not matter.
        terminated: bool[N]
        truncated: bool[N]: the last row of a stretch that did not end the task.
        offsets: int64[S + 1]: the rows of each stretch, each row the next step of the one before; S = E without gaps.
        episode_of_stretch: int64[S]: its episode, 0 .. E - 1, counting those that have any rows left.
        begins: bool[S]: whether the stretch begins where its episode does.
        problem: what a policy sees and does.
        has_rewards: whether the data have rewards.
        notes: what was left out or looks wrong, in words.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminated: Tensor
    truncated: Tensor
    offsets: Tensor
    episode_of_stretch: Tensor
    begins: Tensor
    problem: Problem
    has_rewards: bool = True
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of transitions."""
        return len(self.observations)

    @property
    def episodes(self) -> int:
        """Number of recorded episodes that have any rows left."""
        return int(self.episode_of_stretch[-1]) + 1

    @property
    def episode_of_row(self) -> Tensor:
        """int64[N]: the recorded episode of each row, whatever gaps are in it."""
        return torch.repeat_interleave(self.episode_of_stretch, self.offsets.diff())

    def to(self, device: torch.device) -> Transitions:
        """Return the same on a device."""
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in TENSORS}
        return replace(self, **moved)


TENSORS = (
    "observations", "actions", "rewards", "next_observations", "terminated", "truncated", "offsets",
    "episode_of_stretch", "begins",
)  # fmt: skip
"""The fields of `Transitions` that are tensors."""


def problem_of(trajectories: Trajectories) -> Problem:
    """Return what a policy for these data sees and does."""
    size = trajectories.observations.shape[1]
    space, actions = trajectories.action_space, trajectories.actions
    if trajectories.discrete:
        seen = int(actions.max()) + 1 if len(actions) else 1
        return Problem(size, True, max(space.size, seen))
    low, high = space.low, space.high
    if low is None or high is None or not np.isfinite([*low, *high]).all():
        low, high = tuple(actions.min(0).tolist()), tuple(actions.max(0).tolist())
    return Problem(size, False, actions.shape[1], low, high)


def transitions(trajectories: Trajectories, *, ends: str | None = None, imitation: bool = False) -> Transitions:
    """Return the transitions that can be learned from.

    Args:
        trajectories: as read.
        ends: what the end of an episode means where the data cannot tell: "terminated" or "truncated".
        imitation: only what was done where counts, not what came of it: every row is kept, `next_observations` are
            zeros, and the data need not tell how episodes end.

    Raises:
        DataError: a value is NaN or infinite, no row can be used, or the data cannot tell how episodes end and `ends`
            does not say it.
    """
    t = trajectories
    if t.rows == 0:
        raise DataError(f"{t.provenance.uri}: there are no transitions to learn from")
    terminated = _terminated(t, ends or ("truncated" if imitation else None))
    given = np.zeros(t.rows, dtype=bool) if imitation or t.next_observations is None else _given(t)
    check_finite(t, given & ~terminated)
    last = np.zeros(t.rows, dtype=bool)
    last[t.last_rows] = True
    follows = t.linked
    if t.truncated is not None:
        follows &= ~t.truncated
    following = np.zeros_like(t.observations, dtype=np.float32)
    if not imitation:
        rows = np.flatnonzero(follows)
        following[rows] = t.observations[rows + 1]
        if t.next_observations is not None:
            following[given] = t.next_observations[given]
        following[terminated] = 0.0
    kept = np.ones(t.rows, dtype=bool) if imitation else terminated | given | follows
    if not kept.any():
        raise DataError(f"{t.provenance.uri}: no row has a next observation: nothing can be learned from it")
    offsets, episode, begins = _stretches(t, kept, follows & ~terminated)
    terminated = terminated[kept]
    truncated = np.zeros(len(terminated), dtype=bool)
    truncated[offsets[1:] - 1] = ~terminated[offsets[1:] - 1]
    rewards = np.zeros(t.rows, np.float32) if t.rewards is None else t.rewards
    kind = np.int64 if t.discrete else np.float32
    return Transitions(
        _tensor(t.observations[kept], np.float32),
        _tensor(t.actions[kept], kind),
        _tensor(rewards[kept], np.float32),
        _tensor(following[kept], np.float32),
        _tensor(terminated, np.bool_),
        _tensor(truncated, np.bool_),
        _tensor(offsets, np.int64),
        _tensor(episode, np.int64),
        _tensor(begins, np.bool_),
        problem_of(t),
        t.rewards is not None,
        () if imitation else (*_notes(t, kept, last, terminated), *_broken(episode, begins)),
    )


def check_finite(t: Trajectories, needed: NDArray[np.bool_]) -> None:
    """Raise DataError at the first NaN or infinite value, with its column, its row and the check that finds it.

    `needed` says at which rows the next observation, where the data have one, is used: bool[rows].
    """
    for column, array, names in (
        ("observation", t.observations, t.observation_space.names),
        ("action", t.actions, t.action_space.names),
        ("reward", t.rewards, ()),
        ("next_observation", None if t.next_observations is None else t.next_observations[needed], ()),
    ):
        if array is None or array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        bad = ~np.isfinite(array)
        place = np.argwhere(bad)[0]
        name = column if array.ndim == 1 else f"{column}_{place[1]}"
        if array.ndim == 2 and len(names) == array.shape[1]:
            name += f" ({names[place[1]]})"
        what = "NaN" if np.isnan(array[tuple(place)]) else "infinite"
        where = f"row {place[0]}" if column != "next_observation" else "a next observation"
        count = int(bad.reshape(len(bad), -1).any(axis=1).sum())
        raise DataError(
            f"{t.provenance.uri}: {name} is {what} at {where}, and {count:,} rows have such values: training turns "
            "every weight into NaN; `audit run` finds them with the check COM001 (missing-values); drop these rows, or "
            "repair their source"
        )


def _tensor(array: NDArray[Any], kind: Any) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=kind))


def _stretches(
    t: Trajectories, kept: NDArray[np.bool_], goes_on: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return offsets, episode of each stretch, and whether the stretch begins where the episode does.

    Args:
        t: as read.
        kept: bool[rows of t]: which rows can be used.
        goes_on: bool[rows of t]: whether the next row is what came of this one.
    """
    first = np.ones(t.rows, dtype=bool)
    first[1:] = ~goes_on[:-1]
    _, rows, lengths = np.unique(np.cumsum(first)[kept], return_index=True, return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    source = np.flatnonzero(kept)[rows]
    of_source = t.episode_of_row[source]
    return offsets, np.unique(of_source, return_inverse=True)[1], source == t.offsets[of_source]


def _given(t: Trajectories) -> NDArray[np.bool_]:
    return np.ones(t.rows, dtype=bool) if t.has_next is None else np.asarray(t.has_next, dtype=bool)


def _terminated(t: Trajectories, ends: str | None) -> NDArray[np.bool_]:
    if ends not in (None, "terminated", "truncated"):
        raise DataError(f"ends must be 'terminated' or 'truncated', not {ends!r}")
    if t.terminated is not None:
        return np.asarray(t.terminated, dtype=bool)
    if t.rewards is None and ends is None:
        ends = "truncated"  # imitation needs neither rewards nor ends
    if ends is None:
        raise DataError(
            f"{t.provenance.uri}: the data cannot tell whether an episode's end is the task's (terminated) or only the "
            "recording's (truncated), and values depend on it; say which with --ends terminated or --ends truncated"
        )
    flags = np.zeros(t.rows, dtype=bool)
    if ends == "terminated":
        flags[t.last_rows if t.ended is None else np.flatnonzero(t.ended)] = True
    return flags


def _notes(t: Trajectories, kept: Any, last: Any, terminated: Any) -> list[str]:
    notes = []
    cut, gaps = int((~kept & last).sum()), int((~kept & ~last).sum())
    if cut:
        notes.append(f"{cut:,} last rows without a final observation were left out: their next observation is unknown")
    if gaps:
        notes.append(f"{gaps:,} rows before a gap or a cut inside an episode were left out")
    if t.rewards is not None and not terminated.any():
        notes.append(
            "no row is terminated: learned values take every episode to go on for ever, which is right only where the "
            "task has no end of its own"
        )
    return notes


def _broken(episode: NDArray[np.int64], begins: NDArray[np.bool_]) -> list[str]:
    """Say how many episodes gaps and flags inside break, and of how many the beginning is lost."""
    notes = []
    stretches = np.bincount(episode)
    broken, lost = stretches > 1, len(stretches) - int(begins.sum())
    if broken.any():
        notes.append(
            f"{int(broken.sum()):,} episodes are broken by gaps or flags inside, into {int(stretches[broken].sum()):,} "
            "stretches: nothing is carried from one to the next"
        )
    if lost:
        notes.append(f"{lost:,} episodes lack their first step: they tell nothing of what an episode returns")
    return notes
