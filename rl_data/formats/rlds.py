"""Steps in the manner of RLDS: `is_first`, `is_last`, `is_terminal`, as Parquet, Arrow or JSON lines.

One row a step, or one row an episode whose `steps` are a list. A step has its observation, the action taken in it and
the reward of that action. The row with `is_last` holds only the final observation: its action, reward and discount are
placeholders by definition, so the row itself is dropped and its observation becomes the next observation of the step
before. That step is terminated when the last row says `is_terminal`, truncated when it does not.

Source: the dataset format section of https://github.com/google-research/rlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rl_data.formats import columns as convert
from rl_data.formats import naming, wide
from rl_data.formats.rows import Episodes, build, episodes_from_ids, episodes_from_starts
from rl_data.formats.tables import Source, open_table, schema_of
from rl_data.trajectories import PER_ROW, Flags, Provenance, Rows, Trajectories, TrajectoryError

NAME = "rlds"
_FLAGS = ("is_first", "is_last", "is_terminal")


def matches(path: Path) -> str | None:
    """Return the evidence that the file holds steps in the manner of RLDS; see `rl_data.formats`."""
    schema = schema_of(path)
    if schema is None:
        return None
    nested = _steps_type(schema)
    names = set(schema.names) if nested is None else {field.name for field in nested}
    if not set(_FLAGS) <= names or "observation" not in {name.split(".")[0].split("/")[0] for name in names}:
        return None
    return f"the columns {', '.join(_FLAGS)}{'' if nested is None else ' in lists of steps, one row an episode'}"


def read(path: Path) -> Trajectories:
    """Return the trajectories.

    Raises:
        TrajectoryError: flags, observations or actions are absent, or a column holds what it cannot hold.
    """
    rows = open_table(path)
    source, of_episode = _steps(rows)
    table, uri = source.table, source.uri
    absent = [name for name in _FLAGS if name not in table.column_names]
    if absent:
        raise TrajectoryError(
            f"{uri}: steps need the flag {absent[0]}; the columns are {', '.join(table.column_names)}"
        )

    def plain(row: int) -> str:
        return f"step {row:,}"

    flags = {name: convert.to_flags(table[name], name, uri, plain) for name in _FLAGS}
    reading = wide.Reading(used=set(_FLAGS))
    episodes = _episodes(source, flags, of_episode, reading)
    order = np.arange(table.num_rows) if episodes.order is None else episodes.order
    fields = {"source_files": source.file_of_row(order[episodes.offsets[:-1]])}
    places = source.row_in_file() if of_episode is None else rows.row_in_file()[of_episode]
    reading.arrays["source_rows"] = places[order]
    if episodes.order is not None:  # from here on the rows of an episode stand together
        source = wide.source_of(source, table.take(pa.array(order)))
        flags = {name: values[order] for name, values in flags.items()}
    whole = _all_steps(source, episodes, reading, fields)
    return _without_last_rows(whole, flags["is_last"], flags["is_terminal"], reading)


def _steps_type(schema: pa.Schema) -> pa.StructType | None:
    if "steps" not in schema.names:
        return None
    kind = schema.field("steps").type
    nested = (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_struct(kind.value_type)
    return kind.value_type if nested else None


def _steps(source: Source) -> tuple[Source, Rows | None]:
    """Return the table of steps and, where rows were episodes, the row of each step."""
    table = source.table
    if _steps_type(table.schema) is None:
        return wide.source_of(source, naming.flattened(table)), None
    steps = table["steps"].combine_chunks()
    parents = pc.list_parent_indices(steps).to_numpy().astype(np.int64)
    inner = naming.flattened(pa.table({"steps": steps.flatten()}))
    inner = inner.rename_columns([name.removeprefix("steps.") for name in inner.column_names])
    if inner.num_rows == 0:
        raise TrajectoryError(f"{source.uri}: no episode has a step")
    rows = np.bincount(np.searchsorted(np.cumsum(source.rows), parents, side="right"), minlength=len(source.rows))
    return Source(source.uri, inner, source.files, rows.astype(np.int64)), parents


def _episodes(source: Source, flags: Mapping[str, Flags], of_episode: Rows | None, reading: wide.Reading) -> Episodes:
    table, uri = source.table, source.uri
    name = naming.find_single(table.schema, "episode")
    if of_episode is not None:
        reading.mapping["episode_id"] = "one row an episode: its place in the file"
        return episodes_from_ids(pa.chunked_array([of_episode]), "row", uri)
    if name is not None:
        reading.used.add(name)
        episodes = episodes_from_ids(table[name], name, uri)
        reading.mapping["episode_id"] = f"column {name}{episodes.note()}"
        return episodes
    starts = flags["is_first"].copy()
    starts[1:] |= flags["is_last"][:-1]
    unannounced = int((starts & ~flags["is_first"]).sum())
    if unannounced:
        reading.problems.append(("is_first", f"not set on {unannounced:,} steps that follow a row with is_last"))
    reading.mapping["episode_id"] = "a new episode at each is_first and after each is_last"
    return episodes_from_starts(starts)


def _all_steps(source: Source, episodes: Episodes, reading: wide.Reading, fields: Mapping[str, Any]) -> Trajectories:
    """Return every row as a step, the placeholders too; rows of an episode stand together."""
    table, uri = source.table, source.uri
    steps_in = Episodes(episodes.ids, np.sort(episodes.codes), episodes.offsets, None, episodes.scattered)
    label = steps_in.label
    observation = naming.find_vector(table.schema, naming.OBSERVATION)
    action = naming.find_vector(table.schema, naming.ACTION)
    if observation is None or action is None:
        what = "observation" if observation is None else "action"
        raise TrajectoryError(f"{uri}: no numeric column {what}; the columns are {', '.join(table.column_names)}")
    reading.used |= {*observation.columns, *action.columns}
    reading.arrays["observations"], names = observation.read(table, uri, label)
    filled = _filled_placeholders(table, action)
    reading.arrays["actions"], action_names = wide.read_actions(action, filled, uri, label)
    reading.mapping |= {"observation": observation.how, "action": action.how}
    wide.read_singles(table, uri, label, reading)
    if (discount := naming.find_single(table.schema, "discount")) is not None:
        reading.used.add(discount)
        reading.arrays["infos"] = {"discount": convert.to_numbers(table[discount], discount, uri)}
        reading.mapping["info_discount"] = f"column {discount}"
    unused = [name for name in table.column_names if name not in reading.used]
    skipped = tuple(f"column {name} ({table.schema.field(name).type}): no known meaning" for name in unused)
    spaces = {
        "observation_space": convert.vector_space(reading.arrays["observations"], names),
        "action_space": convert.action_space(reading.arrays["actions"], action_names),
    }
    return build(source, steps_in, reading.arrays, Provenance(NAME, uri, skipped=skipped), **spaces, **fields)


def _filled_placeholders(table: pa.Table, action: naming.Vector) -> pa.Table:
    """Return the table with any action where it is null on rows with `is_last`, which are dropped later."""
    last = table["is_last"].cast(pa.bool_())
    for name in action.columns:
        column = table[name]
        if column.null_count == 0 or not pc.all(pc.or_(column.is_valid(), last)).as_py():
            continue
        given = column.drop_null()
        if len(given) == 0:
            continue
        example = pa.scalar(given[0].as_py(), type=column.type)
        table = table.set_column(table.column_names.index(name), name, pc.if_else(column.is_valid(), column, example))
    return table


def _without_last_rows(whole: Trajectories, last: Flags, terminal: Flags, reading: wide.Reading) -> Trajectories:
    """Drop the rows that only hold a final observation and give what they say to the step before."""
    lengths = whole.lengths
    ends = whole.last_rows
    closing = np.zeros(whole.rows, dtype=np.bool_)
    closing[ends] = last[ends]
    lonely = np.zeros(whole.rows, dtype=np.bool_)
    lonely[ends[lengths[lengths > 0] == 1]] = True
    before = np.flatnonzero(closing & ~lonely) - 1
    terminated, truncated = np.zeros((2, whole.rows), dtype=np.bool_)
    terminated[before], truncated[before] = terminal[before + 1], ~terminal[before + 1]
    terminated |= terminal & ~closing
    following = np.full_like(whole.observations, np.nan)
    following[before] = whole.observations[before + 1]
    has = np.zeros(whole.rows, dtype=np.bool_)
    has[before] = True
    _note_odd_rows(whole, last, terminal, closing, reading)
    kept = ~closing
    offsets = np.concatenate([[0], np.cumsum(kept)])[whole.offsets].astype(np.int64)
    changes: dict[str, Any] = {name: _kept(getattr(whole, name), kept) for name in PER_ROW}
    changes |= {
        "terminated": terminated[kept],
        "truncated": truncated[kept],
        "next_observations": following[kept],
        "has_next": has[kept],
        "infos": {name: values[kept] for name, values in whole.infos.items()},
    }
    given = f"{len(before):,} of {whole.episodes:,} episodes"
    reading.mapping |= {
        "terminated": "is_terminal of the row with is_last, on the step before it",
        "truncated": "is_last without is_terminal, on the step before it",
        "next_observation": f"the observation of the row with is_last, in {given}",
        "reward": f"{reading.mapping.get('reward', 'none')}; the reward of a step is the result of its own action",
    }
    provenance = Provenance(
        format=NAME,
        uri=whole.provenance.uri,
        mapping=reading.mapping,
        unknown=tuple(reading.unknown),
        skipped=(f"{int(closing.sum()):,} closing rows (is_last): placeholders", *whole.provenance.skipped),
        problems=tuple(reading.problems),
    )
    return replace(whole, offsets=offsets, provenance=provenance, **changes)


def _note_odd_rows(whole: Trajectories, last: Flags, terminal: Flags, closing: Flags, reading: wide.Reading) -> None:
    """Note what the flags of RLDS do not allow, and values on closing rows that are lost with them."""
    inside = int((last & ~closing).sum())
    if inside:
        reading.problems.append(("is_last", f"set on {inside:,} rows that are not the last of their episode"))
    early = int((terminal & ~closing).sum())
    if early:
        reading.problems.append(("is_terminal", f"set on {early:,} rows without is_last: kept as terminated"))
    opened = whole.episodes - int(closing.sum())
    if opened:
        reading.problems.append(("is_last", f"absent in {opened:,} of {whole.episodes:,} episodes: their end is open"))
    if whole.rewards is not None:
        lost = int((np.nan_to_num(whole.rewards[closing]) != 0).sum())
        if lost:
            what = f"not 0 on {lost:,} of {int(closing.sum()):,} closing rows, where RLDS gives it no meaning"
            reading.problems.append(("reward", f"{what}: not used; if it counts, move it to the step before"))


def _kept(array: NDArray[Any] | None, rows: Flags) -> NDArray[Any] | None:
    return None if array is None else array[rows]
