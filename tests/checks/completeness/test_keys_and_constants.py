"""KEY001, KEY002 and COM006: exact claims, and rows that can be found again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from audit.checks.completeness.constant_columns import ConstantColumns, most_frequent
from audit.checks.completeness.duplicate_rows import DuplicatedRows, expected_pairs
from audit.checks.completeness.key_uniqueness import KeyUniqueness
from audit.facts import DuplicateCounts, KeyCounts
from audit.findings import Finding, Severity
from audit.sample import Sampled
from audit.testing import audit_rows


def sampled(**columns: Any) -> Sampled:
    table = pa.table(columns)
    return Sampled(table, np.arange(table.num_rows), table.num_rows, 0)


def test_expected_pairs_is_near_what_chance_makes() -> None:
    random = np.random.default_rng(0)
    seen = []
    for _ in range(30):
        a, b = random.integers(0, 120, 600), random.integers(0, 90, 600)
        _, counts = np.unique(np.column_stack([a, b]), axis=0, return_counts=True)
        seen.append((counts * (counts - 1) / 2).sum())
    assert expected_pairs(sampled(a=a, b=b), ("a", "b"), DuplicateCounts(600, 16, 16, 2)) == pytest.approx(
        np.mean(seen), rel=0.15
    )


def test_one_copied_continuous_row_is_not_chance() -> None:
    x = np.random.default_rng(0).normal(size=1_000)
    x[-1] = x[0]
    facts = {"all": DuplicateCounts(1_000, 1, 1, 2, (999,)), "sample": sampled(x=x), "names": ("x",)}
    (finding,) = DuplicatedRows().judge({**facts, "key": (), "rest": ()})
    assert isinstance(finding, Finding)
    assert (finding.severity, finding.row_ids) == (Severity.WARN, (999,))


def test_the_share_of_copies_decides_between_warn_and_fail() -> None:
    sample = sampled(x=np.random.default_rng(0).normal(size=1_000))
    for extra, severity in ((50, Severity.WARN), (51, Severity.FAIL)):
        facts = {"all": DuplicateCounts(1_000, extra, extra, 2), "sample": sample, "names": ("x",)}
        (finding,) = DuplicatedRows().judge(facts)
        assert isinstance(finding, Finding)
        assert finding.severity is severity


def test_duplicate_row_numbers_point_at_copies() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=500), random.choice(["a", "b"], 500)
    order = np.concatenate([np.arange(500), [3, 3, 7]])
    (finding,) = audit_rows(DuplicatedRows(), pa.table({"x": x[order], "y": y[order]})).findings
    assert finding.affected == 3
    assert {float(x[order][i]) for i in finding.row_ids} == {float(x[3]), float(x[7])}


def test_repeated_keys_can_be_selected_and_are_shown_only_in_the_evidence() -> None:
    data = pa.table({"id": ["k1", "k2", "it's", "it's", "k5"], "x": [1, 2, 3, 4, 5]})
    (finding,) = audit_rows(KeyUniqueness(), data, roles={"key": ["id"]}).findings
    assert "it's" not in finding.message
    assert finding.evidence["examples"] == [{"key": ["it's"], "rows": 2}]
    assert len(duckdb.from_arrow(data).filter(finding.where)) == finding.affected == 2


def test_all_rows_of_many_repeated_keys_are_named() -> None:
    rng = np.random.default_rng(4)
    keys = rng.permutation(np.repeat(np.arange(300), [*[4] * 10, *[2] * 40, *[1] * 250])).tolist() + [None] * 3
    data = pa.table({"id": keys, "x": list(range(len(keys)))})
    found = audit_rows(KeyUniqueness(), data, roles={"key": ["id"]}).findings
    repeated = next(f for f in found if f.statistic == "duplicate_key_share")
    sizes = Counter(k for k in keys if k is not None)
    assert repeated.where is None
    assert set(repeated.row_ids) == {i for i, k in enumerate(keys) if k is not None and sizes[k] > 1}
    assert len(repeated.row_ids) == repeated.affected == 120
    assert [sizes[keys[i]] for i in repeated.row_ids] == [4] * 40 + [2] * 80


def test_a_key_is_never_judged_from_a_sample() -> None:
    facts = {"key": KeyCounts(10**7, 0, 10**7 - 1, 1, 1, (((5,), 2),)), "columns": ("id",), "floating": frozenset()}
    finding = next(f for f in KeyUniqueness().judge(facts) if isinstance(f, Finding))
    assert finding.severity is Severity.FAIL
    assert finding.basis.exact
    assert finding.where == '"id" IN (5)'


def test_duplicates_and_nulls_of_a_key_are_two_findings() -> None:
    data = pa.table({"a": [1, 1, None, 2], "b": ["x", "x", "y", None]})
    found = audit_rows(KeyUniqueness(), data, roles={"key": ["a", "b"]}).findings
    assert {f.statistic: f.affected for f in found} == {"duplicate_key_share": 2, "null_key_share": 2}
    for finding in found:
        assert len(duckdb.from_arrow(data).filter(finding.where)) == finding.affected


@pytest.mark.parametrize("values", [[1.0] * 95 + [2.0] * 5, ["a"] * 95 + ["b"] * 5, [True] * 95 + [False] * 5])
def test_the_most_frequent_value_is_counted_without_sorting(values: list[Any]) -> None:
    shuffled = np.random.default_rng(0).permutation(np.array(values, dtype=object)).tolist()
    sample = sampled(c=[*shuffled, None])
    value, count, known = most_frequent(sample, "c", isinstance(values[0], str))
    assert (value, count, known) == (values[0], 95, 100)


def test_one_other_value_anywhere_in_a_large_table_is_not_constant() -> None:
    x = np.zeros(300_000, dtype=np.int64)
    x[123_456] = 1
    outcome = audit_rows(ConstantColumns(), pa.table({"x": x}))
    assert [f.statistic for f in outcome.findings] in ([], ["largest_share"])
    assert all(f.severity is Severity.INFO for f in outcome.findings)
