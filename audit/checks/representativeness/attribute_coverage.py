"""REP004: which combinations of attributes the data hardly hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import name_of
from audit.dataset import ColumnKind, Dataset, Kind
from audit.errors import ConfigError, did_you_mean
from audit.facts import Asks, Facts, Sample, Value
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.coverage import Uncovered, uncovered_patterns

LISTED = 10


@register
@dataclass(frozen=True, slots=True)
class AttributeCoverage:
    """Combinations of attributes with too few rows to learn from or to test on.

    What it measures: rows of every combination of up to three attributes, and the maximal uncovered patterns among
    them: combinations with fewer than `least` rows while all that are more general have enough (Asudeh, Jin &
    Jagadish 2019).
    A warning needs a hole: a combination of which at least `least` rows would be expected if its attributes were
    unrelated, with less than half of them, beyond chance. Where many combinations lack (an airline that does not fly
    from an airport, a city that lies in one country), attributes determine each other and the patterns are only
    listed, unless you named the attributes yourself. Rare values in combination are listed too.
    Why it matters: a model says something about every combination, also about those it never saw, and a test set
    cannot show how well.
    What to do: collect rows of the combinations that matter; for the others say that the model does not cover them.

    Options:
        attributes: columns of few values to combine; by default the first six text and boolean features that have 2 to
            12 values.
        least: rows that a combination should have (our choice); fewer (1% of the rows, at least 5) in tables below
            3,000 rows.
        combine: most attributes in one combination, up to 3.
    """

    code: ClassVar[str] = "REP004"
    name: ClassVar[str] = "attribute-coverage"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TABULAR
    attributes: tuple[str, ...] = ()
    least: int = 30
    combine: int = 3

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the sample's columns that may be attributes."""
        for column in self.attributes:
            if column not in data.names:
                raise ConfigError(f"attributes name the column '{column}'{did_you_mean(column, data.names)}")
        features = tuple(name for name in data.roles.features if name not in data.roles.key)
        columns = self.attributes or data.of_kind(ColumnKind.TEXT, ColumnKind.BOOLEAN, names=features)
        if len(columns) < 2:
            return NotEvaluated("fewer than two text or boolean features; name columns with the option `attributes`")
        return {"columns": columns, "sample": Sample(columns)}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the combinations of the chosen attributes."""
        sampled: Sampled = facts["sample"]
        columns = list(self.attributes) or _few_values(sampled, facts["columns"])
        if len(columns) < 2 or sampled.rows < 50:
            few = f"{'one' if columns else 'no'} column has 2 to 12 values" if len(columns) < 2 else ""
            short = f"{sampled.rows:,} rows are fewer than 50" if sampled.rows < 50 else ""
            yield NotEvaluated(
                "; ".join(filter(None, (few, short)))
                + ": at least two such columns and 50 rows are needed (or name columns with the option `attributes`)"
            )
            return
        coded = [sampled.codes(column) for column in columns]
        least = self._least_rows(sampled)
        patterns = uncovered_patterns(
            [codes for codes, _ in coded], [len(values) for _, values in coded], least,
            most_attributes=max(1, min(3, self.combine)),
        )  # fmt: skip
        yield Measurement("uncovered_patterns", tuple(columns), len(patterns), sampled.basis)
        values = [values for _, values in coded]
        holes = [u for u in patterns if self._is_hole(u, least)]
        holes.sort(key=lambda u: u.attributes)
        reported = [list(same) for _, same in groupby(holes, key=lambda u: u.attributes)]
        reported.sort(key=lambda same: -max(u.expected for u in same))
        for same in reported[:LISTED]:
            yield self._hole(same, columns, values, least, sampled.basis)
        rest = [u for u in patterns if u not in holes]
        if rest:
            yield self._summary(rest, columns, values, least, sampled.basis)

    def _least_rows(self, sampled: Sampled) -> float:
        """Return the rows of the sample that stand for `least` rows of the data, or what a small table can hold."""
        return float(min(self.least, max(5, math.ceil(sampled.rows / 100))))

    def _is_hole(self, u: Uncovered, least: float) -> bool:
        hole = len(u.attributes) > 1 and u.expected >= least and u.rows < u.expected / 2 and u.p_value < 1e-4
        isolated = u.holes <= 0.1 * u.cells or (u.holes == 1 and u.cells >= 6)
        return hole and (bool(self.attributes) or isolated)

    def _hole(
        self,
        same: Sequence[Uncovered],
        columns: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        least: float,
        basis: Basis,
    ) -> Finding:
        names = tuple(columns[i] for i in same[0].attributes)
        worst = max(same, key=lambda u: u.expected)
        others = f"; {len(same) - 1} more of these columns lack" if len(same) > 1 else ""
        return Finding(
            self.code, names, Severity.WARN,
            f"{_words(worst, columns, values)}: {worst.rows:,} of {basis.rows:,} rows, where {worst.expected:,.0f} are "
            f"expected from the single columns, limit {least:g}{others}",
            "uncovered_rows", worst.rows, least, basis,
            effect=min(1.0, 0.2 + sum(u.expected for u in same) / basis.rows),
            remedy="Collect rows of this combination, or state that the model does not cover it. If it cannot exist, "
            "ignore this finding for these columns.",
            chart=_chart(same, columns, values),
            evidence={"patterns": [_entry(u, columns, values) for u in same[:LISTED]], "count": len(same)},
        )  # fmt: skip

    def _summary(
        self,
        rest: Sequence[Uncovered],
        columns: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        least: float,
        basis: Basis,
    ) -> Finding:
        first = ", ".join(_words(u, columns, values) for u in rest[:3])
        many = "1 value or combination" if len(rest) == 1 else f"{len(rest):,} values and combinations"
        named = ", ".join(f"'{column}'" for column in columns[:6]) + (" has" if len(rest) == 1 else " have")
        return Finding(
            self.code, tuple(columns), Severity.INFO,
            f"{many} of {named} fewer than {least:g} of {basis.rows:,} rows, mostly because values are rare or go "
            f"together: {first}"
            + (", …" if len(rest) > 3 else ""),
            "uncovered_patterns", len(rest), 0, basis, effect=0.05,
            remedy="Check whether the model must serve these combinations; if so, collect rows of them.",
            evidence={"patterns": [_entry(u, columns, values) for u in rest[:LISTED]]},
        )  # fmt: skip


def _few_values(sampled: Sampled, columns: Sequence[str]) -> list[str]:
    """Return the first six columns with 2 to 12 values."""
    chosen: list[str] = []
    for column in columns:
        if 2 <= len(sampled.codes(column)[1]) <= 12:
            chosen.append(column)
        if len(chosen) == 6:
            break
    return chosen


def _words(u: Uncovered, columns: Sequence[str], values: Sequence[tuple[Value, ...]]) -> str:
    pairs = zip(u.attributes, u.values, strict=True)
    return " and ".join(f"{columns[i]} = '{name_of(values[i][v])}'" for i, v in pairs)


def _entry(u: Uncovered, columns: Sequence[str], values: Sequence[tuple[Value, ...]]) -> dict[str, object]:
    pattern = {columns[i]: name_of(values[i][v]) for i, v in zip(u.attributes, u.values, strict=True)}
    return {"pattern": pattern, "rows": u.rows, "expected": round(u.expected, 1)}


def _chart(same: Sequence[Uncovered], columns: Sequence[str], values: Sequence[tuple[Value, ...]]) -> Chart:
    shown = sorted(same, key=lambda u: -u.expected)[:LISTED]
    return Chart(
        "bars", "Rows of uncovered combinations, with the expected ones as reference",
        {"labels": [_words(u, columns, values) for u in shown], "values": [u.rows for u in shown],
         "reference": [round(u.expected, 1) for u in shown]},
        "combination", "rows",
    )  # fmt: skip
