"""Constants in the place of measurements."""

import numpy as np
from numpy.testing import assert_allclose

from audit.stats.imputation import fill_evidence, neighbours, usual_change


def walk(steps: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps, 2)), axis=0) + 50


def test_neighbours_are_the_nearest_unmarked_steps_of_the_episode() -> None:
    hit = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1]) > 0
    offsets = np.array([0, 6, 6, 9])
    places, before, after = neighbours(hit, offsets)
    expected = []
    for place in places:
        start, stop = (0, 6) if place < 6 else (6, 9)
        below = [i for i in range(start, place) if not hit[i]]
        above = [i for i in range(place + 1, stop) if not hit[i]]
        expected.append((below[-1] if below else -1, above[0] if above else -1))
    assert list(zip(before.tolist(), after.tolist(), strict=True)) == expected


def test_filled_steps_are_far_and_steps_of_the_walk_itself_are_not() -> None:
    values = walk(1_000)
    usual = usual_change(values[:-1], values[1:])
    hit = np.random.default_rng(1).random(1_000) < 0.2
    offsets = np.array([0, 400, 1_000])
    assert fill_evidence(values, hit, offsets, usual).far < 0.01
    filled = np.where(hit[:, None], 0.0, values)
    evidence = fill_evidence(filled, hit, offsets, usual)
    assert evidence.steps == int(hit.sum())
    assert evidence.far > 0.95


def test_a_bound_that_values_reach_by_themselves_is_not_far() -> None:
    values = walk(2_000)
    bound = np.quantile(values[:, 0], 0.8)
    values = np.minimum(values, bound)
    hit = values[:, 0] == bound
    assert hit.sum() > 50
    usual = usual_change(values[:-1], values[1:])
    assert fill_evidence(values[:, :1], hit, np.array([0, 2_000]), usual[:1]).far < 0.02


def test_without_neighbours_or_movement_nothing_is_far() -> None:
    values = np.zeros((4, 1))
    everything = np.ones(4, dtype=bool)
    assert fill_evidence(values, everything, np.array([0, 4]), np.ones(1)).far == 0.0
    assert fill_evidence(values, np.array([1, 0, 0, 0]) > 0, np.array([0, 4]), np.zeros(1)).far == 0.0


def test_the_usual_change_is_a_quantile_of_the_steps() -> None:
    values = walk(500)
    assert_allclose(
        usual_change(values[:-1], values[1:], 0.9), np.quantile(np.abs(np.diff(values, axis=0)), 0.9, axis=0)
    )
    assert usual_change(values[:0], values[:0]).tolist() == [0.0, 0.0]
