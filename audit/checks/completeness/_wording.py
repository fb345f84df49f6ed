"""How the completeness checks write numbers, values and predicates."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence

from audit.dataset import Dataset
from audit.facts import Value, quote_name
from audit.findings import NotEvaluated


def percent(share: float) -> str:
    """Return a share as a percentage that never rounds to 0% or 100% unless it is.

    >>> percent(0.1234), percent(0.00002), percent(0.99996), percent(1.0)
    ('12.3%', '0.002%', '99.996%', '100%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    near = min(share, 1.0 - share)
    digits = 1 if near >= 0.0005 else min(9, math.ceil(-math.log10(max(near, 1e-12))) - 2)
    return f"{share:.{digits}%}"


def listed(words: Sequence[str], most: int = 5) -> str:
    """Return the first words of a list, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(f"'{word}'" for word in words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most:,} more"


def counted(count: int, noun: str) -> str:
    """Return a number and its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def nothing_to_judge(data: Dataset) -> NotEvaluated | None:
    """Return why a dataset has nothing to judge: no column, or no row."""
    if not data.columns:
        return NotEvaluated("the dataset has no columns")
    if data.rows == 0:
        return NotEvaluated("the dataset has no rows")
    return None


def is_missing(column: str, floating: bool) -> str:
    """Return the SQL predicate "this value is NULL or NaN"."""
    name = quote_name(column)
    return f"({name} IS NULL OR isnan({name}))" if floating else f"{name} IS NULL"


def literal(value: Value) -> str:
    """Return a value as SQL writes it.

    >>> print(literal("it's"), literal(dt.date(2024, 3, 1)), literal(True))
    'it''s' DATE '2024-03-01' TRUE
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        kind = "TIMESTAMPTZ" if value.tzinfo else "TIMESTAMP"
        return f"{kind} '{value.isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, float) and not math.isfinite(value):
        return f"CAST('{value}' AS DOUBLE)"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def is_one_of(column: str, values: Iterable[Value]) -> str:
    """Return the SQL predicate "this value is one of these"."""
    return f"{quote_name(column)} IN ({', '.join(literal(value) for value in values)})"


def equals(column: str, value: Value) -> str:
    """Return the SQL predicate "this value is that one", for NULL too."""
    return f"{quote_name(column)} IS NULL" if value is None else f"{quote_name(column)} = {literal(value)}"
