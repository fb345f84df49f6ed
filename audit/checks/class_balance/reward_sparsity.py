"""BAL103: do the rewards tell anything apart?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import worst_episodes
from audit.checks.completeness._wording import percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.outcomes import EpisodeOutcomes, EpisodeOutcomesValues
from audit.episode_facts.rewards_shape import RewardShape, RewardShapeValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View

REWARD = ("reward",)


@register
@dataclass(frozen=True, slots=True)
class RewardSparsity:
    """Rewards that are all 0, all the same, or rarely anything but 0.

    What it measures: over all steps: the lowest and highest reward, and the mean over episodes of the share of steps
        with a reward of exactly 0 (sparsity, as Schweighofer et al., arXiv:2111.04714, define it); how many episodes
        have any other reward.
    Why it matters: a learner of value learns from differences. From rewards that are all 0 it learns nothing; from one
        constant reward only the ends of episodes tell (CartPole pays 1 a step, and falling ends it), so that with no
        episode known to terminate there is nothing left to learn. Sparse rewards are right for many tasks, but need
        enough episodes that reach one.
    What to do: rewards that are all 0 were mostly lost in a conversion: read them again, or only clone the behaviour.
        Of a constant reward, see to it that terminations are recorded. Of sparse rewards, collect more episodes that
        reach one; do not leave out those that do not.

    Options:
        sparse: mean share (0 to 1) of zeros from which rewards are called sparse.
        rewarded: with fewer episodes that have any reward but 0, sparse rewards are worth a warning.
    """

    code: ClassVar[str] = "BAL103"
    name: ClassVar[str] = "reward-sparsity"
    dimension: ClassVar[str] = "class_balance"
    kinds: ClassVar[Kind] = TRAJECTORY

    sparse: float = 0.95
    rewarded: int = 10

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for rewards and ends."""
        if not data.episodes.gives("rewards"):
            return NotEvaluated("there are no rewards: imitation data can only be cloned")
        if not data.rows:
            return NotEvaluated("there are no steps")
        return {"rewards": RewardShape(), "outcomes": EpisodeOutcomes()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge constancy, then sparsity."""
        r: RewardShapeValues = facts["rewards"]
        outcomes: EpisodeOutcomesValues = facts["outcomes"]
        rows = int(r.lengths.sum())
        basis = Basis(r.steps, rows) if r.steps == rows else Basis(rows, rows)
        if not r.steps:
            yield NotEvaluated("no reward is a finite number", REWARD)
            return
        for name, value in (("lowest_reward", r.low), ("highest_reward", r.high), ("mean_reward", r.mean)):
            yield Measurement(name, REWARD, value, basis)
        yield Measurement("positive_share", REWARD, r.positive / r.steps, basis)
        yield Measurement("negative_share", REWARD, r.negative / r.steps, basis)
        yield Measurement("sparsity", REWARD, r.sparsity, basis, limit=self.sparse)
        if r.constant:
            yield from self._constant(r, outcomes.terminated_share, basis)
            return
        yield _histogram(r)
        yield from self._sparse(r, basis)

    def _constant(self, r: RewardShapeValues, terminated: float | None, basis: Basis) -> Iterator[Judgement]:
        if r.high == 0:
            yield Finding(
                self.code, REWARD, Severity.FAIL,
                f"reward: all {r.steps:,} rewards are 0, limit: at least one that is not; learners of value learn "
                "nothing from them",
                "sparsity", 1.0, self.sparse, basis, effect=1.0, affected=r.steps,
                remedy="Read the rewards again from where they were recorded; without them only clone the behaviour, "
                "and read the data without the reward so that no learner takes it for real.",
            )  # fmt: skip
            return
        how = "whether any episode terminates is not known" if terminated is None else "no episode terminates"
        legitimate = bool(terminated)
        yield Finding(
            self.code, REWARD, Severity.INFO if legitimate else Severity.WARN,
            f"reward: all {r.steps:,} rewards are {r.high:g}, limit: two different ones; "
            + (f"{percent(terminated or 0.0)} of the episodes terminate, so that the length of life is what is learnt"
               if legitimate else f"{how}, so that nothing tells a good action from a bad one"),
            "constant_reward", r.high, "two different rewards", basis, effect=0.1 if legitimate else 0.6,
            affected=r.steps,
            remedy="Nothing has to be done where each step of life pays the same." if legitimate else
            "Record which episodes terminated, or read the rewards again; else only clone the behaviour.",
        )  # fmt: skip

    def _sparse(self, r: RewardShapeValues, basis: Basis) -> Iterator[Judgement]:
        yield Measurement("rewarded_episodes", REWARD, r.rewarded, basis, limit=self.rewarded, unit="episodes")
        if r.sparsity < self.sparse:
            return
        episodes = int((r.finite > 0).sum())
        few = r.rewarded < min(self.rewarded, episodes)
        others = r.finite - r.zeros
        yield Finding(
            self.code, REWARD, Severity.WARN if few else Severity.INFO,
            f"reward: {percent(r.sparsity)} of an episode's rewards are 0 on average, limit {percent(self.sparse)}; "
            f"{r.rewarded:,} of {episodes:,} episodes have any other"
            + (f", limit {self.rewarded}" if few else ""),
            "sparsity", r.sparsity, self.sparse, basis, effect=0.5 if few else 0.1,
            affected=int(others.sum()), episodes=worst_episodes(r.ids, others),
            remedy="Collect more episodes that reach a reward, and keep those that do not." if few else
            "Sparse rewards are right for many tasks: take a learner that spreads a value over many steps.",
            evidence={"rewarded_episodes": r.rewarded, "other_rewards": int(others.sum())},
        )  # fmt: skip


def _histogram(r: RewardShapeValues) -> View:
    return View(
        Chart("histogram", "Reward of each step", {"edges": r.edges.tolist(), "counts": r.counts.tolist()}, "reward",
              "steps"),
        f"From {r.low:.4g} to {r.high:.4g}; {int(np.sum(r.counts)):,} sampled steps inside the picture.",
    )  # fmt: skip
