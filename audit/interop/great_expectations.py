"""Great Expectations 1.x, both ways: our checks as Expectations, and a GX suite run over a table.

    import great_expectations as gx
    from audit.interop.great_expectations import ExpectAudit

    suite.add_expectation(ExpectAudit(select=["KEY002", "COM001"], roles={"key": "order_id"}))

`ExpectAudit` runs in a checkpoint over pandas data like any other Expectation, and Data Docs show what it found. Each
check has a class of its own besides, `ExpectAuditMissingValues` for COM001 and so on (`expectation_of("COM001")`).

This module needs the extra `gx` and imports Great Expectations, which takes some seconds; nothing else does.
"""

from __future__ import annotations

from typing import Any, ClassVar

from great_expectations.compatibility import pydantic
from great_expectations.core import ExpectationValidationResult
from great_expectations.execution_engine.execution_engine import ExecutionEngine
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.render.components import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer
from great_expectations.render.renderer_configuration import RendererConfiguration, RendererValueType

from audit.checks import check_by_code, installed
from audit.errors import AuditError
from audit.result import Result, plain
from audit.runner import run

MOST_ROWS = 1_000
"""Row numbers that a validation result lists."""


class ExpectAudit(BatchExpectation):
    """Expect an audit of the batch to find nothing at `fail_on` or above.

    Args:
        select: dimensions, codes and prefixes to run; empty means all.
        ignore: dimensions, codes and prefixes to leave out.
        options: options by check code, such as {"COM001": {"warn": 0.1}}.
        roles: which column plays which part, such as {"key": "order_id"}.
        fail_on: "fail" or "warn".

    The batch must be pandas data. A check that breaks makes the Expectation raise, as any other error does.
    """

    select: list[str] = pydantic.Field(default_factory=list)
    ignore: list[str] = pydantic.Field(default_factory=list)
    options: dict[str, Any] = pydantic.Field(default_factory=dict)
    roles: dict[str, Any] = pydantic.Field(default_factory=dict)
    fail_on: str = "fail"

    args_keys = ("select", "ignore", "options", "roles", "fail_on")
    success_keys = ("select", "ignore", "options", "roles", "fail_on")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)
    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.row_count",)
    library_metadata: ClassVar[dict[str, Any]] = {
        "maturity": "production",
        "tags": ["dataset-audit"],
        "contributors": ["dataset-audit"],
    }

    def _chosen(self) -> dict[str, Any]:
        return {"select": tuple(self.select), "ignore": tuple(self.ignore), "checks": dict(self.options)}

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> ExpectationValidationResult | dict[str, Any]:
        if not isinstance(execution_engine, PandasExecutionEngine):
            raise AuditError("audits run on pandas batches; use a pandas data source, or `audit run` where the data is")
        frame = execution_engine.dataframe
        result = run(frame, name="batch", roles=dict(self.roles), fail_on=self.fail_on, **self._chosen())
        if result.errors:
            raise AuditError("; ".join(f"{outcome.code} broke: {outcome.reason}" for outcome in result.errors))
        return {"success": result.ok(self.fail_on), "result": _said(result, self.fail_on)}

    @classmethod
    def _prescriptive_template(cls, renderer_configuration: RendererConfiguration[Any]) -> RendererConfiguration[Any]:
        renderer_configuration.add_param(name="fail_on", param_type=RendererValueType.STRING)
        renderer_configuration.add_param(name="select", param_type=RendererValueType.ARRAY)
        renderer_configuration.template_str = f"{cls.subject()} must find nothing at $fail_on or above."
        return renderer_configuration

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        result: ExpectationValidationResult | None = None,
        runtime_configuration: dict[str, Any] | None = None,
        **_: Any,
    ) -> list[RenderedStringTemplateContent]:
        """Say in Data Docs what is expected."""
        known = configuration or (result.expectation_config if result is not None else None)
        arguments = known.kwargs if known is not None else {}
        chosen = ", ".join(arguments.get("select") or ())
        template = f"{cls.subject()} must find nothing at $fail_on or above" + (": $select." if chosen else ".")
        params = {"fail_on": arguments.get("fail_on", "fail"), "select": chosen}
        said = {"template": template, "params": params, "styling": {}}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=said)]

    @classmethod
    def subject(cls) -> str:
        """Return what is run, in words, for Data Docs."""
        return "An audit of the batch"


class _ExpectCheck(ExpectAudit):
    """The base of the classes that run one check each."""

    code: ClassVar[str] = ""

    def _chosen(self) -> dict[str, Any]:
        return {"select": (self.code,), "checks": {self.code: dict(self.options)} if self.options else {}}

    @classmethod
    def subject(cls) -> str:
        """Return the check's code and name."""
        return f"{cls.code} ({check_by_code(cls.code).name})" if cls.code else "A check"


def expectation_of(code: str) -> type[ExpectAudit]:
    """Return the Expectation class of a check; its `options` are those of the check itself.

    Raises:
        ConfigError: no check has this code.
    """
    return _BY_CODE[check_by_code(code).code]


def _said(result: Result, fail_on: str) -> dict[str, Any]:
    findings = result.reaches(fail_on)
    rows = [row for finding in findings for row in finding.row_ids][:MOST_ROWS]
    counted = ", ".join(f"{f.code}: {f.message}" for f in findings[:5])
    more = f" and {len(findings) - 5} more" if len(findings) > 5 else ""
    affected = max((finding.affected or 0 for finding in findings), default=0)
    return {
        "observed_value": f"{counted}{more}" if findings else "nothing found",
        "element_count": result.dataset.rows,
        "unexpected_count": affected,
        "unexpected_percent": 100.0 * affected / max(result.dataset.rows, 1),
        "partial_unexpected_index_list": rows,
        "details": {"findings": plain([_brief(result, finding) for finding in result.findings])},
    }


def _brief(result: Result, finding: Any) -> dict[str, Any]:
    names = ("code", "columns", "segment", "message", "statistic", "value", "limit", "affected", "remedy")
    return {
        "fingerprint": result.fingerprint(finding),
        "severity": finding.severity.label,
        **{name: getattr(finding, name) for name in names},
    }


def _class_of(code: str, name: str) -> type[ExpectAudit]:
    words = "".join(part.capitalize() for part in name.split("-"))
    manual = f"Expect {code} ({name}) to find nothing at `fail_on` or above; `options` are those of the check."
    body = {"code": code, "__doc__": manual, "__module__": __name__, "__annotations__": {"code": ClassVar[str]}}
    return type(f"ExpectAudit{words}", (_ExpectCheck,), body)


_BY_CODE: dict[str, type[ExpectAudit]] = {code: _class_of(code, check.name) for code, check in installed().items()}
globals().update({made.__name__: made for made in _BY_CODE.values()})
