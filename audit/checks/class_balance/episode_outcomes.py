"""BAL102: how do episodes end?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import named, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.outcomes import ENDS, EpisodeOutcomes, EpisodeOutcomesValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View

LENGTH = ("step",)


@register
@dataclass(frozen=True, slots=True)
class OutcomesOfEpisodes:
    """How many episodes terminate, are truncated or end unsaid; how many succeed; whether a few hold most steps.

    What it measures: the flags of each episode's last step; where a column says whether the task was done (`success`,
        `is_success`, `next.success`, `task_success`), the episodes in which it is true at some step; the longest
        episode's share of all steps.
    Why it matters: terminated and truncated episodes teach different things (a value of 0 after the end, or the value
        of the state where recording stopped). Without failures a learner of value does not see what goes wrong, without
        successes there is nothing to imitate, and one episode that holds most steps is a sample of one.
    What to do: collect the outcome that is missing; weight episodes, not steps, where one is far longer than the
        others. Do not leave out failures: learners of value need them.

    Options:
        rare: share (0 to 1) of episodes below which successes are called rare.
        longest: share (0 to 1) of all steps in a single episode above which it warns.
        least: with fewer episodes the longest one is not judged.
    """

    code: ClassVar[str] = "BAL102"
    name: ClassVar[str] = "episode-outcomes"
    dimension: ClassVar[str] = "class_balance"
    kinds: ClassVar[Kind] = TRAJECTORY

    rare: float = 0.05
    longest: float = 0.5
    least: int = 10

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the ends of episodes."""
        if not data.rows:
            return NotEvaluated("there are no steps")
        return {"outcomes": EpisodeOutcomes()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge ends, success and lengths, each by itself."""
        o: EpisodeOutcomesValues = facts["outcomes"]
        basis = Basis(int(o.lengths.sum()), int(o.lengths.sum()))
        ends = np.bincount(o.ends[o.filled], minlength=len(ENDS))
        episodes = int(o.filled.sum())
        if o.flags:
            for place, name in enumerate(ENDS):
                yield Measurement("end_share", (), float(ends[place] / episodes), basis, segment=name)
            yield _ends_view(ends)
        else:
            yield NotEvaluated("the source does not say how episodes end", ("terminated", "truncated"))
        if o.success is not None:
            yield from self._success(o, episodes, basis)
        yield from self._lengths(o, episodes, basis)
        yield _lengths_view(o)

    def _success(self, o: EpisodeOutcomesValues, episodes: int, basis: Basis) -> Iterator[Judgement]:
        assert o.success is not None
        column = (f"info_{o.success_name}",)
        done = o.success & o.filled
        count = int(done.sum())
        share = count / episodes
        yield Measurement("success_share", column, share, basis, limit=self.rare)
        said = f"{o.success_name}: {counted(count, 'episode')} of {episodes:,} ({percent(share)})"
        if not count:
            yield Finding(
                self.code, column, Severity.WARN, f"{said} succeed, limit {percent(self.rare)}; there is nothing to "
                "imitate, and no success from which a value could spread",
                "success_share", share, self.rare, basis, effect=0.8,
                remedy="Look whether the column was ever written; else collect successful episodes.",
            )  # fmt: skip
        elif share < self.rare:
            yield Finding(
                self.code, column, Severity.INFO, f"{said} succeed, limit {percent(self.rare)}",
                "success_share", share, self.rare, basis, effect=0.3, episodes=worst_episodes(o.ids, done),
                remedy="Collect more successful episodes, or weight these; keep the failures.",
            )  # fmt: skip
        elif count == episodes:
            yield Finding(
                self.code, column, Severity.INFO, f"{said} succeed, limit below 100%; the data show no failure",
                "success_share", share, 1.0, basis, effect=0.2,
                remedy="Right for cloning; learners of value need episodes that fail.",
            )  # fmt: skip

    def _lengths(self, o: EpisodeOutcomesValues, episodes: int, basis: Basis) -> Iterator[Judgement]:
        longest = int(np.argmax(o.lengths))
        share = float(o.lengths[longest] / o.lengths.sum())
        yield Measurement("longest_episode_share", LENGTH, share, basis, limit=self.longest)
        effective = float(o.lengths.sum()) ** 2 / float((o.lengths.astype(np.float64) ** 2).sum())
        yield Measurement("effective_episodes", LENGTH, effective, basis, unit="episodes")
        if share <= self.longest or episodes < self.least:
            return
        yield Finding(
            self.code, LENGTH, Severity.WARN,
            f"step: one of {episodes:,} episodes holds {int(o.lengths[longest]):,} of {basis.rows:,} steps "
            f"({percent(share)}), limit {percent(self.longest)} ({named([o.ids[longest]])}); by steps the data are "
            f"worth {effective:.1f} equal episodes",
            "longest_episode_share", share, self.longest, basis, effect=share, affected=int(o.lengths[longest]),
            episodes=(o.ids[longest],),
            remedy="Look for ends that were not recorded inside it (COM102, COM104); else weight episodes, not steps.",
        )  # fmt: skip


def _ends_view(ends: np.ndarray[tuple[int], np.dtype[np.int64]]) -> View:
    return View(
        Chart("bars", "How episodes end", {"labels": list(ENDS), "values": ends.tolist()}, "end", "episodes"),
        "By the flags of each episode's last step.",
    )


def _lengths_view(o: EpisodeOutcomesValues) -> View:
    """Return the median length and the middle 90% of the episodes with each outcome."""
    groups = {name: o.lengths[o.filled & (o.ends == place)] for place, name in enumerate(ENDS)}
    if o.success is not None:
        groups |= {"succeeded": o.lengths[o.filled & o.success], "not succeeded": o.lengths[o.filled & ~o.success]}
    held = {name: np.quantile(lengths, [0.05, 0.5, 0.95]).tolist() for name, lengths in groups.items() if len(lengths)}
    return View(
        Chart(
            "intervals", "Length of episodes by outcome",
            {"labels": [f"{name} ({len(groups[name]):,})" for name in held], "values": [q[1] for q in held.values()],
             "low": [q[0] for q in held.values()], "high": [q[2] for q in held.values()]}, "outcome", "steps",
        ),
        "Median and the middle 90% of the episodes with each outcome.",
    )  # fmt: skip
