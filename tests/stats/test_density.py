"""Histograms and densities against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from audit.stats.density import bin_edges, density, histogram, quantiles

RNG = np.random.default_rng(0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_quantiles_equal_numpy(values: list[float]) -> None:
    ordered = np.sort(np.array(values))
    probabilities = (0.0, 0.01, 0.3, 0.5, 0.99, 1.0)
    assert quantiles(ordered, probabilities) == pytest.approx(np.quantile(ordered, probabilities), rel=1e-12, abs=1e-9)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200))
def test_no_value_is_lost_in_a_histogram(values: list[float]) -> None:
    ordered = np.sort(np.array(values))
    edges = bin_edges(ordered)
    binned = histogram(ordered, edges)
    assert (np.diff(edges) > 0).all()
    assert binned.counts.sum() + binned.below + binned.above == len(values)
    assert binned.counts.tolist() == np.histogram(ordered, bins=edges)[0].tolist()


def test_one_outlier_does_not_flatten_the_picture() -> None:
    values = np.sort(np.append(RNG.normal(size=5_000), 1e6))
    edges = bin_edges(values)
    assert edges[-1] < 10
    assert histogram(values, edges).above > 0


def test_whole_numbers_of_few_values_get_a_bin_each() -> None:
    edges = bin_edges(np.sort(RNG.integers(1, 7, 500).astype(float)), whole=True)
    assert edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]


def test_wide_whole_numbers_get_bins_of_equal_whole_width() -> None:
    edges = bin_edges(np.sort(RNG.integers(0, 10_000, 5_000).astype(float)), whole=True)
    widths = np.diff(edges)
    assert (widths == widths[0]).all()
    assert widths[0] == int(widths[0])


@pytest.mark.parametrize("values", [RNG.normal(size=2_000), RNG.lognormal(size=2_000), RNG.random(2_000)])
def test_density_is_close_to_the_exact_estimate(values: np.ndarray) -> None:
    ordered = np.sort(values)
    low, high = quantiles(ordered, (0.0, 0.99)).tolist()
    points, found = density(ordered, low, high)
    inside = ordered[ordered <= high]
    q25, q75 = np.quantile(inside, [0.25, 0.75])
    width = 0.9 * min(inside.std(), (q75 - q25) / 1.34) * len(inside) ** -0.2
    exact = scipy.stats.gaussian_kde(inside, bw_method=width / inside.std(ddof=1))(points)
    assert np.abs(found - exact).max() < 0.02 * exact.max()


def test_no_density_of_constants_and_of_a_handful() -> None:
    assert len(density(np.ones(50), 0.0, 2.0)[0]) == 0
    assert len(density(np.arange(5.0), 0.0, 4.0)[0]) == 0
    assert len(bin_edges(np.empty(0))) == 0
