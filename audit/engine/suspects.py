"""Exact facts about equal rows, in two steps: suspects by a 64-bit hash, then proof value by value.

Rows whose hash occurs once are unique for certain, so clean data costs one narrow group-by. Only where a hash repeats
are the rows themselves compared, so a collision can never make a finding. SQL's GROUP BY takes NULL as equal to NULL
and NaN as equal to NaN, which is what "the same row" means here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from audit.engine.sql import missing_if
from audit.engine.tables import Rows, Scan, group_key, read_key
from audit.facts import (
    ConflictCounts,
    Conflicts,
    DuplicateCounts,
    DuplicateRows,
    Fact,
    KeyCount,
    KeyCounts,
    SplitOverlap,
    SplitOverlapTable,
)
from audit.sample import plain_value

Ask = Callable[[str], Rows]
"""Runs a statement and returns its rows."""

MOST_ROW_IDS = 1_000
MOST_EXAMPLES = 5


def answer_suspects(fact: Fact, scan: Scan, row_id: str, ask: Ask) -> Any:
    """Return the answer of a fact about equal rows.

    Raises:
        TypeError: the fact is another one.
    """
    match fact:
        case KeyCount():
            return _key_count(fact, scan, row_id, ask)
        case DuplicateRows():
            return _duplicates(fact, scan, row_id, ask)
        case Conflicts():
            return _conflicts(fact, scan, row_id, ask)
        case SplitOverlap():
            return _overlap(fact, scan, ask)
    raise TypeError(f"{type(fact).__name__} does not look for equal rows")


# --- keys -------------------------------------------------------------------------------------------------------------


def key_totals_sql(columns: Sequence[str], scan: Scan) -> str:
    """Count rows, incomplete rows, distinct keys and keys that repeat."""
    complete = " AND ".join(f"NOT {missing_if(scan.columns[c], scan.dialect)}" for c in columns)
    names = ", ".join(scan.name(c) for c in columns)
    inner = f"SELECT CASE WHEN {complete} THEN 1 ELSE 0 END AS whole, count(*) AS n FROM {scan.source} GROUP BY {names}"
    return (
        f"SELECT sum(n), sum(CASE WHEN whole = 0 THEN n ELSE 0 END), sum(whole), "
        f"count(CASE WHEN whole = 1 AND n > 1 THEN 1 END) FROM ({inner}) AS g"
    )


def key_examples_sql(columns: Sequence[str], scan: Scan) -> str:
    """List the keys that repeat most."""
    complete = " AND ".join(f"NOT {missing_if(scan.columns[c], scan.dialect)}" for c in columns)
    keys = ", ".join(f"{group_key(scan, c)} AS k{i}" for i, c in enumerate(columns))
    names = ", ".join(scan.name(c) for c in columns)
    order = ", ".join(["n DESC", *(f"k{i}" for i in range(len(columns)))])
    return (
        f"SELECT {keys}, count(*) AS n FROM {scan.source} GROUP BY {names} "
        f"HAVING count(*) > 1 AND count(CASE WHEN {complete} THEN 1 END) > 0 ORDER BY {order} LIMIT {MOST_EXAMPLES}"
    )


def repeated_key_rows_sql(columns: Sequence[str], scan: Scan, row_id: str) -> str:
    """List the row numbers of keys that repeat: those that repeat most first, the rows of a key together."""
    complete = " AND ".join(f"NOT {missing_if(scan.columns[c], scan.dialect)}" for c in columns)
    names = _places(columns)
    suspects = f"SELECT {_hash(columns, scan)} AS h FROM {scan.source} GROUP BY 1 HAVING count(*) > 1"
    rows = (
        f"SELECT {_placed(columns, scan)}, {row_id} AS row_ FROM {scan.source} "
        f"WHERE CASE WHEN {complete} THEN 1 ELSE 0 END = 1 AND {_hash(columns, scan)} IN ({suspects})"
    )
    counted = (
        f"SELECT row_, count(*) OVER (PARTITION BY {names}) AS n, min(row_) OVER (PARTITION BY {names}) AS first_ "
        f"FROM ({rows}) AS r"
    )
    return f"SELECT row_ FROM ({counted}) AS g WHERE n > 1 ORDER BY n DESC, first_, row_ LIMIT {MOST_ROW_IDS}"


def _key_count(fact: KeyCount, scan: Scan, row_id: str, ask: Ask) -> KeyCounts:
    rows, null, distinct, duplicated = (int(v or 0) for v in ask(key_totals_sql(fact.columns, scan))[0])
    examples: tuple[tuple[tuple[Any, ...], int], ...] = ()
    if duplicated:
        found = ask(key_examples_sql(fact.columns, scan))
        examples = tuple(
            (tuple(read_key(scan, c, row[i]) for i, c in enumerate(fact.columns)), int(row[-1])) for row in found
        )
    row_ids: tuple[int, ...] = ()
    if duplicated > len(examples):
        row_ids = tuple(int(row[0]) for row in ask(repeated_key_rows_sql(fact.columns, scan, row_id)))
    return KeyCounts(rows, null, distinct, duplicated, rows - null - distinct, examples, row_ids)


# --- rows that repeat -------------------------------------------------------------------------------------------------


def repeated_hashes_sql(columns: Sequence[str], scan: Scan) -> str:
    """Count the hashes that occur more than once, and the rows that have them."""
    inner = f"SELECT count(*) AS n FROM {scan.source} GROUP BY {_hash(columns, scan)} HAVING count(*) > 1"
    return f"SELECT count(*), sum(n) FROM ({inner}) AS g"


def repeated_rows_sql(columns: Sequence[str], scan: Scan, row_id: str) -> str:
    """List the rows that truly repeat, among those whose hash does: count, first row number, the largest first."""
    names = _places(columns)
    suspects = f"SELECT {_hash(columns, scan)} AS h FROM {scan.source} GROUP BY 1 HAVING count(*) > 1"
    rows = (
        f"SELECT {_placed(columns, scan)}, {row_id} AS row_ FROM {scan.source} "
        f"WHERE {_hash(columns, scan)} IN ({suspects})"
    )
    groups = f"SELECT count(*) AS n, min(row_) AS first_ FROM ({rows}) AS r GROUP BY {names} HAVING count(*) > 1"
    return f"SELECT n, first_, count(*) OVER (), sum(n) OVER () FROM ({groups}) AS g ORDER BY n DESC, first_ LIMIT 5"


def extra_rows_sql(columns: Sequence[str], scan: Scan, row_id: str) -> str:
    """List the row numbers of repeats, the first of each group left out."""
    names = _places(columns)
    suspects = f"SELECT {_hash(columns, scan)} AS h FROM {scan.source} GROUP BY 1 HAVING count(*) > 1"
    rows = (
        f"SELECT {_placed(columns, scan)}, {row_id} AS row_ FROM {scan.source} "
        f"WHERE {_hash(columns, scan)} IN ({suspects})"
    )
    ranked = f"SELECT row_, row_number() OVER (PARTITION BY {names} ORDER BY row_) AS place FROM ({rows}) AS r"
    return f"SELECT row_ FROM ({ranked}) AS g WHERE place > 1 ORDER BY row_ LIMIT {MOST_ROW_IDS}"


def row_sql(columns: Sequence[str], scan: Scan, row_id: str, row: int) -> str:
    """Fetch one row by its number, every value as text."""
    values = ", ".join(scan.dialect.as_text(scan.name(c)) for c in columns)
    return f"SELECT {values} FROM {scan.source} WHERE {row_id} = {row}"


def count_sql(scan: Scan) -> str:
    """Count the rows."""
    return f"SELECT count(*) FROM {scan.source}"


def _placed(columns: Sequence[str], scan: Scan) -> str:
    """Return columns under names of our own, which those of the statement (`h`, `n`, `row_` ...) cannot meet."""
    return ", ".join(f"{scan.name(c)} AS c{i}" for i, c in enumerate(columns))


def _places(columns: Sequence[str]) -> str:
    return ", ".join(f"c{i}" for i in range(len(columns)))


def _hash(columns: Sequence[str], scan: Scan) -> str:
    return scan.dialect.hash_of([scan.name(c) for c in columns])


def _duplicates(fact: DuplicateRows, scan: Scan, row_id: str, ask: Ask) -> DuplicateCounts:
    columns = fact.columns or tuple(scan.columns)
    rows = int(ask(count_sql(scan))[0][0])
    if not columns:
        return DuplicateCounts(rows, 0, 0, 0)
    if not int(ask(repeated_hashes_sql(columns, scan))[0][0]):
        return DuplicateCounts(rows, 0, 0, 1 if rows else 0)
    found = ask(repeated_rows_sql(columns, scan, row_id))
    if not found:  # hashes met, rows did not
        return DuplicateCounts(rows, 0, 0, 1)
    groups, members = int(found[0][2]), int(found[0][3])
    row_ids = tuple(int(row[0]) for row in ask(extra_rows_sql(columns, scan, row_id)))
    examples = []
    for n, first, *_ in found:
        values = ask(row_sql(columns, scan, row_id, int(first)))[0]
        examples.append((int(n), {c: plain_value(v) for c, v in zip(columns, values, strict=True)}))
    return DuplicateCounts(rows, groups, members - groups, int(found[0][0]), row_ids, tuple(examples))


# --- equal features, other label --------------------------------------------------------------------------------------


def label_hashes_sql(fact: Conflicts, scan: Scan) -> str:
    """Count labelled rows, rows in groups of at least two, and groups with more than one label, by hash."""
    label, h = scan.name(fact.label), _hash(fact.columns, scan)
    labelled = f"NOT {missing_if(scan.columns[fact.label], scan.dialect)}"
    pairs = f"SELECT {h} AS h, {label} AS y, count(*) AS n FROM {scan.source} WHERE {labelled} GROUP BY 1, 2"
    groups = f"SELECT sum(n) AS n, count(*) AS labels FROM ({pairs}) AS p GROUP BY h"
    return (
        "SELECT sum(n), sum(CASE WHEN n > 1 THEN n ELSE 0 END), count(CASE WHEN labels > 1 THEN 1 END) "
        f"FROM ({groups}) AS g"
    )


def _label_pairs(fact: Conflicts, scan: Scan, row_id: str) -> str:
    """Distinct (features, label) among rows whose feature hash has more than one label."""
    label, h = scan.name(fact.label), _hash(fact.columns, scan)
    names = _places(fact.columns)
    labelled = f"NOT {missing_if(scan.columns[fact.label], scan.dialect)}"
    hashed = f"SELECT {h} AS h, {label} AS y, count(*) AS n FROM {scan.source} WHERE {labelled} GROUP BY 1, 2"
    suspects = f"SELECT h FROM ({hashed}) AS p GROUP BY h HAVING count(*) > 1"
    rows = (
        f"SELECT {_placed(fact.columns, scan)}, {group_key(scan, fact.label)} AS y_, {row_id} AS row_ "
        f"FROM {scan.source} WHERE {labelled} AND {h} IN ({suspects})"
    )
    return f"SELECT {names}, y_, count(*) AS n_, min(row_) AS first_ FROM ({rows}) AS r GROUP BY {names}, y_"


def conflict_totals_sql(fact: Conflicts, scan: Scan, row_id: str) -> str:
    """Count groups of truly equal features with more than one label, their rows, and those off the majority label."""
    names = _places(fact.columns)
    groups = (
        f"SELECT sum(n_) AS n, max(n_) AS most FROM ({_label_pairs(fact, scan, row_id)}) AS q "
        f"GROUP BY {names} HAVING count(*) > 1"
    )
    return f"SELECT count(*), sum(n), sum(n - most) FROM ({groups}) AS g"


def conflict_list_sql(fact: Conflicts, scan: Scan, row_id: str) -> str:
    """List labels of groups in conflict, by group, each with its first row number."""
    names = _places(fact.columns)
    ranked = (
        f"SELECT y_, first_, count(*) OVER (PARTITION BY {names}) AS labels_, "
        f"min(first_) OVER (PARTITION BY {names}) AS group_ FROM ({_label_pairs(fact, scan, row_id)}) AS q"
    )
    return f"SELECT group_, y_, first_ FROM ({ranked}) AS g WHERE labels_ > 1 ORDER BY group_, first_ LIMIT 20000"


def _conflicts(fact: Conflicts, scan: Scan, row_id: str, ask: Ask) -> ConflictCounts:
    labelled, repeated, suspects = (int(v or 0) for v in ask(label_hashes_sql(fact, scan))[0])
    if not suspects:
        return ConflictCounts(labelled, repeated, 0, 0, 0)
    groups, members, minority = (int(v or 0) for v in ask(conflict_totals_sql(fact, scan, row_id))[0])
    listed: dict[int, list[Any]] = {}
    row_ids = []
    for group, y, first in ask(conflict_list_sql(fact, scan, row_id)):
        listed.setdefault(int(group), []).append(read_key(scan, fact.label, y))
        row_ids.append(int(first))
    pairs = Counter(pair for labels in listed.values() for pair in _pairs(sorted(labels, key=str)))
    shown = tuple(sorted(row_ids)[:MOST_ROW_IDS])
    return ConflictCounts(labelled, repeated, groups, members, minority, shown, tuple(pairs.most_common(20)))


def _pairs(labels: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]


# --- the same in two splits -------------------------------------------------------------------------------------------


def split_sizes_sql(fact: SplitOverlap, scan: Scan) -> str:
    """Count the rows of each split that have at least one value in the columns."""
    return f"SELECT s, count(*) FROM ({_split_rows(fact, scan)}) AS r GROUP BY s ORDER BY s"


def overlap_hashes_sql(fact: SplitOverlap, scan: Scan) -> str:
    """Count the hashes that occur in more than one split."""
    inner = f"SELECT h FROM ({_split_rows(fact, scan)}) AS r GROUP BY h HAVING min(s) <> max(s)"
    return f"SELECT count(*) FROM ({inner}) AS g"


def overlap_sql(fact: SplitOverlap, scan: Scan) -> str:
    """List pairs of splits with the values that truly occur in both, among those whose hash does."""
    names = _places(fact.columns)
    suspects = f"SELECT h FROM ({_split_rows(fact, scan)}) AS r GROUP BY h HAVING min(s) <> max(s)"
    split = scan.dialect.as_text(scan.name(fact.split))
    rows = (
        f"SELECT {_placed(fact.columns, scan)}, {split} AS s, {_hash(fact.columns, scan)} AS h FROM {scan.source} "
        f"WHERE {_usable(fact, scan)}"
    )
    cells = (
        f"SELECT {names}, min(h) AS h, s, count(*) AS n FROM ({rows}) AS r WHERE h IN ({suspects}) GROUP BY {names}, s"
    )
    numbered = f"SELECT s, n, dense_rank() OVER (ORDER BY {names}) AS g FROM ({cells}) AS c"
    return (
        f"WITH m AS ({numbered}) SELECT a.s, b.s, count(*), sum(a.n), sum(b.n) FROM m AS a JOIN m AS b "
        "ON a.g = b.g AND a.s < b.s GROUP BY a.s, b.s ORDER BY a.s, b.s"
    )


def _usable(fact: SplitOverlap, scan: Scan) -> str:
    some = " OR ".join(f"NOT {missing_if(scan.columns[c], scan.dialect)}" for c in fact.columns)
    return f"{scan.name(fact.split)} IS NOT NULL AND ({some})"


def _split_rows(fact: SplitOverlap, scan: Scan) -> str:
    split = scan.dialect.as_text(scan.name(fact.split))
    return f"SELECT {split} AS s, {_hash(fact.columns, scan)} AS h FROM {scan.source} WHERE {_usable(fact, scan)}"


def _overlap(fact: SplitOverlap, scan: Scan, ask: Ask) -> SplitOverlapTable:
    sizes = {str(name): int(n) for name, n in ask(split_sizes_sql(fact, scan))}
    rows: Rows = ()
    if len(sizes) > 1 and int(ask(overlap_hashes_sql(fact, scan))[0][0]):
        rows = ask(overlap_sql(fact, scan))
    return SplitOverlapTable(
        sizes,
        tuple((str(row[0]), str(row[1])) for row in rows),
        tuple(int(row[2]) for row in rows),
        tuple(int(row[3]) for row in rows),
        tuple(int(row[4]) for row in rows),
    )
