"""A result as lines for a terminal, in the style of ruff: one line a finding, then what the numbers rest on."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from audit.findings import DIMENSIONS, Finding, Severity, Status
from audit.report.verdict import Unchecked, missing_options, partly_unchecked, unchecked
from audit.report.wording import listing, plural, sentence, visible
from audit.result import Result
from audit.uses import uses

MOST_LINES = 10
"""Findings of one check that are printed unless `verbose`: a thousand equal lines hide the others."""

_COLORS = {"fail": "31", "error": "31", "warn": "33", "info": "36", "pass": "32", "bold": "1", "dim": "2"}
_NARROWEST = 40
_NAMED = 3  # episodes in a line


def render_text(result: Result, *, color: bool = False, verbose: bool = False, width: int = 100) -> str:
    r"""Return a result as text that ends with a line break.

    Args:
        result: what to print.
        color: mark severities and codes with ANSI colours.
        verbose: print every finding, every column that a check could not judge, and all roles, or how each field of
            trajectories was read, in full.
        width: columns of the terminal; explanations wrap at it, findings stay on one line so that `grep` finds them.

    Names from the data cannot reach the terminal as commands: control characters are printed as `\uXXXX`.
    """
    paint = _Paint(color)
    width = max(width, _NARROWEST)
    blocks = [
        _findings(result, paint, verbose),
        _errors(result, paint),
        _reading(result, paint, verbose, width) or _roles(result, paint, verbose, width),
        _not_evaluated(result, paint, verbose, width),
        _approximations(result, paint, width),
        _baseline(result, paint, width),
        _uses(result, paint, width),
        [*_summary(result, paint)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


class _Paint:
    """Puts ANSI colours around text, or leaves it alone."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{_COLORS[style]}m{text}\x1b[0m" if self.on and style in _COLORS else text


def _findings(result: Result, paint: _Paint, verbose: bool) -> list[str]:
    """Return the lines, grouped by check: the check with the worst finding first, worst first inside it."""
    grouped: dict[str, list[Finding]] = {}
    for finding in result.findings:
        grouped.setdefault(finding.code, []).append(finding)
    name = visible(result.dataset.uri.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1] or result.dataset.uri, 80)
    lines = []
    for code, group in grouped.items():
        shown = group if verbose else group[:MOST_LINES]
        lines += [_line(finding, name, paint) for finding in shown]
        rest = len(group) - len(shown)
        if rest:
            words = f"{name} {visible(code, 20)} … and {rest:,} more (-v shows all)"
            lines.append(paint(words, "dim"))
    return lines


def _line(finding: Finding, name: str, paint: _Paint) -> str:
    columns = ",".join(visible(column, 40) for column in finding.columns[:3])
    columns += f",+{len(finding.columns) - 3}" if len(finding.columns) > 3 else ""
    subject = paint(name, "bold") + (f":{columns}" if columns else "")
    segment = f" [{visible(finding.segment, 60)}]" if finding.segment else ""
    severity = paint(finding.severity.label, finding.severity.label)
    if finding.accepted is not None:
        severity = paint(f"{finding.severity.label} ({sentence(str(finding.accepted))})", "dim")
    code = paint(visible(finding.code, 20), "bold")
    names = (*finding.columns, *finding.episodes[:_NAMED])
    return f"{subject}{segment} {code} {severity} {sentence(finding.message, names)}{_episodes(finding)}"


def _episodes(finding: Finding) -> str:
    """Return the episodes in words, unless the message names them."""
    if not finding.episodes or re.search(rf"\bepisodes? {re.escape(finding.episodes[0])}\b", finding.message):
        return ""
    noun = "episode" if len(finding.episodes) == 1 else "episodes"
    return f" ({noun} {listing(finding.episodes, _NAMED)})"


def _errors(result: Result, paint: _Paint) -> list[str]:
    return [
        f"{paint(visible(outcome.code, 20), 'bold')} {paint('error', 'error')} "
        f"the check broke, and the others went on: {sentence(outcome.reason)}"
        for outcome in result.errors
    ]


