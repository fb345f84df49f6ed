"""Rows with findings apart from the others."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audit
from audit.errors import AuditError, ConfigError

FRAME = pd.DataFrame(
    {
        "order": [*range(190), *range(180, 190)],
        "amount": [10.0 + i % 7 for i in range(198)] + [None, None],
        "age": [30 + i % 20 for i in range(199)] + [999],
    }
)


def test_the_rows_of_a_finding_go_to_quarantine_with_their_reasons() -> None:
    result = audit.run(FRAME, key="order", select=["KEY002", "COM001"], checks={"COM001": {"warn": 0.001}})
    parts = result.split(FRAME, severity="warn")
    assert isinstance(parts.good, pd.DataFrame)
    assert len(parts.good) + len(parts.quarantined) == len(FRAME)
    assert list(parts.quarantined["amount"].isna()).count(True) == 2
    assert all("COM001" in codes for codes in parts.quarantined.loc[parts.quarantined["amount"].isna(), "audit_codes"])
    assert set(parts.good["order"]).isdisjoint(set(range(180, 190)))


def test_a_finding_about_the_whole_table_quarantines_nothing_and_is_named() -> None:
    frame = pd.DataFrame({"y": ["a"] * 990 + ["b"] * 10, "x": range(1000)})
    result = audit.run(frame, label="y", select=["BAL001"])
    parts = result.split(frame, severity="warn")
    assert len(parts.good) == 1000
    assert [finding.code for finding in parts.not_by_row] == ["BAL001"] * len(parts.not_by_row)


@pytest.mark.parametrize("kind", ["polars", "arrow"])
def test_the_kind_of_frame_stays(kind: str) -> None:
    frame: Any = pl.from_pandas(FRAME) if kind == "polars" else pa.Table.from_pandas(FRAME, preserve_index=False)
    result = audit.run(frame, select=["COM001"], checks={"COM001": {"warn": 0.001}})
    parts = result.split(frame, severity="warn")
    assert type(parts.good) is type(frame)
    assert len(parts.good) == 198


def test_another_table_is_refused() -> None:
    result = audit.run(FRAME, select=["COM001"])
    with pytest.raises(AuditError, match="the table has 10 rows, the audited one 200"):
        result.split(FRAME.head(10))
    with pytest.raises(ConfigError, match="allowed are fail, warn, info"):
        result.split(FRAME, severity="bad")


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32)), min_size=1, max_size=60)
)
def test_every_row_is_in_exactly_one_part(values: list[float | None]) -> None:
    table = pa.table({"row": list(range(len(values))), "x": pa.array(values, pa.float64())})
    result = audit.run(table, select=["COM001", "COM006", "KEY001"], checks={"COM001": {"warn": 0.0, "fail": 0.0}})
    parts = result.split(table, severity="info")
    rows = parts.good["row"].to_pylist() + parts.quarantined["row"].to_pylist()
    assert sorted(rows) == list(range(len(values)))
    missing = {i for i, v in enumerate(values) if v is None or math.isnan(v)}
    assert missing <= set(parts.quarantined["row"].to_pylist())
