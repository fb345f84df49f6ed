"""A suite for Great Expectations 1.x, written from what was inferred of a table; it needs no Great Expectations."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from audit._version import __version__
from audit.dataset import ColumnKind
from audit.suggestion import ColumnFacts, Suggestion

ROWS_MARGIN = 0.5
MISSING_MARGIN = 0.01


def suite_of(suggestion: Suggestion, name: str) -> dict[str, Any]:
    """Return the suite as the mapping that Great Expectations stores as JSON.

    It expects the columns, half as many to one and a half times as many rows, no more missing values in a column than
    one percentage point above today's (none where there are none), unique keys, the categories of text columns with
    few of them, and numbers within their extremes, a tenth of their distance wider.
    """
    expectations = [*_of_table(suggestion)]
    for column in suggestion.columns:
        expectations += _of_column(column, suggestion)
    meta = {"dataset_audit": __version__, "inferred_from": suggestion.uri, "rows": suggestion.rows}
    return {"name": name, "expectations": expectations, "meta": meta}


def suite_json(suggestion: Suggestion, name: str) -> str:
    """Return the suite as JSON text."""
    return json.dumps(suite_of(suggestion, name), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _of_table(suggestion: Suggestion) -> Iterator[dict[str, Any]]:
    names = [facts.column.name for facts in suggestion.columns]
    yield _expectation("expect_table_columns_to_match_set", column_set=names, exact_match=True)
    low, high = (1 - ROWS_MARGIN) * suggestion.rows, (1 + ROWS_MARGIN) * suggestion.rows
    row_count = {"min_value": math.floor(low), "max_value": math.ceil(high)}
    yield _expectation("expect_table_row_count_to_be_between", severity="warning", **row_count)
    keys = [role.columns for role in suggestion.roles if role.role == "key" and len(role.columns) > 1]
    for columns in keys:
        yield _expectation("expect_compound_columns_to_be_unique", column_list=list(columns))


def _of_column(facts: ColumnFacts, suggestion: Suggestion) -> Iterator[dict[str, Any]]:
    name = facts.column.name
    if facts.missing_share == 0.0:
        yield _expectation("expect_column_values_to_not_be_null", column=name)
    elif facts.missing_share < 1.0:
        mostly = max(0.0, math.floor(1000 * (1.0 - facts.missing_share - MISSING_MARGIN)) / 1000)
        yield _expectation("expect_column_values_to_not_be_null", column=name, mostly=mostly)
    keys = {column for role in suggestion.roles if role.role == "key" for column in role.columns}
    if facts.unique and name in keys:
        yield _expectation("expect_column_values_to_be_unique", column=name)
    if facts.categories:
        yield _expectation("expect_column_values_to_be_in_set", column=name, value_set=list(facts.categories))
    known = (c.value for c in suggestion.changes if (c.code, c.option) == ("REP006", "ranges"))
    ranges: Mapping[str, Any] = next(known, {})
    if name in ranges and facts.column.kind is ColumnKind.NUMERIC:
        low, high = ranges[name]
        yield _expectation("expect_column_values_to_be_between", column=name, min_value=low, max_value=high)


def _expectation(kind: str, severity: str = "critical", **arguments: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": arguments, "severity": severity}
