"""The report in real Chromium: no request, no error, no violation, and usable by keyboard, on paper and without script.

Every test that uses `page` also proves, at its end, that the page asked for nothing, logged nothing and broke no rule.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audit.result import Result
from tests.report.browsing import LOGS, close, open_page, write
from tests.report.conftest import HOSTILE, wide
from tests.report.trajectory_results import trajectory_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def flights_path(tmp_path_factory: pytest.TempPathFactory, flights_result: Result) -> Path:
    return write(tmp_path_factory, "flights", flights_result)


@pytest.fixture(scope="module")
def hostile_path(tmp_path_factory: pytest.TempPathFactory, hostile_result: Result) -> Path:
    return write(tmp_path_factory, "hostile", hostile_result)


@pytest.fixture(scope="module")
def episodes_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory, "episodes", trajectory_result(2_000))


@pytest.fixture
def page(browser: BrowserContext, flights_path: Path) -> Iterator[Page]:
    one = open_page(browser, flights_path)
    yield one
    close(one)


@pytest.fixture
def episodes(browser: BrowserContext, episodes_path: Path) -> Iterator[Page]:
    one = open_page(browser, episodes_path)
    yield one
    close(one)


@pytest.fixture
def hostile(browser: BrowserContext, hostile_path: Path) -> Iterator[Page]:
    one = open_page(browser, hostile_path)
    yield one
    close(one)


def test_hostile_names_stay_text(hostile: Page) -> None:
    assert hostile.evaluate("window.__xss") is None
    assert hostile.locator("script").count() == 1
    assert hostile.locator("img, iframe, svg[onload], main b:has-text('bold')").count() == 0
    assert hostile.get_by_text('<img src=x onerror="window.__xss=1">', exact=True).count() > 0
    assert hostile.get_by_role("heading", name="\\u202egnp.exe").count() == 1
    attributes = "[...document.querySelectorAll('*')].every(e=>[...e.attributes].every(a=>!/^on|^style$/.test(a.name)))"
    assert hostile.evaluate(attributes)
    assert hostile.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.fixture(scope="module")
def wide_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory, "wide", wide(500, 1500, HOSTILE))


def test_500_columns_stay_quiet_and_can_be_reviewed(browser: BrowserContext, wide_path: Path) -> None:
    page = open_page(browser, wide_path)  # `close` proves: no request, no message, no violation
    assert page.evaluate("window.__xss") is None
    assert page.locator("#cards article").count() == 500
    assert page.locator("#table tbody").count() == 1500
    assert page.locator("script").count() == 1
    page.locator("#find").fill("column_499")
    page.locator("#shown").get_by_text("3 of 1500 shown").wait_for()
    page.locator("#find").fill("")
    page.locator("#shown").get_by_text("1500 of 1500 shown").wait_for()
    page.get_by_role("button", name="Rows", exact=True).click()
    assert page.locator("#table tbody").first.get_attribute("data-a") == "1499"
    page.get_by_role("button", name="Review findings").click()
    page.get_by_label("Select all that are shown").check()
    # looked for in their own places: the roles of rows that are not drawn yet take Playwright many seconds
    page.locator("#review-tools").get_by_role("button", name="Decide on the selection (1500)").click()
    page.locator("dialog").get_by_label("Reason").fill("known")
    page.locator("dialog").get_by_role("button", name="Save decision").click()
    page.locator("#decided").get_by_text("0 open, 1500 accepted, 0 ignored").wait_for()
    assert page.evaluate("window.__xss") is None
    page.evaluate("localStorage.clear()")
    close(page)


def test_500_columns_without_script_are_complete(chromium: Browser, wide_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(wide_path.as_uri())
    assert "Not ready to train on" in page.locator("#verdict").inner_text()
    assert page.locator("#table tbody:visible").count() == 1500
    assert page.locator("#cards svg[role=img]").count() == 500
    context.close()


def test_policy_stops_a_template_that_forgot_to_escape(
    browser: BrowserContext, hostile_path: Path, tmp_path: Path
) -> None:
    bad = (
        "<img src='data:,x' onerror='window.__xss=1'><script>window.__xss=2</script>"
        "<svg onload='window.__xss=4'></svg><a id=j href='javascript:window.__xss=3'>j</a>"
        "<img src='http://127.0.0.1:9/p.png'><p style='color:red'>p</p>"
    )
    path = tmp_path / "bad.html"
    text = hostile_path.read_text("utf-8")
    path.write_text(text.replace('<section id="verdict"', bad + '<section id="verdict"', 1), "utf-8", newline="\n")
    page = open_page(browser, path)
    page.locator("#j").click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.__xss") is None
    assert set(page.evaluate("window.__v")) == {"script-src-attr", "script-src-elem", "img-src", "style-src-attr"}
    assert not [entry for entry in LOGS.pop(page) if entry[0] == "dialog"]
    page.close()


def test_findings_are_searched_filtered_and_sorted(page: Page) -> None:
    shown = page.locator("#table tbody:visible")
    assert shown.count() == 10
    page.locator("#find").fill("COM001 dep_delay")
    page.wait_for_timeout(200)
    assert shown.count() == 1
    assert page.locator("#shown").inner_text() == "1 of 10 shown"
    page.locator("#find").fill("")
    page.locator("#by-severity").select_option("3")
    page.wait_for_timeout(200)
    assert shown.count() == 1
    page.locator("#by-severity").select_option("0")
    page.get_by_role("button", name="Rows", exact=True).click()
    head = page.locator("th[data-by=a]")
    assert head.get_attribute("aria-sort") == "descending"
    rows = page.evaluate("[...document.querySelectorAll('#table tbody')].map(b=>Number(b.dataset.a ?? -1))")
    assert rows == sorted(rows, reverse=True)
    page.get_by_role("button", name="Rows", exact=True).click()
    assert head.get_attribute("aria-sort") == "ascending"


def test_evidence_opens_by_click_and_by_link(page: Page) -> None:
    evidence = page.locator("#table tr.ev")
    assert evidence.first.is_hidden()
    page.locator("#table summary").first.click()
    assert evidence.first.is_visible()
    assert "0.25 (Siddiqi 2006)" in evidence.first.inner_text()
    page.get_by_role("link", name="See the worst of 5 findings").click()
    target = page.locator("#table tbody:target")
    assert target.count() == 1
    assert target.locator("tr.ev").is_visible()


def test_link_shows_its_finding_even_when_filtered_away(page: Page) -> None:
    page.locator("#by-severity").select_option("3")
    page.get_by_role("link", name="See the worst of 5 findings").click()
    page.locator("#table tbody:target").wait_for(state="visible")


def test_score_card_filters_the_findings(page: Page) -> None:
    page.get_by_role("button", name="2 findings on Correlation").click()
    assert page.locator("#table tbody:visible").count() == 2


def test_columns_are_ordered_and_filtered(page: Page) -> None:
    names = "[...document.querySelectorAll('#cards article:not([hidden]) h3')].map(h=>h.textContent)"
    assert page.evaluate(names)[0] == "dep_delay"
    page.get_by_role("button", name="A–Z").click()
    shown = page.evaluate(names)
    assert shown == sorted(shown)
    assert page.get_by_role("button", name="A–Z").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="File order").click()
    assert page.evaluate(names)[:3] == ["year", "month", "day"]
    page.get_by_label("Kind").select_option("temporal")
    assert page.evaluate(names) == ["time_hour"]
    page.get_by_label("Kind").select_option("")
    page.get_by_label("with findings only").check()
    assert "year" not in page.evaluate(names)
    page.get_by_label("Name").fill("ARR_")
    page.wait_for_timeout(200)
    assert sorted(page.evaluate(names)) == ["arr_delay", "arr_time", "sched_arr_time"]


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ("#cards article:has(h3:text-is('dep_delay')) svg", r"-?[\d.,]+ to [\d.,]+\nrows: [\d,]+\nreference: [\d,]+"),
        ("svg[aria-label^='Association of features']", r"\w+\n\w+\n-?[\d.]+"),
        ("svg[aria-label^='Label against prediction']", r"[\w ]+\n[\w ]+\n[\d,]+"),
        ("svg[aria-label^='Rows a day']", r"day: 2013-\d\d-\d\d\nflights: [\d,]+\nexpected: 910"),
        ("svg[aria-label^='Rows by class of origin']", r"origin: JFK\nrows: 30,000"),
    ],
)
def test_tooltips_say_the_numbers_under_the_pointer(page: Page, picture: str, expected: str) -> None:
    svg = page.locator(picture).first
    svg.scroll_into_view_if_needed()
    svg.hover()  # its middle
    tip = page.locator("#tip")
    assert tip.is_visible()
    assert re.fullmatch(expected, tip.inner_text())


def test_keyboard_alone_is_enough(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    summary = page.locator("#table summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#table tr.ev").first.is_visible()
    page.get_by_role("button", name="Severity", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.locator("th[data-by=s]").get_attribute("aria-sort") == "descending"


def test_theme_follows_the_system_then_the_choice(browser: BrowserContext, flights_path: Path) -> None:
    page = open_page(browser, flights_path)
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Dark theme").focus()
    page.keyboard.press("Enter")
    dark = page.evaluate(background)
    assert light != dark
    page.reload()
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(background) == light
    page.evaluate("localStorage.clear()")
    page.emulate_media(color_scheme="dark")
    page.reload()
    assert page.evaluate(background) == dark
    page.emulate_media(color_scheme="light")
    close(page)


def test_print_shows_the_verdict_findings_and_worst_columns_without_controls(page: Page, tmp_path: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext (poppler-utils)")
    path = tmp_path / "report.pdf"
    page.pdf(path=str(path), format="A4", print_background=True, tagged=True, outline=True)
    text = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True).stdout
    for words in ("Not ready to train on", "What to do", "Siddiqi 2006", "sched_arr_time", "Method and limits"):
        assert words in text
    for words in ("Dark theme", "Search", "Worst first"):
        assert words not in text
    assert "N725MQ" not in text  # a value of tailnum, a column without findings


def test_a_command_is_copied(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator(".actions button[data-copy]").first
    button.focus()
    page.keyboard.press("Enter")
    page.locator(".actions button[data-copy]").first.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "audit explain REP001"


def test_narrow_window_needs_no_sideways_scrolling(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.set_viewport_size({"width": 1280, "height": 900})


def test_page_without_script_is_complete(chromium: Browser, flights_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(flights_path.as_uri())
    assert "Not ready to train on" in page.locator("#verdict").inner_text()
    assert page.locator("#table tbody:visible").count() == 10
    assert page.locator("svg[role=img]:visible").count() > 20
    assert page.locator(".controls:visible, #theme:visible").count() == 0
    page.locator("#table summary").first.click()  # details are the browser's own
    assert page.locator("#table tr.ev").first.is_visible()
    context.close()


def test_episodes_are_searched_filtered_and_sorted(episodes: Page) -> None:
    shown = episodes.locator("#episode-table tbody tr:visible")
    assert shown.count() == 100
    episodes.locator("#find-episode").fill("COR101")
    episodes.wait_for_timeout(200)
    assert shown.count() == 2
    assert episodes.locator("#episodes-shown").inner_text() == "2 of 100 shown"
    episodes.locator("#find-episode").fill("")
    episodes.locator("#by-end").select_option("truncated")
    episodes.wait_for_timeout(200)
    assert shown.count() == 33
    episodes.locator("#by-end").select_option("")
    episodes.get_by_role("button", name="Return", exact=True).focus()
    episodes.keyboard.press("Enter")
    assert episodes.locator("#episode-table th[data-by=r]").get_attribute("aria-sort") == "descending"
    episodes.keyboard.press("Enter")
    assert shown.first.get_attribute("id") == "e-99"  # the lowest return


def test_a_finding_leads_to_its_episode_and_on_to_its_picture(episodes: Page) -> None:
    episodes.locator("#by-end").select_option("truncated")
    episodes.locator("#table .eps a").first.click()
    episodes.locator("tr#e-0:target").wait_for(state="visible")  # shown although it was filtered away
    episodes.locator("tr#e-2 th a").click()
    assert episodes.locator("#v-2").evaluate("d => d.open")
    episodes.locator("#v-2 svg").first.hover()
    tip = episodes.locator("#tip").inner_text()
    assert re.fullmatch(r"step: \d+\nreward: [\d.]+", tip)
    episodes.locator("tr#e-0 td a").first.click()
    assert episodes.locator("#table tbody:target tr.ev").is_visible()


def test_hostile_episodes_and_streams_stay_text(
    browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = open_page(browser, write(tmp_path_factory, "hostile-episodes", trajectory_result(40, HOSTILE)))
    assert page.evaluate("window.__xss") is None
    assert page.locator("script").count() == 1
    assert page.locator("img, iframe, svg[onload], main b:has-text('bold') > *").count() == 0
    assert page.locator("#episode-table").get_by_text('<img src=x onerror="window.__xss=1">', exact=True).count() == 1
    page.locator("#find-episode").fill("onmouseover")
    page.wait_for_timeout(200)
    assert page.locator("#episode-table tbody tr:visible").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    close(page)


def test_trajectories_fit_a_narrow_window_and_paper(episodes: Page, tmp_path: Path) -> None:
    episodes.set_viewport_size({"width": 400, "height": 800})
    assert episodes.evaluate("document.documentElement.scrollWidth") <= 400
    episodes.set_viewport_size({"width": 1280, "height": 900})
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext (poppler-utils)")
    path = tmp_path / "report.pdf"
    episodes.pdf(path=str(path), format="A4", print_background=True)
    text = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True).stdout
    for words in ("1,000,000 steps in 2,000 episodes", "How the source was read", "Lag test", "Episode 0"):
        assert words in text
    assert "with findings only" not in text


def test_trajectories_without_script_are_complete(chromium: Browser, episodes_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(episodes_path.as_uri())
    assert page.locator("#episode-table tbody tr:visible").count() == 100
    assert page.locator("#trajectories svg[role=img]:visible").count() >= 6
    page.locator("#v-1 summary").first.click()
    assert page.locator("#v-1 svg").first.is_visible()
    context.close()
