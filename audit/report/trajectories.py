"""What the page says of trajectories: how they were read, their pictures, their episodes worst first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.findings import Chart, Outcome, Status, View
from audit.report.charts import STRIP, VIEW, draw
from audit.report.language import N_, _
from audit.report.picture import Picture
from audit.report.sentences import told
from audit.report.wording import number, percent, plural, visible
from audit.result import EpisodeSummary, EpisodeTotals, Result, SourceReading, Spread
from audit.uses import uses

MOST_EPISODES = 100  # rows of the table; the JSON has the worst 1,000. The page must not grow with the data
_MOST_ROWS = 15  # steps that a finding lists

_LEARNERS = "Which learners"  # the title of the picture of what the table of learners says

Fact = tuple[str, str]

READING = "reading"
"""The group of patterns for what is said of how a source was read: no check says it."""

ENDS: Mapping[str, str] = {
    "terminated": N_("terminated"),
    "truncated": N_("truncated"),
    "both": N_("terminated and truncated"),
    "ended": N_("ended, not said how"),
    "none": N_("no flag"),
    "unknown": N_("not said"),
}
"""How an episode ends, in the words of the page."""

_STYLES = {"yes": "pass", "with care": "warn", "no": "fail"}

SLOTS: Mapping[str, tuple[str, ...]] = {
    N_("Returns and lengths"): ("REP105",),
    N_("How episodes end"): ("COM102", "BAL102"),
    N_("Coverage"): ("REP101",),
    N_("Actions"): ("BAL101",),
    N_("Do actions, rewards and states line up?"): ("LBL102", "LBL101"),
    N_("Do episodes fit the dynamics?"): ("LBL104",),
}
"""The headings of the section's pictures, each with the checks that make them."""

