"""LBL104: which steps and episodes do not obey the dynamics of the others?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, spans, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.dynamics import EPISODE_KINDS, STEP_KINDS, Dynamics, DynamicsValues
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity, View

OBSERVATION = ("observation",)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of episode is spoken about, and what may be done without a question."""

    name: str
    words: str
    remedy: str
    reason: str
    safe: bool = False
    named: bool = True


KINDS: tuple[_Kind, ...] = (
    _Kind(
        "scaled", "are explained once an entry is put on the scale of the others",
        "Convert these episodes to the units of the others once the recorder confirms it, or leave them out.",
        "an entry is on another scale than in the other episodes",
    ),
    _Kind(
        "shuffled", "have their steps in the wrong order",
        "Only the recorder knows the order; `audit clean` leaves these episodes out.",
        "what follows a step stands elsewhere in the episode", safe=True,
    ),
    _Kind(
        "interleaved", "are two episodes whose steps alternate",
        "Take them apart at the recorder (two writers to one file); `audit clean` leaves these episodes out.",
        "what follows a step stands two steps later: two episodes alternate", safe=True,
    ),
    _Kind(
        "reversed", "run backwards",
        "Reverse them at the source; `audit clean` leaves these episodes out.",
        "what follows a step stands before it", safe=True,
    ),
    _Kind(
        "unexplained", "do not obey the dynamics of the other episodes",
        "Look at them: another robot, another version of the environment, another time step, a broken sensor or wrong "
        "actions. If they are another task, audit and train it apart.",
        "a model that explains the other episodes does not explain these", named=False,
    ),
)  # fmt: skip


