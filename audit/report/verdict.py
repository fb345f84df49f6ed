"""The words that sum a result up: verdict, what to do, what was not checked. The same in every output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.findings import Finding, Outcome, Severity, Status
from audit.report.language import _, ngettext
from audit.report.wording import listing, plural, title_of
from audit.result import Result

MOST_ACTIONS = 7
"""More than this is not a list of what to do, but a list of everything."""

CHOICES = ("--select", "--ignore")
"""Options that leave checks out because the user said so: nothing is missing there."""

NOT_EVALUATED = (Status.NOT_APPLICABLE, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` is pass, warn, fail, error or none (nothing was evaluated); `headline` and `rest` make the sentence."""

    status: str
    headline: str
    rest: str

    def __str__(self) -> str:
        """Return the sentence."""
        return _("{headline}: {rest}.", headline=self.headline, rest=self.rest)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do: all findings of a check at `warn` or worse, spoken for by the worst of them."""

    code: str
    name: str
    worst: Finding
    findings: int
    columns: tuple[str, ...]
    episodes: tuple[str, ...] = ()
    streams: bool = False

    @property
    def subject(self) -> str:
        """What it is about: some columns (of trajectories: streams, in some episodes), or the whole dataset."""
        if self.streams:
            parts = [listing(self.columns, 5)] if self.columns else []
            if self.episodes:
                named = {"count": plural(len(self.episodes), "episode"), "names": listing(self.episodes, 5)}
                parts.append(_("{count} ({names})", **named))
            if len(parts) > 1:
                return _("{streams} in {episodes}", streams=parts[0], episodes=parts[1])
            return parts[0] if parts else _("the dataset as a whole")
        if not self.columns:
            return _("the dataset as a whole")
        return _("{count}: {names}", count=plural(len(self.columns), "column"), names=listing(self.columns, 5))


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A reason, and the checks (or the columns of one check) that it kept from being evaluated."""

    reason: str
    codes: tuple[str, ...]
    names: tuple[str, ...]
    columns: tuple[str, ...] = ()


def verdict(result: Result) -> Verdict:
    """Return whether the data is ready to train on, in one sentence."""
    count = {status: sum(o.status is status for o in result.outcomes) for status in Status}
    left_out = sum(count[status] for status in NOT_EVALUATED)
    parts = []
    if count[Status.FAIL]:
        parts.append(ngettext("{count} check fails", "{count} checks fail", count[Status.FAIL]))
    if count[Status.ERROR]:
        parts.append(ngettext("{count} check broke", "{count} checks broke", count[Status.ERROR]))
    if count[Status.WARN]:
        parts.append(
            ngettext("{count} warns", "{count} warn", count[Status.WARN])
            if parts
            else ngettext("{count} check warns", "{count} checks warn", count[Status.WARN])
        )
    if count[Status.PASS]:
        parts.append(
            ngettext("{count} passes", "{count} pass", count[Status.PASS])
            if parts
            else ngettext("{count} check passes", "all {count} checks pass", count[Status.PASS])
        )
    if left_out:
        parts.append(
            _("{count} could not be evaluated", count=f"{left_out:,}")
            if parts
            else ngettext("{count} check could not be evaluated", "{count} checks could not be evaluated", left_out)
        )
    status, headline = _headline(count[Status.FAIL], count[Status.ERROR], count[Status.WARN], count[Status.PASS])
    return Verdict(status, headline, _("; ").join(parts) or _("no check took part"))


def _headline(failed: int, broken: int, warned: int, passed: int) -> tuple[str, str]:
    if failed:
        return "fail", _("Not ready to train on")
    if broken:
        return "error", _("No verdict")
    if warned:
        return "warn", _("Usable with care")
    if passed:
        return "pass", _("Ready to train on")
    return "none", _("Not assessed")


def actions(result: Result) -> tuple[tuple[Action, ...], int]:
    """Return at most seven actions, worst first, and how many more checks have findings at `warn` or above."""
    names = {outcome.code: outcome.name for outcome in result.outcomes}
    streams = result.dataset.reading is not None
    grouped: dict[str, list[Finding]] = {}
    for finding in result.findings:  # worst first, so the groups come worst first too
        if finding.severity >= Severity.WARN and finding.accepted is None:
            grouped.setdefault(finding.code, []).append(finding)
    found = [
        Action(code, title_of(names.get(code, code)), group[0], len(group), _columns(group), _episodes(group), streams)
        for code, group in grouped.items()
    ]
    return tuple(found[:MOST_ACTIONS]), max(len(found) - MOST_ACTIONS, 0)


def _columns(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for finding in findings for column in finding.columns))


def _episodes(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(episode for finding in findings for episode in finding.episodes))


def unchecked(result: Result) -> tuple[Unchecked, ...]:
    """Return the checks that judged nothing, by reason, in the order of the checks."""
    grouped: dict[str, list[Outcome]] = {}
    for outcome in result.outcomes:
        if outcome.status in NOT_EVALUATED:
            grouped.setdefault(outcome.reason, []).append(outcome)
    return tuple(
        Unchecked(reason, tuple(o.code for o in group), tuple(title_of(o.name) for o in group))
        for reason, group in grouped.items()
    )


def partly_unchecked(result: Result) -> tuple[Unchecked, ...]:
    """Return the columns, or parts, that an evaluated check could not judge, by check and reason."""
    found = []
    for outcome in result.outcomes:
        if outcome.status in NOT_EVALUATED:
            continue
        grouped: dict[str, list[str]] = {}
        for entry in outcome.not_evaluated:
            grouped.setdefault(entry.reason, []).extend(entry.columns)
        name = title_of(outcome.name)
        found += [Unchecked(reason, (outcome.code,), (name,), tuple(columns)) for reason, columns in grouped.items()]
    return tuple(found)


def missing_options(groups: Sequence[Unchecked]) -> tuple[str, ...]:
    """Return the command-line options that the reasons ask for, such as `--time`."""
    found = (option for group in groups for option in re.findall(r"--[a-z][a-z-]*", group.reason))
    return tuple(dict.fromkeys(option for option in found if option not in CHOICES))
