"""REP005: spellings of one category, categories that came or went, and values that are not among the expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import name_of, where_in
from audit.checks.representativeness.columns import category_counts, count_of, is_identifier
from audit.dataset import ColumnKind, Dataset, Kind
from audit.errors import ConfigError, did_you_mean
from audit.facts import Asks, Facts, OnReference, Sample, ValueCounts, ValueCountTable, quote_name
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.spelling import Variants, likely_typos, spelling_variants

MOST_CATEGORIES = 2_000
LISTED = 10


@register
@dataclass(frozen=True, slots=True)
class CategoryVariants:
    """Several spellings of one category ("USA", "U.S.A.", "usa "), and categories that are new or lost.

    What it measures: in each text column with up to 2,000 values, groups of values that are equal but for case, white
    space, accents and unimportant punctuation; and rare values one slip of the keyboard from a value that is a hundred
    times as frequent ("Germnay"; digits must agree, short words are left alone). Against a reference, also categories
    that only one side has, where chance does not explain it: a category with 0.3% of the rows easily lacks in 100 rows.
    Why it matters: each spelling becomes a category of its own, so its rows are torn apart; a category that a model has
    never seen gets a default prediction.
    What to do: map the spellings to one (strip, casefold, a table of synonyms) where the data enter. For new categories
    find out whether the world or the encoding changed, and train with them.

    Options:
        variants: share of rows in other spellings than the most frequent that is still fine.
        typos: whether to look for slips of the keyboard.
        unseen: share of rows in one new (or, of the reference, one lost) category that is worth a warning.
        significance: false alarm rate of new and lost categories in a column.
        expected: all values that a column may hold, such as {"country": ["DE", "FR"]}; any other fails. NULL is fine.
    """

    code: ClassVar[str] = "REP005"
    name: ClassVar[str] = "category-variants"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TABULAR
    variants: float = 0.0
    typos: bool = True
    unseen: float = 0.005
    significance: float = 0.01
    expected: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the text columns, here and in the reference."""
        roles = data.roles
        all_texts = data.of_kind(ColumnKind.TEXT)
        for column in self.expected:
            if column not in all_texts:
                raise ConfigError(f"expected names no text column '{column}'{did_you_mean(column, all_texts)}")
        texts = tuple(c for c in data.of_kind(ColumnKind.TEXT) if c not in roles.key and c != roles.group)
        if not texts:
            return NotEvaluated("there is no text column besides keys and groups")
        known = () if data.reference is None else data.reference.of_kind(ColumnKind.TEXT)
        shared = tuple(c for c in texts if c in known)
        return {
            "columns": texts,
            "shared": shared,
            "sample": Sample(texts),
            "reference": OnReference(Sample(shared)) if shared else None,
            "counts": {c: ValueCounts(c, top=MOST_CATEGORIES) for c in self.expected},
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each text column by the declared categories, by itself, then against the reference."""
        sampled: Sampled = facts["sample"]
        for column, table in facts["counts"].items():
            yield self._unexpected(column, table)
        for column in facts["columns"]:
            codes, values = sampled.codes(column)
            if len(values) > MOST_CATEGORIES or is_identifier(sampled, column, text=True):
                yield NotEvaluated(f"its {len(values):,} values are no categories", (column,))
                continue
            counts = np.bincount(codes + 1, minlength=len(values) + 1)[1:]
            respelt: set[str] = set()
            for item in self._spellings(column, [str(value) for value in values], counts.tolist(), sampled):
                if isinstance(item, Finding):
                    respelt.update(text for group in item.evidence["groups"] for text in list(group)[1:])
                yield item
            if column in facts["shared"]:
                yield from self._unseen(column, facts["reference"], sampled, respelt)

    def _unexpected(self, column: str, table: ValueCountTable) -> Judgement:
        rows = table.total if table.sampled_of is None else table.sampled_of
        basis = Basis(table.total, rows, None if table.exact else 0)
        allowed = set(self.expected[column])
        other = [(v, n) for v, n in zip(table.values, table.counts, strict=True) if str(v) not in allowed]
        count = sum(n for _, n in other) + table.rest
        if not count:
            return Measurement("unexpected_share", (column,), 0.0, basis, 0.0)
        listed = ", ".join(f"'{name_of(value)}' ({n:,})" for value, n in other[:3]) + (", …" if len(other) > 3 else "")
        values = ", ".join("'" + text.replace("'", "''") + "'" for text in self.expected[column])
        name = quote_name(column)
        return Finding(
            self.code, (column,), Severity.FAIL,
            f"{column}: {count:,} of {table.total:,} values are not among the {len(allowed):,} expected, limit 0: "
            f"{listed}",
            "unexpected_share", count / table.total, 0.0, basis, limit_source="options",
            effect=min(1.0, 0.1 + count / table.total), affected=count,
            where=f"({name} IS NOT NULL AND {name} NOT IN ({values}))",
            remedy="Repair the values where the data enter, or add them to the expected ones if they are right.",
            evidence={"values": {name_of(value): n for value, n in other[:LISTED]}},
        )  # fmt: skip

    def _spellings(self, column: str, texts: list[str], counts: list[int], sampled: Sampled) -> Iterator[Judgement]:
        same = [v for v in spelling_variants(texts, counts) if _is_suspect(v, len(texts))]
        typos: list[Variants] = []
        if self.typos:
            taken = {text for v in same for text in v.texts[1:]}
            left = [i for i, text in enumerate(texts) if text not in taken]
            typos = likely_typos([texts[i] for i in left], [counts[i] for i in left])
        total = sum(counts)
        basis = sampled.basis
        for found, statistic in ((same, "variant_share"), (typos, "typo_share")):
            rows = sum(v.minority for v in found)
            share = rows / total if total else 0.0
            yield Measurement(statistic, (column,), share, basis, self.variants)
            if found and share > self.variants:
                yield self._finding(column, found, rows, total, basis)

    def _finding(self, column: str, found: Sequence[Variants], rows: int, total: int, basis: Basis) -> Finding:
        typo = found[0].typo
        first = found[0]
        spelled = ", ".join(f"'{t}' ({n:,})" for t, n in zip(first.texts[:4], first.counts[:4], strict=True))
        what = "slips of the keyboard" if typo else "other spellings"
        more = f"; and {count_of(len(found) - 1, 'more group')}" if len(found) > 1 else ""
        return Finding(
            self.code, (column,), Severity.WARN,
            f"{column}: {rows:,} of {total:,} rows hold {what} of a more frequent value, limit "
            f"{self.variants:.1%} of the rows: {spelled}{more}",
            "typo_share" if typo else "variant_share", rows / total, self.variants, basis,
            effect=min(1.0, 0.1 + rows / total), affected=rows if basis.exact else round(rows / basis.rows * basis.of),
            where=where_in(column, [text for v in found for text in v.texts[1:]][:200]),
            remedy="Map every spelling to one where the data enter: strip white space, unify case, keep a table of "
            "synonyms.",
            chart=_chart(column, found),
            evidence={"groups": [dict(zip(v.texts, v.counts, strict=True)) for v in found[:LISTED]]},
        )  # fmt: skip

    def _unseen(self, column: str, reference: Sampled, current: Sampled, respelt: set[str]) -> Iterator[Judgement]:
        categories, before, now, _ = category_counts(reference, current, column)
        n, m = float(before.sum()), float(now.sum())
        if len(categories) > MOST_CATEGORIES or not (n > 0 and m > 0):
            yield NotEvaluated("the reference has no values, or too many, to compare categories", (column,))
            return
        tests = max(1, len(categories))
        for name, missing_in, held_by, size, other in (
            ("new", before, now, m, n),
            ("lost", now, before, n, m),
        ):
            only = np.flatnonzero((missing_in == 0) & (held_by > 0))
            # when nothing differs, all c rows of a category lie on one side with this probability
            chance = (size / (n + m)) ** held_by[only]
            unexplained = [k for k in only[chance * tests < self.significance] if str(categories[k]) not in respelt]
            beyond = np.array(unexplained, dtype=np.int64)
            largest = float(held_by[beyond].max() / size) if beyond.size else 0.0
            basis = current.basis if name == "new" else reference.basis
            yield Measurement(f"{name}_category_share", (column,), largest, basis, self.unseen)
            if beyond.size:
                listed = sorted(((categories[k], int(held_by[k])) for k in beyond), key=lambda c: (-c[1], str(c[0])))
                yield self._came_or_went(column, name, listed, (int(size), int(other)), basis)

    def _came_or_went(
        self, column: str, name: str, listed: list[tuple[Any, int]], sizes: tuple[int, int], basis: Basis
    ) -> Finding:
        size, other = sizes
        rows = sum(n for _, n in listed)
        largest = listed[0][1] / size
        first = ", ".join(f"'{name_of(value)}' ({n:,})" for value, n in listed[:3]) + (", …" if len(listed) > 3 else "")
        here, there = ("of the data", "the reference") if name == "new" else ("of the reference", "the data")
        return Finding(
            self.code, (column,), Severity.WARN if largest >= self.unseen else Severity.INFO,
            f"{column}: {count_of(len(listed), 'category')} with {rows:,} of {size:,} rows {here} cannot be found in "
            f"the {other:,} rows of {there}: {first}; the largest has {largest:.2%}, limit {self.unseen:.2%}",
            f"{name}_category_share", largest, self.unseen, basis,
            effect=min(1.0, 0.1 + rows / size), affected=rows if name == "new" and basis.exact else None,
            where=where_in(column, [value for value, _ in listed[:200]]) if name == "new" else None,
            remedy="Find out whether the world or the encoding changed; train on data that hold the new categories."
            if name == "new" else "Find out whether these rows were filtered out, or renamed, on the way.",
            evidence={"categories": {name_of(value): n for value, n in listed[:LISTED]}, "count": len(listed)},
        )  # fmt: skip


def _is_suspect(found: Variants, categories: int) -> bool:
    """Single letters may be codes that tell case apart, where there are many of them."""
    return len(found.texts[0].strip()) > 1 or categories <= 10


def _chart(column: str, found: Sequence[Variants]) -> Chart:
    pairs = [(text, n) for v in found[:5] for text, n in zip(v.texts[:5], v.counts[:5], strict=True)]
    return Chart(
        "bars", f"{column}: rows of each spelling",
        {"labels": [f"'{text}'" for text, _ in pairs], "values": [n for _, n in pairs]}, column, "rows",
    )  # fmt: skip
