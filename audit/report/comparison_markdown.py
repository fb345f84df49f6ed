"""A comparison of two results as Markdown, for pull requests and job summaries."""

from __future__ import annotations

from audit.comparison import KINDS, Change, Comparison
from audit.report.comparison_words import (
    KIND_TITLES,
    SMALL_SHIFT,
    columns_words,
    fact,
    headline,
    message_of,
    movement,
    score_words,
    subject,
)
from audit.report.formats.markdown import escape
from audit.report.wording import percent, title_of, visible

MOST_ROWS = 50
"""Findings of one kind in the table; the rest is counted."""

_MOST_SHIFTS = 10


def render_comparison_markdown(comparison: Comparison) -> str:
    """Return the sentence, the changed findings as a table, the scores, and what changed about the data."""
    before, after = (_code(visible(side.uri, 200)) for side in (comparison.before, comparison.after))
    parts = [
        f"## {escape(str(headline(comparison)))}",
        f"`{before}` ({escape(comparison.before.started[:16])}) → `{after}` ({escape(comparison.after.started[:16])})",
        _findings(comparison),
        _scores(comparison),
        _data(comparison),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _findings(comparison: Comparison) -> str:
    rows = []
    for kind in KINDS:
        if kind == "unchanged":
            continue
        changes = comparison.of(kind)
        rows += [_row(change) for change in changes[:MOST_ROWS]]
        if len(changes) > MOST_ROWS:
            rows.append(f"| {KIND_TITLES[kind].lower()} | | | … and {len(changes) - MOST_ROWS:,} more |")
    if not rows:
        return ""
    return "\n".join(["| what | severity | check | columns | finding |", "|---|---|---|---|---|", *rows])


def _row(change: Change) -> str:
    moved = movement(change)
    said = escape(message_of(change) + (f" ({moved})" if moved else ""))
    severity = change.side.severity.label + (", accepted" if change.side.accepted is not None else "")
    kind = KIND_TITLES[change.kind].lower()
    return f"| **{kind}** | {severity} | {escape(visible(change.code, 20))} | {escape(subject(change))} | {said} |"


def _scores(comparison: Comparison) -> str:
    rows = [
        f"| {title_of(score.dimension)} | {' | '.join(score_words(score.before, score.after))} |"
        for score in comparison.scores
    ]
    return "\n".join(["| dimension | before | after | |", "|---|--:|--:|--:|", *rows])


def _data(comparison: Comparison) -> str:
    lines = [
        f"- {escape(name)}: {escape(before)} → {escape(after)}" + (f", {moved}" if moved else "")
        for name, before, after, moved in map(fact, (*comparison.facts, *comparison.options))
    ]
    lines += [f"- {what}: {escape(names)}" for what, names in columns_words(comparison)]
    moved_pairs = [pair for pair in comparison.pairs if pair.overlay and pair.overlay.shift >= SMALL_SHIFT]
    lines += [
        f"- {escape(visible(pair.name, 60))}: {percent(pair.overlay.shift)} of the distribution moved"
        for pair in moved_pairs[:_MOST_SHIFTS]
        if pair.overlay
    ]
    lines += [f"- {escape(visible(note, 300))}" for note in comparison.notes]
    return "\n".join(lines)


def _code(text: str) -> str:
    return text.replace("`", "'")
