"""COR005: which of two splits is judged, how severe it is, and time."""

from __future__ import annotations

import datetime as dt
from typing import Any

from audit.checks.correlation.split_leakage import SplitLeakage
from audit.facts import DistinctCount, GroupTable, SplitOverlapTable
from audit.findings import Finding, NotEvaluated, Severity


def facts(shared: int, train: int = 8000, test: int = 2000, distinct: int = 10_000, **more: Any) -> dict[str, Any]:
    overlap = SplitOverlapTable(
        {"train": train, "test": test}, (("test", "train"),), (shared,), (shared,), (shared * 2,)
    )
    return {
        "rows": train + test,
        "split": "split",
        "subjects": {"rows": ("a", "b")},
        "overlaps": {"rows": overlap},
        "distinct": {c: DistinctCount(distinct, False) for c in ("a", "b")},
        **more,
    }


def findings(given: dict[str, Any], check: SplitLeakage | None = None) -> list[Finding]:
    return [j for j in (check or SplitLeakage()).judge(given) if isinstance(j, Finding)]


def test_nothing_shared_passes_a_row_warns_and_more_than_a_percent_fails() -> None:
    assert findings(facts(0)) == []
    assert findings(facts(1))[0].severity is Severity.WARN
    assert findings(facts(20))[0].severity is Severity.WARN
    found = findings(facts(21))[0]
    assert found.severity is Severity.FAIL
    assert (found.value, found.affected, found.segment) == (21 / 2000, 21, "test/train")
    assert "21 of 2,000 rows of 'test' (1.05%)" in found.message


def test_the_split_that_is_not_for_training_is_judged_even_when_it_is_the_larger() -> None:
    assert findings(facts(20, train=1000, test=9000))[0].segment == "test/train"
    overlap = SplitOverlapTable({"a": 10, "b": 90}, (("a", "b"),), (1,), (1,), (1,))
    assert findings(facts(0) | {"overlaps": {"rows": overlap}})[0].segment == "a/b"


def test_equal_rows_are_expected_where_there_are_few_combinations() -> None:
    found = findings(facts(500, distinct=10))
    assert [f.severity for f in found] == [Severity.INFO]
    assert "to be expected" in found[0].message


def test_one_split_is_nothing_to_compare() -> None:
    given = facts(0) | {"overlaps": {"rows": SplitOverlapTable({"train": 10}, (), (), (), ())}}
    assert [type(j) for j in SplitLeakage().judge(given)] == [NotEvaluated]


def spans(**of: tuple[int, int]) -> GroupTable:
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    low = tuple(start + dt.timedelta(days=a) for a, _ in of.values())
    high = tuple(start + dt.timedelta(days=b) for _, b in of.values())
    return GroupTable(tuple((name,) for name in of), (1,) * len(of), len(of), len(of), low={"t": low}, high={"t": high})


def timed(table: GroupTable) -> list[str | None]:
    return [f.segment for f in findings(facts(0, time="t", spans=table))]


def test_time_order_is_kept_broken_or_never_meant() -> None:
    assert timed(spans(train=(0, 80), test=(81, 100))) == []
    assert timed(spans(train=(0, 85), test=(81, 100))) == ["test/train"]
    assert timed(spans(train=(0, 100), test=(1, 99))) == []  # drawn at random
    assert timed(spans(train=(0, 60), val=(61, 80), test=(75, 100))) == []  # two splits for evaluation
    assert timed(spans(test=(0, 50), train=(45, 100))) == ["train/test"]  # the past is tested, with an overlap


def test_a_moment_and_missing_times_do_not_break_it() -> None:
    assert timed(spans(train=(0, 10), test=(10, 10))) == []
    empty = GroupTable(((None,), ("train",)), (1, 1), 2, 2, low={"t": (None, None)}, high={"t": (None, None)})
    assert timed(empty) == []
