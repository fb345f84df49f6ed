"""Audits as asset checks of Dagster.

    from audit.interop.dagster import audit_check

    orders_are_fit = audit_check("orders", key="order_id")
    Definitions(assets=[orders], asset_checks=[orders_are_fit])

The check runs after the asset on the value that it returned (a frame, a table, a path). It passes when nothing is at
`fail_on` or above; its severity is ERROR for `fail` and WARN for `warn`, and its metadata hold the scores, the counts
and the findings. A check of ours that broke raises, so that Dagster shows it as failed to execute, not as passed.

This module needs the package dagster.
"""

from __future__ import annotations

from typing import Any

from dagster import AssetCheckResult, AssetChecksDefinition, AssetCheckSeverity, MetadataValue, asset_check

from audit.errors import AuditError
from audit.findings import Severity
from audit.report.formats.markdown import render_markdown
from audit.report.verdict import verdict
from audit.result import Result
from audit.runner import run


def audit_check(
    asset: Any, *, name: str = "audit", fail_on: str = "fail", blocking: bool = False, **settings: Any
) -> AssetChecksDefinition:
    """Return an asset check that audits the value of an asset.

    Args:
        asset: the asset, its key or its name.
        name: of the check.
        fail_on: findings from here on do not pass: "fail" or "warn".
        blocking: whether assets downstream wait for it.
        **settings: as for `audit.run`: roles, `select`, `checks`, `config` ...
    """

    @asset_check(asset=asset, name=name, blocking=blocking, description="An audit of the data by dataset-audit.")
    def check(value) -> AssetCheckResult:  # type: ignore[no-untyped-def]  # Dagster reads annotations
        return as_check_result(run(value, **{"name": name, **settings}), fail_on)

    return check


def as_check_result(result: Result, fail_on: str = "fail") -> AssetCheckResult:
    """Return a result as Dagster keeps it.

    Raises:
        AuditError: a check broke.
    """
    if result.errors:
        raise AuditError("; ".join(f"{outcome.code} broke: {outcome.reason}" for outcome in result.errors))
    worst = max((finding.severity for finding in result.findings), default=Severity.INFO)
    counts = {s.label: sum(f.severity is s for f in result.findings) for s in Severity}
    scores = {f"score_{s.dimension}": MetadataValue.float(s.value) for s in result.scores if s.value is not None}
    return AssetCheckResult(
        passed=result.ok(fail_on),
        severity=AssetCheckSeverity.ERROR if worst is Severity.FAIL else AssetCheckSeverity.WARN,
        description=str(verdict(result)),
        metadata={
            "rows": MetadataValue.int(result.dataset.rows),
            **{f"findings_{label}": MetadataValue.int(count) for label, count in counts.items()},
            **scores,
            "report": MetadataValue.md(render_markdown(result)),
        },
    )
