"""The findings of a result as rows of a table, each with the evidence below it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.findings import DIMENSIONS, Finding, Outcome
from audit.report.charts import EVIDENCE, draw
from audit.report.language import ENGLISH, _, current
from audit.report.picture import Picture
from audit.report.sentences import told
from audit.report.trajectories import Places
from audit.report.wording import amount, brief, listing, sentence, span, title_of, visible
from audit.result import Result

MOST_PICTURES = 60  # findings with a picture, the worst ones
_PRINTED = 20  # findings whose evidence is printed
_ANCHORED = 12  # characters of a fingerprint in the id of its row
_MOST_COLUMNS = 4  # of a finding, in its row
_LONGEST_NAME = 60
_MOST_EPISODES = 3  # of a finding, in its row

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as a row of the table and the evidence below it.

    `fingerprint` goes on where the id (`anchor`) ends, and `dimension` is a place among the six, or empty: there are
    many rows. `about` is JSON, or empty: what a baseline says beyond what the row shows, and a decision that was made.
    """

    anchor: str
    fingerprint: str
    about: str
    severity: str
    rank: int
    code: str
    name: str
    dimension: str
    columns: tuple[tuple[str, str], ...]
    more_columns: int
    episodes: tuple[tuple[str, str], ...]
    more_episodes: int
    decision: str
    accepted: str
    message: str
    effect: float | None
    affected: int | None
    affected_text: str
    basis: str
    facts: tuple[Fact, ...]
    where: str
    remedy: str
    picture: Picture | None
    withheld: bool
    printed: bool


def anchors_of(result: Result, findings: Sequence[Finding]) -> list[str]:
    """Return an id for each finding, from its fingerprint: the same in the next run's report."""
    seen: dict[str, int] = {}
    anchors = []
    for finding in findings:
        anchor = f"f-{result.fingerprint(finding)[:_ANCHORED]}"
        seen[anchor] = seen.get(anchor, 0) + 1
        anchors.append(anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor]}")
    return anchors


def finding_row(
    finding: Finding,
    anchor: str,
    fingerprint: str,
    position: int,
    outcome: Outcome | None,
    *,
    columns: Mapping[str, str],
    places: Places,
    include_samples: bool,
) -> FindingRow:
    """Return a finding as a row.

    Args:
        finding: what was found.
        anchor: its id on the page.
        fingerprint: its identity across runs.
        position: its place among all findings, worst first.
        outcome: of its check.
        columns: name -> id on the page.
        places: where episodes and steps stand on the page.
        include_samples: show evidence that consists of values of the data.
    """
    shown = [(visible(name, _LONGEST_NAME), columns.get(name, "")) for name in finding.columns[:_MOST_COLUMNS]]
    withheld = not include_samples and any(_is_sample(key) for key in finding.evidence)
    return FindingRow(
        anchor=anchor,
        fingerprint=fingerprint[_ANCHORED:],
        about=_about(finding, columns),
        severity=finding.severity.label,
        rank=int(finding.severity),
        code=visible(finding.code, 20),
        name=title_of(outcome.name) if outcome else visible(finding.code, 20),
        dimension=str(DIMENSIONS.index(outcome.dimension)) if outcome and outcome.dimension in DIMENSIONS else "",
        columns=tuple(shown),
        more_columns=len(finding.columns) - len(shown),
        episodes=tuple(places.link(name) for name in finding.episodes[:_MOST_EPISODES]),
        more_episodes=max(len(finding.episodes) - _MOST_EPISODES, 0),
        decision="" if finding.accepted is None else _(finding.accepted.decision),
        accepted="" if finding.accepted is None else sentence(str(finding.accepted)),
        message=message_of(finding),
        effect=finding.effect,
        affected=finding.affected,
        affected_text=_affected(finding),
        basis=_("all {unit}", unit=_(finding.basis.unit)) if finding.basis.exact else _("sample"),
        facts=_finding_facts(finding, places, include_samples),
        where=visible(finding.where, 1000) if finding.where else "",
        remedy=told(finding.remedy, finding.code, finding.columns),
        picture=draw(finding.chart, EVIDENCE, finding.code)
        if finding.chart is not None and position < MOST_PICTURES
        else None,
        withheld=withheld,
        printed=position < _PRINTED,
    )


def _about(finding: Finding, columns: Mapping[str, str]) -> str:
    """Return what review mode needs and cannot read from the row: long, odd or many names, a decision."""
    found: dict[str, object] = {}
    if len(finding.columns) > _MOST_COLUMNS or any(
        name not in columns or visible(name, _LONGEST_NAME) != name for name in finding.columns
    ):
        found["columns"] = finding.columns
    if finding.segment is not None:
        found["segment"] = finding.segment
    if current() is not ENGLISH:
        found["message"] = finding.message
    if finding.accepted is not None:
        found["decision"] = dataclasses.asdict(finding.accepted)
    return json.dumps(found) if found else ""  # ASCII: no character in it can hide or break the attribute


def message_of(finding: Finding) -> str:
    """Return the message as it stands on the page."""
    names = (*finding.columns, *finding.episodes[:_MOST_EPISODES])
    return told(finding.message, finding.code, names)


def _is_sample(key: str) -> bool:
    return key.startswith("examples")


def _affected(finding: Finding) -> str:
    if finding.affected is None:
        return ""
    return f"{'' if finding.basis.exact else '≈ '}{finding.affected:,}"


def _finding_facts(finding: Finding, places: Places, include_samples: bool) -> tuple[Fact, ...]:
    name = finding.statistic
    facts = []
    if finding.value is not None:
        facts.append((_("Value"), f"{visible(name, 60)} = {amount(finding.value, name)}"))
    if finding.limit is not None:
        facts.append(
            (_("Limit"), f"{amount(finding.limit, name)} ({told(finding.limit_source, finding.code, limit=120)})")
        )
    if finding.interval is not None:
        ends = span(amount(finding.interval.low, name), amount(finding.interval.high, name))
        label = _("{level} interval", level=f"{finding.interval.level:.0%}")
        facts.append((label, f"{ends} ({told(finding.interval.method, finding.code, limit=60)})"))
    facts.append((_("Basis"), told(str(finding.basis))))
    if finding.accepted is not None:
        facts.append((_("Baseline"), sentence(str(finding.accepted))))
    if finding.segment:
        facts.append((_("Segment"), visible(finding.segment, 120)))
    if finding.episodes:
        facts.append((_("Episodes"), listing(finding.episodes, 15)))
    if finding.row_ids:
        facts.append(places.rows(finding.row_ids))
    facts += [
        (title_of(str(key)), brief(value))
        for key, value in finding.evidence.items()
        if include_samples or not _is_sample(str(key))
    ]
    return tuple(facts)
