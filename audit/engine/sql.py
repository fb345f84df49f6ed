"""Scalar facts as SQL: every one is a few aggregates that share one fused scan.

`scalar_terms` writes the aggregates of a fact, `scalar_answer` reads their values back. Nothing here runs a query.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.dataset import Column, ColumnKind
from audit.engine.dialect import Dialect
from audit.facts import (
    NULL_LIKE,
    Count,
    CountWhere,
    Distinct,
    DistinctCount,
    Expression,
    Extremes,
    ExtremeValues,
    Fact,
    Missing,
    MissingCounts,
    Moments,
    MomentValues,
    TextCounts,
    TextCountValues,
    Value,
)
from audit.sample import plain_value, time_from_micros

SCALARS = (Count, Missing, Moments, Extremes, Distinct, TextCounts, CountWhere, Expression)


@dataclass(frozen=True, slots=True)
class Shift:
    """Where and how wide a column's values lie, roughly: power sums around it do not cancel or overflow."""

    center: float = 0.0
    scale: float = 1.0


def scalar_terms(fact: Fact, column: Column | None, dialect: Dialect, shift: Shift) -> tuple[str, ...]:
    """Return the aggregates whose values `scalar_answer` turns into the fact's answer.

    Raises:
        TypeError: the fact is not a scalar one.
    """
    if isinstance(fact, Count):
        return ("count(*)",)
    if isinstance(fact, Expression):
        return (fact.sql,)
    if column is None:
        raise TypeError(f"{type(fact).__name__} is not a scalar fact")
    name = dialect.column(column.name)
    match fact:
        case Missing():
            return _missing_terms(name, column, dialect)
        case Moments():
            return _moment_terms(number(column, dialect), dialect, shift)
        case Extremes():
            low_high = comparable(column, dialect)
            return (f"min({low_high})", f"max({low_high})")
        case Distinct(exact=exact):
            return (f"count(DISTINCT {name})" if exact else dialect.approx_distinct.format(x=name),)
        case TextCounts():
            return _text_terms(string_of(column, dialect), dialect)
        case CountWhere(above=above, below=below):
            return (_count_where(column, dialect, above, below),)
    raise TypeError(f"{type(fact).__name__} is not a scalar fact")


def scalar_answer(fact: Fact, column: Column | None, values: Sequence[Any], shift: Shift) -> Any:
    """Return the answer of a scalar fact from the values of its aggregates."""
    match fact:
        case Count() | CountWhere():
            return int(values[0] or 0)
        case Expression():
            return plain_value(values[0])
        case Missing():
            rows, present, *others = (int(v or 0) for v in values)
            return MissingCounts(rows, rows - present, *others)
        case Moments():
            return _moments(values, shift)
        case Extremes():
            assert column is not None
            return ExtremeValues(from_comparable(values[0], column), from_comparable(values[1], column))
        case Distinct(exact=exact):
            return DistinctCount(int(values[0] or 0), exact)
        case TextCounts():
            present, blank, null_like = (int(v or 0) for v in values[:3])
            return TextCountValues(present, blank, null_like, *(None if v is None else int(v) for v in values[3:]))
    raise TypeError(f"{type(fact).__name__} is not a scalar fact")


def count_if(condition: str) -> str:
    """Return an aggregate that counts rows for which a condition holds (0 on an empty table, never NULL)."""
    return f"count(CASE WHEN {condition} THEN 1 END)"


def number(column: Column, dialect: Dialect) -> str:
    """Return a numeric or boolean column as a finite double, else NULL."""
    name = dialect.column(column.name)
    if column.kind is ColumnKind.BOOLEAN:
        return f"CASE WHEN {name} THEN 1.0 WHEN NOT {name} THEN 0.0 END"
    double = dialect.as_double(name)
    return dialect.finite(double) if column.floating else double


def missing_if(column: Column, dialect: Dialect) -> str:
    """Return the condition that a value is missing: NULL, and NaN in float columns."""
    name = dialect.column(column.name)
    return f"({name} IS NULL OR {dialect.nan(dialect.as_double(name))})" if column.floating else f"({name} IS NULL)"


def time_of(column: Column, dialect: Dialect) -> str:
    """Return a date or timestamp that functions of time take: dates may lie millions of years away."""
    name = dialect.column(column.name)
    if column.date_only and dialect.last_date:
        first, last = f"DATE '-{dialect.last_date}'", f"DATE '{dialect.last_date}'"
        return f"CASE WHEN {name} > {last} THEN {last} WHEN {name} < {first} THEN {first} ELSE {name} END"
    if column.type == "TIMESTAMPTZ_NS":  # there are no functions for it
        return f"CAST({name} AS TIMESTAMPTZ)"
    return name


