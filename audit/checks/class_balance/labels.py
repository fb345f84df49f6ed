"""What the checks of this dimension share: classes as people and SQL write them, and tables of classes by part."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.dataset import Dataset
from audit.facts import Value, quote_name
from audit.findings import NotEvaluated

NO_LABEL = NotEvaluated("no column has the role label; name it with --label")


def without_classes(data: Dataset) -> NotEvaluated | None:
    """Return why there are no classes to judge, or None where the label has classes."""
    if data.roles.label is None:
        return NO_LABEL
    if data.roles.label_kind == "number":
        return NotEvaluated(f"the label '{data.roles.label}' is a number, not a class; BAL004 judges its shape")
    return None


def is_value(value: Value) -> bool:
    """Whether a cell holds something: not NULL and not NaN (missing labels are the business of completeness)."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def name_of(value: Value) -> str:
    """Return a class as people read it: whole floats without their `.0`, long text cut.

    >>> name_of(1.0), name_of(True), name_of(None)
    ('1', 'true', 'missing')
    """
    if not is_value(value):
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def literal(value: Value) -> str:
    """Return a value as an SQL literal.

    >>> literal("it's"), literal(3), literal(True), literal(dt.date(2024, 1, 2))
    ("'it''s'", '3', 'TRUE', "DATE '2024-01-02'")
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dt.datetime):
        kind = "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"
        return f"{kind} '{value.isoformat(sep=' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    return "'" + str(value).replace("'", "''") + "'"


def where_in(column: str, values: Iterable[Value]) -> str:
    """Return the predicate that a column holds one of these values.

    >>> where_in("y", [1, None])
    '("y" IN (1) OR "y" IS NULL)'
    """
    listed = list(values)
    name = quote_name(column)
    parts = []
    if any(v is not None for v in listed):
        parts.append(f"{name} IN ({', '.join(literal(v) for v in listed if v is not None)})")
    if any(v is None for v in listed):
        parts.append(f"{name} IS NULL")
    return parts[0] if len(parts) == 1 else "(" + " OR ".join(parts) + ")"


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Rows of each class in each part (a split, a group, a period): `counts` float64[part, class]."""

    parts: tuple[Value, ...]
    classes: tuple[Value, ...]
    counts: NDArray[np.float64]

    def sorted(self) -> ClassTable:
        """Return the same table with its parts in the order of their text: periods in order of time."""
        order = sorted(range(len(self.parts)), key=lambda i: str(self.parts[i]))
        return ClassTable(tuple(self.parts[i] for i in order), self.classes, self.counts[order])


def class_table(parts: Sequence[Value], labels: Sequence[Value], counts: Sequence[int]) -> ClassTable:
    """Return the rows of each class in each part; rows without a label or without a part are left out."""
    kept = [(p, y, n) for p, y, n in zip(parts, labels, counts, strict=True) if is_value(p) and is_value(y)]
    rows = {p: i for i, p in enumerate(dict.fromkeys(p for p, _, _ in kept))}
    columns = {y: i for i, y in enumerate(dict.fromkeys(y for _, y, _ in kept))}
    table = np.zeros((len(rows), len(columns)))
    for p, y, n in kept:
        table[rows[p], columns[y]] += n
    return ClassTable(tuple(rows), tuple(columns), table)


def largest_change(classes: Sequence[Value], here: NDArray[np.float64], there: NDArray[np.float64]) -> str:
    """Return in words which class differs most between two spreads: "class 'b' 12.0% instead of 5.0%"."""
    p, q = here / here.sum(), there / there.sum()
    k = int(np.argmax(np.abs(p - q)))
    return f"class '{name_of(classes[k])}' is {p[k]:.1%} here and {q[k]:.1%} there"