def _reading(result: Result, paint: _Paint, verbose: bool, width: int) -> list[str]:
    """Return how trajectories were read; nothing for a table."""
    reading = result.dataset.reading
    if reading is None:
        return []
    size = f"{plural(result.dataset.rows, 'step')} in {plural(result.dataset.episodes or 0, 'episode')}"
    parts = [visible(reading.format, 40), size]
    if reading.mapping:
        meanings = (f"{name} = {meaning}" for name, meaning in reading.mapping)
        parts.append(listing(meanings, 10_000 if verbose else 12, 300 if verbose else 90))
    lines = [paint("read as trajectories", "bold"), *_wrap("; ".join(parts), width)]
    for words, texts in (("not said by the source", reading.unknown), ("left out", reading.skipped)):
        if texts:
            lines += _wrap(f"{words}: {'; '.join(visible(text, 200) for text in texts)}", width)
    for where, what in reading.problems:
        lines += _wrap(f"{paint('not read', 'warn')}: {visible(where, 120)}: {visible(what, 300)}", width)
    return lines


def _roles(result: Result, paint: _Paint, verbose: bool, width: int) -> list[str]:
    if not result.roles:
        return []
    most = 10_000 if verbose else 6
    parts = [
        f"{visible(r.role, 30)}: {listing(r.columns, most) or 'none'} ({visible(r.reason, 160)})" for r in result.roles
    ]
    return [paint("roles", "bold"), *_wrap("; ".join(parts), width)]


def _not_evaluated(result: Result, paint: _Paint, verbose: bool, width: int) -> list[str]:
    groups: Sequence[Unchecked] = unchecked(result)
    parts = partly_unchecked(result)
    if not groups and not parts:
        return []
    lines = [paint("not evaluated", "bold")]
    for group in groups:
        lines += _wrap(f"{', '.join(visible(code, 20) for code in group.codes)}: {visible(group.reason, 300)}", width)
    for group in parts if verbose else ():
        columns = f" ({listing(group.columns, 10_000)})" if group.columns else ""
        lines += _wrap(f"{visible(group.codes[0], 20)} in part: {visible(group.reason, 300)}{columns}", width)
    if parts and not verbose:
        codes = dict.fromkeys(visible(group.codes[0], 20) for group in parts)
        lines += _wrap(f"in part: {', '.join(codes)} (-v says which columns and why)", width)
    return lines


def _approximations(result: Result, paint: _Paint, width: int) -> list[str]:
    if not result.approximations:
        return []
    lines = [paint("sampled or approximated", "bold")]
    for text in result.approximations:
        lines += _wrap(visible(text, 300), width)
    return lines


def _baseline(result: Result, paint: _Paint, width: int) -> list[str]:
    use = result.baseline
    if use is None:
        return []
    said = [f"{visible(use.path, 120)}: {plural(use.accepted, 'finding')} accepted"]
    said += [f"no longer holds: {visible(text, 200)}" for text in use.expired]
    said += [f"stale, its finding is gone: {visible(text, 200)}" for text in use.stale]
    return [paint("baseline", "bold"), *(line for text in said for line in _wrap(text, width))]


def _uses(result: Result, paint: _Paint, width: int) -> list[str]:
    found = uses(result)
    said = [f"{visible(use.name, 40)}: {use.suited}, {visible(use.reason, 300)}" for use in found]
    return [paint("suited to train", "bold"), *(line for text in said for line in _wrap(text, width))] if said else []


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )


def _summary(result: Result, paint: _Paint) -> Iterator[str]:
    count = {status: sum(outcome.status is status for outcome in result.outcomes) for status in Status}
    parts = [
        paint(f"{count[status]} {status.value}", status.value)
        for status in (Status.FAIL, Status.ERROR, Status.WARN, Status.PASS)
        if count[status] or status is not Status.ERROR
    ]
    left_out = count[Status.NOT_APPLICABLE] + count[Status.SKIPPED]
    if left_out:
        options = missing_options(unchecked(result))
        hint = f" (no {', '.join(options[:4])})" if options else ""
        parts.append(f"{left_out} not evaluated{hint}")
    dimensions = {outcome.dimension for outcome in result.outcomes if outcome.dimension in DIMENSIONS}
    exact = "" if result.approximations else f", all {result.dataset.unit}"
    seconds = f"{result.run.seconds:.1f} s"
    yield f"{plural(len(dimensions), 'dimension')}: {', '.join(parts)} in {seconds}{exact}"
    worst = next(iter(result.findings), None)
    if worst is not None and worst.severity > Severity.INFO:
        yield f"-> why and how to fix: audit explain {visible(worst.code, 20)}"
