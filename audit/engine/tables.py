"""Table facts as SQL: one statement each, over the columns that it names, and the reading of its rows.

A statement is built from a dialect, the source's FROM item and what is already known (`Known`: answers of the fused
scan), and comes with the function that turns its rows into the fact's answer. Facts that first look for suspects by
hash (duplicates, conflicts, overlaps) are in `audit.engine.suspects`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.dataset import Column, ColumnKind
from audit.engine.dialect import Dialect
from audit.engine.sql import (
    Shift,
    bound,
    comparable,
    count_if,
    from_comparable,
    missing_if,
    scalar_answer,
    string_of,
    text_conditions,
    time_of,
)
from audit.facts import (
    CoMissing,
    CoMissingTable,
    Extremes,
    Fact,
    Grouped,
    GroupTable,
    LagQuantiles,
    LagValues,
    Missing,
    Quantiles,
    QuantileValues,
    TextCounts,
    TextCountValues,
    TimeBuckets,
    TimeBucketTable,
    Value,
    ValueCounts,
    ValueCountTable,
)
from audit.sample import plain_value, time_from_micros

Rows = Sequence[tuple[Any, ...]]
Known = Mapping[Fact, Any]

UNITS: tuple[tuple[str, float], ...] = (
    ("minute", 60.0),
    ("hour", 3_600.0),
    ("day", 86_400.0),
    ("week", 604_800.0),
    ("month", 2_629_746.0),
    ("quarter", 7_889_238.0),
    ("year", 31_556_952.0),
)
"""Periods, finest first, with their mean length in seconds."""

MOST_CO_MISSING = 60  # a pattern is a bit mask in a signed 64-bit integer


@dataclass(frozen=True, slots=True)
class Scan:
    """What a statement is made of: the dialect, the source and its columns."""

    dialect: Dialect
    source: str
    columns: Mapping[str, Column]

    def name(self, column: str) -> str:
        """Return a quoted column."""
        return self.dialect.column(self.columns[column].name)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and the reading of its rows; without text the answer is known already."""

    sql: str | None
    read: Callable[[Rows], Any]


def prerequisites(fact: Fact) -> tuple[Fact, ...]:
    """Return the scalar facts that must be known before a table fact can be written as SQL."""
    match fact:
        case TimeBuckets(column=column, every=None):
            return (Extremes(column),)
        case CoMissing(columns=columns):
            return tuple(Missing(column) for column in columns)
    return ()


def statement(fact: Fact, scan: Scan, known: Known) -> Statement:
    """Return the statement of a table fact.

    Raises:
        TypeError: the fact is not a table fact.
    """
    match fact:
        case Grouped():
            return _grouped(fact, scan)
        case TimeBuckets():
            return _time_buckets(fact, scan, known)
        case Quantiles():
            return _quantiles(fact, scan)
        case LagQuantiles():
            return _lag(fact, scan)
        case CoMissing():
            return _co_missing(fact, scan, known)
    raise TypeError(f"{type(fact).__name__} is not a table fact")


def _grouped(fact: Grouped, scan: Scan) -> Statement:
    names = [scan.name(c) for c in fact.by]
    extremes = [comparable(scan.columns[c], scan.dialect) for c in fact.extremes]
    aggregates = [count_if(missing_if(scan.columns[c], scan.dialect)) for c in fact.missing]
    aggregates += [f"{function}({x})" for x in extremes for function in ("min", "max")]
    aggregates += list(fact.expressions)
    keys = [f"{group_key(scan, c)} AS k{i}" for i, c in enumerate(fact.by)]
    values = [f"{aggregate} AS v{i}" for i, aggregate in enumerate(aggregates)]
    inner = f"SELECT {', '.join([*keys, 'count(*) AS n', *values])} FROM {scan.source} GROUP BY {', '.join(names)}"
    order = ", ".join(["n DESC", *(f"k{i}" for i in range(len(keys)))])
    outputs = [f"k{i}" for i in range(len(keys))] + ["n"] + [f"v{i}" for i in range(len(values))]
    sql = (
        f"SELECT {', '.join(outputs)}, count(*) OVER () AS groups_, sum(n) OVER () AS total_ FROM ({inner}) AS g "
        f"ORDER BY {order} LIMIT {fact.top}"
    )
    return Statement(sql, lambda rows: _read_grouped(fact, scan, rows))


def group_key(scan: Scan, name: str) -> str:
    """Return the expression of a grouping column, to be read back by `read_key`."""
    column = scan.columns[name]
    # NaN must stay apart from NULL, so a float key is its value and not `comparable`, which makes NaN NULL
    return scan.name(name) if column.floating else comparable(column, scan.dialect)


def read_key(scan: Scan, name: str, value: Any) -> Value:
    """Return a value of `group_key` as the column's own type."""
    column = scan.columns[name]
    if column.kind is ColumnKind.BOOLEAN and value is not None:
        return bool(value)
    return plain_value(value) if column.floating else from_comparable(value, column)


