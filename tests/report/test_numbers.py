"""Every number on the page is one of the JSON: the page's attributes say which, and no other number stands there."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audit.findings import DIMENSIONS
from audit.report.render import render_html
from audit.report.wording import number, percent
from audit.result import Result
from tests.report.conftest import flights, wide
from tests.report.learning_results import learning_result
from tests.report.trajectory_results import trajectory_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

RESULTS: dict[str, Callable[[], Result]] = {
    "table": flights,
    "wide table": lambda: wide(60, 200),
    "trajectories": lambda: trajectory_result(40),
    "learning": learning_result,
}
NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?%?")
SEVERITIES = {"info": "1", "warn": "2", "fail": "3"}


@pytest.fixture(scope="module", params=RESULTS)
def drawn(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, Any]]:
    """A report, as it is without script, and the JSON form of the same result."""
    result = RESULTS[request.param]()
    path: Path = tmp_path_factory.mktemp("numbers") / "report.html"
    path.write_text(render_html(result), "utf-8", newline="\n")
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    yield page, json.loads(result.to_json())
    context.close()


def at(found: Any, path: str) -> Any:
    """Return what the JSON has at a path such as `scores.0.value`; None where an end is missing."""
    for key in path.split("."):
        found = None if found is None else found[int(key)] if isinstance(found, list) else found[key]
    return found


def value_of(shown: str) -> float:
    return float(shown.rstrip("%").replace(",", "").replace("−", "-")) / (100 if shown.endswith("%") else 1)


def is_shown(value: float, shown: str) -> bool:
    """Whether a number is what is shown, but for the digits that are not."""
    digits = shown.rstrip("%").partition("e")[0].partition(".")[2]
    exponent = int(shown.rstrip("%").partition("e")[2] or 0)
    unit = 10.0 ** (exponent - len(digits)) / (100 if shown.endswith("%") else 1)
    coarse = abs(value) * 1e-3 if "e" in shown or abs(value) >= 1e15 else 0  # four digits
    return math.isclose(value_of(shown), value, rel_tol=1e-9, abs_tol=max(0.5001 * unit, coarse))


def test_what_names_its_place_in_the_json_shows_what_is_there(drawn: tuple[Page, Any]) -> None:
    page, found = drawn
    marked = page.evaluate("[...document.querySelectorAll('[data-json]')].map(e => [e.dataset.json, e.textContent])")
    assert len(marked) >= 8
    for paths, text in marked:
        wanted = [value for value in (at(found, path) for path in paths.split()) if value is not None]
        shown = NUMBER.findall(text)
        assert len(shown) == len(wanted), (paths, text)
        assert all(is_shown(value, one) for value, one in zip(wanted, shown, strict=True)), (paths, text)


def test_every_finding_has_the_numbers_of_its_fingerprint(drawn: tuple[Page, Any]) -> None:
    page, found = drawn
    known = {finding["fingerprint"]: finding for finding in found["findings"]}
    dimensions = {outcome["code"]: outcome["dimension"] for outcome in found["outcomes"]}
    rows = page.evaluate(
        "[...document.querySelectorAll('#table tbody')].map(b => ({id: b.id.slice(2) + b.dataset.f, ...b.dataset,"
        " cells: [...b.rows[0].cells].map(c => c.textContent), facts: [...b.querySelectorAll('.facts dt')]"
        ".map(t => [t.textContent, t.nextElementSibling.textContent])}))"
    )
    assert [row["id"] for row in rows] == [finding["fingerprint"] for finding in found["findings"]]
    for row in rows:
        finding, facts = known[row["id"]], dict(row["facts"])
        assert row["s"] == SEVERITIES[finding["severity"]]
        assert DIMENSIONS[int(row["d"])] == dimensions[finding["code"]]
        for key, name, cell in (("e", "effect", row["cells"][4]), ("a", "affected", row["cells"][5])):
            assert (row.get(key) is None) == (finding[name] is None)
            if finding[name] is not None:
                assert float(row[key]) == finding[name]  # to the last digit
                assert is_shown(finding[name], NUMBER.findall(cell)[0])
        numbers = [v for v in (finding["value"],) if isinstance(v, int | float)]
        for label, values in (("Value", numbers), ("Limit", [finding["limit"]])):
            if label in facts and isinstance(values[0] if values else None, int | float):
                assert is_shown(values[0], NUMBER.findall(facts[label].partition("=")[2] or facts[label])[0]), facts
        if finding["interval"]:
            shown = NUMBER.findall(facts["95% interval"])
            assert is_shown(finding["interval"]["low"], shown[0])
            assert is_shown(finding["interval"]["high"], shown[1])
        assert facts["Basis"] == finding["basis"]["text"]


FIELDS = {"Distinct": "distinct", "Mean": "mean", "Std": "std", "Skewness": "skewness", "of them NaN": "nan"}
FIELDS |= {"Infinite": "infinite"}


def test_every_column_has_the_numbers_of_its_profile(drawn: tuple[Page, Any]) -> None:
    page, found = drawn
    cards = page.evaluate(
        "[...document.querySelectorAll('#cards article')].map(a => ({f: Number(a.dataset.f), name: "
        "a.querySelector('h3').textContent, facts: [...a.querySelectorAll('.facts dt')].map(t => [t.textContent, "
        "t.nextElementSibling.textContent]), lines: a.querySelector('pre') ? a.querySelector('pre').textContent : ''}))"
    )
    assert sorted(card["f"] for card in cards) == list(range(len(found["columns"])))
    for card in cards:
        profile = found["columns"][card["f"]]
        assert card["name"] == profile["name"]
        for label, text in card["facts"]:
            shown = NUMBER.findall(text)
            if label in FIELDS:
                assert is_shown(profile[FIELDS[label]], shown[0]), (card["name"], label, text)
            elif label == "Missing":
                assert is_shown(profile["missing"] / profile["rows"], shown[0])
            elif label in ("Missing rows", "Missing steps"):
                assert [value_of(one) for one in shown] == [profile["missing"], profile["rows"]]
            elif label.startswith("Quantile"):
                assert is_shown(profile["quantiles"][label.split()[1]], shown[0])
            elif label in ("Min", "Max"):
                end = profile["low" if label == "Min" else "high"]
                assert text in end.replace("T", " ") if isinstance(end, str) else is_shown(end, shown[0])
            else:
                assert is_shown(dict(profile["top"])[label], shown[0]), label
        _picture_shows(profile["chart"], card["lines"])


def _picture_shows(chart: Any, lines: str) -> None:
    """Hold the lines below a picture, from which its tooltips speak, against the chart's data."""
    if chart is None:
        return
    cells = [line.split("\t") for line in lines.strip().split("\n")[1:]]
    data = chart["data"]
    if chart["kind"] == "histogram" and not isinstance(data["edges"][0], str):
        assert all(is_shown(edge, cell[0]) for edge, cell in zip(data["edges"], cells, strict=True))
        assert [value_of(cell[1]) for cell in cells[:-1]] == [float(count) for count in data["counts"]]
    if chart["kind"] == "bars":
        assert [cell[0] for cell in cells] == data["labels"][: len(cells)]
        assert all(is_shown(v, c[1]) for v, c in zip(data["values"], cells, strict=False))


