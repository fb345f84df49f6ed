"""COM004 from end to end."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from audit.checks.completeness.missing_by_segment import MissingBySegment
from audit.testing import audit_rows


def test_chance_does_not_alarm_in_small_segments() -> None:
    alarms = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        n = 300
        columns = {f"c{i}": np.where(random.random(n) < 0.25, np.nan, random.normal(size=n)) for i in range(10)}
        columns["site"] = random.choice(list("abcdefg"), n)
        columns["member"] = random.choice(["yes", "no"], n)
        table = pa.table({c: pa.array(v, from_pandas=True) for c, v in columns.items()})
        alarms += bool(audit_rows(MissingBySegment(), table, roles={"group": "site"}).findings)
    assert alarms <= 3  # significance 1% a table: 0.4 expected of 40


def test_the_worst_segment_is_named_and_its_rows_can_be_selected() -> None:
    random = np.random.default_rng(0)
    site = random.choice(np.array(["north", "it's south", None], dtype=object), 3_000)
    x = np.where((site == "it's south") & (random.random(3_000) < 0.4), np.nan, 1.0)
    data = pa.table({"site": pa.array(site), "x": pa.array(x, from_pandas=True)})
    (finding,) = audit_rows(MissingBySegment(), data, roles={"group": "site"}).findings
    assert finding.segment == "site=it's south"
    assert finding.value == pytest.approx(np.isnan(x[site == "it's south"]).mean())
    assert len(duckdb.from_arrow(data).filter(finding.where)) == finding.affected == int(np.isnan(x).sum())


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_a_period_can_be_selected_whatever_the_zone(zone: str | None) -> None:
    start = np.datetime64("2024-01-01T00:00:00", "us")
    times = start + np.arange(3_000) * np.timedelta64(1, "h")
    x = np.where(times >= np.datetime64("2024-04-01"), np.nan, 1.0)
    stamps = pa.array(times).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)) if zone else pa.array(times)
    data = pa.table({"t": stamps, "x": pa.array(x, from_pandas=True)})
    (finding,) = audit_rows(MissingBySegment(), data, roles={"time": "t"}).findings
    assert finding.segment is not None
    assert finding.segment.startswith("t=2024-04")
    rows = len(duckdb.connect().from_arrow(data).filter(finding.where))
    assert rows == finding.affected
    assert finding.chart is not None
    assert finding.chart.kind == "line"


def test_one_finding_a_column_with_every_division_in_its_evidence() -> None:
    random = np.random.default_rng(0)
    a, b = random.choice(["p", "q"], 1_000), random.choice(["r", "s"], 1_000)
    x = np.where((a == "p") & (random.random(1_000) < 0.5), np.nan, 1.0)
    x = np.where((b == "r") & (random.random(1_000) < 0.3), np.nan, x)
    data = pa.table({"a": a, "b": b, "x": pa.array(x, from_pandas=True)})
    (finding,) = audit_rows(MissingBySegment(), data).findings
    assert [gap["by"] for gap in finding.evidence["gaps"]] == ["a", "b"]
    assert "also differs by 'b'" in finding.message
