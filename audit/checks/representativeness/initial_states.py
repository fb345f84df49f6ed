"""REP102: what do episodes start with?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import named, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.checks.representativeness.trajectory_drift import drifted, words_of
from audit.dataset import Dataset, Kind
from audit.episode_facts.drift import EntryDrift, EntryDriftValues
from audit.episode_facts.initial import InitialStates, InitialStatesValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View

START = ("observation",)


@register
@dataclass(frozen=True, slots=True)
class InitialStateDiversity:
    """How unlike the starts of episodes are, which of them stand out, and whether they fit the reference.

    What it measures: the first observation of every episode that starts at step 0: how many different ones there are,
        how many episodes start exactly like another, and which start far from all others (distance of an entry from the
        median of starts, in robust standard deviations). Episodes whose first step has another number are left out and
        counted. With a reference, each entry is compared as REP104 does it, one value an episode.
    Why it matters: the value of a policy is the value of its initial states. With a single start nothing says how a
        policy does elsewhere; an episode that starts in the middle (cut, or its first steps lost) is no start at all.
    What to do: a single start is right for a deterministic reset; else vary the seed when collecting. Look at episodes
        that start far away: were their first steps lost, or were two episodes joined?

    Options:
        far: robust standard deviations from the median of starts from which a start stands out.
        warn: share (0 to 1) of such starts above which it warns; up to it they are named only.
        most: share (0 to 1) of such starts above which they are no outliers but a second kind of start.
        repeated: share (0 to 1) of episodes with the start of another above which this is said.
        distance: Kolmogorov-Smirnov's D from the reference that is worth a warning.
    """

    code: ClassVar[str] = "REP102"
    name: ClassVar[str] = "initial-states"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    far: float = 20.0
    warn: float = 0.01
    most: float = 0.3
    repeated: float = 0.1
    distance: float = 0.2

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the starts, and with a reference for their drift."""
        return {
            "starts": InitialStates(),
            "drift": EntryDrift(initial=True) if data.reference is not None else None,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge late starts, diversity, outliers and drift, each by itself."""
        s: InitialStatesValues = facts["starts"]
        usable = int(s.usable.sum())
        basis = Basis(int(s.lengths.sum()), int(s.lengths.sum()))
        if s.late.any():
            yield from self._late(s, basis)
        if not usable:
            yield NotEvaluated("no episode has a first step (numbered 0) with a finite observation")
            return
        yield from self._diversity(s, usable, basis)
        yield from self._far(s, usable, basis)
        if facts["drift"] is not None:
            yield from self._drift(facts["drift"])
        if len(s.map_names) == 2:
            yield View(
                Chart("scatter", f"Where episodes start: {s.map_names[0]} and {s.map_names[1]}",
                      {"x": s.map_values[:, 0].tolist(), "y": s.map_values[:, 1].tolist()}, *s.map_names),
                f"{len(s.map_values):,} of {usable:,} first observations, on the two entries that vary most at the "
                "start.",
            )  # fmt: skip

    def _late(self, s: InitialStatesValues, basis: Basis) -> Iterator[Judgement]:
        share = float(s.late.mean())
        yield Finding(
            self.code, START, Severity.INFO,
            f"observation: {counted(int(s.late.sum()), 'episode')} of {len(s.late):,} ({percent(share)}) do not start "
            "at step 0, limit 0; their first observations are not taken for initial ones (COM101)",
            "late_start_share", share, 0.0, basis, effect=min(share, 0.3), episodes=worst_episodes(s.ids, s.late),
            remedy="Recover their first steps; evaluate policies from the starts of the other episodes only.",
        )  # fmt: skip

    def _diversity(self, s: InitialStatesValues, usable: int, basis: Basis) -> Iterator[Judgement]:
        yield Measurement("distinct_starts", START, s.distinct, basis, unit="states")
        share = float(s.repeated[s.usable].mean())
        yield Measurement("repeated_start_share", START, share, basis, limit=self.repeated)
        if s.distinct == 1 and usable > 1:
            yield Finding(
                self.code, START, Severity.INFO,
                f"observation: all {usable:,} episodes start in the same state, limit 2 different ones; the reset is "
                "deterministic, or the first observation was never written",
                "distinct_starts", 1, 2, basis, effect=0.2,
                remedy="Nothing has to be done if the task always starts there; a policy's value elsewhere stays open.",
            )  # fmt: skip
        elif share > self.repeated:
            yield Finding(
                self.code, START, Severity.INFO,
                f"observation: {int(s.repeated.sum()):,} of {usable:,} episodes ({percent(share)}) start exactly like "
                f"another, limit {percent(self.repeated)}; there are {s.distinct:,} different starts",
                "repeated_start_share", share, self.repeated, basis, effect=min(share, 0.3),
                episodes=worst_episodes(s.ids, s.repeated),
                remedy="Few possible starts are the task's own matter; copies of episodes are not (COR102). Keep "
                "episodes with one start in one split.",
            )  # fmt: skip

    def _far(self, s: InitialStatesValues, usable: int, basis: Basis) -> Iterator[Judgement]:
        far = s.distance > self.far
        share = float(far.sum()) / usable
        yield Measurement("far_start_share", START, share, basis, limit=self.warn)
        if not far.any() or share > self.most or usable < 10:
            return
        worst = int(np.argmax(s.distance))
        ids = worst_episodes(s.ids, np.where(far, s.distance, 0.0))
        yield Finding(
            self.code, START, Severity.WARN if share > self.warn else Severity.INFO,
            f"observation: {counted(int(far.sum()), 'episode')} of {usable:,} ({percent(share)}) start more than "
            f"{self.far:g} robust standard deviations from the median of starts, limit {percent(self.warn)}; the "
            f"farthest is {s.distance[worst]:,.0f} away in {s.names[int(s.farthest[worst])]} ({named(ids)})",
            "far_start_share", share, self.warn, basis, effect=share, episodes=ids,
            remedy="Look at these episodes: were their first steps lost, were they cut from longer ones, or is it "
            "another kind of start?",
        )  # fmt: skip

    def _drift(self, found: EntryDriftValues) -> Iterator[Judgement]:
        if found.reason:
            yield NotEvaluated(f"starts against the reference: {found.reason}", START)
            return
        worst, q = drifted(found, self.distance)
        largest = max(found.entries, key=lambda e: e.distance)
        yield Measurement("start_drift", START, largest.distance, found.basis, limit=self.distance)
        if not worst:
            return
        first = worst[0]
        yield Finding(
            self.code, tuple(e.name for e in worst[:20]), Severity.WARN,
            f"{len(worst):,} of {len(found.entries):,} entries of the first observation are distributed otherwise than "
            f"in the reference over {found.episodes[1]:,} episodes against {found.episodes[0]:,}: {words_of(first)}, "
            f"limit {self.distance:g}",
            "start_drift", first.distance, self.distance, found.basis, effect=first.distance,
            remedy="Find out whether the reset changed or the selection of episodes did; a policy is evaluated from "
            "other starts now.",
            evidence={e.name: {"distance": e.distance, "psi": e.psi, "p_adjusted": q[e.name]} for e in worst[:50]},
        )  # fmt: skip
