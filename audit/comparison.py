"""Two results of a dataset: which findings are new, fixed, worse, better or as before, and what else changed.

Findings are matched by their fingerprint. A finding that is gone counts as fixed only where its check judged again;
else it is "not judged": silence is no repair. Worse and better go by severity, then by how far the value lies beyond
its limit, then by the effect; a move of less than `TOLERANCE` is none.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from audit.errors import ConfigError
from audit.findings import DIMENSIONS, Acceptance, Severity
from audit.overlay import Overlay, overlay
from audit.result import Result, least_severity, plain
from audit.saved import load_result, schema_problem

TOLERANCE = 0.05
"""A value has moved when it went by more than this share of its limit, or of what it was, whichever is larger."""

COMPARISON_VERSION = "1.0"
"""Of the JSON; additive changes raise the second number, others the first."""

Kind = Literal["new", "worse", "better", "fixed", "not_judged", "unchanged"]
KINDS: tuple[Kind, ...] = ("new", "worse", "not_judged", "better", "fixed", "unchanged")
"""In the order of every output: what asks for a person first."""

_JUDGED = ("pass", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Side:
    """A finding as one of the two results has it."""

    severity: Severity
    message: str
    value: float | int | str | None
    limit: float | int | str | None
    effect: float | None
    affected: int | None
    accepted: Acceptance | None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one finding.

    Attributes:
        kind: one of `KINDS`.
        reason: why it is of this kind, in words; empty where the kind says it all.
        before, after: None where the result does not have it.
    """

    kind: Kind
    fingerprint: str
    code: str
    name: str
    dimension: str
    columns: tuple[str, ...]
    segment: str | None
    statistic: str
    reason: str
    before: Side | None
    after: Side | None

    @property
    def side(self) -> Side:
        """The newest word on it."""
        found = self.after or self.before
        assert found is not None, "a change has a side"
        return found


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the two results: what was audited, when and by which version."""

    uri: str
    id: str
    run: str
    started: str
    status: str
    rows: int
    columns: int
    tool_version: str


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """The score of a dimension in both; None where it was not assessed."""

    dimension: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class FactChange:
    """Something about the dataset, or an option, that is not as it was."""

    name: str
    before: str | int | float | None
    after: str | int | float | None


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """A column of both datasets; `overlay` is None where there is nothing to draw or the types do not compare."""

    name: str
    kind: str
    missing_before: float | None
    missing_after: float | None
    overlay: Overlay | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `audit.diff` returns. Immutable; every output is a method or is drawn from it.

    Attributes:
        before, after: the two results.
        changes: of all findings, in the order of `KINDS`, worst first.
        scores: one a dimension, in the fixed order.
        facts: of the dataset: rows, columns, episodes, bytes; only what changed.
        options: of checks, where the two runs used different ones: a finding may come or go with its limit.
        added, removed: columns.
        retyped: columns whose type changed.
        pairs: columns of both, the largest shift first.
        broken: codes of checks that broke in the second run: nobody knows what changed there.
        notes: what a reader should know, one sentence each.
    """

    before: Compared
    after: Compared
    changes: tuple[Change, ...]
    scores: tuple[ScoreChange, ...]
    facts: tuple[FactChange, ...] = ()
    options: tuple[FactChange, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: tuple[FactChange, ...] = ()
    pairs: tuple[ColumnPair, ...] = ()
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, kind: Kind) -> tuple[Change, ...]:
        """Return the changes of a kind, worst first."""
        return tuple(change for change in self.changes if change.kind == kind)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many findings are of each kind."""
        found = Counter(change.kind for change in self.changes)
        return {kind: found[kind] for kind in KINDS}

    def reaches(self, fail_on: str = "fail") -> tuple[Change, ...]:
        """Return the new and the worse findings that are open and at or above `fail_on` ("fail", "warn", "never").

        Raises:
            ConfigError: `fail_on` is another word.
        """
        least = least_severity(fail_on)
        return tuple(
            change
            for change in self.changes
            if least is not None
            and change.kind in ("new", "worse")
            and change.side.accepted is None
            and change.side.severity >= least
        )

    def ok(self, fail_on: str = "fail") -> bool:
        """Whether no check broke and nothing new or worse reaches `fail_on`."""
        return not self.broken and not self.reaches(fail_on)

    def exit_code(self, fail_on: str = "fail") -> int:
        """Return 3 when a check broke in the second run, 1 when something new or worse reaches `fail_on`, else 0."""
        if self.broken:
            return 3
        return 1 if self.reaches(fail_on) else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: plain types, NaN and infinity as None."""
        body = {"comparison_version": COMPARISON_VERSION, **plain(self)}
        body["counts"] = dict(self.counts)
        return body

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the comparison as JSON text; write it to `path`."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        return _written(text, path)

    def to_html(self, path: str | Path | None = None, *, lang: str = "en") -> str:
        """Return the comparison as one HTML file's text, and write it to `path`.

        Args:
            path: the file to write; None for none.
            lang: the language of the page, "en" or "zh".

        Raises:
            ConfigError: there is no such language.
        """
        from audit.report.comparison_page import render_comparison

        return _written(render_comparison(self, language=lang), path)


