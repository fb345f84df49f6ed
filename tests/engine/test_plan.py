"""How facts are planned: few statements, each fact once, failures apart; the sample; the dialects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit
from audit.checks import TABULAR, installed
from audit.dataset import Column, ColumnKind, Dataset
from audit.engine import suspects
from audit.engine.dialect import DIALECTS, Dialect
from audit.engine.draw import sample_size, sample_sql
from audit.engine.duckdb import Connection, Limits
from audit.engine.plan import Failure, facts_in, fill
from audit.engine.sql import SCALARS, Shift, scalar_terms
from audit.engine.tables import Scan, statement, text_counts, value_counts
from audit.facts import (
    Asks,
    CoMissing,
    Conflicts,
    Count,
    CountWhere,
    Distinct,
    Expression,
    Extremes,
    ExtremeValues,
    Fact,
    Facts,
    Grouped,
    LagQuantiles,
    Missing,
    MissingCounts,
    Moments,
    Quantiles,
    SplitOverlap,
    TextCounts,
    TimeBuckets,
    ValueCounts,
)
from audit.findings import Judgement
from tests.engine.conftest import Opened, dirty_table, opened_from


def test_equal_facts_are_computed_once_in_one_statement(opened: Opened) -> None:
    engine = dataclasses.replace(opened.engine, answers={})
    before = len(engine.connection.statements)
    asked: list[Fact] = [
        Count(),
        Missing("real"),
        Moments("real"),
        Missing("real"),
        Extremes("when"),
    ]
    engine.answer(asked)
    assert len(engine.connection.statements) - before == 1
    engine.answer(asked)
    assert len(engine.connection.statements) - before == 1


def test_strings_that_repeat_are_looked_at_once_a_value(opened: Opened) -> None:
    engine = dataclasses.replace(opened.engine, answers={})
    answers = engine.answer([TextCounts("city"), Count()])
    assert answers[TextCounts("city")] == engine._scalars([TextCounts("city")])[TextCounts("city")]
    assert "GROUP BY" in engine.connection.statements[-2]


def test_value_counts_of_many_columns_share_a_statement(opened: Opened) -> None:
    engine = dataclasses.replace(opened.engine, answers={})
    before = len(engine.connection.statements)
    engine.answer([ValueCounts("city"), ValueCounts("flag"), ValueCounts("count")])
    assert len(engine.connection.statements) - before == 2  # the sketches, then the counts


def test_facts_that_come_to_the_same_text_share_a_statement(opened: Opened) -> None:
    engine = dataclasses.replace(opened.engine, answers={}, fetched={})
    before = len(engine.connection.statements)
    answers = engine.answer([TimeBuckets("when", buckets=100), TimeBuckets("when", every="day")])
    assert len(set(map(repr, answers.values()))) == 1
    assert len(engine.connection.statements) - before == 2  # the extremes, then one scan for both


def test_wide_tables_are_cut_into_statements() -> None:
    wide = pa.table({f"c{i}": np.arange(50.0) for i in range(200)})
    with Connection(Limits(threads=1)) as connection:
        engine = opened_from(connection, wide, pa.table({"tags": [1]})).engine
        before = len(connection.statements)
        engine.answer([Moments(f"c{i}") for i in range(200)])
        assert len(connection.statements) - before == 4


def test_a_whole_audit_takes_few_statements(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(dirty_table(6_000).drop_columns(["tags"]), path)
    result = audit.run(str(path), sample=1_000)
    scalar_statements = 1
    assert result.run.timings["statements"] <= scalar_statements + 2 + 20  # sample, value counts, one a table fact


def test_a_broken_fact_breaks_only_itself(opened: Opened) -> None:
    engine = dataclasses.replace(opened.engine, answers={})
    broken = Expression("no_such_function(1)")
    answers = engine.answer([broken, Count(), Missing("real"), Missing("no such column")])
    assert isinstance(answers[broken], Failure)
    assert "no_such_function" in str(answers[broken])
    assert "no such column" in str(answers[Missing("no such column")])
    assert answers[Count()] == 20_000
    with pytest.raises(ValueError, match="no_such_function"):
        fill({"x": {"y": broken}}, answers)


def test_answers_have_the_shape_of_the_question() -> None:
    asks = {"rows": Count(), "by": {"a": Missing("a")}, "label": "y", "columns": ("a", "b")}
    assert list(facts_in(asks)) == [Count(), Missing("a")]
    assert fill(asks, {Count(): 3, Missing("a"): "m"}) == {
        "rows": 3, "by": {"a": "m"}, "label": "y", "columns": ("a", "b"),
    }  # fmt: skip


# --- the sample -------------------------------------------------------------------------------------------------------


def test_the_sample_is_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(dirty_table(), path, row_group_size=1_500)
    drawn = []
    for threads in (1, 2):
        with Connection(Limits(threads=threads)) as connection:
            drawn.append(opened_from(connection, str(path), dirty_table(), sample=2_000).engine.sample)
    sample = drawn[0]
    assert sample.rows == 2_000
    assert (sample.row_ids == drawn[1].row_ids).all()
    assert sample.table.drop_columns(["holes"]).equals(drawn[1].table.drop_columns(["holes"]))  # NaN equals nothing
    assert (np.diff(sample.row_ids) > 0).all()
    assert (sample.table.column("id").to_numpy() - 10**12 == sample.row_ids).all()
    assert abs(sample.row_ids.mean() - 10_000) < 4 * 5_774 / 2_000**0.5


def test_a_small_table_is_its_own_sample(opened: Opened) -> None:
    assert sample_size(100, 10, 1_000) == 100
    assert sample_size(10**7, 20, 200_000) == 200_000
    assert sample_size(10**6, 1_000, 200_000) == 20_000
    assert not opened.engine.sample.exact
    assert str(opened.engine.sample.basis).startswith("sample of 5,000 of 20,000 rows, seed 0")


# --- every fact in every dialect --------------------------------------------------------------------------------------

COLUMNS = {
    "x": Column("x", ColumnKind.NUMERIC, "DOUBLE", floating=True),
    "n": Column("n", ColumnKind.NUMERIC, "BIGINT", integer=True),
    "s": Column("s", ColumnKind.TEXT, "VARCHAR"),
    "b": Column("b", ColumnKind.BOOLEAN, "BOOLEAN"),
    "t": Column("t", ColumnKind.TEMPORAL, "TIMESTAMP"),
    "u": Column("u", ColumnKind.TEMPORAL, "TIMESTAMP"),
}
SCALAR_FACTS: list[Fact] = [
    Count(), Missing("x"), Missing("s"), Moments("x"), Moments("n"), Moments("b"), Extremes("x"), Extremes("t"),
    Distinct("s"), Distinct("s", exact=True), TextCounts("s"), CountWhere("x", above=1.0), Expression("sum(1)"),
]  # fmt: skip
TABLE_FACTS: list[Fact] = [
    Grouped(("s", "b"), missing=("x",), extremes=("t",), expressions=("sum(1)",)), TimeBuckets("t"),
    TimeBuckets("t", every="day", by="s", missing=("x",)), Quantiles("x", (0.5,)), Quantiles("t", (0.5, 0.9)),
    LagQuantiles("t", "u"), CoMissing(("x", "n")),
]  # fmt: skip


def _texts(dialect: Dialect) -> Iterator[str]:
    scan = Scan(dialect, "data", COLUMNS)
    for fact in SCALAR_FACTS:
        column = COLUMNS.get(getattr(fact, "column", ""))
        yield from scalar_terms(fact, column, dialect, Shift(1.0, 2.0))
    known: dict[Fact, Any] = {
        Extremes("t"): ExtremeValues(*(np.datetime64(d, "us").item() for d in ("2024-01-01", "2024-03-01"))),
        Missing("x"): MissingCounts(10, 2),
        Missing("n"): MissingCounts(10, 1),
    }
    for fact in TABLE_FACTS:
        yield statement(fact, scan, known).sql or ""
    yield value_counts([ValueCounts("s"), ValueCounts("x"), ValueCounts("t")], scan).sql or ""
    yield text_counts([TextCounts("s")], scan).sql or ""
    keys, conflict, overlap = ("s", "x"), Conflicts(("x", "s"), "b"), SplitOverlap(("x",), "s")
    yield suspects.key_totals_sql(keys, scan)
    yield suspects.key_examples_sql(keys, scan)
    yield suspects.repeated_key_rows_sql(keys, scan, "n")
    yield suspects.repeated_hashes_sql(keys, scan)
    yield suspects.repeated_rows_sql(keys, scan, "n")
    yield suspects.extra_rows_sql(keys, scan, "n")
    yield suspects.label_hashes_sql(conflict, scan)
    yield suspects.conflict_totals_sql(conflict, scan, "n")
    yield suspects.conflict_list_sql(conflict, scan, "n")
    yield suspects.split_sizes_sql(overlap, scan)
    yield suspects.overlap_hashes_sql(overlap, scan)
    yield suspects.overlap_sql(overlap, scan)
    yield sample_sql(tuple(COLUMNS.values()), "data", "n", dialect, rows=1_000, size=100, seed=0)


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_every_fact_is_written_in_every_dialect(name: str) -> None:
    texts = list(_texts(DIALECTS[name]))
    assert all(texts)
    everything = " ".join(texts)
    foreign = {
        "duckdb": ("xxhash64", "hash_record_extended", "`"),
        "spark": ("epoch_us", "quantile_disc", "isfinite", '"x"', "hash_record_extended"),
        "postgres": ("epoch_us", "quantile_disc", "isnan(", "isfinite", "approx_", "xxhash64", "`", "VARCHAR"),
    }[name]
    assert [word for word in foreign if word in everything] == []
    assert "FILTER" not in everything  # 6 x slower than CASE, and answered from statistics that leave NaN out


def test_the_vocabulary_above_is_complete() -> None:
    from audit import facts

    kinds = {kind for kind in vars(facts).values() if isinstance(kind, type) and issubclass(kind, Fact)}
    written = {type(fact) for fact in (*SCALAR_FACTS, *TABLE_FACTS)}
    by_function = {ValueCounts, Conflicts, SplitOverlap, facts.KeyCount, facts.DuplicateRows, facts.Sample}
    by_function |= {facts.ExpectationSuite}  # Great Expectations answers it
    assert kinds - written - by_function - {Fact, facts.OnReference} == set()
    assert set(SCALARS) <= written


def test_duckdb_accepts_every_statement() -> None:
    table = pa.table({
        "x": pa.array([1.0, float("nan")]), "n": pa.array([0, 1]), "s": ["a", None], "b": [True, False],
        "t": pa.array([0, 1], pa.timestamp("us")), "u": pa.array([5, 6], pa.timestamp("us")),
    })  # fmt: skip
    with Connection(Limits(threads=1)) as connection:
        connection.raw.register("data", table)
        scalars = [t for t in _texts(DIALECTS["duckdb"]) if not t.startswith(("SELECT", "WITH", "("))]
        connection.rows(f"SELECT {', '.join(scalars)} FROM data")
        for text in _texts(DIALECTS["duckdb"]):
            if text.startswith(("SELECT", "WITH", "(")):
                connection.rows(text)


# --- checks that break ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Breaking:
    """Breaks on purpose.

    What it measures: nothing.
    Why it matters: the other checks must go on.
    What to do: read the outcome.
    """

    code: ClassVar = "COM999"
    name: ClassVar = "breaking"
    dimension: ClassVar = "completeness"
    kinds: ClassVar = TABULAR

    def ask(self, data: Dataset) -> Asks:
        return {"rows": Count()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        yield from ()  # a generator, as the judges of real checks are
        raise RuntimeError(f"broken on {facts['rows']} rows")


def test_a_check_that_breaks_is_an_error_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from audit import checks

    installed()
    monkeypatch.setitem(checks._registry, "COM999", Breaking)
    result = audit.run(pa.table({"a": [1, 2, None]}), select=["completeness"])
    assert result.outcome("COM999").status == "error"
    assert "RuntimeError: broken on 3 rows" in result.outcome("COM999").reason
    assert result.outcome("COM001").status == "fail"
    assert result.exit_code() == 3
    assert not result.ok("never")
    assert "COM999" in result.to_json()
