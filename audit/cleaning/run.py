"""One cleaning from start to end: read, audit, plan, repair, write."""

from __future__ import annotations

import datetime as dt
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit._version import __version__
from audit.cleaning.plan import Plan, read_plan, to_yaml
from audit.cleaning.proposals import Proposal, left_out, plan_of, propose, settle
from audit.cleaning.repairs import Repaired, repair
from audit.cleaning.rounds import follow_up
from audit.cleaning.rules import Rule, rules_of, spans_of, told
from audit.cleaning.write import CLEAN, MANIFEST, PLAN, QUARANTINE, check_folder, file_hash, publish
from audit.config import Config, load_config, make_config, settings_beside
from audit.engine.duckdb import Connection, Limits
from audit.errors import ConfigError, SourceError
from audit.findings import Severity, Status
from audit.result import Result
from audit.runner import run
from audit.source import open_relation
from audit.sources.trajectories import open_trajectories
from rl_data.formats.canonical_metadata import fingerprint
from rl_data.trajectories import Trajectories

Progress = Callable[[str, int, int], None]

SCHEMA_VERSION = "1.0"
"""Of the manifest; additive changes raise the second number, others the first."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What `audit.clean` returns.

    Attributes:
        folder: where everything was written.
        source: the trajectories as they were read.
        repaired: the clean set, the quarantined episodes, the dropped steps.
        rules: all repairs, made or not.
        result: of the audit that they come from.
        after: of the audit of the clean set; the same where nothing changed.
        plan: the plan that was followed, if one was given.
        manifest: the content of manifest.json.
        notes: what a person should know, one sentence each.
        broken: codes of checks that broke, whose repairs are missing.
    """

    folder: Path
    source: Trajectories
    repaired: Repaired
    rules: tuple[Rule, ...]
    result: Result
    after: Result
    plan: str | None
    manifest: Mapping[str, Any]
    notes: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def clean(self) -> Trajectories:
        """The clean set."""
        return self.repaired.clean

    @property
    def files(self) -> tuple[Path, ...]:
        """What was written."""
        return tuple(self.folder / name for name in (CLEAN, QUARANTINE, PLAN, MANIFEST))

    @property
    def applied(self) -> tuple[Rule, ...]:
        """The repairs that were made."""
        return tuple(rule for rule in self.rules if rule.applied)

    @property
    def proposed(self) -> tuple[Rule, ...]:
        """The repairs that were not made."""
        return tuple(rule for rule in self.rules if not rule.applied)

    @property
    def unchanged(self) -> bool:
        """Whether the clean set is the source, byte by byte."""
        return all(rule.effect.nothing for rule in self.rules)


def _silent(_what: str, _done: int, _of: int) -> None:
    """Report nothing."""


def clean(
    data: object,
    out: str | Path,
    plan: str | Path | None = None,
    *,
    config: Config | Mapping[str, Any] | str | Path | None = None,
    reference: object | None = None,
    force: bool = False,
    progress: Progress = _silent,
    **settings: Any,
) -> Cleaned:
    """Audit trajectories, repair what can be repaired, and write the clean set, the quarantine and the manifest.

    Without a plan the safe repairs are made, and all others are proposed in `plan.yaml`. With one, what it says is
    done. What becomes safe only then is done as well, so that cleaning a clean set changes nothing. Every step that
    goes in is in one of the two files or dropped by name; that is checked before the files get their names.

    Args:
        data: a file or folder of trajectories, or `rl_data` `Trajectories`.
        out: the folder to write: a new one, an empty one, or with `force` one whose results are replaced.
        plan: an edited plan.yaml.
        config: as for `audit.run`.
        reference: trajectories to compare with, as for `audit.run`.
        force: replace the results in a folder that is not empty.
        progress: called as the work goes on.
        **settings: as for `audit.run`.

    Returns:
        What was done; see `Cleaned.rules`, `Cleaned.clean`, `Cleaned.manifest`.

    Raises:
        SourceError: the data cannot be read, or are a table.
        ConfigError: a setting or the plan is not usable, or nothing would be left.
        AuditError: the folder cannot be written.
    """
    started = time.perf_counter()
    moment = dt.datetime.now(dt.UTC)
    folder = Path(out)
    check_folder(folder, force=force)
    given = None if plan is None else read_plan(plan)
    base = _base(data, config)
    progress("reading", 0, 0)
    source = _open(data, str(settings.get("kind") or base.kind))

    def audited(trajectories: Trajectories) -> Result:
        return run(trajectories, config=base, reference=reference, progress=progress, **settings)

    result = audited(source)
    progress("planning", 0, 0)
    proposals = propose(result, source)
    content = fingerprint(source)
    followed = given or plan_of(proposals, source, Path(source.provenance.uri).name, content)
    tasks = settle(followed, proposals, source, str(plan or PLAN))
    progress("repairing", 0, 0)
    repaired = repair(source, tasks)
    if not repaired.clean.rows:
        raise ConfigError(
            f"{plan or 'the repairs'}: nothing would be left of {source.rows:,} steps, so nothing was written; leave "
            "some repairs out of the plan (apply: false)"
        )
    rules = rules_of(proposals, tasks, repaired, source, "default" if given is None else "plan")
    after = result
    if not all(rule.effect.nothing for rule in rules):
        declined = {rule.id for rule in rules if not rule.applied}
        repaired, more, after = follow_up(source, repaired, audited, declined)
        rules += more
    broken = tuple(outcome.code for outcome in result.outcomes if outcome.status is Status.ERROR)
    notes = tuple(_notes(result, given, proposals, content, broken))
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "dataset-audit", "version": __version__},
        "input": _input(data, source, content),
        "settings": _settings(result, base, settings),
        "seed": result.settings["seed"],
        "plan": None if plan is None else {"name": Path(plan).name, "sha256": file_hash(plan)},
        "rules": [told(rule) for rule in rules],
        "episodes": {
            "in": source.episodes,
            "clean": repaired.clean.episodes,
            "quarantined": repaired.quarantined.episodes,
            "cuts": sum(rule.effect.cut for rule in rules),
        },
        "findings": {"before": _counted(result), "after": _counted(after)},
        "dropped": {name: spans_of(rows) for name, rows in sorted(repaired.dropped.items())},
        "notes": list(notes),
        "run": {
            "started": moment.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - started, 3),
            "python": platform.python_version(),
        },
    }
    progress(f"writing {folder}", 0, 0)
    written = publish(folder, repaired, source, _plan_bytes(folder, plan, followed), manifest)
    return Cleaned(
        folder, source, repaired, rules, result, after, None if plan is None else str(plan), written, notes, broken
    )


