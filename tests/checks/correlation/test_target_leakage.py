"""COR003 on larger data: leaks of every kind, chance, and time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from audit.checks.correlation.target_leakage import TargetLeakage
from audit.findings import Severity


def classes(judge: Any, columns: dict[str, Any], **roles: Any) -> Any:
    return judge(TargetLeakage(), columns, label="y", label_kind="classes", **roles)


def number(judge: Any, columns: dict[str, Any], **roles: Any) -> Any:
    return judge(TargetLeakage(), columns, label="y", label_kind="number", **roles)


def test_noise_never_alarms_whatever_its_size(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(100)
    for rows, width in ((20, 300), (60, 300), (3000, 20)):
        columns = noise(rows, width, 5)
        columns["many"] = np.array([f"u{i}" for i in rng.integers(0, rows, rows)])
        columns["all_different"] = np.array([f"u{i}" for i in range(rows)])
        columns["y"] = rng.integers(0, 2, rows)
        assert classes(judge, columns).findings == []
        columns["y"] = rng.normal(size=rows)
        assert number(judge, columns).findings == []


def test_leaks_are_found_and_ranked(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(1)
    columns = noise(4000, 5, 2)
    y = rng.integers(0, 3, 4000)
    columns |= {"y": y, "copy": y * 2.5, "name": np.array(["a", "b", "c"])[y], "near": y + 0.33 * rng.normal(size=4000)}
    said = classes(judge, columns)
    assert {(f.columns, f.severity) for f in said.findings} == {
        (("copy",), Severity.FAIL),
        (("name",), Severity.FAIL),
        (("near",), Severity.WARN),
    }
    assert all("confirm that it is available at prediction time" in f.message for f in said.findings)
    assert all(f.statistic == "auc" for f in said.findings)


def test_what_is_strong_but_fair_passes(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(2)
    columns = noise(4000, 2)
    columns["y"] = rng.integers(0, 2, 4000)
    columns["fair"] = columns["y"] * 1.5 + rng.normal(size=4000)  # AUC 0.86
    said = classes(judge, columns)
    assert said.findings == []
    assert next(m.value for m in said.measurements if m.columns == ("fair",)) == pytest.approx(0.856, abs=0.02)


def test_absence_is_named_where_it_leaks_and_not_where_it_does_not(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(3)
    columns = noise(2000, 2)
    y = rng.integers(0, 2, 2000)
    columns["reason"] = np.where(y == 1, np.array("known", dtype=object), np.array(None, dtype=object))
    columns["gaps"] = np.where(rng.random(2000) < 0.3, np.nan, columns["n0"])
    said = classes(judge, columns | {"y": y})
    assert [(f.columns, f.statistic) for f in said.findings] == [(("reason",), "auc_of_absence")]


def test_a_numeric_label_leaks_through_any_curve_and_heavy_tails(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(4)
    columns = noise(5000, 3)
    y = rng.lognormal(sigma=2, size=5000)
    columns |= {"y": y, "log": np.log(y), "noisy": y * rng.lognormal(sigma=0.4, size=5000)}
    said = number(judge, columns)
    assert [(f.columns, f.severity) for f in said.findings] == [
        (("log",), Severity.FAIL),
        (("noisy",), Severity.WARN),
    ]


def test_a_sorted_file_is_a_warning_and_a_drift_in_time_is_not(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(5)
    columns = noise(4000, 2)
    columns["id"] = np.arange(4000)
    said = classes(judge, columns | {"y": np.sort(rng.integers(0, 2, 4000))}, key=("id",))
    assert [(f.columns, f.statistic, f.severity) for f in said.findings] == [
        (("id",), "auc_of_row_order", Severity.WARN)
    ]
    drifting = (rng.random(4000) < np.linspace(0.1, 0.9, 4000)).astype(int)
    columns["t"] = np.datetime64("2024-01-01", "s") + np.arange(4000) * 60
    said = classes(judge, columns | {"y": drifting}, key=("id",), time="t")
    assert [(f.statistic, f.severity) for f in said.findings] == [("auc_of_row_order", Severity.INFO)]
    shuffled = rng.integers(0, 2, 4000)
    assert classes(judge, columns | {"y": shuffled}, key=("id",), time="t").findings == []


def test_only_a_file_in_the_label_s_order_is_called_sorted(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(12)
    sloping = (rng.random(4000) < np.linspace(0.3, 0.7, 4000)).astype(int)
    said = classes(judge, noise(4000, 2) | {"y": sloping})
    assert [f.statistic for f in said.findings] == ["auc_of_row_order"]
    assert "where a row stands in the file tells something about it" in said.findings[0].message
    assert "sorted" in classes(judge, noise(4000, 2) | {"y": np.sort(sloping)}).findings[0].message


def test_text_identifiers_leak_through_their_order(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(6)
    columns = noise(2000, 2)
    y = rng.integers(0, 2, 2000)
    columns["id"] = np.array([f"{'AB'[label]}{i:05d}" for i, label in enumerate(y)])
    said = classes(judge, columns | {"y": y}, key=("id",))
    assert [(f.columns, f.statistic) for f in said.findings] == [(("id",), "auc_of_identifier")]


def test_labels_of_one_class_or_none_are_not_judged(judge: Any, noise: Any) -> None:
    columns = noise(100, 2)
    assert "no two classes" in classes(judge, columns | {"y": np.zeros(100)}).not_evaluated[0].reason
    assert "all equal" in number(judge, columns | {"y": np.ones(100)}).not_evaluated[0].reason
    few = np.where(np.arange(100) < 10, 1.0, np.nan)
    assert "too few" in classes(judge, columns | {"y": few}).not_evaluated[0].reason


def test_rows_without_a_label_are_left_out(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(7)
    columns = noise(1000, 1)
    y = rng.integers(0, 2, 1000).astype(float)
    columns["copy"] = y.copy()
    y[:500] = np.nan
    finding = classes(judge, columns | {"y": y}).findings[0]
    assert "500 labelled rows" in finding.message


def test_charts_hold_shares(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(8)
    columns = noise(3000, 1)
    columns["x"] = rng.normal(size=3000)
    chart = classes(judge, columns | {"y": (columns["x"] > 0.5).astype(int)}).findings[0].chart
    assert chart is not None
    assert len(chart.data["labels"]) == len(chart.data["values"]) <= 16
    assert {round(v) for v in chart.data["values"]} == {0, 1}


def test_a_thousand_columns_take_seconds(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(9)
    columns = noise(5_000, 1000)
    columns["y"] = rng.integers(0, 10, 5_000)
    columns["n5"] = columns["y"] * 1.0
    start = time.process_time()
    said = classes(judge, columns)
    assert time.process_time() - start < 10
    assert [f.columns for f in said.findings] == [("n5",)]
