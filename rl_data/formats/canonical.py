"""The canonical form: one row a transition, in Parquet or Arrow.

    episode_id          int64 or string
    step                int32, 0 .. T-1 when all is well
    observation         fixed_size_list<float32>[d]
    action              int32, or fixed_size_list<float32>[k]
    reward              float64; absent in imitation data
    terminated          bool; absent when unknown
    truncated           bool; absent when unknown
    next_observation    nullable fixed_size_list<float32>[d]; null: the next row's observation, if there is one
    timestamp, behaviour_log_prob, weight (float64), policy_id (string), info_*    optional
    source_file, source_row    where the row stood before it was converted

`reward` and the flags are the result of `action` in `observation`. There is no `done`: the flag of a source that has
only one is `info_ended`. The schema's metadata says, under the key `rl_data`, in JSON: spaces, environment, step limit,
frames a second, source format, how the source was read, and the sha256 of the content.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rl_data.formats import columns as convert
from rl_data.formats.canonical_metadata import (
    DECLARED,
    METADATA_KEY,
    declared_space,
    pairs,
    read_metadata,
    with_empty,
    write_metadata,
)
from rl_data.formats.rows import Episodes, build, episodes_from_ids
from rl_data.formats.tables import Source, open_table, schema_of
from rl_data.formats.writing import new_file
from rl_data.trajectories import Provenance, Trajectories, TrajectoryError

NAME = "canonical"
_NEEDED = ("episode_id", "step", "observation", "action")
_NUMBERS = {
    "reward": "rewards",
    "timestamp": "timestamps",
    "behaviour_log_prob": "behaviour_log_prob",
    "weight": "weights",
}
_FLAGS = ("terminated", "truncated")
_ENDED = "info_ended"
_ROW_GROUP = 1 << 20


def matches(path: Path) -> str | None:
    """Return the evidence that the file is in the canonical form; see `rl_data.formats`."""
    schema = schema_of(path)
    if schema is None or not set(_NEEDED) <= set(schema.names):
        return None
    if convert.list_depth(schema.field("observation").type) != 1 or not convert.is_numeric(schema.field("action").type):
        return None
    marked = " and the schema's metadata say" if METADATA_KEY in (schema.metadata or {}) else " say"
    return f"the columns {', '.join(_NEEDED)} (observation: {schema.field('observation').type}){marked} so"


def read(path: Path) -> Trajectories:
    """Return the trajectories; what Arrow holds as NumPy needs it is not copied.

    Raises:
        TrajectoryError: a needed column is absent, or a column holds what it cannot hold.
    """
    source = open_table(path)
    table, uri = source.table, source.uri
    absent = [name for name in _NEEDED if name not in table.column_names]
    if absent:
        raise TrajectoryError(
            f"{uri}: the canonical form needs the column {absent[0]}; it has {table.column_names[:12]}"
        )
    episodes = episodes_from_ids(table["episode_id"], "episode_id", uri)
    arrays = _arrays(source, episodes)
    skipped = arrays.pop("unused")
    declared, problems = read_metadata(table.schema)
    fields: dict[str, Any] = {name: declared.get(name) for name in ("step_limit", "fps", "env_id")}
    for name, array in (("observation", arrays["observations"]), ("action", arrays["actions"])):
        space, problem = declared_space(declared.get(f"{name}_space"), array)
        fields[f"{name}_space"] = space or convert.action_space(array)
        problems += [(f"{name}_space", problem)] if problem else []
    if "source_file" in table.column_names:
        first = episodes.offsets[:-1] if episodes.order is None else episodes.order[episodes.offsets[:-1]]
        fields["source_files"] = convert.to_texts(table["source_file"].take(pa.array(first)))
    provenance = Provenance(
        format=NAME,
        uri=uri,
        mapping=_mapping(table, episodes, declared.get("mapping", {})),
        unknown=tuple(map(str, declared.get("unknown", []))) or _unknown(arrays),
        skipped=(*map(str, declared.get("skipped", [])), *(f"column {name}: no canonical meaning" for name in skipped)),
        declared={**declared.get("declared", {}), **{k: declared[k] for k in DECLARED if declared.get(k) is not None}},
        problems=(*((str(p[0]), str(p[1])) for p in pairs(declared.get("problems", []))), *problems),
    )
    return with_empty(build(source, episodes, arrays, provenance, **fields), declared.get("empty_episodes", []))


def write(trajectories: Trajectories, path: Path) -> tuple[str, ...]:
    """Write the canonical form: Parquet with zstd, or Arrow (not compressed, so that it is read without a copy).

    The same trajectories give the same bytes. The file gets its name only when it is complete. It holds everything, so
    the returned list of what is lost is empty.

    Raises:
        TrajectoryError: the file cannot be written.
    """
    write_table(to_table(trajectories), path)
    return ()


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table, as `write` does.

    Raises:
        TrajectoryError: the file cannot be written.
    """
    with new_file(path) as temporary:
        if path.suffix.lower() in {".arrow", ".feather", ".ipc"}:
            with pa.ipc.new_file(temporary, table.schema) as writer:
                writer.write_table(table)
        else:
            pq.write_table(
                table,
                temporary,
                compression="zstd",
                row_group_size=_ROW_GROUP,
                use_dictionary=[
                    name for name in ("episode_id", "policy_id", "source_file") if name in table.column_names
                ],
            )


