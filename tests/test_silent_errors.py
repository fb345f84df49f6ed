"""Errors that other tools make in silence, put to whole checks: real facts from the real engine, as a user would.

The statistics behind them have tests of their own in tests/stats; here stands what a person would see.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import datasets

from audit.checks import check_by_code, select
from audit.config import make_check
from audit.findings import Finding, Outcome, Status
from audit.testing import audit_rows

UTC = dt.UTC


def found(code: str, columns: Any, **settings: Any) -> Outcome:
    """Run one check with its defaults, or with `options`."""
    check = make_check(check_by_code(code), settings.pop("options", {}))
    return audit_rows(check, pa.table(columns), **settings)


def worst(outcome: Outcome) -> Finding:
    return max(outcome.findings, key=lambda finding: finding.severity)


# --- drift ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_column_that_goes_missing_has_drifted(kind: str) -> None:
    # Evidently 0.7.23: 0.040 and 0.002, "no drift"
    random = np.random.default_rng(0)
    values = random.normal(size=1_000) if kind == "number" else np.array(["a", "b", "c"])[random.choice(3, 1_000)]
    gone = random.random(1_000) < 0.6
    outcome = found("REP001", {"x": pa.array(values, mask=gone)}, reference=pa.table({"x": values}))
    assert outcome.status is Status.FAIL
    assert worst(outcome).columns == ("x",)


def test_one_huge_value_does_not_hide_a_shift() -> None:
    # Evidently 0.7.23: the index falls from 0.965 to 0.00007
    random = np.random.default_rng(1)
    reference, current = random.normal(size=2_000), random.normal(1, 1, 2_000)
    without = worst(found("REP001", {"x": current}, reference=pa.table({"x": reference})))
    current[0] = 1e6
    with_it = worst(found("REP001", {"x": current}, reference=pa.table({"x": reference})))
    assert with_it.severity is without.severity
    assert with_it.evidence["psi"] == pytest.approx(without.evidence["psi"], rel=0.01)


def test_values_below_the_reference_weigh_as_much_as_those_above() -> None:
    # pointblank 1.1.1 counts the former in the top bin: 0.001 against 0.762
    reference = np.random.default_rng(2).random(4_000)
    psi = [
        worst(found("REP001", {"x": sign * (reference - 0.1)}, reference=pa.table({"x": sign * reference}))).evidence[
            "psi"
        ]
        for sign in (1, -1)  # the mirror turns a shift down into a shift up
    ]
    assert psi[0] == pytest.approx(psi[1], rel=0.05)
    assert psi[0] > 0.25


def test_a_new_category_of_less_than_a_per_cent_is_told() -> None:
    # Deepchecks floors each share at 0.01: 0.00008
    old = ["a"] * 5_000 + ["b"] * 5_000
    new = ["a"] * 4_955 + ["b"] * 4_956 + ["brand new"] * 89
    outcome = found("REP005", {"c": new}, reference=pa.table({"c": old}))
    assert outcome.status is Status.WARN
    assert "0.9%" in worst(outcome).message or "0.89%" in worst(outcome).message


def test_a_hundred_rows_without_drift_are_no_drift() -> None:
    # PSI over ten bins exceeds 0.1 in 84% of such samples, and 0.25 in 21%
    alarms = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        outcome = found("REP001", {"x": random.normal(size=100)}, reference=pa.table({"x": random.normal(size=100)}))
        assert outcome.measurements
        alarms += bool(outcome.findings)
    assert alarms <= 2


# --- association ------------------------------------------------------------------------------------------------------


def test_one_outlier_does_not_hide_that_a_text_decides_a_number() -> None:
    # ydata cuts the number into ten equal intervals: 0.90 becomes 0.0
    rows = np.arange(1_000)
    x = (rows % 10).astype(float)
    level = np.array([f"level {i}" for i in rows % 10])
    x[0] = 1e9
    outcome = found("COR001", {"x": x, "level": level})
    (finding,) = outcome.findings
    assert set(finding.columns) == {"x", "level"}
    assert isinstance(finding.value, float)
    assert finding.value > 0.99


def test_independent_categories_are_unrelated_however_few_the_rows() -> None:
    # Cramer's V without correction is 0.30 here on average
    for seed in range(20):
        random = np.random.default_rng(seed)
        a, b = (np.array([f"v{k}" for k in random.integers(0, 10, 100)]) for _ in range(2))
        outcome = found("COR001", {"a": a, "b": b}, options={"warn": 0.5})
        assert outcome.findings == ()


def test_identifiers_do_not_explain_numbers_of_noise() -> None:
    # eta of noise over 1,000 levels and 10,000 rows is 0.32
    random = np.random.default_rng(3)
    shop = np.array([f"s{k}" for k in random.integers(0, 1_000, 10_000)])
    outcome = found("COR001", {"shop": shop, "x": random.normal(size=10_000)}, options={"most_levels": 2_000})
    (measured,) = (m for m in outcome.measurements if m.statistic == "omega")
    assert isinstance(measured.value, float)
    assert measured.value < 0.1


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "status"), [((500, 500), Status.PASS), ((990, 10), Status.WARN), ((9_990, 10), Status.FAIL)]
)
def test_balance_is_what_everybody_would_say(sizes: tuple[int, int], status: Status) -> None:
    label = np.repeat(["no", "yes"], sizes)
    assert found("BAL001", {"y": label, "x": np.arange(sum(sizes)) % 7}, roles={"label": "y"}).status is status


@pytest.mark.parametrize("value", [["yes"], [1], [True]])
def test_a_label_with_one_class_is_never_balanced(value: list[Any]) -> None:
    # ydata gives a single class the imbalance 0: balanced
    outcome = found("BAL001", {"y": value * 500, "x": list(range(500))}, roles={"label": "y"})
    assert outcome.status is Status.FAIL


def test_missing_labels_are_no_class() -> None:
    label = [True] * 300 + [False] * 300 + [None] * 40
    outcome = found("BAL001", {"y": label, "x": list(range(640))}, roles={"label": "y"})
    assert outcome.status is Status.PASS


def test_a_hundred_equal_classes_are_balanced() -> None:
    label = np.repeat([f"c{i}" for i in range(100)], 50)
    outcome = found("BAL001", {"y": label, "x": np.arange(5_000) % 13}, roles={"label": "y"})
    assert outcome.status is Status.PASS


# --- labels -----------------------------------------------------------------------------------------------------------


def test_probabilities_are_matched_to_classes_by_name() -> None:
    # columns in another order than predict_proba's classes would make nearly every label wrong
    random = np.random.default_rng(4)
    label = random.choice(["cat", "dog", "emu"], 900, p=[0.5, 0.3, 0.2])
    sure = {f"p_{c}": np.where(label == c, 0.94, 0.03) for c in ("dog", "emu", "cat")}
    for c in ("dog", "emu"):  # three planted errors each
        for row in np.flatnonzero(label == c)[:3]:
            sure[f"p_{c}"][row], sure["p_cat"][row] = 0.03, 0.94
    columns = {"y": label, **sure}
    outcome = found("LBL002", columns, roles={"label": "y", "probabilities": list(sure)}, options={"warn": 0.001})
    planted = {int(r) for c in ("dog", "emu") for r in np.flatnonzero(label == c)[:3]}
    assert {r for f in outcome.findings for r in f.row_ids} == planted


# --- time -------------------------------------------------------------------------------------------------------------

NOW = dt.datetime(2024, 6, 1, tzinfo=UTC)


def test_one_future_row_does_not_hide_that_the_rest_is_old() -> None:
    # Soda, pointblank and dbt all take the largest time
    times = [dt.datetime(2024, 1, 1, tzinfo=UTC) + dt.timedelta(hours=h) for h in range(1_000)]
    times.append(NOW + dt.timedelta(days=1))
    columns = {"t": pa.array(times, pa.timestamp("us", "UTC"))}
    stale = found("FRE001", columns, roles={"time": "t"}, as_of=NOW, options={"max_age": "7d"})
    assert stale.status is Status.FAIL
    future = found("FRE002", columns, roles={"time": "t"}, as_of=NOW)
    assert future.findings[0].affected == 1


def test_times_without_a_zone_are_never_taken_for_utc_in_silence() -> None:
    # Soda assumes UTC; here the zone decides between fresh and stale, and the finding says so
    newest = dt.datetime(2024, 5, 31, 20)
    columns = {"t": pa.array([newest - dt.timedelta(hours=h) for h in range(500)], pa.timestamp("us"))}
    outcome = found("FRE001", columns, roles={"time": "t"}, as_of=NOW, options={"max_age": "6h"})
    (zone,) = (f for f in outcome.findings if f.statistic == "zone")
    assert zone.severity.label == "warn"
    assert "zone" in zone.message
    told = found("FRE001", columns, roles={"time": "t"}, as_of=NOW, timezone="UTC", options={"max_age": "6h"})
    assert told.findings == ()


def test_seconds_taken_for_milliseconds_are_found() -> None:
    times = np.datetime64("2024-05-01", "us") + np.arange(500) * np.timedelta64(3_600_000_000, "us")
    wrong = times.astype("datetime64[s]").astype(np.int64) // 1_000  # seconds since 1970 divided once too often
    columns = {"t": np.concatenate([times, wrong[:25].astype("datetime64[s]").astype("datetime64[us]")])}
    outcome = found("FRE002", columns, roles={"time": "t"}, as_of=NOW)
    assert outcome.status in (Status.WARN, Status.FAIL)
    assert worst(outcome).affected == 25


# --- absence ----------------------------------------------------------------------------------------------------------


def test_nan_null_and_infinity_are_told_apart_and_all_counted() -> None:
    values = pa.array([1.0, float("nan"), None, float("inf"), *[2.0] * 16])
    outcome = found("COM001", {"x": values})
    assert {f.statistic: f.affected for f in outcome.findings} == {"missing_share": 2, "infinite_share": 1}


def test_a_tiny_difference_in_many_rows_is_no_mechanism() -> None:
    # p = 2e-20 for a difference of 0.02 standard deviations at two million rows: a p-value alone decides nothing
    random = np.random.default_rng(5)
    gone = random.random(200_000) < 0.3
    other = random.normal(size=200_000) + 0.02 * gone
    outcome = found("COM003", {"x": pa.array(random.normal(size=200_000), mask=gone), "other": other})
    assert not [f for f in outcome.findings if "predict" in f.message]


def test_a_key_is_exact_where_a_sketch_is_not() -> None:
    # approximate distinct counts are a few per cent off: one repeat in 300,000 would be lost
    keys = np.arange(300_000)
    keys[123_456] = 7
    outcome = found("KEY002", {"id": keys, "x": np.arange(300_000) % 5}, roles={"key": ["id"]}, sample=10_000)
    (finding,) = outcome.findings
    assert (finding.severity.label, finding.affected, finding.basis.exact) == ("fail", 2, True)


@pytest.mark.parametrize("deprecated", [False, True])
def test_wall_clock_times_of_parquet_have_no_zone_whatever_their_type(tmp_path: Path, deprecated: bool) -> None:
    # isAdjustedToUTC=false, and the old INT96: neither says what zone its times are in
    newest = dt.datetime(2024, 5, 31, 20)
    table = pa.table({"t": pa.array([newest - dt.timedelta(hours=h) for h in range(500)], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "t.parquet", use_deprecated_int96_timestamps=deprecated)
    check = make_check(check_by_code("FRE001"), {"max_age": "6h"})
    outcome = audit_rows(check, str(tmp_path / "t.parquet"), roles={"time": "t"}, as_of=NOW)
    assert [f.severity.label for f in outcome.findings if f.statistic == "zone"] == ["warn"]


def test_not_a_time_is_missing_and_neither_old_nor_new() -> None:
    times = pd.Series(pd.date_range("2024-05-25", periods=160, freq="h", tz="UTC"))
    times = times.where(times.index % 10 != 0)  # NaT elsewhere
    frame = pd.DataFrame({"t": times, "x": range(160)})
    (missing,) = audit_rows(check_by_code("COM001"), frame).findings
    assert (missing.columns, missing.affected) == (("t",), 16)
    assert audit_rows(check_by_code("FRE001"), frame, roles={"time": "t"}, as_of=NOW).status is Status.PASS
    assert audit_rows(check_by_code("FRE002"), frame, roles={"time": "t"}, as_of=NOW).status is Status.PASS


# --- real tables ------------------------------------------------------------------------------------------------------

TABLES = ("iris", "wine", "diabetes", "breast_cancer", "digits")


def real(name: str) -> pd.DataFrame:
    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame


@pytest.mark.parametrize("name", TABLES)
def test_random_halves_of_real_tables_have_not_drifted(name: str) -> None:
    frame = real(name)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(frame))
        half, other = frame.iloc[order[::2]], frame.iloc[order[1::2]]
        outcome = audit_rows(check_by_code("REP001"), half, reference=other, roles={"label": "target"})
        assert outcome.measurements
        assert outcome.findings == ()


@pytest.mark.parametrize("name", TABLES)
def test_well_known_tables_do_not_fail(name: str) -> None:
    frame = real(name).sample(frac=1, random_state=0)
    for code in sorted(select([], ["REP002", "LBL002", "LBL005"])):  # the models have tests of their own
        outcome = audit_rows(check_by_code(code), frame, roles={"label": "target"})
        assert outcome.status not in (Status.FAIL, Status.ERROR), (code, outcome.reason)
