"""GXE001: a suite of Great Expectations as a check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.completeness._wording import percent
from audit.dataset import Dataset, Kind
from audit.errors import CheckError
from audit.facts import Asks, ExpectationResult, ExpectationResults, ExpectationSuite, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity

_SEVERITIES = {"critical": Severity.FAIL, "warning": Severity.WARN, "info": Severity.INFO}
_MOST_ROWS = 1_000


@register
@dataclass(frozen=True, slots=True)
class SuiteOfExpectations:
    """Expectations of a Great Expectations suite that do not hold.

    What it measures: whatever the suite expects, evaluated by Great Expectations itself over all rows. An expectation
        that does not hold is a finding with its unexpected rows; its severity there (critical, warning, info) is the
        severity here. One that cannot be evaluated breaks the check.
    Why it matters: rules that a team has written down already are worth keeping; this way they stand in the same report
        and count in the same exit code as everything else.
    What to do: as for any other finding: look at the rows, then repair the data or the expectation.

    Options:
        suite: the path of the suite, saved as JSON; without one the check is not evaluated.
    """

    code: ClassVar[str] = "GXE001"
    name: ClassVar[str] = "expectation-suite"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR
    opt_in: ClassVar[bool] = True

    suite: str | None = None

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the results of the suite."""
        if self.suite is None:
            return NotEvaluated("no suite of Great Expectations is named; name one with --set GXE001.suite=FILE")
        if data.rows == 0:
            return NotEvaluated("the dataset has no rows")
        return {"results": ExpectationSuite(self.suite)}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Turn each result into a finding or a measurement."""
        answer: ExpectationResults = facts["results"]
        basis = Basis(answer.rows, answer.rows)
        broken = [one for one in answer.results if one.error]
        if broken:
            raise CheckError(f"{broken[0].type} of suite '{answer.name}' cannot be evaluated: {broken[0].error}")
        if not answer.results:
            yield NotEvaluated(f"the suite '{answer.name}' holds no expectation")
        for place, one in enumerate(answer.results):
            yield self._said(one, f"{one.type}#{place}", basis)

    def _said(self, one: ExpectationResult, segment: str, basis: Basis) -> Judgement:
        share = None if one.unexpected is None else one.unexpected / basis.of
        if one.success:
            value = "holds" if share is None else share
            return Measurement(one.type, one.columns, value, basis, segment=segment)
        with_values = ", ".join(f"{key}={value!r}" for key, value in one.parameters.items())
        subject = ", ".join(f"'{column}'" for column in one.columns) or "the table"
        seen = f"observed {one.observed}" if one.observed or share is None else ""
        rows = "" if share is None else f"{one.unexpected:,} of {basis.of:,} rows are unexpected ({percent(share)})"
        return Finding(
            code=self.code,
            columns=one.columns,
            severity=_SEVERITIES.get(one.severity, Severity.FAIL),
            message=f"{subject}: {one.type}({with_values}) does not hold: {'; '.join(filter(None, (rows, seen)))}",
            statistic=one.type,
            value=share,
            limit=None,
            limit_source="suite",
            basis=basis,
            effect=0.5 if share is None else share,
            affected=one.unexpected,
            segment=segment,
            row_ids=one.row_ids[:_MOST_ROWS],
            remedy="Look at the unexpected rows; repair the data, or the expectation where it asks too much.",
        )
