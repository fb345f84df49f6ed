"""Columns as small whole numbers: category codes in the order of first appearance, and thinned rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


def first_seen(column: Any, most: int | None = None) -> tuple[Codes, Any] | None:
    """Return an Arrow column as codes int64[n] in the order of first appearance, and its dictionary (Arrow array).

    NULL and NaN are -1. Two columns that are one-to-one recodings of each other have equal codes. None when there are
    more than `most` different values: cheap to find out, unlike sorting them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps a chunked array for some types
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type=array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    if most is not None and pc.count_distinct(array.slice(0, 4 * most)).as_py() > most:
        return None
    encoded = pc.dictionary_encode(array)
    if most is not None and len(encoded.dictionary) > most:
        return None
    indices = pc.fill_null(encoded.indices, -1) if encoded.indices.null_count else encoded.indices
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64), encoded.dictionary


def evenly_spaced(rows: int, most: int) -> Codes:
    """Return at most `most` row positions out of 0..rows-1, evenly spaced: all of them where they fit.

    On a uniform sample this is again a uniform sample, the same on every run.
    """
    if rows <= most:
        return np.arange(rows)
    return np.linspace(0, rows - 1, max(most, 1)).astype(np.int64)
