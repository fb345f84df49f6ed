"""The page over many runs: trends, links, what could not be read; no script, no request, nothing of a name executed."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audit.findings import DIMENSIONS
from audit.report.index_page import MOST_RUNS, make_page, render_index
from audit.runs import Runs, RunSummary, Unread
from tests.report.conftest import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def run(i: int, dataset: str = "orders", status: str = "warn", score: float | None = None) -> RunSummary:
    return RunSummary(
        Path(f"/runs/{dataset[:40].replace('/', '_')}-{i}.json"),
        Path(f"/runs/a b#{i}.html") if i % 2 == 0 else None,
        dataset,
        f"{dataset}.parquet",
        "tabular",
        1000 + i,
        7,
        None,
        START + dt.timedelta(days=i),
        status,
        {"fail": 0, "warn": 3, "info": 0},
        0,
        dict.fromkeys(DIMENSIONS, 50 + i % 50 if score is None else score),
    )


def of(*runs: RunSummary, unread: tuple[Unread, ...] = ()) -> Runs:
    datasets: dict[str, tuple[RunSummary, ...]] = {}
    for one in runs:
        datasets[one.dataset] = (*datasets.get(one.dataset, ()), one)
    return Runs(Path("/runs"), datasets, unread)


def test_the_worst_newest_verdict_comes_first() -> None:
    page = make_page(
        of(run(1, "a", "fail"), run(2, "a", "pass"), run(1, "b", "warn"), run(1, "c", "fail")), Path("/runs")
    )
    assert [(d.name, d.latest.words) for d in page.datasets] == [("c", "fail"), ("b", "warn"), ("a", "pass")]
    assert [(words, count) for _state, words, count in page.counts] == [("fail", 1), ("warn", 1), ("pass", 1)]


def test_a_trend_says_where_it_came_from_and_went() -> None:
    page = make_page(of(*(run(i, score=score) for i, score in enumerate((80.0, 60.0, 75.0)))), Path("/runs"))
    trend = page.datasets[0].trends[0]
    assert (trend.value, trend.moved) == ("75", "+15")
    assert trend.summary == "Completeness over 3 runs: from 80 to 75, lowest 60, highest 80"
    assert trend.path.startswith("M")
    single = make_page(of(run(1)), Path("/runs")).datasets[0].trends[0]
    assert (single.path, single.moved, single.summary) == ("", "", "")


def test_links_are_relative_and_cannot_be_addresses_of_another_kind() -> None:
    page = make_page(of(run(2, "javascript:alert(1)")), Path("/runs/pages"))
    latest = page.datasets[0].latest
    assert latest.report == "../a%20b%232.html"
    assert latest.json == "../javascript%3Aalert%281%29-2.json"


def test_many_runs_of_a_dataset_are_cut_and_counted() -> None:
    page = make_page(of(*(run(i) for i in range(MOST_RUNS + 30))), Path("/runs"))
    (dataset,) = page.datasets
    assert (len(dataset.runs), dataset.more, dataset.count) == (MOST_RUNS, 30, MOST_RUNS + 30)
    assert dataset.runs[0].when > dataset.runs[1].when


def test_a_thousand_runs_make_a_light_page_at_once() -> None:
    runs = of(*(run(i, f"set {i % 20}") for i in range(1000)))
    render_index(runs, Path("/runs"))
    started = time.process_time()
    text = render_index(runs, Path("/runs"))
    assert time.process_time() - started < 2
    assert len(text.encode()) < 600_000
    assert text == render_index(runs, Path("/runs"))


@pytest.mark.browser
def test_the_page_is_quiet_escaped_and_loud_about_what_it_could_not_read(
    browser: BrowserContext,
    tmp_path: Path,
) -> None:
    unread = tuple(Unread(Path("/runs") / name[:40].replace("/", "_"), name, True) for name in HOSTILE)
    runs = of(*(run(i, name) for name in HOSTILE for i in (1, 2)), unread=unread)
    path = tmp_path / "index.html"
    path.write_text(render_index(runs, tmp_path), "utf-8", newline="\n")
    said: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url != path.as_uri() else None)
    page.add_init_script(
        "window.__v=[];document.addEventListener('securitypolicyviolation',e=>__v.push(e.violatedDirective))"
    )
    page.goto(path.as_uri())
    assert page.get_by_role("alert").inner_text().startswith(f"{len(HOSTILE)} files could not be read")
    assert page.evaluate("window.__xss") is None
    assert page.evaluate("window.__v") == []
    assert page.locator("script, img, iframe, svg[onload]").count() == 0
    hrefs = page.evaluate("[...document.links].map(a=>a.protocol)")
    assert set(hrefs) == {"file:"}
    page.locator("details summary").first.click()
    assert page.locator("details[open] table tbody tr").count() == 2
    backgrounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        backgrounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backgrounds[0] != backgrounds[1]
    page.emulate_media(color_scheme="light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert said == []
    page.close()
