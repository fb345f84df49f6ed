"""From the policies of each set of data to whether cleaning paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.findings import Interval
from audit.learned import Arm, LearnedSeed

if TYPE_CHECKING:
    from rl_data.trial import Outcome

LEVEL = 0.95
LEAST_SEEDS = 3
"""Pairs below which no verdict is given: of two, Student's quantile is 12.7 and tells next to nothing."""
GOOD_SEEDS = 5
"""Pairs below which only large differences can be told from chance."""
LEAST_GAP = 0.05
"""Share of the larger of both returns by which pristine and raw must differ for a recovery to mean something."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Clean against raw, over the seeds that gave a policy in both.

    Attributes:
        seeds: pairs.
        before, after: mean over these seeds of the policies' returns, raw and clean.
        value: after - before, the mean of the paired differences.
        interval: of `value`, Student's t over the paired differences; None below `LEAST_SEEDS` pairs.
    """

    seeds: int
    before: float
    after: float
    value: float
    interval: Interval | None


def arm_of(name: str, what: str, size: tuple[int, int], outcomes: Sequence[Outcome], seed: int) -> Arm:
    """Return an arm: its policies, and the interquartile mean of their mean returns over seeds.

    Args:
        name: of the arm.
        what: the data in words.
        size: episodes and steps.
        outcomes: one a seed.
        seed: of the bootstrap.
    """
    seeds = tuple(
        LearnedSeed(
            o.trial.seed, o.mean_return, o.curve, o.problem, _estimated(o.estimates),
            None if o.run is None else f"{o.run.parent.name}/{o.run.name}",
        )
        for o in outcomes
    )  # fmt: skip
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


def _estimated(estimates: Mapping[str, Any] | None) -> float | None:
    """Return the number that logged episodes give a policy; None where they refuse one."""
    found = headline(estimates)
    return None if found is None else found["value"]


def _iqm(scores: Sequence[float], seed: int) -> tuple[float | None, Interval | None]:
    from rl_data.evaluation.bootstrap import iqm, stratified_interval

    if not scores:
        return None, None
    table = np.array(scores)[:, None]
    if len(scores) < 2:
        return float(scores[0]), None
    found = stratified_interval(table, generator=np.random.default_rng(seed), level=LEVEL)
    return iqm(table), Interval(found.low, found.high, "stratified bootstrap over seeds", LEVEL)


def paired_difference(first: Arm, second: Arm, of: str = "mean_return") -> Difference | None:
    """Return first - second over the seeds that both have; None where there is none.

    `of` names the field of `LearnedSeed` that is compared: "mean_return", or "estimate" where no policy acts.

    The pairs share weights, batches and starts, so their differences are what is compared. Their mean has Student's
    interval: a percentile bootstrap over 2 to 10 values is far too short (docs/adr/0008).
    """
    from scipy import stats

    other = {s.seed: getattr(s, of) for s in second.seeds}
    found = [(getattr(s, of), other.get(s.seed)) for s in first.seeds]
    pairs = np.array([(a, b) for a, b in found if a is not None and b is not None], dtype=np.float64)
    if not len(pairs):
        return None
    gaps = pairs[:, 0] - pairs[:, 1]
    middle, interval = float(gaps.mean()), None
    if len(gaps) >= LEAST_SEEDS:
        reach = float(stats.t.ppf(0.5 + LEVEL / 2, len(gaps) - 1) * gaps.std(ddof=1) / len(gaps) ** 0.5)
        interval = Interval(middle - reach, middle + reach, "Student's t over paired seeds", LEVEL)
    after, before = pairs.mean(axis=0).tolist()
    return Difference(len(gaps), before, after, middle, interval)


def recovered_share(raw: Arm, clean: Arm, pristine: Arm | None) -> float | None:
    """Return (clean - raw) / (pristine - raw) of the interquartile means; None where the gap is too small."""
    if pristine is None or raw.iqm is None or clean.iqm is None or pristine.iqm is None:
        return None
    gap = pristine.iqm - raw.iqm
    if gap < LEAST_GAP * max(abs(pristine.iqm), abs(raw.iqm), 1e-9):
        return None
    return (clean.iqm - raw.iqm) / gap


