"""What the columns of a table of steps mean, told from their names and types.

A vector is one list column (`observation`), numbered columns (`observation_0`, `obs.1`, `s_2`, `a[0]`) or one column a
leaf of a dictionary (`obs.state`, `observation/joint`, `obs_velocity`). Names are compared without regard to case;
among synonyms the first of the lists below wins, and the others are named as unused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rl_data.formats.columns import Label, is_numeric, list_depth, to_matrix, to_optional_matrix
from rl_data.trajectories import Flags, TrajectoryError

OBSERVATION = ("observation", "observations", "obs", "state", "states", "s")
ACTION = ("action", "actions", "act", "acts", "a")
NEXT_OBSERVATION = (
    *(f"next_{stem}" for stem in OBSERVATION), "next.observation", "next.state", "new_obs", "obs_next", "s_next",
    "state_next", "observation_next", "s_prime", "ns",
)  # fmt: skip
SINGLE: Mapping[str, tuple[str, ...]] = {
    "episode": ("episode_id", "episode", "episode_index", "episode_idx", "episode_number", "eps_id", "ep_id", "ep_idx",
                "ep", "trajectory_id", "trajectory", "traj_id", "traj_idx", "traj", "rollout_id", "demo_id"),
    "step": ("step", "steps", "step_id", "step_index", "timestep", "time_step", "frame_index", "t"),
    "reward": ("reward", "rewards", "rew", "rews", "next.reward", "r"),
    "terminated": ("terminated", "terminateds", "terminations", "termination", "is_terminal", "next.terminated"),
    "truncated": ("truncated", "truncateds", "truncations", "truncation", "timeouts", "timeout", "next.truncated"),
    "ended": ("done", "dones", "terminal", "terminals", "next.done", "is_done", "d"),
    "timestamp": ("timestamp", "timestamps", "time", "ts"),
    "behaviour_log_prob": ("behaviour_log_prob", "behavior_log_prob", "action_log_prob", "action_log_probs",
                           "action_logp", "log_prob", "log_probs", "logprob", "logp"),
    "policy_id": ("policy_id", "policy"),
    "weight": ("weight", "weights"),
    "is_first": ("is_first",),
    "is_last": ("is_last",),
    "discount": ("discount", "discounts"),
}  # fmt: skip
"""Names of the columns with one value a step, by meaning."""

_WORDY = {
    "observation", "observations", "obs", "next_observation", "next_observations", "next_obs", "action", "actions",
    "act", "acts",
}  # fmt: skip
"""Stems after which an underscore may be followed by a leaf's name: `state_code` and `s_total` mean something else."""


@dataclass(frozen=True, slots=True)
class Vector:
    """The columns that make one vector.

    Attributes:
        columns: in the order of the vector's entries.
        how: the evidence, in words.
        gaps: indices that are missing among numbered columns.
    """

    columns: tuple[str, ...]
    how: str
    gaps: tuple[int, ...] = ()

    def read(self, table: pa.Table, uri: str, label: Label) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """Return the vectors, float32[N, d], and the names of their entries.

        Raises:
            TrajectoryError: a column does not hold numbers of one length.
        """
        parts = [to_matrix(_filled(table[name]), name, uri, label) for name in self.columns]
        return _joined(parts), self.names([part.shape[1] for part in parts])

    def read_optional(self, table: pa.Table, uri: str, label: Label) -> tuple[NDArray[np.float32], Flags] | None:
        """Return the vectors and which rows have one (not those where all columns are empty); None when no row has.

        Raises:
            TrajectoryError: a column does not hold numbers of one length.
        """
        parts = [to_optional_matrix(table[name], name, uri, label) for name in self.columns]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        has: Flags = np.logical_or.reduce([has for _, has in known])
        return _joined([vectors for vectors, _ in known]), has

    def names(self, sizes: Sequence[int]) -> tuple[str, ...]:
        """Return the names of the vector's entries; none when its columns have only numbers."""
        if len(self.columns) == 1 and sizes[0] != 1:
            return ()
        names: list[str] = []
        for column, size in zip(self.columns, sizes, strict=True):
            names += [column] if size == 1 else [f"{column}[{place}]" for place in range(size)]
        return tuple(names)


