"""Arrow columns as the arrays of trajectories: vectors, actions, flags, numbers.

Nothing is copied where Arrow's memory already is what NumPy needs. A missing number inside a vector becomes NaN (a
check finds it later); a row without any vector, a length that varies and a value of another kind are errors, because
every guess would be an invention. `label(row)` words a row for messages: "row 17 (episode 4)".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rl_data.trajectories import Flags, Space, TrajectoryError

Label = Callable[[int], str]


def list_depth(kind: pa.DataType) -> int:
    """Return how many lists are around the values of a type: 0 for numbers, 1 for vectors, 2 for lists of vectors."""
    depth = 0
    while _is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values inside all lists and dictionaries."""
    while _is_list(kind) or pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a column of numbers or of (nested) lists of numbers can be a vector."""
    kind = value_type(kind)
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def to_matrix(column: pa.ChunkedArray, name: str, uri: str, label: Label) -> NDArray[np.float32]:
    """Return the rows of a column as vectors, float32[N, d]; numbers give d = 1, nested lists are laid out flat.

    Raises:
        TrajectoryError: a row has no vector, lengths vary, or the values are no numbers.
    """
    _refuse_nulls(column, name, uri, label)
    return _vectors(column, name, uri, label)


def to_optional_matrix(
    column: pa.ChunkedArray, name: str, uri: str, label: Label
) -> tuple[NDArray[np.float32], Flags] | None:
    """Return vectors, NaN in the rows without one, and which rows have one; None when no row has.

    Raises:
        TrajectoryError: lengths vary, or the values are no numbers.
    """
    has = _flat(column.is_valid())
    if not has.any():
        return None
    if has.all():
        return _vectors(column, name, uri, label), has
    rows = np.flatnonzero(has)
    given = _vectors(column.drop_null(), name, uri, lambda row: label(int(rows[row])))
    full = np.full((len(has), given.shape[1]), np.nan, dtype=np.float32)
    full[has] = given
    return full, has


def to_actions(column: pa.ChunkedArray, name: str, uri: str, label: Label) -> NDArray[Any]:
    """Return actions: int32[N] when they are whole numbers (choices), float32[N, k] when they are vectors.

    Raises:
        TrajectoryError: a row has no action, lengths vary, values are no numbers or beyond 32 bits.
    """
    _refuse_nulls(column, name, uri, label)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_fixed_size_list(kind) and kind.list_size == 1:  # a choice in a vector of one
        kind, column = kind.value_type, _unwrapped(column)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return to_integers(column, name, uri, label)
    return _vectors(column, name, uri, label)


def to_integers(
    column: pa.ChunkedArray, name: str, uri: str, label: Label, dtype: type[np.signedinteger[Any]] = np.int32
) -> NDArray[Any]:
    """Return whole numbers, dtype[N]; floats count when all are whole.

    Raises:
        TrajectoryError: a value is missing, not whole, or too large for the type.
    """
    _refuse_nulls(column, name, uri, label)
    if not is_numeric(column.type) or list_depth(column.type):
        raise TrajectoryError(f"{uri}: {name} holds {column.type}, not whole numbers; convert the column")
    values = _flat(column)
    if values.dtype == dtype:
        return values
    limits = np.iinfo(dtype)
    with np.errstate(invalid="ignore"):
        wrong = ~((values >= limits.min) & (values <= limits.max))
        if values.dtype.kind == "f":
            wrong |= values != np.floor(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TrajectoryError(
            f"{uri}: {name} is {values[row]} in {label(row)}, not a whole number of {limits.bits} bits "
            f"({int(wrong.sum()):,} such rows); convert the column or remove the rows"
        )
    return np.asarray(values, dtype=dtype)


def to_flags(column: pa.ChunkedArray, name: str, uri: str, label: Label) -> Flags:
    """Return flags, bool[N]; 0 and 1 count as flags.

    Raises:
        TrajectoryError: a value is missing or neither true nor false.
    """
    _refuse_nulls(column, name, uri, label)
    if list_depth(column.type) == 1 and pa.types.is_fixed_size_list(column.type) and column.type.list_size == 1:
        column = _unwrapped(column)
    if not is_numeric(column.type) or list_depth(column.type):
        raise TrajectoryError(f"{uri}: {name} holds {column.type}, not true or false; convert the column")
    values = _flat(column)
    if values.dtype == np.bool_:
        return values
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TrajectoryError(f"{uri}: {name} is {values[row]} in {label(row)}, not 0 or 1; correct the column")
    return np.asarray(values, dtype=np.bool_)


def to_numbers(column: pa.ChunkedArray, name: str, uri: str) -> NDArray[np.float64]:
    """Return numbers, float64[N], NaN where missing; times become seconds.

    Raises:
        TrajectoryError: the values are no numbers.
    """
    kind = column.type
    if pa.types.is_fixed_size_list(kind) and kind.list_size == 1 and column.null_count == 0:
        column = _unwrapped(column)
    elif pa.types.is_timestamp(kind):
        per_second = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return to_numbers(column.cast(pa.int64()), name, uri) / per_second
    elif pa.types.is_duration(kind):
        return to_numbers(column.cast(pa.duration("ns")).cast(pa.int64()), name, uri) / 1e9
    if not is_numeric(column.type) or list_depth(column.type):
        raise TrajectoryError(f"{uri}: {name} holds {column.type}, not one number a row; convert or drop the column")
    return np.asarray(_flat(column.cast(pa.float64(), safe=False)), dtype=np.float64)


def to_texts(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Return a column as text, str[N]; a missing value gives the empty string."""
    codes = column.cast(pa.string()).combine_chunks().fill_null("").dictionary_encode()
    places: NDArray[np.int32] = codes.indices.to_numpy()
    return np.asarray(codes.dictionary.to_pylist(), dtype=np.str_)[places]


