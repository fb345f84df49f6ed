"""What stands on the page: a result as rows, cards and pictures in the words that people read.

Nothing is computed here but order, grouping and wording; each number is one of the result.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.findings import DIMENSIONS, Measurement, Outcome, Severity, Status
from audit.report.charts import VIEW, draw
from audit.report.explorer import ColumnCard, column_cards
from audit.report.findings_table import FindingRow, anchors_of, finding_row, message_of
from audit.report.language import N_, _, ngettext
from audit.report.learning import LearningSection, learning_section
from audit.report.picture import Picture
from audit.report.sentences import told
from audit.report.trajectories import CLAIMED, READING, Section, make_section, places_of
from audit.report.verdict import (
    Action,
    Unchecked,
    Verdict,
    actions,
    missing_options,
    partly_unchecked,
    unchecked,
    verdict,
)
from audit.report.wording import amount, brief, listing, number, plural, span, title_of, visible
from audit.result import BaselineUse, ColumnProfile, Result, Score
from audit.uses import CLASSIFIER, REGRESSOR, uses

MOST_FINDINGS = 2000  # rows of the findings table; the JSON has all
MOST_MEASUREMENTS = 600  # rows over all checks under "Method and limits"

Fact = tuple[str, str]

RUN, ROLES, USES = "run", "roles", "uses"
"""The groups of patterns for what the run itself says, why a role was guessed and why a use is judged so."""

_STYLES = {"yes": "pass", "with care": "warn", "no": "fail", "not assessed": "none"}
_USES = {CLASSIFIER: N_("To train a classifier"), REGRESSOR: N_("To train a regressor")}


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """A dimension's score.

    `strip` is (style, x, width) for each kind of outcome, `paths` says where the JSON form has the numbers of `counts`.
    """

    dimension: str
    name: str
    score: Score
    value: str
    state: str
    strip: tuple[tuple[str, str, str], ...]
    counts: str
    paths: str
    findings: int


@dataclass(frozen=True, slots=True)
class ViewCard:
    """A picture of the whole dataset, with the dimension and the check that it comes from."""

    dimension: str
    code: str
    caption: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class UseRow:
    """What the data can be used for: how suited they are, as style and words, to what, and why."""

    style: str
    suited: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class BaselineNote:
    """What the baseline did: its file, and in words which decisions no longer hold, or have lost their finding."""

    path: str
    accepted: int
    expired: tuple[str, ...]
    stale: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MethodRow:
    """How one check was done, passed or not."""

    outcome: Outcome
    name: str
    dimension: str
    reason: str
    options: str
    definition: str
    notes: tuple[Fact, ...]
    measurements: tuple[tuple[str, ...], ...]
    more_measurements: int


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the templates draw."""

    title: str
    run: str
    dataset: str
    uri: str
    size: str
    unit: str
    streams: bool
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    verdict: Verdict
    uses: tuple[UseRow, ...]
    actions: tuple[tuple[Action, str, str], ...]
    more_actions: int
    unchecked: tuple[Unchecked, ...]
    partly: tuple[Unchecked, ...]
    options: tuple[str, ...]
    errors: tuple[Outcome, ...]
    scores: tuple[ScoreCard, ...]
    findings: tuple[FindingRow, ...]
    more_findings: int
    counts: Mapping[str, int]
    accepted: int
    baseline: BaselineNote | None
    trajectories: Section | None
    learning: LearningSection | None
    views: tuple[ViewCard, ...]
    cards: tuple[ColumnCard, ...]
    listed: tuple[ColumnProfile, ...]
    kinds: tuple[str, ...]
    roles: tuple[tuple[str, str, str, str], ...]
    methods: tuple[MethodRow, ...]
    settings: tuple[Fact, ...]
    timings: tuple[Fact, ...]
    approximations: tuple[str, ...]
    reference: str
    basis: str


