"""One episode of a Minari data set, from a group of its HDF5 file or from its Arrow or Parquet files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rl_data.formats import columns, episodes, hdf5, spaces
from rl_data.trajectories import TrajectoryError

if TYPE_CHECKING:
    import h5py

MAIN = "main_data.hdf5"
METADATA = "metadata.json"
FIELDS = frozenset({"observations", "actions", "rewards", "terminations", "truncations"})

Array = NDArray[Any]
Fetch = Callable[[str, spaces.Leaf], Array]


@dataclass(frozen=True, slots=True)
class StoredEpisode:
    """One episode as stored: T transitions, and T or T + 1 observations.

    Attributes:
        where: file, and group in it.
        steps: T.
        observations: number of observations.
        fetch: returns the array of a field's leaf.
        declared: T as the episode's metadata says; None when it does not.
        inferred: returns the leaves of a field that has no declared space.
        infos: names of the arrays in `infos`.
    """

    where: str
    steps: int
    observations: int
    fetch: Fetch
    declared: int | None
    inferred: Callable[[str], tuple[spaces.Leaf, ...]]
    infos: tuple[str, ...]


def from_hdf5(file: h5py.File, number: int) -> StoredEpisode:
    """Find an episode's arrays in an open file.

    Raises:
        TrajectoryError: one is missing.
    """
    import h5py

    group = hdf5.entry(file, f"episode_{number}")
    if not isinstance(group, h5py.Group):
        raise TrajectoryError("no group; the data set was not written to its end")
    below = {name: hdf5.entry(group, name) for name in FIELDS}
    if absent := sorted(name for name, found in below.items() if found is None):
        raise TrajectoryError(f"`{absent[0]}` is missing; the episode was not written to its end, record it anew")
    first = next(iter(hdf5.leaves(below["observations"]).values()), None)
    rewards = below["rewards"]
    if first is None or not isinstance(rewards, h5py.Dataset) or not first.shape or not rewards.shape:
        raise TrajectoryError("no array of observations or rewards; record the episode anew")

    def fetch(field: str, leaf: spaces.Leaf) -> Array:
        path = "/".join(f"_index_{part}" if isinstance(part, int) else part for part in leaf.path)
        name = f"{field}/{path}" if path else field
        array = hdf5.array(below[field], path) if path else below[field]
        if not isinstance(array, h5py.Dataset):
            raise TrajectoryError(f"`{name}` is missing; record the episode anew")
        return hdf5.numbers(array, name)

    def inferred(field: str) -> tuple[spaces.Leaf, ...]:
        return tuple(_leaf_of(name, array) for name, array in hdf5.leaves(below[field]).items())

    declared = hdf5.attribute(group, "total_steps")
    infos = hdf5.entry(group, "infos")
    return StoredEpisode(
        where=f"{MAIN}/episode_{number}",
        steps=int(rewards.shape[0]),
        observations=int(first.shape[0]),
        fetch=fetch,
        declared=int(declared) if isinstance(declared, int | float) else None,
        inferred=inferred,
        infos=tuple(hdf5.keys(infos)) if isinstance(infos, h5py.Group) else (),
    )


def _leaf_of(name: str, array: h5py.Dataset) -> spaces.Leaf:
    """Return the leaf that an array without a declared space shows."""
    path = tuple(
        int(part.removeprefix("_index_")) if part.startswith("_index_") else part for part in name.split("/") if part
    )
    if episodes.is_blob(array.shape[1:]) or array.dtype.kind not in "biuf":
        return spaces.Leaf(path, "Box", skip=f"values of {hdf5.kind(array.dtype)}")
    return spaces.Leaf(path, "Discrete" if array.ndim == 1 and array.dtype.kind in "iu" else "Box")


def from_table(data: Path, number: int) -> StoredEpisode:
    """Read an episode's Arrow or Parquet files.

    Raises:
        TrajectoryError: they are missing, damaged, git-lfs pointers, or without a column.
    """
    folder = data / str(number)
    parts = sorted(
        (file for file in folder.glob("*") if file.suffix in {".arrow", ".parquet"}),
        key=lambda file: [int(digits) for digits in re.findall(r"\d+", file.stem)],
    )
    if not parts:
        raise TrajectoryError(f"{number}: no Arrow or Parquet file; fetch the episode's folder again")
    table = pa.concat_tables([_table(part) for part in parts])
    if absent := sorted(FIELDS - set(table.column_names)):
        raise TrajectoryError(f"{parts[0]}: no column `{absent[0]}`; write the episode anew")
    metadata, _ = read_json(folder / METADATA)
    declared = metadata.get("total_steps")
    declared = declared if isinstance(declared, int) else None
    steps = table.num_rows - _is_padded(table, declared)
    where = f"{number}/{parts[0].name}"

    def fetch(field: str, leaf: spaces.Leaf) -> Array:
        column = table.column(field)
        for part in leaf.path:
            column = pc.struct_field(column, str(part))
        column = column if field == "observations" else column.slice(0, steps)
        name = "/".join([field, *(str(part) for part in leaf.path)])
        if leaf.type == "flag":
            return np.asarray(column.to_numpy())
        if leaf.type == "Discrete":
            return columns.to_integers(column, name, where, lambda row: f"row {row:,}")
        return columns.to_matrix(column, name, where, lambda row: f"row {row:,}")

    def inferred(field: str) -> tuple[spaces.Leaf, ...]:
        return tuple(_leaves_of(table.schema.field(field).type, ()))

    infos = table.schema.field("infos").type if "infos" in table.column_names else None
    return StoredEpisode(
        where=where,
        steps=steps,
        observations=table.num_rows,
        fetch=fetch,
        declared=declared,
        inferred=inferred,
        infos=tuple(field.name for field in infos) if infos is not None and pa.types.is_struct(infos) else (),
    )


def _table(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    if hdf5.is_lfs_pointer(path):
        raise TrajectoryError(f"{path}: a git-lfs pointer, not the data itself; run `git lfs pull`")
    try:
        if path.suffix == ".parquet":
            return pq.ParquetFile(path).read()
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TrajectoryError(f"{path}: cannot be read ({str(error)[:120]}); copy or write it anew") from error


def _is_padded(table: pa.Table, declared: int | None) -> bool:
    """Return whether the last row only holds the final observation: the metadata says so, or the row looks like it."""
    if declared in {table.num_rows, table.num_rows - 1}:
        return bool(declared == table.num_rows - 1)
    if table.num_rows == 0:
        return False
    last = table.slice(table.num_rows - 1).select(["rewards", "terminations", "truncations"]).to_pylist()[0]
    return not any(last.values())


def _leaves_of(kind: pa.DataType, path: tuple[str | int, ...]) -> list[spaces.Leaf]:
    """Return the leaves that a column without a declared space shows."""
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaves_of(field.type, (*path, field.name))]
    if not columns.is_numeric(kind):
        return [spaces.Leaf(path, "Box", skip=f"values of {kind}")]
    return [spaces.Leaf(path, "Discrete" if pa.types.is_integer(kind) else "Box")]


def read_json(path: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a JSON file, and what is wrong with it in words."""
    if not path.is_file():
        return {}, "missing, so spaces and totals are not declared; fetch it if it should be there"
    try:
        content = json.loads(path.read_bytes() or b"null")
    except ValueError as error:
        return {}, f"no JSON ({error}); fetch it anew"
    return (content, "") if isinstance(content, dict) else ({}, "empty; fetch it anew")
