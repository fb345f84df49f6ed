"""REP002: whether a model can tell the data from the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.representativeness.columns import (
    NO_REFERENCE,
    Comparison,
    category_counts,
    compare_columns,
    is_identifier,
    listed,
)
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Facts, OnReference, Sample
from audit.findings import Basis, Chart, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.separation import Auc, drivers, separate

CELLS = 2_000_000
LARGEST = 1e30


@register
@dataclass(frozen=True, slots=True)
class MultivariateDrift:
    """Rows that a model can tell from those of the reference, also when no single column has drifted.

    What it measures: a classifier (extremely randomised trees, cross-validated; rows of one group and equal rows stay
    in one fold) learns to tell the rows of the data from those of the reference. Its AUC on rows that it has not seen
    is 0.5 when both are alike and 1 when they do not overlap; 2 AUC - 1 is judged, and the 95% interval must lie above
    half the limit too. The columns that give the difference away are those without which the AUC falls.
    Why it matters: columns can change together (an age that no longer fits the income) while each looks as before, and
    a model that learned the old combination fails on the new one.
    What to do: look at the named columns, first one by one (REP001), then against each other in both datasets.

    Options:
        warn: 2 AUC - 1 that is worth a warning (Deepchecks: 0.25).
        fail: the same, for fail (our choice).
        rows: most rows taken of each dataset; fewer where tables are wide.
        least: with fewer rows on either side nothing is judged.
    """

    code: ClassVar[str] = "REP002"
    name: ClassVar[str] = "multivariate-drift"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TABULAR
    warn: float = 0.25
    fail: float = 0.50
    rows: int = 5_000
    least: int = 100

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the samples of the data and of the reference."""
        if data.reference is None:
            return NO_REFERENCE
        comparison = compare_columns(data, data.reference)
        group = data.roles.group if data.roles.group in data.reference.names else None
        columns = tuple(dict.fromkeys([*comparison.columns, *([group] if group else [])]))
        return {
            "comparison": comparison,
            "group": group,
            "sample": Sample(columns),
            "reference": OnReference(Sample(columns)),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Train, measure on held-out rows, and name the columns that tell."""
        current: Sampled = facts["sample"]
        reference: Sampled = facts["reference"]
        columns, categorical = _comparable(facts["comparison"], reference, current, facts["group"])
        if not columns:
            yield NotEvaluated("no column can be compared with the reference")
            return
        if min(current.rows, reference.rows) < self.least:
            yield NotEvaluated(
                f"{current.rows:,} rows against {reference.rows:,} in the reference: at least {self.least} are needed"
            )
            return
        most = max(self.least, min(self.rows, CELLS // (2 * len(columns))))
        before, now = _choose(reference, most), _choose(current, most)
        matrix = np.column_stack([_numbers(reference, current, c, before, now, text=c in categorical) for c in columns])
        second = np.repeat([False, True], [before.size, now.size])
        group = facts["group"]
        groups = _groups(reference, current, group, before, now) if group else None
        separation = separate(matrix, second, groups=groups, seed=current.seed)
        basis = current.basis_of(now.size)
        apart = 2 * separation.auc.value - 1
        interval = Interval(2 * separation.auc.low - 1, 2 * separation.auc.high - 1, "DeLong")
        yield Measurement("separability", (), apart, basis, self.warn, interval=interval)
        yield Measurement("auc", (), separation.auc.value, basis)
        limit = self.fail if apart > self.fail and interval.low > self.fail / 2 else self.warn
        if apart <= self.warn or interval.low <= limit / 2:
            return
        falls = drivers(matrix, second, separation.pairs[0], seed=current.seed)
        told = [(columns[j], fall) for j, fall in falls]
        yield self._finding(told, separation.auc, interval, basis, limit=limit, reference_rows=before.size)

    def _finding(
        self,
        told: Sequence[tuple[str, float]],
        found: Auc,
        interval: Interval,
        basis: Basis,
        *,
        limit: float,
        reference_rows: int,
    ) -> Finding:
        apart = 2 * found.value - 1
        names = tuple(name for name, _ in told[:5])
        by = f", mostly by {listed(names)}" if names else ", by many columns together"
        return Finding(
            self.code, (), Severity.FAIL if limit == self.fail else Severity.WARN,
            f"a model tells {basis.rows:,} rows of the data from {reference_rows:,} of the reference with an AUC of "
            f"{found.value:.3f} (2 AUC - 1 = {apart:.3f}, 95% interval {interval.low:.3f} to {interval.high:.3f}, "
            f"limit {limit:g}){by}",
            "separability", apart, limit, basis, interval=interval, effect=max(0.0, min(1.0, apart)),
            remedy="Compare the named columns with the reference, one by one (REP001) and against each other; train on "
            "data that resemble what the model will meet, or weight them.",
            chart=Chart(
                "bars", "Fall of the AUC when a column is shuffled",
                {"labels": [name for name, _ in told], "values": [fall for _, fall in told]}, "column", "fall of AUC",
            ) if told else None,
            evidence={"auc": found.value, "drivers": dict(told), "reference_rows": reference_rows},
        )  # fmt: skip


def _comparable(
    comparison: Comparison, reference: Sampled, current: Sampled, group: str | None
) -> tuple[list[str], frozenset[str]]:
    """Return the columns that a model may look at, and which of them hold categories."""
    categorical = frozenset(comparison.categorical)
    columns = [
        column
        for column in comparison.columns
        if column != group
        and not any(is_identifier(side, column, text=column in categorical) for side in (reference, current))
    ]
    return columns, categorical


def _choose(sampled: Sampled, most: int) -> NDArray[np.int64]:
    """Return the places of at most `most` rows, a uniform choice by the sample's seed."""
    if sampled.rows <= most:
        return np.arange(sampled.rows)
    return np.sort(np.random.default_rng(sampled.seed).choice(sampled.rows, most, replace=False))


def _numbers(
    reference: Sampled,
    current: Sampled,
    column: str,
    before: NDArray[np.int64],
    now: NDArray[np.int64],
    *,
    text: bool,
) -> NDArray[np.float64]:
    """Return a column of both samples, the reference first: categories as ranks of their joint frequency."""
    if not text:
        values = np.concatenate([reference.numbers(column)[before], current.numbers(column)[now]])
        cut: NDArray[np.float64] = np.clip(values, -LARGEST, LARGEST)
        return cut
    codes, counts = _joint_codes(reference, current, column, before, now)
    rank = np.empty(len(counts) + 1)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    rank[-1] = np.nan  # code -1 is missing
    ranked: NDArray[np.float64] = rank[codes]
    return ranked


def _joint_codes(
    reference: Sampled, current: Sampled, column: str, before: NDArray[np.int64], now: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    categories, a, b, _ = category_counts(reference, current, column)
    place = {value: i for i, value in enumerate(categories)}
    parts = []
    for sampled, rows in ((reference, before), (current, now)):
        codes, values = sampled.codes(column)
        joint = np.array([*(place[value] for value in values), -1], dtype=np.int64)
        parts.append(joint[codes[rows]])
    return np.concatenate(parts), a + b


def _groups(
    reference: Sampled, current: Sampled, group: str, before: NDArray[np.int64], now: NDArray[np.int64]
) -> NDArray[np.int64]:
    return _joint_codes(reference, current, group, before, now)[0]
