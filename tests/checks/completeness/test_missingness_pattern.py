"""COM003 from end to end: mechanisms that must be seen, and absence at random that must not alarm."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from audit.checks.completeness.missingness_pattern import MissingnessPattern
from audit.findings import Outcome, Severity
from audit.sample import Floats
from audit.testing import audit_rows

Texts = NDArray[np.str_]


def table(**columns: Any) -> pa.Table:
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def severities(outcome: Outcome, statistic: str) -> dict[tuple[str, ...], Severity]:
    return {f.columns: f.severity for f in outcome.findings if f.statistic == statistic}


def people(seed: int, n: int = 2_000) -> tuple[np.random.Generator, Floats, Texts, Texts]:
    random = np.random.default_rng(seed)
    age, site = random.normal(40, 12, n), random.choice(["x", "y", "z"], n)
    y = np.where(random.random(n) < 0.3, "yes", "no")
    return random, age, site, y


def test_absence_at_random_does_not_alarm() -> None:
    for seed in range(25):
        random, age, site, y = people(seed, n=400)
        columns = {f"c{i}": np.where(random.random(400) < 0.2, np.nan, random.normal(size=400)) for i in range(8)}
        outcome = audit_rows(MissingnessPattern(), table(age=age, site=site, y=y, **columns), roles={"label": "y"})
        assert severities(outcome, "absence_auc") == {}, f"seed {seed}"
        assert max((f.severity for f in outcome.findings), default=Severity.INFO) is Severity.INFO


def test_absence_that_the_label_decides_warns() -> None:
    random, age, site, y = people(0)
    income = np.where(random.random(2_000) < np.where(y == "yes", 0.5, 0.1), np.nan, random.normal(size=2_000))
    outcome = audit_rows(MissingnessPattern(), table(age=age, site=site, y=y, income=income), roles={"label": "y"})
    (finding,) = [f for f in outcome.findings if f.statistic == "absence_auc"]
    assert (finding.severity, finding.columns) == (Severity.WARN, ("income",))
    assert "the label 'y' predicts where 'income' is missing" in finding.message
    assert finding.affected == int(np.isnan(income).sum())


@pytest.mark.parametrize("shape", ["high", "both ends", "one site"])
def test_absence_that_another_column_decides_is_seen(shape: str) -> None:
    random, age, site, y = people(1)
    hidden = {"high": age > 52, "both ends": np.abs(age - 40) > 15, "one site": site == "z"}[shape]
    income = np.where(hidden & (random.random(2_000) < 0.9), np.nan, random.normal(size=2_000))
    outcome = audit_rows(MissingnessPattern(), table(age=age, site=site, y=y, income=income), roles={"label": "y"})
    (finding,) = [f for f in outcome.findings if f.statistic == "absence_auc"]
    assert finding.severity is Severity.WARN
    assert finding.evidence["predictors"][0]["column"] == ("site" if shape == "one site" else "age")


def test_a_tiny_difference_in_many_rows_is_no_finding() -> None:
    random = np.random.default_rng(0)
    age = random.normal(size=150_000)
    income = np.where(random.random(150_000) < np.where(age > 0, 0.21, 0.20), np.nan, age + random.normal(size=150_000))
    outcome = audit_rows(MissingnessPattern(), table(age=age, income=income))
    assert outcome.findings == ()


def test_columns_missing_together_are_one_finding_and_explained_once() -> None:
    random, age, _, _ = people(2)
    gone = (age > 50) & (random.random(2_000) < 0.9)
    parts = {c: np.where(gone, np.nan, random.normal(size=2_000)) for c in ("a", "b", "c")}
    data = table(age=age, **parts)
    outcome = audit_rows(MissingnessPattern(), data)
    together = next(f for f in outcome.findings if f.statistic == "co_missing_phi")
    assert len(duckdb.from_arrow(data).filter(together.where)) == together.affected == int(gone.sum())
    assert severities(outcome, "co_missing_phi") == {("a", "b", "c"): Severity.INFO}
    assert len(severities(outcome, "absence_auc")) == 1
    assert "missing with it: 'b', 'c'" in next(f.message for f in outcome.findings if f.statistic == "absence_auc")


def test_either_or_columns_are_told() -> None:
    random = np.random.default_rng(0)
    email = random.random(500) < 0.5
    data = table(email=np.where(email, 1.0, np.nan), phone=np.where(email, np.nan, 1.0), x=random.normal(size=500))
    outcome = audit_rows(MissingnessPattern(), data)
    (finding,) = [f for f in outcome.findings if f.statistic == "co_missing_phi"]
    assert finding.value == pytest.approx(-1.0)
    assert "in different rows" in finding.message
    assert len(duckdb.from_arrow(data).filter(finding.where)) == finding.affected == 500


def test_few_complete_rows_are_told_with_their_patterns() -> None:
    random = np.random.default_rng(0)
    columns = {f"c{i}": np.where(random.random(500) < 0.3, np.nan, random.normal(size=500)) for i in range(5)}
    outcome = audit_rows(MissingnessPattern(), table(**columns))
    (finding,) = [f for f in outcome.findings if f.statistic == "complete_row_share"]
    complete = ~np.isnan(np.column_stack(list(columns.values()))).any(axis=1)
    assert finding.value == pytest.approx(complete.mean())
    assert sum(row["rows"] for row in finding.evidence["patterns"]) <= 500


def test_the_picture_and_the_evidence_are_json_and_nothing_claims_to_know_why() -> None:
    random, age, site, _ = people(3)
    income = np.where(age > 52, np.nan, random.normal(size=2_000))
    outcome = audit_rows(
        MissingnessPattern(), table(age=age, site=site, income=income, z=age + random.normal(size=2_000))
    )
    view = next(v for v in outcome.views if v.chart.title == "missingness")
    assert (view.chart.kind, view.chart.data["columns"]) == ("heatmap", ["income"])
    shares = np.array(view.chart.data["values"])
    assert shares.shape == (len(view.chart.data["rows"]), 1)
    assert shares.mean() == pytest.approx(np.isnan(income).mean(), abs=1e-3)
    for finding in outcome.findings:
        json.dumps(dict(finding.evidence), allow_nan=False)
        assert "MNAR" not in finding.message
        assert "not at random" not in finding.message
    little = next(m for m in outcome.measurements if m.statistic == "little_d2")
    assert little.p_value is not None
    assert little.p_value < 0.01


def test_thousands_of_patterns_end_in_good_time() -> None:
    random = np.random.default_rng(0)
    columns = {f"c{i}": np.where(random.random(20_000) < 0.3, np.nan, random.normal(size=20_000)) for i in range(70)}
    outcome = audit_rows(MissingnessPattern(), table(**columns))
    assert outcome.seconds < 20
    assert any("most missing values" in entry.reason for entry in outcome.not_evaluated)
