"""Tables with one row an episode and lists of steps in the cells, as Hugging Face's decision-transformer sets are.

`observations` and `actions` are lists of vectors (or of numbers), `rewards`, `dones` and the like lists of numbers, all
of one length T in an episode. With T + 1 observations the last one is the final observation, as the library `imitation`
stores it; its `terminal` is one flag an episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rl_data.formats import columns as convert
from rl_data.formats import naming, wide
from rl_data.formats.rows import Episodes, build, episodes_from_ids
from rl_data.formats.tables import open_table, schema_of
from rl_data.trajectories import Flags, Provenance, Rows, Trajectories, TrajectoryError

NAME = "episode-lists"
_SERIES = (
    "reward", "terminated", "truncated", "ended", "step", "timestamp", "behaviour_log_prob", "weight",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table of episodes, by meaning."""

    observation: str
    action: str
    following: str | None
    series: dict[str, str]
    """One value a step: by meaning of `naming.SINGLE`."""
    episode: str | None
    ended: str | None
    """One end flag an episode."""


def matches(path: Path) -> str | None:
    """Return the evidence that each row of a file is an episode; see `rl_data.formats`."""
    schema = schema_of(path)
    found = None if schema is None else _find(naming.flattened_schema(schema))
    if found is None:
        return None
    lists = [found.observation, found.action, *found.series.values()]
    return f"one row an episode: {', '.join(lists)} are lists of steps"


def read(path: Path) -> Trajectories:
    """Return the trajectories.

    Raises:
        TrajectoryError: the lists of an episode differ in length, or a column holds what it cannot hold.
    """
    rows = open_table(path)
    table, uri = naming.flattened(rows.table), rows.uri
    found = _find(table.schema)
    if found is None:
        names = ", ".join(table.column_names)
        raise TrajectoryError(f"{uri}: no columns with lists of observations and actions; the columns are {names}")
    reading = wide.Reading(used={found.observation, found.action, *found.series.values()})
    ids = _ids(table, found, uri, reading)
    lengths = _lengths(table, found.action, uri, ids)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    if offsets[-1] == 0:
        raise TrajectoryError(f"{uri}: no episode has a step, so there is nothing to read")
    episodes = Episodes(ids, np.repeat(np.arange(len(ids), dtype=np.int32), lengths), offsets, None, 0)
    _read_observations(table, found, episodes, uri, reading)
    _read_series(table, found, episodes, uri, reading)
    reading.arrays["source_rows"] = rows.row_in_file()[episodes.codes]
    unused = [name for name in table.column_names if name not in reading.used]
    provenance = Provenance(
        format=NAME,
        uri=uri,
        mapping=reading.mapping,
        unknown=tuple(reading.unknown),
        skipped=tuple(f"column {name} ({table.schema.field(name).type}): no known meaning" for name in unused),
        problems=tuple(reading.problems),
    )
    files = rows.file_of_row(np.arange(table.num_rows))
    return build(rows, episodes, reading.arrays, provenance, source_files=files)


def _find(schema: pa.Schema) -> Columns | None:
    """Return the columns if observations and actions are lists of steps."""
    observation = naming.find_vector(schema, naming.OBSERVATION)
    action = naming.find_vector(schema, naming.ACTION)
    if observation is None or action is None or len(observation.columns) > 1 or len(action.columns) > 1:
        return None
    depths = [convert.list_depth(schema.field(v.columns[0]).type) for v in (observation, action)]
    series = {m: n for m in _SERIES if (n := naming.find_single(schema, m, _is_series)) is not None}
    plain = {m: n for m in _SERIES if (n := naming.find_single(schema, m, _is_scalar)) is not None}
    if depths[0] < 2 or depths[1] < 1 or (not series and depths[1] < 2) or "reward" in plain:
        return None
    following = naming.find_vector(schema, naming.NEXT_OBSERVATION)
    return Columns(
        observation=observation.columns[0],
        action=action.columns[0],
        following=following.columns[0] if following and len(following.columns) == 1 else None,
        series=series,
        episode=naming.find_single(schema, "episode", _is_scalar),
        ended=plain.get("ended") if "ended" not in series else None,
    )


def _is_series(kind: pa.DataType) -> bool:
    return convert.list_depth(kind) == 1 and convert.is_numeric(kind)


def _is_scalar(kind: pa.DataType) -> bool:
    return convert.list_depth(kind) == 0


