"""Findings that people know and live with: a file of decisions, each with its reason.

    version: 1
    findings:
      - fingerprint: 3f0c...            # of the finding, as the JSON and the report give it
        code: COM001                    # the rest says what it is about, for people
        columns: [middle_name]
        message: "'middle_name': 88% of the values are missing"
        decision: accepted              # or ignored
        reason: "optional by design"
        author: ada
        expires: 2027-01-31

The report's review mode exports this file, `audit baseline write` makes it from a result, and `audit run --baseline`
reads it. An accepted finding stays in every output, marked and with its reason; it counts neither for the verdict nor
for the exit code. A decision that has expired no longer holds, and one whose finding is gone is stale: both are told.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from audit.errors import ConfigError, did_you_mean
from audit.findings import Acceptance, Finding, Outcome, Severity, Status
from audit.result import BaselineUse, Result


class Decision(BaseModel):
    """One decision about one finding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str = Field(pattern="^[0-9a-f]{32}$", description="of the finding")
    code: str = Field(default="", description="the check")
    columns: tuple[str, ...] = Field(default=(), description="what it is about")
    segment: str | None = Field(default=None, description="the part of the data that it is about")
    message: str = Field(default="", description="what was found when it was decided")
    decision: Literal["accepted", "ignored"] = Field(default="accepted", description="fine as it is, or no fault")
    reason: str = Field(min_length=1, description="why")
    author: str = Field(default="", description="who decided")
    expires: dt.date | None = Field(default=None, description="the last day on which it holds")

    @field_validator("reason")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("a reason is wanted: it is what the next reader needs")
        return value

    def holds(self, today: dt.date) -> bool:
        """Whether it has not expired."""
        return self.expires is None or today <= self.expires

    def __str__(self) -> str:
        """Return what it is about, in words."""
        columns = f" {', '.join(self.columns)}" if self.columns else ""
        segment = f" [{self.segment}]" if self.segment else ""
        return f"{self.code or self.fingerprint[:8]}{columns}{segment}"


class Baseline(BaseModel):
    """A file of decisions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    dataset: str | None = Field(default=None, description="the dataset that the decisions are about")
    findings: tuple[Decision, ...] = ()

    @field_validator("findings")
    @classmethod
    def _once_each(cls, value: tuple[Decision, ...]) -> tuple[Decision, ...]:
        seen: set[str] = set()
        for decision in value:
            if decision.fingerprint in seen:
                raise ValueError(f"{decision} is decided twice; keep one of the two")
            seen.add(decision.fingerprint)
        return value


def read_baseline(path: str | Path) -> Baseline:
    """Return the decisions of a file.

    Raises:
        ConfigError: it cannot be read, is malformed (with the line), or a decision is not usable.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"no baseline {path}; write one with `audit baseline write RESULT -o {path}`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from error
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: `findings:` with a list of decisions is wanted, not {type(found).__name__}")
    try:
        return Baseline.model_validate(found)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = Decision.model_fields if "findings" in problem["loc"] else Baseline.model_fields
        return f"unknown entry '{place}'{did_you_mean(str(problem['loc'][-1]), known)}"
    return f"'{place}': {problem['msg'].removeprefix('Value error, ')}"


