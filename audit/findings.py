"""What a check says: findings, measurements and the outcome of a check.

The bottom layer: frozen, serialisable, standard library only. Facts come in, one of these goes out; nothing here
computes a statistic or draws a chart.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DIMENSIONS: tuple[str, ...] = (
    "completeness",
    "representativeness",
    "class_balance",
    "label_accuracy",
    "correlation",
    "freshness",
)
"""The six dimensions, in the order of every output."""


class Severity(enum.IntEnum):
    """How much a finding matters; ordered, so that `max` gives the worst."""

    INFO = 1
    WARN = 2
    FAIL = 3

    @property
    def label(self) -> str:
        """The word used in every output: `info`, `warn` or `fail`."""
        return self.name.lower()


class Status(enum.StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105  # not a password
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a number rests on: all rows, or a seeded sample of them.

    Attributes:
        rows: rows that were looked at.
        of: rows that there are.
        seed: the seed of the sample; None when every row was looked at.
        error: for a sample, the largest error of a share at 95% confidence; None when exact.
    """

    rows: int
    of: int
    seed: int | None = None
    error: float | None = None

    @property
    def exact(self) -> bool:
        """Whether every row was looked at."""
        return self.seed is None

    def __str__(self) -> str:
        """Return the words that every finding carries."""
        if self.exact:
            return f"all {self.of:,} rows"
        error = "" if self.error is None else f", error of a share <= {self.error:.2%}"
        return f"sample of {self.rows:,} of {self.of:,} rows, seed {self.seed}{error}"


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval: `low`, `high`, its level and the method that made it."""

    low: float
    high: float
    method: str
    level: float = 0.95


ChartKind = Literal["histogram", "bars", "heatmap", "confusion", "line", "scatter", "intervals"]


@dataclass(frozen=True, slots=True)
class Chart:
    """The data of one picture; `audit.report` draws it.

    `data` holds JSON values only (no NaN: use None), by kind:

    - histogram: `edges` [k+1], `counts` [k], optional `reference` [k] (counts on these edges), `density`
      [[x, y], ...]
    - bars: `labels` [k], `values` [k], optional `reference` [k], optional `limit`, optional `total` (what all values
      and all of the reference sum to, where the bars are the most frequent of many); with only `x_title` it names the
      values, with both `x_title` the labels
    - heatmap: `rows` [r], `columns` [c], `values` [r][c], `low`, `high` (ends of the colour scale)
    - confusion: `labels` [k], `matrix` [k][k] (rows: given, columns: other), `row_title`, `column_title`
    - line: `x` [n] (numbers or ISO times), `series` [{`name`, `values` [n], optional `low`, `high`}], optional `limit`
    - scatter: `x` [n], `y` [n] (at most 500 points)
    - intervals: `labels` [k], `values` [k], `low` [k], `high` [k], optional `limit`
    """

    kind: ChartKind
    title: str
    data: Mapping[str, Any]
    x_title: str = ""
    y_title: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing, with its evidence.

    Attributes:
        code: the check's code, such as `COM001`.
        columns: the columns that it is about; empty when it is about the whole dataset.
        severity: info, warn or fail.
        message: one sentence: subject, number, denominator, limit.
        statistic: the name of the number (`missing_share`, `psi`, `cramers_v`).
        value: the number itself; None when there is none.
        limit: the limit that it was judged by.
        limit_source: where that limit comes from (`default`, `audit.yaml`, or a citation).
        basis: the rows that the number rests on.
        interval: its confidence interval.
        effect: how large the problem is on a scale of 0 to 1, for ranking findings.
        affected: how many rows the finding touches, among all rows (an estimate when the basis is a sample).
        segment: the part of the data that it is about (`country=DE`, `2024-03`); part of the fingerprint.
        where: an SQL predicate over the dataset's columns that selects the affected rows (double-quoted names).
        row_ids: row numbers (of `Sampled.row_ids`) when no predicate can say which; at most 1,000, worst first.
        chart: the data of a picture of the evidence.
        remedy: what to do about it, in one or two sentences.
        evidence: further named numbers, JSON values only.
    """

    code: str
    columns: tuple[str, ...]
    severity: Severity
    message: str
    statistic: str
    value: float | int | str | None
    limit: float | int | str | None
    basis: Basis
    limit_source: str = "default"
    interval: Interval | None = None
    effect: float | None = None
    affected: int | None = None
    segment: str | None = None
    where: str | None = None
    row_ids: tuple[int, ...] = ()
    chart: Chart | None = None
    remedy: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self, dataset_id: str) -> str:
        """Return the identity of this finding across runs: sha256 over code, dataset id, columns and segment."""
        parts = "\x1f".join([self.code, dataset_id, *sorted(self.columns), "\x1e", self.segment or "", self.statistic])
        return hashlib.sha256(parts.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number that was judged and found fine (or that a finding rests on): passing values are kept too."""

    statistic: str
    columns: tuple[str, ...]
    value: float | int | str | None
    basis: Basis
    limit: float | int | str | None = None
    interval: Interval | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    segment: str | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """Why a check (or one of its columns) has nothing to judge, and what would change that.

    Returned by `ask`, or yielded by `judge`. `columns` empty means the check as a whole.
    """

    reason: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A picture of the whole dataset for the report, passed or not: the association heat map, the class balance."""

    chart: Chart
    caption: str = ""


Judgement = Finding | Measurement | NotEvaluated | View


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check ended on one dataset.

    `reason` is never empty: what passed, what was found, why it did not apply, or the error.
    """

    code: str
    name: str
    dimension: str
    status: Status
    reason: str
    findings: tuple[Finding, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    not_evaluated: tuple[NotEvaluated, ...] = ()
    views: tuple[View, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
