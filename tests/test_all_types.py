"""Whole audits over every kind of column, name, label and source: no check breaks, and every output is valid."""

from __future__ import annotations

import datetime as dt
import decimal
import json
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
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import audit
from audit.errors import RolesError
from audit.report import formats

ROWS = 120
SCHEMA = json.loads((Path(formats.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))
BERLIN = "Europe/Berlin"
HOSTILE = ["", " ", "\0", "a\nb", "'; DROP", '"', "<script>", "\u202eabc", "🙂", "x" * 100_000]


def holed(values: list[Any]) -> list[Any]:
    """Every seventh value missing."""
    return [None if i % 7 == 3 else value for i, value in enumerate(values)]


def column(kind: pa.DataType, make: Callable[[int], Any]) -> pa.Array:
    return pa.array(holed([make(i) for i in range(ROWS)]), kind)


def moment(i: int) -> dt.datetime:
    return dt.datetime(2024, 1, 1) + dt.timedelta(hours=7 * i)


def ordinary() -> pa.Table:
    """A number, a category and a label."""
    return pa.table(
        {
            "n": np.random.default_rng(0).normal(size=ROWS),
            "c": ["abc"[i % 3] for i in range(ROWS)],
            "label": ["yes" if i % 3 else "no" for i in range(ROWS)],
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
        f"timestamp {unit} {zone or 'without zone'}": lambda unit=unit, zone=zone: column(  # type: ignore[misc]  # the default binds the loop
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
    "hostile text": lambda: column(pa.string(), lambda i: HOSTILE[i % len(HOSTILE)]),
    "constant": lambda: pa.array([1] * ROWS),
}  # fmt: skip

NAMES = [
    'a"b', "a'b", "a\nb", "a;--", "🙂", "\u202eevil", "x" * 10_000, " ", "a.b", "[x]", "rowid", "NaN", "row_", "c0",
    "h", "s", "n", "v", "y", "t", "k", "g", "m", "file_row_number", "select", "%s{}", "<script>alert(1)</script>", "é",
    "\\",
]  # fmt: skip

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


def families() -> dict[str, list[str]]:
    """Columns that go into one table, so that fewer audits are made: five a table."""
    names = list(COLUMNS)
    return {", ".join(names[i : i + 5]): names[i : i + 5] for i in range(0, len(names), 5)}


@pytest.mark.parametrize("names", families().values(), ids=families())
def test_columns(names: list[str], tmp_path: Path) -> None:
    """Every type as a feature, and as a key beside a reference of the same types."""
    table = ordinary()
    for name in names:
        table = table.append_column(name, COLUMNS[name]())
    result = audited(table, tmp_path, label="label", key=[*names, "n"], reference=table.slice(0, 60))
    assert result.dataset.rows == ROWS
    assert [c.name for c in result.columns] == table.schema.names
    missing = {c.name: c.missing for c in result.columns}
    for name in names:
        if not name.startswith(("all ", "arrow null", "constant", "float16", "uuid", "nan and")):
            assert missing[name] == ROWS // 7, name


@pytest.mark.parametrize("name", LABELS)
def test_label(name: str, tmp_path: Path) -> None:
    table = ordinary().append_column("y", pa.array(LABELS[name]()))
    table = table.append_column("split", pa.array(["train" if i % 4 else "test" for i in range(ROWS)]))
    table = table.append_column("at", pa.array([moment(i) for i in range(ROWS)]))
    audited(table, tmp_path, label="y", group="c", prediction="label", reference=table)


def test_a_label_of_no_plain_values_is_refused() -> None:
    for values in ([bytes([i % 3]) for i in range(ROWS)], [[i % 3] for i in range(ROWS)], [{"a": 1}] * ROWS):
        for role in ("label", "group", "split", "prediction"):
            with pytest.raises(RolesError, match="needs plain values, but column 'y' is"):
                audit.run(ordinary().append_column("y", pa.array(values)), config={"roles": {role: "y"}})


def test_names(tmp_path: Path) -> None:
    """Names that could break SQL, file names, JSON or HTML; each column has a hole, so that all are in findings."""
    columns = {name: pa.array(holed([(i * 7919 + k) % 1009 for i in range(ROWS)])) for k, name in enumerate(NAMES)}
    table = pa.table({**columns, "label": ordinary().column("label")})
    result = audited(table, tmp_path, label="label", key=NAMES[:2], reference=table)
    assert [c.name for c in result.columns] == [*NAMES, "label"]
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html
    index = json.loads((tmp_path / "rows" / "index.json").read_text(encoding="utf-8"))
    written = {tuple(entry["columns"]): entry for entry in index if entry["code"] == "COM001"}
    assert {(name,) for name in NAMES} <= set(written)
    for entry in written.values():
        assert (tmp_path / "rows" / entry["file"]).is_file()
        assert entry["total"] == ROWS // 7


@pytest.mark.parametrize("role", ["label", "group", "split", "time", "key", "weight"])
def test_a_hostile_name_in_a_role(role: str, tmp_path: Path) -> None:
    name = "a\"b'; \n--<b>\u202e🙂"
    values: dict[str, Any] = {
        "label": ["yes" if i % 3 else "no" for i in range(ROWS)],
        "split": ["train" if i % 3 else "test" for i in range(ROWS)],
        "time": [moment(i) for i in range(ROWS)],
        "weight": [1.0 + i % 3 for i in range(ROWS)],
    }
    table = ordinary().append_column(name, pa.array(values.get(role, [i // 4 for i in range(ROWS)])))
    audited(table, tmp_path, **{"label": "label", role: name})


def test_names_that_differ_by_case_or_are_empty(tmp_path: Path) -> None:
    twice = pa.table([[1, 2, None], [4, 5, 6], ["a", "b", "c"], [7, 8, 9]], names=["a", "A", "", "a"])
    pq.write_table(twice.select([0, 1, 2]), tmp_path / "a.parquet")
    assert len(audited(str(tmp_path / "a.parquet"), tmp_path).columns) == 3
    assert len(audited(twice, tmp_path).columns) == 4
    (tmp_path / "a.csv").write_text("a,A,,a\n1,2,3,4\n5,6,7,8\n")
    assert len(audited(str(tmp_path / "a.csv"), tmp_path).columns) == 4


SHAPES: dict[str, Callable[[], pa.Table]] = {
    "zero rows": lambda: ordinary().slice(0, 0),
    "zero columns": lambda: pa.table({"x": pa.nulls(7)}).select([]),
    "zero rows and columns": lambda: pa.table({}),
    "one row": lambda: ordinary().slice(0, 1),
    "one null row": lambda: pa.table({"x": pa.nulls(1), "label": pa.nulls(1)}),
    "two rows": lambda: ordinary().slice(0, 2),
    "one column": lambda: ordinary().select(["n"]),
    "only a label": lambda: ordinary().select(["label"]),
    "only nested": lambda: pa.table({"x": [[1, 2]] * ROWS}),
    "only nulls": lambda: pa.table({"x": pa.nulls(ROWS), "y": pa.nulls(ROWS)}),
    "the same row": lambda: pa.concat_tables([ordinary().slice(0, 1)] * ROWS),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name: str, tmp_path: Path) -> None:
    table = SHAPES[name]()
    result = audited(table, tmp_path)
    assert (result.dataset.rows, result.dataset.columns) == table.shape
    audited(table, tmp_path, reference=table)
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert audited(str(path), tmp_path).dataset.columns == table.num_columns


def test_300_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = {f"x{i}": rng.normal(size=ROWS) for i in range(200)}
    table = pa.table(numbers | {f"c{i}": rng.choice(list("abcde"), ROWS) for i in range(100)})
    assert len(audited(table, tmp_path, reference=table).columns) == 300


def test_many_classes(tmp_path: Path) -> None:
    rows = 20_000
    table = pa.table({"x": np.random.default_rng(0).normal(size=rows), "y": [f"class {i // 2}" for i in range(rows)]})
    audited(table, tmp_path, label="y")


def test_small_reference_and_other_columns(tmp_path: Path) -> None:
    audited(ordinary(), tmp_path, reference=ordinary().slice(0, 0), label="label")
    audited(ordinary(), tmp_path, reference=pa.table({"other": [1, 2]}))
    swapped = pa.table({"n": ordinary().column("c"), "c": ordinary().column("n"), "label": [[1]] * ROWS})
    audited(ordinary(), tmp_path, reference=swapped)


def write_csv(folder: Path) -> str:
    text = "näme;wert;wann\r\n" + "".join(f'"a;{i}";{i},5;{i % 28 + 1:02}.03.2024\r\n' for i in range(ROWS))
    (folder / "a.csv").write_bytes(text.encode("cp1252"))
    return str(folder / "a.csv")


def write_jsonl(folder: Path) -> str:
    lines = [json.dumps({"a": {"b": [i, {"c": None}]}, "d": i if i % 2 else str(i), "e": None}) for i in range(ROWS)]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(folder / "a.jsonl")


def write_hive(folder: Path) -> str:
    for year in (2023, 2024):
        (folder / "hive" / f"year={year}" / "site=a b").mkdir(parents=True)
        pq.write_table(ordinary(), folder / "hive" / f"year={year}" / "site=a b" / "part.parquet")
    return str(folder / "hive")


def write_evolving(folder: Path) -> str:
    (folder / "evolving").mkdir()
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32()), "b": ["x", "y"]}), folder / "evolving" / "1.parquet")
    pq.write_table(pa.table({"c": [1.5, None], "a": [2**40, 4]}), folder / "evolving" / "2.parquet")
    return str(folder / "evolving" / "*.parquet")


def write_memory(folder: Path) -> str:
    with fsspec.filesystem("memory").open(f"/{folder.name}/a.parquet", "wb") as stream:
        pq.write_table(ordinary(), stream)
    return f"memory://{folder.name}/a.parquet"


def write_feather(folder: Path) -> str:
    feather.write_feather(ordinary(), folder / "a.feather")
    return str(folder / "a.feather")


def write_database(folder: Path) -> str:
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE \"or'ders\" AS SELECT i, ['a', 'b'][1 + i % 2]::ENUM ('a', 'b') AS e, i::BIT AS bit, "
            "i::HUGEINT * 10::HUGEINT ** 30 AS huge, INTERVAL (i) DAY AS lag, 'infinity'::TIMESTAMP AS never, "
            "uuid() AS u, '12:00:00+02'::TIMETZ AS at FROM range(120) AS t(i)"
        ).fetchall()
    return f"duckdb:///{folder}/shop.duckdb?table=or'ders"


def pandas_frame(_: Path) -> Any:
    frame = ordinary().to_pandas()
    frame["mixed"] = [1, "a", None, 2.5] * (ROWS // 4)
    frame["category"] = pd.Categorical(frame["c"])
    frame["period"] = pd.period_range("2024-01", periods=ROWS, freq="D")
    frame["nullable"] = pd.array([1, None] * (ROWS // 2), dtype="Int64")
    frame[3] = frame["n"].astype(complex).astype(str)
    return frame.set_index("n")


def polars_frame(_: Path) -> Any:
    frame = pl.from_arrow(ordinary())
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(
        category=pl.col("c").cast(pl.Categorical), took=pl.duration(hours=1), day=pl.date(2024, 1, 1), none=None
    )


def relation(_: Path) -> Any:
    return duckdb.connect().sql("SELECT i, i % 3 AS label, NULL AS x, {'a': i} AS s FROM range(120) AS t(i)")


SOURCES: dict[str, Callable[[Path], Any]] = {
    f.__name__: f
    for f in (write_csv, write_jsonl, write_hive, write_evolving, write_memory, write_feather, write_database,
              pandas_frame, polars_frame, relation)
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_source(name: str, tmp_path: Path) -> None:
    result = audited(SOURCES[name](tmp_path), tmp_path)
    assert result.dataset.rows in (ROWS, 2 * ROWS, 4)
