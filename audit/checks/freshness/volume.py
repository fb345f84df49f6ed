"""FRE005: periods with far fewer or far more rows than usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.freshness.clock import Rhythm, ask_rhythm, rhythm_of, say_time, time_column, timeline, where_periods
from audit.dataset import Column, Dataset, Kind
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity, View
from audit.stats.cadence import chance_of_volume, volume_scores

LISTED = 20


@dataclass(frozen=True, slots=True)
class _Series:
    """The full periods: their numbers, rows, usual rows and robust z scores; `rows` of the whole dataset."""

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    usual: NDArray[np.float64]
    scores: NDArray[np.float64]
    rows: int


@register
@dataclass(frozen=True, slots=True)
class Volume:
    """Periods with far fewer or far more rows than the same weekday (or hour of the week) usually has.

    What it measures: rows per period, exactly; robust z = 0.6745 (x - median) / MAD against the same place of the week
    (Iglewicz and Hoaglin). A period counts if z is beyond the limit, the rows are fewer than `low` or more than `high`
    times the usual, and a Poisson law would hardly give them. The first and the last period are left out: they may be
    cut. Periods without any row are the business of FRE003.
    Why it matters: half a day's rows is a load that broke; twice the rows is one that ran twice. Both change what the
    data says about that time.
    What to do: compare with the source; load the period again, or remove what was loaded twice (see KEY001, KEY002).

    Options:
        z: absolute robust z score (3.5: Iglewicz and Hoaglin).
        low: share of the usual rows below which a period may count (our choice, like `high`).
        high: the same above.
        significance: the chance, over all periods together, that a Poisson law may give.
        least: with fewer periods nothing is judged.
    """

    code: ClassVar[str] = "FRE005"
    name: ClassVar[str] = "volume"
    dimension: ClassVar[str] = "freshness"
    kinds: ClassVar[Kind] = TABULAR
    z: float = 3.5
    low: float = 0.5
    high: float = 2.0
    significance: float = 0.01
    least: int = 10

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the rows per period."""
        column = time_column(data)
        if isinstance(column, NotEvaluated):
            return column
        return {"rhythm": ask_rhythm(column.name), "column": column, "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge every full period."""
        column: Column = facts["column"]
        rhythm = rhythm_of(facts["rhythm"]["fine"], facts["rhythm"]["days"])
        if rhythm is not None:
            yield View(timeline(column.name, rhythm), "The first and the last period may be incomplete.")
        if rhythm is None or rhythm.numbers.size < self.least + 2:
            yield NotEvaluated(
                f"'{column.name}' has rows in fewer than {self.least + 2} periods: nothing is usual yet", (column.name,)
            )
            return
        yield from self._periods(column, rhythm, Basis(facts["rows"], facts["rows"]))

    def _periods(self, column: Column, rhythm: Rhythm, basis: Basis) -> Iterator[Judgement]:
        numbers, counts = rhythm.numbers[1:-1], rhythm.counts[1:-1]
        usual, scores = volume_scores(numbers // rhythm.grid.step, counts, rhythm.grid.cycle)
        unlikely = chance_of_volume(counts, usual) * counts.size < self.significance
        beyond = np.abs(scores) > self.z
        few = beyond & unlikely & (counts < self.low * usual)
        many = beyond & unlikely & (counts > self.high * usual)
        for statistic, odd, limit in (("volume_drop", few, self.low), ("volume_rise", many, self.high)):
            share = float(np.count_nonzero(odd)) / counts.size
            yield Measurement(f"{statistic}_periods", (column.name,), share, basis, 0.0)
            if odd.any():
                series = _Series(numbers, counts, usual, scores, basis.of)
                yield self._finding(column, rhythm, series, odd, (statistic, limit))
        yield Measurement("largest_z", (column.name,), float(np.abs(scores).max()), basis, self.z)

    def _finding(
        self, column: Column, rhythm: Rhythm, series: _Series, odd: NDArray[np.bool_], rule: tuple[str, float]
    ) -> Finding:
        basis = Basis(series.rows, series.rows)
        numbers, counts, usual, scores = series.numbers, series.counts, series.usual, series.scores
        statistic, limit = rule
        drop = statistic == "volume_drop"
        at = np.flatnonzero(odd)
        ratio = counts[at] / usual[at]
        order = at[np.argsort(ratio if drop else -ratio, kind="stable")]
        k = int(order[0])
        worst = float(counts[k] / usual[k])
        touched = int(counts[at].sum())
        off = float(np.abs(counts[at] - usual[at]).sum())
        ranges = [(rhythm.start(int(numbers[i])), rhythm.start(int(numbers[i]) + 1)) for i in order[:100]]
        worst_period = say_time(rhythm.start(int(numbers[k])))
        return Finding(
            self.code, (column.name,), Severity.WARN,
            f"{column.name}: {at.size:,} of {counts.size:,} {rhythm.every}s have far {'fewer' if drop else 'more'} "
            f"rows than usual, most of all {worst_period}: {counts[k]:,} rows where {usual[k]:,.0f} are usual "
            f"({worst:.2f} times, limit {limit:g}; robust z {scores[k]:.1f}, limit {self.z:g})",
            statistic, worst, limit, basis, effect=min(1.0, 0.1 + off / float(counts.sum())), affected=touched,
            where=where_periods(column.name, ranges, zoned=column.zoned),
            remedy="Compare with the source: load the period again if rows are lost." if drop else
            "Compare with the source: rows of these periods may have been loaded twice.",
            chart=timeline(column.name, rhythm),
            evidence={"periods": [{"start": rhythm.start(int(numbers[i])).isoformat(), "rows": int(counts[i]),
                                   "usual": float(usual[i])} for i in order[:LISTED]]},
        )  # fmt: skip
