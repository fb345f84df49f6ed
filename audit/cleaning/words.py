"""A cleaning in words, for the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from audit.cleaning.rules import Rule
from audit.cleaning.run import Cleaned
from audit.cleaning.write import CLEAN, FORMER_PLAN, PLAN


def summary(cleaned: Cleaned, data: str) -> str:
    """Return what was done, what is proposed, whether the steps add up, and what to do next."""
    return "\n".join(_lines(cleaned, data))


def _lines(cleaned: Cleaned, data: str) -> Iterator[str]:
    source, equation = cleaned.source, cleaned.manifest["conservation"]
    yield f"{data}: {source.rows:,} steps in {source.episodes:,} episodes ({source.provenance.format})"
    yield from (f"not read: {where}: {what}" for where, what in source.provenance.problems)
    yield ""
    if cleaned.applied:
        yield "done"
        yield from _rules(cleaned.applied)
    if cleaned.unchanged:
        yield "nothing to do: every step is as it was" if not cleaned.proposed else "nothing done: no repair is safe"
    if cleaned.proposed:
        yield "\nproposed, not done" if cleaned.plan is None else "\nleft as it was"
        yield from _rules(cleaned.proposed)
    yield ""
    yield (
        f"{equation['steps_in']:,} steps in = {equation['clean']:,} clean + {equation['quarantined']:,} quarantined + "
        f"{equation['dropped']:,} dropped"
    )
    yield from (f"  dropped {count:,} by {name}" for name, count in equation["dropped_by_name"].items())
    yield from (f"note: {note}" for note in cleaned.notes)
    yield ""
    yield "wrote " + ", ".join(str(file) for file in cleaned.files if file.exists())
    if (cleaned.folder / FORMER_PLAN).exists():
        yield f"the plan that was there is now {cleaned.folder / FORMER_PLAN}"
    yield from _next(cleaned, data)


def _rules(rules: tuple[Rule, ...]) -> Iterator[str]:
    for rule in rules:
        where = f"{rule.steps:,} {_plural(rule.steps, 'step')} in {rule.episodes:,} {_plural(rule.episodes, 'episode')}"
        yield f"  {rule.code} {rule.kind}: {where}: {rule.what}"
        yield f"      why: {rule.reason}"
        if rule.evidence:
            yield f"      found: {rule.evidence}"
        if rule.applied:
            yield f"      did: {_did(rule)}"
        yield from (f"      note: {note}" for note in rule.effect.notes)


def _did(rule: Rule) -> str:
    effect = rule.effect
    parts = [
        f"{count:,} {_plural(count, noun)} {verb}"
        for count, noun, verb in (
            (effect.changed, "step", "changed"),
            (effect.cut, "cut", "made"),
            (effect.dropped, "step", "dropped"),
            (effect.quarantined, "step", "in quarantine"),
        )
        if count
    ]
    return ", ".join(parts) or "nothing was left to do"


def _next(cleaned: Cleaned, data: str) -> Iterator[str]:
    folder = cleaned.folder
    if cleaned.plan is None and cleaned.proposed:
        parts = ["audit", "clean", data, "-o", str(folder), "--plan", str(folder / PLAN), "--force"]
        yield f"next: read and edit {folder / PLAN} (apply: true makes a repair), then\n  {shlex.join(parts)}"
        return
    yield f"next: {shlex.join(['audit', 'run', str(folder / CLEAN)])}"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
