"""The column profiles that the report's explorer shows: facts in, `ColumnProfile`s out; nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from audit.dataset import Column, ColumnKind, Dataset, Kind
from audit.engine.draw import holds_values
from audit.episode_profile import episode_profile_asks, make_episode_profiles
from audit.facts import (
    Asks,
    Distinct,
    Extremes,
    Facts,
    Missing,
    Moments,
    OnReference,
    Sample,
    Value,
    ValueCounts,
    ValueCountTable,
)
from audit.findings import Chart
from audit.result import ColumnProfile, plain
from audit.sample import Sampled, time_from_micros
from audit.stats.density import bin_edges, density, histogram, quantiles

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 10
FEW_VALUES = 12  # whole numbers with at most so many values are shown as bars
COUNTED = (ColumnKind.TEXT, ColumnKind.BOOLEAN)


def profile_asks(data: Dataset) -> Asks:
    """Return the facts that the profiles need."""
    if data.kind is Kind.TRAJECTORY:
        return episode_profile_asks(data)
    numeric = data.of_kind(ColumnKind.NUMERIC, ColumnKind.BOOLEAN)
    ordered = data.of_kind(ColumnKind.NUMERIC, ColumnKind.TEMPORAL)
    countable = data.of_kind(*COUNTED)
    measured = tuple(c.name for c in data.columns if c.kind not in (ColumnKind.NESTED, ColumnKind.BINARY))
    return {
        "missing": {c: Missing(c) for c in data.names},
        "distinct": {c: Distinct(c) for c in measured},
        "moments": {c: Moments(c) for c in numeric},
        "extremes": {c: Extremes(c) for c in ordered},
        "counts": {c: ValueCounts(c) for c in countable},
        "sample": Sample(measured),
        "reference": OnReference(Sample(measured)) if data.reference is not None else None,
    }


def make_profiles(data: Dataset, facts: Facts) -> tuple[ColumnProfile, ...]:
    """Return a profile of each column (of trajectories: of each stream), in file order."""
    if data.kind is Kind.TRAJECTORY:
        return make_episode_profiles(data, facts)
    roles = _roles_by_column(data)
    return tuple(_profile(column, roles.get(column.name), facts) for column in data.columns)


def _roles_by_column(data: Dataset) -> Mapping[str, str]:
    roles: dict[str, str] = {}
    for evidence in data.roles.evidence:
        for name in evidence.columns:
            roles.setdefault(name, evidence.role)
    return roles


def _profile(column: Column, role: str | None, facts: Facts) -> ColumnProfile:
    name = column.name
    missing = facts["missing"][name]
    sample: Sampled = facts["sample"]
    reference: Sampled | None = facts["reference"]
    moments = facts["moments"].get(name)
    extremes = facts["extremes"].get(name)
    counts: ValueCountTable | None = facts["counts"].get(name)
    distinct, exact = _distinct(column, facts, sample)
    numbers: dict[str, Any] = {}
    if moments is not None and moments.n:
        numbers = {"mean": moments.mean, "std": _number(moments.std()), "skewness": _number(moments.skewness)}
    if extremes is not None:
        numbers |= {"low": _end(extremes.low), "high": _end(extremes.high)}
    if column.kind in (ColumnKind.NUMERIC, ColumnKind.TEMPORAL):
        values = sample.ordered(name)
        if column.kind is ColumnKind.NUMERIC and len(values):
            found = quantiles(values, QUANTILES)
            numbers["quantiles"] = {f"{q:g}": float(v) for q, v in zip(QUANTILES, found, strict=True)}
        numbers["chart"] = _histogram_chart(column, sample, reference)
    elif counts is not None and counts.values:
        numbers["top"] = tuple((str(v), n) for v, n in zip(counts.values[:TOP], counts.counts[:TOP], strict=True))
        numbers["chart"] = _bar_chart(column, counts, sample, reference)
    basis = sample.basis if counts is None or not counts.exact else None
    return ColumnProfile(
        name=name,
        kind=column.kind.value,
        type=column.type,
        role=role,
        rows=missing.rows,
        missing=missing.missing,
        nan=missing.nan,
        infinite=missing.infinite,
        distinct=distinct,
        distinct_exact=exact,
        basis=str(basis) if basis is not None and holds_values(column) else f"all {missing.rows:,} rows",
        **numbers,
    )


def _distinct(column: Column, facts: Facts, sample: Sampled) -> tuple[int | None, bool]:
    if holds_values(column) and sample.exact:
        return len(sample.codes(column.name)[1]), True
    counted = facts["counts"].get(column.name)
    if counted is not None and counted.exact:
        return counted.distinct, True
    sketch = facts["distinct"].get(column.name)
    return (sketch.count, sketch.exact) if sketch is not None else (None, False)


def _histogram_chart(column: Column, sample: Sampled, reference: Sampled | None) -> Chart | None:
    values = sample.ordered(column.name)
    if not len(values):
        return None
    edges = bin_edges(values, whole=column.integer)
    binned = histogram(values, edges)
    data: dict[str, Any] = {"edges": edges.tolist(), "counts": binned.counts.tolist()}
    if column.kind is ColumnKind.TEMPORAL:
        data["edges"] = [_iso(edge, zoned=column.zoned) for edge in edges.tolist()]
    if not column.integer or len(edges) > FEW_VALUES:
        points, height = density(values, float(edges[0]), float(edges[-1]))
        if column.kind is not ColumnKind.TEMPORAL and len(points):
            scale = len(values) * (edges[1] - edges[0])  # so that curve and bars share an axis
            data["density"] = [[float(x), float(y)] for x, y in zip(points, height * scale, strict=True)]
    if reference is not None and column.name in reference.table.schema.names:
        other = _ordered_or_none(reference, column.name)
        if other is not None and len(other):
            share = len(values) / len(other)  # both are drawn as if of equal size
            data["reference"] = (histogram(other, edges).counts * share).tolist()
    data["below"], data["above"] = binned.below, binned.above
    return Chart("histogram", column.name, data, x_title=column.name, y_title="rows")


def _ordered_or_none(sample: Sampled, column: str) -> Any:
    import pyarrow as pa

    kind = sample.table.schema.field(column).type
    return None if pa.types.is_string(kind) or pa.types.is_nested(kind) else sample.ordered(column)


def _bar_chart(column: Column, counts: ValueCountTable, sample: Sampled, reference: Sampled | None) -> Chart:
    shown = counts.values[:TOP]
    data: dict[str, Any] = {"labels": [str(v) for v in shown], "values": list(counts.counts[:TOP])}
    if reference is not None and column.name in reference.table.schema.names:
        codes, values = reference.codes(column.name)
        place = {value: i for i, value in enumerate(values)}
        total = max(int((codes >= 0).sum()), 1)
        tally = np.bincount(codes[codes >= 0], minlength=len(values))
        data["reference"] = [float(tally[place[v]]) * counts.total / total if v in place else 0.0 for v in shown]
    if counts.distinct > len(shown):
        data["total"] = counts.total
        data["rest"] = counts.total - sum(counts.counts[:TOP])
        data["rest_values"] = counts.distinct - len(shown)
    return Chart("bars", column.name, data, x_title="rows")


def _iso(seconds: float, *, zoned: bool) -> str:
    return time_from_micros(int(seconds * 1e6), zoned=zoned).isoformat(timespec="seconds")


def _end(value: Value) -> float | str | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
