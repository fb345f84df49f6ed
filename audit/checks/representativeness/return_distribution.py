"""REP105: what do episodes return, and which learners can that feed?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks.representativeness._learners import CARE, CONTRAST, NO, YES, Evidence, Suitability, suitability
from audit.dataset import Dataset, Kind
from audit.episode_facts.outcomes import EpisodeOutcomes, EpisodeOutcomesValues
from audit.episode_facts.policy import ActionRandomness, ActionRandomnessValues
from audit.episode_facts.returns import EpisodeReturns, EpisodeReturnsValues
from audit.episode_facts.rewards_shape import RewardShape, RewardShapeValues
from audit.facts import Asks, Facts, OnReference
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View
from audit.stats.density import bin_edges, histogram
from audit.stats.trajectory_returns import ReturnSpread, return_spread, trajectory_quality

RETURN = ("reward",)


@register
@dataclass(frozen=True, slots=True)
class ReturnDistribution:
    """What episodes return, how much better than average some are, and which offline learners the data can feed.

    What it measures: undiscounted returns of all episodes: their spread, the return positive-sided variance (RPSV, Hong
        et al., arXiv:2306.13085), the estimated relative improvement (ERI, Swazinna et al., arXiv:2111.13461; also with
        the 95% quantile in place of the best episode), and trajectory quality (TQ, Schweighofer et al.,
        arXiv:2111.04714) where the returns of a random and of the best policy are known. From these, the ends of
        episodes (BAL102), the rewards (BAL103) and the randomness of the actions (REP103) it says for each learner
        whether the data can feed it, and why.
    Why it matters: cloning copies the average; learners of value need actions that differ in outcome. With neither
        failures nor terminations, plain DQN believes in actions that nobody ever took: on CartPole, data of an expert
        alone gave it a return of 9 where cloning and CQL reached 500.
    What to do: take a learner that the table calls suited. Add episodes that fail, or record how episodes end, rather
        than leaving out those of low return: learners of value need them, and evaluation without them is biased.

    Options:
        random_return: mean return of a uniformly random policy; TQ needs it.
        best_return: return of the best policy trained online; by default the 95% quantile of the reference's returns.
    """

    code: ClassVar[str] = "REP105"
    name: ClassVar[str] = "return-distribution"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    random_return: float | None = None
    best_return: float | None = None

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for returns, ends, rewards and the randomness of actions."""
        return {
            "rows": data.rows,
            "discrete": data.episodes.discrete,
            "returns": EpisodeReturns(),
            "reference": OnReference(EpisodeReturns()) if data.reference is not None else None,
            "rewards": RewardShape() if data.episodes.gives("rewards") else None,
            "outcomes": EpisodeOutcomes(),
            "random": ActionRandomness(),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Report the returns, then say which learners they can feed."""
        r: EpisodeReturnsValues = facts["returns"]
        basis = Basis(facts["rows"], facts["rows"])
        if not (r.lengths > 0).any():
            yield NotEvaluated("there are no steps")
            return
        finite = r.finite
        spread = return_spread(finite) if len(finite) else None
        if spread is None:
            yield NotEvaluated(
                "there are no rewards, so no returns" if r.returns is None else "no episode has a finite return", RETURN
            )
        else:
            yield from _numbers(finite, spread, basis)
            yield from self._quality(finite, facts["reference"], basis)
            yield _returns_view(finite, facts["reference"])
        yield _lengths_view(r.lengths[r.lengths > 0])
        evidence = _evidence(facts, finite, spread)
        yield from self._learners(suitability(evidence), evidence, basis)

    def _quality(
        self, returns: np.ndarray[Any, np.dtype[np.float64]], reference: EpisodeReturnsValues | None, basis: Basis
    ) -> Iterator[Judgement]:
        best = self.best_return
        if best is None and reference is not None and len(reference.finite):
            best = float(np.quantile(reference.finite, 0.95))
        if self.random_return is None or best is None:
            missing = [
                name for name, value in (("random_return", self.random_return), ("best_return", best)) if value is None
            ]
            yield NotEvaluated(
                f"trajectory quality (TQ) needs {' and '.join(missing)}: set checks.REP105.{missing[0]} in audit.yaml",
                RETURN,
            )
        elif best <= self.random_return:
            yield NotEvaluated(
                f"trajectory quality (TQ) needs a best return above the random one, got {best:g} and "
                f"{self.random_return:g}",
                RETURN,
            )
        else:
            yield Measurement(
                "trajectory_quality", RETURN, trajectory_quality(returns, self.random_return, best), basis
            )

    def _learners(self, table: tuple[Suitability, ...], e: Evidence, basis: Basis) -> Iterator[Judgement]:
        for s in table:
            yield Measurement("suited", (), s.verdict, basis, segment=s.learner)
        by = {verdict: [s.learner for s in table if s.verdict == verdict] for verdict in (YES, CARE, NO)}
        said = [
            f"{words} {', '.join(by[verdict])}"
            for verdict, words in ((YES, "suited to"), (CARE, "with care"), (NO, "not to"))
            if by[verdict]
        ]
        numbers = {
            "terminated_share": e.terminated, "return_contrast": e.contrast, "mean_return_quality": e.quality,
            "action_randomness": e.randomness, "constant_reward": e.reward if e.constant else None,
        }  # fmt: skip
        yield Finding(
            self.code, (), Severity.INFO,
            f"learners: the data are {'; '.join(said)} ({len(by[YES])} of {len(table)} suited)",
            "suited_learners", len(by[YES]), None, basis, effect=0.1,
            remedy=" ".join(f"{s.learner}: {s.verdict}, {s.reason}." for s in table),
            evidence={**{s.learner: {"suited": s.verdict, "reason": s.reason} for s in table}, **numbers},
        )  # fmt: skip
        yield View(
            Chart(
                "bars", "Which learners the data can feed: 0 no, 1 with care, 2 yes",
                {"labels": [f"{s.learner}: {s.verdict}" for s in table],
                 "values": [{NO: 0, CARE: 1, YES: 2}[s.verdict] for s in table]}, "learner", "suited",
            ),
            " ".join(f"{s.learner}: {s.reason}." for s in table),
        )  # fmt: skip
        dqn = next((s for s in table if s.learner == "DQN"), None)
        if dqn is not None and e.rewards and not e.zero and not e.failures:
            yield Finding(
                self.code, RETURN, Severity.WARN,
                f"reward: plain DQN will fail on these data, because {dqn.reason}; terminated episodes "
                f"{'unknown' if e.terminated is None else f'{e.terminated:.0%}'}, returns differ by {e.contrast:.1%}, "
                f"limit {CONTRAST:.0%}",
                "failures", 0, 1, basis, effect=0.6,
                remedy="Clone the behaviour or take a learner that stays near the data (CQL, IQL); for DQN add "
                "episodes that fail, and record which episodes terminated.",
                evidence=numbers,
            )  # fmt: skip


def _evidence(facts: Facts, finite: np.ndarray[Any, np.dtype[np.float64]], spread: ReturnSpread | None) -> Evidence:
    rewards: RewardShapeValues | None = facts["rewards"]
    outcomes: EpisodeOutcomesValues = facts["outcomes"]
    randomness: ActionRandomnessValues = facts["random"]
    known = rewards is not None and rewards.steps > 0
    quality = None
    if spread is not None and float(np.ptp(finite)) > 0:
        quality = float((finite.mean() - finite.min()) / np.ptp(finite))
    truncated = int((outcomes.ends[outcomes.filled] == 1).sum())
    return Evidence(
        discrete=facts["discrete"],
        rewards=known,
        zero=known and rewards is not None and rewards.constant and rewards.high == 0,
        constant=known and rewards is not None and rewards.constant,
        reward=rewards.high if rewards is not None and known else float("nan"),
        terminated=outcomes.terminated_share,
        contrast=0.0 if spread is None else spread.contrast,
        quality=quality,
        randomness=None if randomness.reason else randomness.randomness,
        cut=1 - outcomes.finals / truncated if truncated else None,
    )


def _numbers(
    returns: np.ndarray[Any, np.dtype[np.float64]], spread: ReturnSpread, basis: Basis
) -> Iterator[Measurement]:
    q05, median, q95 = np.quantile(returns, [0.05, 0.5, 0.95]).tolist()
    for name, value in (
        ("mean_return", float(returns.mean())), ("return_q05", q05), ("median_return", median), ("return_q95", q95),
        ("lowest_return", float(returns.min())), ("highest_return", float(returns.max())),
        ("return_contrast", spread.contrast), ("rpsv", spread.rpsv), ("rpsv_normalised", spread.rpsv_normalised),
        ("eri", spread.eri), ("eri_q95", spread.eri_q95),
    ):  # fmt: skip
        yield Measurement(name, RETURN, value, basis)


def _returns_view(returns: np.ndarray[Any, np.dtype[np.float64]], reference: EpisodeReturnsValues | None) -> View:
    ordered = np.sort(returns)
    data: dict[str, Any] = {}
    other = np.sort(reference.finite) if reference is not None else np.empty(0)
    edges = bin_edges(np.sort(np.concatenate([ordered, other])))
    data = {"edges": edges.tolist(), "counts": histogram(ordered, edges).counts.tolist()}
    if len(other):
        data["reference"] = histogram(other, edges).counts.tolist()
    return View(
        Chart("histogram", "Return of each episode", data, "return", "episodes"),
        f"{len(returns):,} episodes: mean {returns.mean():.4g}, from {ordered[0]:.4g} to {ordered[-1]:.4g}"
        + (", with the reference overlaid." if len(other) else "."),
    )


def _lengths_view(lengths: np.ndarray[Any, np.dtype[np.int64]]) -> View:
    ordered = np.sort(lengths).astype(np.float64)
    edges = bin_edges(ordered, whole=True)
    return View(
        Chart(
            "histogram", "Length of each episode",
            {"edges": edges.tolist(), "counts": histogram(ordered, edges).counts.tolist()}, "steps", "episodes",
        ),
        f"{len(lengths):,} episodes: mean {ordered.mean():,.1f} steps, from {ordered[0]:,.0f} to {ordered[-1]:,.0f}.",
    )  # fmt: skip
