"""From what the checks ask to the fewest scans that answer it, and back into the shape of the question.

All scalar facts share one fused scan, cut into statements of at most `COLUMNS_A_STATEMENT` columns (one statement over
1,000 columns costs three times as much as twenty). Value counts of many columns share a statement as well. The other
facts take one scan each, of the columns that they name. Equal facts are computed once. A fact that cannot be computed
becomes a `Failure`, found by retrying the facts of a failed statement one by one, and breaks only the checks that
asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from audit.dataset import Column, ColumnKind
from audit.engine.dialect import DUCKDB, Dialect
from audit.engine.draw import holds_values
from audit.engine.duckdb import Connection
from audit.engine.sql import SCALARS, Shift, scalar_answer, scalar_terms
from audit.engine.suspects import answer_suspects
from audit.engine.tables import Rows, Scan, prerequisites, statement, text_counts, value_counts
from audit.errors import RolesError
from audit.facts import (
    Asks,
    CoMissing,
    Conflicts,
    CountWhere,
    Distinct,
    DuplicateCounts,
    DuplicateRows,
    ExpectationSuite,
    Expression,
    Extremes,
    Fact,
    Facts,
    Grouped,
    KeyCount,
    KeyCounts,
    LagQuantiles,
    Missing,
    Moments,
    Quantiles,
    Sample,
    SplitOverlap,
    TextCounts,
    TimeBuckets,
    ValueCounts,
    ValueCountTable,
)
from audit.sample import Sampled

COLUMNS_A_STATEMENT = 64
REPEATS = 8  # rows a distinct string, from where on grouping first is cheaper than looking at every row
T = TypeVar("T")
SUSPECTS = (KeyCount, DuplicateRows, Conflicts, SplitOverlap)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """What stands in for the answer of a fact that could not be computed."""

    fact: Fact
    error: Exception

    def __str__(self) -> str:
        """Say which fact failed and why, on one line."""
        text = " ".join(str(self.error).split())
        return f"{type(self.fact).__name__} could not be computed: {type(self.error).__name__}: {text[:300]}"


@dataclass(slots=True)
class Engine:
    """One relation on one connection, its sample, and the answers so far."""

    connection: Connection
    source: str
    row_id: str
    columns: tuple[Column, ...]
    rows: int
    sample: Sampled
    dialect: Dialect = DUCKDB
    answers: dict[Fact, Any] = field(default_factory=dict)
    fetched: dict[str, Rows] = field(default_factory=dict)

    def answer(self, facts: Sequence[Fact], progress: Progress = lambda _: None) -> Mapping[Fact, Any]:
        """Return the answer, or a `Failure`, of each fact."""
        wanted = [fact for fact in dict.fromkeys(facts) if fact not in self.answers]
        for fact in list(wanted):
            problem = self._unknown_column(fact)
            if problem is not None:
                self.answers[fact] = Failure(fact, problem)
                wanted.remove(fact)
        for fact in wanted:
            if isinstance(fact, Sample):
                self.answers[fact] = self.sample
        counted = [f for f in wanted if isinstance(f, ValueCounts)]
        scalars: list[Fact] = [f for f in wanted if isinstance(f, SCALARS)]
        needed = [p for f in wanted for p in prerequisites(f)]
        repeating = [f for f in wanted if isinstance(f, TextCounts) and not self.sample.exact]
        sketched = [f.column for f in counted] + [f.column for f in repeating]
        needed += [] if self.sample.exact else [Distinct(column) for column in sketched]
        scalars = [f for f in dict.fromkeys([*scalars, *needed]) if f not in self.answers and f not in repeating]
        progress("counting")
        self._answer_scalars(scalars)
        self._answer_text_counts(repeating)
        self._answer_value_counts(counted, progress)
        # keys first: a proven key settles whether whole rows can repeat
        for fact in sorted(wanted, key=lambda fact: not isinstance(fact, KeyCount)):
            if fact not in self.answers:
                progress(_PROGRESS.get(type(fact), "counting"))
                self.answers[fact] = self._attempt(fact)
        return {fact: self.answers[fact] for fact in facts}

    def _holds_a_key(self, columns: Sequence[str]) -> bool:
        """Whether some of the columns (none means all) are known to be unique, so that no two rows are equal."""
        held = set(columns or (c.name for c in self.columns))
        return any(
            isinstance(counts, KeyCounts) and held >= set(fact.columns) and counts.extra == 0 and counts.null == 0
            for fact, counts in self.answers.items()
            if isinstance(fact, KeyCount)
        )

    @property
    def _scan(self) -> Scan:
        return Scan(self.dialect, self.source, {c.name: c for c in self.columns})

    def _unknown_column(self, fact: Fact) -> Exception | None:
        known = {column.name for column in self.columns}
        missing = [name for name in columns_of(fact) if name not in known]
        return RolesError(f"there is no column '{missing[0]}'") if missing else None

    def _answer_scalars(self, facts: Sequence[Fact]) -> None:
        groups: dict[str, list[Fact]] = {}
        for fact in facts:
            groups.setdefault((columns_of(fact) or ("",))[0], []).append(fact)
        for names in batches(list(groups)):
            self._fused_scan([fact for name in names for fact in groups[name]])

    def _fused_scan(self, facts: Sequence[Fact]) -> None:
        try:
            self.answers.update(self._scalars(facts))
        except Exception as error:
            if len(facts) == 1:
                self.answers[facts[0]] = Failure(facts[0], error)
                return
            for fact in facts:
                self._fused_scan([fact])

    def _scalars(self, facts: Sequence[Fact]) -> Mapping[Fact, Any]:
        by_name = {c.name: c for c in self.columns}
        places: dict[str, int] = {}  # equal expressions are written once
        layout: list[tuple[Fact, Column | None, Shift, list[int]]] = []
        for fact in facts:
            column = by_name[columns_of(fact)[0]] if columns_of(fact) else None
            shift = self._shift(column) if isinstance(fact, Moments) and column is not None else Shift()
            terms = scalar_terms(fact, column, self.dialect, shift)
            layout.append((fact, column, shift, [places.setdefault(term, len(places)) for term in terms]))
        row = self.connection.rows(f"SELECT {', '.join(places)} FROM {self.source}")[0]
        return {
            fact: scalar_answer(fact, column, [row[i] for i in positions], shift)
            for fact, column, shift, positions in layout
        }

    def _shift(self, column: Column) -> Shift:
        if column.kind not in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN):
            return Shift()
        values = self.sample.finite(column.name)
        if not len(values):
            return Shift()
        with np.errstate(over="ignore", invalid="ignore"):
            center, scale = float(np.median(values)), float(values.std())
        return Shift(center, scale if np.isfinite(scale) and scale > 0 else 1.0)

    def _answer_text_counts(self, facts: Sequence[TextCounts]) -> None:
        """Look at each distinct string once where strings repeat, at each row where they do not."""
        few = [f for f in facts if self._distinct(f.column) * REPEATS <= self.rows]
        for batch in batches(few):
            made = text_counts(batch, self._scan)
            assert made.sql is not None
            # where some column of the batch is at fault, the fused scan below finds out which
            with suppress(Exception):
                self.answers.update(zip(batch, made.read(self.connection.rows(made.sql)), strict=True))
        self._answer_scalars([f for f in facts if f not in self.answers])

    def _distinct(self, column: str) -> float:
        """The sketched number of distinct values; infinite where there is none."""
        sketch = self.answers.get(Distinct(column))
        return float("inf") if sketch is None or isinstance(sketch, Failure) else float(sketch.count)

    def _answer_value_counts(self, facts: Sequence[ValueCounts], progress: Progress) -> None:
        exact = [f for f in facts if f not in self.answers and self._countable(f)]
        if exact:
            progress("counting values")
        for batch in batches(exact):
            try:
                made = value_counts(batch, self._scan)
                assert made.sql is not None
                self.answers.update(zip(batch, made.read(self.connection.rows(made.sql)), strict=True))
            except Exception:  # one by one, to find the column at fault
                for fact in batch:
                    self.answers[fact] = self._attempt_value_counts(fact)
        for fact in facts:
            if fact not in self.answers:
                self.answers[fact] = self._sampled_value_counts(fact)

    def _attempt_value_counts(self, fact: ValueCounts) -> Any:
        try:
            made = value_counts([fact], self._scan)
            assert made.sql is not None
            return made.read(self.connection.rows(made.sql))[0]
        except Exception as error:
            return Failure(fact, error)

    def _countable(self, fact: ValueCounts) -> bool:
        """Whether to count all rows: always where the sample is all rows anyway or the sketch says few values."""
        column = next(c for c in self.columns if c.name == fact.column)
        if not holds_values(column):
            return True
        if self.sample.exact:
            return False  # the sample holds every row: counting it is the same, without a scan
        return self._distinct(fact.column) <= fact.exact_up_to

    def _sampled_value_counts(self, fact: ValueCounts) -> Any:
        try:
            codes, values = self.sample.codes(fact.column)
        except Exception as error:
            return Failure(fact, error)
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        order = sorted(np.argsort(-counts, kind="stable")[: fact.top + 1].tolist(), key=lambda i: -counts[i])[
            : fact.top
        ]
        return ValueCountTable(
            tuple(values[i] for i in order),
            tuple(int(counts[i]) for i in order),
            int(counts.sum()),
            len(values),
            None if self.sample.exact else self.rows,
        )

    def _attempt(self, fact: Fact) -> Any:
        try:
            if isinstance(fact, DuplicateRows) and self._holds_a_key(fact.columns):
                return DuplicateCounts(self.rows, 0, 0, 1 if self.rows else 0)
            if isinstance(fact, ExpectationSuite):
                from audit.engine.expectations import run_suite

                return run_suite(fact.path, self.connection, self.source, self.row_id, self.columns)
            if isinstance(fact, SUSPECTS):
                return answer_suspects(fact, self._scan, self.row_id, self.connection.rows)
            known = {need: self.answers[need] for need in prerequisites(fact)}
            for answered in known.values():
                if isinstance(answered, Failure):
                    return Failure(fact, answered.error)
            made = statement(fact, self._scan, known)
            return made.read(()) if made.sql is None else made.read(self._rows_once(made.sql))
        except Exception as error:
            return Failure(fact, error)

    def _rows_once(self, sql: str) -> Rows:
        """Run a statement once: different facts can come to the same text (daily periods, asked for and found)."""
        if sql not in self.fetched:
            self.fetched[sql] = self.connection.rows(sql)
        return self.fetched[sql]


_PROGRESS: Mapping[type[Fact], str] = {
    DuplicateRows: "looking for duplicate rows",
    KeyCount: "checking keys",
    ExpectationSuite: "running expectations",
    CoMissing: "looking at patterns of absence",
    TimeBuckets: "counting periods",
    Conflicts: "looking for conflicting labels",
    SplitOverlap: "comparing splits",
}


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut what shares a statement into statements of a bounded size."""
    for start in range(0, len(items), COLUMNS_A_STATEMENT):
        yield items[start : start + COLUMNS_A_STATEMENT]


