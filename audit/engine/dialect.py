"""What differs between SQL engines, in one place.

DuckDB is the embedded default; Spark and PostgreSQL answer the same facts with the same text in their own words
(`audit.engine.sql` and `audit.engine.tables` write it). No value is compared in WHERE or FILTER: engines answer such
predicates from Parquet statistics, which leave NaN out, and count nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

WHITE_SPACE = " \t\n\r\u00a0"
"""What counts as blank around a string: `trim` alone removes spaces only."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Names and forms of one engine. Templates take `{x}`: the expression that they work on.

    `last_date` is the last day (and its negative the first) that `micros` and `truncate` take; empty where dates cannot
    lie further away.
    """

    name: str
    quote: str
    double: str
    text: str
    is_nan: str
    is_finite: str
    approx_distinct: str
    row_hash: str
    micros: str
    truncate: str
    timestamp: str
    quantile: str
    seeded_hash: str
    last_date: str = ""

    def column(self, name: str) -> str:
        """Return a quoted identifier."""
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def literal(self, text: str) -> str:
        """Return a text literal."""
        escaped = text.replace("\\", "\\\\") if self.name == "spark" else text
        return "'" + escaped.replace("'", "''") + "'"

    def number(self, value: float) -> str:
        """Return a number as a double literal."""
        return self.double.format(x=repr(float(value)))

    def as_double(self, expression: str) -> str:
        """Return the expression as a double: sums of float4 and of big integers are not to be trusted otherwise."""
        return self.double.format(x=expression)

    def trimmed(self, expression: str) -> str:
        """Return text without white space around it."""
        return f"trim(BOTH {self.literal(WHITE_SPACE)} FROM {expression})"

    def as_text(self, expression: str) -> str:
        """Return the expression as text."""
        return self.text.format(x=expression)

    def nan(self, expression: str) -> str:
        """Return the condition that a double is NaN."""
        return self.is_nan.format(x=expression)

    def infinite(self, expression: str, *, negative: bool = False) -> str:
        """Return the condition that a double is infinite with this sign."""
        sign = "-" if negative else ""
        return f"{expression} = {self.double.format(x=self.literal(f'{sign}Infinity'))}"

    def finite(self, expression: str) -> str:
        """Return a double where it is finite, else NULL."""
        return f"CASE WHEN {self.is_finite.format(x=expression)} THEN {expression} END"

    def hash_of(self, expressions: Sequence[str]) -> str:
        """Return a 64-bit hash of some expressions, NULL and NaN included."""
        return self.row_hash.format(x=", ".join(expressions))

    def time(self, moment: dt.datetime) -> str:
        """Return a wall-clock timestamp literal."""
        return self.timestamp.format(x=moment.replace(tzinfo=None).isoformat(sep=" "))

    def bucket(self, every: str, expression: str) -> str:
        """Return the start of the period that a time lies in."""
        return self.truncate.format(every=every, x=expression)


DUCKDB = Dialect(
    name="duckdb",
    quote='"',
    double="CAST({x} AS DOUBLE)",
    text="CAST({x} AS VARCHAR)",
    is_nan="isnan({x})",
    is_finite="isfinite({x})",
    approx_distinct="approx_count_distinct({x})",
    row_hash="hash({x})",
    micros="epoch_us({x})",
    truncate="date_trunc('{every}', CAST({x} AS TIMESTAMP))",
    timestamp="TIMESTAMP '{x}'",
    quantile="quantile_disc({x}, {p})",
    seeded_hash="hash({x}, {seed})",
    last_date="290000-01-01",
)

SPARK = Dialect(
    name="spark",
    quote="`",
    double="CAST({x} AS DOUBLE)",
    text="CAST({x} AS STRING)",
    is_nan="isnan({x})",
    is_finite="{x} - {x} = 0",  # it has no isfinite; infinity minus infinity is NaN
    approx_distinct="approx_count_distinct({x})",
    row_hash="xxhash64({x})",
    micros="unix_micros(CAST({x} AS TIMESTAMP))",
    truncate="date_trunc('{every}', CAST({x} AS TIMESTAMP))",
    timestamp="TIMESTAMP '{x}'",
    quantile="percentile_disc({p}) WITHIN GROUP (ORDER BY {x})",
    seeded_hash="xxhash64({x}, {seed})",
)

POSTGRES = Dialect(
    name="postgres",
    quote='"',
    double="CAST({x} AS double precision)",
    text="CAST({x} AS text)",
    is_nan="{x} = 'NaN'::double precision",
    is_finite="{x} - {x} = 0",
    approx_distinct="count(DISTINCT {x})",  # it has no sketch
    row_hash="hash_record_extended(ROW({x}), 0)",
    micros="CAST(extract(epoch FROM {x}) * 1000000 AS bigint)",
    truncate="date_trunc('{every}', CAST({x} AS timestamp))",
    timestamp="TIMESTAMP '{x}'",
    quantile="percentile_disc({p}) WITHIN GROUP (ORDER BY {x})",
    seeded_hash="hash_record_extended(ROW({x}), {seed})",
)

DIALECTS = {dialect.name: dialect for dialect in (DUCKDB, SPARK, POSTGRES)}
