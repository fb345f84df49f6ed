"""The report's text: nothing from the data is markup, the same result gives the same bytes, and it stays small."""

import base64
import dataclasses
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from audit.findings import Chart, Outcome, Status, View
from audit.report.assets import templates
from audit.report.page import make_page
from audit.report.render import render_html
from audit.result import Result

VOID = {"meta", "rect", "path", "input", "br", "img", "link", "hr"}


class Reader(HTMLParser):
    """Collects tags, attributes, ids and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def flights_page(flights_result: Result) -> str:
    return render_html(flights_result)


@pytest.fixture(scope="module")
def hostile_page(hostile_result: Result) -> str:
    return render_html(hostile_result)


def test_hostile_names_are_text(hostile_page: str) -> None:
    reader = Reader(hostile_page)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == tags.count("style") == 1
    assert not {"img", "b", "iframe", "object", "link"} & set(tags) - {"b"}
    assert '<img src=x onerror="window.__xss=1">' in reader.text
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert not (attributes.get("href") or "#").startswith("javascript:")
    assert "\\u202egnp.exe" in reader.text
    assert "n" * 700 not in reader.text
    body = hostile_page.rsplit("</style>", maxsplit=1)[-1]
    assert not [c for c in body if not c.isprintable() and c not in "\n\t\u2068\u2069"]
    assert "\u2068中文列名 العربية\u2069: " in body  # isolated: it must not move the number that follows


def test_ids_are_unique_and_links_lead_somewhere(
    flights_page: str, hostile_page: str, make_wide: Callable[[int, int], Result]
) -> None:
    for page in (flights_page, hostile_page, render_html(make_wide(40, 300))):
        reader = Reader(page)
        ids = [a["id"] for _, a in reader.tags if "id" in a]
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name or "") for name in ids)
        targets = {(a["href"] or "")[1:] for tag, a in reader.tags if tag == "a"}
        assert targets <= set(ids)


def test_duplicated_fingerprints_still_get_their_own_ids(flights_result: Result) -> None:
    outcome = flights_result.outcomes[0]
    doubled = dataclasses.replace(outcome, findings=outcome.findings + outcome.findings)
    ids = [
        row.anchor
        for row in make_page(dataclasses.replace(flights_result, outcomes=(doubled,)), include_samples=False).findings
    ]
    assert len(ids) == len(set(ids)) == 10


def test_policy_carries_the_hash_of_what_is_inlined(flights_page: str) -> None:
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', flights_page)
    assert found is not None
    policy = found.group(1).replace("&#39;", "'")
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        element = re.search(rf"<{tag}>(.*?)</{tag}>", flights_page, re.S)
        assert element is not None
        inlined = element.group(1)
        assert "\r" not in inlined
        digest = base64.b64encode(hashlib.sha256(inlined.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert flights_page.index("Content-Security-Policy") < flights_page.index("<style>")


def test_nothing_is_fetched(flights_page: str) -> None:
    outside = re.findall(
        r"""(?:src|href|action)=["']?(?!#)[^"'\s>]+|url\([^)]*\)|@import|https?://[^\s"<]+""", flights_page
    )
    assert outside == []


def test_templates_cannot_forget_to_escape() -> None:
    for path in templates().glob("*.html"):
        text = path.read_text("utf-8")
        assert "|safe" not in text.replace(" ", "")
        assert "autoescape" not in text
        assert not re.search(r"=\{\{", text), f"{path.name} has an unquoted attribute"
        assert not re.search(r'(href|src)="\{\{', text), f"{path.name} has a link that data decides"
        assert not re.search(r"\sstyle=|\son[a-z]+=", text)
    script = "\n".join(path.read_text("utf-8") for path in templates().glob("*.js"))
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest"):
        assert word not in script


def test_no_number_is_nan_or_none(flights_page: str, hostile_page: str) -> None:
    for page in (flights_page, hostile_page):
        words = Reader(page.split("</style>")[1].split("</script>", 1)[1]).text
        assert not re.search(r"\b(nan|NaN|inf|Infinity|None|undefined)\b", re.sub(r"of them NaN|\bNan\b", "", words))
        assert "Undefined" not in page