def verdict_of(raw: Arm, clean: Arm, difference: Difference | None, changed: bool) -> tuple[bool | None, str]:
    """Return whether cleaning paid, and the sentence that says so with its numbers."""
    if not changed:
        if all(s.problem for s in raw.seeds):
            return None, f"Nothing could be learned from the data, and nothing was cleaned: {raw.seeds[0].problem}."
        return None, "Nothing was cleaned, so there is nothing to pay for."
    lost = [arm for arm in (raw, clean) if all(s.problem for s in arm.seeds)]
    if raw in lost and clean not in lost:
        return True, f"Cleaning paid: nothing could be learned from the raw data ({raw.seeds[0].problem})."
    if clean in lost:
        paid = None if raw in lost else False
        return paid, f"Nothing could be learned from the clean data: {clean.seeds[0].problem}."
    if difference is None:
        return _by_estimates(raw, clean)
    numbers = f"mean return {_number(difference.before)} before, {_number(difference.after)} after"
    interval = difference.interval
    if interval is None:
        return None, f"Too few seeds to tell: {numbers} over {_pairs(difference.seeds)}; it takes {LEAST_SEEDS}."
    told = f"{numbers}; {_spread(difference, interval)}"
    if interval.low > 0:
        return True, f"Cleaning paid: {told}."
    if interval.high < 0:
        return False, f"Cleaning did harm: {told}."
    return None, f"No difference beyond chance: {told}."


def _spread(difference: Difference, interval: Interval) -> str:
    return (
        f"difference {difference.value:+.4g} over {_pairs(difference.seeds)}, "
        f"{interval.level:.0%} interval {interval.low:.4g} to {interval.high:.4g}"
    )


def _pairs(count: int) -> str:
    return "1 paired seed" if count == 1 else f"{count} paired seeds"


def notes_on(difference: Difference | None, seeds: int) -> Iterator[str]:
    """Yield what weakens a comparison of so many seeds, one sentence each."""
    if difference is None:
        return
    if difference.seeds < seeds:
        yield (
            f"{seeds - difference.seeds} of {seeds} seeds gave no policy on one of both sides and are not compared: "
            "the difference is of those that did"
        )
    if LEAST_SEEDS <= difference.seeds < GOOD_SEEDS:
        yield f"fewer than {GOOD_SEEDS} seeds tell only large differences from chance"


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
    difference = paired_difference(clean, raw, "estimate")
    if difference is None:  # each set has a number from one seed, and not from the same
        return None, "Not told: logged episodes give no number for the policies of the same seed in both sets."
    numbers = f"estimated return {_number(difference.before)} before, {_number(difference.after)} after"
    numbers += f" ({after['method']})"
    interval = difference.interval
    if interval is None:
        pairs = _pairs(difference.seeds)
        return None, f"Too few seeds to tell, by logged episodes: {numbers} over {pairs}; it takes {LEAST_SEEDS}."
    told = f"{numbers}; {_spread(difference, interval)}"
    # chance has two sources here: the seed, and the logged episodes, whose intervals each estimate has
    if interval.low > 0 and after["low"] > before["high"]:
        return True, f"Cleaning paid, by logged episodes: {told}; the intervals of the estimates do not meet."
    if interval.high < 0 and before["low"] > after["high"]:
        return False, f"Cleaning did harm, by logged episodes: {told}; the intervals of the estimates do not meet."
    return None, f"No difference beyond chance, by logged episodes: {told}."


def headline(estimates: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the estimate that speaks for a policy: GAE with ratios where there is one, else the critic alone."""
    if estimates is None:
        return None
    found: Mapping[str, Any] = estimates[estimates["headline"]]
    return None if found["trust"] == "nothing" else found


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
