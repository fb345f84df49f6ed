"""Stand-ins for "no value": what must be suspected, and what must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.sample import Floats
from audit.stats.sentinels import date_sentinels, is_code, number_sentinels


def ages(n: int = 2_000, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).integers(18, 90, n).astype(float)


def with_value(values: Floats, value: float, share: float, seed: int = 1) -> Floats:
    out = values.copy()
    out[np.random.default_rng(seed).random(len(out)) < share] = value
    return out


@pytest.mark.parametrize("value", [-999.0, -99999.0, 9999.0, 99999.0, 2147483647.0, -1000.0, 1e30])
def test_a_code_far_from_the_ages_is_found(value: float) -> None:
    found = number_sentinels(with_value(ages(), value, 0.02))
    assert [(s.value, s.strong) for s in found] == [(value, True)]


def test_two_codes_on_one_side_and_one_on_the_other() -> None:
    values = with_value(with_value(with_value(ages(), -999, 0.03), -9999, 0.02, 2), 9999, 0.02, 3)
    assert {s.value for s in number_sentinels(values)} == {-9999.0, -999.0, 9999.0}


def test_minus_one_is_suspected_without_a_gap_only_as_the_only_negative_value() -> None:
    assert [(s.value, s.strong) for s in number_sentinels(with_value(ages(), -1, 0.02))] == [(-1.0, False)]
    changes = np.random.default_rng(0).integers(-20, 20, 2_000).astype(float)
    assert number_sentinels(with_value(changes, -1, 0.1)) == []


def test_a_frequent_zero_far_from_all_else_is_suspected_but_not_strongly() -> None:
    bonus = np.random.default_rng(0).normal(10_000, 100, 2_000).round(2)
    assert [(s.value, s.strong) for s in number_sentinels(with_value(bonus, 0.0, 0.3))] == [(0.0, False)]


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=5_000),
        np.random.default_rng(0).lognormal(0, 2, 5_000).round(),  # many small, few huge
        np.random.default_rng(0).poisson(0.3, 5_000).astype(float),
        np.random.default_rng(0).integers(0, 2, 5_000).astype(float),
        np.minimum(np.random.default_rng(0).exponential(400, 5_000), 999).round(),  # capped at 999
        np.full(5_000, 7.0),
        np.full(5_000, np.nan),
        np.array([]),
        np.array([1.0, 2.0, -999.0]),  # too few to say
    ],
    ids=["normal", "lognormal", "counts", "binary", "capped", "constant", "empty", "none", "three"],
)
def test_ordinary_columns_are_not_suspected(values: Floats) -> None:
    assert number_sentinels(values) == []


def test_below_the_share_nothing_is_said() -> None:
    assert number_sentinels(with_value(ages(10_000), -999, 0.001)) == []


@given(st.integers(0, 50), st.sampled_from([0.01, 0.05, 0.2]))
def test_missing_values_infinities_and_row_order_do_not_matter(seed: int, share: float) -> None:
    values = with_value(ages(seed=seed), -999, share, seed)
    random = np.random.default_rng(seed)
    mixed = random.permutation(np.concatenate([values, np.full(500, np.nan), [np.inf, -np.inf]]))
    assert number_sentinels(mixed) == number_sentinels(values)


def test_codes_mirror() -> None:
    for digits in (99, 999, 9999, 777, 8888):
        assert is_code(digits)
        assert is_code(-digits)


def seconds(text: str) -> float:
    return float(np.datetime64(text, "s").astype(np.int64))


def birthdays(n: int = 2_000) -> Floats:
    return seconds("1930-01-01") + 86_400.0 * np.random.default_rng(0).integers(0, 70 * 365, n).astype(float)


def test_1900_among_birthdays_is_found_by_its_frequency() -> None:
    found = date_sentinels(with_value(birthdays(), seconds("1900-01-01"), 0.03))
    assert [s.value for s in found] == [seconds("1900-01-01")]
    assert "as frequent as any other day" in found[0].reason


def test_1970_among_birthdays_is_a_birthday() -> None:
    assert date_sentinels(birthdays()) == []


def test_1970_among_orders_of_2023_is_found_by_its_distance() -> None:
    orders = seconds("2023-01-01") + 3_600.0 * np.arange(2_000).astype(float)
    assert [s.value for s in date_sentinels(with_value(orders, 0.0, 0.01))] == [0.0]


def test_the_end_of_the_calendar_is_found_however_rare() -> None:
    orders = seconds("2023-01-01") + 3_600.0 * np.arange(2_000).astype(float)
    orders[0] = seconds("9999-12-31T23:59:59")
    assert [s.count for s in date_sentinels(orders)] == [1]


def test_no_dates_no_sentinel() -> None:
    assert date_sentinels(np.full(50, np.nan)) == []
