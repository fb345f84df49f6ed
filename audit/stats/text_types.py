"""What strings look like: numbers, numbers in a local format or with a unit, dates, booleans, codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.facts import NULL_LIKE

NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
THOUSANDS = r"^[+-]?\d{1,3}(?:[,' ]\d{3})+(?:\.\d+)?$"
THOUSANDS_DOT = r"^[+-]?\d{1,3}(?:\.\d{3})+,\d+$|^[+-]?\d{1,3}(?:\.\d{3}){2,}$"
DECIMAL_COMMA = r"^[+-]?\d+,\d+$"
WITH_UNIT = r"^[+-]?[$€£¥]\s?\d[\d,.]*$|^[+-]?\d[\d,.]*\s?(?:[$€£¥%‰°]|[a-zµ°][a-zA-Z/²³]{0,5}|[A-Z][a-zA-Z]{1,5})$"
BOOLEAN = r"^(?i:true|false|yes|no|t|f|y|n)$"
_TAIL = r"(?:(?:1[5-9]|2[01])\d{2}|\d{2})(?: \d{1,2}:\d{2}.*)?$"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
DATES: Mapping[str, str] = {
    "YYYY-MM-DD": r"^(?:1[5-9]|2[01])\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ]\d{2}:\d{2}.*)?$",
    "YYYY/MM/DD": r"^(?:1[5-9]|2[01])\d{2}[/.](?:0?[1-9]|1[0-2])[/.](?:0?[1-9]|[12]\d|3[01])(?:[T ]\d{1,2}:\d{2}.*)?$",
    "DD.MM.YYYY": r"^(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\." + _TAIL,
    "DD/MM/YYYY": r"^(?:1[3-9]|2\d|3[01])[/-](?:0?[1-9]|1[0-2])[/-]" + _TAIL,
    "MM/DD/YYYY": r"^(?:0?[1-9]|1[0-2])[/-](?:1[3-9]|2\d|3[01])[/-]" + _TAIL,
    "D/M or M/D": r"^(?:0?[1-9]|1[0-2])[/-](?:0?[1-9]|1[0-2])[/-]" + _TAIL,
    "DD Mon YYYY": r"^(?i:\d{1,2}[ -]" + _MONTH + r"[ -]\d{2,4})$",
    "Mon DD YYYY": r"^(?i:" + _MONTH + r" \d{1,2},? \d{4})$",
}
"""How dates are written; "D/M or M/D" is what nobody can tell apart (03/04/2024)."""

LOOKS_TYPED = r"^\s*[-+(]?\s*[$€£¥]?\s*\.?\d|^\s*(?i:(?:true|false|yes|no|t|f|y|n)\s*$|" + _MONTH + r" \d)"
"""Cheap first look: without a string of this form nothing below can match."""


@dataclass(frozen=True, slots=True)
class TextTypes:
    """How many strings look like what. Counts are of strings, not of distinct ones.

    Attributes:
        strings: strings that say something (not blank, not null-like).
        silent: blank and null-like strings.
        counts: by kind: number, thousands, thousands_dot, decimal_comma, unit, boolean, other.
        dates: by format (keys of `DATES`); a string counts as a date or as one of the kinds above.
        examples: up to five strings of each kind and date format.
        codes: numbers that are rather codes: a leading zero, or all whole, four or more digits, and equally long.
        spellings: distinct boolean words, as written.
        few_whole: whether the numbers are whole and take at most 20 values (levels of a scale, or of a code).
    """

    strings: int
    silent: int
    counts: Mapping[str, int]
    dates: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    codes: bool
    spellings: tuple[str, ...]
    few_whole: bool

    @property
    def numbers(self) -> int:
        """Strings that are a number in any format, without a unit."""
        return sum(self.counts[kind] for kind in ("number", "thousands", "thousands_dot", "decimal_comma"))

    @property
    def dated(self) -> int:
        """Strings that are a date in any format."""
        return sum(self.dates.values())


def odd_rows(column: Any, rows: NDArray[np.int64], usual: str) -> NDArray[np.int64]:
    """Return those of the rows whose string says something, but not in the usual form (a pattern)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.take(rows).cast(pa.string())
    text = pc.utf8_trim_whitespace(array)
    says = pc.invert(pc.is_in(pc.utf8_lower(text), value_set=pa.array(["", *NULL_LIKE])))
    odd = pc.and_(says, pc.invert(pc.match_substring_regex(text, usual)))
    found: NDArray[np.int64] = rows[np.asarray(pc.fill_null(odd, False).to_numpy(), dtype=bool)]
    return found


