"""Trajectories in memory: flat arrays and episode offsets, no padding.

The canonical form on disk has one row a transition (`rl_data.formats.canonical`). `observations[i]`, `actions[i]`,
`rewards[i]` and `terminated[i]` belong together: reward and flag are the result of that action in that observation.
Flags are never merged: `terminated` ends the task (no bootstrap), `truncated` only ends the recording (bootstrap from
the final observation). What a source cannot say is None, and `Provenance` says so in words; nothing is invented.

The arrays are as the source has them, faults included: steps may be missing or doubled, flags wrong, values not finite.
Finding that out is the audit's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]


class TrajectoryError(ValueError):
    """The data cannot be taken as trajectories; the message names the file, the episode and what to do."""


@dataclass(frozen=True, slots=True)
class Space:
    """What an observation or an action can be.

    Attributes:
        kind: "box" (vectors) or "discrete" (0 .. n-1).
        size: length of the vector, or the number of actions.
        low: float[size] lower bounds of a box; None when unknown.
        high: float[size] upper bounds.
        names: of the vector's entries, where the source names them.
    """

    kind: str
    size: int
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where trajectories come from and how the source was read.

    Attributes:
        format: the source's format, such as "minari-hdf5" or "lerobot-v2.1".
        uri: as shown to people.
        mapping: source field -> canonical field, in words, with the evidence.
        unknown: what the source could not say ("terminated and truncated are one flag `dones`: both left open").
        skipped: fields that were left out and why (images, pickled objects), with counts.
        declared: what the source's metadata claims: total_episodes, total_steps, lengths (per episode), step_limit,
            fps, env_id, spaces. It is compared with the rows, never trusted.
        problems: parts that could not be read: (where, what is wrong).
    """

    format: str
    uri: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Episodes as flat arrays: rows offsets[e] to offsets[e + 1] are episode e, in the order of the source.

    Attributes:
        episode_ids: int64[E] or str[E], distinct.
        offsets: int64[E + 1], from 0 to N, not decreasing.
        steps: int32[N], the source's own step numbers (0 .. T-1 in an episode when all is well).
        observations: float32[N, d]
        actions: int32[N] (discrete) or float32[N, k]
        rewards: float64[N], None in imitation data without rewards.
        terminated: bool[N], None when the source cannot tell.
        truncated: bool[N], None when the source cannot tell.
        next_observations: float32[N, d], None when the source has none; rows without one are marked in `has_next`.
        has_next: bool[N], which rows of `next_observations` the source really gave.
        timestamps: float64[N] seconds, None without.
        behaviour_log_prob: float64[N], None without.
        policy_ids: str[N], None without.
        weights: float64[N] sampling weights, None without.
        ended: bool[N], the end flag of a source that has only one (`done`), where terminated or truncated stay open:
            it says that the episode ended there, not how. None where the source tells the two apart.
        infos: further columns of the source, one entry a transition, by name.
        source_rows: int64[N], the row in the source, for mapping findings back.
        source_files: str[E], the file of each episode.
        observation_space, action_space: as declared, or inferred from the arrays.
        step_limit: the declared longest episode; None when unknown.
        fps: declared frames a second; None when unknown.
        env_id: the Gymnasium id of the environment; None when unknown.
        provenance: where all this comes from.
    """

    episode_ids: NDArray[Any]
    offsets: Rows
    steps: NDArray[np.int32]
    observations: NDArray[np.float32]
    actions: NDArray[Any]
    rewards: NDArray[np.float64] | None
    terminated: Flags | None
    truncated: Flags | None
    source_rows: Rows
    observation_space: Space
    action_space: Space
    provenance: Provenance
    next_observations: NDArray[np.float32] | None = None
    has_next: Flags | None = None
    timestamps: NDArray[np.float64] | None = None
    behaviour_log_prob: NDArray[np.float64] | None = None
    policy_ids: NDArray[Any] | None = None
    weights: NDArray[np.float64] | None = None
    ended: Flags | None = None
    infos: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    source_files: NDArray[Any] | None = None
    step_limit: int | None = None
    fps: float | None = None
    env_id: str | None = None

    def __post_init__(self) -> None:
        """Check that lengths fit together.

        Raises:
            TrajectoryError: they do not; the message names the array.
        """
        n, episodes = len(self.observations), len(self.episode_ids)
        if len(self.offsets) != episodes + 1 or (episodes and (self.offsets[0] != 0 or self.offsets[-1] != n)):
            raise TrajectoryError(f"offsets must run from 0 to {n} over {episodes} episodes")
        if (np.diff(self.offsets) < 0).any():
            raise TrajectoryError("offsets must not decrease")
        for name, array in [*((name, getattr(self, name)) for name in PER_ROW), *self.infos.items()]:
            if array is not None and len(array) != n:
                raise TrajectoryError(f"{name} has {len(array)} rows, observations have {n}")

    @property
    def rows(self) -> int:
        """Number of transitions."""
        return len(self.observations)

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.episode_ids)

    @property
    def lengths(self) -> Rows:
        """int64[E]: transitions of each episode."""
        return np.diff(self.offsets)

    @property
    def episode_of_row(self) -> Rows:
        """int64[N]: the place (0 .. E-1) of each row's episode."""
        return np.repeat(np.arange(self.episodes), self.lengths)

    @property
    def last_rows(self) -> Rows:
        """int64[<= E]: the last row of each episode that has rows."""
        return np.asarray(self.offsets[1:][self.lengths > 0] - 1)

    @property
    def linked(self) -> Flags:
        """bool[N]: whether the next row is the next step of the same episode (its number is one higher)."""
        linked = np.zeros(self.rows, dtype=bool)
        linked[:-1] = self.steps[1:] == self.steps[:-1] + 1
        linked[self.last_rows] = False
        return linked

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers of choices."""
        return self.action_space.kind == "discrete"

    def returns(self, gamma: float = 1.0) -> NDArray[np.float64] | None:
        """Return the discounted return of each episode, float64[E]; None without rewards."""
        if self.rewards is None:
            return None
        step = np.arange(self.rows) - np.repeat(self.offsets[:-1], self.lengths)
        weighted = self.rewards * gamma**step if gamma != 1.0 else self.rewards
        totals = np.zeros(self.episodes)
        filled = self.lengths > 0
        if filled.any():  # episode by episode: a reward that is not finite spoils its own return only
            totals[filled] = np.add.reduceat(weighted, self.offsets[:-1][filled])
        return totals

    def take(self, episodes: NDArray[np.integer[Any]]) -> Trajectories:
        """Return some episodes, by place, in the given order."""
        chosen = np.asarray(episodes, dtype=np.int64)
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(self.offsets[chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
        changes: dict[str, Any] = {"episode_ids": self.episode_ids[chosen], "offsets": offsets}
        for name in PER_ROW:
            array = getattr(self, name)
            changes[name] = None if array is None else array[rows]
        changes["infos"] = {name: array[rows] for name, array in self.infos.items()}
        changes["source_files"] = None if self.source_files is None else self.source_files[chosen]
        return replace(self, **changes)


PER_ROW = (
    "steps", "observations", "actions", "rewards", "terminated", "truncated", "source_rows", "next_observations",
    "has_next", "timestamps", "behaviour_log_prob", "policy_ids", "weights", "ended",
)  # fmt: skip
"""The fields of `Trajectories` that have one entry a transition."""
