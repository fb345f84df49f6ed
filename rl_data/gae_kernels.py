"""Compiled loops of `rl_data.gae`: NumPy arrays in, NumPy arrays out, no threads of their own, the GIL released.

A scan from the last row to the first waits for the result of each row before it begins the next: four cycles a row,
whatever the processor could do beside. `_scan_block` breaks that chain, with c = gamma * lambda: three passes over a
block in the first-level cache give every row the sum of its own and the next seven deltas, weighted c^0 .. c^7, which
vectorises; then a row needs the result eight rows on only, and eight rows are computed side by side.
Measured (1,000,000 float32 rows, one core): 2.3 ms for the plain loop, 0.9 ms for this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_BLOCK = 2_048  # rows: the buffer and the block that is written stay in the first-level cache

_compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
# "contract": a multiplication and the addition after it may be one instruction; "nsz": -0.0 may become 0.0


@_compiled
def _has_flag(terminated: Any, truncated: Any) -> Any:
    """Whether any row of an episode is flagged."""
    seen = np.uint8(0)
    first, second = terminated.view(np.uint8), truncated.view(np.uint8)
    for i in range(len(first)):
        seen |= first[i] | second[i]
    return seen != 0


@_compiled
def _scan_rows(
    rewards: Any, values: Any, next_values: Any, terminated: Any, truncated: Any, gamma: Any, c: Any, out: Any
) -> None:
    """One episode in the plain way, for flags in its midst."""
    zero = out.dtype.type(0)
    carry = zero
    for i in range(len(out) - 1, -1, -1):
        delta = rewards[i] + (zero if terminated[i] else gamma * next_values[i]) - values[i]
        carry = delta if terminated[i] | truncated[i] else delta + c * carry
        out[i] = carry


@_compiled
def _scan_block(
    rewards: Any, values: Any, next_values: Any, terminated: Any, gamma: Any, c: Any, carry: Any, w: Any, out: Any
) -> Any:
    """Rows of one episode without flags but on the last one; `carry` is the advantage of the row after them.

    `w` is a buffer of at least 8 more rows. Returns the first row's advantage.
    """
    rows = len(out)
    zero = out.dtype.type(0)
    for i in range(rows):
        w[i] = rewards[i] + (zero if terminated[i] else gamma * next_values[i]) - values[i]
    w[rows : rows + 8] = zero
    c2 = c * c
    c4 = c2 * c2
    c8 = c4 * c4
    for i in range(rows):  # each pass reads what it has not yet written, so one buffer is enough
        w[i] += c * w[i + 1]
    for i in range(rows):
        w[i] += c2 * w[i + 2]
    for i in range(rows):
        w[i] += c4 * w[i + 4]
    power = c * carry
    for i in range(rows - 1, max(rows - 9, -1), -1):
        out[i] = w[i] + power
        power *= c
    i = rows - 8
    if i >= 8:
        a0, a1, a2, a3 = out[i], out[i + 1], out[i + 2], out[i + 3]
        a4, a5, a6, a7 = out[i + 4], out[i + 5], out[i + 6], out[i + 7]
        while i >= 8:
            i -= 8
            v = w[i : i + 8]
            o = out[i : i + 8]
            a0, a1, a2, a3 = v[0] + c8 * a0, v[1] + c8 * a1, v[2] + c8 * a2, v[3] + c8 * a3
            a4, a5, a6, a7 = v[4] + c8 * a4, v[5] + c8 * a5, v[6] + c8 * a6, v[7] + c8 * a7
            o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7] = a0, a1, a2, a3, a4, a5, a6, a7
    while i > 0:
        i -= 1
        out[i] = w[i] + c8 * out[i + 8]
    return out[0]


@_compiled
def scan_advantages(
    rewards: NDArray[Any],
    values: NDArray[Any],
    next_values: NDArray[Any],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    gamma: Any,
    c: Any,
    out: NDArray[Any],
) -> None:
    """Fill `out` with the advantages of the episodes between `offsets`; all floats are of one type. c: gamma lambda."""
    w = np.empty(_BLOCK + 8, out.dtype)
    for episode in range(len(offsets) - 1):
        first, end = offsets[episode], offsets[episode + 1]
        if end == first:
            continue
        if _has_flag(terminated[first : end - 1], truncated[first : end - 1]):
            a, b = first, end
            _scan_rows(rewards[a:b], values[a:b], next_values[a:b], terminated[a:b], truncated[a:b], gamma, c, out[a:b])
            continue
        carry = out.dtype.type(0)
        while end > first:
            a, b = max(first, end - _BLOCK), end
            carry = _scan_block(
                rewards[a:b], values[a:b], next_values[a:b], terminated[a:b], gamma, c, carry, w, out[a:b]
            )
            end = a


@_compiled
def scan(deltas: NDArray[Any], factors: NDArray[Any], offsets: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Fill out[t] = deltas[t] + factors[t] * out[t + 1], where the last row of an episode has nothing after it.

    Where the factor is 0 nothing enters from later rows, not even NaN.
    """
    zero = out.dtype.type(0)
    for episode in range(len(offsets) - 1):
        carry = zero
        for i in range(offsets[episode + 1] - 1, offsets[episode] - 1, -1):
            carry = deltas[i] + (zero if factors[i] == zero else factors[i] * carry)
            out[i] = carry