def find_vector(schema: pa.Schema, stems: Sequence[str]) -> Vector | None:
    """Return the columns of the first stem that has numeric ones; None when none has."""
    lowered = {name.lower(): name for name in reversed(schema.names)}
    for stem in stems:
        bare = lowered.get(stem)
        if bare is not None and is_numeric(schema.field(bare).type):
            kind = "a column of vectors" if list_depth(schema.field(bare).type) else "a column of numbers"
            return Vector((bare,), f"{bare}: {kind}")
        found = _numbered(schema, stem) or _leaves(schema, stem)
        if found is not None:
            return found
    return None


def find_single(schema: pa.Schema, meaning: str, fits: Callable[[pa.DataType], bool] | None = None) -> str | None:
    """Return the column with a meaning of `SINGLE`, if its type fits; None when there is none."""
    lowered = {name.lower(): name for name in reversed(schema.names)}
    for name in SINGLE[meaning]:
        column: str | None = lowered.get(name)
        if column is not None and (fits is None or fits(schema.field(column).type)):
            return column
    return None


def flattened(table: pa.Table) -> pa.Table:
    """Return a table whose dictionaries (structs) are one column a leaf, named `outer.inner`."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def flattened_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of `flattened`, from a schema alone."""
    fields: list[pa.Field] = []
    for field in schema:
        fields += _leaf_fields(field)
    return pa.schema(fields)


def _leaf_fields(field: pa.Field) -> list[pa.Field]:
    if not pa.types.is_struct(field.type):
        return [field]
    return [leaf for inner in field.flatten() for leaf in _leaf_fields(inner)]


def _numbered(schema: pa.Schema, stem: str) -> Vector | None:
    pattern = re.compile(rf"{re.escape(stem)}(?:[_./]?(\d+)|\[(\d+)\])", re.IGNORECASE)
    found: dict[int, str] = {}
    for field in schema:
        match = pattern.fullmatch(field.name)
        if match and is_numeric(field.type):
            found.setdefault(int(match[1] or match[2]), field.name)
    if not found:
        return None
    places = sorted(found)
    columns = tuple(found[place] for place in places)
    gaps = tuple(sorted(set(range(places[0], places[-1] + 1)) - set(places)))
    shown = columns[0] if len(columns) == 1 else f"{columns[0]} .. {columns[-1]}"
    return Vector(columns, f"{shown}: {len(columns)} numbered columns", gaps)


def _leaves(schema: pa.Schema, stem: str) -> Vector | None:
    mark = r"[./_]" if stem in _WORDY else r"[./]"
    pattern = re.compile(rf"{re.escape(stem)}{mark}.+", re.IGNORECASE)
    taken = {name for names in SINGLE.values() for name in names}
    columns = tuple(
        field.name
        for field in schema
        if pattern.fullmatch(field.name)
        and is_numeric(field.type)
        and not pa.types.is_null(field.type)
        and field.name.lower() not in taken
        and not re.match(rf"{re.escape(stem)}.(next|prev|mask|log_?p)", field.name, re.IGNORECASE)
        and not field.name.lower().endswith(("_mask", ".mask"))
    )
    return Vector(columns, f"one column a leaf: {', '.join(columns)}") if columns else None


def _filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of single numbers with NaN for what is missing; lists stay as they are."""
    if column.null_count == 0 or list_depth(column.type):
        return column
    return column.cast(pa.float64(), safe=False).fill_null(float("nan"))


def _joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    if len({len(part) for part in parts}) != 1:
        raise TrajectoryError("the columns of a vector differ in length")
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
