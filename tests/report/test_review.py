"""Review mode in real Chromium: decisions are made, last, and come back from the next audit of the real program."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.baseline import Baseline, Decision, baseline_text, read_baseline
from audit.findings import Acceptance
from audit.report.formats.markdown import render_markdown
from audit.report.formats.text import render_text
from audit.report.render import render_html
from audit.result import BaselineUse, Result
from tests.report.browsing import LOGS, close, open_page, write

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

REASON = "ok: \"q\" \\ # - 'x' \u2028\u0085\ufeff\x7f\u202e \U0001f600 {{7*7}} & <b> </script> ]]> %YAML &a *a !t | >"
OTHER = "f" * 32
"""The fingerprint of a finding that no report here has."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, flights_result: Result) -> Path:
    return write(tmp_path_factory, "flights", flights_result)


@pytest.fixture
def page(browser: BrowserContext, path: Path) -> Iterator[Page]:
    one = open_page(browser, path)
    one.evaluate("localStorage.clear()")
    one.reload()
    one.locator("html[data-ready='1']").wait_for(state="attached")
    yield one
    one.evaluate("localStorage.clear()")
    close(one)


def decide(page: Page, reason: str, *, ignore: bool = False, expires: str = "", author: str = "") -> None:
    """Fill in the dialog that stands open, and save."""
    page.get_by_label("Ignore: it is no fault" if ignore else "Accept: it is so, and fine").check()
    page.get_by_label("Reason").fill(reason)
    page.get_by_label("Holds until").fill(expires)
    page.get_by_label("Who decides").fill(author)
    page.get_by_role("button", name="Save decision").click()
    page.locator("#decide").wait_for(state="hidden")


