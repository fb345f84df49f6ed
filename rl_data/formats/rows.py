"""From rows of a table to episodes: which rows belong together, and in which order they stay.

Rows of an episode keep the order of the file. An episode whose rows stand apart in the file (interleaved with another)
is gathered, and the provenance says so; step numbers that are missing, doubled or out of order stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rl_data.formats.columns import action_space, vector_space
from rl_data.formats.tables import Source
from rl_data.trajectories import PER_ROW, Flags, Provenance, Rows, Trajectories, TrajectoryError


@dataclass(frozen=True, slots=True)
class Episodes:
    """Which rows of a table are which episode.

    Attributes:
        ids: int64[E] or str[E], in the order in which they first appear.
        codes: int32[N], the episode of each row, by place in `ids`.
        offsets: int64[E + 1] into the rows once they are gathered.
        order: int64[N], the rows gathered by episode; None when they already are.
        scattered: number of episodes whose rows stand apart in the file.
    """

    ids: NDArray[Any]
    codes: NDArray[np.int32]
    offsets: Rows
    order: Rows | None
    scattered: int

    def label(self, row: int) -> str:
        """Return a row in words."""
        return f"row {row:,} (episode {self.ids[self.codes[row]]})"

    def note(self) -> str:
        """Return what was done to the order of the rows, as the end of a sentence; empty when nothing."""
        if self.order is None:
            return ""
        return f"; rows of {self.scattered:,} of {len(self.ids):,} episodes stand apart in the file and were gathered"


def episodes_from_ids(ids: pa.ChunkedArray, name: str, uri: str) -> Episodes:
    """Group rows by an episode column of whole numbers or text.

    Raises:
        TrajectoryError: an id is missing, or ids are neither whole numbers nor text.
    """
    if ids.null_count:
        row = ids.is_null().index(True).as_py()
        share = f"{ids.null_count:,} of {len(ids):,} rows"
        raise TrajectoryError(f"{uri}: {name} is missing in row {row:,} ({share}): fill it or remove the rows")
    codes = _as_ids(ids, name, uri).combine_chunks().dictionary_encode()
    known = codes.dictionary
    texts = not pa.types.is_integer(known.type)
    names = np.asarray(known.to_pylist(), dtype=np.str_) if texts else np.asarray(known.to_numpy(), dtype=np.int64)
    return _grouped(names, np.asarray(codes.indices.to_numpy(), dtype=np.int32))


def episodes_from_starts(starts: Flags) -> Episodes:
    """Cut rows where an episode starts; the first row always does. Episodes get the numbers 0, 1, ..."""
    starts = starts.copy()
    starts[0] = True
    codes = np.cumsum(starts, dtype=np.int32) - np.int32(1)
    return _grouped(np.arange(int(codes[-1]) + 1, dtype=np.int64), codes)


def build(
    source: Source, episodes: Episodes, arrays: Mapping[str, Any], provenance: Provenance, **fields: Any
) -> Trajectories:
    """Return trajectories of arrays that stand in the order of the file.

    Args:
        source: the table, for the files and the row numbers.
        episodes: which row is which episode.
        arrays: by field of `Trajectories` with one entry a row; `infos` a mapping of such arrays. Spaces, steps, source
            rows and source files that are absent are taken from the arrays and the table.
        provenance: how the source was read.
        fields: further fields of `Trajectories`, such as `step_limit`.
    """
    order = episodes.order
    known = {name: array for name, array in arrays.items() if name in PER_ROW and array is not None}
    known.setdefault("source_rows", source.row_in_file())
    if order is not None:
        known = {name: array[order] for name, array in known.items()}
    infos = {name: array if order is None else array[order] for name, array in arrays.get("infos", {}).items()}
    if "steps" not in known:
        lengths = np.diff(episodes.offsets)
        known["steps"] = (np.arange(episodes.offsets[-1]) - np.repeat(episodes.offsets[:-1], lengths)).astype(np.int32)
    fields.setdefault("observation_space", vector_space(known["observations"]))
    fields.setdefault("action_space", action_space(known["actions"]))
    if "source_files" not in fields:
        first = episodes.offsets[:-1] if order is None else order[episodes.offsets[:-1]]
        fields["source_files"] = source.file_of_row(first)
    fields |= {name: known.get(name) for name in PER_ROW}
    return Trajectories(
        episode_ids=episodes.ids, offsets=episodes.offsets, infos=infos, provenance=provenance, **fields
    )


def _grouped(ids: NDArray[Any], codes: NDArray[np.int32]) -> Episodes:
    lengths = np.bincount(codes, minlength=len(ids))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    turns = np.flatnonzero(np.diff(codes)) + 1
    if len(turns) == len(ids) - 1:  # as many runs as episodes
        return Episodes(ids, codes, offsets, None, 0)
    runs = np.bincount(codes[np.concatenate([[0], turns])], minlength=len(ids))
    return Episodes(ids, codes, offsets, np.argsort(codes, kind="stable"), int((runs > 1).sum()))


def _as_ids(ids: pa.ChunkedArray, name: str, uri: str) -> pa.ChunkedArray:
    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    try:
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return ids.cast(pa.int64())  # a float that is not whole does not pass
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return ids.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        raise TrajectoryError(f"{uri}: {name} holds numbers that are not whole: number or name the episodes") from error
    raise TrajectoryError(f"{uri}: {name} holds {kind}; episodes need whole numbers or text")
