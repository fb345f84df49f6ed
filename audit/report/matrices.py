"""Pictures of matrices: the heat map and the confusion matrix.

Cells of one colour class are one path, neighbours in a row merged: a 60 x 60 map is ten nodes, not 3,600.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from audit.findings import Chart
from audit.report.language import _
from audit.report.picture import Canvas, Picture, Size, fit, label_room, short
from audit.report.wording import number, percent, plural, span, visible

CLASSES = 9
_MOST = 200  # rows or columns that are drawn; the eye cannot tell more apart
_NUMBERED = 12  # up to this many rows and columns, cells show their number


def draw_heatmap(chart: Chart, size: Size) -> Picture:
    """Draw a matrix in nine colour classes; the scale has two arms when `low` < 0 < `high`."""
    rows = [visible(name, 120) for name in chart.data["rows"]]
    columns = [visible(name, 120) for name in chart.data["columns"]]
    values = chart.data["values"]
    if not rows or not columns or len(values) != len(rows) or any(len(line) != len(columns) for line in values):
        raise ValueError("a heat map needs a value, or None, for each row and column")
    low, high = float(chart.data["low"]), float(chart.data["high"])
    two_arms = low < 0 < high
    shown_rows, shown_columns = rows[:_MOST], columns[:_MOST]
    classes = [[_class(value, low, high, two_arms) for value in line[:_MOST]] for line in values[:_MOST]]
    room = label_room(shown_rows, size)
    cell_x = min(max((size.width - room - 10) / len(shown_columns), 5.0), 46.0)
    cell_y = min(max(300 / len(shown_rows), 5.0), 24.0 if len(shown_columns) > 1 else 20.0)
    top = _top_label_room(shown_columns, cell_x)
    canvas = Canvas(room, top, room + cell_x * len(shown_columns), top + cell_y * len(shown_rows))
    _cells(canvas, classes, cell_x, cell_y, "d" if two_arms else "q")
    _names(canvas, shown_rows, shown_columns, (cell_x, cell_y), room=room)
    if max(len(rows), len(columns)) <= _NUMBERED and cell_x >= 30 and cell_y >= 14:
        _cell_numbers(canvas, values, classes, (cell_x, cell_y), two_arms=two_arms)
    left_out = (
        ""
        if len(rows) <= _MOST and len(columns) <= _MOST
        else " " + _("Only the first {count} are drawn.", count=_MOST)
    )
    return Picture(
        "heatmap",
        visible(chart.title, 160),
        _(
            "Heat map of {rows} by {columns}, from {low} to {high}.",
            rows=plural(len(rows), "row"),
            columns=plural(len(columns), "column"),
            low=number(low),
            high=number(high),
        )
        + left_out,
        max(int(canvas.right + 10), 240),
        int(canvas.bottom + 6),
        tuple(canvas.shapes),
        tuple(canvas.texts),
        (
            "\t".join(["", *columns]),
            *("\t".join([n, *map(number, line)]) for n, line in zip(rows, values, strict=True)),
        ),
        f"grid {canvas.box()} {len(shown_rows)} {len(shown_columns)}",
        (("scale2" if two_arms else "scale", span(number(low), number(high))),),
        visible(chart.x_title, 60),
        visible(chart.y_title, 60),
    )


def _class(value: Any, low: float, high: float, two_arms: bool) -> int | None:
    if value is None or not math.isfinite(value):
        return None
    if two_arms:  # zero stays in the middle, whatever the ends
        reach = max(-low, high)
        low, high = -reach, reach
    share = (float(value) - low) / (high - low) if high > low else 0.0
    return min(max(int(share * CLASSES), 0), CLASSES - 1)


def _cells(canvas: Canvas, classes: Sequence[Sequence[int | None]], cell_x: float, cell_y: float, palette: str) -> None:
    parts: dict[int, list[str]] = {}
    for i, line in enumerate(classes):
        y, start = short(canvas.top + i * cell_y), 0
        for j in range(1, len(line) + 1):
            if j < len(line) and line[j] == line[start]:
                continue
            group = line[start]
            if group is not None:
                x, width = canvas.left + start * cell_x, (j - start) * cell_x
                parts.setdefault(group, []).append(f"M{short(x)} {y}h{short(width)}v{short(cell_y)}h-{short(width)}z")
            start = j
    for group in sorted(parts):
        canvas.path(f"{palette}{group}", "".join(parts[group]))
    canvas.path(
        "fr",
        f"M{short(canvas.left)} {short(canvas.top)}H{short(canvas.right)}V{short(canvas.bottom)}H{short(canvas.left)}Z",
    )


def _top_label_room(columns: Sequence[str], cell_x: float) -> float:
    return 22.0 if _upright(columns, cell_x) else min(max(map(len, columns)), 16) * 6.2 + 10


def _upright(columns: Sequence[str], cell_x: float) -> bool:
    return all(6.4 * len(name) <= cell_x for name in columns)


def _names(
    canvas: Canvas, rows: Sequence[str], columns: Sequence[str], cell: tuple[float, float], *, room: float
) -> None:
    cell_x, cell_y = cell
    every = max(1, math.ceil(11 / cell_y))
    for i in range(0, len(rows), every):
        canvas.text(canvas.left - 5, canvas.top + (i + 0.5) * cell_y + 3.5, fit(rows[i], room - 8), "e")
    every, upright = max(1, math.ceil(11 / cell_x)), _upright(columns, cell_x)
    for j in range(0, len(columns), every):
        x = canvas.left + (j + 0.5) * cell_x
        if upright:
            canvas.text(x, canvas.top - 6, columns[j])
        else:
            canvas.text(x + 3.5, canvas.top - 5, fit(columns[j], 100), "s", turn=True)


def _cell_numbers(
    canvas: Canvas,
    values: Sequence[Sequence[Any]],
    classes: Sequence[Sequence[int | None]],
    cell: tuple[float, float],
    *,
    two_arms: bool,
) -> None:
    cell_x, cell_y = cell
    for i, line in enumerate(values):
        for j, value in enumerate(line):
            group = classes[i][j]
            if group is not None:
                style = "on" if (group in (0, CLASSES - 1) if two_arms else group >= 6) else "in"
                text = f"{value:.2f}" if isinstance(value, float) and abs(value) < 10 else number(value)
                canvas.text(canvas.left + (j + 0.5) * cell_x, canvas.top + (i + 0.5) * cell_y + 3.5, text, style)


def draw_confusion(chart: Chart, size: Size) -> Picture:
    """Draw a confusion matrix: colour by the share of the row, agreement and disagreement in two colours."""
    labels = [visible(label, 120) for label in chart.data["labels"]]
    matrix = chart.data["matrix"]
    if not labels or len(matrix) != len(labels) or any(len(line) != len(labels) for line in matrix):
        raise ValueError("a confusion matrix of k labels needs k rows of k counts")
    row_title = visible(chart.data.get("row_title") or _("given"), 40)
    column_title = visible(chart.data.get("column_title") or _("other"), 40)
    shown = labels[:_MOST]
    k = len(shown)
    room = max(label_room(shown, size), 6.6 * len(row_title) + 14)
    cell_x = min(max((size.width - room - 10) / k, 5.0), 58.0)
    cell_y = min(max(300 / k, 5.0), 34.0)
    top = _top_label_room(shown, cell_x) + 16
    canvas = Canvas(room, top, room + cell_x * k, top + cell_y * k)
    shares = [_row_shares(line) for line in matrix]
    for agreeing, palette in ((True, "q"), (False, "o")):
        classes = [
            [_class(shares[i][j], 0, 1, False) if (i == j) is agreeing and matrix[i][j] else None for j in range(k)]
            for i in range(k)
        ]
        _cells(canvas, classes, cell_x, cell_y, palette)
    _names(canvas, shown, shown, (cell_x, cell_y), room=room)
    canvas.text((canvas.left + canvas.right) / 2, 11, column_title, "h")
    canvas.text(4, canvas.top - 8, row_title, "s h")
    if k <= _NUMBERED:
        for i in range(k):
            for j in range(k):
                style = "on" if shares[i][j] >= 6 / CLASSES else "in"
                x, y = canvas.left + (j + 0.5) * cell_x, canvas.top + (i + 0.5) * cell_y + 3.5
                canvas.text(x, y, number(matrix[i][j]), style)
    agreed, total = sum(matrix[i][i] or 0 for i in range(len(labels))), sum(sum(v or 0 for v in m) for m in matrix)
    return Picture(
        "confusion",
        visible(chart.title, 160),
        _(
            "Confusion matrix of {labels}: {row_title} in rows, {column_title} in columns; {agreed} of {all} on the "
            "diagonal ({share}).",
            labels=plural(len(labels), "label"),
            row_title=row_title,
            column_title=column_title,
            agreed=number(agreed),
            all=number(total),
            share=percent(agreed / total if total else None),
        ),
        max(int(canvas.right + 10), 240),
        int(canvas.bottom + 6),
        tuple(canvas.shapes),
        tuple(canvas.texts),
        (
            "\t".join([f"{row_title} \\ {column_title}", *labels]),
            *("\t".join([n, *map(number, line)]) for n, line in zip(labels, matrix, strict=True)),
        ),
        f"grid {canvas.box()} {k} {k}",
        (("q6", _("agree, by share of the row")), ("o6", _("disagree, by share of the row"))),
    )


def _row_shares(line: Sequence[Any]) -> list[float]:
    total = sum(value or 0 for value in line) or 1
    return [(value or 0) / total for value in line]