def test_every_episode_has_the_numbers_of_its_summary(drawn: tuple[Page, Any]) -> None:
    page, found = drawn
    rows = page.evaluate("[...document.querySelectorAll('#episode-table tbody tr')].map(r => ({...r.dataset}))")
    known = {episode["place"]: episode for episode in found["episodes"]}
    assert len(rows) == min(len(known), 100)
    for row in rows:
        episode = known[int(row["p"])]
        assert int(row["l"]) == episode["length"]
        assert float(row["r"]) == episode["episode_return"]
        assert int(row["f"]) == episode["flagged_steps"]
        assert int(row["c"]) == len(episode["codes"])


def leaves(found: Any) -> Iterator[Any]:
    if isinstance(found, dict):
        yield len(found)
        yield from itertools.chain.from_iterable(leaves(item) for pair in found.items() for item in pair)
    elif isinstance(found, list):
        yield len(found)
        yield from itertools.chain.from_iterable(map(leaves, found))
    else:
        yield found


def known_words(found: Any) -> set[str]:
    """All numbers as the page may write them: those of the JSON, how many entries a list has, shares as percentages."""
    words: set[str] = set()
    for leaf in leaves(found):
        if isinstance(leaf, str):
            words.update(NUMBER.findall(leaf))
        elif isinstance(leaf, int | float) and not isinstance(leaf, bool):
            words.update((number(leaf), f"{leaf:.2f}", f"{leaf:.1f}", f"{leaf:,.0f}", f"{leaf:.0%}"))
            words.update((percent(leaf), str(leaf)))
    return words


