"""Settings inferred from a dataset: roles, expected categories, ranges and limits, each with its evidence.

`audit suggest DATA > audit.yaml` writes them down for a person to read and change. They describe the data as it is: an
audit with them passes on the same data, and tells when later data differ.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from audit.checks import installed
from audit.config import Config, make_config, merge
from audit.dataset import Column, ColumnKind, Dataset, Kind
from audit.engine.duckdb import Connection, Limits
from audit.errors import ConfigError
from audit.facts import Extremes, ExtremeValues, Fact, KeyCount, Missing, MissingCounts, ValueCounts, ValueCountTable
from audit.findings import Finding, Severity
from audit.result import Result, RoleAssignment
from audit.runner import open_subject, run, settle

MOST_CATEGORIES = 30
LEAST_PER_CATEGORY = 5.0
HEADROOM = 0.1
ROUNDS = 6
ACCEPTED = "found in the data that the settings were inferred from"


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What one column is like.

    Attributes:
        column: its name and type.
        missing_share: NULL and NaN among all rows.
        unique: whether no two rows share a value, and none lacks one.
        categories: all values of a text column with few of them, each occurring often enough to be a category.
        low, high: extremes of a numeric column without the infinite; None without a value.
    """

    column: Column
    missing_share: float
    unique: bool = False
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An option that had to be changed, or a check left out, so that the data passes; and on what evidence."""

    code: str
    option: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Everything that was inferred; `to_yaml` writes it as settings."""

    uri: str
    rows: int
    roles: tuple[RoleAssignment, ...]
    columns: tuple[ColumnFacts, ...]
    changes: tuple[Change, ...]
    left_out: tuple[Change, ...]
    as_of: dt.datetime
    base: Mapping[str, Any] = field(default_factory=dict)

    def to_settings(self) -> dict[str, Any]:
        """Return the settings as a mapping, as `audit.config.make_config` takes them."""
        settings: dict[str, Any] = dict(self.base)
        roles = {r.role: _one_or_list(r) for r in self.roles if r.role not in ("features", "label_kind")}
        if roles:
            settings["roles"] = roles
        checks: dict[str, dict[str, Any]] = {}
        for change in self.changes:
            checks.setdefault(change.code, {})[change.option] = change.value
        if checks:
            settings["checks"] = checks
        if self.left_out:
            settings["ignore"] = [change.code for change in self.left_out]
        return settings

    def to_yaml(self) -> str:
        """Return an audit.yaml with the evidence of each setting in a comment above it."""
        lines = [
            f"# Settings for {_comment(self.uri)}, inferred from its {self.rows:,} rows on {self.as_of:%Y-%m-%d}.",
            "# They describe the data as it is; read them, and change what should be otherwise.",
        ]
        settings = self.to_settings()
        for name in ("name", "timezone", "reference"):
            if name in settings:
                lines += _entry(name, settings[name], 0)
        if "roles" in settings:
            lines += ["", "roles:"]
            for role in self.roles:
                if role.role in settings["roles"]:
                    lines += [f"  # {_comment(role.reason)}", *_entry(role.role, settings["roles"][role.role], 2)]
        if self.left_out:
            lines += ["", "ignore:"]
            for change in self.left_out:
                lines += [f"  # {_comment(change.reason)}", f"  - {change.code}"]
        if self.changes:
            lines += ["", "checks:"]
            for code in dict.fromkeys(change.code for change in self.changes):
                lines.append(f"  {code}:")
                for change in (c for c in self.changes if c.code == code):
                    lines += [f"    # {_comment(change.reason)}", *_entry(change.option, change.value, 4)]
        return "\n".join(lines) + "\n"


