"""Arrow in memory and in files, frames of pandas and polars, and streams of record batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from audit.facts import quote_name
from audit.sources.locate import Files
from audit.sources.messages import reading
from audit.sources.relation import Relation, SourceOptions, free_name
from audit.sources.temporary import drop, new_table_name, relation_of, relation_without_columns, store

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def open_table(
    connection: duckdb.DuckDBPyConnection, table: pa.Table, *, uri: str, id: str, notes: list[str] | None = None
) -> Relation:
    """Return a relation over an Arrow table without copying it: a column of row numbers is added beside the others."""
    import numpy as np
    import pyarrow as pa

    notes = notes if notes is not None else []
    if table.num_columns == 0:
        return relation_without_columns(table.num_rows, uri=uri, id=id, notes=notes)
    with reading(uri, "an Arrow table"):
        schema = _readable(table.schema, notes)
        table = table.rename_columns(schema.names).cast(schema)
        row = free_name(table.column_names)
        numbered = table.append_column(row, pa.array(np.arange(table.num_rows, dtype=np.int64)))
        name = new_table_name()
        connection.register(name, numbered)
        return relation_of(
            connection, quote_name(name), quote_name(row), uri=uri, id=id, notes=notes, rows=table.num_rows
        )


def open_stream(
    connection: duckdb.DuckDBPyConnection,
    reader: pa.RecordBatchReader,
    *,
    uri: str,
    id: str,
    size: int | None = None,
    notes: list[str] | None = None,
) -> Relation:
    """Return a relation over a stream: it can be read only once, so its rows go to a temporary table."""
    import pyarrow as pa

    notes = notes if notes is not None else []
    with reading(uri, "Arrow"):
        if not reader.schema.names:
            rows = sum(batch.num_rows for batch in reader)
            return relation_without_columns(rows, uri=uri, id=id, size=size, notes=notes)
        schema = _readable(reader.schema, notes)
        if schema != reader.schema:
            reader = pa.RecordBatchReader.from_batches(schema, _cast(reader, schema))
        name = new_table_name()
        connection.register(name, reader)
        try:
            table, row_id = store(connection, f"SELECT * FROM {quote_name(name)}", schema.names)
        finally:
            connection.unregister(name)
        return relation_of(connection, table, row_id, uri=uri, id=id, size=size, notes=notes)


def open_arrow_files(connection: duckdb.DuckDBPyConnection, files: Files, options: SourceOptions) -> Relation:
    """Return a relation over Arrow IPC (Feather) files or streams; several are read as one table by column name."""
    notes = list(files.notes)
    parts = []
    for path in files.paths:
        with files.open(path) as stream, reading(files.short(path), "Arrow"):
            parts.append(open_stream(connection, _ipc_reader(stream), uri=files.uri, id=files.id, notes=notes))
    if len(parts) == 1:
        only = parts[0]
        return relation_of(
            connection, only.sql, only.row_id, uri=files.uri, id=files.id, size=files.size(), notes=notes,
            columns=only.columns, rows=only.rows,
        )  # fmt: skip
    names = list(dict.fromkeys(column.name for part in parts for column in part.columns))
    select = " UNION ALL BY NAME ".join(
        f"SELECT {', '.join(quote_name(c.name) for c in part.columns)} FROM {part.sql}"
        for part in parts
        if part.columns
    )
    with reading(files.uri, "Arrow"):
        table, row_id = store(connection, select, names)
    drop(connection, [part.sql for part in parts if part.columns])
    for path, part in zip(files.paths, parts, strict=True):
        lacking = set(names) - {column.name for column in part.columns}
        notes += [f"column '{name}' is not in {files.short(path)}: NULL there" for name in names if name in lacking]
    return relation_of(connection, table, row_id, uri=files.uri, id=files.id, size=files.size(), notes=notes)


def _ipc_reader(stream: Any) -> Any:
    import pyarrow as pa

    magic = stream.read(6)
    stream.seek(0)
    if magic != b"ARROW1":
        return pa.ipc.open_stream(stream)
    source = pa.ipc.open_file(stream)
    batches = (source.get_batch(number) for number in range(source.num_record_batches))
    return pa.RecordBatchReader.from_batches(source.schema, batches)


def _readable(schema: pa.Schema, notes: list[str]) -> pa.Schema:
    """Return the schema that DuckDB is given: names that are there and distinct, types that it knows."""
    import pyarrow as pa

    taken: set[str] = set()
    fields = []
    for position, field in enumerate(schema):
        name = field.name or f"C{position}"
        if name.lower() in taken:
            name = free_name(taken, f"{name}_1")
        taken.add(name.lower())
        if name != field.name:
            notes.append(
                f"column {position + 1}, '{field.name}', is called '{name}' here: names must be there and differ by "
                "more than case"
            )
        kind = _readable_type(field.type)
        if kind != field.type:
            notes.append(f"column '{name}' is {field.type}, read as {kind}")
        fields.append(pa.field(name, kind))
    return pa.schema(fields)


def _readable_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    types = pa.types
    if types.is_float16(kind):
        return pa.float32()
    if types.is_decimal256(kind):
        return pa.decimal128(38, kind.scale) if kind.precision <= 38 else pa.float64()
    if types.is_list(kind) or types.is_large_list(kind):
        inner = _readable_type(kind.value_type)
        return kind if inner == kind.value_type else pa.list_(inner)
    if types.is_fixed_size_list(kind):
        inner = _readable_type(kind.value_type)
        return kind if inner == kind.value_type else pa.list_(inner, kind.list_size)
    if types.is_struct(kind):
        inner = [_readable_type(field.type) for field in kind]
        same = all(new == field.type for new, field in zip(inner, kind, strict=True))
        return kind if same else pa.struct([(f.name, new) for f, new in zip(kind, inner, strict=True)])
    return kind


def _cast(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in reader:
        columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
