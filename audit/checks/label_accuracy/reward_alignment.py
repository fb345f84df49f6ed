"""LBL101: does each reward stand beside the action that earned it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TRAJECTORY, register
from audit.checks.completeness._wording import counted, percent
from audit.checks.label_accuracy._alignment import WHEN, LaggedEpisodes, lag_chart, lag_words
from audit.dataset import Dataset, Kind
from audit.episode_facts.rewards import REWARD_KINDS, RewardLag, RewardLagValues, RewardModel, RewardModelValues
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity, View

REWARD = ("reward",)


@register
@dataclass(frozen=True, slots=True)
class RewardAlignment:
    """Rewards recorded one step too early or too late, in all or in some episodes.

    What it measures: how much of the reward of the step before, of the step itself and of the step after is left open
        by observation and action, cross-fitted by episode on a sample of whole episodes; at the step itself the next
        observation may help, so that a reward for where a step led is no lag. Then each episode: whether a model of the
        reward, refitted without the episodes that fit worst, explains it far better with shifted rewards.
    Why it matters: credit goes to the wrong action. Where rewards are smooth it hardly matters; with goals, collisions
        and other sharp rewards it teaches the step after the right one.
    What to do: let `audit clean` shift the rewards back. It does so where one shift wins by a wide margin in nearly all
        episodes, and proposes it elsewhere; the step at the edge, which loses its reward, is dropped. Constant and
        sparse rewards cannot show a shift.

    Options:
        fail: share (0 to 1) of lagged episodes above which the check fails; below it warns.
        agree: share (0 to 1) of the episodes in which a shift must win before it is made without being asked.
        margin: what the shift may leave open at most, as a share of what the rewards as they are leave open, for the
            same.
    """

    code: ClassVar[str] = "LBL101"
    name: ClassVar[str] = "reward-alignment"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    agree: float = 0.95
    margin: float = 0.1

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the lag test and for the model of the reward."""
        if not data.episodes.gives("rewards"):
            return NotEvaluated("there are no rewards")
        return {"structure": EpisodeStructure(), "lag": RewardLag(), "model": RewardModel()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the dataset as a whole, then each episode."""
        s: EpisodeStructureValues = facts["structure"]
        lag: RewardLagValues = facts["lag"]
        model: RewardModelValues = facts["model"]
        rows = int(s.lengths.sum())
        if lag.open:
            explained = {k: max(1.0 - v, 0.0) for k, v in lag.open.items()}
            yield View(
                lag_chart("Reward explained by observation and action", explained, "share of the variance"),
                "Aligned rewards are explained best at t. A smooth reward is explained nearly as well beside it.",
            )
        if lag.reason:
            yield NotEvaluated(lag.reason, REWARD)
            return
        yield from self._whole(lag, s, model, rows)
        if model.reason:
            yield NotEvaluated(f"single episodes: {model.reason}", REWARD)
            return
        yield from self._episodes(s, lag, model).judge(Basis(rows, rows))

    def _episodes(self, s: EpisodeStructureValues, lag: RewardLagValues, model: RewardModelValues) -> LaggedEpisodes:
        lagged = model.episode_kind == REWARD_KINDS.index("lagged")
        return LaggedEpisodes(self.code, "reward", s.ids, s.lengths, lagged, model.episode_lag, lag.lag, self.fail)

    def _whole(
        self, lag: RewardLagValues, s: EpisodeStructureValues, model: RewardModelValues, rows: int
    ) -> Iterator[Judgement]:
        basis = Basis(rows, rows) if lag.rows >= rows else Basis(lag.rows, rows, 0, None)
        own, best = lag.open[0], lag.lag
        if not best:
            yield Measurement("unexplained_reward", REWARD, own, basis)
            return
        episodes = self._episodes(s, lag, model)
        safe = lag.agree >= self.agree and lag.open[best] <= self.margin * own
        yield Finding(
            self.code, REWARD, Severity.FAIL,
            f"reward: step t leaves {percent(max(lag.open[best], 0.0))} of the reward of {lag_words(best)} open and "
            f"{percent(own)} of its own (over {counted(lag.rows, 'step')}), and the former is better in "
            f"{percent(lag.agree)} of the episodes; aligned rewards are explained best at t",
            "unexplained_reward", own, max(lag.open[best], 0.0), basis, effect=min(0.3 + own, 1.0), affected=rows,
            episodes=episodes.others,
            remedy=f"Rewards belong {WHEN[best]}; "
            + ("`audit clean` shifts them." if safe else "confirm it with the recorder, then shift them."),
            evidence={"open": {lag_words(k): v for k, v in sorted(lag.open.items())}, "agree": lag.agree},
        )  # fmt: skip
        yield Repair(
            self.code, REWARD, "unexplained_reward", "shift",
            reason=f"rewards belong {WHEN[best]}: there observation and action explain them better in "
            f"{percent(lag.agree)} of the episodes",
            episodes=episodes.others, field="reward", value=-best, safe=safe,
        )  # fmt: skip
