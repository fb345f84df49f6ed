"""The learning section: what can be trusted is beside what cannot, and each reason stands once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from audit.learned import Arm
from audit.learning.charts import charts
from audit.report.learning import learning_section
from audit.report.render import render_html
from tests.report.learning_results import learning_result


def raw() -> Arm:
    learned = learning_result().learning
    assert learned is not None
    return learned.arms[0]


def of_number(estimates: dict[str, Any]) -> dict[str, Any]:
    """Return the estimates with a curve whose points are given as numbers, each with its interval."""
    curve = [
        {**p, "value": p["rank_by"], "low": p["rank_by"] - 3.0, "high": p["rank_by"] + 4.0} for p in estimates["curve"]
    ]
    return {**estimates, "curve": curve}


def test_the_diagnostics_of_each_set_stand_once_and_so_does_each_reason() -> None:
    section = learning_section(learning_result())
    assert section is not None
    assert [of.name for of in section.estimates] == ["Raw", "Clean", "Pristine"]
    for of in section.estimates:
        assert dict(of.facts) | {"Really returned": ""} == {
            "Really returned": "", "Held-out episodes": "12", "Effective episodes": "7.5",
            "Ratios clipped in corrections (rho)": "0%", "Ratios clipped in traces (c)": "50%",
            "Actions unlike any in the data": "6.25%",
        }  # fmt: skip
        assert [row[0] for row in of.rows] == [
            "GAE with ratios", "FQE (critic alone)", "WIS", "Doubly robust", "GAE without ratios",
        ]  # fmt: skip
        assert of.refusals == (("PDIS", "the effective number of episodes is 1.2 of 12, limit 4"),)


def test_a_reason_names_all_estimators_that_it_holds_for() -> None:
    result = learning_result()
    assert result.learning is not None
    arm = raw()
    refused: dict[str, Any] = {
        "value": None,
        "low": None,
        "high": None,
        "reasons": ["too few"],
        "diagnostics": {},
        "rank_by": 1.0,
    }
    estimates = {**(arm.estimates or {}), "wis": refused, "dr": refused}
    arms = (dataclasses.replace(arm, estimates=estimates),)
    section = learning_section(dataclasses.replace(result, learning=dataclasses.replace(result.learning, arms=arms)))
    assert section is not None
    assert section.estimates[0].refusals[0] == ("WIS · Doubly robust", "too few")


def test_a_curve_of_refused_numbers_says_so_and_what_its_band_is() -> None:
    arm = dataclasses.replace(raw(), name="clean")
    (curve,) = [chart for chart in charts([arm], {}) if chart.x_title == "lambda"]
    assert curve.title.endswith("No number is given: read its shape only; band: spread")
    assert len(curve.title) <= 160  # longer ones are cut
    (series,) = curve.data["series"]
    assert series["name"] == "GAE with ratios (rank)"
    # by hand, lambda 0: spread 4 over 12 episodes, critics 0.5: 2 * sqrt(16 / 12 + 0.25) = 2.517
    assert series["high"][0] - series["values"][0] == pytest.approx(2.517, abs=1e-3)
    assert series["values"][0] - series["low"][0] == pytest.approx(2.517, abs=1e-3)


def test_a_curve_of_numbers_has_their_intervals() -> None:
    arm = raw()
    arm = dataclasses.replace(arm, name="clean", estimates=of_number(dict(arm.estimates or {})))
    (curve,) = [chart for chart in charts([arm], {}) if chart.x_title == "lambda"]
    assert curve.title.endswith("band: 95% interval")
    (series,) = curve.data["series"]
    assert series["name"] == "GAE with ratios"
    assert [v - low for v, low in zip(series["values"], series["low"], strict=True)] == [3.0] * 4


def test_the_verdict_is_said_in_chinese_to_its_end() -> None:
    page = render_html(learning_result(), language="zh")
    assert "3 对种子的差异 +123.2，95% 区间 117 至 129.5" in page


def test_the_page_does_not_take_the_interval_of_a_set_for_proof() -> None:
    page = render_html(learning_result())
    assert "the verdict rests on the paired seeds alone" in page
    assert "over 3 paired seeds, 95% interval" in page
