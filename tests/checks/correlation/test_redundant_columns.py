"""COR004 on larger data: copies of every kind, and what only looks like one."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa

from audit.checks.correlation.redundant_columns import RedundantColumns
from audit.findings import Severity


def by_columns(said: Any) -> dict[tuple[str, ...], tuple[str, Severity]]:
    return {f.columns: (f.statistic, f.severity) for f in said.findings}


def test_copies_of_each_kind(judge: Any, noise: Any) -> None:
    columns = noise(3000, 4, 3)
    columns["same"] = columns["n0"].copy()
    columns["feet"] = columns["n1"] / 0.3048
    columns["whole"] = np.arange(3000) % 50
    columns["real"] = columns["whole"].astype(float)
    columns["code"] = np.array([int(v[1:]) * 7 % 11 for v in columns["t1"]])
    columns["same_text"] = pa.array(columns["t2"]).dictionary_encode()
    assert by_columns(judge(RedundantColumns(), columns)) == {
        ("n0", "same"): ("equal", Severity.WARN),
        ("n1", "feet"): ("affine", Severity.WARN),
        ("whole", "real"): ("equal", Severity.WARN),
        ("code", "t1"): ("one_to_one", Severity.INFO),
        ("t2", "same_text"): ("equal", Severity.WARN),
    }


def test_a_rounded_copy_is_a_copy_and_a_noisy_one_is_not(judge: Any, noise: Any) -> None:
    columns = noise(2000, 3)
    celsius = np.round(15 + 10 * columns["n0"], 1)
    columns |= {"celsius": celsius, "fahrenheit": np.round(celsius * 1.8 + 32, 1)}
    columns["near"] = columns["n1"] + 1e-4 * columns["n2"]  # r = 1 - 5e-9
    said = judge(RedundantColumns(), columns)
    assert list(by_columns(said)) == [("celsius", "fahrenheit")]
    assert "up to rounding" in said.findings[0].message


def test_one_different_row_is_no_copy(judge: Any, noise: Any) -> None:
    columns = noise(2000, 1, 1)
    columns["n1"], columns["n2"] = columns["n0"].copy(), columns["n0"] * 2
    columns["n1"][1999] += 1.0
    columns["n2"][3] = np.nan
    columns["t1"] = columns["t0"].copy()
    columns["t1"][7] = "other"
    assert judge(RedundantColumns(), columns).findings == []


def test_a_missing_value_may_stand_for_a_category(judge: Any) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 1000)
    columns = {"a": np.array(["none", "x", "y", "z"])[codes], "b": np.where(codes == 0, np.nan, codes * 10.0)}
    assert by_columns(judge(RedundantColumns(), columns)) == {("b", "a"): ("one_to_one", Severity.INFO)}


def test_chance_and_identifiers_are_no_correspondence(judge: Any) -> None:
    rng = np.random.default_rng(1)
    for rows in (5, 10):
        assert judge(RedundantColumns(), {f"b{i}": rng.integers(0, 2, rows) for i in range(40)}).findings == []
    rows = 500
    columns = {"a": [f"a{i}" for i in range(rows)], "b": [f"b{i}" for i in rng.permutation(rows)]}
    assert judge(RedundantColumns(), columns).findings == []


def test_rare_flags_that_agree_are_a_copy(judge: Any) -> None:
    flag = np.zeros(10_000, dtype=bool)
    flag[[5, 500, 5000]] = True
    assert list(by_columns(judge(RedundantColumns(), {"a": flag, "b": flag.copy()}))) == [("a", "b")]


def test_the_basis_says_whether_all_rows_were_compared(judge: Any, noise: Any) -> None:
    columns = noise(1000, 1)
    columns["same"] = columns["n0"]
    assert "in all 1,000 rows" in judge(RedundantColumns(), columns).findings[0].message
    sampled = judge(RedundantColumns(), columns, of=50_000).findings[0]
    assert "in the sampled 1,000 rows" in sampled.message
    assert not sampled.basis.exact


def test_thousand_columns_and_a_thousand_copies_take_seconds(judge: Any, noise: Any) -> None:
    columns = noise(5_000, 1000)
    columns["n8"] = columns["n7"] * 2
    start = time.process_time()
    assert list(by_columns(judge(RedundantColumns(), columns))) == [("n7", "n8")]
    assert time.process_time() - start < 6
    start = time.process_time()
    said = judge(RedundantColumns(), {f"c{i}": columns["n0"] * i for i in range(1, 200)})
    assert [len(f.columns) for f in said.findings] == [199]
    assert time.process_time() - start < 6
