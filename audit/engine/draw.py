"""Draw the one sample of a run: seeded, bounded, uniform, the same for any number of threads.

A row is in the sample when the hash of its row number and the seed is among the smallest, so the choice depends on
nothing else: not on the order of the scan, not on the other columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.dataset import Column, ColumnKind
from audit.engine.dialect import Dialect
from audit.engine.duckdb import Connection
from audit.sample import Sampled

MOST_CELLS = 20_000_000
"""Rows times columns of the sample: 1,000 columns are looked at in 20,000 rows."""

FEWEST_ROWS = 5_000


def sample_size(rows: int, columns: int, wanted: int) -> int:
    """Return the number of rows to draw, of `rows`: `wanted`, or fewer where a table is very wide."""
    fitting = max(MOST_CELLS // max(columns, 1), FEWEST_ROWS)
    return min(rows, wanted, fitting)


def sampled_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns that the sample holds: binary and nested ones stay where they are."""
    return tuple(c for c in columns if c.kind not in (ColumnKind.BINARY, ColumnKind.NESTED) or _is_list(c))


def sample_sql(
    columns: Sequence[Column], source: str, row_id: str, dialect: Dialect, *, rows: int, size: int, seed: int
) -> str:
    """Return the statement that draws slightly more than `size` rows (all, where size = rows)."""
    names = [f"{dialect.column(c.name)} AS c{i}" for i, c in enumerate(columns)]
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
    import pyarrow as pa

    held = sampled_columns(columns)
    size = sample_size(rows, len(held), wanted)
    if rows == 0:
        empty = connection.table(sample_sql(held, source, row_id, dialect, rows=0, size=0, seed=seed) + " LIMIT 0")
        return _sampled(empty, held, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), rows=rows, seed=seed)
    table: Any = connection.table(sample_sql(held, source, row_id, dialect, rows=rows, size=size, seed=seed))
    ids = table.column("row_").cast(pa.int64()).to_numpy()
    order = np.argsort(ids, kind="stable")
    if len(ids) > size:
        hashes = table.column("hash_").to_numpy()
        kept = np.argpartition(hashes, size)[:size]
        order = kept[np.argsort(ids[kept], kind="stable")]
    return _sampled(table, held, ids, order, rows=rows, seed=seed)


def _sampled(table: Any, columns: Sequence[Column], ids: Any, order: Any, *, rows: int, seed: int) -> Sampled:
    import pyarrow as pa

    in_order = len(order) == len(ids) and bool((order[1:] > order[:-1]).all())
    taken = table if in_order else table.take(pa.array(order))
    named = taken.select([f"c{i}" for i in range(len(columns))]).rename_columns([c.name for c in columns])
    row_ids = ids[order]
    row_ids.flags.writeable = False
    return Sampled(named, row_ids, rows, seed)


def _is_list(column: Column) -> bool:
    """Whether a nested column is a list of numbers, such as predicted probabilities."""
    return column.kind is ColumnKind.NESTED and column.type.rstrip("0123456789[]") in ("DOUBLE", "FLOAT")
