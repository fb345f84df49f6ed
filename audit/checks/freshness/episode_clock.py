"""FRE101: do the timestamps run on, evenly, at the declared rate?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, worst_episodes
from audit.dataset import Dataset, Kind
from audit.episode_facts.clock import EpisodeClock, EpisodeClockValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity, View

TIME = ("timestamp",)
Flags = NDArray[np.bool_]


@register
@dataclass(frozen=True, slots=True)
class ClockOfEpisodes:
    """Timestamps that run backwards, stand still, jump, or run at another rate than declared.

    What it measures: the intervals between the timestamps of consecutive steps, over all steps: intervals below 0 and
        of 0, intervals that differ from the median by more than `tolerance` of it, and the median against the declared
        frames a second. How episodes start (each at 0, or on one clock) is mentioned, not judged.
    Why it matters: learners take steps as evenly spaced. A step that took three times as long looks like another
        dynamics, and a wrong rate makes velocities and video frames fit to other states.
    What to do: leave episodes out whose time runs backwards (`audit clean` proposes it). Where only the rate is off,
        evenly, set timestamps to frame / rate or correct the rate. Recordings at a variable rate are what they are:
        give the interval to the learner.

    Options:
        tolerance: share of the median interval by which an interval may differ from it.
        uneven: share (0 to 1) of intervals beyond the tolerance above which it warns; without a declared rate it is
            only mentioned.
        rate: relative difference between the median rate and the declared one above which it warns.
        fail: share (0 to 1) of intervals backwards above which the check fails; below it warns.
    """

    code: ClassVar[str] = "FRE101"
    name: ClassVar[str] = "episode-clock"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TRAJECTORY

    tolerance: float = 0.2
    uneven: float = 0.01
    rate: float = 0.01
    fail: float = 0.001

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the intervals, if there are timestamps."""
        if not data.episodes.gives("timestamps"):
            return NotEvaluated("the steps have no timestamps")
        return {"clock": EpisodeClock(self.tolerance)}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge order, standstill, evenness and rate, each by itself."""
        c: EpisodeClockValues = facts["clock"]
        basis = Basis(len(c.backwards), len(c.backwards))
        yield from self._steps(
            c, c.not_finite, "not_finite_share", Severity.WARN,
            of=len(c.not_finite), unit="steps", words="have no finite timestamp",
            remedy="Take the timestamps from the recording again.",
        )  # fmt: skip
        if not c.intervals:
            yield NotEvaluated("no step has a next one with a timestamp", TIME)
            return
        share = int(c.backwards.sum()) / c.intervals
        yield from self._steps(
            c, c.backwards, "backwards_share", Severity.FAIL if share > self.fail else Severity.WARN,
            of=c.intervals, unit="intervals", words="run backwards inside an episode",
            remedy="Look for episodes run together or shuffled; leave them out otherwise.",
        )  # fmt: skip
        if c.backwards.any():
            yield Repair(
                self.code, TIME, "backwards_share", "quarantine", episodes=_hit(c, c.backwards),
                reason="time runs backwards inside the episode, so the order of its steps is in doubt",
            )  # fmt: skip
        yield from self._steps(
            c, c.repeated, "repeated_share", Severity.WARN,
            of=c.intervals, unit="intervals", words="are 0 long: two steps at one time",
            remedy="Look for steps written twice, or for timestamps stored with too few digits.",
        )  # fmt: skip
        yield from self._evenness(c)
        yield from self._rate(c, basis)
        yield from self._starts(c, basis)

    def _steps(
        self,
        c: EpisodeClockValues,
        bad: Flags,
        statistic: str,
        severity: Severity,
        *,
        of: int,
        unit: str,
        words: str,
        remedy: str,
        limit: float = 0.0,
    ) -> Iterator[Judgement]:
        basis = Basis(len(bad), len(bad))
        share = int(bad.sum()) / max(of, 1)
        if share <= limit:
            yield Measurement(statistic, TIME, share, basis, limit=limit)
            return
        ids = worst_episodes(c.ids, c.per_episode(bad))
        yield Finding(
            self.code, TIME, severity,
            f"timestamp: {int(bad.sum()):,} of {of:,} {unit} ({share:.2%}) {words}, limit {limit:.0%} ({named(ids)})",
            statistic, share, limit, basis, effect=min(1.0, 0.1 + share), affected=int(bad.sum()), episodes=ids,
            row_ids=first_rows(bad), remedy=remedy,
        )  # fmt: skip

    def _evenness(self, c: EpisodeClockValues) -> Iterator[Judgement]:
        if not np.isfinite(c.usual):
            return
        lost = f" ({c.lost_steps:,} steps would fit into those that are too long)" if c.lost_steps else ""
        yield from self._steps(
            c, c.uneven, "uneven_share", Severity.INFO if c.fps is None else Severity.WARN,
            of=c.intervals, unit="intervals", limit=self.uneven,
            words=f"differ from the usual {_time(c.usual)} by more than {self.tolerance:.0%}{lost}",
            remedy="Look for lost frames; if the rate varies on purpose, give the interval to the learner.",
        )  # fmt: skip
        yield _interval_view(c)

    def _rate(self, c: EpisodeClockValues, basis: Basis) -> Iterator[Judgement]:
        if c.fps is None or not np.isfinite(c.usual):
            return
        found = 1.0 / c.usual
        off = abs(found / c.fps - 1.0)
        if off <= self.rate:
            yield Measurement("rate_difference", TIME, off, basis, limit=self.rate)
            return
        pure = int(c.uneven.sum()) <= self.uneven * c.intervals
        evenly = "evenly, so only the rate or the unit is wrong" if pure else "and unevenly"
        yield Finding(
            self.code, TIME, Severity.WARN,
            f"timestamp: {found:.4g} steps a second are recorded, {c.fps:g} declared, {off:.1%} off, {evenly}; limit "
            f"{self.rate:.0%}",
            "rate_difference", off, self.rate, basis, effect=min(1.0, off), affected=basis.of,
            remedy="Correct the declared rate, or set timestamps to frame / rate if the recorder's clock was wrong.",
            evidence={"fps": c.fps, "found": found, "even": pure},
        )  # fmt: skip

    def _starts(self, c: EpisodeClockValues, basis: Basis) -> Iterator[Judgement]:
        filled = int((np.diff(c.offsets) > 0).sum())
        mixed = 0 < c.from_zero < filled - 1  # the first of one clock may start at 0
        if not mixed and not c.overlapping:
            yield Measurement("starts_at_zero_share", TIME, c.from_zero / max(filled, 1), basis)
            return
        yield Finding(
            self.code, TIME, Severity.INFO,
            f"timestamp: {c.from_zero:,} of {filled:,} episodes start at 0, and {c.overlapping:,} others start before "
            "the one before them has ended, limit 0; episodes were recorded on several clocks, or not in this order",
            "starts_at_zero_share", c.from_zero / filled, None, basis, effect=0.05,
            remedy="Compare times only inside episodes.",
        )  # fmt: skip


def _hit(c: EpisodeClockValues, steps: Flags) -> tuple[str, ...]:
    return tuple(c.ids[i] for i in np.flatnonzero(c.per_episode(steps)).tolist())


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.4g} ms" if seconds < 1 else f"{seconds:.4g} s"


def _interval_view(c: EpisodeClockValues) -> View:
    low, high = (float(np.quantile(c.sample, q)) for q in (0.001, 0.999))
    if high - low < 0.02 * c.usual:
        low, high = 0.99 * c.usual, 1.01 * c.usual
    counts, edges = np.histogram(np.clip(c.sample, low, high), bins=40, range=(low, high))
    chart = Chart(
        "histogram", "Time between steps",
        {"edges": (edges * 1e3).tolist(), "counts": counts.tolist()},
        x_title="milliseconds", y_title="intervals",
    )  # fmt: skip
    declared = "" if c.fps is None else f", {1e3 / c.fps:.4g} ms by the declared rate"
    return View(chart, f"Usual: {c.usual * 1e3:.4g} ms{declared}. The outer 0.1% on each side are drawn at the ends.")