def test_same_result_twice_is_byte_identical_in_another_process_too(flights_result: Result, flights_page: str) -> None:
    assert render_html(flights_result) == flights_page
    program = (
        "import importlib.util, hashlib, sys; s = importlib.util.spec_from_file_location('made', sys.argv[1]);"
        "m = importlib.util.module_from_spec(s); s.loader.exec_module(m);"
        "from audit.report.render import render_html;"
        "print(hashlib.sha256(render_html(m.flights()).encode()).hexdigest())"
    )
    source = str(templates().parents[1] / "tests" / "report" / "conftest.py")
    run = subprocess.run([sys.executable, "-c", program, source], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == hashlib.sha256(flights_page.encode()).hexdigest()


def test_verdict_comes_first_and_says_what_was_not_checked(flights_page: str) -> None:
    text = re.sub(r"\s+", " ", Reader(flights_page).text)
    order = ["Not ready to train on", "What to do", "What was not checked", "Six dimensions", "Findings", "Columns"]
    places = [text.index(f" {word} ", text.index("Skip to")) for word in ["Not ready to train on", *order[1:4]]]
    assert places == sorted(places)
    assert "1 check fails; 1 check broke; 3 warn; 2 pass; 3 could not be evaluated." in text
    assert "No time column was given or found; name one with --time. Age ( FRE001 )" in text or "Age (FRE001)" in text
    assert text.count("Not assessed") == 1
    assert "it never overrides a fail" in text
    assert "fewer than 30 rows with both values" in text


def test_all_that_the_result_holds_is_on_the_page(flights_result: Result, flights_page: str) -> None:
    reader = Reader(flights_page)
    text = reader.text
    for finding in flights_result.findings:
        assert finding.message in text
        assert finding.remedy in text
    for outcome in flights_result.outcomes:
        assert outcome.code in text
        assert outcome.reason in text
    for column in flights_result.columns:
        assert column.name in text
    drawn = sum(tag == "svg" and a.get("role") == "img" for tag, a in reader.tags)
    views = sum(len(o.views) for o in flights_result.outcomes)
    assert drawn == views + sum(f.chart is not None for f in flights_result.findings) + sum(
        c.chart is not None for c in flights_result.columns
    )
    assert all(a.get("aria-label") for tag, a in reader.tags if tag == "svg" and a.get("role") == "img")


def test_examples_are_shown_only_on_request(flights_result: Result, flights_page: str) -> None:
    assert "1545 EWR" not in flights_page
    assert "Example values are left out" in flights_page
    shown = render_html(flights_result, include_samples=True)
    assert "1545 EWR" in shown
    assert "Example values are left out" not in shown


def test_a_broken_picture_does_not_cost_the_report(flights_result: Result) -> None:
    bad = Outcome("ABC001", "a", "correlation", Status.PASS, "fine", views=(View(Chart("bars", "<b>bad", {})),))
    page = render_html(dataclasses.replace(flights_result, outcomes=(bad,)))
    assert "The picture “&lt;b&gt;bad” could not be drawn" in page


def test_empty_results_render(flights_result: Result) -> None:
    page = render_html(
        dataclasses.replace(flights_result, outcomes=(), columns=(), roles=(), settings={}, approximations=())
    )
    assert "Not assessed" in page
    assert "no check took part" in page


def test_size_and_time(make_wide: Callable[[int, int], Result]) -> None:
    render_html(make_wide(2, 2))  # templates are compiled once a process
    for columns, findings, megabytes, seconds in ((200, 600, 1.2, 1.5), (500, 1500, 2.5, 1.5), (1000, 1500, 5.0, 1.5)):
        result = make_wide(columns, findings)
        started = time.process_time()
        page = render_html(result)
        assert time.process_time() - started < seconds
        assert len(page.encode()) < megabytes * 1e6, columns


def test_very_wide_data_lists_what_has_no_card(make_wide: Callable[[int, int], Result]) -> None:
    page = render_html(make_wide(1200, 30))
    assert "200 more columns without a card" in page
    assert "column_1199" in page


def test_jinja_is_imported_only_when_a_page_is_drawn() -> None:
    program = (
        "import sys, audit.report.formats, audit.report.render; print('jinja2' in sys.modules, 'numpy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split()[0] == "False"