def _read_grouped(fact: Grouped, scan: Scan, rows: Rows) -> GroupTable:
    k, m, e = len(fact.by), len(fact.missing), len(fact.extremes)
    keys = tuple(tuple(read_key(scan, c, row[i]) for i, c in enumerate(fact.by)) for row in rows)
    first = k + 1
    missing = {c: tuple(int(row[first + i]) for row in rows) for i, c in enumerate(fact.missing)}
    first += m

    def extreme(position: int, c: str) -> tuple[Value, ...]:
        return tuple(from_comparable(row[position], scan.columns[c]) for row in rows)

    low = {c: extreme(first + 2 * i, c) for i, c in enumerate(fact.extremes)}
    high = {c: extreme(first + 2 * i + 1, c) for i, c in enumerate(fact.extremes)}
    first += 2 * e
    expressions = tuple(tuple(plain_value(row[first + i]) for row in rows) for i in range(len(fact.expressions)))
    groups, total = (int(rows[0][-2]), int(rows[0][-1])) if rows else (0, 0)
    return GroupTable(keys, tuple(int(row[k]) for row in rows), groups, total, missing, low, high, expressions)


def value_counts(facts: Sequence[ValueCounts], scan: Scan) -> Statement:
    """Return one statement for several columns: a branch each, values as text (types differ between branches)."""
    branches = []
    for i, fact in enumerate(facts):
        name = scan.name(fact.column)
        value = scan.dialect.as_text(comparable(scan.columns[fact.column], scan.dialect))
        if scan.columns[fact.column].floating:
            value = scan.dialect.as_text(scan.dialect.as_double(name))
        inner = f"SELECT {value} AS v, count(*) AS n FROM {scan.source} GROUP BY {name}"
        branches.append(
            f"(SELECT {i} AS c, v, n, sum(n) OVER () AS total_, count(*) OVER () AS distinct_ FROM ({inner}) AS g "
            f"WHERE v IS NOT NULL ORDER BY n DESC, v LIMIT {fact.top})"
        )
    return Statement(" UNION ALL ".join(branches), lambda rows: _read_value_counts(facts, scan, rows))


def _read_value_counts(facts: Sequence[ValueCounts], scan: Scan, rows: Rows) -> list[ValueCountTable]:
    found: list[list[tuple[Any, ...]]] = [[] for _ in facts]
    for row in rows:
        found[int(row[0])].append(row)
    tables = []
    for fact, mine in zip(facts, found, strict=True):
        mine.sort(key=lambda row: (-int(row[2]), str(row[1])))
        values = tuple(_from_text(str(row[1]), scan.columns[fact.column]) for row in mine)
        total, distinct = (int(mine[0][3]), int(mine[0][4])) if mine else (0, 0)
        tables.append(ValueCountTable(values, tuple(int(row[2]) for row in mine), total, distinct))
    return tables


def _from_text(text: str, column: Column) -> Value:
    if column.kind is ColumnKind.TEMPORAL:
        return from_comparable(int(text), column)
    if column.kind is ColumnKind.BOOLEAN:
        return text.startswith("1")
    if column.kind is ColumnKind.NUMERIC:
        return int(text) if column.integer else float(text)
    return text


def text_counts(facts: Sequence[TextCounts], scan: Scan) -> Statement:
    """Return one statement for several text columns whose values repeat: strings are looked at once a value."""
    branches = []
    for i, fact in enumerate(facts):
        blank, null_like = text_conditions("v", scan.dialect)
        value = string_of(scan.columns[fact.column], scan.dialect)
        inner = f"SELECT {value} AS v, count(*) AS n FROM {scan.source} GROUP BY 1"
        sums = [f"sum(CASE WHEN {condition} THEN n ELSE 0 END)" for condition in ("v IS NOT NULL", blank, null_like)]
        branches.append(f"(SELECT {i} AS c, {', '.join(sums)}, min(length(v)), max(length(v)) FROM ({inner}) AS g)")

    def read(rows: Rows) -> list[TextCountValues]:
        return [scalar_answer(facts[int(row[0])], None, row[1:], Shift()) for row in sorted(rows)]

    return Statement(" UNION ALL ".join(branches), read)


def _time_buckets(fact: TimeBuckets, scan: Scan, known: Known) -> Statement:
    every = fact.every or _finest_unit(known[Extremes(fact.column)], fact.buckets)
    if every is None:
        return Statement(None, lambda _: TimeBucketTable("day", (), (), (), dict.fromkeys(fact.missing, ())))
    start = scan.dialect.bucket(every, time_of(scan.columns[fact.column], scan.dialect))
    keys = [f"{scan.dialect.micros.format(x=start)} AS t"]
    group = ["t"]
    if fact.by is not None:
        keys.append(f"{group_key(scan, fact.by)} AS k")
        group.append("k")
    aggregates = [f"{count_if(missing_if(scan.columns[c], scan.dialect))} AS v{i}" for i, c in enumerate(fact.missing)]
    positions = ", ".join(str(i + 1) for i in range(len(group)))
    sql = (
        f"SELECT {', '.join([*keys, 'count(*) AS n', *aggregates])} FROM {scan.source} "
        f"GROUP BY {positions} ORDER BY {positions}"
    )
    return Statement(sql, lambda rows: _read_buckets(fact, scan, every, rows))


