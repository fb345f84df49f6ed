"""Rows of a table with findings, apart from the rows without: nothing is lost, and each has its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.engine.duckdb import Connection, Limits
from audit.errors import AuditError, ConfigError
from audit.findings import Finding, Severity
from audit.result import Result
from audit.source import open_relation

if TYPE_CHECKING:
    import pyarrow as pa

CODES, REASONS = "audit_codes", "audit_reasons"

_OF_THE_MIX = frozenset({"class_balance", "representativeness"})
"""Dimensions whose findings are about how many rows of a kind there are: no single row is at fault, and taking the rows
of a rare class out would make it rarer."""

_OF_ROWS = frozenset({"REP005", "REP006"})
"""Checks of these dimensions that do mean single rows: spellings, and values that cannot be."""


@dataclass(frozen=True, slots=True)
class Split:
    """What `split` returns: `good` and `quarantined` together hold each row of the table once, in its order.

    Attributes:
        good: the rows that no such finding means, in the kind of frame that was given.
        quarantined: the others, with the columns `audit_codes` and `audit_reasons` (one entry a finding each).
        not_by_row: the findings about the mix (a drift, an imbalance) or about columns, and those that name fewer rows
            than they mean: no row was quarantined for them.
    """

    good: Any
    quarantined: Any
    not_by_row: tuple[Finding, ...]


def split(result: Result, frame: Any, *, severity: str = "fail") -> Split:
    """Part the rows of the table that was audited by its findings.

    Args:
        result: of an audit of this table.
        frame: the table: a pandas or polars frame, an Arrow table, a DuckDB relation or a path.
        severity: findings from here on quarantine their rows: "fail", "warn" or "info".

    Returns:
        The two parts; a pandas or polars frame comes back as such, anything else as Arrow tables.

    Raises:
        ConfigError: `severity` is another word.
        AuditError: the table has another number of rows than the audited one, or the names of the two new columns are
            taken.
    """
    import pyarrow as pa

    if severity.upper() not in Severity.__members__:
        raise ConfigError(f"severity is '{severity}'; allowed are fail, warn, info")
    wanted = [finding for finding in result.findings if finding.severity >= Severity[severity.upper()]]
    with Connection(Limits("1GB", None, None)) as connection:
        relation = open_relation(connection.raw, frame)
        if relation.rows != result.dataset.rows:
            raise AuditError(
                f"the table has {relation.rows:,} rows, the audited one {result.dataset.rows:,}: audit it anew"
            )
        names = tuple(column.name for column in relation.columns)
        if taken := {CODES, REASONS} & set(names):
            raise AuditError(f"the table has a column '{sorted(taken)[0]}' already; rename it first")
        table = connection.raw.sql(f"SELECT * FROM {relation.sql} ORDER BY {relation.row_id}").to_arrow_table()
        table = table.select(list(names)) if set(names) <= set(table.column_names) else table
        marks: dict[int, list[Finding]] = {}
        not_by_row = []
        dimension = {outcome.code: outcome.dimension for outcome in result.outcomes}
        for finding in wanted:
            of_mix = dimension.get(finding.code) in _OF_THE_MIX and finding.code not in _OF_ROWS
            rows = None if of_mix else _rows(connection, relation.sql, relation.row_id, finding)
            if rows is None:
                not_by_row.append(finding)
            for row in rows if rows is not None else ():
                marks.setdefault(row, []).append(finding)
    bad = np.zeros(table.num_rows, dtype=bool)
    bad[list(marks)] = True
    quarantined = table.filter(pa.array(bad))
    texts = pa.list_(pa.string())
    order = sorted(marks)
    quarantined = quarantined.append_column(CODES, pa.array([[f.code for f in marks[i]] for i in order], texts))
    quarantined = quarantined.append_column(REASONS, pa.array([[f.message for f in marks[i]] for i in order], texts))
    good = table.filter(pa.array(~bad))
    assert good.num_rows + quarantined.num_rows == result.dataset.rows
    return Split(_like(frame, good), _like(frame, quarantined), tuple(not_by_row))


def _rows(connection: Connection, source: str, row_id: str, finding: Finding) -> list[int] | None:
    """Return the places of a finding's rows in the table's order; None where it does not name all of them."""
    if finding.where is not None:
        condition = f"CASE WHEN {finding.where} THEN 1 ELSE 0 END = 1"
    elif finding.row_ids and len(finding.row_ids) == (finding.affected or len(finding.row_ids)):
        condition = f"{row_id} IN ({', '.join(str(int(row)) for row in finding.row_ids)})"
    else:
        return None
    numbered = f"SELECT *, row_number() OVER (ORDER BY {row_id}) - 1 AS audit_place FROM {source}"
    return [int(row[0]) for row in connection.rows(f"SELECT audit_place FROM ({numbered}) WHERE {condition}")]


def _like(frame: Any, table: pa.Table) -> Any:
    package = type(frame).__module__.split(".")[0]
    if package == "pandas":
        return table.to_pandas()
    if package == "polars":
        import polars

        return polars.from_arrow(table)
    return table
