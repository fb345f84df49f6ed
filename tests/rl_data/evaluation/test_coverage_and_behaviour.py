"""What the data never tried, and who recorded them."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch

from rl_data.evaluation.behaviour import Behaviour, calibration_error, clone
from rl_data.evaluation.coverage import out_of_distribution
from rl_data.evaluation.logged import logged
from tests.rl_data.evaluation.test_fqe import Pointing
from tests.rl_data.small_tasks import pointing
from tests.rl_data.tabular import Table, random_policy, random_process


def test_actions_within_the_data_are_in_distribution() -> None:
    rows = logged(pointing(500)).rows
    assert out_of_distribution(rows, Pointing(0.5)) < 0.2


def test_new_draws_of_the_recording_policy_are_beyond_the_quantile_in_about_five_percent() -> None:
    policy = random_policy(seed=4)
    rows = logged(random_process(seed=1, ending=0.1).record(policy, 200, seed=2)).rows
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=rows.observations.shape).astype(np.float32))
    spread = replace(rows, observations=rows.observations + 0.1 * noise)
    assert out_of_distribution(spread, Table(policy)) == pytest.approx(0.05, abs=0.02)


def test_actions_that_were_never_tried_are_out_of_distribution() -> None:
    rows = logged(pointing(500)).rows
    assert out_of_distribution(rows, Pointing(8.0)) > 0.7


def test_a_choice_that_nobody_took_is_out_of_distribution() -> None:
    only_first = np.tile([1.0, 0.0], (4, 1))
    with np.errstate(divide="ignore"):
        data = random_process().record(np.tile([1.0 - 1e-12, 1e-12], (4, 1)), 100, seed=0)
    rows = logged(data).rows
    assert rows.actions.max() == 0
    assert out_of_distribution(rows, Table(only_first)) == 0.0
    assert out_of_distribution(rows, Table(only_first[:, ::-1].copy())) == pytest.approx(1.0)
    assert out_of_distribution(rows, Table(np.full((4, 2), 0.5))) == pytest.approx(0.5)


def folds(episodes: int) -> np.ndarray:
    return np.arange(episodes) % 2


def test_an_estimated_behaviour_is_near_the_true_one_and_calibrated() -> None:
    truth = random_policy(seed=4)
    recorded = random_process(seed=1, ending=0.1).record(truth, 400, seed=2)
    data = logged(replace(recorded, behaviour_log_prob=None))
    found = clone(data, folds(data.episodes), steps=600)
    known = logged(recorded).log_prob
    assert known is not None
    assert found.estimated
    assert np.abs(np.exp(found.log_prob) - np.exp(known)).mean() < 0.05
    assert found.nll == pytest.approx(-known.mean(), abs=0.03)
    assert found.calibration_error < 0.05
    assert found.reasons(0.1) == ()


def test_actions_at_random_are_predicted_as_badly_as_they_must_be_and_not_reproached() -> None:
    data = logged(random_process(seed=1, ending=0.1).record(np.full((4, 2), 0.5), 300, seed=2))
    found = clone(data, folds(data.episodes), steps=300)
    assert found.nll == pytest.approx(np.log(2), abs=0.02)
    assert found.reasons(0.1) == ()


def test_a_gaussian_is_no_model_of_actions_at_both_ends() -> None:
    recorded = pointing(300)
    ends = np.where(np.random.default_rng(0).random(recorded.rows) < 0.5, -2.0, 2.0).astype(np.float32)[:, None]
    data = logged(replace(recorded, actions=ends))
    found = clone(data, folds(data.episodes), steps=300)
    assert found.calibration_error > 0.1
    assert "calibrated" in found.reasons(0.1)[0]


def test_a_gaussian_behaviour_is_found_in_the_units_of_the_actions() -> None:
    recorded = pointing(500)
    rng = np.random.default_rng(0)
    actions = (0.5 * recorded.observations + 0.3 * rng.normal(size=(recorded.rows, 1))).astype(np.float32)
    found = clone(logged(replace(recorded, actions=actions)), folds(recorded.episodes), steps=800)
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.3**2)
    assert found.nll == pytest.approx(entropy, abs=0.06)
    assert found.calibration_error < 0.06
    assert found.reasons(0.1) == ()


def test_recorded_log_probabilities_need_no_excuse() -> None:
    assert Behaviour(np.zeros(3), False, 5.0, calibration_error=0.9).reasons(0.1) == ()


def test_calibration_error_by_hand() -> None:
    # stated 0.8 and right half of the time: |0.5 - 0.8|
    assert calibration_error(np.array([[0.8, 0.2]] * 4), np.array([0, 0, 1, 1])) == pytest.approx(0.3)
    assert calibration_error(np.array([[1.0, 0.0]] * 4), np.zeros(4, np.int64)) == pytest.approx(0.0)