def suggest(data: object, *, config: Config | None = None, **settings: Any) -> Suggestion:
    """Infer settings from a table.

    Args:
        data: as for `audit.run`.
        config: settings to start from; roles that it gives are kept.
        **settings: single settings on top of it, such as `timezone` or `seed`.

    Raises:
        SourceError: the data cannot be read.
        ConfigError: the data are trajectories, or a setting is not usable.
    """
    base = settle(config, settings)
    base = base if base.as_of is not None else base.model_copy(update={"as_of": base.now})
    dataset, columns = _look(data, base)
    changes = [*_expected(columns), *_ranges(dataset, columns)]
    result, limits, left_out = _until_it_passes(data, base, changes)
    kept = {"timezone": base.timezone, "name": base.name, "reference": base.reference}
    return Suggestion(
        uri=result.dataset.uri,
        rows=result.dataset.rows,
        roles=result.roles,
        columns=columns,
        changes=tuple(c for c in [*changes, *limits] if c.code not in {out.code for out in left_out}),
        left_out=tuple(left_out),
        as_of=base.now,
        base={name: value for name, value in kept.items() if value is not None},
    )


def _look(data: object, config: Config) -> tuple[Dataset, tuple[ColumnFacts, ...]]:
    with Connection(Limits(config.memory, config.threads, config.spill)) as connection:
        subject = open_subject(connection, data, config, config.now, name=config.name)
        dataset = subject.dataset
        if dataset.kind is not Kind.TABULAR:
            raise ConfigError("settings are inferred from tables; trajectories have none to infer")
        asked: dict[str, dict[str, Fact]] = {c.name: _asks(c) for c in dataset.columns}
        answers = subject.engine.answer([fact for facts in asked.values() for fact in facts.values()])
    made = [_facts(c, {name: answers[fact] for name, fact in asked[c.name].items()}) for c in dataset.columns]
    return dataset, tuple(made)


def _asks(column: Column) -> dict[str, Fact]:
    asks: dict[str, Fact] = {"missing": Missing(column.name)}
    if column.kind in (ColumnKind.TEXT, ColumnKind.NUMERIC) and not column.floating:
        asks["key"] = KeyCount((column.name,))
    if column.kind is ColumnKind.TEXT:
        asks["counts"] = ValueCounts(column.name)
    if column.kind is ColumnKind.NUMERIC:
        asks["extremes"] = Extremes(column.name)
    return asks


def _facts(column: Column, answers: Mapping[str, Any]) -> ColumnFacts:
    missing: MissingCounts = answers["missing"]
    key, counts, extremes = answers.get("key"), answers.get("counts"), answers.get("extremes")
    categories: tuple[str, ...] = ()
    if isinstance(counts, ValueCountTable) and _is_categorical(counts):
        categories = tuple(sorted(str(value) for value in counts.values))
    low, high = (extremes.low, extremes.high) if isinstance(extremes, ExtremeValues) else (None, None)
    return ColumnFacts(
        column=column,
        missing_share=missing.missing / missing.rows if missing.rows else 0.0,
        unique=key is not None and bool(key.rows) and key.extra == 0 and key.null == 0,
        categories=categories,
        low=float(low) if isinstance(low, int | float) else None,
        high=float(high) if isinstance(high, int | float) else None,
    )


def _is_categorical(counts: ValueCountTable) -> bool:
    few = counts.exact and 0 < counts.distinct <= MOST_CATEGORIES
    return few and counts.total / counts.distinct >= LEAST_PER_CATEGORY


def _expected(columns: Sequence[ColumnFacts]) -> Iterator[Change]:
    few = {c.column.name: list(c.categories) for c in columns if c.categories}
    if few:
        reason = "every value of the text columns with few of them; any other fails"
        yield Change("REP005", "expected", few, reason)


def _ranges(dataset: Dataset, columns: Sequence[ColumnFacts]) -> Iterator[Change]:
    """Yield the extremes of the features, a tenth of their distance wider; a sign that no value has stays forbidden."""
    keys = {*dataset.roles.key, dataset.roles.group}
    found = {}
    for facts in columns:
        if facts.low is not None and facts.high is not None and facts.column.name not in keys and not facts.unique:
            found[facts.column.name] = [*_wider(facts.low, facts.high, whole=facts.column.integer)]
    if found:
        reason = f"the extremes of each numeric column, {HEADROOM:.0%} of their distance wider; values beyond them fail"
        yield Change("REP006", "ranges", found, reason)


