"""Columns that are called as the parts of our statements are counted like any other."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from audit.config import Config
from audit.engine.duckdb import Connection, Limits
from audit.engine.plan import Failure
from audit.facts import (
    CoMissing,
    Conflicts,
    DuplicateRows,
    Fact,
    Grouped,
    KeyCount,
    SplitOverlap,
    TextCounts,
    TimeBuckets,
    ValueCounts,
)
from audit.runner import open_subject

ROWS = 240
INNER = ["n", "h", "s", "v", "y_", "row_", "n_", "first_", "k0", "c0", "c1", "t", "g", "group_", "labels_", "whole"]


def make(a: str, b: str, c: str, d: str) -> pa.Table:
    return pa.table(
        {
            a: [i % 7 if i % 11 else None for i in range(ROWS)],
            b: ["xyz"[i % 3] for i in range(ROWS)],
            c: ["train" if i % 2 else "test" for i in range(ROWS)],
            d: pa.array([(i // 24) * 86_400_000_000 for i in range(ROWS)], pa.timestamp("us")),
        }
    )


def facts(a: str, b: str, c: str, d: str) -> list[Fact]:
    return [
        KeyCount((a, b)), DuplicateRows((a, b)), DuplicateRows(), Conflicts((a, d), b), SplitOverlap((a, b), c),
        Grouped((b, a), missing=(a,), extremes=(a,)), TimeBuckets(d, by=b, missing=(a,)), ValueCounts(b),
        TextCounts(b), CoMissing((a, b)),
    ]  # fmt: skip


def answers(names: list[str]) -> list[str]:
    """The answers as text, the columns in it under the same names whatever they are called."""
    with Connection(Limits(threads=2)) as connection:
        now = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
        found = open_subject(connection, make(*names), Config(), now, name=None).engine.answer(facts(*names))
    assert [str(answer) for answer in found.values() if isinstance(answer, Failure)] == []
    lines = [str(answer) for answer in found.values()]
    for name, other in zip(names, "ABCD", strict=True):
        lines = [line.replace(f"'{name}'", f"'{other}'") for line in lines]
    return lines


@pytest.mark.parametrize("start", range(0, len(INNER), 2))
def test_names_of_our_own_do_not_meet_those_of_the_data(start: int) -> None:
    names = (INNER + INNER)[start : start + 4]
    assert answers(names) == answers(["A1", "B1", "C1", "D1"])
    assert answers(names[::-1]) == answers(["A1", "B1", "C1", "D1"])
