"""KEY001: rows that are there more than once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.completeness._wording import counted, nothing_to_judge, percent
from audit.dataset import Dataset, Kind
from audit.facts import Asks, DuplicateCounts, DuplicateRows, Facts, Sample, Value
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled

REMEDY = (
    "Drop the copies before splitting, and find the load or join that made them. Where the repetition is real (the "
    "same thing happened twice), add a column that tells the rows apart."
)
REMEDY_KEYS = (
    "Look at a few pairs: if one thing was entered twice under two keys, merge them; keep such rows in the same split."
)


@register
@dataclass(frozen=True, slots=True)
class DuplicatedRows:
    """Rows that are equal in every column.

    What it measures: exactly, over all rows and columns: how many rows repeat an earlier row (NULL equals NULL, NaN
        equals NaN). With a key, also rows that are equal in every column but the key. Where few columns with few values
        make equal rows likely by chance alone (estimated as if the columns were independent), the finding is `info`.
    Why it matters: copies give some rows more weight than others, and a copy in the test split rewards memory.
    What to do: drop the copies before splitting, and find the load or join that made them.

    Options:
        warn: share (0 to 1) of repeated rows above which the check warns.
        fail: share (0 to 1) of repeated rows above which it fails (our choice).
    """

    code: ClassVar[str] = "KEY001"
    name: ClassVar[str] = "duplicate-rows"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.0
    fail: float = 0.05

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the duplicates over all columns and, with a key, over all others."""
        rest = tuple(name for name in data.names if name not in data.roles.key)
        without_key = {"without_key": DuplicateRows(rest)} if data.roles.key and rest else {}
        return nothing_to_judge(data) or {
            "all": DuplicateRows(),
            **without_key,
            "key": data.roles.key,
            "rest": rest,
            "sample": Sample(data.names),
            "names": data.names,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge whole rows, then rows without their key."""
        answer: DuplicateCounts = facts["all"]
        if answer.rows == 0:
            yield NotEvaluated("the dataset has no rows")
            return
        yield self._whole(answer, facts["sample"], facts["names"])
        if "without_key" in facts:
            yield self._without_key(facts["without_key"], answer, facts)

    def _whole(self, answer: DuplicateCounts, sample: Sampled, names: tuple[str, ...]) -> Judgement:
        basis, share = Basis(answer.rows, answer.rows), answer.extra / answer.rows
        if share <= self.warn:
            return Measurement("duplicate_share", (), share, basis, limit=self.warn)
        pairs = expected_pairs(sample, names, answer)
        by_chance = pairs >= 0.5 * answer.extra
        failed = share > self.fail
        severity = Severity.INFO if by_chance else Severity.FAIL if failed else Severity.WARN
        limit = self.fail if failed and not by_chance else self.warn
        chance = (
            f"; with columns of so few values about {pairs:,.0f} equal pairs arise by chance alone" if by_chance else ""
        )
        return Finding(
            code=self.code,
            columns=(),
            severity=severity,
            message=f"{answer.extra:,} of {answer.rows:,} rows {_repeat(answer.extra)} an earlier row in every column "
            f"({percent(share)}; {counted(answer.groups, 'distinct row')}, the most frequent {answer.largest:,} "
            f"times), limit {percent(limit)}{chance}",
            statistic="duplicate_share",
            value=share,
            limit=limit,
            basis=basis,
            effect=share,
            affected=answer.extra,
            row_ids=answer.row_ids,
            remedy=REMEDY,
            evidence=_evidence(answer) | {"expected_pairs": round(pairs, 3)},
        )

    def _without_key(self, answer: DuplicateCounts, whole: DuplicateCounts, facts: Facts) -> Judgement:
        """Rows under different keys with the same content: worth knowing, wrong only if the key was made up."""
        extra = max(answer.extra - whole.extra, 0)
        basis, share = Basis(answer.rows, answer.rows), extra / answer.rows
        rest: tuple[str, ...] = facts["rest"]
        if extra == 0 or expected_pairs(facts["sample"], rest, answer) >= 0.5 * extra:
            return Measurement("duplicate_share_without_key", rest, share, basis)
        key = ", ".join(f"'{column}'" for column in facts["key"])
        return Finding(
            code=self.code,
            columns=(),
            severity=Severity.INFO,
            message=f"{extra:,} of {answer.rows:,} rows {_repeat(extra)} an earlier row in every column but the key "
            f"{key} ({percent(share)}), limit 0%",
            statistic="duplicate_share_without_key",
            value=share,
            limit=0.0,
            basis=basis,
            effect=share,
            affected=extra,
            row_ids=answer.row_ids,
            remedy=REMEDY_KEYS,
            evidence=_evidence(answer),
        )


def expected_pairs(sample: Sampled, columns: tuple[str, ...], answer: DuplicateCounts) -> float:
    """Return how many pairs of equal rows chance alone makes, as if columns were independent.

    n (n - 1) / 2 times the product over columns of the chance that two rows agree, sum c (c - 1) / (m (m - 1)) over the
    counts c of its values in m sampled rows. Copies are left out there (else every copy would explain itself), unless
    rows are ten times as many as distinct rows: then values, not copies, are few. Dependent columns agree more often:
    the number is a lower bound then.
    """
    few_values = 10 * (answer.rows - answer.extra) <= answer.rows
    part = _part(sample)
    first = np.arange(part.rows) if few_values else _distinct_rows(part, columns)
    pairs, m = answer.rows * (answer.rows - 1) / 2, len(first)
    for column in columns:
        if m < 2 or pairs < 1e-3:
            return 0.0
        counts = np.bincount(part.codes(column)[0][first] + 1).astype(np.float64)
        pairs *= float((counts * (counts - 1)).sum()) / (m * (m - 1))
    return pairs


def _part(sample: Sampled, most: int = 20_000) -> Sampled:
    """Return at most `most` evenly spaced rows of the sample."""
    if sample.rows <= most:
        return sample
    rows = np.linspace(0, sample.rows - 1, most).astype(np.int64)
    return Sampled(sample.table.take(rows), sample.row_ids[rows], sample.of, sample.seed)


def _distinct_rows(sample: Sampled, columns: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the first of each set of equal rows."""
    key = np.zeros(sample.rows, dtype=np.int64)
    for column in columns:
        codes = sample.codes(column)[0] + 1
        _, key = np.unique(key * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)
        if len(key) and int(key.max()) == len(key) - 1:
            break  # all different already
    return np.unique(key, return_index=True)[1].astype(np.int64)


def _evidence(answer: DuplicateCounts) -> dict[str, Any]:
    return {
        "extra": answer.extra,
        "groups": answer.groups,
        "largest": answer.largest,
        "examples": [{"rows": n, "row": _plain_row(row)} for n, row in answer.examples],
    }


def _repeat(count: int) -> str:
    return "repeats" if count == 1 else "repeat"


def _plain_number(value: Value) -> float | str:
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def _plain_row(row: Mapping[str, Value]) -> dict[str, Any]:
    # JSON has neither dates nor NaN
    return {
        name: value if value is None or isinstance(value, str | int) else _plain_number(value)
        for name, value in row.items()
    }
