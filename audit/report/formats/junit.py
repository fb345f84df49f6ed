"""A result as JUnit XML, one test case a check and subject, as CI servers read it.

`fail` is a failure, a check that broke an error, what was not evaluated is skipped with the reason; a warning passes
and stands in `system-out`, so that a server's verdict is that of the exit code with `--fail-on fail`.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # written, never parsed

from audit.findings import Finding, Status
from audit.report.formats.subjects import Case, cases
from audit.report.wording import sentence
from audit.result import Result

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(result: Result) -> str:
    """Return JUnit XML: a suite a dimension, a test case a check and subject."""
    root = Element("testsuites", name=xml_text(result.dataset.uri), time=f"{result.run.seconds:.3f}")
    grouped: dict[str, list[Case]] = {}
    for case in cases(result):
        grouped.setdefault(case.outcome.dimension, []).append(case)
    for dimension, members in grouped.items():
        suite = SubElement(root, "testsuite", name=dimension, timestamp=xml_text(result.run.started))
        for case in members:
            _add(suite, case)
        _count(suite, members)
    _count(root, [case for members in grouped.values() for case in members])
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add(suite: Element, case: Case) -> None:
    outcome = case.outcome
    name = f"{outcome.code} {case.name}"
    element = SubElement(suite, "testcase", classname=f"{outcome.dimension}.{outcome.name}", name=xml_text(name))
    if case.status is Status.ERROR:
        SubElement(element, "error", type="error", message=xml_text(sentence(outcome.reason)))
    elif case.status is Status.FAIL:
        worst = next(finding for finding in case.findings if finding.accepted is None)
        failure = SubElement(element, "failure", type=outcome.code, message=xml_text(_said(worst)))
        failure.text = xml_text("\n".join(_lines(case.findings)))
    elif case.status in (Status.SKIPPED, Status.NOT_APPLICABLE):
        SubElement(element, "skipped", message=xml_text(sentence(case.reason or outcome.reason)))
    elif case.findings:
        SubElement(element, "system-out").text = xml_text("\n".join(_lines(case.findings)))


def _lines(findings: list[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        if finding.accepted is not None:
            lines.append(f"{finding.accepted} ({finding.severity.label}: {_said(finding)})")
            continue
        lines.append(f"{finding.severity.label}: {_said(finding)}")
        if finding.remedy:
            lines.append(f"  {sentence(finding.remedy)}")
    return lines


def _said(finding: Finding) -> str:
    return sentence(finding.message, finding.columns)


def _count(element: Element, members: list[Case]) -> None:
    statuses = [case.status for case in members]
    element.set("tests", str(len(statuses)))
    element.set("failures", str(statuses.count(Status.FAIL)))
    element.set("errors", str(statuses.count(Status.ERROR)))
    element.set("skipped", str(statuses.count(Status.SKIPPED) + statuses.count(Status.NOT_APPLICABLE)))


def xml_text(text: str) -> str:
    r"""Return text without the characters that XML 1.0 cannot hold, written as `\uXXXX` instead."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
