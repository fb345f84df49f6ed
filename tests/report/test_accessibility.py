"""Accessibility of the report: axe-core's rules in real Chromium, in both themes, on each kind of report."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from audit.result import Result
from tests.report.browsing import close, open_page, write
from tests.report.conftest import flights
from tests.report.learning_results import learning_result
from tests.report.trajectory_results import trajectory_result

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

KINDS: dict[str, Callable[[], Result]] = {
    "table": flights,
    "trajectories": lambda: trajectory_result(60),
    "learning": learning_result,
}
BROKEN = "axe.run().then(r => r.violations.map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]))"


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, as the package brings it; only `evaluate` passes the page's policy."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(
    kind: str, axe: str, browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = open_page(browser, write(tmp_path_factory, kind, KINDS[kind]()))
    page.evaluate(axe)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.get_by_role("button", name="Review findings").click()
    page.locator("button.decide").first.click()
    page.get_by_label("Reason").fill("known")
    page.get_by_label("Who decides").fill("ada")
    for theme in ("light", "dark"):
        page.evaluate("t => { document.documentElement.dataset.theme = t; }", theme)
        assert page.evaluate(BROKEN) == [], f"the dialog, {theme}"
    page.get_by_role("button", name="Save decision").click()
    for theme in ("light", "dark"):
        page.evaluate("t => { document.documentElement.dataset.theme = t; }", theme)
        assert page.evaluate(BROKEN) == [], theme
    page.evaluate("localStorage.clear()")
    close(page)


def test_axe_is_really_running(axe: str, browser: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> None:
    page = open_page(browser, write(tmp_path_factory, "spoilt", flights()))
    page.evaluate(axe)
    page.evaluate("document.documentElement.removeAttribute('lang'); document.querySelector('#theme').textContent = ''")
    assert {rule for rule, _, _ in page.evaluate(BROKEN)} == {"html-has-lang", "button-name"}
    close(page)
