"""Whether cleaning paid: judged beyond chance, with words that give the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from audit.learned import Arm, LearnedSeed
from audit.learning.charts import charts
from audit.learning.comparison import arm_of, notes_on, paired_difference, recovered_share, verdict_of
from rl_data.trial import Outcome, Trial


def arm(name: str, returns: Sequence[float | None], problem: str = "") -> Arm:
    outcomes = [
        Outcome(
            Trial(name, data=None, learner="bc", seed=k),  # type: ignore[arg-type]  # nothing is read
            returns=() if value is None else (value,) * 3,
            curve=() if value is None else ((100, value / 2), (200, value)),
            problem=problem if value is None else "",
        )
        for k, value in enumerate(returns)
    ]
    return arm_of(name, "", (10, 100), outcomes, 0)


def verdict(raw: Arm, clean: Arm, changed: bool = True) -> tuple[bool | None, str]:
    return verdict_of(raw, clean, paired_difference(clean, raw), changed)


def test_a_clear_gain_pays_and_the_sentence_has_its_numbers() -> None:
    paid, said = verdict(arm("raw", [10, 12, 11, 9, 10]), arm("clean", [480, 490, 500, 470, 485]))
    assert paid is True
    assert said.startswith("Cleaning paid: mean return 10.4 before, 485 after; difference +474.6 over 5 paired seeds")


def test_a_clear_loss_is_called_harm() -> None:
    paid, said = verdict(arm("raw", [480, 490, 500]), arm("clean", [10, 12, 11]))
    assert paid is False
    assert said.startswith("Cleaning did harm")


def test_what_chance_can_make_is_no_verdict() -> None:
    paid, said = verdict(arm("raw", [100, 300, 200, 150]), arm("clean", [150, 220, 250, 140]))
    assert paid is None
    assert said.startswith("No difference beyond chance")


@pytest.mark.parametrize(("seeds", "said"), [(1, "over 1 paired seed;"), (2, "over 2 paired seeds;")])
def test_one_or_two_seeds_get_no_verdict(seeds: int, said: str) -> None:
    raw, clean = arm("raw", [10.0, 11.0][:seeds]), arm("clean", [500.0, 499.0][:seeds])
    paid, sentence = verdict(raw, clean)
    assert paid is None
    assert sentence.startswith("Too few seeds to tell: mean return 10")
    assert said in sentence
    assert sentence.endswith("it takes 3.")
    found = paired_difference(clean, raw)
    assert found is not None
    assert found.interval is None


def test_the_difference_is_the_mean_of_the_pairs_with_students_interval() -> None:
    """By hand: gaps 9, 11, 13: mean 11, standard error 2 / sqrt(3), t(0.975, 2) = 4.303."""
    found = paired_difference(arm("clean", [10, 13, 16]), arm("raw", [1, 2, 3]))
    assert found is not None
    assert found.interval is not None
    assert (found.seeds, found.before, found.after, found.value) == (3, 2.0, 13.0, 11.0)
    assert found.interval.low == pytest.approx(11 - 4.3027 * 2 / 3**0.5, abs=1e-3)
    assert found.interval.high == pytest.approx(11 + 4.3027 * 2 / 3**0.5, abs=1e-3)
    assert found.interval.method == "Student's t over paired seeds"


def test_seeds_without_a_policy_on_both_sides_are_not_compared_and_this_is_said() -> None:
    found = paired_difference(arm("clean", [9, 9, 9, 9]), arm("raw", [1, None, 1, 2], "it diverged"))
    assert found is not None
    assert found.seeds == 3
    assert list(notes_on(found, 4)) == [
        "1 of 4 seeds gave no policy on one of both sides and are not compared: the difference is of those that did",
        "fewer than 5 seeds tell only large differences from chance",
    ]
    five = paired_difference(arm("clean", [9] * 5), arm("raw", [1] * 5))
    assert list(notes_on(five, 5)) == list(notes_on(None, 5)) == []


def bounded(draws: np.random.Generator, size: int) -> np.ndarray:
    """Draw mean returns as CartPole has them: skewed, from 9 on, and many at the limit of 500."""
    return np.minimum(9.0 + draws.lognormal(5.0, 1.2, size), 500.0)


def either_or(draws: np.random.Generator, size: int) -> np.ndarray:
    """Draw mean returns of a learner that fails or succeeds."""
    return np.where(draws.random(size) < 0.5, 9.0, 500.0) + draws.normal(0.0, 1.0, size)


def normal(draws: np.random.Generator, size: int) -> np.ndarray:
    return draws.normal(100.0, 20.0, size)


def verdicts(before: np.ndarray, after: np.ndarray) -> list[bool | None]:
    """Return the verdicts of many comparisons: float[comparisons, seeds] each."""

    def made(name: str, values: np.ndarray) -> Arm:
        return Arm(name, "", 1, 1, tuple(LearnedSeed(k, float(v)) for k, v in enumerate(values)))

    return [verdict(made("raw", a), made("clean", b))[0] for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("returns", [normal, bounded, either_or])
def test_where_cleaning_changes_nothing_few_verdicts_say_otherwise(
    returns: Callable[[np.random.Generator, int], np.ndarray], seeds: int
) -> None:
    """The interval is of 95%: about 5% false verdicts. A percentile bootstrap gave 28% with 3 seeds, 18% with 5."""
    draws = np.random.default_rng(seeds)
    both = returns(draws, 2 * 2_000 * seeds).reshape(2, 2_000, seeds)
    false = [found is not None for found in verdicts(*both)]
    assert np.mean(false) <= 0.07


@pytest.mark.parametrize(("seeds", "gap"), [(3, 120.0), (5, 60.0), (10, 40.0)])
def test_a_gain_that_is_large_for_so_many_seeds_is_seen(seeds: int, gap: float) -> None:
    """Returns spread by 20 about their mean: six, three and two such spreads are told from chance."""
    draws = np.random.default_rng(seeds)
    before, after = normal(draws, 2 * 500 * seeds).reshape(2, 500, seeds)
    found = verdicts(before, after + gap)
    assert np.mean([paid is True for paid in found]) >= 0.9
    assert False not in found


def test_raw_data_that_teach_nothing_make_cleaning_pay() -> None:
    paid, said = verdict(arm("raw", [None, None], "reward is NaN in row 3"), arm("clean", [5, 6]))
    assert paid is True
    assert "reward is NaN in row 3" in said


def test_nothing_cleaned_is_no_verdict() -> None:
    same = arm("raw", [1, 2, 3])
    assert verdict(same, same, changed=False) == (None, "Nothing was cleaned, so there is nothing to pay for.")


def test_the_recovered_share_is_of_what_was_lost() -> None:
    raw, pristine = arm("raw", [0.0, 0, 0, 0]), arm("pristine", [100.0, 100, 100, 100])
    assert recovered_share(raw, arm("clean", [90.0, 90, 90, 90]), pristine) == pytest.approx(0.9)
    assert recovered_share(pristine, pristine, pristine) is None
    assert recovered_share(raw, raw, None) is None


def estimates(value: float | None, low: float, high: float, trust: str = "number") -> dict[str, Any]:
    one = {
        "method": "gae", "value": value, "rank_by": (low + high) / 2, "low": low, "high": high, "trust": trust,
        "reasons": ["few episodes"], "settings": {"lam": 0.95}, "diagnostics": {"std": 1.0, "ess": 20.0},
    }  # fmt: skip
    names = ("gae", "fqe", "wis", "pdis", "dr", "plain")
    return {**dict.fromkeys(names, one), "headline": "gae", "curve": [one], "diagnostics": {"episodes": 30.0}}


def without_acting(name: str, found: dict[str, Any] | None, values: tuple[float | None, ...] = ()) -> Arm:
    seeds = tuple(LearnedSeed(k, None, estimate=value) for k, value in enumerate(values or (None,)))
    return Arm(name, "", 10, 100, seeds, estimates=found)


def test_logged_episodes_decide_where_no_policy_acts() -> None:
    low = without_acting("raw", estimates(1.0, 0.5, 1.5), (1.0, 1.1, 0.9))
    high = without_acting("clean", estimates(9.0, 8.0, 10.0), (9.0, 8.5, 9.5))
    paid, said = verdict(low, high)
    assert paid is True
    assert "estimated return 1 before, 9 after (gae); difference +8 over 3 paired seeds" in said
    assert verdict(high, low)[0] is False
    assert verdict(low, low)[0] is None


def test_one_policy_a_side_or_estimates_that_overlap_decide_nothing() -> None:
    """The interval of an estimate is of one policy: that training with another seed gives another is not in it."""
    low, high = estimates(1.0, 0.5, 1.5), estimates(9.0, 8.0, 10.0)
    paid, said = verdict(without_acting("raw", low, (1.0,)), without_acting("clean", high, (9.0,)))
    assert paid is None
    assert said.startswith("Too few seeds to tell, by logged episodes")
    wide = estimates(9.0, 1.0, 17.0)
    raw, clean = without_acting("raw", low, (1.0, 1.1, 0.9)), without_acting("clean", wide, (9.0, 8.5, 9.5))
    assert verdict(raw, clean)[0] is None
    other = without_acting("clean", high, (None, 8.5))
    assert verdict(without_acting("raw", low, (1.0, None)), other)[1].startswith("Not told: logged episodes give no")


def test_a_refused_number_only_ranks() -> None:
    refused = without_acting("clean", estimates(None, 8.0, 10.0, "rank"))
    paid, said = verdict(without_acting("raw", estimates(None, 0.5, 1.5, "rank")), refused)
    assert paid is None
    assert "rank the policy of the clean data first" in said
    assert "few episodes" in said
    assert verdict(without_acting("raw", None), refused)[1].startswith("Not told")


def test_every_picture_has_its_data() -> None:
    arms = [arm("raw", [10, 12]), arm("clean", [50, 60])]
    kinds = [chart.kind for chart in charts(arms, {"raw": [1.0, 2.0], "clean": [3.0, 4.0]})]
    assert kinds == ["line", "intervals", "histogram"]
    logged = [without_acting("clean", estimates(9.0, 8.0, 10.0))]
    assert [chart.kind for chart in charts(logged, {})] == ["line", "intervals"]
