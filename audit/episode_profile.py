"""Profiles of the streams of trajectories (observation entries, actions, reward) for the report's explorer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.dataset import Dataset
from audit.episode_facts.profile import StreamNumbers, StreamValues
from audit.facts import Asks, Facts, OnReference
from audit.findings import Chart
from audit.result import ColumnProfile
from audit.stats.density import bin_edges, density, histogram, quantiles

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 10
FEW_VALUES = 12  # whole numbers with at most so many values are drawn without a curve


def episode_profile_asks(data: Dataset) -> Asks:
    """Return the facts that the profiles need."""
    return {
        "streams": StreamNumbers(),
        "reference": OnReference(StreamNumbers()) if data.reference is not None else None,
    }


def make_episode_profiles(_data: Dataset, facts: Facts) -> tuple[ColumnProfile, ...]:
    """Return a profile of each stream: the observation's entries, the action's, the reward."""
    streams: Sequence[StreamValues] = facts["streams"] or ()
    reference = {(other.stream, other.name): other for other in facts["reference"] or ()}
    return tuple(_profile(one, reference.get((one.stream, one.name))) for one in streams)


def _profile(one: StreamValues, other: StreamValues | None) -> ColumnProfile:
    numbers: dict[str, Any] = {}
    distinct = None
    if one.choices is not None and one.counts is not None:
        common = np.argsort(-one.counts, kind="stable")[:TOP]
        numbers["top"] = tuple((str(one.choices[i]), int(one.counts[i])) for i in common.tolist())
        numbers["chart"] = _bars(one, other)
        distinct = len(one.choices)
    elif len(one.values):
        found = quantiles(one.values, QUANTILES)
        numbers["quantiles"] = {f"{q:g}": float(v) for q, v in zip(QUANTILES, found, strict=True)}
        numbers["chart"] = _histogram(one, other)
    return ColumnProfile(
        name=one.name,
        kind="numeric",
        type=one.type,
        role=one.stream,
        rows=one.rows,
        missing=one.nan,
        nan=one.nan,
        infinite=one.infinite,
        distinct=1 if distinct is None and one.low is not None and one.low == one.high else distinct,
        distinct_exact=True,
        mean=one.mean,
        std=one.std,
        skewness=one.skewness,
        low=one.low,
        high=one.high,
        basis=str(one.basis),
        **numbers,
    )


def _histogram(one: StreamValues, other: StreamValues | None) -> Chart:
    values = np.sort(one.values)
    whole = bool((values == np.round(values)).all())
    edges = bin_edges(values, whole=whole)
    binned = histogram(values, edges)
    data: dict[str, Any] = {"edges": edges.tolist(), "counts": binned.counts.tolist()}
    if not whole or len(edges) > FEW_VALUES:
        points, height = density(values, float(edges[0]), float(edges[-1]))
        scale = len(values) * (edges[1] - edges[0])  # so that curve and bars share an axis
        data["density"] = [[float(x), float(y)] for x, y in zip(points, height * scale, strict=True)]
    if other is not None and len(other.values):
        share = len(values) / len(other.values)  # both are drawn as if of equal size
        data["reference"] = (histogram(np.sort(other.values), edges).counts * share).tolist()
    data["below"], data["above"] = binned.below, binned.above
    return Chart("histogram", one.name, data, x_title=one.name, y_title="steps")


def _bars(one: StreamValues, other: StreamValues | None) -> Chart | None:
    assert one.choices is not None
    assert one.counts is not None
    if not len(one.choices):
        return None
    shown = np.sort(np.argsort(-one.counts, kind="stable")[:TOP])
    data: dict[str, Any] = {
        "labels": [str(choice) for choice in one.choices[shown].tolist()],
        "values": one.counts[shown].tolist(),
    }
    if other is not None and other.choices is not None and other.counts is not None:
        counted = dict(zip(other.choices.tolist(), other.counts.tolist(), strict=True))
        total = max(sum(counted.values()), 1)
        data["reference"] = [counted.get(choice, 0) * one.rows / total for choice in one.choices[shown].tolist()]
    if len(one.choices) > len(shown):
        data["total"] = one.rows
        data["rest"] = one.rows - sum(data["values"])
        data["rest_values"] = len(one.choices) - len(shown)
    return Chart("bars", one.name, data, x_title="steps")
