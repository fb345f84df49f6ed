"""A result as SARIF 2.1.0 (OASIS standard), as code scanning services and editors read it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from audit.findings import Acceptance, Finding, Outcome, Severity, Status
from audit.report.wording import sentence, title_of
from audit.result import Result, plain

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.INFO: "note"}


def render_sarif(result: Result) -> str:
    """Return SARIF: a rule a check, a result a finding, with its fingerprint; broken checks are notifications."""
    rules = {outcome.code: place for place, outcome in enumerate(result.outcomes)}
    run = {
        "tool": {
            "driver": {
                "name": "dataset-audit",
                **({"version": result.run.tool_version} if result.run.tool_version else {}),
                "rules": [_rule(outcome) for outcome in result.outcomes],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not result.errors,
                "toolExecutionNotifications": [_notification(outcome) for outcome in result.errors],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, result, rules) for finding in result.findings],
        "properties": {
            "verdict": result.status.value,
            "notEvaluated": {
                outcome.code: outcome.reason
                for outcome in result.outcomes
                if outcome.status in (Status.SKIPPED, Status.NOT_APPLICABLE)
            },
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1) + "\n"


def _rule(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.code,
        "name": "".join(part.capitalize() for part in outcome.name.split("-")),
        "shortDescription": {"text": title_of(outcome.name)},
        "help": {"text": f"audit explain {outcome.code}"},
        "properties": {"tags": [outcome.dimension]},
    }


def _notification(outcome: Outcome) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": sentence(outcome.reason)},
        "associatedRule": {"id": outcome.code},
    }


def _suppression(accepted: Acceptance) -> dict[str, Any]:
    return {"kind": "external", "status": "accepted", "justification": str(accepted)}


def location_of(uri: str) -> dict[str, Any]:
    """Return the place of the data as SARIF writes it."""
    return {"physicalLocation": {"artifactLocation": {"uri": quote(uri, "/:?=&#%")}}}


def _result(finding: Finding, result: Result, rules: dict[str, int]) -> dict[str, Any]:
    location = location_of(result.dataset.uri)
    if finding.columns:
        location["logicalLocations"] = [{"name": column, "kind": "member"} for column in finding.columns]
    return {
        "ruleId": finding.code,
        "ruleIndex": rules[finding.code],
        "level": _LEVELS[finding.severity],
        "message": {"text": " ".join(filter(None, (sentence(finding.message, finding.columns), finding.remedy)))},
        "locations": [location],
        "partialFingerprints": {"datasetAudit/v1": result.fingerprint(finding)},
        **({"suppressions": [_suppression(finding.accepted)]} if finding.accepted is not None else {}),
        "properties": {
            "statistic": finding.statistic,
            "value": plain(finding.value),
            "limit": plain(finding.limit),
            "basis": str(finding.basis),
        },
    }