@register
@dataclass(frozen=True, slots=True)
class DynamicsOutliers:
    """Steps and episodes that do not obey the dynamics which the other episodes have in common.

    What it measures: the change of the observation against a model of it, s' - s ~ f(s, a): a polynomial, with random
        cosines where that explains little; cross-fitted by episode on a sample, started by least absolute deviations
        and refitted on the best half, so that a third of bad episodes does not bend it; then applied to all steps. A
        step is an outlier when its residual is more than ten times the noise, and the noise counts as at least 2% of
        the usual change. An episode stands out when a fifth of its steps are outliers. Then faults are undone on
        paper: other units, opposite signs, shifted actions, another order of the steps; the fault that makes the
        residuals collapse gives the episode its name. Entries that the model does not explain are not judged, nor are
        values at an end stop, turns of an angle, and frozen sensors (COR101).
    Why it matters: a learner believes every transition. Measured on CartPole: angles in degrees in 30% of the steps
        take an offline learner from 489 to 40, shuffled episodes to 323.
    What to do: episodes in disorder are left out by `audit clean`, since their order is lost. Episodes in other units,
        of another system, and single steps are left out on request only: convert or explain them first. Contacts and
        other sudden events can be true: look at some steps before you drop any.

    Options:
        fail: share (0 to 1) of episodes with a named fault above which the check fails; below it warns. Episodes that
            nothing explains only warn: they may be another task.
        steps: share (0 to 1) of single steps that may be outliers.
        fail_steps: share (0 to 1) of steps with a wrong observation above which the check fails.
    """

    code: ClassVar[str] = "LBL104"
    name: ClassVar[str] = "dynamics-outliers"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    steps: float = 0.0003
    fail_steps: float = 0.05

    def ask(self, _data: Dataset) -> Asks | NotEvaluated:
        """Ask for the model of the dynamics."""
        return {"structure": EpisodeStructure(), "dynamics": Dynamics()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge episodes by kind, then single steps by kind."""
        s: EpisodeStructureValues = facts["structure"]
        d: DynamicsValues = facts["dynamics"]
        rows = int(s.lengths.sum())
        basis = Basis(rows, rows)
        if d.reason:
            yield NotEvaluated(d.reason)
            return
        explained = d.explained[d.used]
        yield Measurement("least_explained_change", OBSERVATION, float(explained.min()), basis)
        for kind in KINDS:
            yield from self._episodes(s, d, kind, basis)
        yield from self._steps(
            s, d, "observation", "wrong_observation_share", basis,
            words="hold an observation that fits neither the one before nor the one after",
            remedy="Look for single wrong readings, fills and units; `audit clean` proposes to drop these steps.",
            reason="the observation fits neither the step before nor the step after, which fit each other",
        )  # fmt: skip
        yield from self._steps(
            s, d, "transition", "jump_share", basis,
            words="lead to an observation that state and action do not explain",
            remedy="Look for joined episodes, lost steps and wrong actions; contacts and resets can be true.",
            reason="state and action do not lead to what follows",
        )  # fmt: skip
        yield from _ranking(s, d)

    def _episodes(self, s: EpisodeStructureValues, d: DynamicsValues, kind: _Kind, basis: Basis) -> Iterator[Judgement]:
        statistic = f"{kind.name}_episode_share"
        bad = d.episode_kind == EPISODE_KINDS.index(kind.name)
        share = float(bad.mean()) if len(bad) else 0.0
        if not bad.any():
            yield Measurement(statistic, OBSERVATION, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(s.ids, np.where(bad, d.episode_score + 1e-9, 0.0))
        severity = Severity.FAIL if kind.named and share > self.fail else Severity.WARN
        yield Finding(
            self.code, OBSERVATION, severity,
            f"observation: {counted(int(bad.sum()), 'episode')} of {len(bad):,} ({percent(share)}) {kind.words}, limit "
            f"0 ({named(ids)}){_most_said(d, bad)}; usually {percent(d.usual_share)} of the steps are outliers",
            statistic, share, 0.0, basis, effect=share, affected=int(s.lengths[bad].sum()), episodes=ids,
            remedy=kind.remedy,
            evidence={"outlying_steps_in_worst": round(float(d.episode_share[bad].max()), 4)},
        )  # fmt: skip
        yield Repair(
            self.code, OBSERVATION, statistic, "quarantine", reason=kind.reason, safe=kind.safe,
            episodes=tuple(s.ids[i] for i in np.flatnonzero(bad).tolist()),
        )  # fmt: skip

    def _steps(
        self,
        s: EpisodeStructureValues,
        d: DynamicsValues,
        name: str,
        statistic: str,
        basis: Basis,
        *,
        words: str,
        remedy: str,
        reason: str,
    ) -> Iterator[Judgement]:
        bad = d.step_kind == STEP_KINDS.index(name)
        count = int(bad.sum())
        share = count / max(len(bad), 1)
        if share <= self.steps:
            yield Measurement(statistic, OBSERVATION, share, basis, limit=self.steps)
            return
        hit = s.per_episode(bad)
        severe = name == "observation" and share > self.fail_steps
        yield Finding(
            self.code, OBSERVATION, Severity.FAIL if severe else Severity.WARN,
            f"observation: {counted(count, 'step')} of {len(bad):,} ({percent(share)}) in {int((hit > 0).sum()):,} of "
            f"{len(s.ids):,} episodes {words}, limit {percent(self.steps)}",
            statistic, share, self.steps, basis, effect=min(5 * share, 1.0), affected=count,
            episodes=worst_episodes(s.ids, hit), row_ids=first_rows(bad, d.score), remedy=remedy,
        )  # fmt: skip
        wrong = name if name == "observation" else "next_observation"  # then its own observation fits, what follows not
        yield Repair(self.code, OBSERVATION, statistic, "drop_steps", rows=spans(bad), reason=reason, field=wrong)


def _most_said(d: DynamicsValues, bad: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    """Return what was found out about most of the episodes, for the middle of a sentence."""
    said = [d.details[e] for e in np.flatnonzero(bad).tolist() if e in d.details and "%" not in d.details[e]]
    if not said:
        return ""
    words, counts = np.unique(said, return_counts=True)
    return f": {words[counts.argmax()]} in {int(counts.max()):,}"


def _ranking(s: EpisodeStructureValues, d: DynamicsValues, most: int = 20) -> Iterator[Judgement]:
    """Show the worst episodes, so that a person can draw the line elsewhere."""
    order = np.argsort(-d.episode_score, kind="stable")[:most].tolist()
    if not order or d.episode_score[order[0]] <= 0:
        return
    yield View(
        Chart(
            "bars", "Episodes that fit the dynamics worst",
            {
                "labels": [s.ids[i] for i in order],
                "values": [round(float(d.episode_score[i]), 3) for i in order],
                "total": float(d.episode_score.sum()),
            },
            x_title="episode", y_title="mean residual, in multiples of the noise (at most 10)",
        ),
        "The ranking holds also where the line between good and bad is drawn too early or too late.",
    )  # fmt: skip
