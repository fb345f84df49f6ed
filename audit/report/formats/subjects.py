"""The cases of a result, one a check and subject: what junit, sarif and their like are made of.

A subject is the columns (and the segment) that a finding, a measurement or a reason is about. A check without any is
one case by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from audit.findings import Finding, NotEvaluated, Outcome, Severity, Status
from audit.report.wording import visible
from audit.result import Result

Subject = tuple[tuple[str, ...], str]
"""Columns in the order of the check, and the segment ("" without)."""


@dataclass(slots=True)
class Case:
    """One check on one subject; `findings` come worst first, `reason` says why nothing was judged."""

    outcome: Outcome
    subject: Subject
    findings: list[Finding] = field(default_factory=list)
    reason: str = ""

    @property
    def status(self) -> Status:
        """`error`, `fail`, `warn`, `pass`, or how it came that nothing was judged."""
        if self.outcome.status is Status.ERROR:
            return Status.ERROR
        worst = max((finding.severity for finding in self.findings if finding.accepted is None), default=None)
        if worst is not None and worst > Severity.INFO:
            return Status(worst.label)
        if self.reason and not self.findings:
            nothing = (Status.SKIPPED, Status.NOT_APPLICABLE)
            return self.outcome.status if self.outcome.status in nothing else Status.NOT_APPLICABLE
        return Status.PASS

    @property
    def name(self) -> str:
        """The subject in words: columns and segment, or "dataset"."""
        columns, segment = self.subject
        words = ", ".join(visible(column, 80) for column in columns[:4])
        words += f" and {len(columns) - 4} more" if len(columns) > 4 else ""
        return (words or "dataset") + (f" [{visible(segment, 80)}]" if segment else "")


def cases(result: Result) -> Iterator[Case]:
    """Yield every check x subject, checks in the order of the result, subjects in the order of the check."""
    for outcome in result.outcomes:
        found: dict[Subject, Case] = {}
        for finding in sorted(outcome.findings, key=lambda f: (-f.severity, -(f.effect or 0.0))):
            _case(found, outcome, finding.columns, finding.segment).findings.append(finding)
        for measured in outcome.measurements:
            _case(found, outcome, measured.columns, measured.segment)
        for entry in outcome.not_evaluated:
            _leave_out(found, outcome, entry)
        if not found:
            found[(), ""] = Case(outcome, ((), ""), reason="" if outcome.status is Status.PASS else outcome.reason)
        yield from found.values()


def _case(found: dict[Subject, Case], outcome: Outcome, columns: Sequence[str], segment: str | None) -> Case:
    subject = (tuple(columns), segment or "")
    return found.setdefault(subject, Case(outcome, subject))


def _leave_out(found: dict[Subject, Case], outcome: Outcome, entry: NotEvaluated) -> None:
    subjects: list[tuple[str, ...]] = [(column,) for column in entry.columns]
    for columns in subjects or [()]:
        case = _case(found, outcome, columns, None)
        if not case.findings:
            case.reason = entry.reason
