"""Draw the one sample of a run: seeded, bounded, uniform, the same for any number of threads.

A row is in the sample when the hash of its row number and the seed is among the smallest, so the choice depends on
nothing else: not on the order of the scan, not on the other columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.dataset import Column, ColumnKind
from audit.engine.dialect import Dialect
from audit.engine.duckdb import Connection
from audit.sample import Sampled

MOST_CELLS = 20_000_000
"""Rows times columns of the sample: 1,000 columns are looked at in 20,000 rows."""

FEWEST_ROWS = 5_000
COLUMNS_A_STATEMENT = 100


def sample_size(rows: int, columns: int, wanted: int) -> int:
    """Return the number of rows to draw, of `rows`: `wanted`, or fewer where a table is very wide."""
    fitting = max(MOST_CELLS // max(columns, 1), FEWEST_ROWS)
    return min(rows, wanted, fitting)


def holds_values(column: Column) -> bool:
    """Whether the sample holds a column's values: of a binary or nested one (an image, say) only which are there."""
    if column.kind is ColumnKind.NESTED:  # lists of numbers are wanted: predicted probabilities may come as such
        return column.type.rstrip("0123456789[]") in ("DOUBLE", "FLOAT")
    return column.kind is not ColumnKind.BINARY


def _value_sql(column: Column, dialect: Dialect) -> str:
    name = dialect.column(column.name)
    return name if holds_values(column) else f"CASE WHEN {name} IS NOT NULL THEN TRUE END"


def sample_sql(
    columns: Sequence[Column], source: str, row_id: str, dialect: Dialect, *, rows: int, size: int, seed: int
) -> str:
    """Return the statement that draws slightly more than `size` rows (all, where size = rows)."""
    names = [f"{_value_sql(c, dialect)} AS c{i}" for i, c in enumerate(columns)]
    hashed = dialect.seeded_hash.format(x=row_id, seed=seed)
    outputs = ", ".join([*names, f"{row_id} AS row_", f"{hashed} AS hash_"])
    if size >= rows:
        return f"SELECT {outputs} FROM {source}"
    share = min(1.0, (size + 5 * size**0.5 + 10) / rows)
    if dialect.name == "duckdb":  # unsigned
        return f"SELECT {outputs} FROM {source} WHERE {hashed} < {int(share * 2**64)}"
    return f"SELECT {outputs} FROM {source} WHERE {hashed} < {int(share * 2**64) - 2**63}"


def draw(
    connection: Connection,
    columns: Sequence[Column],
    source: str,
    row_id: str,
    dialect: Dialect,
    *,
    rows: int,
    wanted: int,
    seed: int,
) -> Sampled:
    """Return the sample of at most `wanted` rows, in the order of the source."""
    size = sample_size(rows, len(columns), wanted)
    parts, row_ids = [], np.empty(0, dtype=np.int64)
    # the choice of rows depends on nothing but their numbers, so that a wide table can be drawn in slices
    for start in range(0, max(len(columns), 1), COLUMNS_A_STATEMENT):
        slice_ = columns[start : start + COLUMNS_A_STATEMENT]
        sql = sample_sql(slice_, source, row_id, dialect, rows=rows, size=size, seed=seed)
        table = connection.table(sql)
        order = _order(table, size)
        row_ids = np.asarray(table.column("row_").cast("int64").to_numpy())[order]
        parts.append(_in_order(table.select([f"c{i}" for i in range(len(slice_))]), order))
    row_ids.flags.writeable = False
    return Sampled(_side_by_side(parts, [c.name for c in columns]), row_ids, rows, seed)


def _order(table: Any, size: int) -> NDArray[np.int64]:
    """Return the places of the `size` rows with the smallest hashes, in the order of the source."""
    ids = table.column("row_").cast("int64").to_numpy()
    if len(ids) <= size:
        return np.argsort(ids, kind="stable")
    kept = np.argpartition(table.column("hash_").to_numpy(), size)[:size]
    return np.asarray(kept[np.argsort(ids[kept], kind="stable")])


def _in_order(table: Any, order: NDArray[np.int64]) -> Any:
    import pyarrow as pa

    sorted_already = len(order) == table.num_rows and bool((order[1:] > order[:-1]).all())
    return table if sorted_already else table.take(pa.array(order))


def _side_by_side(parts: list[Any], names: list[str]) -> Any:
    import pyarrow as pa

    columns = [column for part in parts for column in part.columns]
    kinds = [field.type for part in parts for field in part.schema]
    schema = pa.schema([pa.field(name, kind) for name, kind in zip(names, kinds, strict=True)])
    return pa.Table.from_arrays(columns, schema=schema)
