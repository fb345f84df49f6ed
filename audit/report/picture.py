"""What a drawn chart is: path strings and short texts at coordinates, ready for the SVG macro.

Python does the geometry and the macro writes the marks, so that no template computes and no Python writes markup.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audit.findings import Chart
from audit.report.axes import Scale, Tick
from audit.report.language import _
from audit.report.wording import visible

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """One path with its style class."""

    style: str
    d: str


@dataclass(frozen=True, slots=True)
class Text:
    """One short text; `style` is the anchor and the look."""

    x: str
    y: str
    text: str
    style: str = ""
    turn: bool = False


@dataclass(frozen=True, slots=True)
class Size:
    """The room that a picture has, in CSS pixels, and how many ticks fit."""

    width: int
    height: int
    label: int
    x_ticks: int
    y_ticks: int
    bars: int
    points: int
    compact: bool = False


CARD = Size(290, 112, 104, 4, 3, 8, 24, compact=True)
EVIDENCE = Size(460, 190, 132, 6, 5, 15, 100)
VIEW = Size(560, 230, 150, 7, 5, 25, 400)
STRIP = Size(560, 96, 150, 7, 2, 25, 400)


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart, drawn.

    Attributes:
        kind: the kind of chart.
        title: its title, visible text.
        summary: one sentence for people who do not see it.
        width, height: the view box, in CSS pixels.
        shapes, texts: what to draw, in order.
        lines: the data, tab-separated: a header, then one line a mark. Tooltips read them too.
        hover: how a tooltip finds its line: `mode left top right bottom n [m]`; empty without tooltips.
        legend: (style, words) pairs.
        x_title, y_title: axis titles.
        problem: why it could not be drawn; empty when it could.
    """

    kind: str
    title: str
    summary: str = ""
    width: int = 0
    height: int = 0
    shapes: tuple[Shape, ...] = ()
    texts: tuple[Text, ...] = ()
    lines: tuple[str, ...] = ()
    hover: str = ""
    legend: tuple[tuple[str, str], ...] = ()
    x_title: str = ""
    y_title: str = ""
    problem: str = ""
    compact: bool = False


@dataclass(slots=True)
class Canvas:
    """The plot area of a picture in the making: `left`, `top`, `right`, `bottom` in pixels."""

    left: float
    top: float
    right: float
    bottom: float
    shapes: list[Shape] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def path(self, style: str, d: str) -> None:
        """Add a path; an empty one is left out."""
        if d:
            self.shapes.append(Shape(style, d))

    def text(self, x: float, y: float, text: str, style: str = "", *, turn: bool = False) -> None:
        """Add a text at a point; `turn` writes it upwards."""
        self.texts.append(Text(short(x), short(y), text, style, turn))

    def x_axis(self, scale: Scale, marks: Sequence[Tick]) -> None:
        """Draw the bottom line and its tick labels."""
        at = [(scale(value), label) for value, label in marks]
        inner = "".join(f"M{short(x)} {short(self.bottom)}v3" for x, _ in at)
        self.path("ax", f"M{short(self.left)} {short(self.bottom)}H{short(self.right)}{inner}")
        free_from = -1e9
        for x, label in at:
            width = 6.2 * len(label)
            start = min(max(x - width / 2, self.left - 14), self.right + 6 - width)
            if start < free_from:
                continue  # its tick stays; labels never run into one another
            free_from = start + width + 6
            self.text(start + width / 2, self.bottom + 14, label)

    def y_axis(self, scale: Scale, marks: Sequence[Tick]) -> None:
        """Draw horizontal grid lines and their labels."""
        self.path("gr", "".join(f"M{short(self.left)} {short(scale(v))}H{short(self.right)}" for v, _ in marks))
        for value, label in marks:
            self.text(self.left - 5, scale(value) + 3.5, label, "e")

    def box(self) -> str:
        """Return the plot area as the tooltip reads it."""
        return " ".join(short(v) for v in (self.left, self.top, self.right, self.bottom))


def short(value: float) -> str:
    """Return a coordinate with at most one decimal and no needless characters.

    >>> short(12.0), short(0.26), short(-0.04)
    ('12', '.3', '0')
    """
    text = f"{value:.1f}"
    if text.endswith(".0"):
        text = text[:-2]
    if text.startswith("-0."):
        return "-" + text[2:]
    return text[1:] if text.startswith("0.") else "0" if text == "-0" else text


def polyline(points: Iterable[Point | None]) -> str:
    """Return a path through points in relative steps (short, and exact to a tenth of a pixel); None is a gap."""
    parts: list[str] = []
    at: tuple[int, int] | None = None
    for point in points:
        if point is None:
            at = None
            continue
        x, y = round(10 * point[0]), round(10 * point[1])
        if at is None:
            parts.append(f"M{short(x / 10)} {short(y / 10)}")
        else:
            down = short((y - at[1]) / 10)
            start = "l" if parts[-1][0] == "M" else " "  # one command serves a run of steps
            parts.append(f"{start}{short((x - at[0]) / 10)}{'' if down[0] == '-' else ' '}{down}")
        at = (x, y)
    return "".join(parts)


def label_room(labels: Iterable[str], size: Size) -> float:
    """Return the width that row labels need, at most what the picture grants."""
    longest = max((len(label) for label in labels), default=0)
    return min(max(6.6 * longest + 14, 30), size.label)


def row_titles(chart: Chart, size: Size) -> tuple[str, str]:
    """Return the titles of labels and of values for a chart whose bars lie: `y_title` is the values', as if they stood.

    A chart with only an `x_title` means its values.
    """
    if chart.y_title:
        return visible(chart.x_title, 60) or _("label"), visible(chart.y_title, 60)
    return _("label"), visible(chart.x_title, 60) or (_("rows") if size.compact else _("value"))


def fit(name: object, width: float, size: float = 6.2) -> str:
    """Return a name cut to a width in pixels; East Asian characters and emoji count twice."""
    room = max(int(width / size), 3)
    used, kept = 0, list[str]()
    text = visible(name, 200)
    for character in text:
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > room:
            return "".join(kept[:-1]) + "…"
        kept.append(character)
    return text