def comparable(column: Column, dialect: Dialect) -> str:
    """Return an expression whose min, max and quantiles mean what they should and can be fetched without loss."""
    name = dialect.column(column.name)
    if column.kind is ColumnKind.TEMPORAL:
        return dialect.micros.format(x=time_of(column, dialect))
    if column.kind is ColumnKind.BOOLEAN or column.floating:
        return number(column, dialect)
    if column.kind in (ColumnKind.NESTED, ColumnKind.BINARY, ColumnKind.DURATION, ColumnKind.NULL):
        return dialect.as_text(name)
    return name


def from_comparable(value: Any, column: Column) -> Value:
    """Return a value of `comparable` as the column's own type."""
    if value is None:
        return None
    if column.kind is ColumnKind.TEMPORAL:
        return time_from_micros(int(value), zoned=column.zoned)
    plain = plain_value(value)
    return int(plain) if column.integer and isinstance(plain, float) else plain


def bound(value: float | dt.datetime, column: Column, dialect: Dialect) -> str:
    """Return a bound as the literal to compare `comparable(column)` with."""
    if isinstance(value, dt.datetime):
        moment = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        micros = (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
        return str(micros)
    return dialect.number(value)


def _missing_terms(name: str, column: Column, dialect: Dialect) -> tuple[str, ...]:
    terms = ("count(*)", f"count({name})")
    if not column.floating:
        return terms
    double = dialect.as_double(name)
    return (
        *terms,
        count_if(dialect.nan(double)),
        count_if(dialect.infinite(double)),
        count_if(dialect.infinite(double, negative=True)),
    )


def _moment_terms(value: str, dialect: Dialect, shift: Shift) -> tuple[str, ...]:
    d = f"(({value} - {dialect.number(shift.center)}) / {dialect.number(shift.scale)})"
    return (f"count({value})", f"sum({d})", f"sum({d}*{d})", f"sum({d}*{d}*{d})", f"sum({d}*{d}*{d}*{d})")


def _moments(values: Sequence[Any], shift: Shift) -> MomentValues:
    n = int(values[0] or 0)
    if n == 0:
        return MomentValues(0, float("nan"), float("nan"), float("nan"), float("nan"))
    with np.errstate(over="ignore", invalid="ignore"):  # the fourth power of 1e300 is infinite, and says so
        s1, s2, s3, s4 = (np.float64(v) for v in values[1:])
        a, c = s1 / n, np.float64(shift.scale)
        m2 = np.maximum(s2 - n * a * a, 0.0)
        m3 = s3 - 3 * a * s2 + 2 * n * a**3
        m4 = np.maximum(s4 - 4 * a * s3 + 6 * a * a * s2 - 3 * n * a**4, 0.0)
        return MomentValues(n, float(shift.center + c * a), float(c * c * m2), float(c**3 * m3), float(c**4 * m4))


def string_of(column: Column, dialect: Dialect) -> str:
    """Return a text column as such: functions of text do not take a UUID."""
    name = dialect.column(column.name)
    return name if column.type == "VARCHAR" else dialect.as_text(name)


def text_conditions(text: str, dialect: Dialect) -> tuple[str, str]:
    """Return the conditions that a string is blank, and that it is null-like."""
    trimmed = dialect.trimmed(text)
    words = ", ".join(dialect.literal(word) for word in NULL_LIKE)
    return f"{trimmed} = ''", f"lower({trimmed}) IN ({words})"


def _text_terms(name: str, dialect: Dialect) -> tuple[str, ...]:
    blank, null_like = text_conditions(name, dialect)
    return (f"count({name})", count_if(blank), count_if(null_like), f"min(length({name}))", f"max(length({name}))")


def _count_where(
    column: Column, dialect: Dialect, above: float | dt.datetime | None, below: float | dt.datetime | None
) -> str:
    if column.kind is ColumnKind.TEMPORAL:
        value = comparable(column, dialect)
    else:
        value = dialect.as_double(dialect.column(column.name))
    conditions = []
    if above is not None:
        conditions.append(f"{value} > {bound(above, column, dialect)}")
    if below is not None:
        conditions.append(f"{value} < {bound(below, column, dialect)}")
    if column.floating:
        conditions.append(f"NOT {dialect.nan(value)}")  # NaN sorts above every number
    return count_if(" AND ".join(conditions or [f"{dialect.column(column.name)} IS NOT NULL"]))
