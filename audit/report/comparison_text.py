"""A comparison of two results for a terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.comparison import KINDS, Change, Comparison, Kind
from audit.report.comparison_words import (
    KIND_STATES,
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
from audit.report.wording import percent, title_of, visible

MOST_LINES = 20
"""Findings of one kind that are printed unless `verbose`."""

_MOST_SHIFTS = 10
_STYLES = {"fail": "red", "error": "red", "warn": "yellow", "pass": "green", "info": "cyan", "none": "dim"}


def render_comparison_text(
    comparison: Comparison, *, color: bool = False, verbose: bool = False, width: int = 100
) -> str:
    """Return a comparison as text that ends with a line break.

    Args:
        comparison: what to print.
        color: mark kinds and severities with ANSI colours.
        verbose: print every finding, the unchanged ones too.
        width: columns of the terminal; findings stay on one line, so that `grep` finds them.
    """
    stream = io.StringIO()
    console = Console(
        file=stream, width=max(width, 40), force_terminal=color, no_color=not color, highlight=False, markup=False,
        emoji=False, soft_wrap=True, color_system="standard" if color else None, legacy_windows=False,
    )  # fmt: skip
    for kind in KINDS:
        _print_kind(console, comparison, kind, verbose)
    _print_data(console, comparison)
    _print_scores(console, comparison)
    said = headline(comparison)
    console.print(Text(said.words, style=f"bold {_STYLES[said.status]}"), Text(f": {said.rest}."), sep="")
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())  # tables pad their last column


def _print_kind(console: Console, comparison: Comparison, kind: Kind, verbose: bool) -> None:
    changes = comparison.of(kind)
    if not changes or (kind == "unchanged" and not verbose):
        return
    shown = changes if verbose else changes[:MOST_LINES]
    for change in shown:
        console.print(_line(change, kind))
    if len(changes) > len(shown):
        console.print(Text(f"… and {len(changes) - len(shown):,} more {kind} (-v shows all)", style="dim"))
    console.print()


def _line(change: Change, kind: Kind) -> Text:
    severity = change.side.severity.label
    moved = movement(change)
    return Text.assemble(
        (KIND_TITLES[kind].lower(), f"bold {_STYLES[KIND_STATES[kind]]}"),
        " ",
        (subject(change), "bold"),
        " ",
        (visible(change.code, 20), "bold"),
        " ",
        (severity, _STYLES[severity]),
        " ",
        message_of(change),
        (f" ({moved})" if moved else "", "dim"),
    )


def _print_data(console: Console, comparison: Comparison) -> None:
    lines = [
        f"{name}: {before} → {after}" + (f", {moved}" if moved else "")
        for name, before, after, moved in map(fact, comparison.facts)
    ]
    lines += [f"{what}: {names}" for what, names in columns_words(comparison)]
    moved_pairs = [pair for pair in comparison.pairs if pair.overlay and pair.overlay.shift >= SMALL_SHIFT]
    if moved_pairs:
        shown = ", ".join(
            f"{visible(pair.name, 40)} {percent(pair.overlay.shift)}"
            for pair in moved_pairs[:_MOST_SHIFTS]
            if pair.overlay
        )
        rest = len(moved_pairs) - _MOST_SHIFTS
        lines.append(f"distributions that moved (share of rows): {shown}" + (f" and {rest} more" if rest > 0 else ""))
    lines += [f"option {name}: {before} → {after}" for name, before, after, _ in map(fact, comparison.options)]
    lines += [visible(note, 300) for note in comparison.notes]
    if lines:
        console.print(Text("the data and the runs", style="bold"))
        for line in lines:
            console.print(Text(f"  {line}"))
        console.print()


def _print_scores(console: Console, comparison: Comparison) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("score")
    for name in ("before", "after", ""):
        table.add_column(name, justify="right")
    for score in comparison.scores:
        table.add_row(title_of(score.dimension), *score_words(score.before, score.after))
    table.add_row("findings", *_findings(comparison), end_section=True)
    console.print(table)
    console.print()


def _findings(comparison: Comparison) -> tuple[str, str, str]:
    before = sum(change.before is not None for change in comparison.changes)
    after = sum(change.after is not None for change in comparison.changes)
    return f"{before:,}", f"{after:,}", f"{after - before:+,}".replace("-", "−") if after != before else ""
