"""Spikes of lengths, and last observations against others."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from audit.stats.episode_ends import _auc, chance_of_spike, likeness


def test_the_chance_of_a_spike_is_a_binomial_test_with_the_hazard_of_the_steps_before() -> None:
    lengths = np.array([10] * 5 + [3, 4, 7, 8, 9])
    ended = np.array([True] * 3 + [False] * 2 + [True] * 5)
    hazard = (5 + 0.5) / (5 * 9 + 3 + 4 + 7 + 8 + 9)
    expected = binomtest(3, 5, hazard, alternative="greater").pvalue
    assert chance_of_spike(lengths, ended, 10) == pytest.approx(expected)


def test_no_episode_there_is_no_spike_and_all_of_them_are_one() -> None:
    lengths = np.full(20, 200)
    assert chance_of_spike(lengths, np.zeros(20, dtype=bool), 200) == 1.0
    assert chance_of_spike(lengths, np.ones(20, dtype=bool), 200) < 1e-20


def test_geometric_lengths_have_no_spike_anywhere() -> None:
    lengths = np.random.default_rng(0).geometric(0.05, size=500)
    chances = [chance_of_spike(lengths, np.ones(500, dtype=bool), at) for at in range(2, 30)]
    assert min(chances) > 0.01 / len(chances) / 5


def test_last_observations_that_lie_apart_are_told() -> None:
    random = np.random.default_rng(0)
    told = likeness(random.normal(4, 1, size=(60, 2)), random.normal(size=(200, 2)), seed=0)
    assert told is not None
    assert told.auc > 0.97
    assert np.median(told.scores) > 0.9


def test_last_observations_like_all_others_are_not_told() -> None:
    random = np.random.default_rng(0)
    told = likeness(random.normal(size=(300, 2)), random.normal(size=(600, 2)), seed=0)
    assert told is not None
    assert told.auc == pytest.approx(0.5, abs=0.08)
    assert likeness(random.normal(size=(9, 2)), random.normal(size=(600, 2)), seed=0) is None


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    random = np.random.default_rng(0)
    higher = random.integers(1, 6, 80).astype(np.float64)
    lower = random.integers(0, 5, 120).astype(np.float64)
    truth = np.repeat([1, 0], [80, 120])
    assert _auc(higher, lower) == pytest.approx(roc_auc_score(truth, np.concatenate([higher, lower])))
