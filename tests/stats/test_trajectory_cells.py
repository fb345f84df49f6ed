"""Cells of states and actions, against counting one by one and against drawing at random."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from audit.stats.trajectory_cells import bins_of, cell_counts, expected_cells, robust_limits


@pytest.mark.parametrize("entries", [1, 2, 3, 4])
def test_counts_are_those_of_a_loop_over_all_steps(entries: int) -> None:
    random = np.random.default_rng(entries)
    states = random.normal(size=(3_000, entries)).astype(np.float32)
    actions = random.integers(0, 3, 3_000)
    low, high = robust_limits(states.astype(np.float64))
    bins = bins_of(entries)
    counted: Counter[tuple[int, ...]] = Counter()
    for state, action in zip(states.tolist(), actions.tolist(), strict=True):
        cell = [
            min(max(int((x - a) * (bins / (b - a))), 0), bins - 1) for x, a, b in zip(state, low, high, strict=True)
        ]
        counted[(*cell, action)] += 1
    found = cell_counts(states, actions, low, high, bins=bins, choices=3)
    assert found.sum() == 3_000
    assert sorted(found[found > 0].tolist()) == sorted(counted.values())
    assert len(found) == 3 * bins**entries <= 30_000


def test_steps_that_are_not_finite_or_have_no_such_action_are_left_out() -> None:
    states = np.array([[0.0], [np.nan], [np.inf], [1.0], [0.5]])
    found = cell_counts(states, np.array([0, 0, 0, 5, -1]), np.array([0.0]), np.array([1.0]), bins=2, choices=2)
    assert found.tolist() == [1, 0, 0, 0]


def test_a_single_outlier_moves_no_bin() -> None:
    values = np.random.default_rng(0).normal(size=(10_000, 1))
    low, high = robust_limits(values)
    far = values.copy()
    far[0] = 1e9
    assert np.allclose(robust_limits(far), (low, high), atol=0.05)
    before, now = (cell_counts(v, None, *robust_limits(v), bins=100) for v in (values, far))
    assert abs(int((before > 0).sum()) - int((now > 0).sum())) <= 2


def test_an_entry_without_spread_in_its_middle_gets_its_extremes() -> None:
    low, high = robust_limits(np.concatenate([np.zeros((999, 1)), [[4.0]]]))
    assert low[0] < 0
    assert high[0] > 4


def test_expected_cells_are_the_mean_over_random_draws() -> None:
    random = np.random.default_rng(3)
    counts = random.geometric(0.05, 60) - 1
    steps = np.repeat(np.arange(60), counts)
    drawn = [len(np.unique(random.choice(steps, 200, replace=False))) for _ in range(2_000)]
    assert expected_cells(counts, 200) == pytest.approx(float(np.mean(drawn)), abs=0.15)


def test_expected_cells_of_all_steps_are_the_cells() -> None:
    counts = np.array([5, 0, 1, 9])
    assert expected_cells(counts, 15) == pytest.approx(3)
    assert expected_cells(counts, 1) == pytest.approx(1)
    assert expected_cells(counts, 0) == 0
