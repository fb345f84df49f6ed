"""A result as Markdown, for pull requests and job summaries."""

from __future__ import annotations

import re

from audit.findings import Finding
from audit.report.verdict import unchecked, verdict
from audit.report.wording import listing, plural, sentence, title_of, visible
from audit.result import Result
from audit.uses import uses

MOST_ROWS = 100
"""Findings in the table; the rest is counted."""


def render_markdown(result: Result) -> str:
    """Return the verdict, the scores, the findings as a table, what broke and what was not evaluated."""
    data = result.dataset
    parts = [
        f"## {escape(str(verdict(result)))}",
        f"`{_code(visible(data.uri, 200))}`: {plural(data.rows, 'row')}, {plural(data.columns, 'column')}.",
        _uses(result),
        _scores(result),
        _findings(result),
        _broken(result),
        _unchecked(result),
        _baseline(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _uses(result: Result) -> str:
    return "\n".join(
        f"- {escape(visible(use.name, 40))}: **{use.suited}**, {escape(visible(use.reason, 300))}"
        for use in uses(result)
    )


def _scores(result: Result) -> str:
    rows = [
        f"| {title_of(score.dimension)} | {'not assessed' if score.value is None else f'{score.value:.0f}'} | "
        f"{score.failed} | {score.warned} | {score.passed} | {score.not_evaluated} |"
        for score in result.scores
    ]
    return "\n".join(["| dimension | score | fail | warn | pass | not evaluated |", "|---|--:|--:|--:|--:|--:|", *rows])


def _findings(result: Result) -> str:
    if not result.findings:
        return "No findings."
    rows = [_row(finding) for finding in result.findings[:MOST_ROWS]]
    rest = len(result.findings) - len(rows)
    more = f"\n\n… and {rest:,} more findings." if rest else ""
    return "\n".join(["| severity | check | columns | finding |", "|---|---|---|---|", *rows]) + more


def _row(finding: Finding) -> str:
    columns = listing(finding.columns, 3) + (f" [{visible(finding.segment, 60)}]" if finding.segment else "")
    said = escape(sentence(finding.message, finding.columns))
    if finding.accepted is not None:
        return f"| {finding.severity.label}, accepted | {finding.code} | {escape(columns)} | {said} {_why(finding)} |"
    return f"| **{finding.severity.label}** | {finding.code} | {escape(columns)} | {said} |"


def _why(finding: Finding) -> str:
    return f"({escape(sentence(str(finding.accepted)))})"


def _broken(result: Result) -> str:
    return "\n".join(f"- **{o.code} broke**: {escape(sentence(o.reason))}" for o in result.errors)


def _unchecked(result: Result) -> str:
    groups = unchecked(result)
    if not groups:
        return ""
    lines = [f"- {', '.join(group.codes)}: {escape(visible(group.reason, 300))}" for group in groups]
    return "\n".join(["<details><summary>Not evaluated</summary>", "", *lines, "", "</details>"])


def _baseline(result: Result) -> str:
    use = result.baseline
    if use is None:
        return ""
    lines = [f"Baseline `{_code(visible(use.path, 120))}`: {plural(use.accepted, 'finding')} accepted."]
    lines += [f"- no longer holds: {escape(visible(text, 200))}" for text in use.expired]
    lines += [f"- stale, its finding is gone: {escape(visible(text, 200))}" for text in use.stale]
    return "\n".join([lines[0], "", *lines[1:]]).rstrip()


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is, in a table, too; HTML in it stays text.

    >>> escape("a|b <i> *c*")
    'a\\|b &lt;i&gt; \\*c\\*'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", text)


def _code(text: str) -> str:
    return text.replace("`", "'")
