"""Whole audits over every kind of column, name, label and source: no check breaks, and every output is valid."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import jsonschema
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import audit
from audit.report import formats

ROWS = 120
SCHEMA = json.loads((Path(formats.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))
BERLIN = "Europe/Berlin"
RNG = np.random.default_rng(0)


def holed(values: list[Any]) -> list[Any]:
    """Every seventh value missing."""
    return [None if i % 7 == 3 else value for i, value in enumerate(values)]


def column(kind: pa.DataType, make: Callable[[int], Any]) -> pa.Array:
    return pa.array(holed([make(i) for i in range(ROWS)]), kind)


def moment(i: int) -> dt.datetime:
    return dt.datetime(2024, 1, 1) + dt.timedelta(hours=7 * i)


def table_of(values: Any, name: str = "x") -> pa.Table:
    """A column among ordinary ones: a number, a category and a label."""
    return pa.table(
        {
            "n": RNG.normal(size=len(values)),
            "c": ["abc"[i % 3] for i in range(len(values))],
            name: values,
            "label": ["yes" if i % 3 else "no" for i in range(len(values))],
        }
    )


COLUMNS: dict[str, Callable[[], Any]] = {
    "list of int": lambda: column(pa.list_(pa.int64()), lambda i: list(range(i % 4))),
    "list of double": lambda: column(pa.list_(pa.float64(), 2), lambda i: [0.5, 0.5]),
    "list of list": lambda: column(pa.list_(pa.list_(pa.string())), lambda i: [["a"], []]),
    "list of double lists": lambda: column(pa.list_(pa.list_(pa.float64())), lambda i: [[0.5], [None]]),
    "struct": lambda: column(pa.struct({"a": pa.int64(), "b": pa.string()}), lambda i: {"a": i, "b": "x"}),
    "struct of list": lambda: column(pa.struct({"a": pa.list_(pa.int64())}), lambda i: {"a": [i, None]}),
    "map": lambda: column(pa.map_(pa.string(), pa.int64()), lambda i: [("a", i), ("b", 2)]),
    "dictionary": lambda: column(pa.string(), lambda i: "xyz"[i % 3]).dictionary_encode(),
    "dictionary of int": lambda: column(pa.int64(), lambda i: i % 3).dictionary_encode(),
    "decimal(38,10)": lambda: column(pa.decimal128(38, 10), lambda i: decimal.Decimal(i) * 10**26 / 7),
    "decimal(5,0)": lambda: column(pa.decimal128(5, 0), decimal.Decimal),
    "decimal(76)": lambda: column(pa.decimal256(50, 2), decimal.Decimal),
    "date32": lambda: column(pa.date32(), lambda i: moment(i).date()),
    "date64": lambda: column(pa.date64(), lambda i: moment(i).date()),
    "date out of range": lambda: column(pa.date32(), lambda i: [2**31 - 2**22, -(2**31) + 2**22, 0, 9000][i % 4]),
    "time32": lambda: column(pa.time32("s"), lambda i: moment(i).time()),
    "time64": lambda: column(pa.time64("ns"), lambda i: i * 1_000_000_007),
    "duration": lambda: column(pa.duration("us"), lambda i: dt.timedelta(minutes=i)),
    "interval": lambda: column(pa.month_day_nano_interval(), lambda i: (i % 12, i % 28, i)),
    **{
        f"timestamp {unit} {zone or 'without zone'}": lambda unit=unit, zone=zone: column(  # type: ignore[misc]
            pa.timestamp(unit), moment
        ).cast(pa.timestamp(unit, zone))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", BERLIN)
    },
    "timestamp extremes": lambda: column(pa.timestamp("us"), lambda i: [2**62, -(2**62), 0, 1][i % 4]),
    "timestamp before Christ": lambda: column(pa.timestamp("s"), lambda i: -(10**11) + i),
    "uint64": lambda: column(pa.uint64(), lambda i: 2**64 - 1 - i),
    "int64 extremes": lambda: column(pa.int64(), lambda i: [-(2**63), 2**63 - 1, 0][i % 3]),
    "int8": lambda: column(pa.int8(), lambda i: i - 100),
    "float16": lambda: pa.array(np.arange(ROWS, dtype=np.float16)),
    "float32": lambda: column(pa.float32(), lambda i: i / 7),
    "huge floats": lambda: column(pa.float64(), lambda i: [1e308, -1e308, 1e-308][i % 3]),
    "nan and infinity": lambda: column(pa.float64(), lambda i: [float("nan"), float("inf"), -float("inf"), i][i % 4]),
    "all nan": lambda: pa.array([float("nan")] * ROWS),
    "all infinite": lambda: pa.array([float("inf")] * ROWS),
    "bool": lambda: column(pa.bool_(), lambda i: i % 3 == 0),
    "binary": lambda: column(pa.binary(), lambda i: bytes([i, 0, 255])),
    "fixed binary": lambda: column(pa.binary(3), lambda i: bytes([i, 0, 255])),
    "uuid": lambda: pa.array([uuid.UUID(int=i) for i in range(ROWS)], pa.uuid()),
    "arrow null": lambda: pa.nulls(ROWS),
    "all null text": lambda: pa.array([None] * ROWS, pa.string()),
    "all null struct": lambda: pa.array([None] * ROWS, pa.struct({"a": pa.int64()})),
    "all null time": lambda: pa.array([None] * ROWS, pa.timestamp("us")),
    "large string": lambda: column(pa.large_string(), lambda i: f"word {i}"),
    "string view": lambda: column(pa.string_view(), lambda i: f"word {i}"),
    "hostile text": lambda: column(
        pa.string(), lambda i: ["", " ", "\0", "a\nb", "'; DROP", '"', "<script>", "\u202eabc", "🙂", "x" * 100_000][i % 10]
    ),
    "constant": lambda: pa.array([1] * ROWS),
}  # fmt: skip

NAMES = ['a"b', "a'b", "a\nb", "a;--", "🙂", "\u202eevil", "x" * 10_000, " ", "a.b", "[x]", "rowid", "NaN", "row_", "c0",
         "file_row_number", "select", "%s{}", "<script>alert(1)</script>", "é", "\\", "hash_", "n_", "y_", "k0"]  # fmt: skip

LABELS: dict[str, Callable[[], list[Any]]] = {
    "with nan": lambda: [float("nan") if i % 5 == 0 else float(i % 3) for i in range(ROWS)],
    "boolean": lambda: [i % 3 == 0 for i in range(ROWS)],
    "integer": lambda: [i % 4 for i in range(ROWS)],
    "float": lambda: [i / 7 for i in range(ROWS)],
    "infinite": lambda: [float("inf") if i % 9 == 0 else i / 7 for i in range(ROWS)],
    "date": lambda: [moment(24 * (i % 3)).date() for i in range(ROWS)],
    "timestamp": lambda: [moment(i) for i in range(ROWS)],
    "decimal": lambda: [decimal.Decimal(i % 3) for i in range(ROWS)],
    "time of day": lambda: [dt.time(i % 24) for i in range(ROWS)],
    "binary": lambda: [bytes([i % 3]) for i in range(ROWS)],
    "list": lambda: [[i % 3] for i in range(ROWS)],
    "struct": lambda: [{"a": i % 3} for i in range(ROWS)],
    "all null": lambda: [None] * ROWS,
    "all null text": lambda: pa.array([None] * ROWS, pa.string()),
    "mostly null": lambda: [None] * (ROWS - 1) + ["a"],
    "one class": lambda: ["a"] * ROWS,
    "a class a row": lambda: [f"class {i}" for i in range(ROWS)],
    "singletons": lambda: ["a"] * (ROWS - 2) + ["b", "c"],
    "hostile": lambda: ["a'b\"c\n\0\u202e"[i % 8] for i in range(ROWS)],
    "empty text": lambda: ["" if i % 2 else "x" for i in range(ROWS)],
}


def audited(data: Any, folder: Path, **settings: Any) -> audit.Result:
    """The result of an audit whose outputs are all in order."""
    result = audit.run(data, as_of="2024-06-01T00:00:00Z", rows_out=str(folder / "rows"), **settings)
    assert [f"{o.code}: {o.reason}" for o in result.errors] == []
    body = json.loads(result.to_json(folder / "result.json"), parse_constant=pytest.fail)
    jsonschema.validate(body, SCHEMA)
    result.to_html(folder / "report.html")
    assert (folder / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    prints = [finding["fingerprint"] for finding in body["findings"]]
    assert len(set(prints)) == len(prints)
    assert len(result.to_pandas()) == len(prints)
    return result


@pytest.mark.parametrize("name", COLUMNS)
def test_column(name: str, tmp_path: Path) -> None:
    table = table_of(COLUMNS[name]())
    result = audited(table, tmp_path, label="label")
    assert result.dataset.rows == table.num_rows
    assert [c.name for c in result.columns] == ["n", "c", "x", "label"]


@pytest.mark.parametrize("name", COLUMNS)
def test_column_as_reference_group_and_key(name: str, tmp_path: Path) -> None:
    table = table_of(COLUMNS[name]())
    audited(table, tmp_path, reference=table.slice(0, 60), label="label", group="x", key=["x", "n"])


@pytest.mark.parametrize("name", LABELS)
def test_label(name: str, tmp_path: Path) -> None:
    table = table_of(LABELS[name](), "y")
    split = pa.array(["train" if i % 4 else "test" for i in range(ROWS)])
    table = table.append_column("split", split).append_column("at", pa.array([moment(i) for i in range(ROWS)]))
    audited(table, tmp_path, label="y", group="c", prediction="label", reference=table)
