"""What strings look like, against Python's own parsers."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.stats.text_types import TextTypes, looks_typed, text_types


def types(*strings: str | None) -> TextTypes:
    return text_types(pa.chunked_array([pa.array(list(strings), pa.string())]), np.arange(len(strings)))


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers()))
def test_whatever_python_prints_for_a_number_is_a_number(value: float) -> None:
    assert types(repr(value)).counts["number"] == 1


@given(st.text(max_size=12))
def test_what_counts_as_a_number_python_can_read(text: str) -> None:
    if types(text).counts["number"]:
        assert np.isfinite(float(text)) or abs(float(text)) == np.inf  # "1e999" is a number, if a large one


@given(st.dates(dt.date(1500, 1, 1), dt.date(2199, 12, 31)))
def test_iso_dates_are_dates(day: dt.date) -> None:
    assert types(day.isoformat()).dates == {"YYYY-MM-DD": 1}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1,200", "thousands"),
        ("1,234,567.5", "thousands"),
        ("1 200 000", "thousands"),
        ("1.200,50", "thousands_dot"),
        ("1,5", "decimal_comma"),
        ("12 kg", "unit"),
        ("12kg", "unit"),
        ("$1,200.50", "unit"),
        ("45%", "unit"),
        ("yes", "boolean"),
        ("FALSE", "boolean"),
        ("Rome", "other"),
        ("A12", "other"),
        ("12B", "other"),
        ("1-2", "other"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    found = types(text)
    assert found.counts[kind] == 1
    assert sum(found.counts.values()) == found.strings == 1
    assert found.examples[kind] == (text,)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("25/12/2023", "DD/MM/YYYY"),
        ("12/25/2023", "MM/DD/YYYY"),
        ("03/04/2024", "D/M or M/D"),
        ("06.02.2024", "DD.MM.YYYY"),
        ("2024/02/06", "YYYY/MM/DD"),
        ("6 Feb 2024", "DD Mon YYYY"),
        ("February 6, 2024", "Mon DD YYYY"),
        ("2024-02-06T12:30:00Z", "YYYY-MM-DD"),
    ],
)
def test_dates(text: str, written: str) -> None:
    assert types(text).dates == {written: 1}


def test_a_day_that_does_not_exist_in_any_calendar_is_no_date() -> None:
    assert types("2024-13-01").dated == types("32/01/2024").dated == 0


def test_what_says_nothing_is_counted_apart() -> None:
    found = types("n/a", "", "  ", "12", None)
    assert (found.silent, found.strings, found.numbers) == (3, 1, 1)


def test_postcodes_and_fixed_length_numbers_are_codes() -> None:
    assert types("01234", "99501").codes
    assert types("94110", "10001").codes
    assert not types("0", "0.5", "12").codes
    assert not types("15", "1500").codes


def test_the_first_look_sees_what_the_second_would_count() -> None:
    texts = pa.chunked_array([pa.array(["12", "$5", "-3", "yes", "Jan 5, 2024", "(3)", ".5"])])
    assert looks_typed(texts, np.arange(7)) == 1.0
    names = pa.chunked_array([pa.array(["Nancy", "Tom", "york", "Mayer", "-"])])
    assert looks_typed(names, np.arange(5)) == 0.0


def test_dictionaries_of_strings_work() -> None:
    column = pa.chunked_array([pa.array(["1", "2", "1", None]).dictionary_encode()])
    assert text_types(column, np.arange(4)).numbers == 3
