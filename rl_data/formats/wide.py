"""Tables of steps under their owner's column names, in Parquet, Arrow, JSON lines or delimited text.

Vectors may be list columns, numbered columns or one column a leaf (`rl_data.formats.naming`). Episodes come from an
episode column, else from a step column that starts again, else from the end flags. A `done` that stands alone merges
termination and truncation: both stay open, and the flag is kept as `Trajectories.ended`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rl_data.formats import columns as convert
from rl_data.formats import naming
from rl_data.formats.rows import Episodes, build, episodes_from_ids, episodes_from_starts
from rl_data.formats.tables import Source, open_table, schema_of
from rl_data.trajectories import Flags, Provenance, Trajectories, TrajectoryError

NAME = "wide"
_SHOWN = 12  # columns that a message names


@dataclass(slots=True)
class Reading:
    """What is gathered while a table is read."""

    arrays: dict[str, Any] = field(default_factory=dict)
    mapping: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def matches(path: Path) -> str | None:
    """Return the evidence that the file is a table of steps; see `rl_data.formats`."""
    schema = schema_of(path)
    if schema is None:
        return None
    schema = naming.flattened_schema(schema)
    observation = naming.find_vector(schema, naming.OBSERVATION)
    action = naming.find_vector(schema, naming.ACTION)
    if observation is None or action is None:
        return None
    beside = {
        meaning: name
        for meaning in ("episode", "reward", "terminated", "truncated", "ended")
        if (name := naming.find_single(schema, meaning)) is not None
        and len(name) > 1  # one letter alone is no evidence
        and (meaning == "episode" or convert.list_depth(schema.field(name).type) == 0)
    }
    if not {"episode", "terminated", "truncated", "ended"} & set(beside):
        return None
    return f"{observation.how}; {action.how}; {', '.join(f'{name} ({meaning})' for meaning, name in beside.items())}"


def read(path: Path) -> Trajectories:
    """Return the trajectories.

    Raises:
        TrajectoryError: there are no columns of observations and actions, nothing says where episodes start, or a
            column holds what it cannot hold.
    """
    source = open_table(path)
    table = naming.flattened(source.table)
    uri = source.uri
    observation = _needed(table, "observation", naming.OBSERVATION, uri)
    action = _needed(table, "action", naming.ACTION, uri)
    reading = Reading(used={*observation.columns, *action.columns})
    episodes = _episodes(table, uri, reading)
    label = episodes.label
    reading.arrays["observations"], names = observation.read(table, uri, label)
    reading.mapping["observation"] = observation.how
    actions, action_names = read_actions(action, table, uri, label)
    reading.arrays["actions"] = actions
    reading.mapping["action"] = f"{action.how}; {'numbers of choices' if actions.ndim == 1 else 'vectors'}"
    for what, vector in (("observation", observation), ("action", action)):
        if vector.gaps:
            missing = ", ".join(map(str, vector.gaps))
            reading.problems.append((what, f"numbered columns with gaps: {missing} missing between others"))
    _read_next(table, uri, label, reading)
    read_flags(table, uri, label, reading)
    read_singles(table, uri, label, reading)
    unused = [name for name in table.column_names if name not in reading.used]
    provenance = Provenance(
        format=NAME,
        uri=uri,
        mapping=reading.mapping,
        unknown=tuple(reading.unknown),
        skipped=tuple(f"column {name} ({table.schema.field(name).type}): no known meaning" for name in unused),
        problems=tuple(reading.problems),
    )
    spaces = {
        "observation_space": convert.vector_space(reading.arrays["observations"], names),
        "action_space": convert.action_space(actions, action_names),
    }
    return build(source_of(source, table), episodes, reading.arrays, provenance, **spaces)


def read_actions(
    vector: naming.Vector, table: pa.Table, uri: str, label: convert.Label
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return actions and the names of their entries: a single column of whole numbers holds choices.

    Raises:
        TrajectoryError: a row has no action, or the values are no numbers of one length.
    """
    if len(vector.columns) == 1:
        column = table[vector.columns[0]]
        actions = convert.to_actions(column, vector.columns[0], uri, label)
        return actions, () if actions.ndim == 1 else vector.names([actions.shape[1]])
    return vector.read(table, uri, label)