def _written(text: str, path: str | Path | None) -> str:
    if path is not None:
        from audit.files import write_text

        write_text(path, text)
    return text


Given = Result | Mapping[str, Any] | str | Path
"""A result, its `to_dict()`, or the file that it was written to."""


def diff(before: Given, after: Given, *, across: bool = False) -> Comparison:
    """Compare two results of a dataset.

    Args:
        before: the earlier one: a `Result`, its JSON form, or the path of its JSON file.
        after: the later one.
        across: compare results of two different datasets; findings then match by check, columns, segment and statistic.

    Raises:
        SourceError: a file cannot be read, or holds no result of a schema that this version knows.
        ConfigError: the results are of different datasets, or of a table and of trajectories.
    """
    one, two = _body(before), _body(after)
    _require_comparable(one["dataset"], two["dataset"], across)
    pairs = _column_pairs(one, two)
    names = [[column["name"] for column in body["columns"]] for body in (one, two)]
    return Comparison(
        before=_compared(one),
        after=_compared(two),
        changes=_changes(one, two, across),
        scores=_scores(one, two),
        facts=tuple(_facts(one, two)),
        options=tuple(_options(one, two)),
        added=tuple(name for name in names[1] if name not in set(names[0])),
        removed=tuple(name for name in names[0] if name not in set(names[1])),
        retyped=tuple(_retyped(one, two)),
        pairs=pairs,
        broken=tuple(outcome["code"] for outcome in two["outcomes"] if outcome["status"] == "error"),
        notes=tuple(_notes(one, two)),
    )


def _body(given: Given) -> Mapping[str, Any]:
    if isinstance(given, Result):
        return given.to_dict()
    if isinstance(given, str | Path):
        return load_result(given)
    problem = schema_problem(given.get("schema_version"))
    if problem:
        raise ConfigError(f"a result to compare {problem}")
    return given


def _require_comparable(one: Mapping[str, Any], two: Mapping[str, Any], across: bool) -> None:
    if (one["kind"] == "trajectory") != (two["kind"] == "trajectory"):
        kinds = " and ".join("trajectories" if d["kind"] == "trajectory" else "a table" for d in (one, two))
        raise ConfigError(f"the results are of {kinds} and do not compare; audit both with the same --kind")
    if one["id"] != two["id"] and not across:
        raise ConfigError(
            f"the results are of different datasets, '{one['id']}' and '{two['id']}'; compare them all the same with "
            f"--across (in Python: across=True), or audit both under one name (`name:` in audit.yaml)"
        )


def _compared(body: Mapping[str, Any]) -> Compared:
    run, dataset = body["run"], body["dataset"]
    return Compared(
        dataset["uri"], dataset["id"], run["id"], run["started"], body["verdict"]["status"], dataset["rows"],
        dataset["columns"], run["tool_version"],
    )  # fmt: skip


# --- findings ---------------------------------------------------------------------------------------------------------


