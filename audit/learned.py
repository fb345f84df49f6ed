"""What was learned from a dataset before and after cleaning: the part of a result that says whether cleaning paid.

Frozen and serialisable, as findings are; nothing here learns or draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.findings import Chart, Interval


@dataclass(frozen=True, slots=True)
class LearnedSeed:
    """One policy: learned with one seed.

    Attributes:
        seed: of weights and batches.
        mean_return: over the episodes that it played; None where it did not act.
        curve: (updates, mean return of a few episodes) during training.
        problem: why nothing was learned, in plain words; empty when something was.
        estimate: of its discounted return by logged episodes; None where they were not asked or refuse a number.
        policy: where it lies, from the folder of the results: what `python -m rl_data evaluate` takes; None where it
            was not kept.
    """

    seed: int
    mean_return: float | None
    curve: tuple[tuple[int, float], ...] = ()
    problem: str = ""
    estimate: float | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One set of data in the comparison, and the policies learned from it.

    Attributes:
        name: "raw", "clean", "pristine" or "control".
        what: the data in words.
        episodes, steps: how much of it there is.
        seeds: one entry a policy.
        iqm: interquartile mean over the seeds of the mean returns (Agarwal et al. 2021); None without an environment.
        interval: of it, stratified bootstrap over seeds: it describes the arm, and is too short to prove anything.
        estimates: what logged episodes say of the first seed's policy: `rl_data.evaluation`'s JSON; None without.
        true_value: the discounted return that the evaluated policy really has; None where it did not act.
    """

    name: str
    what: str
    episodes: int
    steps: int
    seeds: tuple[LearnedSeed, ...]
    iqm: float | None = None
    interval: Interval | None = None
    estimates: Mapping[str, Any] | None = None
    true_value: float | None = None


@dataclass(frozen=True, slots=True)
class Learning:
    """Whether cleaning paid, and what that rests on.

    Attributes:
        learner: by name.
        options: of the learner, as used.
        environment: where policies acted; None where they did not.
        updates: steps of training of each policy.
        arms: raw and clean, and pristine and control where there are any.
        paid: True or False where the difference between clean and raw is beyond chance over seeds; None where not.
        verdict: one sentence.
        difference: clean minus raw, mean of the differences of paired seeds; None where no policy acted.
        difference_interval: of it, Student's t over the paired differences; None below three of them.
        recovered: (clean - raw) / (pristine - raw); None without a pristine set or where the two are alike.
        repairs: what was done to the data, one sentence each.
        notes: what a reader should know, one sentence each.
        charts: learning curves, returns, GAE by lambda, estimates beside the truth.
    """

    learner: str
    options: Mapping[str, Any]
    environment: str | None
    updates: int
    arms: tuple[Arm, ...]
    paid: bool | None
    verdict: str
    difference: float | None = None
    difference_interval: Interval | None = None
    recovered: float | None = None
    repairs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = field(default_factory=tuple)

    def arm(self, name: str) -> Arm | None:
        """Return an arm by name; None where there is none."""
        return next((arm for arm in self.arms if arm.name == name), None)
