"""What stands on the page: a result as rows, cards and pictures in the words that people read.

Nothing is computed here but order, grouping and wording; each number is one of the result.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from audit.findings import DIMENSIONS, Finding, Measurement, Outcome, Severity, Status
from audit.report.charts import CARD, EVIDENCE, VIEW, draw
from audit.report.picture import Picture
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
from audit.report.wording import amount, brief, isolated, number, percent, plural, sentence, title_of, visible
from audit.result import ColumnProfile, Result, Score

MOST_FINDINGS = 2000  # rows of the findings table; the JSON has all
MOST_CARDS = 1000  # columns with a card of their own; the rest is listed
MOST_PICTURES = 60  # findings with a picture, the worst ones
MOST_MEASUREMENTS = 600  # rows over all checks under "Method and limits"
_PRINTED = 20  # findings whose evidence is printed

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as a row of the table and the evidence below it."""

    anchor: str
    severity: str
    rank: int
    code: str
    name: str
    dimension: str
    columns: tuple[tuple[str, str], ...]
    more_columns: int
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


@dataclass(frozen=True, slots=True)
class ColumnCard:
    """One column of the explorer."""

    anchor: str
    name: str
    kind: str
    type: str
    role: str
    position: int
    severity: str
    badges: tuple[tuple[str, str, str], ...]
    more_badges: int
    facts: tuple[Fact, ...]
    details: tuple[Fact, ...]
    top: tuple[Fact, ...]
    basis: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """A dimension's score; `strip` is (style, x, width) for each kind of outcome."""

    dimension: str
    name: str
    score: Score
    value: str
    state: str
    strip: tuple[tuple[str, str, str], ...]
    counts: str
    findings: int


@dataclass(frozen=True, slots=True)
class ViewCard:
    """A picture of the whole dataset, with the dimension and the check that it comes from."""

    dimension: str
    code: str
    caption: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class MethodRow:
    """How one check was done, passed or not."""

    outcome: Outcome
    name: str
    dimension: str
    reason: str
    options: str
    measurements: tuple[tuple[str, ...], ...]
    more_measurements: int


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the templates draw."""

    title: str
    uri: str
    size: str
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    verdict: Verdict
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
    anchors = _anchors(result, findings)
    columns = {profile.name: f"c-{i}" for i, profile in enumerate(result.columns)}
    outcomes = {outcome.code: outcome for outcome in result.outcomes}
    rows = [
        _finding_row(finding, anchors[i], i, outcomes.get(finding.code), columns, include_samples=include_samples)
        for i, finding in enumerate(findings[:MOST_FINDINGS])
    ]
    first = {finding.code: anchors[i] for i, finding in reversed(list(enumerate(findings)))}
    todo, more_actions = actions(result)
    groups = unchecked(result)
    every_basis = {profile.basis for profile in result.columns}
    basis = visible(every_basis.pop(), 160) if len(every_basis) == 1 else ""  # said once, when all columns share it
    cards, listed = _cards(result, findings, anchors, say_basis=not basis)
    return Page(
        title=_title(result.dataset.uri),
        uri=visible(result.dataset.uri, 300),
        size=f"{plural(result.dataset.rows, 'row')} × {plural(result.dataset.columns, 'column')}",
        facts=_header_facts(result),
        notes=tuple(visible(note, 400) for note in result.dataset.notes),
        verdict=verdict(result),
        actions=tuple((a, _message(a.worst), first[a.code]) for a in todo),
        more_actions=more_actions,
        unchecked=groups,
        partly=partly_unchecked(result),
        options=missing_options(groups),
        errors=result.errors,
        scores=tuple(_score_card(score, result) for score in result.scores),
        findings=tuple(rows),
        more_findings=max(len(findings) - MOST_FINDINGS, 0),
        counts={s.label: sum(f.severity is s for f in findings) for s in reversed(Severity)},
        views=_views(result),
        cards=cards,
        listed=listed,
        kinds=tuple(sorted({visible(profile.kind, 20) for profile in result.columns})),
        roles=tuple(_role(role) for role in result.roles),
        methods=_methods(result),
        settings=tuple((visible(key, 60), brief(value)) for key, value in result.settings.items()),
        timings=_timings(result),
        approximations=tuple(visible(text, 400) for text in result.approximations),
        reference="" if result.reference is None else _reference(result),
        basis=basis,
    )


def _title(uri: str) -> str:
    return visible(uri.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1] or uri, 120)


def _reference(result: Result) -> str:
    if result.reference is None:
        return ""
    return f"{_title(result.reference.uri)} ({plural(result.reference.rows, 'row')})"


def _header_facts(result: Result) -> tuple[Fact, ...]:
    dataset, run = result.dataset, result.run
    facts = [("Source", visible(dataset.kind, 60))]
    if dataset.bytes is not None:
        facts.append(("Size", file_size(dataset.bytes)))
    if dataset.episodes is not None:
        facts.append(("Episodes", number(dataset.episodes)))
    if result.reference is not None:
        facts.append(("Reference", _reference(result)))
    facts.append(("Audited", when(run.started)))
    facts.append(("Took", f"{run.seconds:.1f} s"))
    if run.tool_version:
        facts.append(("Version", f"dataset-audit {visible(run.tool_version, 40)}"))
    return tuple(facts)


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


# --- findings ---------------------------------------------------------------------------------------------------------


def _anchors(result: Result, findings: Sequence[Finding]) -> list[str]:
    """Return an id for each finding, from its fingerprint: the same in the next run's report."""
    seen: dict[str, int] = {}
    anchors = []
    for finding in findings:
        anchor = f"f-{result.fingerprint(finding)[:12]}"
        seen[anchor] = seen.get(anchor, 0) + 1
        anchors.append(anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor]}")
    return anchors


