"""The vocabulary of facts: what a check may ask the engine, and what it gets back.

A fact is a small frozen dataclass: equal facts are computed once. `Check.ask` returns a nested dict whose leaves are
facts; the engine answers in the same shape. Leaves that are not facts come back as they are, so that a check can hand
its `judge` the roles or column lists that it needs.

Each fact's docstring names the type of its answer. Facts about float columns count NULL, NaN and infinities apart;
everything else (moments, extremes, histograms) is over finite values only.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Asks = Mapping[str, Any]
"""A nested dict whose leaves are facts (or anything else, which is handed through)."""

Facts = Mapping[str, Any]
"""The same shape, with answers in place of facts."""

Value = str | int | float | bool | dt.datetime | dt.date | None
"""One cell as plain Python: decimals come as int or float, dates as datetimes at midnight, bytes and nested
values as text; NaN stays NaN."""


def quote_name(name: str) -> str:
    """Return a column name as SQL writes it, for `Finding.where` and `Expression`.

    >>> print(quote_name('5" disk'))
    "5"" disk"
    """
    return '"' + name.replace('"', '""') + '"'


class Fact:
    """The base of all facts; it only marks them."""

    __slots__ = ()


# --- scalars: all of these share one fused scan -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count(Fact):
    """How many rows there are. Answer: int."""


@dataclass(frozen=True, slots=True)
class Missing(Fact):
    """Missing and non-finite values of a column. Answer: `MissingCounts`."""

    column: str


@dataclass(frozen=True, slots=True)
class MissingCounts:
    """Rows, and how many of them are NULL, NaN, +infinity and -infinity (the last three: float columns only)."""

    rows: int
    null: int
    nan: int = 0
    positive_infinite: int = 0
    negative_infinite: int = 0

    @property
    def missing(self) -> int:
        """NULL plus NaN."""
        return self.null + self.nan

    @property
    def infinite(self) -> int:
        """Infinities of both signs."""
        return self.positive_infinite + self.negative_infinite


@dataclass(frozen=True, slots=True)
class Moments(Fact):
    """Central moments of a numeric or boolean column, over finite values. Answer: `MomentValues`."""

    column: str


@dataclass(frozen=True, slots=True)
class MomentValues:
    """Count, mean and central sums of powers (`m2` = sum (x - mean)^2, and so on), which add up over partitions."""

    n: int
    mean: float
    m2: float
    m3: float
    m4: float

    def variance(self, ddof: int = 1) -> float:
        """Return m2 / (n - ddof); NaN when there are too few values."""
        return self.m2 / (self.n - ddof) if self.n > ddof else float("nan")

    def std(self, ddof: int = 1) -> float:
        """Return the square root of the variance."""
        return max(self.variance(ddof), 0.0) ** 0.5 if self.n > ddof else float("nan")

    @property
    def skewness(self) -> float:
        """Population skewness g1 = sqrt(n) m3 / m2^1.5 (scipy.stats.skew's default)."""
        usable = self.m2 > 0 and math.isfinite(self.m3) and math.isfinite(self.m2)
        return self.n**0.5 * self.m3 / self.m2**1.5 if usable else float("nan")

    @property
    def kurtosis(self) -> float:
        """Population excess kurtosis g2 = n m4 / m2^2 - 3 (scipy.stats.kurtosis' default)."""
        usable = self.m2 > 0 and math.isfinite(self.m4) and math.isfinite(self.m2)
        return self.n * self.m4 / self.m2**2 - 3.0 if usable else float("nan")


@dataclass(frozen=True, slots=True)
class Extremes(Fact):
    """Smallest and largest value (finite numbers; times; text by code point; booleans as 0 and 1).

    Answer: `ExtremeValues`.
    """

    column: str


@dataclass(frozen=True, slots=True)
class ExtremeValues:
    """`low` and `high`; both None when the column has no (finite) value."""

    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class Distinct(Fact):
    """Number of distinct non-null values. Answer: `DistinctCount`.

    `exact=False` is a sketch (a few per cent off), good for choosing what to look at, never for judging a key.
    """

    column: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class DistinctCount:
    """The count, and whether it is exact."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class TextCounts(Fact):
    """Blank and null-like strings of a text column. Answer: `TextCountValues`."""

    column: str


NULL_LIKE: tuple[str, ...] = (
    "na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "---", "?", "??", ".", "unknown", "missing",
    "undefined", "not available", "not applicable", "#null!", "(null)", "<na>", "nat", "tbd",
)  # fmt: skip
"""Strings that stand for "no value", after trimming and lower-casing (Deepchecks' list is the minimum)."""


@dataclass(frozen=True, slots=True)
class TextCountValues:
    """Non-null strings; how many are blank (empty or white space) and null-like; shortest and longest length."""

    values: int
    blank: int
    null_like: int
    shortest: int | None
    longest: int | None


@dataclass(frozen=True, slots=True)
class CountWhere(Fact):
    """Rows for which a column lies outside or inside bounds. Answer: int.

    Counts rows with `above < x` and `x < below` (each bound where given; both: the rows that satisfy both).
    Bounds are numbers, or datetimes for temporal columns; NULL, NaN never count, infinities do. A bound with a zone is
    turned into UTC wall-clock time where the column has no zone.
    """

    column: str
    above: float | dt.datetime | None = None
    below: float | dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Expression(Fact):
    """Any SQL aggregate, for authors of plug-ins: `Expression('sum("price" * "quantity")')`. Answer: `Value`.

    It joins the fused scan. Write names in double quotes; put a float condition in CASE, never in WHERE or FILTER
    (engines answer those from Parquet statistics, which leave NaN out).
    """

    sql: str


# --- tables: one scan each, only over the columns named ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ValueCounts(Fact):
    """The most frequent values of a column. Answer: `ValueCountTable`.

    Exact over all rows while the column has at most `exact_up_to` distinct values (by sketch); beyond that the counts
    come from the sample and `basis` says so. NULL is left out; NaN counts as a value of its own.
    """

    column: str
    top: int = 200
    exact_up_to: int = 10_000


@dataclass(frozen=True, slots=True)
class ValueCountTable:
    """`values[i]` occurs `counts[i]` times, most frequent first (ties by value as text).

    `total` non-null rows were counted, `distinct` values seen; `rest` rows lie beyond the `top`.
    `sampled_of` is None when exact, else how many rows the dataset has (then `total` is about the sample).
    """

    values: tuple[Value, ...]
    counts: tuple[int, ...]
    total: int
    distinct: int
    sampled_of: int | None = None

    @property
    def exact(self) -> bool:
        """Whether all rows were counted."""
        return self.sampled_of is None

    @property
    def rest(self) -> int:
        """Rows with values beyond the listed ones."""
        return self.total - sum(self.counts)


@dataclass(frozen=True, slots=True)
class Grouped(Fact):
    """Rows by the combination of some columns, exactly. Answer: `GroupTable`.

    Covers value counts of combinations, contingency tables (two columns), missing values by segment (`missing`), the
    latest and earliest time of a group (`extremes`) and plug-in aggregates by group (`expressions`, SQL).
    Groups come largest first; beyond `top` they are only counted. NULL is a group value of its own (None).
    """

    by: tuple[str, ...]
    missing: tuple[str, ...] = ()
    extremes: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    top: int = 10_000


@dataclass(frozen=True, slots=True)
class GroupTable:
    """`keys[i]` is the combination (as `by` orders it), `counts[i]` its rows.

    `missing[c][i]`: rows of group i where c is NULL or NaN. `low[c][i]`, `high[c][i]`: extremes.
    `expressions[j][i]`: the j-th expression. `groups`: how many groups exist; `total`: rows in all of them.
    """

    keys: tuple[tuple[Value, ...], ...]
    counts: tuple[int, ...]
    groups: int
    total: int
    missing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    low: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    high: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    expressions: tuple[tuple[Value, ...], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every group is listed."""
        return len(self.keys) == self.groups


@dataclass(frozen=True, slots=True)
class TimeBuckets(Fact):
    """Rows per period of a date or timestamp column. Answer: `TimeBucketTable`.

    `every` is minute, hour, day, week, month, quarter or year; None lets the engine take the finest unit that gives at
    most `buckets` periods between the extremes. With `by`, counts are per (period, value of `by`); `missing` as in
    `Grouped`. NULL times are left out. Periods are those of UTC for zoned columns, wall clock for naive ones.
    """

    column: str
    every: str | None = None
    by: str | None = None
    missing: tuple[str, ...] = ()
    buckets: int = 2_000


@dataclass(frozen=True, slots=True)
class TimeBucketTable:
    """`starts[i]` is the start of a period that has rows (sorted), `counts[i]` its rows, `every` the unit.

    With `by`: `groups[i]` is the value of `by`, and (start, group) pairs are listed. Empty periods are not listed.
    """

    every: str
    starts: tuple[dt.datetime, ...]
    counts: tuple[int, ...]
    groups: tuple[Value, ...] = ()
    missing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quantiles(Fact):
    """Exact quantiles (type 1: values that occur) of a column over finite, non-null values. Answer: `QuantileValues`.

    `not_after` leaves later times out (one row in the future must not hide that the rest is old).
    """

    column: str
    probabilities: tuple[float, ...]
    not_after: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class QuantileValues:
    """`values[i]` is the quantile at `probabilities[i]` over `n` values; empty when n = 0."""

    probabilities: tuple[float, ...]
    values: tuple[Value, ...]
    n: int


@dataclass(frozen=True, slots=True)
class LagQuantiles(Fact):
    """Exact quantiles of `later - earlier` in seconds, over rows that have both. Answer: `LagValues`."""

    earlier: str
    later: str
    probabilities: tuple[float, ...] = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class LagValues:
    """Quantiles of the lag in seconds, over `n` rows; `negative` rows have `later` before `earlier`."""

    probabilities: tuple[float, ...]
    seconds: tuple[float, ...]
    n: int
    negative: int
    largest: float | None


@dataclass(frozen=True, slots=True)
class CoMissing(Fact):
    """Which columns are missing together. Answer: `CoMissingTable`.

    Columns without a missing value are left out by the engine; with none left, no scan is made. At most the 60 columns
    with the most missing values take part (`left_out` names the rest).
    """

    columns: tuple[str, ...]
    top: int = 1_000


@dataclass(frozen=True, slots=True)
class CoMissingTable:
    """Patterns of absence: `patterns[i]` is the tuple of columns missing together in `counts[i]` rows, largest first.

    The empty pattern is the complete rows. `missing[c]` is a column's own count, `rows` all rows, `distinct` the number
    of patterns that exist (`patterns` lists at most `top`), `left_out` the columns beyond the sixty.
    """

    columns: tuple[str, ...]
    patterns: tuple[tuple[str, ...], ...]
    counts: tuple[int, ...]
    rows: int
    distinct: int
    missing: Mapping[str, int]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DuplicateRows(Fact):
    """Rows that occur more than once, exactly: found by hash, then verified value by value. Answer: `DuplicateCounts`.

    `columns` empty means all. NULL equals NULL and NaN equals NaN here.
    """

    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DuplicateCounts:
    """`extra` = rows minus distinct rows; `groups` = distinct rows that occur more than once; `largest` the biggest.

    `row_ids`: the row numbers of up to 1,000 of the extra rows. `examples`: up to five (count, row as dict).
    """

    rows: int
    groups: int
    extra: int
    largest: int
    row_ids: tuple[int, ...] = ()
    examples: tuple[tuple[int, Mapping[str, Value]], ...] = ()


@dataclass(frozen=True, slots=True)
class KeyCount(Fact):
    """Whether some columns together are unique, exactly. Answer: `KeyCounts`."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """`distinct` non-null keys among `rows` rows; `null` rows miss a part; `duplicated` keys occur more than once.

    `extra` = rows with a full key minus distinct keys. `examples`: up to five (key, count), most frequent first.
    `row_ids`: where more keys repeat than the examples show, the numbers of up to 1,000 rows that have such a key.
    """

    rows: int
    null: int
    distinct: int
    duplicated: int
    extra: int
    examples: tuple[tuple[tuple[Value, ...], int], ...] = ()
    row_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflicts(Fact):
    """Rows with equal `columns` but different `label`, exactly. NULL labels are left out. Answer: `ConflictCounts`."""

    columns: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class ConflictCounts:
    """`groups` distinct feature rows carry more than one label; `rows` rows lie in them.

    `minority` rows hold another label than their group's majority: no classifier on these features can be more
    accurate than 1 - minority / labelled. `repeated` rows lie in groups of at least two. `row_ids`: up to 1,000 rows in
    conflict. `pairs`: ((label, label), number of groups), most frequent first, at most 20.
    """

    labelled: int
    repeated: int
    groups: int
    rows: int
    minority: int
    row_ids: tuple[int, ...] = ()
    pairs: tuple[tuple[tuple[Value, Value], int], ...] = ()


@dataclass(frozen=True, slots=True)
class SplitOverlap(Fact):
    """Distinct values of `columns` that occur in more than one split, exactly. Answer: `SplitOverlapTable`.

    `columns` is a key, a group, or all the features (then: duplicate rows across splits).
    """

    columns: tuple[str, ...]
    split: str


@dataclass(frozen=True, slots=True)
class SplitOverlapTable:
    """`pairs[i]` = (split a, split b); `shared[i]` distinct values occur in both, in `rows_a[i]` and `rows_b[i]` rows.

    `sizes`: rows of each split (rows with a NULL split or all-NULL columns are left out).
    """

    sizes: Mapping[str, int]
    pairs: tuple[tuple[str, str], ...]
    shared: tuple[int, ...]
    rows_a: tuple[int, ...]
    rows_b: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sample(Fact):
    """One seeded, bounded, uniform sample of rows, shared by all checks of a run. Answer: `audit.sample.Sampled`.

    `columns` are the ones this check wants to read (asking for the same column twice costs nothing).
    """

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpectationSuite(Fact):
    """What Great Expectations says of all rows by a suite that was saved as JSON. Answer: `ExpectationResults`."""

    path: str


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """One expectation's result.

    Attributes:
        type: such as `expect_column_values_to_not_be_null`.
        columns: the columns that it is about.
        parameters: its other arguments, JSON values.
        severity: Great Expectations' word: critical, warning or info.
        success: whether it holds.
        observed: what was observed, in words; empty where unexpected rows say it.
        unexpected: how many rows it does not hold for; None where it is not about rows.
        row_ids: their row numbers, all of them.
        error: why it could not be evaluated; empty when it could.
    """

    type: str
    columns: tuple[str, ...]
    parameters: Mapping[str, Any]
    severity: str
    success: bool
    observed: str = ""
    unexpected: int | None = None
    row_ids: tuple[int, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class ExpectationResults:
    """The suite's name, the rows that there are, and a result an expectation, in the order of the suite."""

    name: str
    rows: int
    results: tuple[ExpectationResult, ...]


@dataclass(frozen=True, slots=True)
class OnReference(Fact):
    """The same fact about the reference dataset (`--ref`). Answer: that of the inner fact, None without a reference."""

    fact: Fact