def derived_words(found: Any) -> set[str]:
    """What the page counts: findings and outcomes by kind, what is left out of a list, missing shares, sizes."""
    counts = [len(found["findings"]), sum(found["verdict"]["findings"].values())]
    for outcome in found["outcomes"]:
        counts.append(sum(f["code"] == outcome["code"] for f in found["findings"]))
        counts.append(sum(o["status"] == outcome["status"] for o in found["outcomes"]))
    for dimension in DIMENSIONS:
        codes = {o["code"] for o in found["outcomes"] if o["dimension"] == dimension}
        counts.append(sum(f["code"] in codes for f in found["findings"]))
    counts.append(sum(o["status"] in ("skipped", "not_applicable") for o in found["outcomes"]))
    counts.append(sum(len(o["not_evaluated"]) for o in found["outcomes"]))
    for finding in found["findings"]:
        lists = [len(finding[key]) for key in ("columns", "episodes", "row_ids")]
        counts += [length - most for length in lists for most in (3, 4, 5, 15)]
    for outcome in found["outcomes"]:
        subjects = {c for f in found["findings"] if f["code"] == outcome["code"] for c in f["columns"]}
        episodes = {e for f in found["findings"] if f["code"] == outcome["code"] for e in f["episodes"]}
        counts += [len(names) - cut for names in (subjects, episodes) for cut in (0, 5) if len(names) > cut]
        measured = sum(bool(o["measurements"]) for o in found["outcomes"])
        counts.append(len(outcome["measurements"]) - max(600 // (measured or 1), 5))
    for role in found["roles"]:
        counts += [len(role["columns"]) - 12]
    words = {f"{count:,}" for count in counts if count > 0}
    words |= {percent(c["missing"] / c["rows"]) for c in found["columns"] if c["rows"]}
    totals = found["episode_totals"]
    if totals:
        words.add(percent(totals["flagged_steps"] / totals["steps"]))
    if found["dataset"]["bytes"]:
        words |= {f"{found['dataset']['bytes'] / unit:.1f}" for unit in (1e3, 1e6, 1e9)}
    return words


TEXT = """() => {
  const clone = document.querySelector('body').cloneNode(true);
  const others = 'script, style, svg, pre, figure, dialog, .formula, .words, .episode';
  clone.querySelectorAll(others).forEach(e => e.remove());
  const walker = document.createTreeWalker(clone, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode.data);
  return texts;
}"""
OURS = {"100", "95%", "0.05", "0.25", "0.5", "0.75", "0.95", "0", "1"}
"""Numbers of our own words: the scales of scores and effects, the level of intervals, which quantiles there are."""


def test_no_number_on_the_page_is_of_the_pages_own_making(drawn: tuple[Page, Any]) -> None:
    page, found = drawn
    allowed = known_words(found) | derived_words(found) | OURS
    texts = page.evaluate(TEXT)
    unknown = [(one, text.strip()[:80]) for text in texts for one in NUMBER.findall(text) if one not in allowed]
    assert unknown == []
    assert sum(bool(NUMBER.search(text)) for text in texts) > 50


def test_a_wrong_number_is_seen() -> None:
    assert is_shown(0.024513, "2.45%")
    assert not is_shown(0.024513, "2.46%")
    assert is_shown(336776, "336,776")
    assert not is_shown(336776, "336,777")
    assert is_shown(0.62, "0.62")
    assert not is_shown(0.63, "0.62")
    assert not is_shown(1.2e-7, "1.3e-07")
