"""LBL103: do rewards contradict each other?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, spans, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.rewards import (
    REWARD_KINDS,
    RewardConflicts,
    RewardConflictValues,
    RewardModel,
    RewardModelValues,
)
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity

REWARD = ("reward",)
SIGNS = ("sign", "flipped_episode_share", "have rewards with the opposite sign of what the other episodes earn")
SCALES = ("scaled", "scaled_episode_share", "have rewards on another scale than the other episodes")
OTHERS = ("unexplained", "odd_reward_episode_share", "have rewards that their own states and actions do not explain")
WORDS = {
    SIGNS[0]: (
        "Ask the recorder whether these are costs; if so, flip them there. `audit clean` proposes to leave the "
        "episodes out, and never flips a sign.",
        "their rewards fit those of the other episodes with the opposite sign; only the recorder knows which is meant",
    ),
    SCALES[0]: (
        "Find out whether these rewards were normalised or clipped, and put all episodes on one scale.",
        "their rewards are on another scale than those of the other episodes",
    ),
    OTHERS[0]: (
        "Look whether rewards and steps were mixed up in these episodes, or whether they belong to another task.",
        "their rewards do not go with their states and actions, as those of the other episodes do",
    ),
}


@register
@dataclass(frozen=True, slots=True)
class RewardConflictsAndFlips:
    """Rewards that contradict each other: equal steps rewarded differently, flipped signs, wild values.

    What it measures: steps with the very same observation, action and next observation but different rewards, over all
        steps; against a model of the reward (cross-fitted by episode, refitted without the episodes that fit worst;
        where most rewards are one value, that value): episodes with the opposite sign, on another scale, or with
        rewards that do not go with their steps, and single rewards more than ten times the noise away. Rewards at the
        end of episodes, and others that the state explains, are no outliers.
    Why it matters: an offline learner does what the rewards say. Measured: with the sign flipped in 30% of the episodes
        Pendulum falls from -176 to -1402, with 1,000 added to 1% of the rewards to -1200.
    What to do: ask who recorded the episodes. `audit clean` leaves out flipped episodes and wild steps on request only;
        it never changes a sign. Where rewards are random by design, conflicts are no fault.

    Options:
        fail: share (0 to 1) of episodes, or of steps, above which the check fails; below it warns.
        conflicts: share (0 to 1) of the repeated steps that may have different rewards before rewards count as random.
    """

    code: ClassVar[str] = "LBL103"
    name: ClassVar[str] = "reward-conflicts"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    conflicts: float = 0.5

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the model of the reward and for conflicts."""
        if not data.episodes.gives("rewards"):
            return NotEvaluated("there are no rewards")
        return {"structure": EpisodeStructure(), "model": RewardModel(), "conflicts": RewardConflicts()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge conflicts, then episodes by kind, then single steps."""
        s: EpisodeStructureValues = facts["structure"]
        model: RewardModelValues = facts["model"]
        rows = int(s.lengths.sum())
        basis = Basis(rows, rows)
        yield from self._conflicts(s, facts["conflicts"], basis)
        if model.reason:
            yield NotEvaluated(f"signs and scales: {model.reason}", REWARD)
        else:
            for kind in (SIGNS, SCALES, OTHERS):
                yield from self._episodes(s, model, kind, basis)
        if not model.reason or model.outlying.any():
            yield from self._outliers(s, model, basis)

    def _severity(self, share: float) -> Severity:
        return Severity.FAIL if share > self.fail else Severity.WARN

    def _conflicts(self, s: EpisodeStructureValues, c: RewardConflictValues, basis: Basis) -> Iterator[Judgement]:
        if not c.repeated:
            yield NotEvaluated("conflicts: no step (observation, action, next observation) occurs twice", REWARD)
            return
        share = c.conflicts / c.repeated
        if not c.conflicts:
            yield Measurement("conflict_share", REWARD, 0.0, basis, limit=0.0)
            return
        random = share > self.conflicts
        ids = worst_episodes(s.ids, s.per_episode(c.conflicting))
        meaning = "; so many mean that rewards are random, or depend on what is not observed" if random else ""
        yield Finding(
            self.code, REWARD, Severity.INFO if random else Severity.WARN,
            f"reward: {c.conflicts:,} of {c.repeated:,} ({percent(share)}) different steps that occur more than once "
            f"(same observation, action, next observation) have different rewards, limit 0{meaning}",
            "conflict_share", share, 0.0, basis, effect=min(share, 0.5), affected=int(c.conflicting.sum()),
            episodes=ids, row_ids=first_rows(c.conflicting),
            remedy="Look at a few: two versions of the reward, a copy of an episode with other rewards, or chance.",
        )  # fmt: skip

    def _episodes(
        self, s: EpisodeStructureValues, model: RewardModelValues, kind: tuple[str, str, str], basis: Basis
    ) -> Iterator[Judgement]:
        name, statistic, words = kind
        bad = model.episode_kind == REWARD_KINDS.index(name)
        share = float(bad.mean()) if len(bad) else 0.0
        if not bad.any():
            yield Measurement(statistic, REWARD, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(s.ids, np.where(bad, model.episode_score + 1e-9, 0.0))
        first = next((model.details[e] for e in np.flatnonzero(bad).tolist() if e in model.details), "")
        example = f"; in one of them {first}" if first and name == "scaled" else ""
        remedy, reason = WORDS[name]
        severity = Severity.WARN if name == OTHERS[0] else self._severity(share)
        yield Finding(
            self.code, REWARD, severity,
            f"reward: {counted(int(bad.sum()), 'episode')} of {len(bad):,} ({percent(share)}) {words}, limit 0 "
            f"({named(ids)}){example}",
            statistic, share, 0.0, basis, effect=share, affected=int(s.lengths[bad].sum()), episodes=ids, remedy=remedy,
            evidence={"reward_explained": round(model.explained, 4)},
        )  # fmt: skip
        yield Repair(
            self.code, REWARD, statistic, "quarantine", reason=reason,
            episodes=tuple(s.ids[i] for i in np.flatnonzero(bad).tolist()),
        )  # fmt: skip

    def _outliers(self, s: EpisodeStructureValues, model: RewardModelValues, basis: Basis) -> Iterator[Judgement]:
        count = int(model.outlying.sum())
        share = count / max(len(model.outlying), 1)
        if not count:
            yield Measurement("reward_outlier_share", REWARD, 0.0, basis, limit=0.0)
            return
        hit = s.per_episode(model.outlying)
        against = (
            f"differ from {model.usual:g}, which most rewards are, for no reason that the state shows"
            if model.usual is not None
            else "are far from what other steps with such a state and action earn"
        )
        yield Finding(
            self.code, REWARD, self._severity(share),
            f"reward: {counted(count, 'step')} of {len(model.outlying):,} ({percent(share)}) in "
            f"{int((hit > 0).sum()):,} of {len(s.ids):,} episodes have rewards that {against}, limit 0",
            "reward_outlier_share", share, 0.0, basis, effect=min(10 * share, 1.0), affected=count,
            episodes=worst_episodes(s.ids, hit), row_ids=first_rows(model.outlying, model.score),
            remedy="Look at them; wild values outweigh all others together. `audit clean` proposes to drop them.",
        )  # fmt: skip
        yield Repair(
            self.code, REWARD, "reward_outlier_share", "drop_steps", rows=spans(model.outlying),
            reason="their rewards are far from what their state and action earn elsewhere",
        )  # fmt: skip
