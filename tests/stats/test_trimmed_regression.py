from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.preprocessing import PolynomialFeatures

from audit.stats.features import Features, angle_pairs, degree_for, make_features
from audit.stats.trimmed_regression import fit_trimmed

Floats = NDArray[np.float64]


def system(groups: int = 60, length: int = 30, seed: int = 0) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(groups * length, 3))
    return x, rng.integers(0, 2, len(x)), np.repeat(np.arange(groups), length)


def truth(x: Floats, choice: NDArray[np.int64]) -> Floats:
    one = x[:, 0] * x[:, 1] + 0.5 * x[:, 2] + 0.7 * choice
    return np.column_stack([one, x[:, 1] - 2 * choice * x[:, 0]])


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_polynomial_is_that_of_scikit_learn(degree: int) -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    made = make_features(x, 0, degree)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    np.testing.assert_allclose(made.of(x), PolynomialFeatures(degree).fit_transform(z), atol=1e-4)
    assert made.shared == made.of(x).shape[1]


def test_beyond_the_data_only_the_line_goes_on() -> None:
    x = np.random.default_rng(0).normal(size=(50, 1))
    made = make_features(x, 0, 3)
    far, farther = made.of(np.array([[50.0]])), made.of(np.array([[100.0]]))
    assert farther[0, 1] > far[0, 1]
    assert (farther[0, 2:] == far[0, 2:]).all()


def test_pairs_of_cosine_and_sine_are_found_in_spite_of_faults() -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(-3, 3, 400)
    states = np.column_stack([rng.normal(size=400), np.cos(angle), np.sin(angle), rng.normal(size=400)])
    states[:100] = 0.0
    assert angle_pairs(states) == ((1, 2),)
    assert angle_pairs(rng.normal(size=(400, 4))) == ()


def test_the_degree_falls_with_the_inputs_and_with_the_rows() -> None:
    assert [degree_for(m, 10**6) for m in (2, 7, 8, 21, 22)] == [3, 3, 2, 2, 1]
    assert degree_for(4, 100) == 1


def test_without_faults_it_is_ridge_regression() -> None:
    x, choice, group = system()
    y = truth(x, choice)
    fit = fit_trimmed(x, choice, y, group, choices=2, degree=2)
    assert fit is not None
    base = fit.features.of(x).astype(np.float64)
    design = np.concatenate([base * (choice == 0)[:, None], base * (choice == 1)[:, None]], axis=1)
    oracle = Ridge(alpha=1e-3, fit_intercept=False).fit(design, y).predict(design)
    np.testing.assert_allclose(fit.predict(x, choice), oracle, atol=1e-2)
    assert (fit.explained > 0.999).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [0.1, 1.0, 30.0])
def test_a_third_of_wrong_groups_does_not_bend_it_however_loud(size: float, seed: int) -> None:
    x, choice, group = system(seed=seed)
    y = truth(x, choice)
    bad = group % 3 == 0
    other = size * np.column_stack([x[:, 2] - x[:, 0], x[:, 0] * x[:, 1]])
    fit = fit_trimmed(x, choice, np.where(bad[:, None], other, y), group, choices=2, degree=2)
    assert fit is not None
    np.testing.assert_allclose(fit.predict(x, choice), y, atol=0.05)


def test_wild_rows_everywhere_do_not_bend_it() -> None:
    x, choice, group = system()
    y = truth(x, choice)
    wild = np.random.default_rng(1).random(len(y)) < 0.3
    fit = fit_trimmed(x, choice, np.where(wild[:, None], 100 * y - 50, y), group, choices=2, degree=2)
    assert fit is not None
    np.testing.assert_allclose(fit.predict(x, choice), y, atol=0.05)


def test_a_group_is_predicted_by_models_that_have_not_seen_it() -> None:
    x, choice, group = system(groups=10, length=20)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(len(x), 1))
    fit = fit_trimmed(x, choice, noise, group, choices=2, degree=2)
    assert fit is not None
    assert np.mean((noise - fit.predict(x, choice, group)) ** 2) > np.mean((noise - fit.predict(x, choice)) ** 2)
    assert fit.explained[0] < 0.2  # pure noise is not explained


def test_too_few_groups_or_rows_give_nothing() -> None:
    x, choice, group = system(groups=4)
    assert fit_trimmed(x, choice, truth(x, choice), group, choices=2) is None
    assert fit_trimmed(x[:20], choice[:20], truth(x, choice)[:20], np.arange(20), choices=2) is None


def test_many_choices_share_what_they_can() -> None:
    x, _, group = system(groups=40, length=50)
    choice = np.random.default_rng(0).integers(0, 60, len(x))
    y = truth(x, choice % 2)
    fit = fit_trimmed(x, choice, y, group, choices=60, degree=2)
    assert fit is not None
    assert isinstance(fit.features, Features)
    assert fit.features.by_choice < fit.features.shared
    assert np.median(np.abs(fit.predict(x, choice) - y)) < 0.2
