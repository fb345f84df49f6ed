"""A result that says whether cleaning paid: three sets of data, three seeds each, with curves and estimates."""

from __future__ import annotations

import dataclasses
from typing import Any

from audit.findings import Interval
from audit.learned import Arm, LearnedSeed, Learning
from audit.learning.charts import charts
from audit.learning.comparison import notes_on, paired_difference, verdict_of
from audit.result import Result
from tests.report.trajectory_results import trajectory_result

_RATIOS = {"ess": 7.5, "clipped_rho": 0.0, "clipped_c": 0.5}
_SHARED = {"episodes": 12.0, "ess": 7.5, "out_of_distribution": 0.0625}
_METHODS = ("gae", "fqe", "wis", "pdis", "dr", "plain")


def learning_result() -> Result:
    """Return the result: clean data did better than raw data, and nearly as well as the data without faults."""
    arms = (_arm("raw", 61.5, 40), _arm("clean", 182.25, 38, 5.0), _arm("pristine", 190.125, 40))
    difference = paired_difference(arms[1], arms[0])
    assert difference is not None
    paid, verdict = verdict_of(arms[0], arms[1], difference, True)
    returns = {arm.name: [seed.mean_return or 0.0 for seed in arm.seeds] * 10 for arm in arms}
    learned = Learning(
        learner="bc",
        options={"learning_rate": 0.001, "hidden": [64, 64]},
        environment="CartPole-v1",
        updates=2000,
        arms=arms,
        paid=paid,
        verdict=verdict,
        difference=difference.value,
        difference_interval=difference.interval,
        recovered=0.939,
        repairs=("COM101 split: episodes are split where steps are missing",),
        notes=(*notes_on(difference, 3), "raw: nothing was held out"),
        charts=tuple(charts(arms, returns)),
    )
    return dataclasses.replace(trajectory_result(40), learning=learned)


def _arm(name: str, mean: float, episodes: int, apart: float = 2.5) -> Arm:
    seeds = tuple(
        LearnedSeed(seed, mean + apart * seed, tuple((step, mean * step / 2000) for step in (500, 1000, 2000)))
        for seed in range(3)
    )
    curve = [
        {
            "rank_by": mean / 4 + 2 * lam,
            "value": None,
            "low": None,
            "high": None,
            "settings": {"lam": lam},
            "diagnostics": {"std": 4 + 8 * lam, "critic_std": 0.5},
        }
        for lam in (0.0, 0.5, 0.9, 1.0)
    ]
    methods: dict[str, Any] = {method: _estimate(method, mean) for method in _METHODS}
    return Arm(
        name,
        f"the {name} episodes",
        episodes,
        episodes * 500,
        seeds,
        iqm=mean,
        interval=Interval(mean - 10.5, mean + 11.25, "stratified bootstrap"),
        estimates={
            **methods,
            "curve": curve,
            "diagnostics": {"episodes": 12.0, "ess": 7.5, "out_of_distribution": 0.0625},
        },
        true_value=mean / 4,
    )


def _estimate(method: str, mean: float) -> dict[str, Any]:
    value = mean / 4 + 0.5
    if method == "pdis":
        reasons = ["the effective number of episodes is 1.2 of 12, limit 4"]
        found: dict[str, Any] = {
            "value": None,
            "low": None,
            "high": None,
            "diagnostics": {"ess": 1.25},
            "reasons": reasons,
        }
    else:
        found = {"value": value, "low": value - 3, "high": value + 3, "diagnostics": _RATIOS, "reasons": []}
    return {**found, "rank_by": value}
