"""REP006: what cannot be is counted exactly, what is far out is found, and clean shapes are left alone."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from audit.checks.representativeness.outliers import OutliersAndRanges
from audit.errors import ConfigError
from audit.findings import Finding, Severity
from audit.testing import audit_rows


def findings(columns: dict[str, Any], check: OutliersAndRanges | None = None, **settings: Any) -> tuple[Finding, ...]:
    table = pa.table({name: pa.array(values, from_pandas=False) for name, values in columns.items()})
    outcome = audit_rows(check or OutliersAndRanges(), table, **settings)
    assert outcome.status != "error", outcome.reason
    return outcome.findings


def clean(seed: int, n: int) -> dict[str, Any]:
    r = np.random.default_rng(seed)
    return {
        "normal": r.normal(size=n), "skewed": r.lognormal(3, 1, n), "waiting": r.exponential(5, n),
        "visits": r.poisson(2, n), "claims": r.poisson(0.05, n), "returns": r.standard_t(5, n),
        "age": r.integers(18, 90, n), "latitude": r.uniform(-90, 90, n), "price": np.round(r.lognormal(3, 0.5, n), 2),
        "discount_pct": r.uniform(0, 100, n), "flag": r.random(n) < 0.01, "id": np.arange(n),
        "balance": np.where(r.random(n) < 0.8, 0.0, r.normal(0, 100, n)),
    }  # fmt: skip


@pytest.mark.parametrize("n", [100, 5_000, 200_000])
def test_clean_columns_of_many_shapes_have_no_finding(n: int) -> None:
    for seed in range(3):
        assert not findings(clean(seed, n))


def test_planted_faults_are_found_and_counted_and_selected() -> None:
    columns = clean(0, 5_000)
    columns["age"][[3, 70]] = [999, -1]
    columns["latitude"][9] = 120.0
    columns["skewed"][5] = 1e8
    columns["normal"][[11, 12]] = [500.0, -800.0]
    columns["normal"][13] = np.nan
    found = {f.columns[0]: f for f in findings(columns)}
    assert {name: f.affected for name, f in found.items()} == {"age": 2, "latitude": 1, "skewed": 1, "normal": 2}
    assert all(f.severity is Severity.WARN for f in found.values())
    connection = duckdb.connect()
    connection.register("planted", pa.table(columns))
    for f in found.values():
        rows = connection.execute(f"SELECT count(*) FROM planted WHERE {f.where}").fetchall()
        assert rows == [(f.affected,)]


def test_an_outlier_that_the_sample_missed_is_known_from_the_exact_extremes() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    values[12_345] = 1e6
    for seed in range(3):
        (found,) = findings({"x": values}, sample=2_000, seed=seed)
        assert found.evidence["farthest"] == 1e6
        assert "at least 1 of" in found.message
        assert not found.basis.exact


def test_a_declared_range_fails_and_is_counted_over_all_rows() -> None:
    values = np.arange(100_000) % 1_000
    (found,) = findings({"x": values}, OutliersAndRanges(ranges={"x": (0, 989)}), sample=1_000)
    assert found.severity is Severity.FAIL
    assert (found.affected, found.basis.exact) == (1_000, True)
    assert found.where == '("x" < 0 OR "x" > 989)'


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-6, 1e6])
def test_the_unit_and_the_sign_do_not_matter(scale: float) -> None:
    values = np.random.default_rng(1).lognormal(size=2_000)
    values[0] = 1e5
    (found,) = findings({"x": values * scale})
    assert found.affected == 1


def test_names_of_columns_can_be_ignored() -> None:
    values = np.random.default_rng(0).normal(40, 10, 1_000).clip(0, 100)
    values[0] = 140.0
    assert len(findings({"age": values})) == 1
    assert not findings({"age": values}, OutliersAndRanges(names=False))


@pytest.mark.parametrize("bad", [{"x": (None, None)}, {"x": (2, 1)}])
def test_ranges_that_mean_nothing_are_refused(bad: Any) -> None:
    with pytest.raises(ConfigError, match="the range of 'x'"):
        OutliersAndRanges(ranges=bad)
