"""Pictures of distributions: histogram with density and reference, and bars."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from audit.findings import Chart
from audit.report.axes import Scale, moment, numbers_or_times, ticks
from audit.report.language import N_, _
from audit.report.picture import Canvas, Picture, Size, fit, label_room, polyline, row_titles, short
from audit.report.wording import number, percent, plural, visible

THIS, REFERENCE, DENSITY = N_("this data"), N_("reference"), N_("density")


def draw_histogram(chart: Chart, size: Size) -> Picture:
    """Draw bins as one silhouette, the reference as a stepped outline, the density as a line.

    Bars show shares of the rows, so that a reference of another size compares; over bins of unequal width they show
    share per unit, so that areas compare.
    """
    edges, is_time = numbers_or_times(chart.data["edges"])
    if len(edges) < 2 or any(edge is None for edge in edges):
        raise ValueError("a histogram needs at least two finite edges")
    at = [float(edge) for edge in edges if edge is not None]
    counts = [float(count or 0) for count in chart.data["counts"]]
    reference = [float(count or 0) for count in chart.data.get("reference") or ()]
    if len(counts) != len(at) - 1 or (reference and len(reference) != len(counts)):
        raise ValueError("a histogram of k bins needs k + 1 edges")
    widths = [high - low for low, high in pairwise(at)]
    uneven = max(widths) > 1.001 * min(widths)
    bars, shadow = _heights(counts, widths, uneven), _heights(reference, widths, uneven)
    density = _density(chart.data.get("density") or (), at, area_of_bars=1.0 if uneven else widths[0], most=size.points)
    highest = max([*bars, *shadow, 0.0])
    peak = min(
        max((py for _, py in density), default=0.0), 1.4 * highest
    )  # a spike of the density must not flatten all
    top = 1.06 * max(highest, peak) or 1.0

    left, right = 36 if not uneven else 10, size.width - 8
    if size.compact and not uneven:  # whole pixels a bin: sharper, and half the bytes
        right = left + max((right - left) // len(counts), 1) * len(counts)
    canvas = Canvas(left, 6, right, size.height - 20)
    x, y = Scale(at[0], at[-1], canvas.left, canvas.right), Scale(0, top, canvas.bottom, canvas.top)
    if not uneven:
        canvas.y_axis(y, ticks(0, top, size.y_ticks, share=True))
    canvas.path("b", _silhouette(at, bars, x, y, closed=True))
    if reference:
        canvas.path("r", _silhouette(at, shadow, x, y, closed=False))
    canvas.path("k", polyline([(x(px), y(min(py, top))) for px, py in density]))
    canvas.x_axis(x, ticks(at[0], at[-1], size.x_ticks, is_time=is_time))

    names = [moment(edge, at[-1] - at[0]) if is_time else number(edge) for edge in at]
    counted = _(visible(chart.y_title, 60).removeprefix("share of ") or "rows")
    legend = [("b", _(THIS)), ("r", _(REFERENCE))] if reference else []
    if density:
        legend.append(("k", _(DENSITY)))
    return Picture(
        "histogram",
        visible(chart.title, 160),
        _histogram_summary(names, counts, bool(reference)),
        size.width,
        size.height,
        tuple(canvas.shapes),
        tuple(canvas.texts),
        _histogram_lines(names, counts, reference, counted),
        f"{'edges' if uneven else 'x'} {canvas.box()} {len(counts)}"
        + (" " + " ".join(short(x(edge)) for edge in at) if uneven else ""),
        tuple(legend if not size.compact or reference else ()),
        visible(chart.x_title, 60),
        _("share per unit") if uneven else _("share of {unit}", unit=counted),
        compact=size.compact,
    )


def _heights(counts: Sequence[float], widths: Sequence[float], uneven: bool) -> list[float]:
    total = sum(counts) or 1.0
    return [count / total / (width if uneven else 1.0) for count, width in zip(counts, widths, strict=False)]


def _silhouette(at: Sequence[float], heights: Sequence[float], x: Scale, y: Scale, *, closed: bool) -> str:
    """Return the outline of all bins as one path: up to each height, then along to the next edge."""
    floor, start = short(y(0)), x(at[0])
    steps, here = [], start
    for height, edge in zip(heights, at[1:], strict=True):
        along = short(x(edge) - here)
        here = round(here + float(along), 1)  # relative steps are short; going on from where they lead keeps them exact
        steps.append(f"V{short(y(height))}h{along}")
    return f"M{short(start)} {floor}{''.join(steps)}V{floor}" + ("Z" if closed else "")


def _density(
    points: Sequence[Any], at: Sequence[float], *, area_of_bars: float, most: int
) -> list[tuple[float, float]]:
    """Return points of the density inside the edges, its area scaled to that of the bars: so any unit of it will do."""
    if len(points) < 2:
        return []
    xs = numbers_or_times([point[0] for point in points])[0]
    pairs = [(px, float(p[1])) for px, p in zip(xs, points, strict=True) if px is not None and p[1] is not None]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(pairs))
    if not area > 0:
        return []
    inside = [(px, py * area_of_bars / area) for px, py in pairs if at[0] <= px <= at[-1]]
    return inside[:: max(1, -(-len(inside) // most))]


def _histogram_summary(names: Sequence[str], counts: Sequence[float], reference: bool) -> str:
    total = sum(counts)
    if not total:
        return _("Histogram without values.")
    peak = max(range(len(counts)), key=counts.__getitem__)
    said = {"first": names[0], "last": names[-1], "low": names[peak], "high": names[peak + 1]}
    share = percent(counts[peak] / total)
    if reference:
        return _(
            "Histogram from {first} to {last}; fullest bin {low} to {high} with {share}; the reference is overlaid.",
            share=share,
            **said,
        )
    return _("Histogram from {first} to {last}; fullest bin {low} to {high} with {share}.", share=share, **said)


def _histogram_lines(
    names: Sequence[str], counts: Sequence[float], reference: Sequence[float], counted: str
) -> tuple[str, ...]:
    """Return one line a bin, from its lower edge; the last line is the upper edge."""
    head = f"{_('from')}\t{counted}" + (f"\t{_(REFERENCE)}" if reference else "")
    rows = [f"{name}\t{number(_whole(count))}" for name, count in zip(names, counts, strict=False)]
    if reference:
        rows = [f"{row}\t{number(_whole(count))}" for row, count in zip(rows, reference, strict=True)]
    return (head, *rows, names[-1])


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def draw_bars(chart: Chart, size: Size) -> Picture:
    """Draw horizontal bars with their labels and values; the reference is a mark, the limit a dashed line.

    Counts with a reference are drawn as shares, each of its own total (or of `total`, where the bars are not all there
    is), because the two rarely have the same size.
    """
    labels = [visible(label, 200) for label in chart.data["labels"]]
    values = [_number_or_zero(value) for value in chart.data["values"]]
    reference = [_number_or_zero(value) for value in chart.data.get("reference") or ()]
    if len(labels) != len(values) or (reference and len(reference) != len(values)):
        raise ValueError("bars need as many values as labels")
    if not values:
        raise ValueError("there are no bars")
    titles = row_titles(chart, size)
    lines = _bar_lines(titles, labels, values, reference)
    as_share = bool(reference) and max([*values, *reference]) > 1 and min([*values, *reference]) >= 0
    if as_share:
        whole = chart.data.get("total")  # the bars may be the most frequent of many
        values = [value / (whole or sum(values) or 1) for value in values]
        reference = [value / (whole or sum(reference) or 1) for value in reference]
    shown = min(len(values), size.bars)
    limit = chart.data.get("limit")
    scale_over = [*values[:shown], *reference[:shown], 0.0, *([] if limit is None else [float(limit)])]

    row = 13 if size.compact else 20
    room = label_room(labels[:shown], size)
    canvas = Canvas(room, 4, size.width - 54, 4 + row * shown)
    x = Scale(min(scale_over), max(scale_over) or 1.0, canvas.left, canvas.right)
    thick = row - (3 if size.compact else 6)
    bars, marks = [], []
    for i, (label, value) in enumerate(zip(labels[:shown], values, strict=False)):
        y = canvas.top + row * i
        bars.append(f"M{short(x(0))} {short(y)}H{short(x(value))}v{thick}H{short(x(0))}Z")
        middle = y + thick / 2 + 3.5
        canvas.text(canvas.left - 6, middle, fit(label, room - 8), "e")
        canvas.text(max(x(value), x(0)) + 4, middle, percent(value) if as_share else number(_whole(value)), "s v")
        if reference:
            marks.append(f"M{short(x(reference[i]))} {short(y - 1)}v{thick + 2}")
    canvas.path("b", "".join(bars))
    canvas.path("t", "".join(marks))
    if limit is not None:
        canvas.path("m", f"M{short(x(float(limit)))} {short(canvas.top - 3)}V{short(canvas.bottom)}")
    rest = len(labels) - shown
    if rest:
        canvas.text(canvas.left, canvas.bottom + 9, _("and {count} more, in the data below", count=f"{rest:,}"), "s")
    legend = [("b", _(THIS)), ("t", _(REFERENCE))] if reference else []
    if limit is not None:
        legend.append(("m", _("limit {limit}", limit=number(limit))))
    return Picture(
        "bars",
        visible(chart.title, 160),
        _(
            "{count}; largest first shown: {label} at {value}.",
            count=plural(len(labels), "bar"),
            label=fit(labels[0], 300),
            value=lines[1].split("\t")[1],
        ),
        size.width,
        int(canvas.bottom + (14 if rest else 4)),
        tuple(canvas.shapes),
        tuple(canvas.texts),
        lines,
        f"y 0 {short(canvas.top)} {size.width} {short(canvas.bottom)} {shown}",
        tuple(legend),
        titles[1] if chart.x_title or chart.y_title else "",
        titles[0] if chart.x_title and chart.y_title else "",
        compact=size.compact,
    )


def _bar_lines(
    titles: tuple[str, str], labels: Sequence[str], values: Sequence[float], reference: Sequence[float]
) -> tuple[str, ...]:
    rows = [f"{label}\t{number(_whole(value))}" for label, value in zip(labels, values, strict=True)]
    if reference:
        rows = [f"{row}\t{number(_whole(value))}" for row, value in zip(rows, reference, strict=True)]
    return ("\t".join(titles) + (f"\t{_(REFERENCE)}" if reference else ""), *rows)


def _number_or_zero(value: Any) -> float:
    return numbers_or_times([value])[0][0] or 0.0