def _changes(one: Mapping[str, Any], two: Mapping[str, Any], across: bool) -> tuple[Change, ...]:
    old, new = _by_identity(one, across), _by_identity(two, across)
    found = [_change(old.get(identity), finding, one, two) for identity, finding in new.items()]
    found += [_change(finding, None, one, two) for identity, finding in old.items() if identity not in new]
    return tuple(
        sorted(
            found,
            key=lambda c: (
                KINDS.index(c.kind), c.side.accepted is not None, -c.side.severity, -(c.side.effect or 0.0)
            ),
        )
    )  # fmt: skip


def _by_identity(body: Mapping[str, Any], across: bool) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """Return the findings by what makes them the same in both; of equal ones the first meets the first."""
    seen: Counter[tuple[Any, ...]] = Counter()
    found = {}
    for finding in body["findings"]:
        subject = (finding["code"], tuple(sorted(finding["columns"])), finding["segment"], finding["statistic"])
        identity = subject if across else (finding["fingerprint"],)
        found[*identity, seen[identity]] = finding
        seen[identity] += 1
    return found


def _change(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, one: Mapping[str, Any], two: Mapping[str, Any]
) -> Change:
    finding = new or old
    assert finding is not None, "one of the two is there"
    outcome = _outcome(two if new else one, finding["code"])
    before, after = _side(old), _side(new)
    kind, reason = _kind(before, after, finding, one, two)
    return Change(
        kind, finding["fingerprint"], finding["code"], outcome.get("name", finding["code"]),
        outcome.get("dimension", ""), tuple(finding["columns"]), finding["segment"], finding["statistic"], reason,
        before, after,
    )  # fmt: skip


def _side(finding: Mapping[str, Any] | None) -> Side | None:
    if finding is None:
        return None
    accepted = finding.get("accepted")
    return Side(
        Severity[finding["severity"].upper()], finding["message"], finding["value"], finding["limit"],
        finding["effect"], finding["affected"], None if accepted is None else Acceptance(**accepted),
    )  # fmt: skip


def _kind(
    before: Side | None, after: Side | None, finding: Mapping[str, Any], one: Mapping[str, Any], two: Mapping[str, Any]
) -> tuple[Kind, str]:
    if before is None:
        why = _not_judged(one, finding)
        return "new", f"earlier {why}" if why else ""
    if after is None:
        gone = {c["name"] for c in one["columns"]} - {c["name"] for c in two["columns"]}
        if finding["columns"] and set(finding["columns"]) <= gone:
            return "fixed", "the column is gone" if len(finding["columns"]) == 1 else "the columns are gone"
        if (finding["segment"] or "").partition("=")[0] in gone:
            return "not_judged", "the column of the segment is gone"
        why = _not_judged(two, finding)
        return ("not_judged", f"now {why}") if why else ("fixed", "")
    if before.accepted is not None and after.accepted is None:
        return "worse", "no longer accepted"
    return _moved(before, after)


