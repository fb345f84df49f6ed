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
        unit: what the rows are called: "rows" of a table, "steps" of trajectories. A check need not say it.
    """

    rows: int
    of: int
    seed: int | None = None
    error: float | None = None
    unit: str = "rows"

    @property
    def exact(self) -> bool:
        """Whether every row was looked at."""
        return self.seed is None

    def __str__(self) -> str:
        """Return the words that every finding carries."""
        if self.exact:
            return f"all {self.of:,} {self.unit}"
        error = "" if self.error is None else f", error of a share <= {self.error:.2%}"
        return f"sample of {self.rows:,} of {self.of:,} {self.unit}, seed {self.seed}{error}"


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval: `low`, `high`, its level and the method that made it."""

    low: float
    high: float
    method: str
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That people know a finding and live with it: it counts neither for the exit code nor for the verdict.

    Attributes:
        reason: why, in words; never empty.
        decision: "accepted" (it is so, and fine) or "ignored" (it is no fault).
        author: who decided; empty when nobody said.
        expires: the last day on which it holds (ISO date); None for ever.
    """

    reason: str
    decision: Literal["accepted", "ignored"] = "accepted"
    author: str = ""
    expires: str | None = None

    def __str__(self) -> str:
        """Return the decision in words, for every output."""
        by = f" by {self.author}" if self.author else ""
        until = f" until {self.expires}" if self.expires else ""
        return f"{self.decision}{by}{until}: {self.reason}"


ChartKind = Literal["histogram", "bars", "heatmap", "confusion", "line", "scatter", "intervals"]


@dataclass(frozen=True, slots=True)
class Chart:
    """The data of one picture; `audit.report` draws it.

    `data` holds JSON values only (no NaN: use None), by kind:

    - histogram: `edges` [k+1], `counts` [k], optional `reference` [k] (counts on these edges), `density`
      [[x, y], ...]; `y_title` names what is counted ("rows", "steps", "episodes"), of which bars show shares
    - bars: `labels` [k], `values` [k], optional `reference` [k], optional `limit`, optional `total` (what all values
      and all of the reference sum to, where the bars are the most frequent of many); with only `x_title` it names the
      values, with both `x_title` the labels
    - heatmap: `rows` [r], `columns` [c], `values` [r][c], `low`, `high` (ends of the colour scale)
    - confusion: `labels` [k], `matrix` [k][k] (rows: given, columns: other), `row_title`, `column_title`
    - line: `x` [n] (numbers or ISO times), `series` [{`name`, `values` [n], optional `low`, `high`}], optional `limit`,
      optional `marks` [[from, to], ...] (stretches of x to point out)
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
        episodes: ids of the episodes that it is about, as text; at most 1,000, worst first. Trajectories only.
        where: an SQL predicate over the dataset's columns that selects the affected rows (double-quoted names).
        row_ids: row numbers when no predicate can say which; at most 1,000, worst first. Of a table: as
            `Sampled.row_ids`; of trajectories: the place of the step in the order in which they were read.
        chart: the data of a picture of the evidence.
        remedy: what to do about it, in one or two sentences.
        evidence: further named numbers, JSON values only.
        accepted: the decision of a baseline about it; None where it is open.
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
    episodes: tuple[str, ...] = ()
    where: str | None = None
    row_ids: tuple[int, ...] = ()
    chart: Chart | None = None
    remedy: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    accepted: Acceptance | None = None

    def fingerprint(self, dataset_id: str) -> str:
        """Return the identity of this finding across runs: sha256 over code, dataset id, columns and segment."""
        return _identity(dataset_id, self.code, self.columns, self.segment, self.statistic)


def _identity(dataset_id: str, code: str, columns: tuple[str, ...], segment: str | None, statistic: str) -> str:
    parts = "\x1f".join([code, dataset_id, *sorted(columns), "\x1e", segment or "", statistic])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


RepairKind = Literal["relabel", "shift", "split", "drop_steps", "quarantine", "rebuild_next"]

Spans = tuple[tuple[int, int], ...]
"""Half-open spans of steps, by their place in the order in which the trajectories were read."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A change to trajectories that would mend a finding: `audit clean` makes the safe ones and proposes the others.

    It belongs to the finding with the same code, columns, segment and statistic. What it does, by kind:

    - relabel: set the flag `field` to `value` at `rows`
    - shift: move the stream `field` by `value` steps inside each of `episodes` (+1: what stands at t belongs to t + 1);
      the step at the edge that loses its value is dropped, unless it is terminated and the dynamics tell its action
    - split: end the episode after each of `rows` (truncated; the last step is dropped where no next observation is
      known)
    - drop_steps: leave `rows` out; the episode is split there, so that no transition jumps over the gap. Where `field`
      is `next_observation`, what follows the step is wrong, not its own observation, and a split behind it mends it
    - quarantine: leave `episodes` out
    - rebuild_next: take the next observation of `rows` from the row that follows; none at the end of an episode

    Attributes:
        code, columns, segment, statistic: of the finding that it mends.
        kind: see above.
        reason: one sentence: what is changed and on what evidence.
        rows: the steps, for kinds that name steps.
        episodes: ids of the episodes as text, for kinds that name episodes; empty for a shift means all.
        field: `terminated`, `truncated`, `reward`, `action`, `observation` or `next_observation`.
        value: the new flag, or the number of steps of a shift.
        safe: whether it is made without being asked: only where nothing is guessed.
    """

    code: str
    columns: tuple[str, ...]
    statistic: str
    kind: RepairKind
    reason: str
    rows: Spans = ()
    episodes: tuple[str, ...] = ()
    field: str = ""
    value: bool | int | None = None
    segment: str | None = None
    safe: bool = False

    def fingerprint(self, dataset_id: str) -> str:
        """Return the fingerprint of the finding that it mends."""
        return _identity(dataset_id, self.code, self.columns, self.segment, self.statistic)

    @property
    def steps(self) -> int:
        """How many steps `rows` names."""
        return sum(stop - start for start, stop in self.rows)


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


Judgement = Finding | Measurement | NotEvaluated | View | Repair


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check ended on one dataset.

    `reason` is never empty: what passed, what was found, why it did not apply, or the error. `definition` says what the
    check measures, `option_notes` what each of its options means and where its default comes from.
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
    repairs: tuple[Repair, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    definition: str = ""
    option_notes: Mapping[str, str] = field(default_factory=dict)
