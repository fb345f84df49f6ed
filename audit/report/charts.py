"""Charts become pictures: the data of `findings.Chart` in, geometry out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audit.findings import Chart
from audit.report.curves import draw_intervals, draw_line, draw_scatter
from audit.report.distributions import draw_bars, draw_histogram
from audit.report.matrices import draw_confusion, draw_heatmap
from audit.report.picture import CARD, EVIDENCE, STRIP, VIEW, Picture, Size
from audit.report.sentences import told_chart
from audit.report.wording import visible

__all__ = ["CARD", "EVIDENCE", "STRIP", "VIEW", "draw"]

_DRAW: Mapping[str, Callable[[Chart, Size], Picture]] = {
    "histogram": draw_histogram,
    "bars": draw_bars,
    "heatmap": draw_heatmap,
    "confusion": draw_confusion,
    "line": draw_line,
    "scatter": draw_scatter,
    "intervals": draw_intervals,
}


def draw(chart: Chart, size: Size, code: str | None = None) -> Picture:
    """Return the picture of a chart.

    With the code of the check that made it, its titles are translated; without (pictures of a column or a stream, which
    are called after it) they stay as they are.

    A chart whose data does not fit its kind (a plug-in's mistake) becomes a picture that says so: one bad chart must
    not cost the reader the report.
    """
    try:
        return _DRAW[chart.kind](chart if code is None else told_chart(chart, code), size)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {error}"
        return Picture(visible(chart.kind, 40), visible(chart.title, 160), problem=visible(reason, 200))
