"""Little's test against R, EM against a plain row-by-row implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.sample import Floats
from audit.stats.mcar import fit_normal, little_mcar_test

# R's `airquality` (package datasets): New York, May to September 1973; Ozone, Solar.R, Wind, Temp, Month, Day
AIRQUALITY = np.genfromtxt(
    Path(__file__).with_name("airquality.csv"), delimiter=",", skip_header=1, missing_values="NA"
)


def plain_em(values: Floats, steps: int = 2_000) -> tuple[Floats, Floats]:
    """The textbook: fill every row by regression on what it has, add the conditional covariance, repeat."""
    n, d = values.shape
    mean, covariance = np.nanmean(values, axis=0), np.diag(np.nanvar(values, axis=0))
    for _ in range(steps):
        total, square = np.zeros(d), np.zeros((d, d))
        for row in values:
            o, m = ~np.isnan(row), np.isnan(row)
            filled, extra = np.where(o, row, 0.0), np.zeros((d, d))
            if m.any():
                beta = covariance[np.ix_(m, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
                filled[m] = mean[m] + beta @ (row[o] - mean[o])
                extra[np.ix_(m, m)] = covariance[np.ix_(m, m)] - beta @ covariance[np.ix_(o, m)]
            total += filled
            square += np.outer(filled, filled) + extra
        new_mean = total / n
        new_covariance = square / n - np.outer(new_mean, new_mean)
        done = np.abs(new_mean - mean).max() + np.abs(new_covariance - covariance).max() < 1e-11
        mean, covariance = new_mean, new_covariance
        if done:
            break
    return mean, covariance


def test_the_file_is_r_airquality() -> None:
    # summary(airquality) in R: means 42.13, 185.9, 9.958, 77.88; 37 and 7 NA
    assert AIRQUALITY.shape == (153, 6)
    assert np.isnan(AIRQUALITY).sum(axis=0).tolist() == [37, 7, 0, 0, 0, 0]
    assert np.nanmean(AIRQUALITY, axis=0)[:4] == pytest.approx([42.13, 185.93, 9.958, 77.88], abs=0.005)


def test_little_on_airquality_agrees_with_r_naniar() -> None:
    # naniar::mcar_test(airquality): statistic 35.1, df 14, p.value 0.00142, missing.patterns 4
    test = little_mcar_test(AIRQUALITY)
    assert (round(test.statistic, 1), test.df, round(test.p_value, 5), test.patterns) == (35.1, 14, 0.00142, 4)
    assert test.converged
    assert 0.1 < test.effect < 0.2


def test_em_agrees_with_the_row_by_row_textbook() -> None:
    random = np.random.default_rng(4)
    values = random.multivariate_normal([1, -2, 5], [[2, 1, 0.4], [1, 3, -0.5], [0.4, -0.5, 1]], 120)
    values[random.random(values.shape) < 0.2] = np.nan
    values = values[~np.isnan(values).all(axis=1)]
    mean, covariance = plain_em(values)
    fit = fit_normal(values, tolerance=1e-12, iterations=5_000)
    np.testing.assert_allclose(fit.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-7)


def test_em_of_complete_data_is_the_sample_mean_and_covariance() -> None:
    values = np.random.default_rng(0).normal(3, 2, (50, 4))
    fit = fit_normal(values)
    np.testing.assert_allclose(fit.mean, values.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(fit.covariance, np.cov(values.T, ddof=0), rtol=1e-8, atol=1e-12)


def test_d2_is_the_formula_written_as_a_loop() -> None:
    random = np.random.default_rng(8)
    values = random.normal(size=(200, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]])
    values[random.random(values.shape) < 0.15] = np.nan
    values = values[~np.isnan(values).all(axis=1)]
    fit = fit_normal(values)
    d2, df = 0.0, -3
    for pattern in np.unique(np.isnan(values), axis=0):
        rows = values[(np.isnan(values) == pattern).all(axis=1)][:, ~pattern]
        offset = rows.mean(axis=0) - fit.mean[~pattern]
        d2 += len(rows) * offset @ np.linalg.solve(fit.covariance[np.ix_(~pattern, ~pattern)], offset)
        df += int((~pattern).sum())
    test = little_mcar_test(values)
    assert test.statistic == pytest.approx(d2, rel=1e-6)
    assert test.df == df


def test_units_and_row_order_do_not_matter() -> None:
    random = np.random.default_rng(2)
    changed = (AIRQUALITY * [1000, 1e-6, 1, 5, 1, 1] + [0, 0, 1e4, 0, 0, 0])[random.permutation(153)]
    assert little_mcar_test(changed).statistic == pytest.approx(little_mcar_test(AIRQUALITY).statistic, rel=1e-6)


def test_rejects_about_as_often_as_it_says_under_mcar() -> None:
    rejected = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        values = random.normal(size=(400, 3)) + random.normal(size=(400, 1))
        values[random.random(values.shape) < 0.15] = np.nan
        rejected += little_mcar_test(values, tolerance=1e-6).p_value < 0.05
    assert rejected <= 22  # 10 expected; 22 is beyond 3.8 standard deviations


def test_a_tiny_difference_in_many_rows_has_a_small_p_and_a_small_effect() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(400_000, 2))
    absent = random.random(400_000) < np.where(values[:, 0] > 0, 0.20, 0.21)
    values[absent, 1] = np.nan
    test = little_mcar_test(values)
    assert test.p_value < 1e-6
    assert test.effect < 0.03


def test_what_cannot_be_tested_says_why() -> None:
    random = np.random.default_rng(0)
    complete = random.normal(size=(30, 2))
    with pytest.raises(ValueError, match="two patterns"):
        little_mcar_test(complete)
    with pytest.raises(ValueError, match="constant"):
        little_mcar_test(np.column_stack([complete[:, 0], np.ones(30)]))
    with pytest.raises(ValueError, match="needs a value"):
        little_mcar_test(np.column_stack([complete[:, 0], np.full(30, np.nan)]))
    doubled = np.column_stack([complete, 2 * complete[:, 0] + 1])
    doubled[:5, 1] = np.nan
    with pytest.raises(ValueError, match="depend linearly"):
        little_mcar_test(doubled)
