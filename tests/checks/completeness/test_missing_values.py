"""COM001 on facts written down by hand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import pytest
from statsmodels.stats.proportion import proportion_confint

from audit.checks.completeness.missing_values import MissingValues
from audit.facts import MissingCounts
from audit.findings import Finding, Measurement, Severity


def judged(
    counts: Mapping[str, MissingCounts], *, label: str | None = None, floating: Iterable[str] = (), **options: Any
) -> list[Any]:  # findings and measurements: each test says which it expects
    facts = {"missing": counts, "label": label, "floating": frozenset(floating)}
    return list(MissingValues(**options).judge(facts))


def test_the_message_has_subject_number_denominator_and_limit() -> None:
    (finding,) = judged({"age": MissingCounts(1_000, 90, 10)})
    assert finding.severity is Severity.WARN
    assert finding.message == "'age': 100 of 1,000 values missing (10.0%; 90 NULL, 10 NaN), limit 5.0%"
    assert (finding.value, finding.affected, finding.effect) == (0.1, 100, 0.1)
    oracle = proportion_confint(100, 1_000, method="wilson")
    assert (finding.interval.low, finding.interval.high) == pytest.approx(oracle, rel=1e-9)


def test_few_rows_are_judged_by_their_share_and_say_that_they_are_few() -> None:
    (finding,) = judged({"age": MissingCounts(10, 1)})
    assert finding.severity is Severity.WARN
    assert "so few rows" in finding.message
    assert finding.interval.low < 0.05 < finding.interval.high


def test_what_passes_is_measured() -> None:
    (measured,) = judged({"age": MissingCounts(1_000, 50)})
    assert isinstance(measured, Measurement)
    assert (measured.value, measured.limit) == (0.05, 0.05)


def test_a_label_has_no_limit_but_the_fail_one() -> None:
    assert judged({"y": MissingCounts(10**6, 1)}, label="y")[0].severity is Severity.WARN
    assert judged({"y": MissingCounts(100, 21)}, label="y")[0].severity is Severity.FAIL
    assert isinstance(judged({"y": MissingCounts(100, 0)}, label="y")[0], Measurement)


def test_infinities_of_both_signs_are_told_apart() -> None:
    finding = judged({"x": MissingCounts(100, 0, 0, 2, 3)}, floating=["x"])[1]
    assert (finding.statistic, finding.affected) == ("infinite_share", 5)
    assert "2 +inf, 3 -inf" in finding.message
    assert isinstance(judged({"x": MissingCounts(100, 0, 0, 2, 3)}, floating=["x"], infinite=0.05)[1], Measurement)


def test_predicates_select_the_affected_rows() -> None:
    duckdb.sql("select 1")
    table = duckdb.sql("select * from (values (1.0), ('nan'::double), (null), ('inf'::double)) t(\"a b\")")
    assert table is not None
    missing, infinite = judged({"a b": MissingCounts(4, 1, 1, 1, 0)}, floating=["a b"])
    assert len(table.filter(missing.where)) == missing.affected == 2
    assert len(table.filter(infinite.where)) == infinite.affected == 1


def test_a_thousand_failing_columns_are_a_thousand_findings_in_no_time() -> None:
    started = time.perf_counter()
    found = judged({f"c{i}": MissingCounts(10**7, 10**6 * 5) for i in range(1_000)})
    assert len(found) == 1_000
    assert all(isinstance(finding, Finding) for finding in found)
    assert time.perf_counter() - started < 2
