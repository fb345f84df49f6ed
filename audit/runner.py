"""One audit from start to end: source, sample, roles, asks, answers, judgements, result."""

from __future__ import annotations

import dataclasses
import datetime as dt
import platform
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit._version import __version__
from audit.baseline import accept, read_baseline
from audit.checks import installed, select
from audit.config import Config, load_config, make_check, make_config, merge, settings_beside
from audit.dataset import Dataset, Kind, Roles
from audit.engine.dialect import DUCKDB
from audit.engine.draw import draw
from audit.engine.duckdb import Connection, Limits, interruptible
from audit.engine.episodes import EpisodeEngine
from audit.engine.plan import Engine, Failure, facts_in, fill
from audit.episode_table import make_episode_table, reading_of
from audit.errors import AuditError, CheckError, ConfigError, RolesError, SourceError
from audit.facts import Asks, Fact, Missing, OnReference
from audit.findings import Finding, Judgement, Measurement, NotEvaluated, Outcome, Repair, Severity, Status, View
from audit.manual import definition, option_notes
from audit.profile import make_profiles, profile_asks
from audit.result import DatasetSummary, Result, RoleAssignment, Run, plain
from audit.roles import assign_roles
from audit.rows_out import make_folder, write_rows
from audit.source import open_relation
from audit.sources.messages import reading

if TYPE_CHECKING:
    from rl_data.trajectories import Trajectories

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and of how many."""


def _silent(_what: str, _done: int, _of: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A dataset that has been opened: what checks see of it, and the engine that answers for it."""

    dataset: Dataset
    engine: Engine | EpisodeEngine


@dataclass(slots=True)
class Case:
    """One check during one run."""

    code: str
    check: Any
    options: Mapping[str, Any]
    asks: Asks | None = None
    outcome: Outcome | None = None
    seconds: float = 0.0


def run(
    data: object,
    *,
    config: Config | Mapping[str, Any] | str | Path | None = None,
    reference: object | None = None,
    progress: Progress = _silent,
    rows_out: str | None = None,
    rows_limit: int = 1_000,
    baseline: str | Path | None = None,
    **settings: Any,
) -> Result:
    """Audit a dataset and return the result.

    Args:
        data: a path, glob, folder or fsspec url; a pandas or polars frame; an Arrow table or anything with
            `__arrow_c_stream__`; a DuckDB relation; a file or folder of trajectories, or `rl_data` `Trajectories`.
        config: a `Config`, a mapping of settings, or the path of an audit.yaml or pyproject.toml. Left out, settings
            beside the data are used where there are any: `orders.audit.yaml` beside `orders.parquet`.
        reference: the dataset to compare with, in any of the forms of `data`.
        progress: called as the audit goes on.
        rows_out: a folder to write the rows behind each finding to.
        rows_limit: most rows a finding in `rows_out`; the true total is written beside them.
        baseline: a file of decisions about known findings (`audit.baseline`).
        **settings: single settings on top of `config`; role names (`label="y"`) are taken as roles.

    Returns:
        The result; see `Result.ok`, `Result.raise_for_status`, `Result.findings`.

    Raises:
        SourceError: the data cannot be found, opened or read.
        RolesError: a role names a column that is not there or unfit.
        ConfigError: a setting is unknown or out of range.
    """
    started = time.perf_counter()
    beside = settings_beside(data) if config is None else None
    settled = settle(beside if beside is not None else config, settings)
    cases = list(_cases(settled))
    decisions = None if baseline is None else read_baseline(baseline)
    if rows_out is not None:
        make_folder(rows_out)
    with Connection(Limits(settled.memory, settled.threads, settled.spill)) as connection:
        timings: dict[str, float] = {}
        clock = _Clock(timings)
        progress("opening", 0, 0)
        now = settled.now
        other = reference if reference is not None else settled.reference
        against = open_subject(connection, other, settled, now, name="reference") if other is not None else None
        clock.lap("open reference")
        subject = open_subject(connection, data, settled, now, name=settled.name, reference=against)
        clock.lap("open and sample")
        cases = _for_kind(cases, subject.dataset.kind, settled)
        ask_all(cases, subject.dataset)
        asked = [fact for case in cases if case.asks for fact in facts_in(case.asks)]
        profile = profile_asks(subject.dataset)
        facts = [*asked, *facts_in(profile)]
        answers = answer_all(facts, subject, against, lambda what: progress(what, 0, len(cases)))
        require_readable(subject, answers)
        clock.lap("facts")
        for done, case in enumerate(cases):
            progress(f"judging {case.code}", done, len(cases))
            judge_case(case, answers, subject.dataset.kind)
        clock.lap("checks")
        profiles = make_profiles(subject.dataset, fill(profile, _answered(profile, answers)))
        outcomes = tuple(case.outcome for case in cases if case.outcome is not None)
        episodes, totals = make_episode_table(subject.dataset, outcomes, lambda fact: _answer(subject, fact))
        clock.lap("profiles")
        result = Result(
            run=Run("", "", 0.0),
            dataset=_summary(subject, beside),
            roles=_roles(subject.dataset.roles),
            outcomes=outcomes,
            columns=profiles,
            episodes=episodes,
            episode_totals=totals,
            settings={**settled.to_settings(), "as_of": now.isoformat()},
            approximations=_approximations(subject, against),
            reference=_summary(against) if against is not None else None,
        )
        if decisions is not None:
            result = accept(result, decisions, str(baseline), now.date())
        if rows_out is not None:
            progress("writing rows", 0, 0)
            write_rows(result, subject.engine, rows_out, rows_limit)
            clock.lap("rows out")
        timings.update({case.code: round(case.seconds, 6) for case in cases if case.seconds})
        return dataclasses.replace(result, run=_run_info(started, timings, settled, len(connection.statements)))


