"""COM002: values that stand for "no value"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.completeness._wording import is_one_of, literal, nothing_to_judge, percent
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import (
    NULL_LIKE,
    Asks,
    Facts,
    Missing,
    MissingCounts,
    Sample,
    TextCounts,
    TextCountValues,
    quote_name,
)
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.sentinels import Sentinel, date_sentinels, number_sentinels

REMEDY_TEXT = (
    "Read these strings as missing (`na_values` in pandas, `nullstr` in DuckDB), unless one of them is a real "
    "category; then name the column in `ignore`."
)
REMEDY_NUMBER = (
    "Ask whoever made the column what the value means. If it stands for 'no value', replace it by NULL before any "
    "mean, scaling or split; if it is real, name the column in `ignore`."
)


@register
@dataclass(frozen=True, slots=True)
class DisguisedMissing:
    """Blank and null-like strings, and numbers or dates that stand for "no value".

    What it measures: in text columns, exactly, the strings that are blank or mean nothing ("N/A", "unknown", "-" ...).
        In numeric columns of the sample, a smallest or largest value held by at least `share` of the rows that lies
        more than 3 IQR away from its neighbour; codes such as -1, -999 or 9999 need no more than that (a -1 may also be
        the only negative value), any other value must be 5 times as frequent as the next. In date columns, days such as
        1900-01-01, 1970-01-01 or 9999-12-31 that are far off or far more frequent than any other day.
    Why it matters: they count as data: a mean over ages with -999 is wrong, "N/A" becomes a category, and the share of
        missing values looks better than it is.
    What to do: turn them into NULL when reading, unless they are real. A suspicion is a warning from `warn` on, and
        never a fail: only a person knows whether -1 is a temperature.

    Options:
        warn: share (0 to 1) of rows from which blank or null-like strings, and code-like sentinels, warn; below: info.
        share: smallest share (0 to 1) of sampled values that makes a number or a date suspicious (our choice).
        ignore: columns that are not judged.
    """

    code: ClassVar[str] = "COM002"
    name: ClassVar[str] = "disguised-missing"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.01
    share: float = 0.005
    ignore: tuple[str, ...] = ()

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the counts of such strings, and the sample for which they are and for all else."""
        keys = set(data.roles.key)
        text = tuple(c for c in data.of_kind(ColumnKind.TEXT) if c not in self.ignore)
        numbers = tuple(c for c in data.of_kind(ColumnKind.NUMERIC) if c not in self.ignore and c not in keys)
        dates = tuple(c for c in data.of_kind(ColumnKind.TEMPORAL) if c not in self.ignore)
        problem = nothing_to_judge(data)
        if problem is None and not (text or numbers or dates):
            problem = NotEvaluated("no column holds text, numbers or dates")
        return problem or {
            "text": {c: {"missing": Missing(c), "counts": TextCounts(c)} for c in text},
            "numbers": numbers,
            "dates": dates,
            "date_only": frozenset(column.name for column in data.columns if column.date_only),
            "sample": Sample((*text, *numbers, *dates)),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge text by exact counts, numbers and dates by the sample."""
        sample: Sampled = facts["sample"]
        for column, answers in facts["text"].items():
            yield self._text(column, answers["missing"], answers["counts"], sample)
        for column in facts["numbers"]:
            found = number_sentinels(sample.numbers(column), self.share)
            yield self._sentinels(column, found, sample, _number_text)
        for column in facts["dates"]:
            found = date_sentinels(sample.numbers(column), self.share)
            yield self._sentinels(column, found, sample, _date_text)

    def _text(self, column: str, missing: MissingCounts, counts: TextCountValues, sample: Sampled) -> Judgement:
        basis = Basis(missing.rows, missing.rows)
        hidden = counts.blank + counts.null_like
        share = hidden / missing.rows
        if hidden == 0:
            return Measurement("disguised_share", (column,), 0.0, basis, limit=self.warn)
        examples = _examples(sample, column)
        shown = ", ".join(f"'{value}'" for value, _ in examples[:5])
        effective = (missing.missing + hidden) / missing.rows
        return Finding(
            code=self.code,
            columns=(column,),
            severity=Severity.WARN if share >= self.warn else Severity.INFO,
            message=f"'{column}': {hidden:,} of {missing.rows:,} values say nothing ({percent(share)}; "
            f"{counts.blank:,} blank, {counts.null_like:,} null-like{': ' + shown if shown else ''}), "
            f"limit {percent(self.warn)}; "
            f"with NULL, {percent(effective)} of the column is missing",
            statistic="disguised_share",
            value=share,
            limit=self.warn,
            basis=basis,
            effect=share,
            affected=hidden,
            where=f"lower(trim({quote_name(column)})) IN ({', '.join(literal(v) for v in ('', *NULL_LIKE))})",
            remedy=REMEDY_TEXT,
            evidence={
                "blank": counts.blank,
                "null_like": counts.null_like,
                "effective_missing_share": effective,
                "examples_in_sample": [{"value": value, "count": n} for value, n in examples[:20]],
            },
        )

    def _sentinels(self, column: str, found: list[Sentinel], sample: Sampled, write: Any) -> Judgement:
        total = sum(sentinel.count for sentinel in found)
        if not found:
            return Measurement("sentinel_share", (column,), 0.0, sample.basis, limit=self.warn)
        share = total / max(sample.rows, 1)
        strong = sum(sentinel.count for sentinel in found if sentinel.strong) / max(sample.rows, 1) >= self.warn
        texts = [write(sentinel.value) for sentinel in found]
        reasons = "; ".join(f"{text} {sentinel.reason}" for text, sentinel in zip(texts, found, strict=True))
        number = write is _number_text
        return Finding(
            code=self.code,
            columns=(column,),
            severity=Severity.WARN if strong else Severity.INFO,
            message=f"'{column}': {total:,} of {sample.rows:,} values may stand for 'no value' ({percent(share)}): "
            f"{reasons}; limit {percent(self.warn)}",
            statistic="sentinel_share",
            value=share,
            limit=self.warn,
            basis=sample.basis,
            effect=share,
            affected=round(share * sample.of),
            where=is_one_of(column, [_as_number(s.value) for s in found]) if number else _on_days(column, texts),
            remedy=REMEDY_NUMBER,
            evidence={
                "values": [
                    {"value": text, "count": s.count, "code_like": s.strong}
                    for text, s in zip(texts, found, strict=True)
                ]
            },
        )


def _examples(sample: Sampled, column: str) -> list[tuple[str, int]]:
    """Return the strings that say nothing, and how often each occurs in the sample, most frequent first."""
    codes, values = sample.codes(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    said = [(str(v), int(n)) for v, n in zip(values, counts, strict=True) if _says_nothing(str(v))]
    return sorted(said, key=lambda pair: (-pair[1], pair[0]))


def _says_nothing(value: str) -> bool:
    text = value.strip().lower()
    return not text or text in NULL_LIKE


def _as_number(value: float) -> int | float:
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _number_text(value: float) -> str:
    return str(_as_number(value))


def _date_text(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def _on_days(column: str, days: list[str]) -> str:
    return f"CAST({quote_name(column)} AS DATE) IN ({', '.join(f'DATE {literal(day)}' for day in days)})"
