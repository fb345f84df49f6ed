"""Intervals and means against closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rl_data.errors import SettingsError
from rl_data.evaluation.bootstrap import (
    critics_interval,
    iqm,
    mean_interval,
    percentiles,
    resamples,
    stratified_interval,
)
from rl_data.evaluation.ranking import coverage, regret, spearman


def test_resamples_draw_each_time_as_many_episodes_as_there_are() -> None:
    drawn = resamples(7, 50, np.random.default_rng(0))
    assert drawn.shape == (50, 7)
    assert (drawn.sum(1) == 7).all()


def test_percentiles_are_quantiles() -> None:
    interval = percentiles(np.arange(101.0), level=0.9)
    assert [interval.low, interval.high, interval.level] == pytest.approx([5.0, 95.0, 0.9])
    assert 50.0 in interval
    assert 96.0 not in interval


def test_bootstrap_of_a_mean_is_as_wide_as_its_standard_error_says() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    interval = mean_interval(values, np.random.default_rng(0), count=4_000)
    reach = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - reach, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + reach, abs=0.02)


def test_with_one_critic_the_interval_is_students() -> None:
    values = np.random.default_rng(2).normal(size=30)
    interval = critics_interval(values[None])
    low, high = stats.t.interval(0.95, 29, loc=values.mean(), scale=stats.sem(values))
    assert [interval.low, interval.high] == pytest.approx([low, high])


def test_intervals_with_several_critics_cover_the_truth() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):  # refits differ as critics of other data would, their mean is as wrong as any one of them
        shift = rng.normal(0.0, 0.5)
        by_critic = shift + rng.normal(0.0, 0.5, (5, 1)) + rng.normal(0.0, 1.0, 40)[None]
        held += 0.0 in critics_interval(by_critic)
    assert held / 300 > 0.9


def test_critics_that_agree_on_constant_episodes_give_a_point() -> None:
    interval = critics_interval(np.full((3, 5), 2.0))
    assert (interval.low, interval.high) == (2.0, 2.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_iqm_is_the_trimmed_mean(values: list[float]) -> None:
    assert iqm(np.array(values)) == pytest.approx(float(stats.trim_mean(values, 0.25)), rel=1e-9, abs=1e-6)


def test_stratified_interval_resamples_within_tasks() -> None:
    scores = np.array([[0.0, 100.0], [0.0, 100.0], [0.0, 100.0]])  # no spread within a task: nothing to resample
    interval = stratified_interval(scores, lambda table: float(table.mean()), generator=np.random.default_rng(0))
    assert (interval.low, interval.high) == (50.0, 50.0)
    with pytest.raises(SettingsError, match="at least 2 runs"):
        stratified_interval(scores[:1], generator=np.random.default_rng(0))


def test_rank_measures_by_hand() -> None:
    truth = np.array([1.0, 2.0, 3.0, 5.0])
    assert spearman(truth * 10, truth) == pytest.approx(1.0)
    assert spearman(-truth, truth) == pytest.approx(-1.0)
    assert np.isnan(spearman(np.ones(4), truth))
    assert regret(np.array([0.0, 9.0, 8.0, 1.0]), truth) == pytest.approx(0.75)
    assert regret(np.array([0.0, 9.0, 8.0, 1.0]), truth, k=2) == pytest.approx(0.5)
    assert regret(truth, np.ones(4)) == 0.0
    assert coverage([percentiles(np.arange(3.0)), None, percentiles(np.arange(3.0))], np.array([1.0, 0.0, 9.0])) == 0.5
