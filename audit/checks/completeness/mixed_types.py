"""COM005: text columns that hold numbers, dates or booleans, or a mixture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.completeness._absence import evenly_spaced
from audit.checks.completeness._wording import listed, nothing_to_judge, percent
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.text_types import DATES, NUMBER, TextTypes, looks_typed, odd_rows, text_types

ROWS = 20_000
FIRST_LOOK = 1_000
REMEDY_TEXT = "Convert the column when reading (name the format), and look at the strings that do not convert."
REMEDY_MIXED = "Split value and unit, write one format throughout, and turn what says nothing into NULL; then convert."
REMEDY_DATES = (
    "Write all dates as YYYY-MM-DD at the source. Where day and month cannot be told apart, ask which source wrote "
    "which format before converting: guessing swaps them in silence."
)
REMEDY_BOOLEANS = (
    "Write one pair of words throughout (or a boolean): each spelling is a category of its own to a learner."
)
WORDS = {
    "thousands": "numbers with thousands separators",
    "thousands_dot": "numbers with a dot for thousands",
    "decimal_comma": "numbers with a decimal comma",
    "unit": "numbers with a unit",
    "boolean": "yes/no words",
    "other": "other text",
}


@register
@dataclass(frozen=True, slots=True)
class MixedTypes:
    """Numbers, dates and booleans stored as text, and columns that mix them.

    What it measures: what the strings of each text column look like, on up to 20,000 rows of the sample: plain numbers,
        numbers with separators, a decimal comma or a unit, dates by format, yes/no words, other text. Blank and
        null-like strings (COM002) do not count. Numbers with leading zeros, or whole numbers of one length, are taken
        for codes (a postcode is not a quantity).
    Why it matters: a learner treats "12", "12 kg" and "1,200" as three categories, and one stray string turns a whole
        numeric column into text. Mixed date formats swap day and month in silence.
    What to do: convert when reading, and look at the odd ones: they usually come from one source.

    Options:
        convertible: share (0 to 1) of strings from which a column is numbers (or dates) stored as text (our choice).
        mixed: smallest share (0 to 1) of the rarer kind in a mixture, and of the rarer format of dates or numbers.
        ignore: columns that are text on purpose (house numbers, product codes).
    """

    code: ClassVar[str] = "COM005"
    name: ClassVar[str] = "mixed-types"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    convertible: float = 0.95
    mixed: float = 0.01
    ignore: tuple[str, ...] = ()

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the text columns of the sample; keys, groups and labels are what they are."""
        roles = data.roles
        spared = {*roles.key, roles.group, roles.label, roles.prediction, *roles.annotators, roles.split, *self.ignore}
        text = tuple(c for c in data.of_kind(ColumnKind.TEXT) if c not in spared)
        problem = nothing_to_judge(data)
        if problem is None and not text:
            problem = NotEvaluated("no column holds text (keys, groups and labels aside)")
        return problem or {"sample": Sample(text), "text": text}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Look at each text column: first a glance, then all rows where it may hold more than text."""
        sample: Sampled = facts["sample"]
        glance, rows = evenly_spaced(sample.rows, FIRST_LOOK), evenly_spaced(sample.rows, ROWS)
        basis = sample.basis_of(len(rows))
        for column in facts["text"]:
            cells = sample.table.column(column)
            if looks_typed(cells, glance) < self.mixed:
                yield Measurement("typed_text_share", (column,), 0.0, sample.basis_of(len(glance)), limit=self.mixed)
                continue
            judged = self._judged(column, text_types(cells, rows), basis)
            if isinstance(judged, Finding) and judged.statistic != "boolean_spellings":
                ids = sample.row_ids[odd_rows(cells, rows, _usual_form(judged))][:1_000]
                judged = replace(judged, row_ids=tuple(int(i) for i in ids))
            yield judged

    def _judged(self, column: str, found: TextTypes, basis: Basis) -> Judgement:
        total = found.strings
        typed = found.numbers + found.counts["unit"]
        share = max(typed, found.dated, found.counts["boolean"]) / total if total else 0.0
        fine = Measurement("typed_text_share", (column,), share, basis, limit=self.convertible)
        if total == 0:
            return fine
        common_dates = _formats(found, self.mixed)
        if found.dated / total >= 0.5 and (len(common_dates) > 1 or found.dated / total >= self.convertible):
            return self._dates(column, found, common_dates, basis)
        if found.counts["boolean"] / total >= 0.5 and _spelled_differently(found.spellings):
            return self._booleans(column, found, basis)
        if found.codes or typed == 0:
            return fine
        if found.numbers / total >= self.convertible:
            return self._numbers(column, found, basis)
        if self.mixed <= typed / total and (typed / total >= 0.5 or found.numbers / total >= 0.05):
            return self._mixture(column, found, basis)
        return fine

    def _numbers(self, column: str, found: TextTypes, basis: Basis) -> Finding:
        share = found.numbers / found.strings
        odd = _odd(found, ("number",))
        return self._finding(
            column,
            f"'{column}' is text, but {found.numbers:,} of {found.strings:,} strings are numbers ({percent(share)}), "
            f"limit {percent(self.convertible)}{odd}",
            "numeric_text_share",
            share,
            found=found,
            basis=basis,
            remedy=REMEDY_TEXT,
            # "1", "2", "3" may be the levels of a scale, kept as text on purpose
            severity=Severity.INFO if found.few_whole else Severity.WARN,
        )

    def _mixture(self, column: str, found: TextTypes, basis: Basis) -> Finding:
        typed = found.numbers + found.counts["unit"]
        share = found.numbers / found.strings
        warned = typed / found.strings >= 0.5
        return self._finding(
            column,
            f"'{column}' mixes numbers and text: {found.numbers:,} of {found.strings:,} strings are numbers "
            f"({percent(share)}), limit below {percent(self.mixed)} or at least {percent(self.convertible)}"
            f"{_odd(found, ('number',))}",
            "mixed_type_share",
            min(share, 1 - share),
            found=found,
            basis=basis,
            remedy=REMEDY_MIXED,
            severity=Severity.WARN if warned else Severity.INFO,
        )

    def _dates(self, column: str, found: TextTypes, common: list[str], basis: Basis) -> Finding:
        share = found.dated / found.strings
        if len(common) > 1:
            parts = ", ".join(
                f"{percent(found.dates[name] / found.strings)} {name} ('{found.examples[name][0]}')" for name in common
            )
            message = f"'{column}' writes dates in {len(common)} formats among {found.strings:,} strings: {parts}, "
            message += "limit 1 format"
            return self._finding(
                column, message, "date_formats", len(common), found=found, basis=basis, remedy=REMEDY_DATES
            )
        message = (
            f"'{column}' is text, but {found.dated:,} of {found.strings:,} strings are dates ({percent(share)}), "
            f"limit {percent(self.convertible)}{_odd(found, common)}"
        )
        return self._finding(column, message, "date_text_share", share, found=found, basis=basis, remedy=REMEDY_TEXT)

    def _booleans(self, column: str, found: TextTypes, basis: Basis) -> Finding:
        message = (
            f"'{column}' writes yes and no in {len(found.spellings)} ways among {found.counts['boolean']:,} of "
            f"{found.strings:,} strings: {listed(found.spellings, 8)}, limit 2 ways"
        )
        return self._finding(
            column, message, "boolean_spellings", len(found.spellings), found=found, basis=basis, remedy=REMEDY_BOOLEANS
        )

    def _finding(
        self,
        column: str,
        message: str,
        statistic: str,
        value: float,
        *,
        found: TextTypes,
        basis: Basis,
        remedy: str,
        severity: Severity = Severity.WARN,
    ) -> Finding:
        limits = {"date_formats": 1, "boolean_spellings": 2, "mixed_type_share": self.mixed}
        odd = found.strings - max(found.counts["number"], *(found.dates.values() or [0]), found.counts["boolean"])
        return Finding(
            code=self.code,
            columns=(column,),
            severity=severity,
            message=message,
            statistic=statistic,
            value=value,
            limit=limits.get(statistic, self.convertible),
            basis=basis,
            effect=0.5 if severity is Severity.WARN else 0.2,
            affected=round(odd / max(basis.rows, 1) * basis.of) if odd else None,
            remedy=remedy,
            evidence={
                "counts": dict(found.counts) | dict(found.dates),
                "examples": {kind: list(texts) for kind, texts in found.examples.items()},
                "null_like": found.silent,
            },
        )


def _usual_form(finding: Finding) -> str:
    """Return the pattern that most of the column follows: a number, or the most frequent date format."""
    counts = finding.evidence["counts"]
    common = max(DATES, key=lambda name: int(counts.get(name, 0)))
    return DATES[common] if finding.statistic.startswith("date") else NUMBER


def _formats(found: TextTypes, least: float) -> list[str]:
    """Return the formats of dates in use; what may be either of two does not count where one of them is in use."""
    formats = [name for name, n in found.dates.items() if n / found.strings >= least]
    if {"DD/MM/YYYY", "MM/DD/YYYY"} & set(formats):
        formats = [name for name in formats if name != "D/M or M/D"]
    return formats


def _odd(found: TextTypes, usual: tuple[str, ...] | list[str]) -> str:
    """Return the kinds of strings besides the usual ones, each with its share and an example."""
    kinds = {**found.counts, **found.dates}
    parts = [
        f"{percent(n / found.strings)} {WORDS.get(kind, kind)} ('{found.examples[kind][0]}')"
        for kind, n in kinds.items()
        if n and kind not in usual
    ]
    if found.silent:
        parts.append(f"{found.silent:,} say nothing")
    return f"; the rest: {', '.join(parts)}" if parts else ""


def _spelled_differently(words: tuple[str, ...]) -> bool:
    """Whether more than one pair of words is in use ("yes", "Y", "TRUE")."""
    return len(words) > 2
