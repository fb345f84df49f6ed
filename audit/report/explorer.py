"""The columns of a result (of trajectories: the streams) as cards, worst first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from audit.findings import Finding
from audit.report.charts import CARD, draw
from audit.report.language import _
from audit.report.picture import Picture
from audit.report.sentences import told
from audit.report.wording import number, percent, visible
from audit.result import ColumnProfile, Result

MOST_CARDS = 1000  # columns with a card of their own; the rest is listed

Fact = tuple[str, str]


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


def column_cards(
    result: Result, findings: Sequence[Finding], anchors: Sequence[str], *, say_basis: bool
) -> tuple[tuple[ColumnCard, ...], tuple[ColumnProfile, ...]]:
    """Return the cards, worst first, and the columns that have none because there are too many."""
    about: dict[str, list[tuple[Finding, str]]] = {}
    for finding, anchor in zip(findings, anchors, strict=True):
        for column in finding.columns:
            about.setdefault(column, []).append((finding, anchor))

    def badness(item: tuple[int, ColumnProfile]) -> tuple[float, ...]:
        own = about.get(item[1].name, [])
        worst = own[0][0] if own else None  # findings come worst first
        return (-worst.severity, -(worst.effect or 0.0), -len(own)) if worst else (0.0, 0.0, 0.0)

    ordered = sorted(enumerate(result.columns), key=badness)  # stable: the file's order decides ties
    streams = result.dataset.reading is not None
    cards = [
        _card(i, profile, about.get(profile.name, []), say_basis=say_basis, streams=streams)
        for i, profile in ordered[:MOST_CARDS]
    ]
    return tuple(cards), tuple(profile for _, profile in ordered[MOST_CARDS:])


def _card(
    position: int, profile: ColumnProfile, own: Sequence[tuple[Finding, str]], *, say_basis: bool, streams: bool
) -> ColumnCard:
    facts = [(_("Missing"), f"{percent(profile.missing / profile.rows)}" if profile.rows else "–")]
    if profile.distinct is not None:
        facts.append((_("Distinct"), f"{'' if profile.distinct_exact else '≈ '}{profile.distinct:,}"))
    if profile.mean is not None:
        facts.append((_("Mean"), number(profile.mean)))
    if profile.std is not None:
        facts.append((_("Std"), number(profile.std)))
    if profile.low is not None:
        facts.append((_("Min"), _end(profile.low)))
    if profile.high is not None:
        facts.append((_("Max"), _end(profile.high)))
    details = [
        (
            _("Missing steps") if streams else _("Missing rows"),
            _("{count} of {all}", count=f"{profile.missing:,}", all=f"{profile.rows:,}"),
        )
    ]
    if profile.nan:
        details.append((_("of them NaN"), number(profile.nan)))
    if profile.infinite:
        details.append((_("Infinite"), number(profile.infinite)))
    if profile.skewness is not None:
        details.append((_("Skewness"), number(profile.skewness)))
    details += [(_("Quantile {q}", q=visible(q, 12)), number(v)) for q, v in profile.quantiles.items()]
    is_bars = profile.chart is not None and profile.chart.kind == "bars"
    return ColumnCard(
        anchor=f"c-{position}",
        name=visible(profile.name, 120),
        kind=visible((streams and profile.role) or profile.kind, 20),
        type=visible(profile.type, 40),
        role=visible(profile.role, 40) if profile.role else "",
        position=position,
        severity=own[0][0].severity.label if own else "",
        badges=tuple((visible(f.code, 20), f.severity.label, anchor) for f, anchor in own[:5]),
        more_badges=max(len(own) - 5, 0),
        facts=tuple(facts),
        details=tuple(details),
        top=() if is_bars else tuple((visible(v, 60), number(n)) for v, n in islice(profile.top, 10)),
        basis=told(profile.basis, limit=160) if say_basis else "",
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
