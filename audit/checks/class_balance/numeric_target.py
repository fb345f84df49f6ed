"""BAL004: the shape of a numeric target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import NO_LABEL, name_of, where_in
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Extremes, ExtremeValues, Facts, Moments, MomentValues, Sample
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View
from audit.sample import Floats, Sampled
from audit.stats.density import bin_edges, density, histogram
from audit.stats.intervals import wilson
from audit.stats.shape import Pile, humps, piles, tail_share


@register
@dataclass(frozen=True, slots=True)
class NumericTargetShape:
    """A numeric target with a heavy tail, many zeros, values piled on one number or several humps.

    What it measures: skewness and excess kurtosis (exact moments); the share of all squared deviation that the 1% of
    rows farthest from the mean carry; single values that stand out of the others (zero, the largest, the smallest, any
    other); the humps of the density. Over the finite values.
    Why it matters: a squared error listens to a heavy tail and to little else; a pile at zero or at the largest value
    is often another process (no purchase, a capped measurement), which one regression fits badly; several humps often
    mean mixed populations or units.
    What to do: model the logarithm or use a robust or quantile loss for tails; a two-part or censored model for piles;
    look for a unit mix-up or a missing grouping feature behind humps. Nothing here makes data unusable.

    Options:
        tail: share of squared deviation carried by 1% of rows, for a warning (our choice; normal: 0.085).
        skew: absolute skewness that is mentioned.
        zeros: share of zeros that is a warning.
        pile: share of any other single value that is a warning.
        least: fewer finite values than this are not judged.
    """

    code: ClassVar[str] = "BAL004"
    name: ClassVar[str] = "numeric-target-shape"
    dimension: ClassVar[str] = "class_balance"
    kinds: ClassVar[Kind] = TABULAR
    tail: float = 0.5
    skew: float = 2.0
    zeros: float = 0.25
    pile: float = 0.05
    least: int = 100

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the target's moments, extremes and sample."""
        label = data.roles.label
        if label is None:
            return NO_LABEL
        if data.roles.label_kind != "number":
            return NotEvaluated(f"the label '{label}' has classes; BAL001 judges their balance")
        return {
            "label": label,
            "moments": Moments(label),
            "extremes": Extremes(label),
            "sample": Sample((label,)),
            "rows": data.rows,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the tail, the piles and the humps."""
        label: str = facts["label"]
        moments: MomentValues = facts["moments"]
        sampled: Sampled = facts["sample"]
        values = sampled.finite(label)
        if moments.n < self.least or values.size < self.least:
            yield NotEvaluated(f"'{label}' has {moments.n:,} finite values, at least {self.least} are needed", (label,))
            return
        basis = Basis(facts["rows"], facts["rows"])
        if moments.m2 <= 0:
            yield Finding(
                self.code, (label,), Severity.FAIL,
                f"{label}: all {moments.n:,} finite values are {name_of(moments.mean)}, at least 2 distinct are needed",
                "distinct", 1, 2, basis, effect=1.0, affected=moments.n,
                remedy="A constant target teaches nothing: check the filter or join that made this data.",
            )  # fmt: skip
            return
        chart = _histogram(label, values)
        yield View(chart, f"{moments.n:,} finite values, mean {moments.mean:.4g}, sd {moments.std():.4g}.")
        yield from self._tails(label, moments, sampled, chart)
        yield from self._piles(label, facts["extremes"], sampled, chart)
        yield from self._humps(label, sampled, chart)

    def _tails(self, label: str, moments: MomentValues, sampled: Sampled, chart: Chart) -> Iterator[Judgement]:
        values = sampled.finite(label)
        basis = Basis(sampled.of, sampled.of)
        share = tail_share(values)
        yield Measurement("tail_share", (label,), share, sampled.basis, self.tail)
        yield Measurement("skewness", (label,), moments.skewness, basis, self.skew)
        yield Measurement("kurtosis", (label,), moments.kurtosis, basis)
        log_hint = "Model its logarithm" if float(values.min()) > 0 else "Use a robust or quantile loss"
        if share >= self.tail:
            yield Finding(
                self.code, (label,), Severity.WARN,
                f"{label}: the 1% of rows farthest from the mean carry {share:.1%} of all squared deviation, "
                f"limit {self.tail:.0%} (a normal distribution: 8.5%); skewness {moments.skewness:.1f}",
                "tail_share", share, self.tail, sampled.basis, effect=share, affected=int(0.01 * moments.n),
                chart=chart,
                remedy=f"{log_hint}, and check the largest values: a squared error will follow them alone.",
                evidence={"skewness": moments.skewness, "kurtosis": moments.kurtosis},
            )  # fmt: skip
        elif abs(moments.skewness) >= self.skew:
            side = "high" if moments.skewness > 0 else "low"
            yield Finding(
                self.code, (label,), Severity.INFO,
                f"{label}: skewness is {moments.skewness:.2f} over {moments.n:,} values, limit {self.skew:g}: a long "
                f"tail of {side} values",
                "skewness", moments.skewness, self.skew, basis, effect=min(0.3, abs(moments.skewness) / 20),
                chart=chart,
                remedy=f"{log_hint} if errors should count in proportion.",
            )  # fmt: skip

    def _piles(self, label: str, extremes: ExtremeValues, sampled: Sampled, chart: Chart) -> Iterator[Judgement]:
        values = sampled.finite(label)
        found = piles(values)
        worst = max((p.share for p in found), default=0.0)
        yield Measurement("largest_pile", (label,), worst, sampled.basis, self.pile)
        for pile in found:
            limit = self.zeros if pile.value == 0 else self.pile
            if pile.share < limit:
                continue
            low, high = wilson(round(pile.share * values.size), values.size)
            kind, remedy = _kind_of(pile, extremes)
            yield Finding(
                self.code, (label,), Severity.WARN,
                f"{label}: {pile.share:.1%} of {values.size:,} values are exactly {name_of(pile.value)} ({kind}), "
                f"limit {limit:.0%}; the next most frequent value has {pile.next_share:.2%} (95% interval {low:.1%} to "
                f"{high:.1%})",
                "pile_share", pile.share, limit, sampled.basis, effect=pile.share, segment=name_of(pile.value),
                affected=round(pile.share * sampled.of * values.size / sampled.rows),
                where=where_in(label, [pile.value]), remedy=remedy, chart=chart,
            )  # fmt: skip

    def _humps(self, label: str, sampled: Sampled, chart: Chart) -> Iterator[Judgement]:
        values = sampled.finite(label)
        distinct = np.unique(values).size
        count = humps(values) if distinct >= 50 else 1  # the steps of a coarse scale are no humps
        yield Measurement("humps", (label,), count, sampled.basis, 1)
        if count > 1:
            yield Finding(
                self.code, (label,), Severity.INFO,
                f"{label}: the density of {values.size:,} values has {count} humps, limit 1",
                "humps", count, 1, sampled.basis, effect=0.2, chart=chart,
                remedy="Look for two populations or two units in one column; a feature that tells them apart helps.",
            )  # fmt: skip


def _kind_of(pile: Pile, extremes: ExtremeValues) -> tuple[str, str]:
    """Return what a pile looks like, in words, and what to do about it."""
    if pile.value == 0:
        return (
            "inflated by zeros",
            "Model it in two parts (zero or not, then how much), or use a Tweedie or hurdle loss.",
        )
    if pile.value == extremes.high:
        return "the largest value: capped?", "If larger values were cut off, use a censored model or drop the cap."
    if pile.value == extremes.low:
        return "the smallest value: floored?", "If smaller values were cut off, use a censored model or drop the floor."
    return "a spike", "Find out whether it is a default, an imputed value or a code; if so, make it missing."


def _histogram(label: str, values: Floats) -> Chart:
    ordered = np.sort(values)
    edges = bin_edges(ordered, whole=bool(np.all(values == np.floor(values))))
    counted = histogram(ordered, edges)
    x, y = density(ordered, float(edges[0]), float(edges[-1]))
    data = {
        "edges": edges.tolist(),
        "counts": counted.counts.tolist(),
        "density": [[float(a), float(b)] for a, b in zip(x, y, strict=True)],
    }
    outside = counted.below + counted.above
    beyond = f", {outside:,} values lie outside" if outside else ""
    return Chart("histogram", f"{label} in {values.size:,} rows{beyond}", data, label, "rows")
