"""From the policies of each set of data to whether cleaning paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.findings import Interval
from audit.learned import Arm, LearnedSeed

if TYPE_CHECKING:
    from rl_data.trial import Outcome

REPLICATES = 10_000
LEVEL = 0.95
LEAST_GAP = 0.05
"""Share of the larger of both returns by which pristine and raw must differ for a recovery to mean something."""


def arm_of(name: str, what: str, size: tuple[int, int], outcomes: Sequence[Outcome], seed: int) -> Arm:
    """Return an arm: its policies, and the interquartile mean of their mean returns over seeds.

    Args:
        name: of the arm.
        what: the data in words.
        size: episodes and steps.
        outcomes: one a seed.
        seed: of the bootstrap.
    """
    seeds = tuple(LearnedSeed(o.trial.seed, o.mean_return, o.curve, o.problem) for o in outcomes)
    scores = [s.mean_return for s in seeds if s.mean_return is not None]
    middle, interval = _iqm(scores, seed)
    evaluated = next((o for o in outcomes if o.estimates is not None), None)
    return Arm(
        name=name,
        what=what,
        episodes=size[0],
        steps=size[1],
        seeds=seeds,
        iqm=middle,
        interval=interval,
        estimates=None if evaluated is None else evaluated.estimates,
        true_value=float(np.mean(evaluated.discounted)) if evaluated is not None and evaluated.discounted else None,
    )


def _iqm(scores: Sequence[float], seed: int) -> tuple[float | None, Interval | None]:
    from rl_data.evaluation.bootstrap import iqm, stratified_interval

    if not scores:
        return None, None
    table = np.array(scores)[:, None]
    if len(scores) < 2:
        return float(scores[0]), None
    found = stratified_interval(table, generator=np.random.default_rng(seed), level=LEVEL)
    return iqm(table), Interval(found.low, found.high, "stratified bootstrap over seeds", LEVEL)


def paired_difference(first: Arm, second: Arm, seed: int) -> tuple[float | None, Interval | None]:
    """Return mean(first - second) over the seeds that both have, with its bootstrap interval over the pairs."""
    other = {s.seed: s.mean_return for s in second.seeds}
    pairs = [(s.mean_return, other.get(s.seed)) for s in first.seeds]
    gaps = np.array([a - b for a, b in pairs if a is not None and b is not None])
    if not len(gaps):
        return None, None
    if len(gaps) < 2:
        return float(gaps[0]), None
    draws = np.random.default_rng(seed).choice(gaps, (REPLICATES, len(gaps))).mean(axis=1)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(gaps.mean()), Interval(float(low), float(high), "bootstrap over paired seeds", LEVEL)


def recovered_share(raw: Arm, clean: Arm, pristine: Arm | None) -> float | None:
    """Return (clean - raw) / (pristine - raw) of the interquartile means; None where the gap is too small."""
    if pristine is None or raw.iqm is None or clean.iqm is None or pristine.iqm is None:
        return None
    gap = pristine.iqm - raw.iqm
    if gap < LEAST_GAP * max(abs(pristine.iqm), abs(raw.iqm), 1e-9):
        return None
    return (clean.iqm - raw.iqm) / gap


def verdict_of(
    raw: Arm, clean: Arm, difference: float | None, interval: Interval | None, changed: bool
) -> tuple[bool | None, str]:
    """Return whether cleaning paid, and the sentence that says so with its numbers."""
    if not changed:
        return None, "Nothing was cleaned, so there is nothing to pay for."
    lost = [arm for arm in (raw, clean) if all(s.problem for s in arm.seeds)]
    if raw in lost and clean not in lost:
        return True, f"Cleaning paid: nothing could be learned from the raw data ({raw.seeds[0].problem})."
    if clean in lost:
        return (
            None if raw in lost else False
        ), f"Nothing could be learned from the clean data: {clean.seeds[0].problem}."
    if difference is None:
        return _by_estimates(raw, clean)
    numbers = f"return {_number(raw.iqm)} before, {_number(clean.iqm)} after (interquartile means over seeds)"
    if interval is None:
        return None, f"One seed tells nothing about chance: {numbers}."
    spread = f"difference {difference:+.4g}, {interval.level:.0%} interval {interval.low:.4g} to {interval.high:.4g}"
    if interval.low > 0:
        return True, f"Cleaning paid: {numbers}; {spread}."
    if interval.high < 0:
        return False, f"Cleaning did harm: {numbers}; {spread}."
    return None, f"No difference beyond chance: {numbers}; {spread}."


def _by_estimates(raw: Arm, clean: Arm) -> tuple[bool | None, str]:
    """Compare by what logged episodes say, where no policy could act."""
    values = [headline(arm.estimates) for arm in (raw, clean)]
    if any(value is None for value in values):
        return None, "Not told: there is no environment to act in, and logged episodes cannot evaluate the policies."
    before, after = (value for value in values if value is not None)
    if any(value["value"] is None for value in (before, after)):
        better = "the clean" if (after["rank_by"] or 0.0) > (before["rank_by"] or 0.0) else "the raw"
        reasons = "; ".join(dict.fromkeys([*before["reasons"], *after["reasons"]]))
        return None, f"Logged episodes rank the policy of {better} data first, and give no number: {reasons}."
    told = f"estimated return {before['value']:.4g} before, {after['value']:.4g} after ({after['method']})"
    if after["low"] is not None and before["high"] is not None and after["low"] > before["high"]:
        return True, f"Cleaning paid, by logged episodes: {told}; the intervals do not meet."
    if before["low"] is not None and after["high"] is not None and before["low"] > after["high"]:
        return False, f"Cleaning did harm, by logged episodes: {told}; the intervals do not meet."
    return None, f"No difference beyond chance, by logged episodes: {told}; the intervals meet."


def headline(estimates: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the estimate that speaks for a policy: GAE with ratios where there is one, else the critic alone."""
    if estimates is None:
        return None
    found: Mapping[str, Any] = estimates[estimates["headline"]]
    return None if found["trust"] == "nothing" else found


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