def read_flags(table: pa.Table, uri: str, label: convert.Label, reading: Reading) -> None:
    """Read the flags; one flag alone for both ends of an episode leaves both open and is kept as `ended`.

    Raises:
        TrajectoryError: a flag is missing in a row, or neither true nor false.
    """
    found = {meaning: naming.find_single(table.schema, meaning) for meaning in ("terminated", "truncated", "ended")}
    flags = {m: convert.to_flags(table[name], name, uri, label) for m, name in found.items() if name is not None}
    reading.used |= {name for name in found.values() if name is not None}
    ended = flags.pop("ended", None)
    reading.arrays |= flags
    reading.mapping |= {meaning: f"column {found[meaning]}" for meaning in flags}
    if ended is None and not flags and "ended" in reading.arrays:
        return
    if ended is None:
        for meaning in ("terminated", "truncated"):
            if meaning not in flags:
                reading.unknown.append(f"no column says which steps are {meaning}")
        return
    name = found["ended"]
    if not flags:
        reading.arrays["ended"] = ended
        reading.mapping["ended"] = f"column {name}, kept apart from terminated and truncated"
        reading.unknown.append(f"terminated and truncated are one flag `{name}`: both left open")
    elif len(flags) == 1:
        (known,) = flags
        other = "truncated" if known == "terminated" else "terminated"
        reading.arrays[other] = ended & ~flags[known]
        reading.mapping[other] = f"column {name} where {found[known]} is not set"
        both = int((ended & flags[known]).sum())
        if both:
            reading.unknown.append(f"{both:,} rows have {name} and {found[known]}: taken as {known} only")
    else:
        reading.mapping["ended"] = f"column {name} not needed beside terminated and truncated"


def read_episode_flags(flags: Flags, name: str, episodes: Episodes, reading: Reading) -> None:
    """Take an end flag that stands once an episode as the flag of its last step."""
    lengths = np.diff(episodes.offsets)
    ended = np.zeros(int(lengths.sum()), dtype=np.bool_)
    ended[episodes.offsets[1:][flags & (lengths > 0)] - 1] = True
    reading.used.add(name)
    reading.arrays["ended"] = ended
    reading.mapping["ended"] = f"{name}: one flag an episode, true for {int(flags.sum()):,} of {len(flags):,}"
    reading.unknown.append(f"`{name}` says that an episode ended, not how: terminated and truncated are left open")


def read_singles(table: pa.Table, uri: str, label: convert.Label, reading: Reading) -> None:
    """Read rewards, timestamps, log probabilities, weights, policies and step numbers.

    Raises:
        TrajectoryError: a column holds no numbers.
    """
    for meaning, target in (
        ("reward", "rewards"),
        ("timestamp", "timestamps"),
        ("behaviour_log_prob", "behaviour_log_prob"),
        ("weight", "weights"),
    ):
        name = naming.find_single(table.schema, meaning, _is_number)
        if name is not None:
            reading.arrays[target] = convert.to_numbers(table[name], name, uri)
            reading.mapping[meaning] = f"column {name}"
            reading.used.add(name)
    if "rewards" not in reading.arrays:
        reading.unknown.append("no column of rewards")
    policy = naming.find_single(table.schema, "policy_id", lambda kind: convert.list_depth(kind) == 0)
    if policy is not None:
        reading.arrays["policy_ids"] = convert.to_texts(table[policy])
        reading.mapping["policy_id"] = f"column {policy}"
        reading.used.add(policy)
    step = naming.find_single(table.schema, "step", pa.types.is_integer)
    if step is not None:
        reading.arrays["steps"] = convert.to_integers(table[step], step, uri, label)
        reading.mapping["step"] = f"column {step}"
        reading.used.add(step)
    else:
        reading.unknown.append("no column of step numbers: rows of an episode are numbered in file order")