def _wider(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    margin = HEADROOM * (high - low)
    digits = 0 if whole or margin == 0 else max(0, 2 - math.floor(math.log10(margin)))
    factor = 10.0**digits
    wide_low = math.floor((low - margin) * factor) / factor
    wide_high = math.ceil((high + margin) * factor) / factor
    wide_low, wide_high = (
        (max(wide_low, 0.0) if low >= 0 else wide_low),
        (min(wide_high, 0.0) if high <= 0 else wide_high),
    )
    return (int(wide_low), int(wide_high)) if whole else (wide_low, wide_high)


def _until_it_passes(
    data: object, base: Config, changes: Sequence[Change]
) -> tuple[Result, list[Change], list[Change]]:
    """Audit, move the limits that the data exceeds, audit again; what no option can mend is left out by name."""
    limits: dict[tuple[str, str], Change] = {}
    left_out: dict[str, Change] = {}
    for turn in range(ROUNDS + 1):
        options: dict[str, dict[str, Any]] = {}
        for change in [*changes, *limits.values()]:
            options.setdefault(change.code, {})[change.option] = change.value
        result = run(data, config=merge(base, {"checks": options, "ignore": (*base.ignore, *left_out)}, "suggestion"))
        found = [finding for finding in result.findings if finding.severity > Severity.INFO]
        if not found:
            break
        for code in dict.fromkeys(finding.code for finding in found):
            own = [finding for finding in found if finding.code == code]
            moved = None if turn == ROUNDS else _moved(own, options.get(code, {}))
            if moved is None:
                left_out[code] = Change(code, "", None, f"{ACCEPTED}: {own[0].message}")
                for key in [key for key in limits if key[0] == code]:
                    del limits[key]
            else:
                limits[code, moved.option] = moved
    return result, list(limits.values()), list(left_out.values())


def _moved(findings: Sequence[Finding], options: Mapping[str, Any]) -> Change | None:
    """Return the option that lets these findings of one check pass; None where no option is their limit."""
    check: Any = installed()[findings[0].code]
    names = [f.name for f in dataclasses.fields(check)]
    now = {**{name: getattr(check(), name) for name in names}, **options}
    columns = sorted({column for finding in findings for column in finding.columns})
    if "ignore" in names and len(columns) <= 3 and all(finding.columns for finding in findings):
        ignored = sorted({*now["ignore"], *columns})
        return Change(findings[0].code, "ignore", ignored, "; ".join(finding.message for finding in findings[:3]))
    worst = max(findings, key=lambda f: abs(_number(f.value) - _number(f.limit)))
    value, limit = _number(worst.value), _number(worst.limit)
    if not (math.isfinite(value) and math.isfinite(limit)):
        return None
    same = [name for name in names if isinstance(now[name], float) and now[name] == limit and name != "significance"]
    if not same:
        return None
    allowance = abs(value) * HEADROOM or HEADROOM
    outward = value + allowance if value > limit else value - allowance
    shown = float(f"{outward:.3g}")
    if 0 <= limit <= 1 and 0 <= value <= 1:
        shown = min(max(shown, 0.0), 1.0)
    return Change(findings[0].code, same[0], shown, f"default {limit:g}; {worst.message}")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _one_or_list(role: RoleAssignment) -> Any:
    if not role.columns:
        return "none"
    return role.columns[0] if len(role.columns) == 1 else list(role.columns)


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:300]


def _entry(name: str, value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of one setting: mappings one entry a line, lists on the line of their name."""
    key = " " * indent + _flow(name) + ":"
    if isinstance(value, Mapping):
        yield key
        for inner, item in value.items():
            yield from _entry(str(inner), item, indent + 2)
    else:
        yield f"{key} {_flow(value)}"


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9).removesuffix("...\n").strip()


def check_yaml(text: str) -> Config:
    """Return the settings that a suggestion's text gives: what is written is what is read.

    Raises:
        ConfigError: they are not usable.
    """
    return make_config(yaml.safe_load(text) or {}, "suggestion")