def exported(page: Page, folder: Path) -> Path:
    """Export the baseline and return the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Export baseline").click()
    assert download.value.suggested_filename == "baseline.yaml"
    download.value.save_as(folder / "baseline.yaml")
    return folder / "baseline.yaml"


def imported(page: Page, folder: Path, text: str) -> str:
    """Import a file with this text and return what the page says of it."""
    (folder / "given.yaml").write_text(text, "utf-8")
    page.locator("#review-said").evaluate("p => { p.textContent = ''; }")
    page.locator("#import").set_input_files(folder / "given.yaml")
    page.locator("#review-said:not(:empty)").wait_for()
    return page.locator("#review-said").inner_text()


def audit_cli(folder: Path, *options: str) -> dict[str, Any]:
    """Run the real program on `data.csv` in a folder; return the JSON that it wrote."""
    command = [sys.executable, "-m", "audit", "run", "data.csv", "--config", "none", "--select", "COM", "-q"]
    command += ["-o", "result.json", "-o", "report.html", *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    found: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
    return found


def test_what_is_decided_on_the_page_holds_in_the_next_audit(browser: BrowserContext, tmp_path: Path) -> None:
    header = '"<img src=x onerror=""window.__xss=1"">","a, b: ""c""\t- #d",plain,full'
    rows = [f"{i if i > 150 else ''},{i if i > 120 else ''},{i if i > 100 else ''},{i}" for i in range(200)]
    (tmp_path / "data.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
    before = audit_cli(tmp_path)
    assert len(before["findings"]) >= 3
    page = open_page(browser, tmp_path / "report.html")
    page.get_by_role("button", name="Review findings").click()
    page.get_by_label("Select all that are shown").check()
    page.locator("#decide-chosen").click()
    decide(page, REASON, author="Ada \U0001f469\u200d\U0001f52c", expires="2999-12-31")
    decided = read_baseline(exported(page, tmp_path))
    assert page.evaluate("window.__xss") is None
    page.evaluate("localStorage.clear()")
    close(page)

    assert {one.fingerprint: (one.code, list(one.columns)) for one in decided.findings} == {
        finding["fingerprint"]: (finding["code"], finding["columns"]) for finding in before["findings"]
    }
    assert {one.reason for one in decided.findings} == {REASON.strip()}
    after = audit_cli(tmp_path, "--baseline", "baseline.yaml", "--fail-on", "warn")
    assert {finding["accepted"]["reason"] for finding in after["findings"]} == {REASON.strip()}
    assert {finding["accepted"]["expires"] for finding in after["findings"]} == {"2999-12-31"}
    assert after["baseline"] == {
        "path": "baseline.yaml",
        "accepted": len(before["findings"]),
        "expired": [],
        "stale": [],
    }
    assert after["verdict"]["status"] == "pass"

    page = open_page(browser, tmp_path / "report.html")  # now with the decisions that the result brings
    assert page.locator("#table tbody[data-decided=accepted]").count() == len(before["findings"])
    assert "{{7*7}} & <b> </script>" in page.locator("#table .decided").first.inner_text()
    assert page.locator("#unsaved").is_hidden()
    page.get_by_role("button", name="Review findings").click()
    assert read_baseline(exported(page, tmp_path)) == decided  # nothing is lost on the way round
    close(page)


def test_one_is_ignored_and_the_rest_stays_open(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Review findings").click()
    page.get_by_role("button", name="Decide COM001 Missing values, arr_delay").click()
    assert "arr_delay misses 2.80%" in page.locator("#decide-about").inner_text()
    decide(page, "cancelled flights have none", ignore=True)
    row = page.locator("#table tbody", has=page.get_by_role("link", name="arr_delay", exact=True)).filter(
        has_text="COM001"
    )
    assert "ignored: cancelled flights have none" in row.inner_text()
    assert page.locator("#decided").inner_text() == "9 open, 0 accepted, 1 ignored"
    page.locator("#by-decision").select_option("ignored")
    assert page.locator("#table tbody:visible").count() == 1
    page.locator("#by-decision").select_option("open")
    assert page.locator("#table tbody:visible").count() == 9
    (one,) = read_baseline(exported(page, tmp_path)).findings
    assert (one.code, one.columns, one.decision, one.author) == ("COM001", ("arr_delay",), "ignored", "")
    assert one.message == "arr_delay misses 2.80% of its values (9,430 of 336,776 rows, limit 2%)."


def test_a_decision_is_for_what_is_shown_and_selected(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Review findings").click()
    page.get_by_label("Select all that are shown").check()
    page.locator("#find").fill("COM001")
    page.get_by_role("button", name="Decide on the selection (5)").click()
    decide(page, "known")
    found = read_baseline(exported(page, tmp_path))
    assert [one.code for one in found.findings] == ["COM001"] * 5
    page.locator("#find").fill("")
    page.get_by_role("button", name="Decide on the selection (5)").click()  # the five others are selected still
    page.get_by_role("button", name="Cancel").click()
    assert page.locator("#decided").inner_text() == "5 open, 5 accepted, 0 ignored"


def test_a_reason_is_required_and_a_day_that_has_passed_is_refused(page: Page) -> None:
    page.get_by_role("button", name="Review findings").click()
    page.locator("button.decide").first.click()
    page.get_by_label("Reason").fill("  \n ")
    page.get_by_role("button", name="Save decision").click()
    assert page.locator("#decide").is_visible()
    said = "document.querySelector('#decide textarea').validationMessage"
    assert page.evaluate(said) == "A reason is wanted: it is what the next reader needs."
    page.get_by_label("Reason").fill("known")
    page.get_by_label("Holds until").fill("2020-01-01")
    page.get_by_role("button", name="Save decision").click()
    assert page.locator("#decide").is_visible()
    assert page.evaluate("document.querySelector('#decide [name=expires]').validity.rangeUnderflow")
    page.get_by_role("button", name="Cancel").click()
    assert page.locator("#table .decided").count() == 0


def test_decisions_last_in_this_browser_for_this_run_only(
    page: Page, browser: BrowserContext, path: Path, flights_result: Result, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page.get_by_role("button", name="Review findings").click()
    page.locator("button.decide").first.click()
    decide(page, "known", author="ada")
    again = open_page(browser, path)
    assert again.locator("#table .decided").all_inner_texts() == ["accepted by ada: known"]
    assert again.locator("#unsaved").is_visible()
    close(again)
    later = dataclasses.replace(flights_result, run=dataclasses.replace(flights_result.run, id="another"))
    other = open_page(browser, write(tmp_path_factory, "later", later))
    assert other.locator("#table .decided").count() == 0
    close(other)
    page.locator("button.decide").first.click()
    assert page.get_by_label("Reason").input_value() == "known"
    page.get_by_role("button", name="Take decision back").click()
    assert page.locator("#table .decided").count() == 0
    assert page.locator("#unsaved").is_hidden()


def test_leaving_with_decisions_that_are_not_exported_warns(page: Page, browser: BrowserContext, path: Path) -> None:
    other = open_page(browser, path)
    other.get_by_role("button", name="Review findings").click()
    other.locator("button.decide").first.click()
    decide(other, "known")
    other.close(run_before_unload=True)
    other.wait_for_timeout(300)
    assert ("dialog", "") in LOGS[other]  # the browser's own question; dismissed, so the page is still there
    LOGS[other].clear()
    page.wait_for_function("document.querySelectorAll('#table .decided').length === 1")  # the other tab sees it, too
    with other.expect_download():
        other.get_by_role("button", name="Export baseline").click()
    assert other.locator("#unsaved").is_hidden()
    with other.expect_event("close"):
        other.close(run_before_unload=True)
    assert LOGS.pop(other) == []


def test_an_import_is_merged_with_what_was_decided_here(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Review findings").click()
    page.locator("button.decide").first.click()
    decide(page, "decided here")
    first, second = page.evaluate(
        "[...document.querySelectorAll('#table tbody')].slice(0, 2).map(b => b.id.slice(2) + b.dataset.f)"
    )
    given = Baseline(
        findings=(
            Decision(fingerprint=first, reason="decided there"),
            Decision(fingerprint=second, reason="known\n\nfor years: " + "long " * 60, author="grace"),
            Decision(fingerprint=OTHER, code="COM001", columns=("gone",), reason="of another table"),
        )
    )
    said = imported(page, tmp_path, baseline_text(given))
    assert said.startswith("given.yaml: 1 decisions about findings of this report, 1 about others")
    assert "1 left aside" in said
    found = {one.fingerprint: one for one in read_baseline(exported(page, tmp_path)).findings}
    assert found[first].reason == "decided here"
    assert found[second] == given.findings[1]
    assert found[OTHER] == given.findings[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nfindings:\n- &a x\n", "line 3 is not understood"),
        ("findings: [", "line 1 is not understood"),
        ("- a\n", "line 1 is not understood"),
        ("version: 2\n", "line 1 is not understood"),
        (f"findings:\n- fingerprint: {OTHER}\n", "decision 1 is not usable"),
        (f"findings:\n- fingerprint: {OTHER}\n  reason: x\n  reasn: y\n", "decision 1 is not usable"),
        (
            f"findings:\n- {{fingerprint: {OTHER}, reason: x}}\n- {{fingerprint: {OTHER}, reason: x}}\n",
            "decision 2 is not",
        ),
    ],
)
def test_what_is_no_baseline_is_refused_with_the_place(page: Page, tmp_path: Path, text: str, said: str) -> None:
    page.get_by_role("button", name="Review findings").click()
    assert f"given.yaml: {said}" in imported(page, tmp_path, text)
    assert page.locator("#decided").inner_text() == "10 open, 0 accepted, 0 ignored"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
WORDY = st.lists(
    st.sampled_from(["word", "a: b", "- c", "#", "'", '"', "\\", "\n", "[", "}", "null", "漢"]), min_size=1
)
SOME = TEXT | WORDY.map(" ".join)
DECISIONS = st.builds(
    Decision,
    fingerprint=st.integers(0, 2**128 - 1).map(lambda n: f"{n:032x}"),
    code=st.sampled_from(["", "COM001"]),
    columns=st.lists(SOME, max_size=3).map(tuple),
    segment=st.none() | SOME,
    message=st.just("") | SOME,
    decision=st.sampled_from(["accepted", "ignored"]),
    reason=SOME.filter(lambda text: bool(text.strip(" \t\n\r\f\v\x1c\x1d\x1e\x1f\x85\xa0").strip())),
    author=st.just("") | SOME,
    expires=st.none() | st.dates(),
)


def test_a_decision_whose_day_has_passed_leaves_its_finding_open(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Review findings").click()
    first = page.evaluate("(b => b.id.slice(2) + b.dataset.f)(document.querySelector('#table tbody'))")
    text = f"findings:\n- fingerprint: {first}\n  reason: known  # for now\n  expires: 2020-01-31\n"
    assert "given.yaml: 1 decisions about findings of this report" in imported(page, tmp_path, text)
    assert page.locator("#table .known").inner_text() == "expired"
    assert page.locator("#table .decided").inner_text() == "accepted until 2020-01-31: known"
    assert page.locator("#decided").inner_text() == "10 open, 0 accepted, 0 ignored"
    assert page.locator("#unsaved").is_hidden()  # the file has all of it


def test_page_and_program_read_each_others_files(path: Path, browser: BrowserContext) -> None:
    one = open_page(browser, path)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(DECISIONS, max_size=3, unique_by=lambda d: d.fingerprint), st.booleans())
    def holds(decisions: list[Decision], as_flow: bool) -> None:
        wanted = Baseline(findings=tuple(decisions))
        text = baseline_text(wanted)
        if as_flow:  # JSON is YAML, too
            text = json.dumps(yaml.safe_load(text))
        again = one.evaluate(
            "t => { const r = baselineFile.read(t); return baselineFile.write('', r.decisions); }", text
        )
        assert Baseline.model_validate(yaml.safe_load(again)) == wanted

    holds()
    close(one)


def test_all_of_it_works_by_keyboard(page: Page) -> None:
    press = page.keyboard.press
    page.get_by_role("button", name="Review findings").focus()
    press("Enter")
    page.locator("input.pick").nth(1).focus()
    press("Space")
    press("Shift+Tab")  # back over the row before it, to its button
    page.locator("button.decide").nth(1).focus()
    press("Enter")
    assert page.evaluate("document.activeElement.name") == "reason"
    press("Escape")
    assert page.evaluate("document.activeElement.className") == "link decide"  # where the reader was
    press("Enter")
    page.keyboard.type("known")
    for _ in range(5):  # three parts of the day and its calendar, then who decides
        press("Tab")
    page.keyboard.type("ada")
    press("Enter")
    assert page.locator("#table .decided").all_inner_texts() == ["accepted by ada: known"]
    assert page.evaluate("document.activeElement.className") == "link decide"
    page.locator("#by-decision").select_option("open")
    page.locator("button.decide:visible").first.focus()
    press("Enter")
    page.keyboard.type("gone from view")
    page.get_by_role("button", name="Save decision").press("Enter")
    assert page.evaluate("document.activeElement.className") == "link decide"  # on the next row that is shown


def test_a_stale_baseline_is_told_where_no_finding_is_left(flights_result: Result) -> None:
    use = BaselineUse("baseline.yaml", 0, (), ("KEY002 <b>order</b>",))
    html = render_html(dataclasses.replace(flights_result, outcomes=(), baseline=use))
    assert "Stale, its finding is gone:" in html
    assert "KEY002 &lt;b&gt;order&lt;/b&gt;" in html
    assert 'id="review"' not in html


def test_a_baseline_shows_in_every_output_with_what_expired_or_lost_its_finding(flights_result: Result) -> None:
    outcome = flights_result.outcomes[0]
    known = dataclasses.replace(outcome.findings[0], accepted=Acceptance("by <b>design</b>", "ignored", "ada"))
    use = BaselineUse("baseline.yaml", 1, ("COM001 a (expired on 2026-01-01)",), ("KEY002 order",))
    result = dataclasses.replace(
        flights_result,
        outcomes=(dataclasses.replace(outcome, findings=(known, *outcome.findings[1:])), *flights_result.outcomes[1:]),
        baseline=use,
    )
    html, text, markdown = render_html(result), render_text(result), render_markdown(result)
    for out in (html, text, markdown):
        assert "COM001 a (expired on 2026-01-01)" in out
        assert "KEY002 order" in out
    assert "ignored by ada: by &lt;b&gt;design&lt;/b&gt;" in html
    assert "ignored by ada: by <b>design</b>" in text
    assert result.to_dict()["baseline"]["stale"] == ["KEY002 order"]
    assert result.to_dict()["baseline"]["expired"] == ["COM001 a (expired on 2026-01-01)"]
    tally = html.split('class="tally"')[1].split("</p>")[0]
    assert "7 warn" in tally.replace("\n", " ")
    assert "1 accepted" in tally
