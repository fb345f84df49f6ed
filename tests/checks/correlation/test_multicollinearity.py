"""COR002 on larger data: dependencies that no pair shows, and what other checks report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.checks.correlation.multicollinearity import Multicollinearity
from audit.findings import Severity
from audit.stats.collinearity import LARGEST_VIF


def test_two_dependencies_are_two_findings(judge: Any, noise: Any) -> None:
    columns = noise(5000, 10)
    columns["n2"] = columns["n0"] + columns["n1"]
    columns["n6"] = columns["n3"] + columns["n4"] - columns["n5"] + 0.3 * columns["n6"]
    said = judge(Multicollinearity(), columns)
    found = {f.columns: f for f in said.findings}
    assert set(found) == {("n0", "n1", "n2"), ("n3", "n4", "n5", "n6")}
    assert found["n0", "n1", "n2"].value == LARGEST_VIF
    assert "exact linear combination" in found["n0", "n1", "n2"].message
    assert all(f.severity is Severity.WARN for f in said.findings)


def test_vif_is_one_over_one_minus_adjusted_r_squared(judge: Any, noise: Any) -> None:
    n = 400
    columns = noise(n, 4)
    columns["n3"] = columns["n0"] + columns["n1"] + columns["n2"] + 0.7 * columns["n3"]
    said = judge(Multicollinearity(), columns)
    X = np.column_stack([*(columns[f"n{i}"] for i in range(3)), np.ones(n)])
    residual = columns["n3"] - X @ np.linalg.lstsq(X, columns["n3"], rcond=None)[0]
    adjusted = (residual @ residual / (n - 4)) / columns["n3"].var(ddof=1)
    value = next(m.value for m in said.measurements if m.columns == ("n3",))
    assert value == pytest.approx(1 / adjusted, rel=1e-5)


def test_pairs_are_left_to_cor001(judge: Any, noise: Any) -> None:
    columns = noise(1000, 5)
    columns["n1"] = columns["n0"] * 3 + 2
    columns["n3"] = columns["n2"] + 0.1 * columns["n3"]
    said = judge(Multicollinearity(), columns)
    assert said.findings == []
    assert said.not_evaluated[0].columns == ("n1", "n3")


def test_moderate_dependence_is_info_and_noise_passes(judge: Any, noise: Any) -> None:
    columns = noise(3000, 5)
    assert judge(Multicollinearity(), columns).findings == []
    columns["n4"] = columns["n0"] + columns["n1"] + columns["n2"] + 0.7 * columns["n4"]
    said = judge(Multicollinearity(), columns)
    assert [f.severity for f in said.findings] == [Severity.INFO]
    assert 5 < said.findings[0].value < 10


@pytest.mark.parametrize("seed", range(5))
def test_many_columns_over_few_rows_of_noise_pass(judge: Any, noise: Any, seed: int) -> None:
    assert judge(Multicollinearity(), noise(110, 50, seed=seed)).findings == []
    said = judge(Multicollinearity(), noise(60, 50, seed=seed))
    assert "too few" in said.not_evaluated[0].reason


def test_scattered_gaps_leave_no_complete_row_and_still_count(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(0)
    columns = noise(4000, 300)
    columns["n2"] = columns["n0"] + columns["n1"]
    for name in columns:
        columns[name][rng.random(4000) < 0.02] = np.nan
    said = judge(Multicollinearity(), columns)
    assert [f.columns for f in said.findings] == [("n0", "n1", "n2")]
    assert "or more" in said.findings[0].message


def test_a_trend_that_all_columns_share_is_one_finding(judge: Any, noise: Any) -> None:
    columns = noise(1000, 31)
    trend = columns.pop("n30")
    said = judge(Multicollinearity(), {name: trend + 0.4 * x for name, x in columns.items()})
    assert len(said.findings) == 1
    assert len(said.findings[0].columns) == 30
