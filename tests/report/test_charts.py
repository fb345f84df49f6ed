"""Geometry: bars are as long as their numbers, curves stay in the frame, broken data costs only its own picture."""

import datetime as dt
import itertools
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from audit.findings import Chart
from audit.report.axes import ticks
from audit.report.charts import CARD, EVIDENCE, VIEW, draw
from audit.report.picture import Picture, Size, polyline
from audit.result import Result


def shape(picture: Picture, style: str) -> str:
    return next((s.d for s in picture.shapes if s.style == style), "")


def first_number(pattern: str, path: str) -> float:
    """The number in the first place of a path that a pattern fits."""
    found = re.search(pattern, path)
    assert found is not None
    return float(found.group(1))


def bin_heights(picture: Picture) -> list[float]:
    floor = first_number(r"^M[\d.]+ ([\d.]+)", shape(picture, "b"))
    return [floor - float(y) for y in re.findall(r"V([\d.]+)h", shape(picture, "b"))]


def test_bars_of_a_histogram_are_proportional_to_counts() -> None:
    picture = draw(Chart("histogram", "h", {"edges": [0, 1, 2, 3], "counts": [10, 20, 0]}), VIEW)
    low, high, none = bin_heights(picture)
    assert high == pytest.approx(2 * low, abs=0.2)
    assert none == 0
    assert picture.lines == ("from\trows", "0\t10", "1\t20", "2\t0", "3")


def test_unequal_bins_are_drawn_by_area() -> None:
    picture = draw(Chart("histogram", "h", {"edges": [0, 1, 11], "counts": [10, 100]}), VIEW)
    narrow, wide = bin_heights(picture)
    assert narrow == pytest.approx(wide, abs=0.2)  # 10 a unit in both
    assert picture.y_title == "share per unit"


def test_reference_of_another_size_compares_as_shares() -> None:
    data = {"edges": [0, 1, 2], "counts": [30, 70], "reference": [300, 700]}
    picture = draw(Chart("histogram", "h", data), VIEW)
    assert re.findall(r"V[\d.]+", shape(picture, "r"))[:2] == re.findall(r"V[\d.]+", shape(picture, "b"))[:2]


def test_density_in_any_unit_covers_the_area_of_the_bars() -> None:
    edges = [float(i) for i in range(11)]
    density = [[x, 1.0] for x in edges]
    pictures = [
        draw(
            Chart("histogram", "h", {"edges": edges, "counts": [5] * 10, "density": [[x, k * y] for x, y in density]}),
            VIEW,
        )
        for k in (1, 1000)
    ]
    assert shape(pictures[0], "k") == shape(pictures[1], "k")
    top_of_bars = first_number(r"V([\d.]+)", shape(pictures[0], "b"))
    assert first_number(r"^M[\d.]+ ([\d.]+)", shape(pictures[0], "k")) == pytest.approx(top_of_bars, abs=0.2)


def test_heat_map_merges_equal_neighbours_and_leaves_unknown_cells_out() -> None:
    data = {"rows": ["a", "b"], "columns": ["x", "y", "z"], "values": [[1, 1, 1], [0, None, 1]], "low": 0, "high": 1}
    picture = draw(Chart("heatmap", "m", data), VIEW)
    assert shape(picture, "q8").count("M") == 2
    assert shape(picture, "q0").count("M") == 1
    assert picture.lines[2] == "b\t0\t–\t1"


def test_zero_is_the_middle_of_a_scale_with_two_arms() -> None:
    data = {"rows": ["a"], "columns": ["x", "y", "z"], "values": [[-0.2, 0, 1]], "low": -0.2, "high": 1}
    styles = {s.style for s in draw(Chart("heatmap", "m", data), VIEW).shapes}
    assert {"d3", "d4", "d8"} <= styles


def test_confusion_tells_agreement_from_disagreement() -> None:
    picture = draw(Chart("confusion", "c", {"labels": ["a", "b"], "matrix": [[9, 1], [0, 10]]}), VIEW)
    assert shape(picture, "q8").count("M") == 2
    assert shape(picture, "o0").count("M") == 1
    assert "19 of 20 on the diagonal (95%)" in picture.summary


def test_lines_break_at_gaps_and_lonely_points_show() -> None:
    data = {"x": [0, 1, 2, 3, 4], "series": [{"name": "s", "values": [1, 2, None, 5, None]}], "limit": 3}
    picture = draw(Chart("line", "l", data), VIEW)
    assert shape(picture, "s0").count("M") == 2
    assert shape(picture, "s0 dot").count("M") == 1
    assert shape(picture, "m")
    assert picture.lines[3] == "2\t–"


@pytest.mark.parametrize(
    ("x", "first", "second"),
    [
        (["2024-01", "2024-02", "2024-03"], "2024-01-01\t1", "2024-02-01\t2"),
        (["2022", "2023", "2024"], "2022-01-01\t1", "2023-01-01\t2"),
        (["Q1", "Q2", "<Q3>"], "Q1\t1", "Q2\t2"),
    ],
)
def test_lines_over_months_years_and_named_steps(x: list[str], first: str, second: str) -> None:
    picture = draw(Chart("line", "l", {"x": x, "series": [{"name": "s", "values": [1, 2, 3]}]}), VIEW)
    assert not picture.problem
    assert picture.lines[1:3] == (first, second)


