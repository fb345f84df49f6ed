"""Column profiles: what the explorer shows is about all rows, and compares like with like."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

import audit
from audit.report.charts import draw
from audit.report.picture import EVIDENCE
from audit.result import ColumnProfile, Result


def profile(result: Result, name: str) -> ColumnProfile:
    return next(column for column in result.columns if column.name == name)


def test_shares_of_the_most_frequent_values_are_shares_of_all_rows() -> None:
    codes = np.array([f"s{i:02d}" for i in range(50)])
    table = pa.table({"store": codes[np.arange(1_000) % 50]})
    result = audit.run(table, reference=table, select=["COM001"])
    chart = profile(result, "store").chart
    assert chart is not None
    assert chart.data["total"] == 1_000
    picture = draw(chart, EVIDENCE)
    assert picture is not None
    assert {text.text for text in picture.texts if text.text.endswith("%")} == {"2%"}


def test_the_reference_is_drawn_on_the_same_bins_as_if_of_equal_size() -> None:
    rng = np.random.default_rng(0)
    result = audit.run(
        pa.table({"x": rng.normal(size=4_000)}), reference=pa.table({"x": rng.normal(size=1_000)}), select=["COM001"]
    )
    chart = profile(result, "x").chart
    assert chart is not None
    data = chart.data
    assert len(data["reference"]) == len(data["counts"]) == len(data["edges"]) - 1
    assert abs(sum(data["reference"]) - sum(data["counts"])) < 40


def test_a_profile_of_every_kind_of_column() -> None:
    table = pa.table(
        {
            "n": pa.array([1.0, 2.0, None, float("nan"), float("inf")]),
            "t": pa.array(["a", "a", "b", None, "c"]),
            "b": pa.array([True, False, True, None, True]),
            "e": pa.nulls(5),
            "l": pa.array([[1], [2], None, [3], []]),
        }
    )
    result = audit.run(table, select=["COM001"])
    n = profile(result, "n")
    assert (n.rows, n.missing, n.nan, n.infinite, n.mean, n.distinct) == (5, 2, 1, 1, 1.5, 3)
    assert profile(result, "t").top == (("a", 2), ("b", 1), ("c", 1))
    assert profile(result, "b").distinct == 2
    assert (profile(result, "e").missing, profile(result, "e").chart) == (5, None)
    assert (profile(result, "l").missing, profile(result, "l").distinct) == (1, None)
