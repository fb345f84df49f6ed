"""Audits as tests: `pytest --audit data.parquet`, and the fixture `audit_result`.

With `--audit DATA` each check x subject (column, segment) of the audit is a test item: `fail` fails, `warn` is a
pytest warning (or fails with `--audit-fail-on warn`), a check that broke is a failure, too, and what was not evaluated
is skipped with the reason. `--audit-config FILE` names settings as `audit run --config` does.

The fixture `audit_result` is the `Result` of the audit of the data that the marker names, else of `--audit`:

    @pytest.mark.audit("orders.parquet", key="order_id")
    def test_orders_are_fresh(audit_result):
        assert audit_result.outcome("FRE001").status == "pass"

pytest loads this module in every session where dataset-audit is installed, so it imports nothing of the audit until
one is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from audit.report.formats.subjects import Case
    from audit.result import Result

_RESULTS = pytest.StashKey[dict[Any, "Result"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("audit", "dataset audits")
    group.addoption("--audit", action="append", default=[], metavar="DATA", help="audit DATA, a test a check x subject")
    group.addoption("--audit-config", metavar="FILE", help="settings, as `audit run --config`")
    group.addoption(
        "--audit-fail-on", choices=("fail", "warn", "never"), default="fail", help="findings from here on fail a test"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker."""
    config.addinivalue_line("markers", "audit(data, **settings): the data that the fixture `audit_result` audits")
    config.stash[_RESULTS] = {}


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Append the items of `--audit`."""
    for data in config.getoption("audit"):
        collector = AuditedData.from_parent(session, name=str(data), nodeid=f"audit::{data}")
        items.extend(collector.collect())


class AuditedData(pytest.Collector):
    """The audit of one dataset."""

    def collect(self) -> Iterator[AuditItem]:
        """Run the audit and yield its cases; data that cannot be read is one failing item.

        Yields:
            An item a check and subject.
        """
        from audit.errors import AuditError
        from audit.report.formats.subjects import cases

        try:
            result = _audit(self.config, self.name, {})
        except AuditError as error:
            yield AuditItem.from_parent(self, name="the data can be read", case=None, problem=str(error))
            return
        for case in cases(result):
            yield AuditItem.from_parent(self, name=f"{case.outcome.code} {case.name}", case=case, problem="")


class AuditItem(pytest.Item):
    """One check on one subject."""

    def __init__(self, *, case: Case | None, problem: str, **options: Any) -> None:
        super().__init__(**options)
        self.case = case
        self.problem = problem

    def runtest(self) -> None:
        """Fail, skip, warn or pass as the case does."""
        from audit.findings import Status
        from audit.interop.guard import AuditWarning

        case = self.case
        if case is None:
            raise AuditFailure(self.problem)
        limit = self.config.getoption("audit_fail_on")
        said = "\n".join(f"{f.severity.label}: {f.message}\n  {f.remedy}".rstrip() for f in case.findings)
        if case.status is Status.ERROR:
            raise AuditFailure(case.outcome.reason)
        if case.status in (Status.SKIPPED, Status.NOT_APPLICABLE):
            pytest.skip(case.reason or case.outcome.reason)
        if (case.status is Status.FAIL and limit != "never") or (case.status is Status.WARN and limit == "warn"):
            raise AuditFailure(f"{said}\naudit explain {case.outcome.code}")
        if case.findings and case.status is not Status.PASS:
            warnings.warn(AuditWarning(f"{case.outcome.code} {said}"), stacklevel=1)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the finding, not where the plug-in raised it."""
        if isinstance(excinfo.value, AuditFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """Name the data and the case."""
        data = self.parent.name if self.parent is not None else ""
        return data, None, f"{data}: {self.name}"


class AuditFailure(Exception):  # noqa: N818  # it is no error of the program: the data did not pass
    """A case that failed; the text says what was found."""


@pytest.fixture
def audit_result(request: pytest.FixtureRequest) -> Result:
    """The result of auditing the data of the marker `audit`, else of the first `--audit`; one audit a session."""
    marker = request.node.get_closest_marker("audit")
    if marker is not None:
        if len(marker.args) != 1:
            pytest.fail("@pytest.mark.audit takes the data as its one positional argument", pytrace=False)
        return _audit(request.config, marker.args[0], marker.kwargs)
    given = request.config.getoption("audit")
    if not given:
        pytest.fail("audit_result needs @pytest.mark.audit(DATA) on the test, or --audit DATA", pytrace=False)
    return _audit(request.config, given[0], {})


def _audit(config: pytest.Config, data: Any, settings: dict[str, Any]) -> Result:
    from audit.runner import run

    key = (data if isinstance(data, str) else id(data), repr(sorted(settings.items(), key=str)))
    known = config.stash[_RESULTS]
    if key not in known:
        known[key] = run(data, config=config.getoption("audit_config"), **settings)
    return known[key]
