"""Every fact against numpy, pandas and pyarrow on a dirty table, from Parquet and from Arrow."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
import scipy.stats

from audit.facts import (
    CoMissing,
    Conflicts,
    Count,
    CountWhere,
    Distinct,
    DuplicateRows,
    Expression,
    Extremes,
    Grouped,
    KeyCount,
    LagQuantiles,
    Missing,
    Moments,
    Quantiles,
    SplitOverlap,
    TextCounts,
    TimeBuckets,
    ValueCounts,
)
from tests.engine.conftest import ROWS, Opened


def ask(opened: Opened, fact: Any) -> Any:
    answer = opened.engine.answer([fact])[fact]
    assert not str(answer).startswith(type(fact).__name__ + " could not"), str(answer)
    return answer


def finite(opened: Opened, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = pc.cast(opened.table.column(column).drop_null(), "float64", safe=False).to_numpy()
    return np.asarray(values[np.isfinite(values)], dtype=np.float64)


def test_rows_are_counted(opened: Opened) -> None:
    assert ask(opened, Count()) == ROWS


@pytest.mark.parametrize("column", ["holes", "real", "count", "city", "nothing", "flag", "tags", "price", "when"])
def test_null_nan_and_infinity_are_told_apart(opened: Opened, column: str) -> None:
    counts = ask(opened, Missing(column))
    array = opened.table.column(column)
    assert counts.rows == ROWS
    assert counts.null == array.null_count
    if column == "holes":
        values = array.drop_null().to_numpy()
        assert counts.nan == int(np.isnan(values).sum()) > 100  # Parquet statistics say there are none
        assert (counts.positive_infinite, counts.negative_infinite) == (1, 1)


@pytest.mark.parametrize("column", ["real", "narrow", "count", "huge", "unsigned", "price", "id"])
def test_moments_equal_scipy(opened: Opened, column: str) -> None:
    moments, values = ask(opened, Moments(column)), finite(opened, column)
    assert moments.n == len(values)
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12)
    assert moments.variance() == pytest.approx(values.var(ddof=1), rel=1e-9)
    assert moments.skewness == pytest.approx(scipy.stats.skew(values), rel=1e-9, abs=1e-9)
    assert moments.kurtosis == pytest.approx(scipy.stats.kurtosis(values), rel=1e-9, abs=1e-9)


def test_moments_leave_infinity_out_and_survive_1e300(opened: Opened) -> None:
    moments = ask(opened, Moments("holes"))
    assert moments.n == len(finite(opened, "holes"))
    assert moments.mean == pytest.approx(finite(opened, "holes").mean(), rel=1e-9)


@pytest.mark.parametrize("column", ["real", "holes", "narrow", "count", "huge", "unsigned", "price"])
def test_extremes_are_over_finite_values(opened: Opened, column: str) -> None:
    extremes, values = ask(opened, Extremes(column)), finite(opened, column)
    assert float(extremes.low) == values.min()
    assert float(extremes.high) == values.max()


def test_extremes_of_times_text_and_nothing(opened: Opened) -> None:
    frame = opened.frame
    assert ask(opened, Extremes("when")).low == frame["when"].min().to_pydatetime()
    assert ask(opened, Extremes("instant")).high == frame["instant"].max().to_pydatetime()
    assert ask(opened, Extremes("city")).high == "ünï"
    assert ask(opened, Extremes("nothing")).low is None


def test_distinct_is_exact_when_asked_and_close_otherwise(opened: Opened) -> None:
    exact = ask(opened, Distinct("real", exact=True))
    assert (exact.count, exact.exact) == (opened.frame["real"].nunique(), True)
    sketch = ask(opened, Distinct("id"))
    assert not sketch.exact
    assert sketch.count == pytest.approx(ROWS, rel=0.2)


def test_blank_and_null_like_strings(opened: Opened) -> None:
    counts, text = ask(opened, TextCounts("city")), opened.frame["city"].dropna()
    assert counts.values == len(text)
    assert counts.blank == int((text.str.strip() == "").sum())
    assert counts.null_like == int((text == "N/A").sum())
    assert (counts.shortest, counts.longest) == (0, 5)


def test_counting_within_bounds(opened: Opened) -> None:
    values = opened.table.column("holes").drop_null().to_numpy()
    assert ask(opened, CountWhere("holes", above=4.0)) == int((values > 4.0).sum())
    assert ask(opened, CountWhere("holes", above=2.0, below=3.0)) == int(((values > 2) & (values < 3)).sum())
    moment = dt.datetime(2024, 2, 1)
    assert ask(opened, CountWhere("when", above=moment)) == int((opened.frame["when"] > moment).sum())
    zoned = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
    assert ask(opened, CountWhere("instant", below=zoned)) == int((opened.frame["instant"] < zoned).sum())


def test_expressions_of_plugins(opened: Opened) -> None:
    total = opened.table.column("count").drop_null().to_numpy().sum()
    assert ask(opened, Expression('sum("count")')) == int(total)


@pytest.mark.parametrize("column", ["city", "count", "flag", "day"])
def test_value_counts_equal_pandas(opened: Opened, column: str) -> None:
    counted = ask(opened, ValueCounts(column))
    values = opened.table.column(column).cast("timestamp[us]") if column == "day" else opened.table.column(column)
    expected = pd.Series(values.to_pylist(), dtype=object).dropna().value_counts()
    assert counted.exact
    assert dict(zip(counted.values, counted.counts, strict=True)) == expected.to_dict()
    assert counted.total == int(expected.sum())
    assert counted.distinct == len(expected)


def test_value_counts_of_many_values_say_that_they_are_sampled(opened: Opened) -> None:
    counted = ask(opened, ValueCounts("real", top=5, exact_up_to=100))
    assert not counted.exact
    assert (counted.total, counted.sampled_of) == (5_000, ROWS)


def test_groups_with_missing_and_extremes(opened: Opened) -> None:
    table = ask(opened, Grouped(("city", "flag"), missing=("holes",), extremes=("when",)))
    frame = opened.frame.assign(hole=opened.frame["holes"].isna())
    expected = frame.groupby(["city", "flag"], dropna=False)
    assert table.complete
    assert table.total == ROWS
    sizes = {_key(k): n for k, n in expected.size().items()}
    assert dict(zip(table.keys, table.counts, strict=True)) == sizes
    holes = {_key(k): n for k, n in expected["hole"].sum().items()}
    assert dict(zip(table.keys, table.missing["holes"], strict=True)) == holes
    latest = {_key(k): t.to_pydatetime() for k, t in expected["when"].max().items()}
    assert dict(zip(table.keys, table.high["when"], strict=True)) == latest


def _key(key: Any) -> tuple[Any, ...]:
    return tuple(None if pd.isna(part) else part for part in key)


def test_groups_beyond_the_top_are_counted(opened: Opened) -> None:
    table = ask(opened, Grouped(("count",), top=2))
    assert len(table.keys) == 2
    assert table.groups == opened.table.column("count").to_pandas().nunique(dropna=False)
    assert table.total == ROWS
    assert not table.complete


@pytest.mark.parametrize(("every", "code"), [("day", "D"), ("month", "MS"), ("hour", "h")])
def test_time_buckets_equal_pandas(opened: Opened, every: str, code: str) -> None:
    table = ask(opened, TimeBuckets("when", every=every, missing=("holes",)))
    frame = opened.frame.assign(hole=opened.frame["holes"].isna())
    expected = frame.groupby(pd.Grouper(key="when", freq=code))["hole"].agg(["size", "sum"]).query("size > 0")
    assert list(table.starts) == [t.to_pydatetime() for t in expected.index]
    assert list(table.counts) == expected["size"].tolist()
    assert list(table.missing["holes"]) == expected["sum"].tolist()


def test_the_unit_of_buckets_fits_the_span(opened: Opened) -> None:
    assert ask(opened, TimeBuckets("when", buckets=100)).every == "day"
    assert ask(opened, TimeBuckets("when", buckets=3_000)).every == "hour"
    by_city = ask(opened, TimeBuckets("day", every="month", by="city"))
    assert sum(by_city.counts) == ROWS
    assert {start.day for start in by_city.starts} == {1}


def test_quantiles_are_values_that_occur(opened: Opened) -> None:
    probabilities = (0.0, 0.1, 0.5, 0.999, 1.0)
    answer = ask(opened, Quantiles("holes", probabilities))
    expected = np.quantile(finite(opened, "holes"), probabilities, method="inverted_cdf")
    assert answer.n == len(finite(opened, "holes"))
    assert answer.values == pytest.approx(tuple(expected), rel=1e-15)


def test_quantiles_of_times_up_to_a_moment(opened: Opened) -> None:
    limit = dt.datetime(2024, 2, 1)
    answer = ask(opened, Quantiles("when", (0.999,), not_after=limit))
    times = opened.frame["when"][opened.frame["when"] <= limit].sort_values()
    assert answer.n == len(times)
    assert answer.values[0] == times.iloc[int(np.ceil(0.999 * len(times))) - 1].to_pydatetime()


def test_lags_between_two_times(opened: Opened) -> None:
    answer = ask(opened, LagQuantiles("day", "when"))
    lags = (opened.frame["when"] - pd.to_datetime(opened.frame["day"])).dt.total_seconds()
    assert answer.n == ROWS
    assert answer.negative == 0
    assert answer.largest == pytest.approx(lags.max(), abs=1e-6)
    assert answer.seconds == pytest.approx(np.quantile(lags, (0.5, 0.95, 0.99), method="inverted_cdf"), abs=1e-6)


def test_patterns_of_absence_equal_pandas(opened: Opened) -> None:
    columns = ("holes", "count", "city", "id")
    answer = ask(opened, CoMissing(columns))
    missing = opened.frame[list(columns)].isna()
    assert set(answer.columns) == {"holes", "count", "city"}  # id misses nothing
    expected = missing.groupby(["holes", "count", "city"]).size()
    found = {
        tuple(c in p for c in ("holes", "count", "city")): n
        for p, n in zip(answer.patterns, answer.counts, strict=True)
    }
    assert found == expected.to_dict()
    assert answer.rows == ROWS


def test_nothing_missing_needs_no_scan(opened: Opened) -> None:
    opened.engine.answer([Missing("id"), Missing("when")])
    before = len(opened.engine.connection.statements)
    answer = ask(opened, CoMissing(("id", "when")))
    assert (answer.patterns, answer.counts) == (((),), (ROWS,))
    assert len(opened.engine.connection.statements) == before


def test_keys(opened: Opened) -> None:
    unique = ask(opened, KeyCount(("id",)))
    assert (unique.distinct, unique.duplicated, unique.extra, unique.null) == (ROWS, 0, 0, 0)
    pair = ask(opened, KeyCount(("count", "city")))
    whole = opened.frame[["count", "city"]].dropna()
    sizes = whole.value_counts()
    assert pair.null == ROWS - len(whole)
    assert pair.distinct == len(sizes)
    assert pair.duplicated == int((sizes > 1).sum())
    assert pair.extra == len(whole) - len(sizes)
    assert pair.examples[0][1] == int(sizes.iloc[0])
    keys = whole.loc[list(pair.row_ids)]  # a range index: the row numbers
    counts = sizes.loc[list(keys.itertuples(index=False, name=None))].to_numpy()
    assert len(set(pair.row_ids)) == 1_000
    assert counts.min() > 1
    assert (np.diff(counts) <= 0).all()  # those that repeat most come first


def test_duplicate_rows_are_exact(opened: Opened) -> None:
    assert ask(opened, DuplicateRows()).extra == 0
    columns = ("count", "city", "flag")
    answer = ask(opened, DuplicateRows(columns))
    sizes = opened.frame[list(columns)].value_counts(dropna=False)
    assert answer.groups == int((sizes > 1).sum())
    assert answer.extra == ROWS - len(sizes)
    assert answer.largest == int(sizes.iloc[0])
    assert len(answer.row_ids) == 1_000


def test_a_proven_key_settles_duplicates_without_a_scan(opened: Opened) -> None:
    engine = dataclasses.replace(opened.engine, answers={})
    before = len(engine.connection.statements)
    answers = engine.answer([DuplicateRows(), KeyCount(("id",))])
    assert answers[DuplicateRows()].extra == 0
    assert len(engine.connection.statements) - before == 1
    without_key = DuplicateRows(("count", "city"))
    assert engine.answer([without_key])[without_key].extra > 0


def test_conflicting_labels_equal_pandas(opened: Opened) -> None:
    answer = ask(opened, Conflicts(("count", "city"), "flag"))
    frame = opened.frame.dropna(subset=["flag"])
    counts = frame.groupby(["count", "city", "flag"], dropna=False).size().unstack("flag", fill_value=0)
    conflict = counts[(counts > 0).sum(axis=1) > 1]
    assert answer.labelled == len(frame)
    assert answer.groups == len(conflict)
    assert answer.rows == int(conflict.to_numpy().sum())
    assert answer.minority == int(conflict.min(axis=1).sum())
    assert answer.pairs == (((False, True), len(conflict)),)


def test_overlap_between_splits_equal_pandas(opened: Opened) -> None:
    answer = ask(opened, SplitOverlap(("count", "day"), "flag"))
    frame = opened.frame.dropna(subset=["flag"])
    sides = [
        set(map(tuple, g[["count", "day"]].astype(object).where(g[["count", "day"]].notna(), None).to_numpy()))
        for _, g in frame.groupby("flag")
    ]
    assert answer.pairs == (("false", "true"),)
    assert answer.shared == (len(sides[0] & sides[1]),)
    assert answer.sizes == {"false": int((frame["flag"] == False).sum()), "true": int((frame["flag"] == True).sum())}  # noqa: E712  # a mask
