"""Pictures over an axis: lines with bands, points, and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.findings import Chart
from audit.report.axes import Scale, Tick, moment, numbers_or_times, ticks
from audit.report.language import _
from audit.report.picture import Canvas, Picture, Point, Size, fit, label_room, polyline, row_titles, short
from audit.report.wording import number, plural, visible

_MOST_POINTS = 250  # of a scatter, at the least: the eye sees no more in a small picture, and the file stays small
_MOST_SERIES = 6  # as many colours and dashes as can be told apart


def draw_line(chart: Chart, size: Size) -> Picture:
    """Draw series over numbers or times, with a band where a series has `low` and `high`; None is a gap."""
    xs, is_time, steps = _positions(chart.data["x"])
    series = list(chart.data["series"])
    if not xs or not series or any(len(one["values"]) != len(xs) for one in series):
        raise ValueError("each series needs one value, or None, for each x")
    drawn = series[:_MOST_SERIES]
    limit = chart.data.get("limit")
    over = [v for one in drawn for key in ("values", "low", "high") for v in _numbers(one.get(key) or ())]
    low, high = _range([*over, *([] if limit is None else [float(limit)])])
    at = [value for value in xs if value is not None]
    canvas = Canvas(46, 8, size.width - 12, size.height - 22)
    x, y = Scale(min(at), max(at), canvas.left, canvas.right), Scale(low, high, canvas.bottom, canvas.top)
    marks = [numbers_or_times(pair)[0] for pair in chart.data.get("marks") or ()]
    canvas.path("bad wash", "".join(_stretch(pair, x, canvas.top, canvas.bottom) for pair in marks))
    canvas.path("bad", "".join(_stretch(pair, x, canvas.bottom - 4, canvas.bottom) for pair in marks))
    canvas.y_axis(y, ticks(low, high, size.y_ticks))
    for i, one in enumerate(drawn):
        canvas.path(f"a{i}", _band(xs, one, x, y))
    for i, one in enumerate(drawn):
        canvas.path(f"s{i}", polyline(_points(xs, one["values"], x, y)))
        canvas.path(f"s{i} dot", "".join(_lonely(xs, one["values"], x, y)))
    if limit is not None:
        canvas.path("m", f"M{short(canvas.left)} {short(y(float(limit)))}H{short(canvas.right)}")
    canvas.x_axis(x, _named_ticks(steps, size) if steps else ticks(min(at), max(at), size.x_ticks, is_time=is_time))
    names = [visible(one.get("name", ""), 60) for one in series]
    legend = [(f"s{i}", names[i]) for i in range(len(drawn)) if len(series) > 1 or "low" in drawn[i]]
    if limit is not None:
        legend.append(("m", _("limit {limit}", limit=number(limit))))
    if marks:
        legend.append(("bad", _("flagged")))
    if len(series) > len(drawn):
        legend.append(("", _("{count} more in the data below", count=f"{len(series) - len(drawn):,}")))
    span = max(at) - min(at)
    words = steps or [("–" if v is None else moment(v, span)) if is_time else number(v) for v in xs]
    table = zip(words, *([number(v) for v in one["values"]] for one in series), strict=True)
    return Picture(
        "line",
        visible(chart.title, 160),
        _(
            "{lines} of {points} from {first} to {last}, between {low} and {high}.",
            lines=plural(len(series), "line"),
            points=plural(len(xs), "point"),
            first=words[0],
            last=words[-1],
            low=number(min(over, default=None)),
            high=number(max(over, default=None)),
        ),
        size.width,
        size.height,
        tuple(canvas.shapes),
        tuple(canvas.texts),
        ("\t".join([visible(chart.x_title, 60) or "x", *names]), *("\t".join(row) for row in table)),
        f"near {canvas.box()} {len(xs)} " + " ".join("-99" if v is None else short(x(v)) for v in xs),
        tuple(legend),
        visible(chart.x_title, 60),
        visible(chart.y_title, 60),
    )


def _stretch(pair: Sequence[float | None], x: Scale, top: float, bottom: float) -> str:
    """Return a stretch of x as a box, wide enough to be seen."""
    start, end = (x(value or 0.0) for value in pair)
    width = max(end - start, 2.5)
    return f"M{short(start)} {short(top)}h{short(width)}V{short(bottom)}h-{short(width)}Z"


def _positions(values: Sequence[Any]) -> tuple[list[float | None], bool, list[str]]:
    """Return numbers, whether they are times, and names when the values are neither numbers nor times but steps."""
    try:
        xs, is_time = numbers_or_times(values)
    except ValueError:
        return [float(i) for i in range(len(values))], False, [visible(value, 60) for value in values]
    return xs, is_time, []


def _named_ticks(steps: Sequence[str], size: Size) -> list[Tick]:
    every = max(1, -(-len(steps) // size.x_ticks))
    return [(float(i), fit(steps[i], size.width / size.x_ticks - 8)) for i in range(0, len(steps), every)]


def _numbers(values: Sequence[Any]) -> list[float]:
    return [v for v in numbers_or_times(values)[0] if v is not None]


def _range(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if low >= 0 and low <= 0.5 * high:
        low = 0.0  # a baseline of zero, unless it would flatten the line
    pad = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return (low if low == 0 else low - pad), high + pad


def _points(xs: Sequence[float | None], values: Sequence[Any], x: Scale, y: Scale) -> list[Point | None]:
    ys = numbers_or_times(values)[0]
    return [None if px is None or py is None else (x(px), y(py)) for px, py in zip(xs, ys, strict=True)]


def _lonely(xs: Sequence[float | None], values: Sequence[Any], x: Scale, y: Scale) -> list[str]:
    """Return points without neighbours, which a line would not show."""
    points = [None, *_points(xs, values, x, y), None]
    return [
        f"M{short(p[0])} {short(p[1])}h0"
        for before, p, after in zip(points, points[1:], points[2:], strict=False)
        if p is not None and before is None and after is None
    ]


def _band(xs: Sequence[float | None], one: Any, x: Scale, y: Scale) -> str:
    if not one.get("low") or not one.get("high"):
        return ""
    lows, highs = _points(xs, one["low"], x, y), _points(xs, one["high"], x, y)
    parts, run = [], list[tuple[Point, Point]]()
    for low, high in [*zip(lows, highs, strict=True), (None, None)]:
        if low is not None and high is not None:
            run.append((low, high))
            continue
        if len(run) > 1:
            parts.append(polyline([*(low for low, _ in run), *(high for _, high in reversed(run))]) + "Z")
        run = []
    return "".join(parts)


def draw_scatter(chart: Chart, size: Size) -> Picture:
    """Draw points as one path of round dots."""
    xs, is_time = numbers_or_times(chart.data["x"])
    ys = numbers_or_times(chart.data["y"])[0]
    pairs = [(a, b) for a, b in zip(xs, ys, strict=True) if a is not None and b is not None]
    if not pairs:
        raise ValueError("there are no points")
    given = len(pairs)
    pairs = pairs[:: -(-given // max(size.points, _MOST_POINTS))]
    x_low, x_high = min(a for a, _ in pairs), max(a for a, _ in pairs)
    low, high = _range([b for _, b in pairs])
    canvas = Canvas(46, 8, size.width - 12, size.height - 22)
    x, y = Scale(x_low, x_high, canvas.left + 4, canvas.right - 4), Scale(low, high, canvas.bottom, canvas.top)
    canvas.y_axis(y, ticks(low, high, size.y_ticks))
    canvas.path("p", "".join(f"M{short(x(a))} {short(y(b))}h0" for a, b in pairs))
    canvas.x_axis(x, ticks(x_low, x_high, size.x_ticks, is_time=is_time))
    words = [moment(a, x_high - x_low) if is_time else number(a) for a, _ in pairs]
    count = plural(len(pairs), "point")
    if given > len(pairs):
        count = _("{count} of {all}", count=count, all=f"{given:,}")
    start = moment(x_low, x_high - x_low) if is_time else number(x_low)
    return Picture(
        "scatter",
        visible(chart.title, 160),
        _(
            "{points}; x from {start}, y between {low} and {high}.",
            points=count,
            start=start,
            low=number(min(b for _x, b in pairs)),
            high=number(max(b for _x, b in pairs)),
        ),
        size.width,
        size.height,
        tuple(canvas.shapes),
        tuple(canvas.texts),
        (
            f"{visible(chart.x_title, 60) or 'x'}\t{visible(chart.y_title, 60) or 'y'}",
            *(f"{word}\t{number(b)}" for word, (_x, b) in zip(words, pairs, strict=True)),
        ),
        f"near {canvas.box()} {len(pairs)} " + " ".join(short(x(a)) for a, _ in pairs),
        (),
        visible(chart.x_title, 60),
        visible(chart.y_title, 60),
    )


def draw_intervals(chart: Chart, size: Size) -> Picture:
    """Draw a value with its interval a row, and the limit as a dashed line."""
    labels = [visible(label, 200) for label in chart.data["labels"]]
    values = numbers_or_times(chart.data["values"])[0]
    lows, highs = numbers_or_times(chart.data["low"])[0], numbers_or_times(chart.data["high"])[0]
    if not labels or len({len(labels), len(values), len(lows), len(highs)}) != 1:
        raise ValueError("intervals need a value, a low and a high for each label")
    limit = chart.data.get("limit")
    shown = min(len(labels), size.bars)
    over = [v for v in (*values[:shown], *lows[:shown], *highs[:shown]) if v is not None]
    over += [] if limit is None else [float(limit)]
    low, high = _range(over)
    row = 20
    room, titles = label_room(labels[:shown], size), row_titles(chart, size)
    canvas = Canvas(room, 6, size.width - 14, 6 + row * shown)
    x = Scale(low, high, canvas.left + 4, canvas.right - 4)
    bars, dots = [], []
    for i in range(shown):
        middle = canvas.top + row * (i + 0.5)
        canvas.text(canvas.left - 6, middle + 3.5, fit(labels[i], room - 8), "e")
        start, end, value = lows[i], highs[i], values[i]
        if start is not None and end is not None:
            bars.append(f"M{short(x(start))} {short(middle)}H{short(x(end))}")
        if value is not None:
            dots.append(f"M{short(x(value))} {short(middle)}h0")
    canvas.path("e", "".join(bars))
    canvas.path("p big", "".join(dots))
    if limit is not None:
        canvas.path("m", f"M{short(x(float(limit)))} {short(canvas.top - 2)}V{short(canvas.bottom)}")
    canvas.x_axis(x, ticks(low, high, size.x_ticks))
    rows = zip(labels, values, lows, highs, strict=True)
    return Picture(
        "intervals",
        visible(chart.title, 160),
        _(
            "{count} with intervals, between {low} and {high}.",
            count=plural(len(labels), "value"),
            low=number(low),
            high=number(high),
        ),
        size.width,
        int(canvas.bottom + 20),
        tuple(canvas.shapes),
        tuple(canvas.texts),
        (
            f"{titles[0]}\t{titles[1]}\t{_('low')}\t{_('high')}",
            *("\t".join([n, number(v), number(a), number(b)]) for n, v, a, b in rows),
        ),
        f"y 0 {short(canvas.top)} {size.width} {short(canvas.bottom)} {shown}",
        () if limit is None else (("m", _("limit {limit}", limit=number(limit))),),
        titles[1],
        titles[0] if chart.x_title and chart.y_title else "",
    )