def _ids(table: pa.Table, found: Columns, uri: str, reading: wide.Reading) -> NDArray[Any]:
    """Return the episodes' ids: a column's when it names each row once, else the row numbers."""
    if found.episode is not None:
        reading.used.add(found.episode)
        ids = episodes_from_ids(table[found.episode], found.episode, uri).ids
        if len(ids) == table.num_rows:
            reading.mapping["episode_id"] = f"column {found.episode}"
            return ids
        what = f"{table.num_rows - len(ids):,} rows repeat an earlier value: episodes are numbered by row instead"
        reading.problems.append((found.episode, what))
    reading.mapping["episode_id"] = "the place of the row"
    return np.arange(table.num_rows, dtype=np.int64)


def _lengths(table: pa.Table, name: str, uri: str, ids: NDArray[Any]) -> Rows:
    """Return the length of the list in each row."""
    column = table[name]
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise TrajectoryError(f"{uri}: {name} is missing in episode {ids[row]}: remove the episode or record it anew")
    return np.asarray(pc.list_value_length(column).to_numpy(), dtype=np.int64)


def _inner(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.flatten() for chunk in column.chunks], type=column.type.value_type)


def _refuse_other_lengths(wrong: Flags, have: Rows, want: Rows, name: str, words: tuple[str, NDArray[Any]]) -> None:
    """Raise when the list of an episode has another length than its actions."""
    if not wrong.any():
        return
    uri, ids = words
    row = int(np.argmax(wrong))
    share = f"{int(wrong.sum()):,} of {len(wrong):,} episodes differ"
    raise TrajectoryError(
        f"{uri}: {name} has {have[row]:,} entries in episode {ids[row]}, which has {want[row]:,} actions ({share}): "
        "remove or repair these episodes"
    )


def _read_observations(table: pa.Table, found: Columns, episodes: Episodes, uri: str, reading: wide.Reading) -> None:
    """Read observations and, where there is one more than actions or a column of its own, the next observations."""
    name, lengths, words = found.observation, np.diff(episodes.offsets), (uri, episodes.ids)
    have = _lengths(table, name, uri, episodes.ids)
    _refuse_other_lengths((have != lengths) & (have != lengths + 1), have, lengths, name, words)
    stored = np.concatenate([[0], np.cumsum(have)])

    def label(row: int) -> str:
        place = int(np.searchsorted(stored, row, side="right")) - 1
        return f"step {row - int(stored[place]):,} of episode {episodes.ids[place]}"

    vectors = convert.to_matrix(_inner(table[name]), name, uri, label)
    reading.mapping["observation"] = f"{name}: a list of vectors an episode"
    final = have == lengths + 1
    if final.any():
        closing = np.zeros(len(vectors), dtype=np.bool_)
        closing[stored[1:][final] - 1] = True
        last = vectors[closing]
        vectors = vectors[~closing]
        following, has = np.full_like(vectors, np.nan), np.zeros(len(vectors), dtype=np.bool_)
        ends = episodes.offsets[1:][final & (lengths > 0)] - 1
        following[ends], has[ends] = last[lengths[final] > 0], True
        reading.arrays["next_observations"], reading.arrays["has_next"] = following, has
        reading.mapping["next_observation"] = (
            f"the last of T + 1 vectors in {name}, in {int(final.sum()):,} of {len(lengths):,} episodes"
        )
    elif found.following is None:
        reading.unknown.append("as many observations as actions: the final observation of each episode is not known")
    reading.arrays["observations"] = vectors
    if found.following is not None:
        reading.used.add(found.following)
        have = _lengths(table, found.following, uri, episodes.ids)
        _refuse_other_lengths(have != lengths, have, lengths, found.following, words)
        following = convert.to_matrix(_inner(table[found.following]), found.following, uri, episodes.label)
        reading.arrays["next_observations"] = following
        reading.arrays["has_next"] = np.ones(len(following), dtype=np.bool_)
        reading.mapping["next_observation"] = f"{found.following}: a list of vectors an episode"


def _read_series(table: pa.Table, found: Columns, episodes: Episodes, uri: str, reading: wide.Reading) -> None:
    """Read actions and what has one value a step."""
    lengths = np.diff(episodes.offsets)
    flat = {found.action: _inner(table[found.action])}
    for name in found.series.values():
        have = _lengths(table, name, uri, episodes.ids)
        _refuse_other_lengths(have != lengths, have, lengths, name, (uri, episodes.ids))
        flat[name] = _inner(table[name])
    steps = pa.table(flat)
    reading.arrays["actions"] = convert.to_actions(steps[found.action], found.action, uri, episodes.label)
    reading.mapping["action"] = f"{found.action}: a list an episode"
    if found.ended is not None:
        column = table[found.ended]
        flags = convert.to_flags(column, found.ended, uri, lambda row: f"episode {episodes.ids[row]}")
        wide.read_episode_flags(flags, found.ended, episodes, reading)
    wide.read_flags(steps, uri, episodes.label, reading)
    wide.read_singles(steps, uri, episodes.label, reading)
