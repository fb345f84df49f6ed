"""For authors of checks: run one check on a few rows or episodes, and run a file of cases.

A case file (`tests/cases/<CODE>.yaml`) is a list of cases:

    - name: a third is missing
      columns: {age: [1, null, 3]}
      options: {warn: 0.1}
      expect:
        - {severity: warn, columns: [age], statistic: missing_share}

`roles`, `reference`, `types` (column: timestamp, timestamptz, date, int, float, text, bool), `as_of`, `timezone` and
`status` (the outcome, such as `not_applicable`) are optional; `repeat: n` repeats every column n times. Every finding
at `warn` or above must be expected, and every expected one must be there; `info` findings are compared only where the
case expects some.

A case of trajectories has `episodes` in place of `columns`: a list of mappings as `rl_data.episodes.from_episodes`
takes them (`reference` is such a list, too), and `trajectories: {step_limit: 200, fps: 30, env_id: CartPole-v1}` for
what a source declares; `repeat: n` repeats the list of episodes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.findings import Finding, Outcome, Severity, Status


def audit_rows(
    check: Any,
    columns: Any,
    *,
    roles: Mapping[str, Any] | None = None,
    reference: Any = None,
    types: Mapping[str, str] | None = None,
    **settings: Any,
) -> Outcome:
    """Run one check, with real facts from the real engine, on a table given as a dict of lists (or any data source).

    Args:
        check: an instance (with its options) or a class of a check.
        columns: column name to list of values; or anything that `audit.run` reads.
        roles: as in audit.yaml.
        reference: a second table, for checks that compare.
        types: column name to type, where lists leave it open (ISO texts for timestamps).
        **settings: further settings, such as `as_of`, `timezone` or `seed`.

    Returns:
        The outcome of the check.

    Raises:
        AuditError: the table or the settings cannot be used.
    """
    against = None if reference is None else _table(reference, types)
    return _outcome(check, _table(columns, types), against, {"roles": dict(roles or {}), **settings})


def audit_episodes(check: Any, trajectories: Any, *, reference: Any = None, **settings: Any) -> Outcome:
    """Run one check, with real facts, on trajectories.

    Args:
        check: an instance (with its options) or a class of a check.
        trajectories: `rl_data.trajectories.Trajectories`, or a list of episodes for `rl_data.episodes.from_episodes`.
        reference: a second set, for checks that compare.
        **settings: further settings, such as `as_of` or `seed`.

    Returns:
        The outcome of the check.

    Raises:
        AuditError: the settings cannot be used.
        TrajectoryError: the episodes do not go together.
    """
    from rl_data.episodes import from_episodes

    both = [from_episodes(data) if isinstance(data, list) else data for data in (trajectories, reference)]
    return _outcome(check, both[0], both[1], {"kind": "trajectory", **settings})


def _outcome(check: Any, data: Any, reference: Any, settings: Mapping[str, Any]) -> Outcome:
    from audit.config import make_config
    from audit.engine.duckdb import Connection, Limits
    from audit.engine.plan import facts_in
    from audit.runner import Case, answer_all, ask_all, judge_case, open_subject

    config = make_config(settings)
    instance = check() if isinstance(check, type) else check
    with Connection(Limits(config.memory, config.threads, config.spill)) as connection:
        against = None
        if reference is not None:
            against = open_subject(connection, reference, config, config.now, name="reference")
        subject = open_subject(connection, data, config, config.now, name="data", reference=against)
        case = Case(instance.code, instance, {})
        ask_all([case], subject.dataset)
        answers = answer_all(list(facts_in(case.asks)) if case.asks else [], subject, against, lambda _: None)
        judge_case(case, answers, subject.dataset.kind)
    assert case.outcome is not None
    return case.outcome


def run_cases(path: str | Path) -> int:
    """Run every case of a case file against the check that the file is named for; return how many there are.

    Raises:
        AssertionError: a case does not hold; the message names it and what was found instead.
    """
    import yaml

    from audit.checks import check_by_code
    from audit.config import make_check

    source = Path(path)
    check = check_by_code(source.stem)
    cases = yaml.safe_load(source.read_text(encoding="utf-8"))
    for case in cases:
        outcome = _run_case(make_check(check, case.get("options", {})), case)
        problem = _difference(case, outcome)
        assert problem is None, f"{source.name}, case '{case['name']}': {problem}"
    return len(cases)


def _run_case(check: Any, case: Mapping[str, Any]) -> Outcome:
    repeat = int(case.get("repeat", 1))
    settings = {name: case[name] for name in ("as_of", "timezone", "seed", "sample") if name in case}
    if "episodes" in case:
        from rl_data.episodes import from_episodes

        declared = case.get("trajectories", {})
        reference = from_episodes(case["reference"] * repeat, **declared) if case.get("reference") else None
        return audit_episodes(
            check, from_episodes(case["episodes"] * repeat, **declared), reference=reference, **settings
        )
    return audit_rows(
        check,
        _repeated(case["columns"], repeat),
        roles=case.get("roles"),
        reference=_repeated(case["reference"], repeat) if case.get("reference") else None,
        types=case.get("types"),
        **settings,
    )


def _difference(case: Mapping[str, Any], outcome: Outcome) -> str | None:
    if "status" in case and outcome.status.value != case["status"]:
        return f"status is {outcome.status.value} ({outcome.reason}), not {case['status']}"
    if outcome.status is Status.ERROR and case.get("status") != "error":
        return f"the check broke: {outcome.reason}"
    expected = list(case.get("expect", []))
    with_info = any(item.get("severity") == "info" for item in expected)
    left = [f for f in outcome.findings if with_info or f.severity > Severity.INFO]
    for item in expected:
        match = next((finding for finding in left if _matches(finding, item)), None)
        if match is None:
            return f"expected {item}, found {[_brief(f) for f in outcome.findings]} ({outcome.reason})"
        left.remove(match)
    return f"not expected: {[_brief(f) for f in left]}" if left else None


def _matches(finding: Finding, item: Mapping[str, Any]) -> bool:
    wanted_columns = item.get("columns")
    return (
        item.get("severity", finding.severity.label) == finding.severity.label
        and (wanted_columns is None or sorted(map(str, wanted_columns)) == sorted(finding.columns))
        and item.get("statistic", finding.statistic) == finding.statistic
        and item.get("affected", finding.affected) == finding.affected
        and item.get("segment", finding.segment) == finding.segment
    )


def _brief(finding: Finding) -> str:
    return f"{finding.severity.label} {finding.statistic} {list(finding.columns)}: {finding.message}"


def _repeated(columns: Mapping[str, Sequence[Any]], times: int) -> Mapping[str, Sequence[Any]]:
    return {name: list(values) * times for name, values in columns.items()}


def _table(columns: Any, types: Mapping[str, str] | None) -> Any:
    import pyarrow as pa

    if not isinstance(columns, Mapping):
        return columns
    kinds = {
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
        "date": pa.date32(),
        "int": pa.int64(),
        "float": pa.float64(),
        "text": pa.string(),
        "bool": pa.bool_(),
    }
    arrays = {}
    for name, values in columns.items():
        wanted = (types or {}).get(name)
        if wanted in ("timestamp", "timestamptz", "date"):
            arrays[name] = pa.array([_time(value, wanted) for value in values], kinds[wanted])
        else:
            arrays[name] = pa.array(list(values), kinds[wanted] if wanted else None)
    return pa.table(arrays)


def _time(value: Any, wanted: str) -> Any:
    if value is None:
        return None
    moment = dt.datetime.fromisoformat(str(value))
    if wanted == "timestamptz":
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return moment.date() if wanted == "date" else moment.replace(tzinfo=None)
