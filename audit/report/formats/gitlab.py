"""A result as a GitLab code quality report: JSON, an entry a finding."""

from __future__ import annotations

import json
from typing import Any

from audit.findings import Outcome, Severity
from audit.report.wording import sentence
from audit.result import Result

_SEVERITIES = {Severity.FAIL: "critical", Severity.WARN: "minor", Severity.INFO: "info"}


def render_gitlab(result: Result) -> str:
    """Return the report; a check that broke is a `blocker`. Accepted findings are left out: the format knows none.

    Data have no lines: every entry points to line 1.
    """
    place = {"path": result.dataset.uri, "lines": {"begin": 1}}
    entries: list[dict[str, Any]] = [
        {
            "description": sentence(finding.message, finding.columns),
            "check_name": finding.code,
            "fingerprint": result.fingerprint(finding),
            "severity": _SEVERITIES[finding.severity],
            "location": place,
        }
        for finding in result.findings
        if finding.accepted is None
    ]
    entries += [_broken(outcome, place) for outcome in result.errors]
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"


def _broken(outcome: Outcome, place: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": sentence(outcome.reason),
        "check_name": outcome.code,
        "fingerprint": f"error-{outcome.code}",
        "severity": "blocker",
        "location": place,
    }
