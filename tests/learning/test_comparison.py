"""Whether cleaning paid: judged beyond chance, with words that give the numbers."""

from __future__ import annotations

from typing import Any

import pytest

from audit.learned import Arm, LearnedSeed
from audit.learning.charts import charts
from audit.learning.comparison import arm_of, paired_difference, recovered_share, verdict_of
from rl_data.trial import Outcome, Trial


def arm(name: str, returns: list[float | None], problem: str = "") -> Arm:
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
    return verdict_of(raw, clean, *paired_difference(clean, raw, 0), changed)


def test_a_clear_gain_pays_and_the_sentence_has_its_numbers() -> None:
    paid, said = verdict(arm("raw", [10, 12, 11, 9, 10]), arm("clean", [480, 490, 500, 470, 485]))
    assert paid is True
    assert "return 10.33 before, 485 after" in said


def test_a_clear_loss_is_called_harm() -> None:
    paid, said = verdict(arm("raw", [480, 490, 500]), arm("clean", [10, 12, 11]))
    assert paid is False
    assert said.startswith("Cleaning did harm")


def test_what_chance_can_make_is_no_verdict() -> None:
    paid, said = verdict(arm("raw", [100, 300, 200, 150]), arm("clean", [150, 220, 250, 140]))
    assert paid is None
    assert said.startswith("No difference beyond chance")


def test_one_seed_tells_nothing_about_chance() -> None:
    assert verdict(arm("raw", [10]), arm("clean", [500]))[0] is None


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


def without_acting(name: str, found: dict[str, Any] | None) -> Arm:
    return Arm(name, "", 10, 100, (LearnedSeed(0, None),), estimates=found)


def test_logged_episodes_decide_where_no_policy_acts() -> None:
    low, high = without_acting("raw", estimates(1.0, 0.5, 1.5)), without_acting("clean", estimates(9.0, 8.0, 10.0))
    assert verdict(low, high)[0] is True
    assert verdict(high, low)[0] is False
    assert verdict(low, low)[0] is None


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