def to_table(trajectories: Trajectories) -> pa.Table:
    """Return the canonical form as an Arrow table."""
    t = trajectories
    texts = t.episode_ids.dtype.kind not in "iu"
    codes = t.episode_of_row.astype(np.int32)
    ids = np.asarray(t.episode_ids, dtype=np.str_ if texts else np.int64)
    arrays: dict[str, pa.Array] = {
        "episode_id": _repeated(ids, codes) if texts else pa.array(ids[codes]),
        "step": pa.array(np.asarray(t.steps, dtype=np.int32)),
        "observation": convert.fixed_size_lists(np.asarray(t.observations, dtype=np.float32)),
        "action": pa.array(np.asarray(t.actions, dtype=np.int32))
        if t.actions.ndim == 1
        else convert.fixed_size_lists(np.asarray(t.actions, dtype=np.float32)),
    }
    for column, field in _NUMBERS.items():
        if getattr(t, field) is not None:
            arrays[column] = pa.array(np.asarray(getattr(t, field), dtype=np.float64))
    arrays |= {name: pa.array(getattr(t, name)) for name in _FLAGS if getattr(t, name) is not None}
    if t.next_observations is not None:
        arrays["next_observation"] = convert.fixed_size_lists(t.next_observations, t.has_next)
    if t.policy_ids is not None:
        names, places = np.unique(np.asarray(t.policy_ids, dtype=np.str_), return_inverse=True)
        arrays["policy_id"] = _repeated(names, places.astype(np.int32))
    if t.ended is not None:
        arrays[_ENDED] = pa.array(t.ended)
    for name, values in sorted(t.infos.items()):
        arrays[f"info_{name}"] = pa.array(values) if values.ndim == 1 else convert.fixed_size_lists(values)
    if t.source_files is not None:
        arrays["source_file"] = _repeated(np.asarray(t.source_files, dtype=np.str_), codes)
    arrays["source_row"] = pa.array(np.asarray(t.source_rows, dtype=np.int64))
    return pa.table(arrays).replace_schema_metadata({METADATA_KEY: write_metadata(t)})


def _arrays(source: Source, episodes: Episodes) -> dict[str, Any]:
    """Return the columns as arrays by field, in file order, and the columns without a meaning as `unused`."""
    table, uri, label = source.table, source.uri, episodes.label
    arrays: dict[str, Any] = {
        "steps": convert.to_integers(table["step"], "step", uri, label),
        "observations": convert.to_matrix(table["observation"], "observation", uri, label),
        "actions": convert.to_actions(table["action"], "action", uri, label),
        "infos": {},
        "unused": [],
    }
    for name in table.column_names:
        if name in _NUMBERS:
            arrays[_NUMBERS[name]] = convert.to_numbers(table[name], name, uri)
        elif name in _FLAGS:
            arrays[name] = convert.to_flags(table[name], name, uri, label)
        elif name == "next_observation":
            given = convert.to_optional_matrix(table[name], name, uri, label)
            if given is not None:
                arrays["next_observations"], arrays["has_next"] = given
        elif name == "policy_id":
            arrays["policy_ids"] = convert.to_texts(table[name])
        elif name == "source_row":
            arrays["source_rows"] = convert.to_integers(table[name], name, uri, label, np.int64)
        elif name == _ENDED:
            arrays["ended"] = convert.to_flags(table[name], name, uri, label)
        elif name.startswith("info_") and (values := convert.to_plain(table[name])) is not None:
            arrays["infos"][name.removeprefix("info_")] = values
        elif name not in (*_NEEDED, "source_file"):
            arrays["unused"].append(name)
    following = arrays.get("next_observations")
    if following is not None and following.shape[1] != arrays["observations"].shape[1]:
        sizes = f"{following.shape[1]} values, observation {arrays['observations'].shape[1]}"
        raise TrajectoryError(f"{uri}: next_observation has {sizes}: they must have the same entries")
    return arrays


def _mapping(table: pa.Table, episodes: Episodes, earlier: Mapping[str, str]) -> dict[str, str]:
    """Return column -> field; how the source was read before it was converted stays beside it."""
    mapping = {str(name): str(meaning) for name, meaning in earlier.items()}
    mapping["episode_id"] = (
        f"episode_id (column of that name, {table.schema.field('episode_id').type}){episodes.note()}"
    )
    return mapping


def _unknown(arrays: Mapping[str, Any]) -> tuple[str, ...]:
    meanings = {
        "rewards": "no column `reward`: nothing can be said about rewards",
        "terminated": "no column `terminated`: whether episodes ended is open",
        "truncated": "no column `truncated`: whether recordings were cut is open",
        "next_observations": "no next_observation: the final observation of each episode is not known",
    }
    return tuple(text for field, text in meanings.items() if arrays.get(field) is None)


def _repeated(values: NDArray[Any], codes: NDArray[np.int32]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(values.tolist(), type=pa.string()))
