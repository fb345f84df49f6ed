"""Variance inflation against statsmodels, and the matrices that break other definitions."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor

from audit.stats import collinearity as c
from audit.stats.association import pearson_matrix


def correlated(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    X[:, 3] = X[:, 0] + X[:, 1] - X[:, 2] + 0.3 * X[:, 3]
    return X * [1.0, 10.0, 1e-3, 1.0] + [0.0, 1e3, 5.0, -7.0]


def test_vif_agrees_with_statsmodels_given_the_constant_that_it_needs() -> None:
    X = correlated(500)
    with_constant = np.column_stack([X, np.ones(500)])
    # `standardize` (0.15) is off by name where it exists: the definition on raw columns with a constant is 1/(1 - R^2)
    expected = [1 / (1 - r_squared(X, j)) for j in range(4)]
    oracle = [variance_inflation_factor(with_constant, j) for j in range(4)]
    found = c.variance_inflation(c.correlation_for_inverse(X).r)
    np.testing.assert_allclose(found, oracle, rtol=1e-9)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found.max() > 10


def r_squared(X: np.ndarray, j: int) -> float:
    others = np.column_stack([np.delete(X, j, axis=1), np.ones(len(X))])
    residual = X[:, j] - others @ np.linalg.lstsq(others, X[:, j], rcond=None)[0]
    return float(1 - residual.var() / X[:, j].var())


def test_vif_is_the_diagonal_of_the_inverse_and_blind_to_units() -> None:
    X = correlated(300, 1)
    found = c.variance_inflation(c.correlation_for_inverse(X).r)
    np.testing.assert_allclose(found, np.diag(np.linalg.inv(np.corrcoef(X.T))), rtol=1e-9)
    np.testing.assert_allclose(c.variance_inflation(c.correlation_for_inverse(X * 7 - 3).r), found, rtol=1e-8)


def test_exact_dependency_gives_its_columns_the_largest_vif_and_leaves_the_others_alone() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 5))
    X[:, 2] = X[:, 0] + X[:, 1]
    found = c.variance_inflation(c.correlation_for_inverse(X).r)
    assert (found[:3] == c.LARGEST_VIF).all()
    assert found[3:] == pytest.approx(1.0, abs=0.05)
    pseudo = np.diag(np.linalg.pinv(np.corrcoef(X.T)))
    assert pseudo[:3].max() < 2  # what a pseudo-inverse alone would have said


def test_constant_columns_have_no_vif() -> None:
    X = np.column_stack([np.ones(100), correlated(100)])
    found = c.variance_inflation(c.correlation_for_inverse(X).r)
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()
    assert c.variance_inflation(np.zeros((0, 0))).size == 0


def test_pairwise_deletion_is_not_positive_semi_definite_and_ours_is() -> None:
    # each pair is seen on its own third of the rows, with signs that cannot hold together
    rng = np.random.default_rng(3)
    X = np.full((300, 3), np.nan)
    for block, (i, j, sign) in enumerate(((0, 1, 1), (1, 2, 1), (0, 2, -1))):
        x = rng.normal(size=100)
        rows = slice(100 * block, 100 * block + 100)
        X[rows, i], X[rows, j] = x, sign * x + 0.1 * rng.normal(size=100)
    assert np.linalg.eigvalsh(pearson_matrix(X).r).min() < -0.5
    ours = c.correlation_for_inverse(X)
    assert not ours.complete
    assert ours.rows == 300
    assert np.linalg.eigvalsh(ours.r).min() >= -1e-12
    assert (c.variance_inflation(ours.r) >= 1 - 1e-9).all()


def test_complete_rows_are_used_where_they_are_enough() -> None:
    X = correlated(500)
    X[::10, 0] = np.nan
    ours = c.correlation_for_inverse(X)
    assert (ours.rows, ours.complete) == (450, True)
    np.testing.assert_allclose(ours.r, np.corrcoef(X[np.isfinite(X[:, 0])].T), rtol=1e-9, atol=1e-12)


def test_mean_filling_gives_a_lower_bound() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(600, 100))
    X[:, 0] = X[:, 1] + X[:, 2] + X[:, 3] + 0.2 * X[:, 0]
    full = c.variance_inflation(c.correlation_for_inverse(X).r)[0]
    X[rng.random(X.shape) < 0.02] = np.nan
    ours = c.correlation_for_inverse(X)
    assert not ours.complete
    filled = c.variance_inflation(ours.r)[0]
    assert 5 < filled < full


def test_adjusted_vif_of_noise_is_near_one_with_few_rows() -> None:
    X = np.random.default_rng(5).normal(size=(60, 50))
    vif = c.variance_inflation(c.correlation_for_inverse(X).r)
    assert np.mean(vif) > 4
    assert np.median(c.adjusted_variance_inflation(vif, 60, 50)) < 1.5
    assert np.isnan(c.adjusted_variance_inflation(vif, 50, 50)).all()


def test_condition_indices_are_ratios_of_singular_values() -> None:
    X = correlated(400)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    singular = np.linalg.svd(Z, compute_uv=False)
    np.testing.assert_allclose(c.condition_indices(np.corrcoef(X.T)), singular[0] / singular, rtol=1e-9)
    assert c.condition_indices(np.ones((2, 2)))[-1] == np.inf


def test_partial_correlations_agree_with_regression_residuals() -> None:
    X = correlated(400)
    others = np.column_stack([X[:, 2:], np.ones(400)])
    residuals = [X[:, j] - others @ np.linalg.lstsq(others, X[:, j], rcond=None)[0] for j in (0, 1)]
    found = c.partial_correlations(np.corrcoef(X.T), ridge=0.0)
    assert found[0, 1] == pytest.approx(np.corrcoef(residuals)[0, 1], rel=1e-8)


def test_two_exact_dependencies_stay_apart() -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(500, 6))
    X[:, 2] = X[:, 0] + X[:, 1]
    X[:, 5] = X[:, 3] - X[:, 4]
    partial = c.partial_correlations(np.asarray(np.corrcoef(X.T)))  # numpy's types promise a scalar here
    assert c.connected(np.abs(partial) > 0.3) == [[0, 1, 2], [3, 4, 5]]


def test_connected_groups() -> None:
    links = np.zeros((6, 6), dtype=bool)
    links[0, 2] = links[2, 4] = links[5, 3] = True
    assert c.connected(links) == [[0, 2, 4], [3, 5]]
    assert c.connected(np.eye(3, dtype=bool)) == []
