"""KEY002: does the key identify one row each?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.completeness._wording import counted, is_missing, is_one_of, literal, nothing_to_judge, percent
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Facts, KeyCount, KeyCounts, Value, quote_name
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity

REMEDY_DUPLICATES = (
    "Find out whether the rows are copies (drop all but one) or different things under one key (repair the join or the "
    "export, or add the column that tells them apart to the key)."
)
REMEDY_NULLS = "Repair the export that lost the key, or drop these rows: nothing can be joined to them."


@register
@dataclass(frozen=True, slots=True)
class KeyUniqueness:
    """Keys that occur more than once, or are missing.

    What it measures: exactly, over all rows: how many rows share their key with an earlier row, and how many lack a
        part of it. A key is never judged from a sample or a sketch.
    Why it matters: a repeated key multiplies rows in every join, counts the same thing twice in training, and lets one
        thing stand on both sides of a split.
    What to do: drop the copies, repair the join that made them, or complete the key. `--rows-out` lists the rows of
        repeated keys, those that repeat most first. Where the guessed key is not meant to be one, name another with
        `--key`, or switch the guess off with `--key none`.

    Options:
        fail: share (0 to 1) of rows above which repeated or missing keys fail.
    """

    code: ClassVar[str] = "KEY002"
    name: ClassVar[str] = "key-uniqueness"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    fail: float = 0.0

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the exact count of the key."""
        if not data.roles.key:
            return NotEvaluated("no column is known to be the key; name it with --key")
        floating = {column.name: column.floating for column in data.columns}
        return nothing_to_judge(data) or {
            "key": KeyCount(data.roles.key),
            "columns": data.roles.key,
            "floating": frozenset(column for column in data.roles.key if floating.get(column, False)),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge duplicates and nulls, each exactly."""
        answer: KeyCounts = facts["key"]
        columns: tuple[str, ...] = facts["columns"]
        basis = Basis(answer.rows, answer.rows)
        title = ", ".join(f"'{column}'" for column in columns)
        if answer.rows == 0:
            yield NotEvaluated("the dataset has no rows")
            return
        for statistic, count in (("duplicate_key_share", answer.extra), ("null_key_share", answer.null)):
            if count / answer.rows <= self.fail:
                yield Measurement(statistic, columns, count / answer.rows, basis, limit=self.fail)
        if answer.extra / answer.rows > self.fail:
            share = answer.extra / answer.rows
            yield Finding(
                code=self.code,
                columns=columns,
                severity=Severity.FAIL,
                message=f"key {title}: {counted(answer.duplicated, 'key')} of {answer.distinct:,} "
                f"{'occurs' if answer.duplicated == 1 else 'occur'} more than once, so {answer.extra:,} of "
                f"{answer.rows:,} rows {'repeats' if answer.extra == 1 else 'repeat'} a key ({percent(share)}), "
                f"limit {percent(self.fail)}",
                statistic="duplicate_key_share",
                value=share,
                limit=self.fail,
                basis=basis,
                effect=share,
                affected=answer.extra + answer.duplicated,
                where=None if answer.row_ids else _where(columns, [key for key, _ in answer.examples]),
                row_ids=answer.row_ids,
                remedy=REMEDY_DUPLICATES,
                evidence={
                    "distinct": answer.distinct,
                    "duplicated": answer.duplicated,
                    "extra": answer.extra,
                    "examples": [{"key": [_plain(part) for part in key], "rows": n} for key, n in answer.examples],
                },
            )
        if answer.null / answer.rows > self.fail:
            share = answer.null / answer.rows
            yield Finding(
                code=self.code,
                columns=columns,
                severity=Severity.FAIL,
                message=f"key {title}: {answer.null:,} of {answer.rows:,} rows have no complete key "
                f"({percent(share)}), limit {percent(self.fail)}",
                statistic="null_key_share",
                value=share,
                limit=self.fail,
                basis=basis,
                effect=share,
                affected=answer.null,
                where=" OR ".join(is_missing(column, column in facts["floating"]) for column in columns),
                remedy=REMEDY_NULLS,
            )


def _where(columns: tuple[str, ...], keys: list[tuple[Value, ...]]) -> str | None:
    """Return the predicate of the repeated keys, where the examples are all of them: a predicate cannot count."""
    if not keys:
        return None
    if len(columns) == 1:
        return is_one_of(columns[0], [key[0] for key in keys])
    rows = [
        "(" + " AND ".join(f"{quote_name(c)} = {literal(v)}" for c, v in zip(columns, key, strict=True)) + ")"
        for key in keys
    ]
    return " OR ".join(rows)


def _plain(value: Value) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
