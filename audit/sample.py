"""The shared sample of rows, with each column converted once for all checks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audit.findings import Basis

if TYPE_CHECKING:
    import pyarrow as pa

    from audit.facts import Value

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A uniform sample of rows (or all of them), as an Arrow table with cached numpy views.

    Rows are in the order of the source. Arrays are read-only: they are shared between checks.

    Attributes:
        table: the sampled columns; of a binary or nested one only whether a value is there (true, else NULL), but for
            lists of floats, which are held as they are.
        row_ids: int64[n], the row's number in the source: what `Finding.row_ids` refers to.
        of: rows in the dataset.
        seed: the sample's seed.
    """

    table: pa.Table
    row_ids: NDArray[np.int64]
    of: int
    seed: int
    _cache: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> int:
        """Rows in the sample."""
        return int(self.table.num_rows)

    @property
    def exact(self) -> bool:
        """Whether the sample is the whole dataset."""
        return self.rows == self.of

    @property
    def basis(self) -> Basis:
        """What to write on a finding that rests on this sample."""
        return self.basis_of(self.rows)

    def basis_of(self, rows: int) -> Basis:
        """Return the basis of a number that used only `rows` of the sample's rows."""
        if rows == self.of:
            return Basis(rows, self.of)
        error = 0.98 / rows**0.5 if rows else None  # 1.96 * sqrt(0.25 / n): the widest 95% interval of a share
        return Basis(rows, self.of, self.seed, error)

    def numbers(self, column: str) -> Floats:
        """Return a numeric, boolean or temporal column as float64[n]; NULL is NaN; times are UTC seconds since 1970.

        Infinities stay; use `finite` for values without NaN and infinity.
        """
        numbers: Floats = self._once("numbers", column, lambda: _numbers(self.table.column(column)))
        return numbers

    def finite(self, column: str) -> Floats:
        """Return the finite values of a column, float64[<= n], in row order."""
        values = self.numbers(column)
        finite: Floats = self._once("finite", column, lambda: _frozen(values[np.isfinite(values)]))
        return finite

    def ordered(self, column: str) -> Floats:
        """Return the finite values of a column in ascending order: quantiles and histograms are look-ups in it."""
        values = self.finite(column)
        ordered: Floats = self._once("ordered", column, lambda: _frozen(np.sort(values)))
        return ordered

    def codes(self, column: str) -> tuple[Codes, tuple[Value, ...]]:
        """Return any column as category codes: int64[n] with -1 for NULL (and NaN), and the values they stand for.

        Values are sorted (as text when types mix), so that codes do not depend on row order.
        """
        codes: tuple[Codes, tuple[Value, ...]] = self._once("codes", column, lambda: _codes(self.table.column(column)))
        return codes

    def missing(self, column: str) -> NDArray[np.bool_]:
        """Return bool[n]: NULL or NaN."""
        mask: NDArray[np.bool_] = self._once("missing", column, lambda: _missing(self.table.column(column)))
        return mask

    def values(self, column: str) -> list[Any]:
        """Return a column as Python values: for text, at most a few thousand rows of it."""
        return cells(self.table.column(column))

    def _once(self, view: str, column: str, make: Any) -> Any:
        key = (view, column)
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]


def cells(column: pa.ChunkedArray) -> list[Any]:
    """Return Arrow values as Python ones; times that Python cannot hold are cut to the ends of its calendar."""
    import pyarrow as pa

    array = _plain(column)
    if not (pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)):
        return list(array.to_pylist())
    zoned = getattr(array.type, "tz", None) is not None
    times = [None if m is None else time_from_micros(m, zoned=zoned) for m in _micros(array).to_pylist()]
    return [t.date() if t and pa.types.is_date(array.type) else t for t in times]


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _plain(column: Any) -> Any:
    """Return a chunked column as one array, dictionaries decoded."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps a chunked array for some types
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type=array.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _numbers(column: Any) -> Floats:
    import pyarrow as pa

    array = _plain(column)
    if pa.types.is_null(array.type):
        return _frozen(np.full(len(array), np.nan))
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return _frozen(_float64(_micros(array)) / 1e6)
    if pa.types.is_interval(array.type):
        return _frozen(_interval_seconds(array))
    return _frozen(_float64(array))


def _micros(array: Any) -> Any:
    """Return dates and timestamps as int64 microseconds since 1970; dates millions of years away are cut to fit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date32(array.type):
        days = pc.cast(pc.cast(array, pa.int32()), pa.int64())
        return pc.multiply(
            pc.max_element_wise(pc.min_element_wise(days, _DAYS, skip_nulls=False), -_DAYS, skip_nulls=False),
            86_400_000_000,
        )
    return pc.cast(pc.cast(array, pa.timestamp("us", getattr(array.type, "tz", None)), safe=False), pa.int64())