def _finding_row(
    finding: Finding,
    anchor: str,
    position: int,
    outcome: Outcome | None,
    columns: Mapping[str, str],
    *,
    include_samples: bool,
) -> FindingRow:
    shown = [(visible(name, 60), columns.get(name, "")) for name in finding.columns[:4]]
    withheld = not include_samples and any(_is_sample(key) for key in finding.evidence)
    return FindingRow(
        anchor=anchor,
        severity=finding.severity.label,
        rank=int(finding.severity),
        code=visible(finding.code, 20),
        name=title_of(outcome.name) if outcome else visible(finding.code, 20),
        dimension=outcome.dimension if outcome else "",
        columns=tuple(shown),
        more_columns=len(finding.columns) - len(shown),
        message=_message(finding),
        effect=finding.effect,
        affected=finding.affected,
        affected_text=_affected(finding),
        basis="all rows" if finding.basis.exact else "sample",
        facts=_finding_facts(finding, include_samples),
        where=visible(finding.where, 1000) if finding.where else "",
        remedy=sentence(finding.remedy, finding.columns),
        picture=draw(finding.chart, EVIDENCE) if finding.chart is not None and position < MOST_PICTURES else None,
        withheld=withheld,
        printed=position < _PRINTED,
    )


def _message(finding: Finding) -> str:
    return isolated(sentence(finding.message, finding.columns), finding.columns)


def _is_sample(key: str) -> bool:
    return key.startswith("examples")


def _affected(finding: Finding) -> str:
    if finding.affected is None:
        return ""
    return f"{'' if finding.basis.exact else '≈ '}{finding.affected:,}"


def _finding_facts(finding: Finding, include_samples: bool) -> tuple[Fact, ...]:
    name = finding.statistic
    facts = []
    if finding.value is not None:
        facts.append(("Value", f"{visible(name, 60)} = {amount(finding.value, name)}"))
    if finding.limit is not None:
        facts.append(("Limit", f"{amount(finding.limit, name)} ({visible(finding.limit_source, 120)})"))
    if finding.interval is not None:
        ends = f"{amount(finding.interval.low, name)} to {amount(finding.interval.high, name)}"
        facts.append((f"{finding.interval.level:.0%} interval", f"{ends} ({visible(finding.interval.method, 60)})"))
    facts.append(("Basis", str(finding.basis)))
    if finding.segment:
        facts.append(("Segment", visible(finding.segment, 120)))
    if finding.row_ids:
        ids = ", ".join(str(row) for row in finding.row_ids[:15])
        rest = len(finding.row_ids) - 15
        facts.append(("Row numbers", f"{ids}{f' and {rest:,} more' if rest > 0 else ''}"))
    facts += [
        (title_of(str(key)), brief(value))
        for key, value in finding.evidence.items()
        if include_samples or not _is_sample(str(key))
    ]
    return tuple(facts)


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
    words = zip((count for _, count in outcomes), ("pass", "warn", "fail", "broke", "not evaluated"), strict=True)
    total = sum(count for _, count in outcomes) or 1
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
        " · ".join(f"{count} {word}" for count, word in words if count),
        sum(len(outcome.findings) for outcome in result.outcomes if outcome.dimension == score.dimension),
    )


def _views(result: Result) -> tuple[ViewCard, ...]:
    order = dict.fromkeys((*DIMENSIONS, *(outcome.dimension for outcome in result.outcomes)))
    return tuple(
        ViewCard(title_of(dimension), visible(outcome.code, 20), visible(view.caption, 400), draw(view.chart, VIEW))
        for dimension in order
        for outcome in result.outcomes
        if outcome.dimension == dimension
        for view in outcome.views
    )


# --- columns ----------------------------------------------------------------------------------------------------------


def _cards(
    result: Result, findings: Sequence[Finding], anchors: Sequence[str], *, say_basis: bool
) -> tuple[tuple[ColumnCard, ...], tuple[ColumnProfile, ...]]:
    about: dict[str, list[tuple[Finding, str]]] = {}
    for finding, anchor in zip(findings, anchors, strict=True):
        for column in finding.columns:
            about.setdefault(column, []).append((finding, anchor))

    def badness(item: tuple[int, ColumnProfile]) -> tuple[float, ...]:
        own = about.get(item[1].name, [])
        worst = own[0][0] if own else None  # findings come worst first
        return (-worst.severity, -(worst.effect or 0.0), -len(own)) if worst else (0.0, 0.0, 0.0)

    ordered = sorted(enumerate(result.columns), key=badness)  # stable: the file's order decides ties
    cards = [_card(i, profile, about.get(profile.name, []), say_basis) for i, profile in ordered[:MOST_CARDS]]
    return tuple(cards), tuple(profile for _, profile in ordered[MOST_CARDS:])


