"""A sample of rows and what a check says to it, without an engine; and noise, into which tests plant their fault."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.dataset import Column, ColumnKind, Dataset, Roles
from audit.facts import Sample
from audit.findings import Finding, Judgement, Measurement, NotEvaluated, View
from audit.sample import Sampled


@dataclasses.dataclass(frozen=True)
class Said:
    """What a check said, by kind."""

    findings: list[Finding]
    measurements: list[Measurement]
    not_evaluated: list[NotEvaluated]
    views: list[View]


def kind_of(field: pa.Field) -> ColumnKind:
    kinds = (
        (pa.types.is_boolean, ColumnKind.BOOLEAN),
        (pa.types.is_integer, ColumnKind.NUMERIC),
        (pa.types.is_floating, ColumnKind.NUMERIC),
        (pa.types.is_temporal, ColumnKind.TEMPORAL),
        (pa.types.is_null, ColumnKind.NULL),
    )
    return next((kind for test, kind in kinds if test(field.type)), ColumnKind.TEXT)


def _judge(check: Any, columns: dict[str, Any], *, of: int | None = None, **roles: Any) -> Said:
    """Ask and judge on a sample that is given; `of` rows exist in the dataset."""
    table = pa.table(columns)
    described = tuple(
        Column(f.name, kind_of(f), str(f.type), pa.types.is_integer(f.type), pa.types.is_floating(f.type))
        for f in table.schema
    )
    used = {name for value in roles.values() for name in ((value,) if isinstance(value, str) else value)}
    cast = Roles(**roles, features=tuple(c.name for c in described if c.name not in used))
    rows = of or table.num_rows
    data = Dataset("x", "x", described, rows, dt.datetime(2024, 1, 1, tzinfo=dt.UTC), roles=cast)
    asks = check.ask(data)
    assert not isinstance(asks, NotEvaluated), asks.reason
    ids = np.linspace(0, max(rows - 1, 0), table.num_rows).astype(np.int64)
    sampled = Sampled(table, ids, rows, 0)
    facts = {name: sampled if isinstance(value, Sample) else value for name, value in asks.items()}
    said: list[Judgement] = list(check.judge(facts))
    return Said(
        [one for one in said if isinstance(one, Finding)],
        [one for one in said if isinstance(one, Measurement)],
        [one for one in said if isinstance(one, NotEvaluated)],
        [one for one in said if isinstance(one, View)],
    )


@pytest.fixture
def judge() -> Callable[..., Said]:
    """Return the function that asks a check and lets it judge a sample."""
    return _judge


@pytest.fixture
def noise() -> Callable[..., dict[str, Any]]:
    """Return a maker of `numbers` normal and `texts` categorical columns that have nothing to do with each other."""

    def make(rows: int, numbers: int, texts: int = 0, seed: int = 0) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        columns: dict[str, Any] = {f"n{i}": rng.normal(size=rows) for i in range(numbers)}
        for i in range(texts):
            levels = 3 + 5 * i
            columns[f"t{i}"] = np.array([f"v{k}" for k in range(levels)])[rng.integers(0, levels, rows)]
        return columns

    return make
