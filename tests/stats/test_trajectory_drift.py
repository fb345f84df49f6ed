"""Drift of episodes: how often it is wrong when nothing differs, and the index against that of independent rows."""

from __future__ import annotations

import numpy as np
import pytest

from audit.stats.drift import stability
from audit.stats.trajectory_drift import counts_by_episode, episode_stability, exchanges

BINS = 8


def _counts(
    random: np.random.Generator, episodes: int, *, spread: float, shift: float = 0.0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    centres = np.repeat(random.normal(shift, spread, episodes), 50)
    values = centres + random.normal(size=len(centres))
    places = np.clip(np.floor(values + BINS / 2), 0, BINS - 1).astype(np.int64)
    return counts_by_episode(places, np.repeat(np.arange(episodes), 50), BINS, episodes)


def test_counts_by_episode_are_those_of_numpy() -> None:
    random = np.random.default_rng(0)
    places, episodes = random.integers(0, 5, 400), random.integers(0, 7, 400)
    found = counts_by_episode(places, episodes, 5, 7)
    expected, *_ = np.histogram2d(episodes, places, bins=[np.arange(8), np.arange(6)])
    assert np.array_equal(found, expected)


def test_the_index_is_that_of_the_rows() -> None:
    random = np.random.default_rng(1)
    before, now = _counts(random, 30, spread=1.0), _counts(random, 20, spread=1.0, shift=1.0)
    found = episode_stability(before, now, exchanges(30, 20))
    assert found.value == pytest.approx(stability(before.sum(axis=0), now.sum(axis=0)).value)


def test_equal_episodes_are_called_different_at_the_nominal_rate() -> None:
    random = np.random.default_rng(2)
    chosen = exchanges(30, 30)
    p, rows = [], []
    for _ in range(200):
        before, now = _counts(random, 30, spread=2.0), _counts(random, 30, spread=2.0)
        p.append(episode_stability(before, now, chosen).p_value)
        rows.append(stability(before.sum(axis=0), now.sum(axis=0)).p_value)
    assert np.mean(np.array(p) < 0.05) < 0.12
    assert np.mean(np.array(p) < 0.001) < 0.02
    assert np.mean(np.array(rows) < 0.05) > 0.95  # a test that counts steps calls nearly all of them different


def test_a_shift_of_all_episodes_is_found() -> None:
    random = np.random.default_rng(3)
    before, now = _counts(random, 30, spread=0.5), _counts(random, 30, spread=0.5, shift=1.5)
    found = episode_stability(before, now, exchanges(30, 30))
    assert found.p_value < 1e-4
    assert found.excess > 0.5


def test_one_bin_only_is_no_difference() -> None:
    counts = np.zeros((10, 3))
    counts[:, 1] = 5
    found = episode_stability(counts, counts, exchanges(10, 10))
    assert (found.value, found.p_value, found.excess) == (0.0, 1.0, 0.0)
