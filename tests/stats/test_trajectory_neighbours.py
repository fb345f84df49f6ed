"""Nearest neighbours in whitened space, against all pairs and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from audit.stats.trajectory_neighbours import neighbour_distances, outside, whitening


@pytest.mark.parametrize("entries", [2, 8, 9, 20])
def test_distances_are_those_of_all_pairs(entries: int) -> None:
    random = np.random.default_rng(entries)
    points, queries = random.normal(size=(300, entries)), random.normal(size=(70, entries))
    pairs = np.sqrt(((queries[:, None] - points[None]) ** 2).sum(axis=2))
    assert np.allclose(neighbour_distances(points, queries, 4), np.sort(pairs, axis=1)[:, 3])


def test_too_few_points_are_infinitely_far() -> None:
    assert np.isinf(neighbour_distances(np.zeros((2, 1)), np.zeros((3, 1)), 5)).all()
    assert neighbour_distances(np.zeros((9, 1)), np.zeros((0, 1)), 5).shape == (0,)


def test_whitened_steps_have_unit_variance_in_every_direction() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(5_000, 4)) @ random.normal(size=(4, 4)) + 7
    white = whitening(values, share=1.0)(values)
    assert np.allclose(np.cov(white, rowvar=False), np.eye(4), atol=0.02)


def test_components_of_noise_are_left_out_as_in_a_principal_component_analysis() -> None:
    random = np.random.default_rng(1)
    base = random.normal(size=(4_000, 2))
    values = np.column_stack([base, base @ [1.0, 1.0] + 1e-3 * random.normal(size=4_000), np.full(4_000, 3.0)])
    space = whitening(values)
    standard = (values - space.centre) / space.scale
    assert space.axes.shape[1] == 2
    share = PCA().fit(standard).explained_variance_ratio_
    assert share[:2].sum() > 0.99 > share[0]


def test_what_does_not_vary_has_one_component_of_nothing() -> None:
    assert np.array_equal(whitening(np.ones((10, 3)))(np.ones((10, 3))), np.zeros((10, 1)))


def test_five_percent_are_outside_when_both_are_alike() -> None:
    random = np.random.default_rng(2)
    points, queries = random.normal(size=(4_000, 3)), random.normal(size=(4_000, 3))
    found = outside(points, random.random(4_000) < 0.5, queries, 5)
    assert found.share == pytest.approx(0.05, abs=0.02)
    assert outside(points, random.random(4_000) < 0.5, queries + 8, 5).share == 1.0


def test_slow_episodes_do_not_make_others_look_far() -> None:
    # steps of an episode crowd together: against the nearest of all steps, half of an equal set would be outside
    random = np.random.default_rng(4)

    def episodes() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        centres = np.repeat(random.normal(size=(200, 2)), 20, axis=0)
        return centres + 0.01 * random.normal(size=centres.shape)

    points, queries = episodes(), episodes()
    halves = np.repeat(np.arange(200) % 2 == 0, 20)
    assert outside(points, halves, queries, 5).share < 0.15
