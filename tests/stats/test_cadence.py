"""Rhythm: grids against pandas' date ranges, weekends that are no gaps, volumes against the same weekday."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ConfigError
from audit.stats.cadence import (
    UNITS,
    chance_of_gap,
    chance_of_volume,
    coarsen,
    expected_grid,
    gaps_of,
    modal_step,
    parse_duration,
    period_numbers,
    period_start,
    say_duration,
    seconds_between,
    volume_scores,
    without_strays,
)

FREQUENCIES = {"minute": "min", "hour": "h", "day": "D", "week": "W-MON", "month": "MS", "quarter": "QS", "year": "YS"}


def numbers_of(times: pd.DatetimeIndex, every: str) -> np.ndarray:
    return period_numbers([t.to_pydatetime() for t in times], every)


@pytest.mark.parametrize("every", UNITS)
def test_periods_are_numbered_one_by_one(every: str) -> None:
    times = pd.date_range("1968-01-01", periods=60, freq=FREQUENCIES[every])
    numbers = numbers_of(times, every)
    np.testing.assert_array_equal(np.diff(numbers), 1)
    assert [period_start(int(k), every) for k in numbers] == [t.to_pydatetime() for t in times]
    expected = np.diff(times.to_numpy()).astype("timedelta64[s]").astype(float)
    np.testing.assert_array_equal(seconds_between(numbers, every), expected)


@given(st.sampled_from(UNITS), st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2200, 1, 1)))
def test_a_time_lies_in_its_period(every: str, time: dt.datetime) -> None:
    (number,) = period_numbers([time], every)
    assert period_start(int(number), every) <= time < period_start(int(number) + 1, every)


def test_zones_do_not_move_periods() -> None:
    naive, zoned = dt.datetime(2024, 3, 1), dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    assert period_numbers([naive], "day") == period_numbers([zoned], "day")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", 604_800),
        ("24h", 86_400),
        ("90s", 90),
        ("30m", 1_800),
        ("30min", 1_800),
        ("2w", 1_209_600),
        ("1d12h", 129_600),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "7", "seven days", "7 years", "d7", "-3h"])
def test_what_is_no_duration_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration"):
        parse_duration(text)


def test_durations_are_said_in_a_fitting_unit() -> None:
    assert [say_duration(s) for s in (1, 60, 3_600, 172_800, 400 * 86_400, 3 * 31_556_952)] == [
        "1 second", "1 minute", "1 hour", "2 days", "400 days", "3 years",
    ]  # fmt: skip


def test_a_missing_day_is_found() -> None:
    times = pd.date_range("2024-01-01", "2024-04-30", freq="D")
    gone = pd.DatetimeIndex(["2024-02-10", "2024-03-05", "2024-03-06", "2024-03-07"])
    grid = expected_grid(numbers_of(times.difference(gone), "day"), "day")
    assert grid.regular
    np.testing.assert_array_equal(grid.missing, numbers_of(gone, "day"))
    assert [gap.missing for gap in gaps_of(grid)] == [1, 3]


def test_weekends_are_no_gaps_but_a_missing_week_is_one() -> None:
    times = pd.bdate_range("2024-01-01", "2024-06-28")
    assert expected_grid(numbers_of(times, "day"), "day").missing.size == 0
    week = pd.bdate_range("2024-03-04", "2024-03-15")
    (gap,) = gaps_of(expected_grid(numbers_of(times.difference(week), "day"), "day"))
    assert gap.missing == 10  # the weekend between does not end the run


def test_opening_hours_are_no_gaps() -> None:
    times = pd.date_range("2024-01-01", "2024-02-28", freq="h")
    open_hours = times[(times.hour >= 8) & (times.hour < 18) & (times.day_of_week < 6)]
    grid = expected_grid(numbers_of(open_hours, "hour"), "hour")
    assert grid.regular
    assert grid.missing.size == 0


def test_a_grid_of_quarter_hours_is_found() -> None:
    times = pd.date_range("2024-01-01", periods=96 * 6, freq="15min").delete([100, 101])
    numbers = numbers_of(times, "minute")
    grid = expected_grid(numbers, "minute")
    assert modal_step(numbers) == grid.step == 15
    assert grid.missing.size == 2


def test_rows_now_and_then_have_no_grid() -> None:
    random = np.random.default_rng(0)
    numbers = np.unique(random.integers(0, 5_000, 400))
    assert not expected_grid(numbers, "hour").regular


@given(st.integers(-10_000, 10_000))
def test_a_shift_by_weeks_shifts_the_gaps(weeks: int) -> None:
    numbers = np.delete(np.arange(1_000, 1_100), [40, 41, 70])
    here = expected_grid(numbers, "day").missing
    there = expected_grid(numbers + 7 * weeks, "day").missing
    np.testing.assert_array_equal(here + 7 * weeks, there)


def test_rows_far_off_are_cut_and_gaps_are_not() -> None:
    numbers = np.concatenate([[0], np.arange(19_000, 19_400), [40_000]])
    counts = np.concatenate([[2], np.full(400, 20), [1]])
    kept = without_strays(numbers, counts)
    assert (kept.start, kept.stop) == (1, 401)
    halves = np.concatenate([np.arange(100), np.arange(300, 400)])
    assert without_strays(halves, np.full(200, 5)) == slice(0, 200)


def test_coarser_periods_keep_the_rows() -> None:
    numbers = np.arange(0, 24 * 70)
    counts = np.random.default_rng(0).integers(1, 9, numbers.size)
    for to in ("day", "week", "month", "year"):
        periods, rows = coarsen(numbers, counts, "hour", to)
        assert rows.sum() == counts.sum()
        times = pd.Series(counts, index=pd.Timestamp(0) + pd.to_timedelta(numbers, unit="h"))
        oracle = times.resample(FREQUENCIES[to], label="left", closed="left").sum()
        assert rows.tolist() == oracle[oracle > 0].tolist()
        assert len(periods) == len(rows)


def test_gaps_by_chance_in_sparse_rows_are_likely() -> None:
    assert chance_of_gap(365, 365 * 2, 1) == 1
    assert chance_of_gap(365, 365 * 50, 1) < 1e-9


def test_volume_scores_are_those_of_the_same_weekday() -> None:
    from scipy import stats

    random = np.random.default_rng(0)
    numbers = np.arange(19_000, 19_000 + 20 * 7)
    counts = random.poisson(np.where(numbers % 7 < 5, 1_000, 100))
    usual, scores = volume_scores(numbers, counts, 7)
    saturday = numbers % 7 == 5
    values = counts[saturday].astype(float)
    median = np.median(values)
    mad = np.median(np.abs(values - median))
    np.testing.assert_allclose(scores[saturday], stats.norm.ppf(0.75) * (values - median) / mad, rtol=1e-9)
    assert np.abs(scores).max() < 6
    assert usual[saturday][0] == median


def test_volume_without_spread() -> None:
    counts = np.full(30, 10)
    assert (volume_scores(np.arange(30), counts, 1)[1] == 0).all()
    counts[4] = 50
    assert volume_scores(np.arange(30), counts, 1)[1][4] > 3.5


def test_chance_of_volume_is_scipys_poisson() -> None:
    from scipy.stats import poisson

    counts, usual = np.array([0, 1, 4, 9, 30]), np.array([4.0, 4.0, 4.0, 4.0, 20.0])
    oracle = np.minimum(1, 2 * np.minimum(poisson.cdf(counts, usual), poisson.sf(counts - 1, usual)))
    np.testing.assert_allclose(chance_of_volume(counts, usual), oracle, rtol=1e-9)