def _read_buckets(fact: TimeBuckets, scan: Scan, every: str, rows: Rows) -> TimeBucketTable:
    zoned = scan.columns[fact.column].zoned
    first = 2 if fact.by is None else 3
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        if row[0] is None:
            continue
        # periods beyond the calendar (years 1 to 9999) come to the same end of it
        period = (time_from_micros(int(row[0]), zoned=zoned), *row[1 : first - 1])
        counts = [int(count) for count in row[first - 1 :]]
        found[period] = [a + b for a, b in zip(found[period], counts, strict=True)] if period in found else counts
    return TimeBucketTable(
        every,
        tuple(period[0] for period in found),
        tuple(counts[0] for counts in found.values()),
        () if fact.by is None else tuple(read_key(scan, fact.by, period[1]) for period in found),
        {c: tuple(counts[i + 1] for counts in found.values()) for i, c in enumerate(fact.missing)},
    )


def _finest_unit(extremes: Any, buckets: int) -> str | None:
    if extremes.low is None:
        return None
    low, high = (_as_datetime(value) for value in (extremes.low, extremes.high))
    span = (high - low).total_seconds()
    return next((unit for unit, seconds in UNITS if span / seconds <= buckets), "year")


def _as_datetime(value: Any) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)


def _quantiles(fact: Quantiles, scan: Scan) -> Statement:
    column = scan.columns[fact.column]
    value = comparable(column, scan.dialect)
    if fact.not_after is not None:
        value = f"CASE WHEN {value} <= {bound(fact.not_after, column, scan.dialect)} THEN {value} END"
    terms = _quantile_terms(value, fact.probabilities, scan.dialect)
    sql = f"SELECT count({value}), {', '.join(terms)} FROM {scan.source}"

    def read(rows: Rows) -> QuantileValues:
        n = int(rows[0][0] or 0)
        values = tuple(from_comparable(v, column) for v in rows[0][1:]) if n else ()
        return QuantileValues(fact.probabilities, values, n)

    return Statement(sql, read)


def _quantile_terms(value: str, probabilities: Sequence[float], dialect: Dialect) -> list[str]:
    return [dialect.quantile.format(x=value, p=repr(float(p))) for p in probabilities]


def _lag(fact: LagQuantiles, scan: Scan) -> Statement:
    earlier, later = (comparable(scan.columns[c], scan.dialect) for c in (fact.earlier, fact.later))
    lag = f"({later} - {earlier})"
    terms = _quantile_terms(lag, fact.probabilities, scan.dialect)
    sql = f"SELECT count({lag}), {count_if(f'{lag} < 0')}, max({lag}), {', '.join(terms)} FROM {scan.source}"

    def read(rows: Rows) -> LagValues:
        n, negative, largest, *values = rows[0]
        seconds = tuple(float(v) / 1e6 for v in values) if n else ()
        return LagValues(
            fact.probabilities, seconds, int(n or 0), int(negative or 0), float(largest) / 1e6 if n else None
        )

    return Statement(sql, read)


def _co_missing(fact: CoMissing, scan: Scan, known: Known) -> Statement:
    missing = {c: known[Missing(c)].missing for c in fact.columns}
    rows_total = max((known[Missing(c)].rows for c in fact.columns), default=0)
    affected = sorted((c for c in fact.columns if missing[c]), key=lambda c: (-missing[c], fact.columns.index(c)))
    columns, left_out = tuple(affected[:MOST_CO_MISSING]), tuple(affected[MOST_CO_MISSING:])
    counts = {c: missing[c] for c in columns}
    if not columns:
        patterns: tuple[tuple[str, ...], ...] = ((),) if rows_total else ()
        table = CoMissingTable((), patterns, (rows_total,) if rows_total else (), rows_total, len(patterns), {})
        return Statement(None, lambda _: table)
    bits = " + ".join(
        f"CASE WHEN {missing_if(scan.columns[c], scan.dialect)} THEN {1 << i} ELSE 0 END" for i, c in enumerate(columns)
    )
    inner = f"SELECT {bits} AS pattern, count(*) AS n FROM {scan.source} GROUP BY 1"
    sql = (
        f"SELECT pattern, n, count(*) OVER () AS distinct_, sum(n) OVER () AS total_ FROM ({inner}) AS g "
        f"ORDER BY n DESC, pattern LIMIT {fact.top}"
    )

    def read(rows: Rows) -> CoMissingTable:
        patterns = tuple(tuple(c for i, c in enumerate(columns) if int(row[0]) >> i & 1) for row in rows)
        distinct, total = (int(rows[0][2]), int(rows[0][3])) if rows else (0, 0)
        return CoMissingTable(columns, patterns, tuple(int(r[1]) for r in rows), total, distinct, counts, left_out)

    return Statement(sql, read)
