"""What was learned before and after cleaning, as it stands on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.learned import Arm, Learning
from audit.report.charts import VIEW, draw
from audit.report.language import N_, _
from audit.report.picture import Picture
from audit.report.sentences import told
from audit.report.wording import brief, number, percent, span, title_of, visible
from audit.result import Result

Cells = tuple[str, ...]

LEARNING = "learning"
"""The group of patterns for what is said of learning: no check says it."""


@dataclass(frozen=True, slots=True)
class EstimatesOfSet:
    """What logged episodes say of one policy.

    Attributes:
        name: of the set that it was learned from.
        facts: what it really returned, and the diagnostics that all estimators share.
        rows: estimator, value, interval, of those that give a number.
        refusals: estimators, and the reason for which they refuse a number; each reason once.
    """

    name: str
    facts: tuple[tuple[str, str], ...]
    rows: tuple[Cells, ...]
    refusals: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LearningSection:
    """The section's content: `state` is paid, harm, open or none."""

    state: str
    verdict: str
    facts: tuple[tuple[str, str], ...]
    arms: tuple[Cells, ...]
    estimates: tuple[EstimatesOfSet, ...]
    pictures: tuple[Picture, ...]
    repairs: tuple[str, ...]
    notes: tuple[str, ...]


def learning_section(result: Result) -> LearningSection | None:
    """Return the section; None where nothing was learned."""
    found = result.learning
    if found is None:
        return None
    return LearningSection(
        state={True: "paid", False: "harm", None: "open"}[found.paid],
        verdict=told(found.verdict, LEARNING),
        facts=_facts(found),
        arms=tuple(_arm(arm) for arm in found.arms),
        estimates=tuple(_estimates(arm) for arm in found.arms if arm.estimates is not None),
        pictures=tuple(draw(chart, VIEW, LEARNING) for chart in found.charts),
        repairs=tuple(told(text, LEARNING) for text in found.repairs),
        notes=tuple(told(text, LEARNING) for text in found.notes),
    )


def _facts(found: Learning) -> tuple[tuple[str, str], ...]:
    facts = [(_("Learner"), visible(found.learner, 40)), (_("Updates"), number(found.updates))]
    facts.append(
        (_("Environment"), visible(found.environment, 60) if found.environment else _("none: no policy acted"))
    )
    facts.append((_("Seeds"), number(len(found.arms[0].seeds)) if found.arms else "0"))
    if found.difference is not None:
        facts.append(
            (_("Clean minus raw, mean of the pairs"), _with_interval(found.difference, found.difference_interval))
        )
    if found.recovered is not None:
        facts.append((_("Recovered of what was lost"), f"{found.recovered:.0%}"))
    facts.append((_("Options"), brief(found.options)))
    return tuple(facts)


def _arm(arm: Arm) -> Cells:
    problems = [seed for seed in arm.seeds if seed.problem]
    returned = _with_interval(arm.iqm, arm.interval) if arm.iqm is not None else "–"
    said = ""
    if problems:
        counts = {"count": len(problems), "all": len(arm.seeds)}
        said = _("{count} of {all} seeds failed: {problem}", problem=told(problems[0].problem, LEARNING), **counts)
    every = ", ".join(number(s.mean_return) for s in arm.seeds if s.mean_return is not None)
    return (
        title_of(arm.name),
        told(arm.what, LEARNING, limit=120),
        number(arm.episodes),
        number(arm.steps),
        returned,
        every,
        said,
    )


def _estimates(arm: Arm) -> EstimatesOfSet:
    assert arm.estimates is not None
    rows: list[Cells] = []
    refusals: dict[str, list[str]] = {}
    for name, words in _NAMES.items():
        found: Mapping[str, Any] = arm.estimates[name]
        if found["value"] is not None:
            spread = "–" if found["low"] is None else span(number(found["low"]), number(found["high"]))
            rows.append((_(words), number(found["value"]), spread))
        for reason in found["reasons"]:
            refusals.setdefault(reason, []).append(_(words))
    return EstimatesOfSet(
        name=title_of(arm.name),
        facts=((_("Really returned"), number(arm.true_value)), *_diagnostics(arm.estimates)),
        rows=tuple(rows),
        refusals=tuple((" · ".join(names), told(reason, LEARNING)) for reason, names in refusals.items()),
    )


def _diagnostics(estimates: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield label and value of what decides whether an estimate can be trusted."""
    shared, of_gae = estimates["diagnostics"], estimates["gae"]["diagnostics"]
    yield _("Held-out episodes"), number(shared.get("episodes"))
    yield _("Effective episodes"), number(shared.get("ess", of_gae.get("ess")))
    for label, name, found in (
        (_("Ratios clipped in corrections (rho)"), "clipped_rho", of_gae),
        (_("Ratios clipped in traces (c)"), "clipped_c", of_gae),
        (_("Actions unlike any in the data"), "out_of_distribution", shared),
    ):
        if found.get(name) is not None:
            yield label, percent(found[name])


_NAMES = {
    "gae": N_("GAE with ratios"),
    "fqe": N_("FQE (critic alone)"),
    "wis": "WIS",
    "pdis": "PDIS",
    "dr": N_("Doubly robust"),
    "plain": N_("GAE without ratios"),
}


def _with_interval(value: float | None, interval: Any) -> str:
    if value is None:
        return "–"
    if interval is None:
        return number(value)
    return _("{value} ({low} to {high})", value=number(value), low=number(interval.low), high=number(interval.high))
