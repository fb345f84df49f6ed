"""REP003: whether shares agree with those of the population that the data stand for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import is_value, name_of, where_in
from audit.dataset import Dataset, Kind
from audit.errors import ConfigError, did_you_mean
from audit.facts import Asks, Facts, Grouped, GroupTable, Value, ValueCounts, ValueCountTable
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.coverage import effective_rows, goodness_of_fit, rake

OTHER = "all others"
Margins = dict[str, dict[str | bool | int | float, float]]


@register
@dataclass(frozen=True, slots=True)
class PopulationMargins:
    """Shares that differ from those of the population which the data should stand for.

    What it measures: for each declared column the share of each value, exactly, over its target share (the ratio), the
    total variation distance, and Pearson's chi-square test. A value is under- or over-represented when its ratio leaves
    0.8 to 1.25 (the four-fifths rule of the US Uniform Guidelines, 1978) and chance does not explain it. How much
    weighting would cost is in the evidence: Kish's effective number of rows after raking to all targets.
    Why it matters: a model serves best those of whom it saw most; averages over a skewed sample are wrong averages.
    What to do: collect more of the groups that lack, or weight the rows (raking) and report how many rows remain in
    effect. Declare targets in audit.yaml, under checks.REP003.margins: a column, its values, and the share of each:
    {"region": {"north": 0.4, "south": 0.6}}.

    Options:
        margins: target shares by column and value; each column's sum to 1 (within 0.01). Less than 1 leaves the rest to
            all other values.
        low: smallest ratio of share to target that is still fine.
        high: largest ratio that is still fine.
        fail: total variation distance of a column that is a fail (our choice).
        significance: false alarm rate of a column.
    """

    code: ClassVar[str] = "REP003"
    name: ClassVar[str] = "population-margins"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TABULAR
    margins: Margins = field(default_factory=dict)
    low: float = 0.8
    high: float = 1.25
    fail: float = 0.25
    significance: float = 0.01

    def __post_init__(self) -> None:
        """Refuse targets that are no shares.

        Raises:
            ConfigError: a share is not positive, or those of a column sum to more than 1.
        """
        for column, shares in self.margins.items():
            if not shares or any(not 0 < share <= 1 for share in shares.values()):
                raise ConfigError(f"REP003: margins of '{column}' must be shares above 0 and up to 1")
            if sum(shares.values()) > 1.01:
                raise ConfigError(f"REP003: margins of '{column}' sum to {sum(shares.values()):.3f}, more than 1")

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the counts of each declared column and of their combinations."""
        if not self.margins:
            return NotEvaluated(
                "no population shares are declared; set checks.REP003.margins in audit.yaml, such as "
                "{region: {north: 0.4, south: 0.6}}"
            )
        for column in self.margins:
            if column not in data.names:
                raise ConfigError(f"margins name the column '{column}'{did_you_mean(column, data.names)}")
        columns = tuple(self.margins)
        return {
            "rows": data.rows,
            "counts": {column: ValueCounts(column, top=10_000) for column in columns},
            "joint": Grouped(columns) if len(columns) > 1 else None,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each declared column."""
        effective = self._effective_rows(facts)
        for column, shares in self.margins.items():
            table: ValueCountTable = facts["counts"][column]
            if table.total == 0:
                yield NotEvaluated("it has no value", (column,))
                continue
            basis = Basis(facts["rows"], facts["rows"])
            if not table.exact:
                basis = Basis(table.total, facts["rows"], 0, 0.98 / table.total**0.5)
            yield from self._judge_column(column, shares, table, basis, effective)

    def _judge_column(
        self,
        column: str,
        shares: Mapping[Any, float],
        table: ValueCountTable,
        basis: Basis,
        effective: float | None,
    ) -> Iterator[Judgement]:
        names, counts, targets, values, beyond = _against_targets(shares, table)
        total = sum(counts)
        if total == 0:
            yield NotEvaluated("none of the values with a target occurs", (column,))
            return
        fit = goodness_of_fit(counts, targets)
        yield Measurement("tvd", (column,), fit.tvd, basis, self.fail, p_value=fit.p_value)
        off = [i for i, ratio in enumerate(fit.ratios) if not self.low <= ratio <= self.high]
        if not off or fit.p_value >= self.significance:
            return
        significant = [i for i in off if abs(_score(counts[i], total, targets[i])) > 2.58]
        if not significant:
            return
        worst = max(significant, key=lambda i: abs(math.log(max(float(fit.ratios[i]), 1e-6))))
        fails = fit.tvd > self.fail
        present = [values[i] for i in significant if values[i] is not None]
        yield Finding(
            self.code, (column,), Severity.FAIL if fails else Severity.WARN,
            f"{column}: '{names[worst]}' has {counts[worst]:,.0f} of {total:,.0f} rows "
            f"({counts[worst] / total:.1%}) where the population has {targets[worst]:.1%}, a ratio of "
            f"{fit.ratios[worst]:.2f}, limits {self.low:g} to {self.high:g}; {len(significant)} of {len(names)} values "
            f"are off" + (f"; {beyond:,.0f} rows hold values without a target" if beyond else ""),
            "share_ratio", float(fit.ratios[worst]), self.low if fit.ratios[worst] < self.low else self.high, basis,
            effect=min(1.0, fit.tvd), where=where_in(column, present) if present else None,
            affected=int(sum(counts[i] for i in significant)) if basis.exact else None,
            remedy="Collect more rows of the values that lack, or weight the rows by raking and report the effective "
            "number of rows.",
            chart=Chart("bars", f"Shares of {column}, with the population as reference",
                        {"labels": names, "values": [n / total for n in counts], "reference": targets},
                        column, "share"),
            evidence={"tvd": fit.tvd, "chi2": fit.statistic, "p_value": fit.p_value,
                      "ratios": {name: float(ratio) for name, ratio in zip(names, fit.ratios, strict=True)},
                      "effective_rows_after_raking": effective, "rows_without_target": beyond},
        )  # fmt: skip

    def _effective_rows(self, facts: Facts) -> float | None:
        """Return Kish's effective number of rows after raking to all margins; None where it cannot be done."""
        columns = list(self.margins)
        if facts["joint"] is None:
            single: ValueCountTable = facts["counts"][columns[0]]
            keys: list[tuple[Value, ...]] = [(value,) for value in single.values]
            rows = single.counts
        else:
            joint: GroupTable = facts["joint"]
            if not joint.complete:
                return None
            keys, rows = list(joint.keys), joint.counts
        targets = [_complete(self.margins[column]) for column in columns]
        table = np.zeros([len(target) for target in targets])
        for key, n in zip(keys, rows, strict=True):
            if all(is_value(value) for value in key):
                cell = tuple(_place(target, value) for target, value in zip(targets, key, strict=True))
                if -1 not in cell:
                    table[cell] += n
        if table.sum() == 0:
            return None
        shares = [np.array(list(target.values())) for target in targets]
        weights = rake(table, [share / share.sum() for share in shares])
        return None if weights is None else effective_rows(table, weights)


def _complete(shares: Mapping[Any, float]) -> dict[str, float]:
    """Return target shares by name; what is left of 1 goes to all others."""
    total = sum(shares.values())
    named = {name_of(value): share for value, share in shares.items()}
    return named if total > 0.99 else {**named, OTHER: 1 - total}


def _place(target: Mapping[str, float], value: Value) -> int:
    name = name_of(value)
    names = list(target)
    return names.index(name) if name in target else names.index(OTHER) if OTHER in target else -1


def _against_targets(
    shares: Mapping[Any, float], table: ValueCountTable
) -> tuple[list[str], list[float], list[float], list[Value], float]:
    """Return the values, their rows, their target shares, the values as the column holds them, and the other rows.

    Where targets leave a part of 1, it is that of all values without one; else such rows are only counted. A value with
    a target that no row holds is None.
    """
    target = _complete(shares)
    counts = dict.fromkeys(target, 0.0)
    held: dict[str, Value] = {}
    beyond = float(table.rest)
    for value, n in zip(table.values, table.counts, strict=True):
        name = name_of(value)
        if name in counts and name != OTHER:
            counts[name] += n
            held[name] = value
        else:
            beyond += n
    if OTHER in target:
        counts[OTHER], beyond = beyond, 0.0
    total = sum(target.values())
    names = list(counts)
    return (
        names,
        list(counts.values()),
        [target[name] / total for name in names],
        [held.get(name) for name in names],
        beyond,
    )


def _score(count: float, total: float, share: float) -> float:
    """Return how many standard errors a share lies from its target."""
    return float((count / total - share) / (share * (1 - share) / total) ** 0.5) if 0 < share < 1 else 0.0
