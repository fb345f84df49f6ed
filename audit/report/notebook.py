"""A result as a fragment for notebooks: the verdict, the scores and the worst findings."""

from __future__ import annotations

from dataclasses import dataclass

from audit.findings import Finding
from audit.report.findings_table import message_of
from audit.report.language import _
from audit.report.page import size_of, title_of_uri
from audit.report.render import render_fragment
from audit.report.sentences import told
from audit.report.verdict import NOT_EVALUATED, verdict
from audit.report.wording import title_of, visible
from audit.result import Result

MOST_ROWS = 10
"""Findings in the table; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Everything that the template draws; `rows` are (severity, style, code, message)."""

    status: str
    status_words: str
    headline: str
    rest: str
    title: str
    size: str
    scores: tuple[tuple[str, str], ...]
    errors: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str, str, str], ...]
    more: int
    unchecked: int


def render_notebook(result: Result) -> str:
    """Return the fragment of a result; it holds no script and loads nothing."""
    return render_fragment("notebook.html", lambda: _fragment(result))


def _fragment(result: Result) -> Fragment:
    said, findings = verdict(result), result.findings
    return Fragment(
        status=said.status,
        status_words=_("not assessed") if said.status == "none" else _(said.status),
        headline=said.headline,
        rest=said.rest,
        title=title_of_uri(result.dataset.uri),
        size=size_of(result),
        scores=tuple(
            (title_of(score.dimension), _("not assessed") if score.value is None else f"{score.value:.0f}")
            for score in result.scores
        ),
        errors=tuple((visible(o.code, 20), told(o.reason, o.code)) for o in result.errors),
        rows=tuple(_row(finding) for finding in findings[:MOST_ROWS]),
        more=max(len(findings) - MOST_ROWS, 0),
        unchecked=sum(outcome.status in NOT_EVALUATED for outcome in result.outcomes),
    )


def _row(finding: Finding) -> tuple[str, str, str, str]:
    label = finding.severity.label
    state = label if finding.accepted is None else "none"
    words = _(label) if finding.accepted is None else _("{severity}, accepted", severity=_(label))
    return words, state, visible(finding.code, 20), message_of(finding)
