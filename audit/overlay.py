"""One column in two results: both distributions on common bins, and how far apart they are.

A result holds histograms and the most frequent values, not the data. Where the bins of two histograms differ, their
counts move onto common ones as if values were spread evenly inside a bin: right to the width of a bin.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from audit.findings import Chart

BINS = 40


@dataclass(frozen=True, slots=True)
class Overlay:
    """Two distributions of a column in one picture.

    Attributes:
        chart: the later one, with the earlier one as its `reference`.
        shift: total variation distance of the two as drawn: the share of the rows that would have to move, 0 to 1.
    """

    chart: Chart
    shift: float


def overlay(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Overlay | None:
    """Return two charts of a column (as a result's JSON has them) as one; None where they do not compare."""
    if before is None or after is None or before.get("kind") != after.get("kind"):
        return None
    try:
        if after["kind"] == "histogram":
            return _histograms(before, after)
        if after["kind"] == "bars":
            return _bars(before, after)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None  # a plug-in's chart of another make: there is nothing to compare
    return None


def _histograms(before: Mapping[str, Any], after: Mapping[str, Any]) -> Overlay | None:
    old_edges, new_edges = before["data"]["edges"], after["data"]["edges"]
    if isinstance(old_edges[0], str) != isinstance(new_edges[0], str):
        return None
    is_time = isinstance(new_edges[0], str)
    one, two = ([_place(edge) for edge in edges] for edges in (old_edges, new_edges))
    edges, old, new = two, before["data"]["counts"], after["data"]["counts"]
    if one != two:
        edges = _common(one, two)
        old, new = rebin(one, old, edges), rebin(two, new, edges)
    if not sum(old) or not sum(new):
        return None
    data = {"edges": [_time(edge) for edge in edges] if is_time else edges, "counts": new, "reference": old}
    chart = Chart("histogram", after["title"], data, after.get("x_title", ""), after.get("y_title", ""))
    return Overlay(chart, _distance(old, new))


def _common(one: Sequence[float], two: Sequence[float]) -> list[float]:
    """Return edges over both ranges; whole numbers keep bins of a whole width."""
    low, high = min(one[0], two[0]), max(one[-1], two[-1])
    widths = {high - low for low, high in pairwise([*one])} | {high - low for low, high in pairwise([*two])}
    finest = min(widths)
    if finest >= 1 and len(widths) == 1 and (high - low) / finest <= 2 * BINS:
        bins = round((high - low) / finest)
        return [low + i * finest for i in range(bins + 1)]
    return [low + i * (high - low) / BINS for i in range(BINS)] + [high]


def rebin(edges: Sequence[float], counts: Sequence[float], onto: Sequence[float]) -> list[float]:
    """Return counts on other edges, as if values were spread evenly inside a bin.

    Args:
        edges: k + 1 ascending edges.
        counts: k counts.
        onto: m + 1 ascending edges; what lies outside of them is left out.

    >>> rebin([0, 2, 4], [10, 30], [0, 1, 2, 3, 4])
    [5.0, 5.0, 15.0, 15.0]
    """
    below = [0.0, *accumulate(float(count) for count in counts)]

    def cumulated(at: float) -> float:
        if at <= edges[0]:
            return 0.0
        if at >= edges[-1]:
            return below[-1]
        i = bisect_right(edges, at) - 1
        return below[i] + counts[i] * (at - edges[i]) / (edges[i + 1] - edges[i])

    return [cumulated(high) - cumulated(low) for low, high in pairwise(onto)]


def _bars(before: Mapping[str, Any], after: Mapping[str, Any]) -> Overlay | None:
    """Return the shares, in percent, of the values whose share is known on both sides.

    A value that one side does not list has the share 0 there if that side lists them all, else it is left out.
    """
    old, new = _shares(before["data"]), _shares(after["data"])
    complete = [not before["data"].get("rest_values"), not after["data"].get("rest_values")]
    labels = [label for label in (*new, *(label for label in old if label not in new))
              if (label in old or complete[0]) and (label in new or complete[1])]  # fmt: skip
    if not labels:
        return None
    was, now = [old.get(label, 0.0) for label in labels], [new.get(label, 0.0) for label in labels]
    data = {"labels": labels, "values": now, "reference": was, "total": 100.0}
    chart = Chart("bars", after["title"], data, x_title=f"% of {after.get('x_title') or 'rows'}")
    rest = abs(sum(was) - sum(now))  # of all values that are not drawn
    return Overlay(chart, (sum(abs(a - b) for a, b in zip(was, now, strict=True)) + rest) / 200)


def _shares(data: Mapping[str, Any]) -> dict[str, float]:
    """Return label -> percent of all values."""
    total = data.get("total") or sum(data["values"]) or 1
    return {str(label): 100 * value / total for label, value in zip(data["labels"], data["values"], strict=True)}


def _distance(old: Sequence[float], new: Sequence[float]) -> float:
    a, b = sum(old), sum(new)
    return sum(abs(x / a - y / b) for x, y in zip(old, new, strict=True)) / 2


def _place(edge: Any) -> float:
    """Return an edge as a number: times as seconds since 1970, UTC."""
    if isinstance(edge, str):
        moment = dt.datetime.fromisoformat(edge)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    return float(edge)


def _time(seconds: float) -> str:
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)).isoformat(timespec="seconds")
