"""The result of an audit: what was found, on what, by what, and how to say it to machines.

Everything that an output shows is in here; the report, the JSON and the text draw it and compute nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ConfigError, FindingsError
from audit.findings import DIMENSIONS, Chart, Finding, Outcome, Repair, Severity, Status
from audit.learned import Learning
from audit.uses import uses

if TYPE_CHECKING:
    import pandas as pd

    from audit.split import Split

SCHEMA_VERSION = "1.2"
"""Of the JSON; additive changes raise the second number, others the first."""

FAIL_ON = ("fail", "warn", "never")


def least_severity(fail_on: str) -> Severity | None:
    """Return the severity from which an open finding makes a run fail; None where none does.

    Raises:
        ConfigError: `fail_on` is none of `FAIL_ON`.
    """
    if fail_on not in FAIL_ON:
        raise ConfigError(f"fail_on is '{fail_on}'; allowed are {', '.join(FAIL_ON)}")
    return None if fail_on == "never" else Severity[fail_on.upper()]


MOST_EPISODES = 1_000
"""Episodes that a finding or a repair names in the JSON."""


@dataclass(frozen=True, slots=True)
class Run:
    """This run: the only part of a result that differs between two runs with the same seed and `as_of`."""

    id: str
    started: str
    seconds: float
    timings: Mapping[str, float] = field(default_factory=dict)
    tool_version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class SourceReading:
    """How trajectories were read from their source.

    Attributes:
        format: such as "minari-hdf5".
        mapping: (field of the source, what it was taken for) pairs, in words.
        unknown: what the source could not say.
        skipped: what was left out and why.
        problems: (where, what is wrong) of the parts that could not be read.
        observation: how many numbers an observation has.
        action: what an action is, in words: "2 choices", "vector of 26".
        step_limit: the declared longest episode.
        fps: declared frames a second.
        env_id: the Gymnasium id of the environment.
    """

    format: str
    mapping: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    observation: int = 0
    action: str = ""
    step_limit: int | None = None
    fps: float | None = None
    env_id: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """The audited data; `rows` of trajectories are steps, `bytes` is None where the source has no size.

    `reading` says how trajectories were read; None for a table.
    """

    uri: str
    id: str
    kind: str
    rows: int
    columns: int
    episodes: int | None = None
    bytes: int | None = None
    schema_hash: str = ""
    notes: tuple[str, ...] = ()
    reading: SourceReading | None = None

    @property
    def unit(self) -> str:
        """What the data is made of: "rows" of a table, "steps" of trajectories."""
        return "rows" if self.kind != "trajectory" else "steps"


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One episode of trajectories.

    Attributes:
        id: as text.
        place: 0 .. E-1, in the order in which the episodes were read.
        first_row: place of its first step among all steps.
        length: number of steps.
        episode_return: sum of its rewards, undiscounted; None without rewards or where one is not finite.
        end: how it ends: `terminated`, `truncated`, `both`, `ended` (a flag that leaves open which of the two), `none`
            (no flag, although the source has flags) or `unknown` (the source cannot say).
        severity: of the worst finding that names it or one of its steps; None where none does.
        codes: of these findings, worst first.
        flagged_steps: how many of its steps findings or repairs name.
        strips: streams of the episode over its steps, for the worst few.
    """

    id: str
    place: int
    first_row: int
    length: int
    episode_return: float | None
    end: str
    severity: Severity | None = None
    codes: tuple[str, ...] = ()
    flagged_steps: int = 0
    strips: tuple[Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one number an episode: mean, lowest, median and highest."""

    mean: float
    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class EpisodeTotals:
    """All episodes together.

    Attributes:
        episodes: number of episodes.
        steps: number of steps.
        with_findings: episodes that a finding at `warn` or above names.
        flagged_steps: steps that findings or repairs name.
        ends: how many episodes end in each of the ways of `EpisodeSummary.end`.
        lengths: of the episodes, in steps; None without episodes.
        returns: undiscounted, of the episodes with finite rewards; None without rewards.
        length_chart: histogram of the lengths.
        return_chart: histogram of the returns.
    """

    episodes: int
    steps: int
    with_findings: int
    flagged_steps: int
    ends: Mapping[str, int]
    lengths: Spread | None = None
    returns: Spread | None = None
    length_chart: Chart | None = None
    return_chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A role as it was used, with the evidence for it; `kind` of a label is "classes" or "number", else empty."""

    role: str
    columns: tuple[str, ...]
    reason: str
    given: bool
    kind: str = ""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column as the report's explorer shows it.

    Numbers that do not apply are None. `missing` counts NULL and NaN over all rows. `chart` is a histogram with density
    (numbers, times) or bars (categories). `basis` says what the chart and the quantiles rest on.
    """

    name: str
    kind: str
    type: str
    role: str | None
    rows: int
    missing: int
    nan: int
    infinite: int
    distinct: int | None
    distinct_exact: bool
    mean: float | None = None
    std: float | None = None
    skewness: float | None = None
    low: float | str | None = None
    high: float | str | None = None
    quantiles: Mapping[str, float] = field(default_factory=dict)
    top: tuple[tuple[str, int], ...] = ()
    chart: Chart | None = None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class BaselineUse:
    """What a baseline did: how many findings it accepts, and which of its decisions expired or lost their finding."""

    path: str
    accepted: int
    expired: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a dimension: 100 x (passed + half of the warned) / evaluated checks, None when there are none.

    It sums up; it never overrides a fail. `status` is the worst outcome of the dimension's checks.
    """

    dimension: str
    value: float | None
    status: Status
    passed: int
    warned: int
    failed: int
    errors: int
    not_evaluated: int


@dataclass(frozen=True, slots=True)
class Result:
    """What `audit.run` returns. Immutable; every output is a method or is drawn from it.

    `columns` of trajectories are their streams (entries of the observation and the action, the reward); `episodes` are
    at most 1,000, worst first, and `episode_totals` is about all of them.
    """

    run: Run
    dataset: DatasetSummary
    roles: tuple[RoleAssignment, ...]
    outcomes: tuple[Outcome, ...]
    columns: tuple[ColumnProfile, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    approximations: tuple[str, ...] = ()
    reference: DatasetSummary | None = None
    episodes: tuple[EpisodeSummary, ...] = ()
    episode_totals: EpisodeTotals | None = None
    learning: Learning | None = None
    baseline: BaselineUse | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, worst first, then by effect, then in the order of the checks; accepted ones come last."""
        found = [finding for outcome in self.outcomes for finding in outcome.findings]
        return tuple(sorted(found, key=lambda f: (f.accepted is not None, -f.severity, -(f.effect or 0.0))))

    @property
    def errors(self) -> tuple[Outcome, ...]:
        """The checks that broke."""
        return tuple(outcome for outcome in self.outcomes if outcome.status is Status.ERROR)

    @property
    def scores(self) -> tuple[Score, ...]:
        """One score a dimension, in the fixed order."""
        return tuple(_score(name, [o for o in self.outcomes if o.dimension == name]) for name in DIMENSIONS)

    def outcome(self, code: str) -> Outcome:
        """Return the outcome of one check.

        Raises:
            ConfigError: the check did not take part in this run.
        """
        for outcome in self.outcomes:
            if outcome.code == code.upper():
                return outcome
        raise ConfigError(f"no check '{code}' in this result")

    def fingerprint(self, finding: Finding) -> str:
        """Return the identity of a finding across runs on this dataset."""
        return finding.fingerprint(self.dataset.id)

    def reaches(self, fail_on: str = "fail") -> tuple[Finding, ...]:
        """Return the open findings at or above `fail_on` ("fail", "warn"; "never" gives none); accepted ones are not.

        Raises:
            ConfigError: `fail_on` is another word.
        """
        least = least_severity(fail_on)
        return tuple(f for f in self.findings if least is not None and f.severity >= least and f.accepted is None)

    def ok(self, fail_on: str = "fail") -> bool:
        """Whether no check broke and no finding reaches `fail_on`."""
        return not self.errors and not self.reaches(fail_on)

    def exit_code(self, fail_on: str = "fail") -> int:
        """Return 3 when a check broke, 1 when a finding reaches `fail_on`, else 0: the same for every output format."""
        if self.errors:
            return 3
        return 1 if self.reaches(fail_on) else 0

    def raise_for_status(self, fail_on: str = "fail") -> Result:
        """Return self when `ok(fail_on)`.

        Raises:
            FindingsError: naming each broken check and each finding at or above `fail_on`.
        """
        if self.ok(fail_on):
            return self
        lines = [f"{o.code} error: {o.reason}" for o in self.errors]
        lines += [f"{f.code} {f.severity.label}: {f.message}" for f in self.reaches(fail_on)]
        raise FindingsError(f"{self.dataset.uri} is not fit to train on:\n" + "\n".join(lines))

    def to_dict(self) -> dict[str, Any]:
        """Return the published JSON form: plain types, NaN and infinity as None."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": {**plain(self.run), "checks": {o.code: plain(o.seconds) for o in self.outcomes}},
            "dataset": plain(self.dataset),
            "reference": plain(self.reference),
            "roles": plain(self.roles),
            "settings": plain(self.settings),
            "verdict": {
                "status": self.status.value,
                "findings": self._count_by_severity(),
                "errors": len(self.errors),
                "uses": plain(uses(self)),
            },
            "scores": plain(self.scores),
            "outcomes": [_outcome_dict(outcome, self.dataset.id) for outcome in self.outcomes],
            "findings": [{"fingerprint": self.fingerprint(f), **_finding_dict(f)} for f in self.findings],
            "columns": plain(self.columns),
            "episodes": plain(self.episodes),
            "episode_totals": plain(self.episode_totals),
            "approximations": plain(self.approximations),
            "learning": plain(self.learning),
            "baseline": plain(self.baseline),
        }

    @property
    def status(self) -> Status:
        """The worst status of all checks: error, fail, warn or pass."""
        return _worst(self.outcomes)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the result as JSON text (schema: `report/formats/result.schema.json`); write it to `path`."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        if path is not None:
            from audit.files import write_text

            write_text(path, text)
        return text

    def to_html(self, path: str | Path | None = None, *, include_samples: bool = False, lang: str | None = None) -> str:
        """Return the report as one HTML file's text, and write it to `path`.

        Args:
            path: the file to write; None for none.
            include_samples: show evidence that consists of values of the data.
            lang: the language of the report, "en" or "zh"; default: that of the run's settings.

        Raises:
            ConfigError: there is no such language.
        """
        from audit.report.render import render_html

        spoken = lang if lang is not None else str(self.settings.get("lang", "en"))
        text = render_html(self, include_samples=include_samples, language=spoken)
        if path is not None:
            from audit.files import write_text

            write_text(path, text)
        return text

    def _repr_html_(self) -> str:
        """Return what notebooks show: the verdict, the scores and the worst findings."""
        from audit.report.notebook import render_notebook

        return render_notebook(self)

    def split(self, frame: Any, *, severity: str = "fail") -> Split:
        """Part the rows of the audited table: `good`, and `quarantined` with the reasons; see `audit.split`."""
        from audit.split import split

        return split(self, frame, severity=severity)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a finding: fingerprint, code, dimension, severity, columns, message, value, limit ..."""
        import pandas as pd

        dimension = {outcome.code: outcome.dimension for outcome in self.outcomes}
        names = ["fingerprint", "code", "dimension", "severity", "columns", "segment", "message", "statistic", "value"]
        names += ["limit", "limit_source", "effect", "affected", "basis", "where", "remedy", "episodes"]
        rows = [
            {
                "fingerprint": self.fingerprint(f),
                "dimension": dimension.get(f.code),
                "severity": f.severity.label,
                "columns": ", ".join(f.columns),
                "basis": str(f.basis),
                "episodes": ", ".join(f.episodes),
                **{name: getattr(f, name) for name in ("code", "segment", "message", "statistic", "value", "limit")},
                **{name: getattr(f, name) for name in ("limit_source", "effect", "affected", "where", "remedy")},
            }
            for f in self.findings
        ]
        return pd.DataFrame(rows, columns=names)

    def _count_by_severity(self) -> dict[str, int]:
        return {s.label: sum(f.severity is s and f.accepted is None for f in self.findings) for s in reversed(Severity)}


def _worst(outcomes: tuple[Outcome, ...] | list[Outcome]) -> Status:
    statuses = {outcome.status for outcome in outcomes}
    for status in (Status.ERROR, Status.FAIL, Status.WARN, Status.PASS):
        if status in statuses:
            return status
    return Status.NOT_APPLICABLE


def _score(dimension: str, outcomes: list[Outcome]) -> Score:
    count = {status: sum(o.status is status for o in outcomes) for status in Status}
    judged = count[Status.PASS] + count[Status.WARN] + count[Status.FAIL]
    value = 100 * (count[Status.PASS] + 0.5 * count[Status.WARN]) / judged if judged else None
    return Score(
        dimension,
        value,
        _worst(outcomes),
        count[Status.PASS],
        count[Status.WARN],
        count[Status.FAIL],
        count[Status.ERROR],
        count[Status.SKIPPED] + count[Status.NOT_APPLICABLE],
    )


def _outcome_dict(outcome: Outcome, dataset_id: str) -> dict[str, Any]:
    body: dict[str, Any] = plain(dataclasses.replace(outcome, repairs=()))
    del body["seconds"]  # the run's business: the rest is the same for the same seed and as_of
    body["findings"] = len(outcome.findings)
    body["repairs"] = [_repair_dict(repair, dataset_id) for repair in outcome.repairs]
    return body


def _repair_dict(repair: Repair, dataset_id: str) -> dict[str, Any]:
    """Return a repair with the number of its steps: which they are, `audit clean` writes into its plan."""
    body: dict[str, Any] = plain(dataclasses.replace(repair, rows=(), episodes=repair.episodes[:MOST_EPISODES]))
    del body["rows"]
    return {"fingerprint": repair.fingerprint(dataset_id), **body, "steps": repair.steps}


def _finding_dict(finding: Finding) -> dict[str, Any]:
    body: dict[str, Any] = plain(finding)
    body["severity"] = finding.severity.label
    body["basis"] = {**body["basis"], "text": str(finding.basis), "exact": finding.basis.exact}
    return body


def plain(value: Any) -> Any:
    """Return a value as JSON types: dataclasses as dicts, times as ISO text, NaN and infinity as None."""
    if value is None or isinstance(value, bool | str):
        return value.value if isinstance(value, Status) else value
    if isinstance(value, Severity):
        return value.label
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(item) for item in _ordered(value)]
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return None if value != value else value.isoformat()  # noqa: PLR0124  # only NaT differs from itself
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy
        return plain(value.tolist())
    return str(value)


def _ordered(values: Any) -> Iterator[Any]:
    return iter(sorted(values, key=str)) if isinstance(values, set | frozenset) else iter(values)
