"""Codes in the order of first appearance."""

from __future__ import annotations

import pyarrow as pa

from audit.stats.encoding import evenly_spaced, first_seen


def codes(column: pa.Array | pa.ChunkedArray) -> list[int]:
    found = first_seen(column)
    assert found is not None
    return [int(code) for code in found[0]]


def test_recodings_have_equal_codes_whatever_the_type() -> None:
    assert codes(pa.array(["b", "a", None, "b"])) == [0, 1, -1, 0]
    assert codes(pa.array([7.5, 1.0, float("nan"), 7.5])) == [0, 1, -1, 0]
    assert codes(pa.chunked_array([["b"], ["a", None], ["b"]])) == [0, 1, -1, 0]
    assert codes(pa.array(["b", "a", None, "b"]).dictionary_encode()) == [0, 1, -1, 0]
    assert codes(pa.array([None, None])) == [-1, -1]
    assert codes(pa.chunked_array([], type=pa.string())) == []


def test_too_many_values_are_found_out_early() -> None:
    assert first_seen(pa.array(range(1000)), 100) is None
    assert first_seen(pa.array([*([1] * 500), *range(200)]), 100) is None
    assert first_seen(pa.array(range(100)), 100) is not None


def test_evenly_spaced_rows_span_the_sample() -> None:
    assert evenly_spaced(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert evenly_spaced(101, 3).tolist() == [0, 50, 100]
    assert evenly_spaced(0, 3).size == 0