_DAYS = 100_000_000  # what an int64 of microseconds can hold, rounded down


def _interval_seconds(array: Any) -> Floats:
    """Return intervals in seconds, a month as 30 days, as SQL counts them."""
    parts = np.frombuffer(array.buffers()[1], dtype=[("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
    parts = parts[array.offset : array.offset + len(array)]
    seconds = (30.0 * parts["months"] + parts["days"]) * 86_400 + parts["nanos"] / 1e9
    return np.where(_missing(array), np.nan, seconds)


def _float64(array: Any) -> Floats:
    import pyarrow as pa
    import pyarrow.compute as pc

    floats = pc.cast(array, pa.float64(), safe=False)
    if floats.null_count:
        floats = pc.fill_null(floats, float("nan"))
    return np.array(floats.to_numpy(zero_copy_only=False), dtype=np.float64)


def _missing(column: Any) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    array = _plain(column)
    nan_is_null = pa.types.is_floating(array.type)
    return _frozen(np.asarray(pc.is_null(array, nan_is_null=nan_is_null).to_numpy(zero_copy_only=False), dtype=bool))


def _codes(column: Any) -> tuple[Codes, tuple[Value, ...]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    array = _plain(column)
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return _time_codes(array)
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        array = pa.array([None if v is None else repr(v) for v in array.to_pylist()], pa.string())
    encoded = pc.dictionary_encode(array)
    values = [plain_value(v) for v in encoded.dictionary.to_pylist()]
    codes = np.array(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    order = sorted(range(len(values)), key=lambda i: _sort_key(values[i]))
    rank = np.empty(len(values) + 1, dtype=np.int64)
    rank[order] = np.arange(len(values))
    rank[-1] = -1  # code -1 (missing) picks the last place
    return _frozen(rank[codes]), tuple(values[i] for i in order)


def _time_codes(array: Any) -> tuple[Codes, tuple[Value, ...]]:
    import pyarrow.compute as pc

    zone = getattr(array.type, "tz", None)
    micros = _micros(array)
    distinct = np.unique(micros.drop_null().to_numpy(zero_copy_only=False))
    codes = np.searchsorted(distinct, pc.fill_null(micros, 0).to_numpy(zero_copy_only=False)).astype(np.int64)
    codes[np.asarray(pc.is_null(micros).to_numpy(zero_copy_only=False), dtype=bool)] = -1
    return _frozen(codes), tuple(time_from_micros(int(m), zoned=zone is not None) for m in distinct)


_EPOCH = dt.datetime(1970, 1, 1)


def time_from_micros(micros: int, *, zoned: bool = False) -> dt.datetime:
    """Return microseconds since 1970 as a datetime (UTC when `zoned`); years beyond 1 to 9999 are cut to the ends.

    >>> time_from_micros(86_400_000_000)
    datetime.datetime(1970, 1, 2, 0, 0)
    """
    try:
        time = _EPOCH + dt.timedelta(microseconds=micros)
    except OverflowError:
        time = dt.datetime.max if micros > 0 else dt.datetime.min
    return time.replace(tzinfo=dt.UTC) if zoned else time


def _sort_key(value: Value) -> tuple[int, Any]:
    if isinstance(value, bool | int | float):
        return (0, float(value))
    if isinstance(value, dt.datetime):
        return (1, value.isoformat())
    return (2, str(value))


def plain_value(value: Any) -> Value:
    """Return a cell as one of the plain types of `facts.Value`: decimals as int or float, the unknown as text."""
    import decimal

    if value is None or isinstance(value, str | bool | int | float | dt.datetime | dt.date):
        return value
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, np.generic):
        return plain_value(value.item())
    return str(value)