def source_of(source: Source, table: pa.Table) -> Source:
    """Return a source with its table in another shape, the same rows."""
    return Source(source.uri, table, source.files, source.rows)


def _needed(table: pa.Table, what: str, stems: tuple[str, ...], uri: str) -> naming.Vector:
    vector = naming.find_vector(table.schema, stems)
    if vector is None:
        seen = ", ".join([f"{f.name} ({f.type})" for f in table.schema][:_SHOWN])
        raise TrajectoryError(
            f"{uri}: no numeric column of {what}s among {seen}: name it {what} (vectors) or {what}_0, {what}_1"
        )
    return vector


def _is_number(kind: pa.DataType) -> bool:
    depth = convert.list_depth(kind)
    single = depth == 0 or (depth == 1 and pa.types.is_fixed_size_list(kind) and kind.list_size == 1)
    temporal = pa.types.is_timestamp(kind) or pa.types.is_duration(kind)
    return bool(temporal or (single and convert.is_numeric(kind)))


def _episodes(table: pa.Table, uri: str, reading: Reading) -> Episodes:
    name = naming.find_single(table.schema, "episode")
    if name is not None:
        episodes = episodes_from_ids(table[name], name, uri)
        reading.used.add(name)
        reading.mapping["episode_id"] = f"column {name}, {len(episodes.ids):,} values{episodes.note()}"
        return episodes
    return episodes_from_flags(table, uri, reading)


def episodes_from_flags(table: pa.Table, uri: str, reading: Reading) -> Episodes:
    """Cut steps into episodes without an episode column: where step numbers start again, else after end flags.

    Raises:
        TrajectoryError: nothing says where episodes start.
    """
    starts = np.zeros(table.num_rows, dtype=np.bool_)

    def label(row: int) -> str:
        return f"row {row:,}"

    step = naming.find_single(table.schema, "step", pa.types.is_integer)
    if step is not None:
        numbers = convert.to_integers(table[step], step, uri, label)
        starts[1:] = numbers[1:] == numbers.min()
        how = f"a new episode where {step} is {numbers.min()} again"
    else:
        names = [
            n for m in ("terminated", "truncated", "ended") if (n := naming.find_single(table.schema, m)) is not None
        ]
        for flag in names:
            starts[1:] |= convert.to_flags(table[flag], flag, uri, label)[:-1]
        how = f"a new episode after each row with {' or '.join(names)}"
        if not names:
            raise TrajectoryError(
                f"{uri}: nothing says where episodes start: add a column episode_id, or a step number that starts again"
            )
    episodes = episodes_from_starts(starts)
    reading.mapping["episode_id"] = f"{how}: {len(episodes.ids):,} episodes"
    reading.unknown.append(f"no column names the episodes: {how}")
    return episodes


def _read_next(table: pa.Table, uri: str, label: convert.Label, reading: Reading) -> None:
    vector = naming.find_vector(table.schema, naming.NEXT_OBSERVATION)
    if vector is None:
        reading.unknown.append("no next observation: the final observation of each episode is not known")
        return
    reading.used |= set(vector.columns)
    given = vector.read_optional(table, uri, label)
    if given is None:
        reading.unknown.append(f"the next observation ({', '.join(vector.columns)}) is empty in every row")
        return
    size = reading.arrays["observations"].shape[1]
    if given[0].shape[1] != size:
        raise TrajectoryError(
            f"{uri}: the next observation has {given[0].shape[1]} values, the observation {size} ({vector.how}): "
            "they must have the same entries"
        )
    reading.arrays["next_observations"], reading.arrays["has_next"] = given
    reading.mapping["next_observation"] = f"{vector.how}; given in {int(given[1].sum()):,} of {len(given[1]):,} rows"
