"""LBL102: does each action stand beside the observation that it was taken in?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TRAJECTORY, register
from audit.checks.completeness._wording import counted
from audit.checks.label_accuracy._alignment import WHEN, LaggedEpisodes, lag_chart, lag_words
from audit.dataset import Dataset, Kind
from audit.episode_facts.dynamics import EPISODE_KINDS, ActionLag, ActionLagValues, Dynamics, DynamicsValues
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity, View

ACTION = ("action",)


@register
@dataclass(frozen=True, slots=True)
class ActionAlignment:
    """Actions recorded one step too early or too late, in all or in some episodes.

    What it measures: how much of the change from one observation to the next is explained by the action of the step
        before, of the step itself and of the step after, beyond what the state explains: cross-fitted by episode, on a
        sample of whole episodes, at the same steps. Then each episode: whether a model of the dynamics, refitted
        without the episodes that fit worst, explains it far better with shifted actions.
    Why it matters: a policy that learns from shifted actions learns to answer the wrong observation. Measured on
        CartPole: with all actions one step late, what an offline learner reaches falls from 489 to 10.
    What to do: look at the recorder: is the action written before or after `step`, and is the observation the one that
        it was chosen in? If it is a shift, confirm the one that `audit clean` proposes; the step at the edge
        leaves, unless it is terminated and the dynamics tell its action. Delayed actuators look the same and
        are true: do not shift those. Actions that hold still show nothing.

    Options:
        fail: share (0 to 1) of lagged episodes above which the check fails; below it warns.
        power: share (0 to 1) of the change left open by the state that actions must explain at some lag; below it
            nothing is judged.
    """

    code: ClassVar[str] = "LBL102"
    name: ClassVar[str] = "action-alignment"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    power: float = 0.05

    def ask(self, _data: Dataset) -> Asks | NotEvaluated:
        """Ask for the lag test and for the model of the dynamics."""
        return {"structure": EpisodeStructure(), "lag": ActionLag(), "dynamics": Dynamics()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the dataset as a whole, then each episode."""
        s: EpisodeStructureValues = facts["structure"]
        lag: ActionLagValues = facts["lag"]
        d: DynamicsValues = facts["dynamics"]
        rows = int(s.lengths.sum())
        if lag.gain:
            yield View(
                lag_chart("Change explained by the action", dict(lag.gain), "share of what the state leaves open"),
                "Aligned actions explain most at t. Bars beside it mean that actions hold still for longer than a "
                "step, or that only some episodes are aligned.",
            )
        if not lag.gain:
            yield NotEvaluated(lag.reason or "there is nothing to align actions with", ACTION)
        elif max(lag.gain.values()) < self.power and not lag.lag:
            yield NotEvaluated(
                f"no power over the whole dataset: actions explain at most {max(lag.gain.values()):.1%} of the change "
                f"at any lag, and {self.power:.0%} are needed",
                ACTION,
            )
        else:
            yield from self._whole(lag, s, d, rows)
        if d.reason:
            yield NotEvaluated(f"single episodes: {d.reason}", ACTION)
            return
        episodes = self._episodes(s, d)
        if lag.gain or episodes.lagged.any():  # else there is nothing that could lag
            yield from episodes.judge(Basis(rows, rows))

    def _episodes(self, s: EpisodeStructureValues, d: DynamicsValues) -> LaggedEpisodes:
        lagged = d.episode_kind == EPISODE_KINDS.index("lagged")
        return LaggedEpisodes(self.code, "action", s.ids, s.lengths, lagged, d.episode_lag, d.lag, self.fail)

    def _whole(
        self, lag: ActionLagValues, s: EpisodeStructureValues, d: DynamicsValues, rows: int
    ) -> Iterator[Judgement]:
        basis = Basis(rows, rows) if lag.rows >= rows else Basis(lag.rows, rows, 0, None)
        own, best = lag.gain[0], lag.lag
        if not best:
            yield Measurement("explained_by_action", ACTION, own, basis, limit=self.power)
            return
        episodes = self._episodes(s, d)
        yield Finding(
            self.code, ACTION, Severity.FAIL if own < 0.5 * lag.gain[best] else Severity.WARN,
            f"action: the action of {lag_words(best)} explains {lag.gain[best]:.0%} of the change that the state "
            f"leaves open, that of t explains {max(own, 0.0):.0%} (over {counted(lag.rows, 'step')}); aligned actions "
            "explain most at t",
            "explained_by_action", own, lag.gain[best], basis, effect=min(lag.gain[best] - own, 1.0), affected=rows,
            episodes=episodes.others,
            chart=lag_chart("Change explained by the action", dict(lag.gain), "share of what the state leaves open"),
            remedy=f"Actions probably belong {WHEN[best]}. Confirm it with the recorder (or rule out a delay of the "
            "actuators), then let `audit clean` shift them.",
            evidence={"gain": {lag_words(k): round(v, 4) for k, v in sorted(lag.gain.items())}},
        )  # fmt: skip
        yield Repair(
            self.code, ACTION, "explained_by_action", "shift",
            reason=f"actions belong {WHEN[best]}: there they explain {lag.gain[best]:.0%} of the change, here "
            f"{max(own, 0.0):.0%}",
            episodes=episodes.others, field="action", value=-best,
        )  # fmt: skip