CLAIMED = frozenset(code for codes in SLOTS.values() for code in codes)
"""The checks whose pictures stand in the section and not among those of the whole dataset."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where episodes and steps stand on the page, and what the data is made of ("rows", "steps")."""

    unit: str
    anchors: Mapping[str, str]
    starts: tuple[tuple[int, int, str], ...]

    def link(self, episode: str) -> tuple[str, str]:
        """Return an episode's id as text, and its row's id on the page; empty where it has no row."""
        return visible(episode, 40), self.anchors.get(episode, "")

    def rows(self, ids: Sequence[int]) -> Fact:
        """Return the label and the words for row numbers: of trajectories, steps inside their episodes."""
        shown, rest = ids[:_MOST_ROWS], max(len(ids) - _MOST_ROWS, 0)
        more = " " + _("and {count} more", count=f"{rest:,}") if rest else ""
        if self.unit == "rows":
            return _("Row numbers"), ", ".join(map(str, shown)) + more
        grouped: dict[str, list[str]] = {}
        for row in shown:
            episode, step = self._step(row)
            grouped.setdefault(episode, []).append(step)
        return _("Steps"), "; ".join(f"{episode}: {', '.join(steps)}" for episode, steps in grouped.items()) + more

    def _step(self, row: int) -> tuple[str, str]:
        at = bisect_right(self.starts, row, key=lambda start: start[0]) - 1
        if at >= 0 and row < self.starts[at][0] + self.starts[at][1]:
            return _("episode {name}", name=visible(self.starts[at][2], 40)), f"{row - self.starts[at][0]:,}"
        return _("counted from the first step of the data"), f"{row:,}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A heading of the section: (check, picture, caption) each, and the reasons of the checks that judged nothing."""

    title: str
    pictures: tuple[tuple[str, Picture, str], ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """One episode as a row of the table."""

    anchor: str
    name: str
    place: int
    severity: str
    rank: int
    codes: tuple[tuple[str, str], ...]
    length: int
    total: float | None
    end: str
    flagged: int
    viewer: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """One episode over its steps."""

    anchor: str
    name: str
    words: str
    strips: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Everything that the section shows."""

    facts: tuple[Fact, ...]
    format: str
    mapping: tuple[Fact, ...]
    unknown: tuple[str, ...]
    skipped: tuple[str, ...]
    problems: tuple[Fact, ...]
    slots: tuple[Slot, ...]
    uses: tuple[tuple[str, str, str, str], ...]
    rows: tuple[EpisodeRow, ...]
    rest: int
    in_json: int
    ends: tuple[str, ...]
    with_returns: bool
    viewers: tuple[Viewer, ...]
    worst: bool


def places_of(result: Result) -> Places:
    """Return where episodes stand on the page."""
    return Places(
        result.dataset.unit,
        {episode.id: f"e-{episode.place}" for episode in result.episodes[:MOST_EPISODES]},
        tuple(sorted((e.first_row, e.length, e.id) for e in result.episodes if e.length)),
    )


def make_section(result: Result, first: Mapping[str, str]) -> Section | None:
    """Return the section; None where the data is a table.

    Args:
        result: what was found.
        first: code of a check -> id of its worst finding on the page.
    """
    reading, totals = result.dataset.reading, result.episode_totals
    if reading is None:
        return None
    rows = result.episodes[:MOST_EPISODES]
    drawn = [episode for episode in result.episodes if episode.strips]
    count = totals.episodes if totals is not None else len(result.episodes)
    return Section(
        facts=tuple(_facts(reading, totals)),
        format=visible(reading.format, 60),
        mapping=tuple((visible(name, 80), told(meaning, READING, limit=300)) for name, meaning in reading.mapping),
        unknown=tuple(told(text, READING, limit=400) for text in reading.unknown),
        skipped=tuple(told(text, READING, limit=400) for text in reading.skipped),
        problems=tuple((visible(where, 120), told(what, READING, limit=400)) for where, what in reading.problems),
        slots=tuple(_slots(result.outcomes, totals)),
        uses=tuple(
            (
                visible(use.name, 40),
                _STYLES.get(use.suited, "none"),
                visible(use.suited, 20),
                told(use.reason, "REP105", limit=300),
            )
            for use in uses(result)
        ),
        rows=tuple(_row(episode, first) for episode in rows),
        rest=count - len(rows),
        in_json=len(result.episodes),
        ends=tuple(_(words) for end, words in ENDS.items() if any(e.end == end for e in rows)),
        with_returns=any(e.episode_return is not None for e in rows),
        viewers=tuple(_viewer(episode) for episode in drawn),
        worst=any(episode.severity is not None for episode in drawn),
    )


def _facts(reading: SourceReading, totals: EpisodeTotals | None) -> list[Fact]:
    facts = [(_("Format"), visible(reading.format, 60))]
    if reading.env_id:
        facts.append((_("Environment"), visible(reading.env_id, 80)))
    facts.append((_("Observation"), _("vector of {count}", count=f"{reading.observation:,}")))
    facts.append((_("Action"), told(reading.action, READING, limit=60)))
    if reading.fps is not None:
        facts.append((_("Frames a second"), number(float(reading.fps))))
    if reading.step_limit is not None:
        facts.append((_("Step limit"), number(reading.step_limit)))
    if totals is None:
        return facts
    facts.append((_("Episodes"), number(totals.episodes)))
    facts.append((_("Steps"), number(totals.steps)))
    if totals.lengths is not None:
        facts.append((_("Length"), _spread(totals.lengths)))
    if totals.returns is not None:
        facts.append((_("Return"), _spread(totals.returns)))
    share = f" ({percent(totals.with_findings / totals.episodes)})" if totals.episodes else ""
    facts.append((_("Episodes with findings"), f"{totals.with_findings:,}{share}"))
    share = f" ({percent(totals.flagged_steps / totals.steps)})" if totals.steps else ""
    facts.append((_("Steps that findings name"), f"{totals.flagged_steps:,}{share}"))
    return facts


def _spread(spread: Spread) -> str:
    return _(
        "median {median}, {low} to {high}",
        median=_number(spread.median),
        low=_number(spread.low),
        high=_number(spread.high),
    )


def _number(value: float) -> str:
    return number(int(value)) if value == int(value) else number(value)


# --- pictures ---------------------------------------------------------------------------------------------------------


def _slots(outcomes: Sequence[Outcome], totals: EpisodeTotals | None) -> list[Slot]:
    by_code = {outcome.code: outcome for outcome in outcomes}
    slots = []
    for title, codes in SLOTS.items():
        found = [(code, by_code.get(code)) for code in codes]
        views = _distinct([(code, view) for code, outcome in found if outcome is not None for view in outcome.views])
        pictures = [(code, draw(view.chart, VIEW, code), told(view.caption, code, limit=400)) for code, view in views]
        own = _own_charts(codes[0], [view for _, view in views], totals)
        pictures += [("", draw(chart, VIEW, ""), "") for chart in own]
        reasons = [_reason(code, outcome) for code, outcome in found]
        slots.append(Slot(_(title), tuple(pictures), tuple(reason for reason in reasons if reason)))
    return slots


def _distinct(views: Sequence[tuple[str, View]]) -> list[tuple[str, View]]:
    """Return the first picture of each title, without the one of what the table of learners says with reasons."""
    first: dict[str, tuple[str, View]] = {}
    for one in views:
        first.setdefault(one[1].chart.title, one)
    return [one for title, one in first.items() if not title.startswith(_LEARNERS)]


def _own_charts(code: str, views: Sequence[View], totals: EpisodeTotals | None) -> list[Chart]:
    """Return what the totals can show where no check has a picture of it: structure is known without any check."""
    if totals is None:
        return []
    titles = " ".join(view.chart.title.lower() for view in views)
    if code == "REP105":
        own = {"return": totals.return_chart, "length": totals.length_chart}
        return [chart for word, chart in own.items() if chart is not None and word not in titles]
    if code == "COM102" and not views and set(totals.ends) - {"unknown"}:
        labels = [_(ENDS[end]) for end in ENDS if end in totals.ends]
        values = [totals.ends[end] for end in ENDS if end in totals.ends]
        return [Chart("bars", "Flags at the end of episodes", {"labels": labels, "values": values}, "episodes")]
    return []


def _reason(code: str, outcome: Outcome | None) -> str:
    """Return why a check judged nothing; empty where it did."""
    if outcome is None:
        return _("{code} not assessed: it did not take part.", code=code)
    if outcome.views:
        return ""
    if outcome.status in (Status.NOT_APPLICABLE, Status.SKIPPED):
        return _("{code} not assessed: {reason}.", code=code, reason=told(outcome.reason, code, limit=400))
    if outcome.status is Status.ERROR:
        return _("{code} not assessed: the check broke.", code=code)
    return ""


# --- episodes ---------------------------------------------------------------------------------------------------------


def _row(episode: EpisodeSummary, first: Mapping[str, str]) -> EpisodeRow:
    return EpisodeRow(
        anchor=f"e-{episode.place}",
        name=visible(episode.id, 60),
        place=episode.place,
        severity=episode.severity.label if episode.severity is not None else "",
        rank=int(episode.severity or 0),
        codes=tuple((visible(code, 20), first.get(code, "")) for code in episode.codes),
        length=episode.length,
        total=episode.episode_return,
        end=_(ENDS.get(episode.end, visible(episode.end, 40))),
        flagged=episode.flagged_steps,
        viewer=f"v-{episode.place}" if episode.strips else "",
    )


def _viewer(episode: EpisodeSummary) -> Viewer:
    words = [plural(episode.length, "step")]
    if episode.episode_return is not None:
        words.append(_("return {value}", value=number(episode.episode_return)))
    words.append(_(ENDS.get(episode.end, visible(episode.end, 40))))
    if episode.codes:
        words.append(", ".join(visible(code, 20) for code in episode.codes))
    return Viewer(
        f"v-{episode.place}",
        visible(episode.id, 60),
        _("; ").join(words),
        tuple(draw(chart, STRIP) for chart in episode.strips),
    )
