from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from audit.stats.hashing import hash_rows, hash_runs, hash_segments
from audit.stats.lag import explained_beyond, winner
from audit.stats.local_noise import OUTSIDE, local_noise
from audit.stats.runs import equal_runs, habitual_repeats
from audit.stats.verdicts import episode_scores


@given(st.lists(st.booleans(), max_size=60))
def test_runs_are_those_that_a_loop_finds(equal: list[bool]) -> None:
    starts, pairs = equal_runs(np.array(equal, dtype=bool))
    found, i = [], 0
    while i < len(equal):
        if equal[i]:
            first = i
            while i < len(equal) and equal[i]:
                i += 1
            found.append((first, i - first))
        i += 1
    assert list(zip(starts.tolist(), pairs.tolist(), strict=True)) == found


def test_short_runs_are_a_habit() -> None:
    assert habitual_repeats(np.array([1, 1, 2, 9]), sure=4)
    assert not habitual_repeats(np.array([9, 9, 9, 9, 1]), sure=4)
    assert habitual_repeats(np.array([2, 2]), sure=4)  # no long run at all


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, -0.0, 1.5])), min_size=1, max_size=40))
def test_equal_rows_have_equal_hashes_and_others_do_not(rows: list[tuple[int, float]]) -> None:
    columns = (np.array([r[0] for r in rows]), np.array([[r[1]] for r in rows], dtype=np.float32))
    h = hash_rows(columns, len(rows))
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            assert (h[i] == h[j]) == (one == other)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(1, 5))
def test_equal_runs_of_rows_have_equal_hashes(values: list[int], length: int) -> None:
    rows = hash_rows([np.array(values)], len(values))
    h = hash_runs(rows, length)
    assert len(h) == max(len(values) - length + 1, 0)
    for i in range(len(h)):
        for j in range(len(h)):
            assert (h[i] == h[j]) == (values[i : i + length] == values[j : j + length])


@given(st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=12))
def test_equal_segments_have_equal_hashes(segments: list[list[int]]) -> None:
    flat = np.array([v for s in segments for v in s], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in segments])]).astype(np.int64)
    h = hash_segments(hash_rows([flat], len(flat)), offsets)
    for i, one in enumerate(segments):
        for j, other in enumerate(segments):
            assert (h[i] == h[j]) == (one == other)


def test_the_partial_r_squared_is_that_of_two_regressions() -> None:
    rng = np.random.default_rng(0)
    n = 4_000
    s, a = rng.uniform(-1, 1, (n, 2)), rng.uniform(-1, 1, (n, 1))
    y = (s[:, [0]] + 0.5 * a + 0.2 * rng.uniform(-1, 1, (n, 1))).astype(np.float64)
    ones = np.ones((n, 1))
    fold = rng.integers(0, 5, n)
    base, wide = np.hstack([ones, s]), np.hstack([ones, s, a])
    gain = explained_beyond(base, {0: wide, 1: np.hstack([ones, s, np.roll(a, 1)])}, y, fold)
    left = np.mean((y - LinearRegression().fit(s, y).predict(s)) ** 2)
    with_a = np.hstack([s, a])
    rest = np.mean((y - LinearRegression().fit(with_a, y).predict(with_a)) ** 2)
    assert gain[0] == pytest.approx(1 - rest / left, abs=0.01)
    assert abs(gain[1]) < 0.01
    assert explained_beyond(base, {0: wide}, s[:, [0]], fold) == {}


def test_a_lag_wins_by_far_or_not_at_all() -> None:
    assert winner({-1: 0.0, 0: 0.0, 1: 0.9}, least=0.3) == 1
    assert winner({-1: 0.96, 0: 0.90, 1: 0.0}, least=0.3) == -1
    assert winner({-1: 0.0, 0: 0.6, 1: 0.7}, least=0.3) == 0
    assert winner({-1: 0.0, 0: -1.0, 1: 0.2}, least=0.3) == 0


def test_noise_is_that_of_the_neighbours() -> None:
    rng = np.random.default_rng(0)
    known = rng.uniform(-1, 1, (2_000, 2))
    scores = np.where(known[:, 0] > 0, 20.0, 0.5)
    level = local_noise(known, scores, np.array([[0.5, 0.0], [-0.5, 0.0], [9.0, 9.0]]))
    assert level.tolist() == [20.0, 1.0, OUTSIDE]


def test_episodes_with_many_outliers_stand_out_and_a_third_of_them_does_not_hide_itself() -> None:
    rng = np.random.default_rng(0)
    offsets = np.arange(0, 3_001, 30)
    score = np.abs(rng.normal(size=3_000))
    bad = np.arange(100) < 30
    rows = np.repeat(bad, 30) & (rng.random(3_000) < 0.5)
    score[rows] = 40.0
    found = episode_scores(score, np.ones(3_000, dtype=bool), offsets)
    assert (found.outlying == bad).all()
    assert found.usual_share == 0.0
    spread = score.copy()
    spread[rng.random(3_000) < 0.3] = 40.0  # outliers everywhere make no episode worse than the others
    assert not episode_scores(np.abs(spread), rng.random(3_000) < 2, offsets).outlying[30:].any()
    nothing = episode_scores(score, np.zeros(3_000, dtype=bool), offsets)
    assert not nothing.outlying.any()
