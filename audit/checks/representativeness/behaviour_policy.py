"""REP103: how were the actions chosen?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.policy import ActionRandomness, ActionRandomnessValues, PolicyRecord, PolicyRecordValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View

ACTION = ("action",)
LOG_PROB = ("behaviour_log_prob",)
WEIGHT = ("weight",)
POLICY = ("policy_id",)
LEAST_EFFECTIVE = 10.0


@register
@dataclass(frozen=True, slots=True)
class BehaviourPolicy:
    """How random the behaviour was, which policies it mixes, and what importance weights leave of the data.

    What it measures: how well the observation tells the action on episodes that a model has not seen (the better of a
        linear model and extremely randomised trees, cross-fitted by episode). Discrete actions: mean -ln p over
        ln(number of actions), 0 to 1. Continuous: standard deviation of the residuals over the middle 99% of the range,
        which is 0.29 for uniform actions ("estimated action stochasticity" has no agreed formula; this is ours). Both
        are upper bounds: what the model cannot tell counts as random. Log-probabilities that the data give are checked
        for possible values. With them and a column of a second policy's (`target`), the effective number of episodes
        (Kish, of products of ratios) is reported; of sampling weights, the effective number of steps. Policies named by
        the data are counted.
    Why it matters: importance sampling divides by the behaviour's probability: a deterministic behaviour has no such
        ratios, and long episodes leave a handful of effective ones. A random behaviour cannot be cloned to advantage.
    What to do: of a deterministic behaviour, evaluate policies by fitted Q, not by importance sampling. With few
        effective episodes, shorten the horizon, clip ratios, or take per-decision or doubly robust estimates. Learn
        from policies apart, or condition on the policy, where several are mixed.

    Options:
        deterministic: stochasticity (0 to 1) below which the behaviour is called nearly deterministic; continuous
            actions use a fifth of it.
        effective: share (0 to 1) of episodes or steps that must be effective, beside a floor of 10.
        target: the column beside the canonical ones that holds the log-probabilities of a policy to evaluate.
    """

    code: ClassVar[str] = "REP103"
    name: ClassVar[str] = "behaviour-policy"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    deterministic: float = 0.1
    effective: float = 0.01
    target: str = "target_log_prob"

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the estimate, and for what the data say themselves."""
        return {"rows": data.rows, "random": ActionRandomness(), "said": PolicyRecord(self.target)}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge randomness, log-probabilities, weights and mixture, each by itself."""
        said: PolicyRecordValues = facts["said"]
        basis = Basis(facts["rows"], facts["rows"])
        yield from self._randomness(facts["random"])
        if said.impossible is not None:
            yield from self._log_probs(said, basis)
        yield from self._weights(said, basis)
        if said.policies:
            yield from self._policies(said, basis)

    def _randomness(self, r: ActionRandomnessValues) -> Iterator[Judgement]:
        if r.reason:
            yield NotEvaluated(r.reason, ACTION)
            return
        limit = self.deterministic if r.discrete else self.deterministic / 5
        yield Measurement("stochasticity", ACTION, r.stochasticity, r.basis, limit=limit)
        if r.discrete:
            yield Measurement("behaviour_entropy", ACTION, r.entropy, r.basis)
            yield Measurement("predicted_actions", ACTION, r.agreement, r.basis)
        else:
            for name, residual in zip(r.names, r.residual, strict=True):
                yield Measurement("stochasticity", (name,), residual, r.basis)
        if r.stochasticity >= limit:
            return
        how = (
            f"the observation tells {percent(r.agreement)} of {r.basis.rows:,} held-out actions"
            if r.discrete
            else f"the observation tells {r.basis.rows:,} held-out actions up to {r.stochasticity:.3f} of their range"
        )
        yield Finding(
            self.code, ACTION, Severity.INFO,
            f"action: {how}: stochasticity {r.stochasticity:.3f}, limit {limit:g}; the behaviour is nearly a function "
            "of the observation, so that importance sampling is impossible",
            "stochasticity", r.stochasticity, limit, r.basis, effect=0.2,
            remedy="Evaluate policies by fitted Q evaluation; for importance sampling collect with a random policy "
            "and record its log-probabilities.",
            evidence={"entropy": None if np.isnan(r.entropy) else r.entropy},
        )  # fmt: skip

    def _log_probs(self, said: PolicyRecordValues, basis: Basis) -> Iterator[Judgement]:
        assert said.impossible is not None
        bad = int(said.impossible.sum())
        share = bad / max(len(said.impossible), 1)
        yield Measurement("impossible_log_prob_share", LOG_PROB, share, basis, limit=0.0)
        if bad:
            yield Finding(
                self.code, LOG_PROB, Severity.FAIL,
                f"behaviour_log_prob: {counted(bad, 'step')} of {len(said.impossible):,} ({percent(share)}) have a "
                "log-probability that cannot be: not a number, infinite, or above 0 for a discrete action; limit 0",
                "impossible_log_prob_share", share, 0.0, basis, effect=min(1.0, 0.5 + share), affected=bad,
                row_ids=first_rows(said.impossible),
                remedy="Look for probabilities, or negative log-probabilities, that were stored as log-probabilities.",
            )  # fmt: skip
        if said.entropy is not None:
            yield Measurement("recorded_entropy", LOG_PROB, said.entropy, basis)
        if said.certain is not None:
            yield Measurement("certain_share", LOG_PROB, said.certain, basis, limit=0.99)
            if said.certain > 0.99:
                yield Finding(
                    self.code, LOG_PROB, Severity.WARN,
                    f"behaviour_log_prob: {percent(said.certain)} of {said.log_probs:,} steps have a recorded "
                    "probability of 1, limit 99%; ratios to a deterministic behaviour are 0 or 1, so that importance "
                    "sampling is impossible",
                    "certain_share", said.certain, 0.99, basis, effect=0.5,
                    remedy="If the behaviour was random, record its true log-probabilities; else evaluate by fitted Q "
                    "evaluation.",
                )  # fmt: skip

    def _weights(self, said: PolicyRecordValues, basis: Basis) -> Iterator[Judgement]:
        if said.bad_weights:
            share = said.bad_weights / max(basis.rows, 1)
            yield Finding(
                self.code, WEIGHT, Severity.FAIL,
                f"weight: {counted(said.bad_weights, 'step')} of {basis.rows:,} ({percent(share)}) have a weight that "
                "is negative or not finite, limit 0",
                "bad_weight_share", share, 0.0, basis, effect=min(1.0, 0.5 + share), affected=said.bad_weights,
                remedy="Sampling weights are finite and at least 0: repair how they were computed.",
            )  # fmt: skip
        if said.step_weights is not None:
            yield from self._effective("effective_steps", WEIGHT, said.step_weights, basis)
        if said.episode_effective is not None:
            curve = said.curve
            columns = ("behaviour_log_prob", self.target)
            found = said.episode_effective
            yield from self._effective("effective_episodes", columns, found, basis, largest=said.largest_share)
            if curve is not None and len(curve) > 1:
                yield View(
                    Chart(
                        "line", "Effective number of episodes by length of the product of ratios",
                        {"x": list(range(1, len(curve) + 1)),
                         "series": [{"name": "effective episodes", "values": curve.tolist()}],
                         "limit": LEAST_EFFECTIVE},
                        "steps", "effective episodes",
                    ),
                    "Kish's effective number of episodes if ratios are multiplied up to each step.",
                )  # fmt: skip

    def _effective(
        self,
        statistic: str,
        columns: tuple[str, ...],
        found: tuple[float, int],
        basis: Basis,
        *,
        largest: float | None = None,
    ) -> Iterator[Judgement]:
        effective, n = found
        unit = statistic.removeprefix("effective_")
        limit = max(LEAST_EFFECTIVE, self.effective * n)
        yield Measurement(statistic, columns, effective, basis, limit=limit, unit=unit)
        if effective >= limit or n < LEAST_EFFECTIVE:
            return
        yield Finding(
            self.code, columns, Severity.WARN,
            f"{columns[-1]}: the weights of {n:,} {unit} leave {effective:,.1f} effective ones, limit {limit:,.0f}",
            statistic, effective, limit, basis, effect=1 - effective / max(n, 1),
            remedy="Estimates from these weights rest on a handful of the data: clip the weights, shorten the "
            "horizon, or evaluate by fitted Q evaluation.",
            evidence={} if largest is None else {"largest_weight_share": largest},
        )  # fmt: skip

    def _policies(self, said: PolicyRecordValues, basis: Basis) -> Iterator[Judgement]:
        count = len(said.policies)
        yield Measurement("policies", POLICY, count, basis, unit="policies")
        if count < 2:
            return
        largest, steps, _ = said.policies[0]
        mixed = f"; {counted(said.mixed_episodes, 'episode')} change policy on the way" if said.mixed_episodes else ""
        yield Finding(
            self.code, POLICY, Severity.INFO,
            f"policy_id: the steps come from {count:,} policies, limit 1; the largest, '{largest}', has {steps:,} of "
            f"{basis.rows:,} ({percent(steps / max(basis.rows, 1))}){mixed}",
            "policies", count, 1, basis, effect=0.2,
            remedy="Nothing has to be done for learners of value; cloning mixes their actions, and one behaviour "
            "probability is that of the mixture.",
        )  # fmt: skip
        yield View(
            Chart("bars", "Steps of each policy",
                  {"labels": [name for name, _, _ in said.policies[:20]],
                   "values": [number for _, number, _ in said.policies[:20]], "total": basis.rows}, "policy", "steps"),
            f"The {min(count, 20):,} policies with most steps, of {count:,}.",
        )  # fmt: skip