def open_source(
    data: object, config: Config | Mapping[str, Any] | str | Path | None = None, kind: str | None = None
) -> Trajectories:
    """Return the trajectories that `clean` would read, by the same settings.

    Raises:
        SourceError: the data cannot be read, or are a table.
        ConfigError: a setting is not usable.
    """
    return _open(data, str(kind or _base(data, config).kind))


def _counted(result: Result) -> dict[str, int]:
    return {severity.label: sum(f.severity is severity for f in result.findings) for severity in reversed(Severity)}


def _base(data: object, config: Config | Mapping[str, Any] | str | Path | None) -> Config:
    if config is None:
        beside = settings_beside(data)
        return Config() if beside is None else load_config(beside)
    if isinstance(config, Config):
        return config
    return make_config(config, "config") if isinstance(config, Mapping) else load_config(config)


def _open(data: object, kind: str) -> Trajectories:
    """Return the trajectories; for anything else the message that says why it is none."""
    named = isinstance(data, str | Path)
    if named and kind != "tabular" and "://" not in str(data) and not Path(str(data)).exists():
        raise SourceError(f"{data} does not exist; check the path")
    found = open_trajectories(data, kind)
    if found is not None:
        return found
    if named:
        with Connection(Limits("100MB", 1, None)) as connection:
            open_relation(connection.raw, data)  # raises where it is no table either: that message helps more
    raise SourceError(
        f"{data if named else type(data).__name__} is a table, and only trajectories are repaired; `audit run` names "
        "the rows of a table to mend (--rows-out writes them), and --kind trajectory reads it as trajectories"
    )


def _notes(
    result: Result, given: Plan | None, proposals: tuple[Proposal, ...], content: str, broken: tuple[str, ...]
) -> list[str]:
    notes = [f"check {code} broke, so its repairs are missing; `audit run` says why" for code in broken]
    if given is None:
        return notes
    if given.data.sha256 and given.data.sha256 != content:
        notes.append("the plan was made for other content; each of its repairs was found again in these data")
    absent = left_out(given, proposals)
    if absent:
        notes.append(f"not in the plan, so not made: {', '.join(absent[:5])}{', ...' * (len(absent) > 5)}")
    return notes


def _input(data: object, source: Trajectories, content: str) -> dict[str, Any]:
    known: dict[str, Any] = {
        "uri": source.provenance.uri,
        "format": source.provenance.format,
        "steps": source.rows,
        "episodes": source.episodes,
        "content_sha256": content,
        "problems": [list(problem) for problem in source.provenance.problems],
    }
    if isinstance(data, str | Path) and Path(data).is_file():
        known |= {"bytes": Path(data).stat().st_size, "sha256": file_hash(data)}
    return known


def _settings(result: Result, base: Config, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings; the moment that counts as now only where it was given, so that two runs are alike."""
    kept = dict(result.settings)
    if base.as_of is None and settings.get("as_of") is None:
        kept.pop("as_of", None)
    return kept


def _plan_bytes(folder: Path, plan: str | Path | None, followed: Plan) -> bytes | None:
    """Return the plan to write: the proposals, or the plan that was followed; None where that is there already."""
    if plan is None:
        return to_yaml(followed).encode()
    if (folder / PLAN).exists() and Path(plan).resolve() == (folder / PLAN).resolve():
        return None
    return Path(plan).read_bytes()
