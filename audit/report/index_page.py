"""The runs in a folder as one page: each dataset with its newest verdict and the trend of its scores. No script."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from audit.findings import DIMENSIONS
from audit.report.axes import Scale
from audit.report.language import N_, SOURCE, _, ngettext
from audit.report.picture import polyline
from audit.report.render import render_page
from audit.report.wording import NONE, title_of, visible
from audit.runs import Runs, RunSummary

GENERATOR = "dataset-audit index"
"""By this, and nothing else, an index is known as one: a page of somebody else's is not written over."""

MOST_RUNS = 100
"""Runs of a dataset that are listed, the newest; the trends show as many as fit."""

MOST_POINTS = 120
_WIDTH, _HEIGHT = 96, 26
_ORDER = ("error", "fail", "warn", "not_applicable", "pass")

STATUS_WORDS = {
    "error": N_("broke"), "fail": N_("fail"), "warn": N_("warn"), "pass": N_("pass"),
    "not_applicable": N_("not assessed"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trend:
    """One score over the runs: the newest in words, how it moved since the run before, and a line of all of them."""

    dimension: str
    value: str
    moved: str
    path: str
    summary: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in the list of a dataset."""

    when: str
    state: str
    words: str
    size: str
    findings: str
    scores: tuple[str, ...]
    report: str
    json: str
    name: str


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One dataset: its newest run, its trends and its runs, the newest first."""

    anchor: str
    name: str
    places: str
    latest: RunRow
    count: int
    trends: tuple[Trend, ...]
    runs: tuple[RunRow, ...]
    more: int


@dataclass(frozen=True, slots=True)
class IndexPage:
    """Everything that the template draws."""

    generator: str
    folder: str
    counts: tuple[tuple[str, str, int], ...]
    runs: int
    dimensions: tuple[str, ...]
    datasets: tuple[DatasetRow, ...]
    broken: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    width: int
    height: int


def render_index(runs: Runs, place: Path, *, language: str = SOURCE) -> str:
    """Return the page of a folder.

    Args:
        runs: what `audit.runs.read_runs` found.
        place: the folder in which the page will lie: links are relative to it.
        language: of the page's own texts.

    Raises:
        ConfigError: there is no such language.
    """
    return render_page("index.html", lambda: make_page(runs, place), language=language, scripts=())


def make_page(runs: Runs, place: Path) -> IndexPage:
    """Return what stands on the page, the datasets with the worst verdict first."""
    ordered = sorted(runs.datasets.items(), key=lambda item: (_ORDER.index(item[1][-1].status), item[0]))
    latest = [each[-1].status for _name, each in ordered]
    return IndexPage(
        generator=GENERATOR,
        folder=visible(runs.folder.resolve().name or runs.folder, 120),
        counts=tuple((_state(s), _(STATUS_WORDS[s]), latest.count(s)) for s in _ORDER if s in latest),
        runs=runs.count,
        dimensions=tuple(title_of(name) for name in DIMENSIONS),
        datasets=tuple(_dataset(i, name, each, place) for i, (name, each) in enumerate(ordered)),
        broken=tuple((_shown(u.path, runs), visible(u.reason, 300)) for u in runs.unread if u.broken),
        others=tuple((_shown(u.path, runs), visible(u.reason, 300)) for u in runs.unread if not u.broken),
        width=_WIDTH,
        height=_HEIGHT,
    )


def _shown(path: Path, runs: Runs) -> str:
    return visible(os.path.relpath(path, runs.folder), 300)


def _state(status: str) -> str:
    return "none" if status == "not_applicable" else status


def _dataset(position: int, name: str, runs: Sequence[RunSummary], place: Path) -> DatasetRow:
    places = len({run.uri for run in runs})
    shown = runs[-MOST_RUNS:][::-1]
    return DatasetRow(
        anchor=f"d-{position}",
        name=visible(name, 120),
        places=ngettext("{count} place", "{count} places", places) if places > 1 else "",
        latest=_run(runs[-1], place),
        count=len(runs),
        trends=tuple(_trend(dimension, runs) for dimension in DIMENSIONS),
        runs=tuple(_run(run, place) for run in shown),
        more=len(runs) - len(shown),
    )


def _run(run: RunSummary, place: Path) -> RunRow:
    if run.episodes is not None:
        size = [ngettext("{count} step", "{count} steps", run.rows)]
        size.append(ngettext("{count} episode", "{count} episodes", run.episodes))
    else:
        size = [ngettext("{count} row", "{count} rows", run.rows)]
        size.append(ngettext("{count} column", "{count} columns", run.columns))
    found = [f"{run.findings[label]:,} {_(label)}" for label in ("fail", "warn", "info") if run.findings[label]]
    if run.errors:
        found.insert(0, ngettext("{count} check broke", "{count} checks broke", run.errors))
    return RunRow(
        when=f"{run.started:%Y-%m-%d %H:%M} UTC",
        state=_state(run.status),
        words=_(STATUS_WORDS[run.status]),
        size=", ".join(size),
        findings=", ".join(found) or _("none"),
        scores=tuple(NONE if score is None else f"{score:.0f}" for score in run.scores.values()),
        report=_link(run.report, place) if run.report else "",
        json=_link(run.path, place),
        name=visible(run.path.name, 60),
    )


def _link(target: Path, place: Path) -> str:
    """Return a relative address without its leading "./", all that could mean something else in it escaped."""
    return quote(os.fsencode(Path(os.path.relpath(target, place)).as_posix()))


def _trend(dimension: str, runs: Sequence[RunSummary]) -> Trend:
    scores = [run.scores[dimension] for run in runs][-MOST_POINTS:]
    known = [score for score in scores if score is not None]
    newest, before = scores[-1], scores[-2] if len(scores) > 1 else None
    moved = "" if newest is None or before is None or round(newest) == round(before) else f"{newest - before:+.0f}"
    x = Scale(0, max(len(scores) - 1, 1), 2, _WIDTH - 2)
    y = Scale(0, 100, _HEIGHT - 3, 3)
    points = [None if score is None else (x(i), y(score)) for i, score in enumerate(scores)]
    name = title_of(dimension)
    return Trend(
        name,
        NONE if newest is None else f"{newest:.0f}",
        moved.replace("-", "−"),
        polyline(points) if len(known) > 1 else "",
        _(
            "{dimension} over {count} runs: from {first} to {last}, lowest {low}, highest {high}",
            dimension=name, count=len(scores), first=f"{known[0]:.0f}", last=f"{known[-1]:.0f}",
            low=f"{min(known):.0f}", high=f"{max(known):.0f}",
        ) if len(known) > 1 else "",
    )  # fmt: skip