def make_page(result: Result, *, include_samples: bool) -> Page:
    """Return the page of a result."""
    findings = result.findings
    anchors = anchors_of(result, findings)
    columns = {profile.name: f"c-{i}" for i, profile in enumerate(result.columns)}
    outcomes = {outcome.code: outcome for outcome in result.outcomes}
    places = places_of(result)
    rows = [
        finding_row(
            finding,
            anchors[i],
            result.fingerprint(finding),
            i,
            outcomes.get(finding.code),
            columns=columns,
            places=places,
            include_samples=include_samples,
        )
        for i, finding in enumerate(findings[:MOST_FINDINGS])
    ]
    first = {finding.code: anchors[i] for i, finding in reversed(list(enumerate(findings)))}
    todo, more_actions = actions(result)
    groups = unchecked(result)
    every_basis = {profile.basis for profile in result.columns}
    basis = told(every_basis.pop(), limit=160) if len(every_basis) == 1 else ""  # said once, when all columns share it
    cards, listed = column_cards(result, findings, anchors, say_basis=not basis)
    return Page(
        title=title_of_uri(result.dataset.uri),
        run=visible(result.run.id, 80),
        dataset=json.dumps(result.dataset.id),
        uri=visible(result.dataset.uri, 300),
        size=size_of(result),
        unit=places.unit,
        streams=places.unit == "steps",
        facts=_header_facts(result),
        notes=tuple(told(note, RUN, limit=400) for note in result.dataset.notes) + _unread(result),
        verdict=verdict(result),
        uses=_uses(result),
        actions=tuple((a, message_of(a.worst), first[a.code]) for a in todo),
        more_actions=more_actions,
        unchecked=groups,
        partly=partly_unchecked(result),
        options=missing_options(groups),
        errors=result.errors,
        scores=tuple(_score_card(score, result) for score in result.scores),
        findings=tuple(rows),
        more_findings=max(len(findings) - MOST_FINDINGS, 0),
        counts={s.label: sum(f.severity is s and f.accepted is None for f in findings) for s in reversed(Severity)},
        accepted=sum(finding.accepted is not None for finding in findings),
        baseline=_baseline(result.baseline),
        learning=learning_section(result),
        trajectories=make_section(result, {row.code: row.anchor for row in reversed(rows)}),
        views=_views(result),
        cards=cards,
        listed=listed,
        kinds=tuple(sorted({card.kind for card in cards})),
        roles=tuple(_role(role) for role in result.roles),
        methods=_methods(result),
        settings=tuple((visible(key, 60), brief(value)) for key, value in result.settings.items()),
        timings=_timings(result),
        approximations=tuple(told(text, RUN, limit=400) for text in result.approximations),
        reference="" if result.reference is None else _reference(result),
        basis=basis,
    )


def title_of_uri(uri: str) -> str:
    """Return the last part of a place, which is what people call a dataset."""
    return visible(uri.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1] or uri, 120)


def _uses(result: Result) -> tuple[UseRow, ...]:
    """Return the uses; of trajectories one entry for each degree of suitability, for a table says more."""
    found = uses(result)
    if result.dataset.reading is None:
        return tuple(
            UseRow(_STYLES[use.suited], _(use.suited), _(_USES[use.name]), told(use.reason, USES)) for use in found
        )
    kinds = {"yes": _("suited to"), "with care": _("with care"), "no": _("not suited to")}
    named = [(suited, words, [use.name for use in found if use.suited == suited]) for suited, words in kinds.items()]
    return tuple(UseRow(_STYLES[suited], words, listing(names, 8), "") for suited, words, names in named if names)


def size_of(result: Result) -> str:
    """Return how much data there is, in words."""
    dataset = result.dataset
    if dataset.episodes is not None:
        return _(
            "{steps} in {episodes}", steps=plural(dataset.rows, "step"), episodes=plural(dataset.episodes, "episode")
        )
    return f"{plural(dataset.rows, 'row')} × {plural(dataset.columns, 'column')}"


def _reference(result: Result) -> str:
    if result.reference is None:
        return ""
    rows = plural(result.reference.rows, result.reference.unit.removesuffix("s"))
    return f"{title_of_uri(result.reference.uri)} ({rows})"


def _header_facts(result: Result) -> tuple[Fact, ...]:
    dataset, run = result.dataset, result.run
    facts = [(_("Source"), visible(dataset.reading.format if dataset.reading else dataset.kind, 60))]
    if dataset.bytes is not None:
        facts.append((_("Size"), file_size(dataset.bytes)))
    if result.reference is not None:
        facts.append((_("Reference"), _reference(result)))
    facts.append((_("Audited"), when(run.started)))
    facts.append((_("Took"), f"{run.seconds:.1f} s"))
    if run.tool_version:
        facts.append((_("Version"), f"dataset-audit {visible(run.tool_version, 40)}"))
    return tuple(facts)


def _unread(result: Result) -> tuple[str, ...]:
    """Return a note where parts of the source could not be read: it belongs above everything else."""
    reading = result.dataset.reading
    if reading is None or not reading.problems:
        return ()
    where, what = reading.problems[0]
    said = _("Not all could be read: {where}: {what}", where=visible(where, 160), what=told(what, READING, limit=300))
    if len(reading.problems) > 1:
        others = len(reading.problems) - 1
        said = f"{said} {ngettext('(and {count} other part)', '(and {count} other parts)', others)}"
    return (said,)


def file_size(count: int) -> str:
    """Return bytes in decimal units.

    >>> file_size(512), file_size(1_190_000_000)
    ('512 bytes', '1.2 GB')
    """
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return plural(count, "byte")


def when(started: str) -> str:
    """Return an ISO time to the minute; other text as it is."""
    try:
        moment = dt.datetime.fromisoformat(started)
    except ValueError:
        return visible(started, 40)
    zone = "UTC" if moment.utcoffset() == dt.timedelta(0) else moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M} {zone}".strip()


# --- scores and views -------------------------------------------------------------------------------------------------


