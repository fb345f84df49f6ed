"""The episodes as the report's table shows them: worst first by what was found, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.dataset import Dataset, TrajectoryInfo
from audit.episode_facts.profile import ENDS, EpisodeLines, EpisodeLineValues, EpisodeTraces, Trace
from audit.facts import Fact
from audit.findings import Chart, Finding, Outcome, Severity
from audit.result import MOST_EPISODES, EpisodeSummary, EpisodeTotals, SourceReading, Spread
from audit.stats.density import bin_edges, histogram, quantiles

MOST_STRIPS = 6
"""Episodes whose streams are drawn over time."""

_MOST_ENTRIES = 3  # of observation and action together, in an episode's picture
_MOST_MARKS = 60  # stretches of flagged steps in it

Answer = Callable[[Fact], Any]


@dataclass(slots=True)
class _Tally:
    """What the findings say of each episode: one entry an episode, in the order in which they were read."""

    severity: NDArray[np.int8]
    findings: NDArray[np.int64]
    rank: NDArray[np.int64]
    steps: NDArray[np.int64]
    marked: NDArray[np.bool_]
    about: dict[int, list[Finding]]


def reading_of(known: TrajectoryInfo) -> SourceReading:
    """Return how trajectories were read, for the outputs."""
    return SourceReading(
        known.format,
        tuple(known.mapping.items()),
        known.unknown,
        known.skipped,
        known.problems,
        len(known.observation_names),
        f"{known.actions:,} choices" if known.actions is not None else f"vector of {len(known.action_names):,}",
        known.step_limit,
        known.fps,
        known.env_id,
    )


def make_episode_table(
    data: Dataset, outcomes: Sequence[Outcome], answer: Answer
) -> tuple[tuple[EpisodeSummary, ...], EpisodeTotals | None]:
    """Return the worst episodes, at most 1,000, and what holds for all; nothing for a table.

    Args:
        data: the dataset.
        outcomes: of all checks.
        answer: gives the answer to a fact, or None where it failed.
    """
    if data.trajectory is None:
        return (), None
    lines: EpisodeLineValues | None = answer(EpisodeLines())
    if lines is None:
        return (), None
    tally = _tally(lines, outcomes)
    order = np.lexsort((np.arange(len(lines.ids)), tally.rank, -tally.steps, -tally.findings, -tally.severity))
    worst = order[:MOST_EPISODES].tolist()
    found = [place for place in worst[:MOST_STRIPS] if tally.severity[place]]
    strips = _strips(data.trajectory, found or worst[:1], tally, lines, answer)
    episodes = tuple(_summary(place, lines, tally, strips.get(place, ())) for place in worst)
    return episodes, _totals(lines, tally)


def _tally(lines: EpisodeLineValues, outcomes: Sequence[Outcome]) -> _Tally:
    count = len(lines.ids)
    rows = int(lines.offsets[-1]) if count else 0
    place_of: dict[str, int] = {}
    tally = _Tally(
        np.zeros(count, dtype=np.int8),
        np.zeros(count, dtype=np.int64),
        np.full(count, MOST_EPISODES, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.zeros(rows, dtype=bool),
        {},
    )
    findings = sorted((f for o in outcomes for f in o.findings), key=lambda f: (-f.severity, -(f.effect or 0.0)))
    for finding in findings:
        if finding.episodes and not place_of:
            place_of = {name: place for place, name in enumerate(lines.ids)}
        named = [place_of[name] for name in finding.episodes if name in place_of]
        at = np.asarray([row for row in finding.row_ids if 0 <= row < rows], dtype=np.int64)
        tally.marked[at] = True
        holding = np.searchsorted(lines.offsets, at, side="right") - 1
        for rank, place in enumerate(dict.fromkeys([*named, *holding.tolist()])):
            tally.severity[place] = max(tally.severity[place], int(finding.severity))
            tally.findings[place] += 1
            tally.rank[place] = min(tally.rank[place], rank)
            tally.about.setdefault(place, []).append(finding)
    for repair in (repair for outcome in outcomes for repair in outcome.repairs):
        if repair.rows:
            tally.marked |= _mask(np.asarray(repair.rows, dtype=np.int64), rows)
    total = np.concatenate([[0], np.cumsum(tally.marked)])
    tally.steps[:] = total[lines.offsets[1:]] - total[lines.offsets[:-1]]
    return tally


def _mask(spans: NDArray[np.int64], rows: int) -> NDArray[np.bool_]:
    edges = np.zeros(rows + 1, dtype=np.int64)
    np.add.at(edges, np.clip(spans[:, 0], 0, rows), 1)
    np.add.at(edges, np.clip(spans[:, 1], 0, rows), -1)
    return np.asarray(np.cumsum(edges)[:-1] > 0)


def _summary(place: int, lines: EpisodeLineValues, tally: _Tally, strips: tuple[Chart, ...]) -> EpisodeSummary:
    about = tally.about.get(place, [])
    total = None if lines.returns is None else float(lines.returns[place])
    return EpisodeSummary(
        id=lines.ids[place],
        place=place,
        first_row=int(lines.offsets[place]),
        length=int(lines.offsets[place + 1] - lines.offsets[place]),
        episode_return=total if total is not None and np.isfinite(total) else None,
        end=ENDS[lines.ends[place]],
        severity=Severity(int(tally.severity[place])) if about else None,
        codes=tuple(dict.fromkeys(finding.code for finding in about)),
        flagged_steps=int(tally.steps[place]),
        strips=strips,
    )


def _totals(lines: EpisodeLineValues, tally: _Tally) -> EpisodeTotals:
    lengths = lines.lengths.astype(np.float64)
    returns = None if lines.returns is None else lines.returns[np.isfinite(lines.returns)]
    counted = np.bincount(lines.ends, minlength=len(ENDS))
    return EpisodeTotals(
        episodes=len(lines.ids),
        steps=int(lines.offsets[-1]) if len(lines.offsets) else 0,
        with_findings=int((tally.severity >= Severity.WARN).sum()),
        flagged_steps=int(tally.marked.sum()),
        ends={end: int(n) for end, n in zip(ENDS, counted, strict=True) if n},
        lengths=_spread(lengths),
        returns=None if returns is None else _spread(returns),
        length_chart=_histogram(lengths, "Episode lengths", "steps in the episode"),
        return_chart=None if returns is None else _histogram(returns, "Returns", "undiscounted return"),
    )


def _spread(values: NDArray[np.float64]) -> Spread | None:
    if not len(values):
        return None
    low, median, high = quantiles(np.sort(values), (0.0, 0.5, 1.0)).tolist()
    return Spread(float(values.mean()), low, median, high)


def _histogram(values: NDArray[np.float64], title: str, x_title: str) -> Chart | None:
    if not len(values):
        return None
    ordered = np.sort(values)
    edges = bin_edges(ordered, whole=bool((ordered == np.round(ordered)).all()))
    counts = histogram(ordered, edges).counts
    return Chart("histogram", title, {"edges": edges.tolist(), "counts": counts.tolist()}, x_title, "episodes")


# --- one episode over time --------------------------------------------------------------------------------------------


def _strips(
    known: TrajectoryInfo, places: Sequence[int], tally: _Tally, lines: EpisodeLineValues, answer: Answer
) -> dict[int, tuple[Chart, ...]]:
    wanted = tuple(_entries(known, tally.about.get(place, ())) for place in places)
    traces = answer(EpisodeTraces(tuple(places), wanted)) or ()
    return {
        place: tuple(_strip(trace, marks) for trace in own)
        for place, own in zip(places, traces, strict=False)
        for marks in [_marks(tally.marked[lines.offsets[place] : lines.offsets[place + 1]])]
    }


def _entries(known: TrajectoryInfo, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the entries to draw: those that the episode's findings are about, worst first, then the first ones."""
    named = [name for finding in findings for name in finding.columns]
    entries = {*known.observation_names, *known.action_names}
    chosen = dict.fromkeys([*(name for name in named if name in entries), *known.observation_names[:_MOST_ENTRIES]])
    return tuple(chosen)[:_MOST_ENTRIES]


def _marks(marked: NDArray[np.bool_]) -> list[list[int]]:
    edges = np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8))
    pairs = zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)
    return [[start, stop - 1] for start, stop in pairs][:_MOST_MARKS]


def _strip(trace: Trace, marks: list[list[int]]) -> Chart:
    series: dict[str, Any] = {"name": trace.name, "values": _finite(trace.mean)}
    if (trace.low < trace.high).any():
        series |= {"low": _finite(trace.low), "high": _finite(trace.high)}
    data: dict[str, Any] = {"x": trace.steps.tolist(), "series": [series]}
    if marks:
        data["marks"] = marks
    return Chart("line", trace.name, data, "step", trace.stream)


def _finite(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124  # only NaN differs from itself
