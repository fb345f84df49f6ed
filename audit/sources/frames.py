"""Frames of pandas and polars, as Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.errors import SourceError
from audit.sources.arrow import open_table
from audit.sources.messages import one_line, reading
from audit.sources.relation import Relation

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def open_pandas(connection: duckdb.DuckDBPyConnection, frame: Any, *, uri: str, id: str) -> Relation:
    """Return a relation over a pandas DataFrame or Series. NaN and NaT become NULL: pandas means both by them."""
    import pandas as pd

    if isinstance(frame, pd.Series):
        frame = frame.to_frame(name="value" if frame.name is None else frame.name)
    notes = ["pandas does not tell NaN from a missing value: NaN, NaT and None are all read as NULL"]
    if frame.index.name is not None or not isinstance(frame.index, pd.RangeIndex):
        notes.append("the index is left out; call reset_index() to have it audited")
    if frame.shape[1] == 0:
        import pyarrow as pa

        empty = pa.table({"rows": pa.nulls(len(frame))}).select([])
        return open_table(connection, empty, uri=uri, id=id, notes=notes)
    with reading(uri, "a pandas frame"):
        arrays = [_pandas_array(frame.iloc[:, i], notes) for i in range(frame.shape[1])]
        names = [name if isinstance(name, str) else str(name) for name in frame.columns]
    return open_table(connection, _table(arrays, names), uri=uri, id=id, notes=notes)


def _table(arrays: list[pa.ChunkedArray], names: list[str]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_arrays(arrays, names=names)


def _pandas_array(column: Any, notes: list[str]) -> Any:
    """Return a column as Arrow; one whose values have no common type becomes text."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    try:
        array = pa.Array.from_pandas(column)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        notes.append(f"column '{column.name}' has values of several or unknown types, so it is read as text")
        array = pa.array([None if _is_missing(value) else str(value) for value in column], pa.string())
    array = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    return array.cast(array.type.storage_type) if _is_pandas_extension(array.type) else array


def _is_pandas_extension(kind: Any) -> bool:
    return str(getattr(kind, "extension_name", "")).startswith("pandas.")


def _is_missing(value: Any) -> bool:
    import pandas as pd

    missing = pd.isna(value)
    return isinstance(missing, bool) and missing


def open_polars(connection: duckdb.DuckDBPyConnection, frame: Any, *, uri: str, id: str) -> Relation:
    """Return a relation over a polars DataFrame, LazyFrame (collected) or Series. NaN stays apart from NULL."""
    import polars as pl

    notes: list[str] = []
    try:
        if isinstance(frame, pl.LazyFrame):
            frame = frame.collect()
            notes.append("the lazy frame was collected into memory")
        if isinstance(frame, pl.Series):
            frame = frame.to_frame(frame.name or "value")
        objects = [name for name, kind in frame.schema.items() if kind == pl.Object]
        for name in objects:
            notes.append(f"column '{name}' holds Python objects, so it is read as text")
            text = pl.Series(name, [None if value is None else str(value) for value in frame[name]], dtype=pl.String)
            frame = frame.with_columns(text)
        if frame.width == 0:
            import pyarrow as pa

            empty = pa.table({"rows": pa.nulls(frame.height)}).select([])
            return open_table(connection, empty, uri=uri, id=id, notes=notes)
        table = frame.to_arrow()
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"cannot read {uri} as a polars frame: {one_line(error)}") from error
    return open_table(connection, table, uri=uri, id=id, notes=notes)