def _card(position: int, profile: ColumnProfile, own: Sequence[tuple[Finding, str]], say_basis: bool) -> ColumnCard:
    facts = [("Missing", f"{percent(profile.missing / profile.rows)}" if profile.rows else "–")]
    if profile.distinct is not None:
        facts.append(("Distinct", f"{'' if profile.distinct_exact else '≈ '}{profile.distinct:,}"))
    if profile.mean is not None:
        facts.append(("Mean", number(profile.mean)))
    if profile.std is not None:
        facts.append(("Std", number(profile.std)))
    if profile.low is not None:
        facts.append(("Min", _end(profile.low)))
    if profile.high is not None:
        facts.append(("Max", _end(profile.high)))
    details = [("Missing rows", f"{profile.missing:,} of {profile.rows:,}")]
    if profile.nan:
        details.append(("of them NaN", number(profile.nan)))
    if profile.infinite:
        details.append(("Infinite", number(profile.infinite)))
    if profile.skewness is not None:
        details.append(("Skewness", number(profile.skewness)))
    details += [(f"Quantile {visible(q, 12)}", number(v)) for q, v in profile.quantiles.items()]
    is_bars = profile.chart is not None and profile.chart.kind == "bars"
    return ColumnCard(
        anchor=f"c-{position}",
        name=visible(profile.name, 120),
        kind=visible(profile.kind, 20),
        type=visible(profile.type, 40),
        role=visible(profile.role, 40) if profile.role else "",
        position=position,
        severity=own[0][0].severity.label if own else "",
        badges=tuple((visible(f.code, 20), f.severity.label, anchor) for f, anchor in own[:5]),
        more_badges=max(len(own) - 5, 0),
        facts=tuple(facts),
        details=tuple(details),
        top=() if is_bars else tuple((visible(v, 60), number(n)) for v, n in islice(profile.top, 10)),
        basis=visible(profile.basis, 160) if say_basis else "",
        picture=draw(profile.chart, CARD) if profile.chart is not None else None,
    )


def _end(value: float | str) -> str:
    """Return the smallest or largest value in a few characters; times to the minute."""
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            return visible(value, 24)
        return f"{moment:%Y-%m-%d}" if moment.time() == dt.time() else f"{moment:%Y-%m-%d %H:%M}"
    return number(value)


# --- method -----------------------------------------------------------------------------------------------------------


def _role(role: Any) -> tuple[str, str, str, str]:
    names = [visible(name, 60) for name in role.columns]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12:,} more" if len(names) > 12 else "")
    return (title_of(role.role), shown or "none", "given" if role.given else "guessed", visible(role.reason, 400))


def _methods(result: Result) -> tuple[MethodRow, ...]:
    measured = sum(bool(outcome.measurements) for outcome in result.outcomes) or 1
    most = max(MOST_MEASUREMENTS // measured, 5)
    return tuple(
        MethodRow(
            outcome,
            title_of(outcome.name),
            title_of(outcome.dimension),
            sentence(outcome.reason),
            ", ".join(f"{visible(key, 60)} = {brief(value, 80)}" for key, value in outcome.options.items()),
            tuple(_measurement(one) for one in outcome.measurements[:most]),
            max(len(outcome.measurements) - most, 0),
        )
        for outcome in result.outcomes
    )


def _measurement(one: Measurement) -> tuple[str, ...]:
    name = one.statistic
    interval = one.interval
    subject = ", ".join(visible(column, 60) for column in one.columns[:4]) or "dataset"
    rest = len(one.columns) - 4
    return (
        subject + (f" and {rest} more" if rest > 0 else "") + (f" [{visible(one.segment, 60)}]" if one.segment else ""),
        visible(name, 60),
        amount(one.value, name) + (f" {visible(one.unit, 20)}" if one.unit else ""),
        "" if one.limit is None else amount(one.limit, name),
        "" if interval is None else f"{amount(interval.low, name)} to {amount(interval.high, name)}",
        "" if one.p_value is None else number(one.p_value),
        "all rows" if one.basis.exact else f"sample of {one.basis.rows:,}",
    )


def _timings(result: Result) -> tuple[Fact, ...]:
    run = result.run
    facts = [(title_of(step), f"{seconds:.2f} s") for step, seconds in run.timings.items()]
    facts.append(("Whole run", f"{run.seconds:.2f} s"))
    if run.peak_memory_mb is not None:
        facts.append(("Peak memory", f"{run.peak_memory_mb:,.0f} MB"))
    if run.threads is not None:
        facts.append(("Threads", number(run.threads)))
    facts += [(visible(name, 40), visible(version, 60)) for name, version in run.versions.items()]
    facts.append(("Run", visible(run.id, 60)))
    if result.dataset.schema_hash:
        facts.append(("Schema", visible(result.dataset.schema_hash, 13)))
    return tuple(facts)
