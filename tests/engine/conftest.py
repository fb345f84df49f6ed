"""A dirty table, opened from Parquet (where NaN traps live), from Arrow and from a DuckDB table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.config import Config
from audit.engine.duckdb import Connection, Limits
from audit.engine.plan import Engine
from audit.runner import open_subject

ROWS = 20_000


def dirty_table(rows: int = ROWS, seed: int = 3) -> pa.Table:
    """Numbers with NULL, NaN and infinities; big integers; text with blanks; times; booleans; decimals; nulls."""
    rng = np.random.default_rng(seed)
    real = rng.normal(3.0, 2.0, rows)
    holes = real.copy()
    holes[rng.random(rows) < 0.02] = np.nan
    holes[5], holes[6], holes[7] = np.inf, -np.inf, 1e300
    words = np.array(["red", "green", "blue", " ", "", "N/A", "ünï"])
    cities = words[rng.choice(len(words), rows, p=[0.4, 0.3, 0.2, 0.04, 0.02, 0.02, 0.02])]
    start = np.datetime64("2024-01-01T00:00:00", "us")
    times = start + (rng.random(rows) * 90 * 86_400e6).astype("timedelta64[us]")
    stamp = pa.array(times, pa.timestamp("us"))
    return pa.table(
        {
            "id": pa.array(np.arange(rows) + 10**12),
            "real": pa.array(real),
            "holes": pa.array(holes, mask=rng.random(rows) < 0.05),
            "narrow": pa.array(real.astype(np.float32)),
            "count": pa.array(rng.poisson(3, rows).astype(np.int32), mask=rng.random(rows) < 0.1),
            "huge": pa.array(rng.integers(2**62, 2**63 - 1, rows, dtype=np.int64)),
            "unsigned": pa.array(rng.integers(2**63, 2**64 - 1, rows, dtype=np.uint64), pa.uint64()),
            "price": pa.array([None if i % 50 == 0 else f"{i % 997}.25" for i in range(rows)]).cast(
                pa.decimal128(10, 2)
            ),
            "city": pa.array(cities, mask=rng.random(rows) < 0.03),
            "flag": pa.array(rng.random(rows) < 0.3, mask=rng.random(rows) < 0.01),
            "when": stamp,
            "instant": pa.array(times, pa.timestamp("us", "Europe/Berlin")),
            "day": stamp.cast(pa.date32()),
            "nothing": pa.nulls(rows),
            "tags": pa.array([[1, 2], [3]] * (rows // 2)),
        }
    )


@dataclass(frozen=True)
class Opened:
    """An engine on the dirty table, and the same data as Arrow and pandas."""

    engine: Engine
    table: pa.Table
    frame: pd.DataFrame


def opened_from(connection: Connection, data: Any, table: pa.Table, sample: int = 200_000) -> Opened:
    now = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    subject = open_subject(connection, data, Config(sample=sample), now, name=None)
    assert isinstance(subject.engine, Engine)
    return Opened(subject.engine, table, table.drop_columns(["tags"]).to_pandas())


@pytest.fixture(scope="session")
def table() -> pa.Table:
    return dirty_table()


@pytest.fixture(scope="session", params=["parquet", "arrow"])
def opened(
    request: pytest.FixtureRequest, table: pa.Table, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    with Connection(Limits(threads=2)) as connection:
        data: Any = table
        if request.param == "parquet":
            path: Path = tmp_path_factory.mktemp("dirty") / "dirty.parquet"
            pq.write_table(table, path, row_group_size=3_000)
            data = str(path)
        yield opened_from(connection, data, table, sample=5_000)
