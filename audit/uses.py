"""What a dataset can be used for: to train a classifier, a regressor, an offline learner. Judged here alone.

Of a table: the declared label says which of the two uses there is to judge, the open findings say how suited the table
is. Of trajectories: REP105 has judged each learner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from audit.findings import Outcome, Status

if TYPE_CHECKING:
    from audit.result import Result

Suited = Literal["yes", "with care", "no", "not assessed"]

CLASSIFIER, REGRESSOR = "classifier", "regressor"

NEEDED = ("label_accuracy", "correlation")
"""Dimensions without which nobody knows whether what is learned is right (wrong labels) or real (leakage)."""

_MOST_CODES = 4


@dataclass(frozen=True, slots=True)
class Use:
    """One use of the data, whether they are suited to it, and why."""

    name: str
    suited: Suited
    reason: str


def uses(result: Result) -> tuple[Use, ...]:
    """Return the uses that a result speaks about; of trajectories none where REP105 did not judge."""
    return tuple(_learners(result) if result.dataset.kind == "trajectory" else _models(result))


def _learners(result: Result) -> Iterator[Use]:
    for finding in result.findings:
        if finding.code == "REP105" and finding.statistic == "suited_learners":
            for name, said in finding.evidence.items():
                if isinstance(said, Mapping) and "suited" in said:
                    yield Use(str(name), said["suited"], str(said.get("reason", "")))


def _models(result: Result) -> Iterator[Use]:
    label = next((role for role in result.roles if role.role == "label" and role.columns), None)
    if label is None:
        why = "no column has the role label; name what a model would predict with --label"
        yield Use(CLASSIFIER, "not assessed", why)
        yield Use(REGRESSOR, "not assessed", why)
        return
    name = label.columns[0]
    judged = _judged(result.outcomes)
    classes, number = f"the label '{name}' holds classes", f"the label '{name}' is a number"
    other = "another label is named with --label"
    if label.kind == "number":
        yield Use(CLASSIFIER, "not assessed", f"{number}, not a class; {other}")
        yield Use(REGRESSOR, *judged)
    else:
        yield Use(CLASSIFIER, *judged)
        yield Use(REGRESSOR, "not assessed", f"{classes}, not a number; {other}")


def _judged(outcomes: tuple[Outcome, ...]) -> tuple[Suited, str]:
    """Return how suited a table with a label is, and why: by the worst of its checks, and by what was not looked at."""
    by_status = {status: [o.code for o in outcomes if o.status is status] for status in Status}
    if by_status[Status.FAIL]:
        return "no", f"{_named(by_status[Status.FAIL])} fail"
    if by_status[Status.ERROR]:
        return "not assessed", f"{_named(by_status[Status.ERROR])} broke"
    evaluated = {o.dimension for o in outcomes if o.status in (Status.PASS, Status.WARN)}
    missing = [dimension.replace("_", " ") for dimension in NEEDED if dimension not in evaluated]
    reasons = [f"{_named(by_status[Status.WARN])} warn"] if by_status[Status.WARN] else []
    reasons += [f"{' and '.join(missing)} not assessed"] if missing else []
    if reasons:
        return "with care", "; ".join(reasons)
    return "yes", f"all of {len(by_status[Status.PASS])} checks pass"


def _named(codes: list[str]) -> str:
    rest = len(codes) - _MOST_CODES
    return ", ".join(codes[:_MOST_CODES]) + (f" and {rest} more" if rest > 0 else "")