def _not_judged(body: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    """Return why the check of a finding did not judge its columns in a result; empty where it did."""
    outcome = _outcome(body, finding["code"])
    if not outcome:
        return "the check took no part"
    if outcome["status"] == "error":
        return "the check broke"
    if outcome["status"] not in _JUDGED:
        return f"the check was not evaluated: {outcome['reason']}"
    for entry in outcome["not_evaluated"]:
        if set(entry["columns"]) & set(finding["columns"]):
            return f"the column was not evaluated: {entry['reason']}"
    return ""


def _outcome(body: Mapping[str, Any], code: str) -> Mapping[str, Any]:
    return next((outcome for outcome in body["outcomes"] if outcome["code"] == code), {})


def _moved(before: Side, after: Side) -> tuple[Kind, str]:
    """Return whether a finding of both results is worse, better or unchanged, and by what."""
    if after.severity != before.severity:
        kind: Kind = "worse" if after.severity > before.severity else "better"
        return kind, f"from {before.severity.label} to {after.severity.label}"
    old, new = _beyond(before), _beyond(after)
    if old is not None and new is not None:
        moved, noise = new - old, TOLERANCE * max(abs(_number(after.limit)), abs(_number(before.value)))
        words = ("farther beyond its limit", "nearer to its limit")
    elif before.effect is not None and after.effect is not None:
        moved, noise = after.effect - before.effect, TOLERANCE * before.effect
        words = ("larger effect", "smaller effect")
    else:
        return "unchanged", ""
    if abs(moved) <= noise:
        return "unchanged", ""
    return ("worse", words[0]) if moved > 0 else ("better", words[1])


def _beyond(side: Side) -> float | None:
    """Return how far a value lies beyond its limit, on either side of it; None for what is no such number.

    A finding at warn or above lies beyond its limit; of an info nobody can tell on which side the fault is.
    """
    value, limit = _number(side.value), _number(side.limit)
    if side.severity < Severity.WARN or math.isnan(value) or math.isnan(limit):
        return None
    return abs(value - limit)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


# --- everything else --------------------------------------------------------------------------------------------------


def _scores(one: Mapping[str, Any], two: Mapping[str, Any]) -> tuple[ScoreChange, ...]:
    old, new = ({score["dimension"]: score["value"] for score in body.get("scores", ())} for body in (one, two))
    return tuple(ScoreChange(name, old.get(name), new.get(name)) for name in DIMENSIONS)


def _facts(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[FactChange]:
    for name in ("uri", "rows", "columns", "episodes", "bytes", "schema_hash"):
        before, after = one["dataset"].get(name), two["dataset"].get(name)
        if before != after:
            yield FactChange(name, before, after)


def _options(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[FactChange]:
    old = {outcome["code"]: outcome["options"] for outcome in one["outcomes"]}
    for outcome in two["outcomes"]:
        before = old.get(outcome["code"])
        for name, value in outcome["options"].items() if before is not None else ():
            assert before is not None
            if name in before and before[name] != value:
                yield FactChange(f"{outcome['code']}.{name}", _said(before[name]), _said(value))


def _said(value: Any) -> str | int | float | None:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)


def _retyped(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[FactChange]:
    old = {column["name"]: column["type"] for column in one["columns"]}
    for column in two["columns"]:
        if column["name"] in old and old[column["name"]] != column["type"]:
            yield FactChange(column["name"], old[column["name"]], column["type"])


def _column_pairs(one: Mapping[str, Any], two: Mapping[str, Any]) -> tuple[ColumnPair, ...]:
    old = {column["name"]: column for column in one["columns"]}
    found = [_pair(old[column["name"]], column) for column in two["columns"] if column["name"] in old]
    return tuple(sorted(found, key=lambda pair: -(pair.overlay.shift if pair.overlay else -1.0)))


def _pair(before: Mapping[str, Any], after: Mapping[str, Any]) -> ColumnPair:
    return ColumnPair(
        after["name"], after["kind"], _missing(before), _missing(after), overlay(before["chart"], after["chart"])
    )


def _missing(column: Mapping[str, Any]) -> float | None:
    return column["missing"] / column["rows"] if column["rows"] else None


def _notes(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[str]:
    if one["run"]["id"] == two["run"]["id"]:
        yield "both are the same run"
    elif _moment(two["run"]["started"]) < _moment(one["run"]["started"]):
        yield "the second result is older than the first: new and fixed are told as if it were the later one"
    versions = [body["run"]["tool_version"] for body in (one, two)]
    if versions[0] != versions[1]:
        yield f"the two were made by different versions of dataset-audit ({versions[0]} and {versions[1]})"
    codes = [[outcome["code"] for outcome in body["outcomes"]] for body in (one, two)]
    for words, ours, theirs in (("no longer part", codes[0], codes[1]), ("part only now", codes[1], codes[0])):
        only = _without(ours, theirs)
        if only:
            yield f"checks that take {words}: {', '.join(only)}"


def _without(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    return [code for code in ours if code not in set(theirs)]


def _moment(started: str) -> float:
    try:
        moment = dt.datetime.fromisoformat(started)
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