def looks_typed(column: Any, rows: NDArray[np.int64]) -> float:
    """Return the share of non-null strings at these rows that start like a number, a date or a boolean."""
    import pyarrow.compute as pc

    few = _strings(column.take(rows))
    if not len(few):
        return 0.0
    return float(pc.mean(pc.match_substring_regex(few, LOOKS_TYPED).cast("int8")).as_py() or 0.0)


def text_types(column: Any, rows: NDArray[np.int64]) -> TextTypes:
    """Say what the strings of an Arrow column look like, at these rows.

    Args:
        column: an Arrow string (or dictionary of strings) column.
        rows: int [k], positions to read.
    """
    import pyarrow.compute as pc

    encoded = pc.value_counts(_strings(column.take(rows)))
    strings = pc.utf8_trim_whitespace(encoded.field("values"))
    weights = np.asarray(encoded.field("counts").to_numpy(zero_copy_only=False), dtype=np.int64)
    silent = np.isin(
        np.array(pc.utf8_lower(strings).to_pylist(), dtype=object), np.array(["", *NULL_LIKE], dtype=object)
    )
    left = ~silent
    counts: dict[str, int] = {}
    dates: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}

    def take(kind: str, pattern: str | None, into: dict[str, int]) -> NDArray[np.bool_]:
        hit = left.copy()
        if pattern is not None and left.any():
            hit &= np.asarray(pc.match_substring_regex(strings, pattern).to_numpy(zero_copy_only=False), dtype=bool)
        into[kind] = int(weights[hit].sum())
        if hit.any():
            top = np.flatnonzero(hit)[np.argsort(-weights[hit], kind="stable")[:5]]
            examples[kind] = tuple(str(strings[int(i)].as_py())[:60] for i in top)
        left[hit] = False
        return hit

    number = take("number", NUMBER, counts)
    for name, pattern in DATES.items():
        take(name, pattern, dates)
    take("thousands", THOUSANDS, counts)
    take("thousands_dot", THOUSANDS_DOT, counts)
    take("decimal_comma", DECIMAL_COMMA, counts)
    boolean = take("boolean", BOOLEAN, counts)
    take("unit", WITH_UNIT, counts)
    take("other", None, counts)
    said = int(weights[~silent].sum())
    return TextTypes(
        strings=said,
        silent=int(weights[silent].sum()),
        counts=counts,
        dates={name: n for name, n in dates.items() if n},
        examples=examples,
        codes=_are_codes(strings, number),
        spellings=tuple(sorted(str(strings[int(i)].as_py()) for i in np.flatnonzero(boolean))),
        few_whole=_few_whole(strings, number),
    )


def _are_codes(strings: Any, number: NDArray[np.bool_]) -> bool:
    """Whether numbers are rather codes: leading zeros (postcodes), or whole numbers of one length (four or more)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not number.any():
        return False
    texts = strings.filter(pa.array(number))
    if pc.any(pc.match_substring_regex(texts, r"^0\d")).as_py():
        return True
    whole = pc.all(pc.match_substring_regex(texts, r"^\d{4,}$")).as_py()
    lengths = pc.utf8_length(texts)
    return bool(whole and len(texts) > 1 and pc.min(lengths).as_py() == pc.max(lengths).as_py())


def _few_whole(strings: Any, number: NDArray[np.bool_]) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = strings.filter(pa.array(number))
    return 0 < len(texts) <= 20 and bool(pc.all(pc.match_substring_regex(texts, r"^[+-]?\d+$")).as_py())


def _strings(column: Any) -> Any:
    """Return the non-null strings of an Arrow column as one plain array."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.string())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pa.string()).drop_null()