def baseline_text(baseline: Baseline) -> str:
    """Return a baseline as YAML."""
    body = baseline.model_dump(mode="json", exclude_defaults=True)
    body = {"version": 1, **body, "findings": body.get("findings", [])}
    head = "# Findings that are known, with the reason of each; `audit run --baseline` reads this file.\n"
    return head + yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes Unicode's own line breaks as escapes: PyYAML reads them back from other texts as something else."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if any(character in value for character in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def decide(
    result: Mapping[str, Any],
    *,
    reason: str,
    author: str = "",
    expires: dt.date | None = None,
    severities: Iterable[str] = ("fail", "warn"),
    codes: Sequence[str] = (),
    known: Baseline | None = None,
) -> Baseline:
    """Accept the findings of a result (as `Result.to_dict` gives it); decisions that are known already are kept.

    Args:
        result: whose findings are accepted.
        reason: of all of them.
        author: who decides.
        expires: the last day on which the decisions hold.
        severities: findings of these are accepted.
        codes: beginnings of codes; empty means all.
        known: decisions to keep.

    Raises:
        ConfigError: the reason is empty.
    """
    if not reason.strip():
        raise ConfigError("a baseline needs a reason: it is what the next reader needs; give one with --reason")
    decisions = {decision.fingerprint: decision for decision in (known.findings if known else ())}
    for finding in result["findings"]:
        chosen = not codes or any(finding["code"].startswith(code.upper()) for code in codes)
        if finding["severity"] in set(severities) and chosen and finding["fingerprint"] not in decisions:
            decisions[finding["fingerprint"]] = Decision(
                fingerprint=finding["fingerprint"],
                code=finding["code"],
                columns=tuple(finding["columns"]),
                segment=finding["segment"],
                message=finding["message"],
                reason=reason,
                author=author,
                expires=expires,
            )
    return Baseline(dataset=result["dataset"]["id"], findings=tuple(decisions.values()))


def prune(baseline: Baseline, result: Mapping[str, Any], today: dt.date) -> tuple[Baseline, tuple[Decision, ...]]:
    """Return the decisions that still hold for the findings of a result, and those that were taken out."""
    present = {finding["fingerprint"] for finding in result["findings"]}
    judged = {o["code"] for o in result["outcomes"] if o["status"] in ("pass", "warn", "fail")}
    kept: list[Decision] = []
    gone: list[Decision] = []
    for decision in baseline.findings:
        stale = decision.fingerprint not in present and (not decision.code or decision.code in judged)
        (gone if stale or not decision.holds(today) else kept).append(decision)
    return baseline.model_copy(update={"findings": tuple(kept)}), tuple(gone)


def accept(result: Result, baseline: Baseline, path: str, today: dt.date) -> Result:
    """Return the result with each finding that the baseline decides marked, and outcomes judged without these."""
    holding = {d.fingerprint: d for d in baseline.findings if d.holds(today)}
    marked = tuple(_marked(outcome, result, holding) for outcome in result.outcomes)
    present = {result.fingerprint(finding) for finding in result.findings}
    judged = {o.code for o in result.outcomes if o.status in (Status.PASS, Status.WARN, Status.FAIL)}
    expired = tuple(d for d in baseline.findings if not d.holds(today))
    stale = tuple(d for d in holding.values() if d.fingerprint not in present and (not d.code or d.code in judged))
    use = BaselineUse(
        path=path,
        accepted=len(present & set(holding)),
        expired=tuple(f"{d} (expired on {d.expires})" for d in expired),
        stale=tuple(str(d) for d in stale),
    )
    return dataclasses.replace(result, outcomes=marked, baseline=use)


def _marked(outcome: Outcome, result: Result, holding: Mapping[str, Decision]) -> Outcome:
    findings = tuple(_with_decision(f, holding.get(result.fingerprint(f))) for f in outcome.findings)
    if outcome.status not in (Status.WARN, Status.FAIL) or not any(f.accepted for f in findings):
        return dataclasses.replace(outcome, findings=findings)
    worst = max((f.severity for f in findings if f.accepted is None), default=Severity.INFO)
    status = Status(worst.label) if worst > Severity.INFO else Status.PASS
    accepted = sum(f.accepted is not None for f in findings)
    return dataclasses.replace(
        outcome, findings=findings, status=status, reason=f"{outcome.reason}; {accepted} of them accepted"
    )


def _with_decision(finding: Finding, decision: Decision | None) -> Finding:
    if decision is None:
        return finding
    expires = decision.expires.isoformat() if decision.expires else None
    return dataclasses.replace(
        finding, accepted=Acceptance(decision.reason, decision.decision, decision.author, expires)
    )