def to_plain(column: pa.ChunkedArray) -> NDArray[Any] | None:
    """Return any column as an array of its own type, [N] or [N, k]; None when it has no faithful array."""
    kind = column.type
    if pa.types.is_fixed_size_list(kind) and column.null_count == 0 and list_depth(kind) == 1:
        inner = to_plain(_unwrapped(column))
        return None if inner is None else inner.reshape(len(column), kind.list_size)
    if pa.types.is_string(value_type(kind)) and list_depth(kind) == 0:
        return to_texts(column) if column.null_count == 0 else None
    if not is_numeric(kind) or list_depth(kind) or pa.types.is_null(kind):
        return None
    if column.null_count and not pa.types.is_floating(kind):
        return None
    return _flat(column)


def vector_space(vectors: NDArray[Any], names: tuple[str, ...] = ()) -> Space:
    """Return the space that arrays without declared bounds show."""
    return Space("box", int(vectors.shape[1]), names=names)


def action_space(actions: NDArray[Any], names: tuple[str, ...] = ()) -> Space:
    """Return the space that actions show: as many choices as the largest number says, or vectors without bounds."""
    if actions.ndim == 1:
        return Space("discrete", int(actions.max(initial=0)) + 1)
    return vector_space(actions, names)


def fixed_size_lists(vectors: NDArray[Any], has: Flags | None = None) -> pa.Array:
    """Return vectors [N, d] as Arrow lists of a fixed size; rows without a vector are null."""
    values = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    mask = None if has is None or has.all() else pa.array(~has)
    return pa.FixedSizeListArray.from_arrays(values, vectors.shape[1], mask=mask)


def _vectors(column: pa.ChunkedArray, name: str, uri: str, label: Label) -> NDArray[np.float32]:
    """Return float32[N, d] of a column without nulls on the outside."""
    kind, rows = column.type, len(column)
    if not is_numeric(kind):
        advice = "leave images and blobs out or convert them to numbers"
        raise TrajectoryError(f"{uri}: {name} holds {value_type(kind)}, not numbers; {advice}")
    if pa.types.is_dictionary(kind):
        return _vectors(column.cast(kind.value_type), name, uri, label)
    if not _is_list(kind):
        return _numbers32(column).reshape(rows, 1)
    size = kind.list_size if pa.types.is_fixed_size_list(kind) else _common_length(column, name, uri, label)
    if size == 0:
        raise TrajectoryError(f"{uri}: {name} holds empty vectors; drop the column or record it anew")
    inner = _unwrapped(column)
    if _is_list(kind.value_type):
        _refuse_nulls(inner, name, uri, lambda row: label(row // size))
    return _vectors(inner, name, uri, lambda row: label(row // size)).reshape(rows, -1)


def _common_length(column: pa.ChunkedArray, name: str, uri: str, label: Label) -> int:
    """Return the one length of all lists."""
    lengths = _flat(pc.list_value_length(column))
    if len(lengths) == 0:
        return 1
    if (lengths == lengths[0]).all():
        return int(lengths[0])
    sizes, counts = np.unique(lengths, return_counts=True)
    usual = int(sizes[np.argmax(counts)])
    wrong = lengths != usual
    row = int(np.argmax(wrong))
    differ = f"{int(wrong.sum()):,} of {len(lengths):,} differ"
    raise TrajectoryError(
        f"{uri}: {name} has {int(lengths[row])} values in {label(row)} and {usual} in most rows ({differ}): "
        "record vectors of one length, or remove these episodes"
    )


def _refuse_nulls(column: pa.ChunkedArray, name: str, uri: str, label: Label) -> None:
    if column.null_count == 0:
        return
    row = int(np.argmax(_flat(column.is_null())))
    share = f"{column.null_count:,} of {len(column):,} rows"
    raise TrajectoryError(
        f"{uri}: {name} is missing in {label(row)} ({share}): remove these rows, or drop the column if it may be absent"
    )


def _numbers32(column: pa.ChunkedArray) -> NDArray[np.float32]:
    if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    return np.asarray(_flat(column), dtype=np.float32)


def _unwrapped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values inside lists, without a copy; outer nulls are gone."""
    return pa.chunked_array([chunk.flatten() for chunk in column.chunks], type=column.type.value_type)


def _flat(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of numbers or flags as one array; without a copy when it is one chunk without nulls."""
    if column.num_chunks == 1:
        return np.asarray(column.chunk(0).to_numpy(zero_copy_only=False))
    return np.asarray(column.to_numpy())


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
