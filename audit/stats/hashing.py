"""Hashes of rows and of runs of rows: equal content has equal hashes, in one pass over the columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_BASE = np.uint64(0x100000001B3 * 0x9E37 + 2)


def hash_rows(columns: Iterable[NDArray[Any]], rows: int) -> Hashes:
    """Return a 64-bit hash of each row of some columns (or matrices), by their bits; -0.0 counts as 0.0.

    Multiply, xor-shift (the finaliser of SplitMix64, Steele et al., 2014) column by column.
    """
    h = np.full(rows, np.uint64(0x243F6A8885A308D3))
    with np.errstate(over="ignore"):
        for array in columns:
            for column in array.T if array.ndim == 2 else (array,):
                h ^= _bits(column)
                h *= _MULTIPLIER
                h ^= h >> np.uint64(29)
                h *= _MIX
                h ^= h >> np.uint64(32)
    return np.asarray(h)


def _bits(column: NDArray[Any]) -> Hashes:
    if column.dtype.kind == "f":
        plain = np.ascontiguousarray(column) + column.dtype.type(0)
        bits = plain.view(np.uint32 if column.dtype.itemsize == 4 else np.uint64)
        return np.asarray(bits.astype(np.uint64))
    return np.asarray(np.ascontiguousarray(column).astype(np.int64).view(np.uint64))


def hash_runs(rows: Hashes, length: int) -> Hashes:
    """Return the hash of each run of `length` rows, by the row that it starts with: uint64[n - length + 1]."""
    count = max(len(rows) - length + 1, 0)
    h = np.zeros(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for i in range(length):
            h *= _BASE
            h += rows[i : i + count]
    return h


def hash_segments(rows: Hashes, offsets: NDArray[np.int64]) -> Hashes:
    """Return the hash of the rows of each segment, in their order and with their number: uint64[segments]."""
    lengths = np.diff(offsets)
    with np.errstate(over="ignore"):
        powers = np.full(int(lengths.max(initial=0)) + 1, _BASE, dtype=np.uint64)
        powers[0] = 1
        powers = np.multiply.accumulate(powers)
        inside = np.arange(len(rows)) - np.repeat(offsets[:-1], lengths)
        total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(rows * powers[inside], dtype=np.uint64)])
        return np.asarray((total[offsets[1:]] - total[offsets[:-1]]) ^ (lengths.astype(np.uint64) * _MULTIPLIER))
