"""What the checks of this dimension share: which columns can be compared with the reference, and how to name values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.dataset import Column, ColumnKind, Dataset
from audit.findings import NotEvaluated
from audit.sample import Sampled

NO_REFERENCE = NotEvaluated("there is no reference dataset to compare with; name one with --ref")
CATEGORICAL = (ColumnKind.TEXT, ColumnKind.BOOLEAN)
COMPARED = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.TEXT, ColumnKind.NULL)
CALENDAR_NAME = re.compile(r"(.*_)?(year|month|quarter|week|date|yearmonth|year_month|day|day_of_year)")
DATE_TEXT = re.compile(r"\d{4}-\d{2}(-\d{2}|$)")
IDENTIFIER_NAME = re.compile(r"(^|[_\W])(id|key|uuid|guid|rowid|index|number|nr|no|hash)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the columns of the data and of its reference fit together.

    Attributes:
        numeric: columns to compare as numbers.
        categorical: columns to compare as categories.
        left_out: columns that are not compared, with the reason.
        changed: (column, kind in the reference, kind in the data) of columns that are of another kind now.
        lost: columns that only the reference has.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    left_out: tuple[NotEvaluated, ...] = ()
    changed: tuple[tuple[str, str, str], ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is compared."""
        return self.numeric + self.categorical


def compare_columns(data: Dataset, reference: Dataset) -> Comparison:
    """Return which columns can be compared: keys, times, splits and weights always differ, so they are left out."""
    known = reference.by_name
    numeric: list[str] = []
    categorical: list[str] = []
    left_out: list[NotEvaluated] = []
    changed: list[tuple[str, str, str]] = []
    for column in data.columns:
        other = known.get(column.name)
        reason = _reason_to_leave_out(column, other, data)
        if reason is not None:
            left_out.append(NotEvaluated(reason, (column.name,)))
            continue
        assert other is not None
        kinds = {column.kind, other.kind} - {ColumnKind.NULL}
        if kinds <= {ColumnKind.NUMERIC, ColumnKind.BOOLEAN} and ColumnKind.NUMERIC in kinds:
            numeric.append(column.name)
        elif kinds <= {ColumnKind.TEXT} or kinds <= {ColumnKind.BOOLEAN}:
            categorical.append(column.name)
        else:
            changed.append((column.name, other.kind.value, column.kind.value))
    names = set(data.names)
    lost = tuple(name for name in reference.names if name not in names)
    return Comparison(tuple(numeric), tuple(categorical), tuple(left_out), tuple(changed), lost)


def _reason_to_leave_out(column: Column, other: Column | None, data: Dataset) -> str | None:
    roles = data.roles
    if other is None:
        return "the reference has no such column"
    if column.name in roles.key:
        return "a key differs by its nature"
    if column.kind is ColumnKind.TEMPORAL or column.name in (roles.time, roles.ingested):
        return "times differ by their nature; the freshness checks judge them"
    if column.name in (roles.split, roles.weight):
        return f"it is the {'split' if column.name == roles.split else 'weight'}"
    if CALENDAR_NAME.fullmatch(column.name.lower()):
        return "parts of a date differ by their nature"
    if column.kind not in COMPARED or other.kind in (ColumnKind.BINARY, ColumnKind.NESTED, ColumnKind.DURATION):
        return f"columns of kind {column.kind.value} are not compared"
    return None


def is_identifier(sampled: Sampled, column: str, *, text: bool) -> bool:
    """Return whether a column only tells rows apart.

    Text: more than half of its values are distinct, or all are dates. Numbers: whole, all distinct, and either named
    like an identifier or counting upwards with the rows.
    """
    if text:
        codes, values = sampled.codes(column)
        present = int(np.count_nonzero(codes >= 0))
        dates = len(values) > 1 and all(DATE_TEXT.match(str(value)) for value in values[:: max(1, len(values) // 50)])
        return dates or (present >= 30 and len(values) > present / 2)
    values_found = sampled.finite(column)
    n = len(values_found)
    if n < 30 or not bool(np.all(values_found == np.floor(values_found))):
        return False
    ascending = bool(np.all(np.diff(values_found) > 0))
    if ascending:
        return True
    return IDENTIFIER_NAME.search(column) is not None and len(np.unique(values_found)) == n


def category_counts(
    reference: Sampled, current: Sampled, column: str
) -> tuple[list[Any], NDArray[np.float64], NDArray[np.float64], tuple[int, int]]:
    """Return the categories of both samples, the counts of each in both, and the missing rows of both."""
    counted = []
    for sampled in (reference, current):
        codes, values = sampled.codes(column)
        shifted = np.bincount(codes + 1, minlength=len(values) + 1)
        counted.append((values, shifted[1:], int(shifted[0])))
    (known, known_counts, missing_before), (found, found_counts, missing_now) = counted
    place = {value: i for i, value in enumerate(known)}
    categories = list(known)
    for value in found:
        if value not in place:
            place[value] = len(categories)
            categories.append(value)
    a, b = np.zeros(len(categories)), np.zeros(len(categories))
    a[: len(known)] = known_counts
    b[[place[value] for value in found]] = found_counts
    return categories, a, b, (missing_before, missing_now)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count_of(1, "value"), count_of(2_000, "category")
    ('1 value', '2,000 categories')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def json_number(value: float) -> float | None:
    """Return a number as JSON knows it: None for NaN and infinities."""
    return float(value) if math.isfinite(value) else None


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, quoted.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
