"""What a notebook shows of a result: escaped, without script, readable in a light and in a dark notebook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audit.report.notebook import MOST_ROWS
from audit.result import Result
from tests.report.trajectory_results import trajectory_result

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

# what JupyterLab does to a table in an output cell
NOTEBOOK = """<!doctype html><meta charset="utf-8"><style>
body{margin:0;background:%s;color:%s;font:14px sans-serif}
.jp table{border-collapse:collapse;border:none;font-size:12px}
.jp td,.jp th{text-align:right;max-width:300px;white-space:nowrap;padding:.5em}
.jp tbody tr:nth-child(odd){background:#f5f5f5}
</style><p id="outside">outside</p><div class="jp">%s</div>"""

CONTRAST = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  let least = 99;
  for (const e of document.querySelectorAll(".dataset-audit *:not(style)")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((p, q) => q - p);
    least = Math.min(least, (a + 0.05) / (b + 0.05));
  }
  return least;
}"""


def shown(browser: BrowserContext, tmp_path: Path, fragment: str, *, dark: bool) -> Page:
    path = tmp_path / "notebook.html"
    path.write_text(NOTEBOOK % (("#111", "#e0e0e0", fragment) if dark else ("#fff", "#222", fragment)), "utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    return page


def test_the_verdict_and_the_worst_findings_come_first(flights_result: Result) -> None:
    fragment = flights_result._repr_html_()
    assert "<b>Not ready to train on</b>: 1 check fails" in fragment
    assert "336,776 rows × 19 columns" in fragment
    assert fragment.index("PSI 0.31") < fragment.index("PSI 0.13")
    assert "COR003" in fragment  # the check that broke
    assert fragment == flights_result._repr_html_()
    assert "<script" not in fragment
    assert not re.search(r"\b(?:src|href|style)=", fragment)


def test_many_findings_are_counted_and_none_is_said(make_wide: object) -> None:
    assert callable(make_wide)
    fragment = make_wide(30, 400)._repr_html_()
    assert fragment.count("<tr>") == MOST_ROWS + 1
    assert f"{400 - MOST_ROWS} more findings." in fragment
    assert len(fragment) < 10_000
    assert "No findings." in make_wide(3, 0)._repr_html_()


def test_trajectories_are_counted_in_steps() -> None:
    assert "1,000,000 steps in 2,000 episodes" in trajectory_result(2_000)._repr_html_()


def test_styles_stay_inside_of_the_fragment(flights_result: Result) -> None:
    style = re.search(r"<style>(.*?)</style>", flights_result._repr_html_(), re.DOTALL)
    assert style is not None
    for rule in style.group(1).strip().splitlines():
        for selector in rule.partition("{")[0].split(","):
            assert selector.startswith(".dataset-audit"), rule


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_in_light_and_dark_notebooks(
    browser: BrowserContext,
    tmp_path: Path,
    flights_result: Result,
    dark: bool,
) -> None:
    page = shown(browser, tmp_path, flights_result._repr_html_(), dark=dark)
    assert page.evaluate(CONTRAST) >= 4.5  # WCAG 2.2, level AA
    assert page.locator(".dataset-audit td").first.evaluate("e => getComputedStyle(e).textAlign") == "left"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.close()


@pytest.mark.browser
def test_hostile_names_stay_text_in_a_notebook(
    browser: BrowserContext,
    tmp_path: Path,
    hostile_result: Result,
) -> None:
    page = shown(browser, tmp_path, hostile_result._repr_html_(), dark=False)
    page.wait_for_timeout(200)
    assert page.evaluate("window.__xss") is None
    assert page.locator("script, .dataset-audit img, .dataset-audit iframe, .dataset-audit svg").count() == 0
    assert page.locator("style").count() == 2
    assert page.locator("#outside").is_visible()
    page.close()
