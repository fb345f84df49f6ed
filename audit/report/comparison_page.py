"""A comparison of two results as one HTML file: what changed first, then the distributions, one over the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from audit.comparison import KINDS, Change, ColumnPair, Compared, Comparison, Kind
from audit.report.charts import CARD, draw
from audit.report.comparison_words import (
    KIND_STATES,
    KIND_TITLES,
    SMALL_SHIFT,
    Headline,
    columns_words,
    count_words,
    fact,
    headline,
    movement,
    score_words,
    subject,
)
from audit.report.language import SOURCE, _, ngettext
from audit.report.page import when
from audit.report.picture import Picture
from audit.report.render import render_page
from audit.report.sentences import told
from audit.report.wording import isolated, percent, title_of, visible

MOST_ROWS = 500
"""Findings of one kind on the page; the JSON has all."""

MOST_PICTURES = 200
"""Distributions on the page, those that moved most; the others are listed."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One finding on the page."""

    anchor: str
    severity: str
    code: str
    name: str
    subject: str
    message: str
    movement: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of a kind."""

    kind: Kind
    title: str
    state: str
    count: int
    rows: tuple[ChangeRow, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ColumnCard:
    """A column of both datasets; `picture` is None where the distribution hardly moved or cannot be drawn."""

    name: str
    kind: str
    shift: str
    missing: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """Everything that the template draws."""

    title: str
    sides: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    headline: Headline
    counts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    groups: tuple[Group, ...]
    scores: tuple[tuple[str, str, str, str], ...]
    facts: tuple[tuple[str, str, str, str], ...]
    options: tuple[tuple[str, str, str, str], ...]
    columns: tuple[tuple[str, str], ...]
    cards: tuple[ColumnCard, ...]
    listed: tuple[ColumnCard, ...]


def render_comparison(comparison: Comparison, *, language: str = SOURCE) -> str:
    """Return the page of a comparison; the same comparison gives the same text.

    Raises:
        ConfigError: there is no such language.
    """
    return render_page("diff.html", lambda: make_page(comparison), language=language)


def make_page(comparison: Comparison) -> ComparisonPage:
    """Return what stands on the page."""
    drawn = [pair for pair in comparison.pairs if pair.overlay and pair.overlay.shift >= SMALL_SHIFT][:MOST_PICTURES]
    names = {pair.name for pair in drawn}
    before, after = comparison.before, comparison.after
    title = visible(after.id, 120) if before.id == after.id else f"{visible(before.id, 60)} → {visible(after.id, 60)}"
    return ComparisonPage(
        title=title,
        sides=((_("Before"), _side(before)), (_("After"), _side(after))),
        headline=headline(comparison),
        counts=tuple((KIND_STATES[k], count_words(k, comparison.counts[k])) for k in KINDS if comparison.counts[k]),
        notes=tuple(visible(note, 400) for note in comparison.notes),
        groups=tuple(_group(comparison, kind) for kind in KINDS if comparison.counts[kind]),
        scores=tuple((title_of(s.dimension), *score_words(s.before, s.after)) for s in comparison.scores),
        facts=tuple(fact(change) for change in comparison.facts),
        options=tuple(fact(change) for change in comparison.options),
        columns=tuple(columns_words(comparison)),
        cards=tuple(_card(pair, picture=True) for pair in drawn),
        listed=tuple(_card(pair, picture=False) for pair in comparison.pairs if pair.name not in names),
    )


def _side(side: Compared) -> tuple[tuple[str, str], ...]:
    rows = ngettext("{count} row", "{count} rows", side.rows)
    columns = ngettext("{count} column", "{count} columns", side.columns)
    return (
        (_("Data"), visible(side.uri, 300)),
        (_("Audited"), when(side.started)),
        (_("Verdict"), _(visible(side.status, 20))),
        (_("Size"), f"{rows} × {columns}"),
        (_("Version"), f"dataset-audit {visible(side.tool_version, 40)}"),
    )


def _group(comparison: Comparison, kind: Kind) -> Group:
    changes = comparison.of(kind)
    shown = changes[:MOST_ROWS]
    rows = tuple(_row(change, f"{kind}-{i}") for i, change in enumerate(shown))
    return Group(kind, _(KIND_TITLES[kind]), KIND_STATES[kind], len(changes), rows, len(changes) - len(shown))


def _row(change: Change, anchor: str) -> ChangeRow:
    return ChangeRow(
        anchor,
        change.side.severity.label,
        visible(change.code, 20),
        title_of(change.name),
        isolated(subject(change), change.columns[:3]),
        told(change.side.message, change.code, change.columns),
        movement(change),
        change.side.accepted is not None,
    )


def _card(pair: ColumnPair, *, picture: bool) -> ColumnCard:
    both = (pair.missing_before, pair.missing_after)
    missing = percent(both[1]) if both[0] == both[1] else f"{percent(both[0])} → {percent(both[1])}"
    drawn = _overlaid(draw(pair.overlay.chart, CARD)) if picture and pair.overlay else None
    shift = percent(pair.overlay.shift) if pair.overlay else "–"
    return ColumnCard(visible(pair.name, 120), visible(pair.kind, 20), shift, missing, drawn)


def _overlaid(picture: Picture) -> Picture:
    """Return a picture whose data calls the earlier distribution "before": charts know it as the reference."""
    if not picture.lines:
        return picture
    *first, _reference = picture.lines[0].split("\t")
    head = "\t".join((*first, _("before")))
    return replace(picture, lines=(head, *picture.lines[1:]), summary=f"{picture.title}. {picture.summary}")
