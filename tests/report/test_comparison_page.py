"""The page of a comparison: complete, escaped, the same twice, and quiet in real Chromium."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audit.comparison import Comparison, diff
from audit.report.comparison_markdown import render_comparison_markdown
from audit.report.comparison_page import render_comparison
from audit.report.comparison_text import render_comparison_text
from audit.result import Result
from tests.report.browsing import close, open_page
from tests.report.conftest import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


def later(result: Result) -> dict[str, Any]:
    """The same dataset a day later: one finding is gone, one is worse, one is new, one column moved."""
    body: dict[str, Any] = json.loads(result.to_json())
    body["run"] |= {"id": "later", "started": "2026-11-24T15:47:12+00:00"}
    body["dataset"]["rows"] += 1000
    for outcome in body["outcomes"]:
        outcome["status"] = outcome["status"].replace("error", "pass")
    findings = body["findings"]
    findings[0] |= {"value": 0.9}
    findings[1]["fingerprint"] = "f" * 32
    del findings[2]
    for column in body["columns"]:
        chart = column["chart"]
        if chart is not None and chart["kind"] == "histogram":
            chart["data"]["counts"] = chart["data"]["counts"][::-1]
    return body


@pytest.fixture(scope="module")
def comparison(flights_result: Result) -> Comparison:
    return diff(flights_result, later(flights_result))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, comparison: Comparison) -> Path:
    path = tmp_path_factory.mktemp("diff") / "diff.html"
    comparison.to_html(path)
    return path


def test_the_same_comparison_gives_the_same_page(comparison: Comparison) -> None:
    text = render_comparison(comparison)
    assert text == render_comparison(comparison)
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in text
    for word in ("http:", "https:", " style=", " onload="):
        assert word not in text.partition("<body")[2]


def test_page_says_what_changed_and_draws_both_distributions(browser: BrowserContext, path: Path) -> None:
    page = open_page(browser, path)
    verdict = page.locator("#verdict").inner_text()
    assert "Better here, worse there" in verdict
    assert "1 worse" in verdict
    assert page.locator("#worse tbody tr").count() == 1
    assert "0.3142 → 0.9" in page.locator("#worse").inner_text()
    assert page.locator("#data").get_by_text("+1,000").count() == 1
    assert page.locator("#distributions article svg path.r").count() > 5
    card = page.locator("#distributions article", has_text="dep_delay").locator("svg[data-h]").first
    card.scroll_into_view_if_needed()
    card.hover()
    tip = page.locator("#tip").inner_text()
    assert "before: " in tip
    assert "reference" not in tip
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.evaluate("localStorage.clear()")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    close(page)


def test_page_without_script_is_complete(chromium: Browser, path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "Better here, worse there" in page.locator("#verdict").inner_text()
    assert page.locator("#new tbody tr:visible").count() == 1
    assert page.locator("#theme:visible").count() == 0
    context.close()


def test_hostile_names_stay_text(browser: BrowserContext, tmp_path: Path, hostile_result: Result) -> None:
    seen = diff(hostile_result, later(hostile_result))
    path = tmp_path / "hostile.html"
    seen.to_html(path)
    page = open_page(browser, path)
    assert page.evaluate("window.__xss") is None
    assert page.locator("script").count() == 1
    assert page.locator("img, iframe, svg[onload], main b:has-text('bold')").count() == 0
    attributes = "[...document.querySelectorAll('*')].every(e=>[...e.attributes].every(a=>!/^on|^style$/.test(a.name)))"
    assert page.evaluate(attributes)
    close(page)
    for text in (render_comparison_text(seen, verbose=True), render_comparison_markdown(seen)):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert HOSTILE[-1] not in text
    assert "<script" not in render_comparison_markdown(seen)


def test_nothing_to_compare_is_said(flights_result: Result, make_wide: Any) -> None:
    same = render_comparison(diff(flights_result, flights_result))
    assert "Cannot be told" in same  # a check broke
    assert "both are the same run" in same
    empty = make_wide(1, 0)
    nothing = render_comparison(diff(empty, empty))
    assert "Nothing is worse" in nothing
    assert "no findings in either" in nothing