def columns_of(fact: Fact) -> tuple[str, ...]:
    """Return the columns that a fact reads, the main one first; expressions of plug-ins name theirs inside the text."""
    match fact:
        case (
            Missing() | Moments() | Extremes() | Distinct() | TextCounts() | CountWhere() | ValueCounts() | Quantiles()
        ):
            return (fact.column,)
        case TimeBuckets(column=column, by=by, missing=missing):
            return (column, *([by] if by is not None else []), *missing)
        case Grouped(by=by, missing=missing, extremes=extremes):
            return (*by, *missing, *extremes)
        case LagQuantiles(earlier=earlier, later=later):
            return (earlier, later)
        case Conflicts(columns=columns, label=label):
            return (*columns, label)
        case SplitOverlap(columns=columns, split=split):
            return (*columns, split)
        case CoMissing() | DuplicateRows() | KeyCount() | Sample():
            return fact.columns
        case Expression() | _:
            return ()


def facts_in(asks: Any) -> Iterator[Fact]:
    """Yield every fact of a nested dict, in order."""
    if isinstance(asks, Fact):
        yield asks
    elif isinstance(asks, Mapping):
        for item in asks.values():
            yield from facts_in(item)


def fill(asks: Asks, answers: Mapping[Fact, Any]) -> Facts:
    """Return the same nested dict with answers in place of facts; other leaves stay as they are.

    Raises:
        ValueError: a fact failed; the text says which and why.
    """
    return {key: _filled(item, answers) for key, item in asks.items()}


def _filled(item: Any, answers: Mapping[Fact, Any]) -> Any:
    if isinstance(item, Fact):
        answered = answers[item]
        if isinstance(answered, Failure):
            raise ValueError(str(answered)) from answered.error
        return answered
    if isinstance(item, Mapping):
        return {key: _filled(inner, answers) for key, inner in item.items()}
    return item