def _score_card(score: Score, result: Result) -> ScoreCard:
    assessed = score.value is not None
    outcomes = (
        ("pass", score.passed),
        ("warn", score.warned),
        ("fail", score.failed),
        ("error", score.errors),
        ("none", score.not_evaluated),
    )
    fields = ("passed", "warned", "failed", "errors", "not_evaluated")
    place = DIMENSIONS.index(score.dimension)
    words = (_("pass"), _("warn"), _("fail"), _("broke"), _("not evaluated"))
    total = sum(count for _style, count in outcomes) or 1
    strip, at = [], 0.0
    for style, count in outcomes:
        if count:
            width = 200 * count / total
            strip.append((style, f"{at:.1f}", f"{max(width - 1.5, 1):.1f}"))
            at += width
    state = score.status.value if assessed or score.status is Status.ERROR else "none"
    return ScoreCard(
        score.dimension,
        title_of(score.dimension),
        score,
        "–" if score.value is None else f"{score.value:.0f}",
        state,
        tuple(strip),
        " · ".join(f"{count} {word}" for (_style, count), word in zip(outcomes, words, strict=True) if count),
        " ".join(f"scores.{place}.{field}" for (_style, count), field in zip(outcomes, fields, strict=True) if count),
        sum(len(outcome.findings) for outcome in result.outcomes if outcome.dimension == score.dimension),
    )


def _baseline(use: BaselineUse | None) -> BaselineNote | None:
    if use is None:
        return None
    expired, stale = (tuple(visible(text, 300) for text in texts) for texts in (use.expired, use.stale))
    return BaselineNote(visible(use.path, 160), use.accepted, expired, stale)


def _views(result: Result) -> tuple[ViewCard, ...]:
    order = dict.fromkeys((*DIMENSIONS, *(outcome.dimension for outcome in result.outcomes)))
    return tuple(
        ViewCard(
            title_of(dimension),
            visible(outcome.code, 20),
            told(view.caption, outcome.code, limit=400),
            draw(view.chart, VIEW, outcome.code),
        )
        for dimension in order
        for outcome in result.outcomes
        if outcome.dimension == dimension and not (result.dataset.reading is not None and outcome.code in CLAIMED)
        for view in outcome.views
    )


# --- method -----------------------------------------------------------------------------------------------------------


def _role(role: Any) -> tuple[str, str, str, str]:
    shown = listing(role.columns, 12, limit=60)
    how = _("given") if role.given else _("guessed")
    return (title_of(role.role), shown or _("none"), how, told(role.reason, ROLES, limit=400))


def _methods(result: Result) -> tuple[MethodRow, ...]:
    measured = sum(bool(outcome.measurements) for outcome in result.outcomes) or 1
    most = max(MOST_MEASUREMENTS // measured, 5)
    return tuple(
        MethodRow(
            outcome,
            title_of(outcome.name),
            title_of(outcome.dimension),
            told(outcome.reason, outcome.code),
            ", ".join(f"{visible(key, 60)} = {brief(value, 80)}" for key, value in outcome.options.items()),
            told(outcome.definition, outcome.code, limit=2000),
            tuple((visible(key, 60), told(note, outcome.code)) for key, note in outcome.option_notes.items()),
            tuple(_measurement(one) for one in outcome.measurements[:most]),
            max(len(outcome.measurements) - most, 0),
        )
        for outcome in result.outcomes
    )


def _measurement(one: Measurement) -> tuple[str, ...]:
    name = one.statistic
    interval = one.interval
    subject = ", ".join(visible(column, 60) for column in one.columns[:4]) or _("dataset")
    rest = len(one.columns) - 4
    return (
        subject
        + (" " + _("and {count} more", count=f"{rest:,}") if rest > 0 else "")
        + (f" [{visible(one.segment, 60)}]" if one.segment else ""),
        visible(name, 60),
        amount(one.value, name) + (f" {visible(one.unit, 20)}" if one.unit else ""),
        "" if one.limit is None else amount(one.limit, name),
        "" if interval is None else span(amount(interval.low, name), amount(interval.high, name)),
        "" if one.p_value is None else number(one.p_value),
        _("all {unit}", unit=_(one.basis.unit))
        if one.basis.exact
        else _("sample of {count}", count=f"{one.basis.rows:,}"),
    )


def _timings(result: Result) -> tuple[Fact, ...]:
    run = result.run
    facts = [(title_of(step), f"{seconds:.2f} s") for step, seconds in run.timings.items()]
    facts.append((_("Whole run"), f"{run.seconds:.2f} s"))
    if run.peak_memory_mb is not None:
        facts.append((_("Peak memory"), f"{run.peak_memory_mb:,.0f} MB"))
    if run.threads is not None:
        facts.append((_("Threads"), number(run.threads)))
    facts += [(visible(name, 40), visible(version, 60)) for name, version in run.versions.items()]
    facts.append((_("Run"), visible(run.id, 60)))
    if result.dataset.schema_hash:
        facts.append((_("Schema"), visible(result.dataset.schema_hash, 13)))
    return tuple(facts)