class _Clock:
    """Laps between named moments."""

    def __init__(self, laps: dict[str, float]) -> None:
        self._laps = laps
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = round(now - self._last, 6)
        self._last = now


def settle(config: Config | Mapping[str, Any] | str | Path | None, settings: Mapping[str, Any]) -> Config:
    """Return a configuration with single settings on top of it; names of roles are taken as roles.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    if config is None:
        base = Config()
    elif isinstance(config, Config):
        base = config
    elif isinstance(config, Mapping):
        base = make_config(config, "config")
    else:
        base = load_config(config)
    if not settings:
        return base
    roles = {name: value for name, value in settings.items() if name in _ROLE_NAMES}
    others = {name: value for name, value in settings.items() if name not in _ROLE_NAMES}
    if roles:
        others["roles"] = {**others.get("roles", {}), **roles}
    return merge(base, others, "settings")


_ROLE_NAMES = frozenset(
    (
        "label",
        "label_kind",
        "prediction",
        "annotators",
        "probabilities",
        "probability_classes",
        "time",
        "ingested",
        "key",
    )
) | {"group", "split", "weight", "features"}


def open_subject(
    connection: Connection,
    data: object,
    config: Config,
    now: dt.datetime,
    *,
    name: str | None,
    reference: Subject | None = None,
) -> Subject:
    """Open a dataset: trajectories as they are, a table with its sample drawn and its roles given out.

    Raises:
        SourceError: it cannot be read, or it is a table where the other is trajectories.
    """
    from audit.sources.trajectories import open_trajectories

    trajectories = open_trajectories(data, config.kind)
    kind = Kind.TABULAR if trajectories is None else Kind.TRAJECTORY
    if reference is not None and reference.dataset.kind is not kind:
        raise SourceError(
            f"the data are {_words(kind)} and the reference is {_words(reference.dataset.kind)}; compare like with "
            "like, or say with --kind how to read them"
        )
    if trajectories is not None:
        return _open_episodes(trajectories, config, now, name=name, reference=reference)
    return _open_table(connection, data, config, now, name=name, reference=reference)


def _open_episodes(
    trajectories: Trajectories, config: Config, now: dt.datetime, *, name: str | None, reference: Subject | None
) -> Subject:
    from audit.engine.episodes import EpisodeEngine, EpisodeView
    from audit.sources.trajectories import columns_of, describe, notes_of, schema_hash, size_of

    uri = trajectories.provenance.uri or "trajectories"
    columns = columns_of(trajectories)
    dataset = Dataset(
        uri=uri,
        id=config.name or name or Path(uri).name,
        columns=columns,
        rows=trajectories.rows,
        as_of=now,
        kind=Kind.TRAJECTORY,
        timezone=config.timezone,
        seed=config.seed,
        schema_hash=schema_hash(columns),
        size=size_of(uri),
        reference=reference.dataset if reference is not None else None,
        notes=notes_of(trajectories),
        trajectory=describe(trajectories),
    )
    against = reference.engine.view if reference is not None and isinstance(reference.engine, EpisodeEngine) else None
    threads = Limits(config.memory, config.threads, config.spill).thread_count
    return Subject(dataset, EpisodeEngine(EpisodeView(trajectories, config.sample, config.seed, against), threads))


def _open_table(
    connection: Connection,
    data: object,
    config: Config,
    now: dt.datetime,
    *,
    name: str | None,
    reference: Subject | None,
) -> Subject:
    with interruptible():
        relation = open_relation(connection.raw, data, name=name)
    with reading(relation.uri):  # the first look at values: a damaged page is met here, not when the file is opened
        sample = draw(
            connection,
            relation.columns,
            relation.sql,
            relation.row_id,
            DUCKDB,
            rows=relation.rows,
            wanted=config.sample,
            seed=config.seed,
        )
    roles = assign_roles(relation.columns, sample, config.roles)
    dataset = Dataset(
        uri=relation.uri,
        id=config.name or relation.id,
        columns=relation.columns,
        rows=relation.rows,
        as_of=now,
        kind=Kind.TABULAR,
        roles=roles,
        timezone=config.timezone,
        seed=config.seed,
        schema_hash=relation.schema_hash,
        size=relation.size,
        reference=reference.dataset if reference is not None else None,
        notes=relation.notes,
    )
    engine = Engine(connection, relation.sql, relation.row_id, relation.columns, relation.rows, sample)
    return Subject(dataset, engine)


def _cases(config: Config) -> Iterator[Case]:
    checks = installed()
    for code in config.checks:
        if code.upper() not in checks:
            select([code], [])  # raises, with the nearest name
            raise ConfigError(f"options are given by check code, and '{code}' is not one; `audit checks` lists them")
    chosen = select(config.select, config.ignore)
    options = {code.upper(): values for code, values in config.checks.items()}
    for code, check in checks.items():
        case = Case(code, make_check(check, options.get(code, {})), options.get(code, {}))
        if code not in chosen:
            case.outcome = _outcome(case, Status.SKIPPED, "left out by --select or --ignore")
        yield case


def _for_kind(cases: list[Case], kind: Kind, config: Config) -> list[Case]:
    """Leave out the checks of other kinds of data and those to opt in to, but for what the user asked for by name."""
    asked = select(config.select, ()) if config.select else set()
    fitting = [case for case in cases if kind & case.check.kinds or case.code in asked]
    return [case for case in fitting if not getattr(case.check, "opt_in", False) or case.options or case.code in asked]


def ask_all(cases: list[Case], data: Dataset) -> None:
    """Let every check ask; those that do not apply, or break, get their outcome now."""
    for case in cases:
        if case.outcome is not None:
            continue
        if not data.kind & case.check.kinds:
            case.outcome = _outcome(case, Status.NOT_APPLICABLE, f"it judges other data than {_words(data.kind)}")
            continue
        try:
            asks = case.check.ask(data)
            if not isinstance(asks, NotEvaluated | Mapping):
                raise CheckError(f"ask returned {type(asks).__name__}, not a dict of facts or NotEvaluated")
        except (ConfigError, RolesError) as error:  # an option names a column that is not there: the user's to mend
            raise type(error)(f"check {case.code}: {error}") from error
        except Exception as error:
            case.outcome = _outcome(case, Status.ERROR, _error_text("ask", error))
            continue
        if isinstance(asks, NotEvaluated):
            case.outcome = dataclasses.replace(
                _outcome(case, Status.NOT_APPLICABLE, asks.reason), not_evaluated=(asks,)
            )
        else:
            case.asks = asks


def answer_all(
    facts: list[Fact], subject: Subject, against: Subject | None, progress: Callable[[str], None]
) -> Mapping[Fact, Any]:
    """Return the answers to facts about the data and about the reference."""
    own = [fact for fact in facts if not isinstance(fact, OnReference)]
    others = [fact for fact in facts if isinstance(fact, OnReference)]
    answers = dict(subject.engine.answer(own, progress))
    if against is None:
        answers.update(dict.fromkeys(others))
    elif others:
        inner = against.engine.answer([fact.fact for fact in others], progress)
        answers.update({fact: inner[fact.fact] for fact in others})
    return answers


def require_readable(subject: Subject, answers: Mapping[Fact, Any]) -> None:
    """Raise where not even the missing values of a column could be counted: its data are damaged.

    Raises:
        SourceError: naming the data and what the engine said.
    """
    for fact, answer in answers.items():
        if isinstance(fact, Missing) and isinstance(answer, Failure) and fact.column in subject.dataset.names:
            with reading(subject.dataset.uri):
                raise answer.error


def _answered(asks: Asks, answers: Mapping[Fact, Any]) -> Mapping[Fact, Any]:
    """Return the answers to some facts, None for those that failed: the report shows no number there."""
    return {fact: None if isinstance(answers[fact], Failure) else answers[fact] for fact in facts_in(asks)}


def _answer(subject: Subject, fact: Fact) -> Any:
    """Return the answer to one fact, None where it failed."""
    given = subject.engine.answer([fact], lambda _: None)[fact]
    return None if isinstance(given, Failure) else given


def judge_case(case: Case, answers: Mapping[Fact, Any], kind: Kind = Kind.TABULAR) -> None:
    """Let one check judge, unless its outcome is settled."""
    if case.outcome is not None or case.asks is None:
        return
    started = time.perf_counter()
    try:
        said = list(case.check.judge(fill(case.asks, answers)))
        if kind is Kind.TRAJECTORY:
            said = [_counted_in(item, "steps") for item in said]
        case.outcome = _settled_outcome(case, said)
    except Exception as error:
        case.outcome = _outcome(case, Status.ERROR, _error_text("judge", error))
    case.seconds = time.perf_counter() - started


def _settled_outcome(case: Case, said: list[Judgement]) -> Outcome:
    for item in said:
        if not isinstance(item, Finding | Measurement | NotEvaluated | View | Repair):
            raise CheckError(
                f"judge yielded {type(item).__name__}, not a Finding, Measurement, NotEvaluated, View or Repair"
            )
        if isinstance(item, Finding | Repair) and item.code != case.code:
            raise CheckError(f"judge of {case.code} yielded a {type(item).__name__.lower()} of {item.code}")
    findings = tuple(_sourced(item, case) for item in said if isinstance(item, Finding))
    measurements = tuple(item for item in said if isinstance(item, Measurement))
    not_evaluated = tuple(item for item in said if isinstance(item, NotEvaluated))
    worst = max((finding.severity for finding in findings), default=None)
    if worst is None and not measurements and not_evaluated:
        status, reason = Status.NOT_APPLICABLE, not_evaluated[0].reason
    elif worst is Severity.FAIL or worst is Severity.WARN:
        status, reason = Status(worst.label), _counted(findings)
    else:
        status, reason = Status.PASS, _counted(findings) if findings else f"{len(measurements)} numbers within limits"
        if not findings and not measurements:
            reason = "nothing found"
    return dataclasses.replace(
        _outcome(case, status, reason),
        findings=findings,
        measurements=measurements,
        not_evaluated=not_evaluated,
        views=tuple(item for item in said if isinstance(item, View)),
        repairs=tuple(item for item in said if isinstance(item, Repair)),
    )


def _counted_in(item: Judgement, unit: str) -> Judgement:
    """Say what the rows of the data are called, which a check need not know."""
    if isinstance(item, Finding | Measurement):
        return dataclasses.replace(item, basis=dataclasses.replace(item.basis, unit=unit))
    return item


def _sourced(finding: Finding, case: Case) -> Finding:
    """Say that a limit was set by the user where the check has options from the configuration."""
    if case.options and finding.limit_source == "default":
        return dataclasses.replace(finding, limit_source="configuration")
    return finding


def _counted(findings: tuple[Finding, ...]) -> str:
    counts = {s: sum(f.severity is s for f in findings) for s in (Severity.FAIL, Severity.WARN, Severity.INFO)}
    return ", ".join(f"{n} {s.label}" for s, n in counts.items() if n)


def _outcome(case: Case, status: Status, reason: str) -> Outcome:
    return Outcome(
        code=case.code,
        name=case.check.name,
        dimension=case.check.dimension,
        status=status,
        reason=reason,
        options=plain({f.name: getattr(case.check, f.name) for f in dataclasses.fields(case.check)}),
        definition=definition(case.check),
        option_notes=option_notes(case.check),
    )


def _error_text(method: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    name = "" if isinstance(error, AuditError | ValueError) else f"{type(error).__name__}: "
    return f"the check broke in {method}: {name}{text[:500]}"


def _words(kind: Kind) -> str:
    return "tabular data" if kind is Kind.TABULAR else "trajectories"


def _roles(roles: Roles) -> tuple[RoleAssignment, ...]:
    kinds = {"label": roles.label_kind or ""}
    return tuple(RoleAssignment(e.role, e.columns, e.reason, e.given, kinds.get(e.role, "")) for e in roles.evidence)


def _summary(subject: Subject, settings: Path | None = None) -> DatasetSummary:
    data = subject.dataset
    said = () if settings is None else (f"settings: {settings.name}, found beside the data",)
    return DatasetSummary(
        uri=data.uri,
        id=data.id,
        kind="tabular" if data.kind is Kind.TABULAR else "trajectory",
        rows=data.rows,
        columns=len(data.columns),
        episodes=None if data.trajectory is None else data.trajectory.episodes,
        bytes=data.size,
        schema_hash=data.schema_hash,
        notes=said + (data.notes if data.trajectory is None else ()),  # `reading` has the same in parts
        reading=None if data.trajectory is None else reading_of(data.trajectory),
    )


def _approximations(subject: Subject, against: Subject | None) -> tuple[str, ...]:
    said = []
    for name, one in (("data", subject), ("reference", against)):
        if one is None:
            continue
        if isinstance(one.engine, EpisodeEngine):
            view = one.engine.view
            if len(view.sampled_rows) < view.rows:
                said.append(
                    f"{name}: models and distances rest on a sample of {len(view.sampled_episodes):,} of "
                    f"{view.trajectories.episodes:,} episodes ({len(view.sampled_rows):,} of {view.rows:,} steps, seed "
                    f"{view.seed}); structure, flags and extremes on all"
                )
        elif not one.engine.sample.exact:
            said.append(
                f"{name}: distributions, associations and models rest on a {one.engine.sample.basis}; "
                "counts, extremes, keys and duplicates on all rows"
            )
    return tuple(said)


def _run_info(started: float, timings: Mapping[str, float], config: Config, statements: int) -> Run:
    from importlib.metadata import version

    names = ("duckdb", "numpy", "pyarrow", "scipy", "scikit-learn", "pandas")
    return Run(
        id=uuid.uuid4().hex,
        started=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - started, 3),
        timings={**timings, "statements": float(statements)},
        tool_version=__version__,
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
        peak_memory_mb=_peak_memory_mb(),
        threads=Limits(config.memory, config.threads, config.spill).thread_count,
    )


def _peak_memory_mb() -> float | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