@pytest.mark.parametrize("size", [CARD, EVIDENCE, VIEW])
def test_labels_of_an_axis_never_run_into_one_another(size: Size) -> None:
    for days in (0.01, 1, 3, 40, 400, 4_000, 100_000):
        start = dt.datetime(1970, 1, 1, 3, tzinfo=dt.UTC)
        edges = [(start + dt.timedelta(days=days * i / 20)).isoformat() for i in range(21)]
        picture = draw(Chart("histogram", "t", {"edges": edges, "counts": [1] * 20}), size)
        bottom = max(float(t.y) for t in picture.texts)
        at = [(float(t.x), len(t.text) * 6.2) for t in picture.texts if float(t.y) == bottom]
        assert at, days
        for (a, wide), (b, other) in itertools.pairwise(at):
            assert b - a >= (wide + other) / 2


@pytest.mark.parametrize(
    "chart",
    [
        Chart("histogram", "h", {"edges": [0], "counts": []}),
        Chart("histogram", "h", {"edges": [0, None, 2], "counts": [1, 2]}),
        Chart("histogram", "h", {"edges": ["yesterday", "today"], "counts": [1]}),
        Chart("histogram", "h", {"edges": [0, 1, 2], "counts": [1]}),
        Chart("bars", "b", {"labels": [], "values": []}),
        Chart("bars", "b", {"labels": ["a"], "values": [1, 2]}),
        Chart("heatmap", "m", {"rows": ["a"], "columns": ["b"], "values": [[1, 2]], "low": 0, "high": 1}),
        Chart("confusion", "c", {"labels": ["a"], "matrix": []}),
        Chart("line", "l", {"x": [], "series": []}),
        Chart("scatter", "s", {"x": [None], "y": [1]}),
        Chart("intervals", "i", {"labels": ["a"], "values": [1], "low": [0]}),
        Chart("pie", "p", {}),  # type: ignore[arg-type]  # a plug-in's mistake
    ],
)
def test_a_bad_chart_says_so_and_costs_nothing_else(chart: Chart) -> None:
    picture = draw(chart, VIEW)
    assert picture.problem
    assert not picture.shapes


finite = st.floats(-1e12, 1e12, allow_nan=False)
cells = st.one_of(st.none(), finite)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.floats(-1e9, 1e9), st.floats(1e-3, 1e9))
def test_any_histogram_stays_in_its_frame(counts: list[int], start: float, span: float) -> None:
    edges = [start + span * i / len(counts) for i in range(len(counts) + 1)]
    picture = draw(Chart("histogram", "h", {"edges": edges, "counts": counts}), EVIDENCE)
    if not picture.problem:
        assert_inside(picture)


@given(st.lists(cells, min_size=2, max_size=60), st.one_of(st.none(), finite))
def test_any_line_stays_in_its_frame(values: list[float | None], limit: float | None) -> None:
    data = {"x": list(range(len(values))), "series": [{"name": "s", "values": values}], "limit": limit}
    picture = draw(Chart("line", "l", data), EVIDENCE)
    assert not picture.problem
    assert_inside(picture)


@given(st.lists(finite, min_size=1, max_size=30), st.text(max_size=40))
def test_any_bars_stay_in_their_frame(values: list[float], label: str) -> None:
    picture = draw(Chart("bars", "b", {"labels": [label] * len(values), "values": values}), CARD)
    assert not picture.problem
    assert_inside(picture)


def assert_inside(picture: Picture) -> None:
    """Walk every path and check that no point leaves the picture, and that nothing is NaN."""
    for one in picture.shapes:
        assert "n" not in one.d, one.d
        x = y = 0.0
        for command, text in re.findall(r"([MLHVhvlzZ])([^MLHVhvlzZ]*)", one.d):
            n = [float(v) for v in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", text)]
            if command in "ML":
                x, y = n
            elif command == "H":
                x = n[0]
            elif command == "V":
                y = n[0]
            elif command == "h":
                x += n[0]
            elif command == "v":
                y += n[0]
            elif command == "l":
                for dx, dy in zip(n[::2], n[1::2], strict=True):
                    x, y = x + dx, y + dy
            assert -1 <= x <= picture.width + 1, (one, x)
            assert -1 <= y <= picture.height + 1, (one, y)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 8))
def test_ticks_are_few_inside_and_even(low: float, span: float, most: int) -> None:
    assume(span > 1e-6 * abs(low))  # below that, floats themselves are uneven
    high = low + span
    marks = [value for value, _ in ticks(low, high, most)]
    assert 1 <= len(marks) <= max(most + 2, 5)  # five, where a step of 5 had to become one of 2
    labels = [label for _, label in ticks(low, high, most)]
    assert len(set(labels)) == len(labels)
    steps = [b - a for a, b in itertools.pairwise(marks)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)


@example(0.0, 5e-324, 2, False)  # the smallest of all
@example(0.0, 3e-308, 8, True)
@given(finite, finite, st.integers(1, 8), st.booleans())
def test_ticks_end_for_any_range(a: float, b: float, most: int, share: bool) -> None:
    low, high = sorted((a, b))
    assert len(ticks(low, high, most, share=share)) <= max(most + 3, 5)


def test_relative_steps_do_not_drift() -> None:
    points = [(i * 0.149, 0.049 * i) for i in range(1000)]
    x = y = 0.0
    numbers = [float(v) for v in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", polyline(points))]
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + dx, y + dy
    assert (x, y) == pytest.approx(points[-1], abs=0.06)


def test_pictures_are_well_formed_svg(flights_result: Result) -> None:
    from audit.report.render import render_html

    found = re.findall(r"<svg.*?</svg>", render_html(flights_result), re.S)
    assert len(found) > 30
    for svg in found:
        ET.fromstring(svg)
