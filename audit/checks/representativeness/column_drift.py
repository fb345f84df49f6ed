"""REP001: whether each column is distributed as in the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import name_of
from audit.checks.representativeness.columns import (
    NO_REFERENCE,
    Comparison,
    category_counts,
    compare_columns,
    is_identifier,
    json_number,
    listed,
)
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Facts, OnReference, Sample
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.balance import homogeneity, total_variation
from audit.stats.density import bin_edges, histogram
from audit.stats.drift import (
    Stability,
    bin_counts,
    critical_stability,
    jensen_shannon,
    novelty,
    numeric_distance,
    reference_cuts,
    size_free_v,
    stability,
    top_and_rest,
)
from audit.stats.intervals import benjamini_hochberg
from audit.stats.robust import quantile_of_sorted

Floats = NDArray[np.float64]
REMEDY = (
    "Find out what changed: the source, the filter, a unit or an encoding. If the world changed, collect newer "
    "training data or weight it; if the pipeline changed, repair it and audit again."
)


@dataclass(frozen=True, slots=True)
class _Drift:
    """The distance of one column from the reference, and the chance of it when nothing differs."""

    column: str
    stability: Stability
    distance: float
    distance_name: str
    novel: float
    p: float
    effect: float
    evidence: dict[str, Any]
    words: str
    draw: Callable[[], Chart]


@register
@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """Columns whose values are distributed otherwise than in the reference dataset.

    What it measures: for numbers the population stability index (PSI) over tenths of the reference, with missing values
    as a bin of their own, and the Kolmogorov-Smirnov distance; for text and booleans PSI and bias-corrected Cramer's V
    over the 50 most frequent categories, missing and the rest, and the share of rows in new categories. PSI counts only
    beyond its average under pure chance, (B - 1)(1/n + 1/m): ten bins and 100 rows give 0.18 when nothing differs. A
    finding needs both: a distance beyond its limit, and significance at a false discovery rate over all columns.
    Wasserstein and Jensen-Shannon distance and the mean difference stand in the evidence. Keys, times, splits, weights
    and identifiers are left out, because they differ by their nature.
    Why it matters: a model is only as good as its training data resembles what it meets; a changed unit, filter or
    default value also shows here first.
    What to do: look at the overlaid distributions and find out what changed. If the world changed, collect newer data
    or weight it; if the pipeline changed, repair it.

    Options:
        psi_warn: PSI beyond chance that is worth a warning (rule of thumb of credit scoring: 0.10).
        psi_fail: the same, for fail (0.25).
        distance_warn: Kolmogorov-Smirnov's D or Cramer's V that is worth a warning (our choice: half of that for fail).
        distance_fail: the same, for fail (Deepchecks: 0.2).
        significance: false discovery rate over all columns.
        bins: bins of equal share of the reference.
        least: columns with fewer rows on either side are not judged.
    """

    code: ClassVar[str] = "REP001"
    name: ClassVar[str] = "column-drift"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TABULAR
    psi_warn: float = 0.10
    psi_fail: float = 0.25
    distance_warn: float = 0.10
    distance_fail: float = 0.20
    significance: float = 0.01
    bins: int = 10
    least: int = 30

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the samples of the data and of the reference."""
        if data.reference is None:
            return NO_REFERENCE
        comparison = compare_columns(data, data.reference)
        columns = comparison.columns
        return {
            "comparison": comparison,
            "rows": (data.rows, data.reference.rows),
            "sample": Sample(columns),
            "reference": OnReference(Sample(columns)),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the schema, then the distribution of each column that both have."""
        comparison: Comparison = facts["comparison"]
        current: Sampled = facts["sample"]
        reference: Sampled = facts["reference"]
        yield from comparison.left_out
        yield from self._schema(comparison, Basis(facts["rows"][0], facts["rows"][0]))
        if min(current.rows, reference.rows) < self.least:
            yield NotEvaluated(
                f"{current.rows:,} rows against {reference.rows:,} in the reference: at least {self.least} are needed"
            )
            return
        drifts: list[_Drift] = []
        for column in comparison.columns:
            text = column in comparison.categorical
            if is_identifier(current, column, text=text) or is_identifier(reference, column, text=text):
                yield NotEvaluated("it identifies rows or times, which differ by their nature", (column,))
            elif text:
                drifts.append(_categorical_drift(reference, current, column))
            else:
                drifts.append(_numeric_drift(reference, current, column, self.bins))
        adjusted = benjamini_hochberg([drift.p for drift in drifts])
        for drift, q in zip(drifts, adjusted, strict=True):
            yield from self._judge_column(drift, float(q), current.basis, reference.rows)

    def _schema(self, comparison: Comparison, basis: Basis) -> Iterator[Finding]:
        for column, before, now in comparison.changed:
            yield Finding(
                self.code, (column,), Severity.FAIL,
                f"{column}: it is of kind {now} and was {before} in the reference, limit: the same kind",
                "kind", now, before, basis, effect=1.0,
                remedy="Read the column with the type that the reference has, or repair the export that changed it.",
            )  # fmt: skip
        if comparison.lost:
            yield Finding(
                self.code, comparison.lost, Severity.WARN,
                f"{len(comparison.lost):,} columns of the reference are not in the data: {listed(comparison.lost)}; "
                f"limit 0",
                "lost_columns", len(comparison.lost), 0, basis, effect=0.5,
                remedy="Restore the columns, or take them out of the reference if they were dropped on purpose.",
            )  # fmt: skip

    def _judge_column(self, drift: _Drift, q: float, basis: Basis, reference_rows: int) -> Iterator[Judgement]:
        psi, columns = drift.stability, (drift.column,)
        yield Measurement(
            "psi", columns, psi.value, basis, psi.expected + self.psi_warn, p_value=psi.p_value, p_adjusted=q
        )
        if np.isfinite(drift.distance):
            yield Measurement(
                drift.distance_name, columns, drift.distance, basis, self.distance_warn, p_value=drift.p, p_adjusted=q
            )
        # a share of rows in new categories is as bad as the same maximal difference of shares
        excess, apart = psi.excess, max(np.nan_to_num(drift.distance), drift.novel)
        if q > self.significance or (excess <= self.psi_warn and apart <= self.distance_warn):
            return
        fails = excess > self.psi_fail or apart > self.distance_fail
        by_psi = excess > (self.psi_fail if fails else self.psi_warn)
        psi_limit, distance_limit = (
            (self.psi_fail, self.distance_fail) if fails else (self.psi_warn, self.distance_warn)
        )
        statistic, value, limit = (
            ("psi", psi.value, psi.expected + psi_limit)
            if by_psi
            else ("new_share", drift.novel, distance_limit)
            if drift.novel > np.nan_to_num(drift.distance)
            else (drift.distance_name, drift.distance, distance_limit)
        )
        described = (
            f"PSI is {psi.value:.3f}, where chance gives {psi.expected:.3f} and the limit is {psi_limit:g} more"
            if by_psi
            else f"{LABELS[statistic]} is {value:.3f}, limit {limit:g}"
        )
        yield Finding(
            self.code, columns, Severity.FAIL if fails else Severity.WARN,
            f"{drift.column}: {basis.rows:,} values are distributed unlike the {reference_rows:,} of the reference: "
            f"{'; '.join(part for part in (described, drift.words) if part)}",
            statistic, value, limit, basis, effect=drift.effect, remedy=REMEDY, chart=drift.draw(),
            evidence={**drift.evidence, "p_value": drift.p, "p_adjusted": q, "reference_rows": reference_rows},
        )  # fmt: skip


LABELS = {
    "ks": "the Kolmogorov-Smirnov distance",
    "cramers_v": "Cramer's V",
    "new_share": "the share of rows in new categories, beyond chance,",
}


def _numeric_drift(reference: Sampled, current: Sampled, column: str, bins: int) -> _Drift:
    before, now = reference.finite(column), current.finite(column)
    a, b, missing = _binned(reference.numbers(column), current.numbers(column), before, bins)
    psi = stability(a, b)
    apart = numeric_distance(before, now)
    # two looks at one column (bins with the missing ones, and the order of values): Bonferroni for two
    p = min(1.0, 2 * min(psi.p_value, apart.ks_p if np.isfinite(apart.ks_p) else 1.0))
    tvd = total_variation(a, b)
    medians = _median(before), _median(now)
    evidence = {
        **_shared_evidence(psi, a, b, missing),
        "ks": json_number(apart.ks),
        "ks_p_value": json_number(apart.ks_p),
        "wasserstein": json_number(apart.wasserstein),
        "wasserstein_normalised": json_number(apart.normalised_wasserstein),
        "smd": json_number(apart.smd),
        "median": medians[1],
        "reference_median": medians[0],
    }
    words = _missing_words(missing)
    if len(before) and len(now):
        words = f"median {medians[1]:.4g} instead of {medians[0]:.4g}{words and '; ' + words}"
    draw = partial(_histogram, column, before, now)
    return _Drift(
        column, psi, apart.ks, "ks", 0.0, p, min(1.0, max(np.nan_to_num(apart.ks), tvd)), evidence, words, draw
    )


def _binned(before: Floats, now: Floats, finite: Floats, bins: int) -> tuple[Any, Any, tuple[float, float]]:
    # fewer bins where they would hold fewer than five rows: chi-square needs that much
    bins = max(2, min(bins, len(finite) // 5, len(now) // 5))
    cuts = reference_cuts(finite, bins)
    a, b = bin_counts(before, cuts), bin_counts(now, cuts)
    return a, b, (a[-1] / len(before), b[-1] / len(now))


def _categorical_drift(reference: Sampled, current: Sampled, column: str) -> _Drift:
    categories, a, b, absent = category_counts(reference, current, column)
    missing = (absent[0] / reference.rows, absent[1] / current.rows)
    top_a, top_b, kept = top_and_rest(a, b)
    table = np.stack([np.append(top_a, absent[0]), np.append(top_b, absent[1])])
    psi, tvd, v = stability(*table), total_variation(*table), size_free_v(*table)
    test, new = homogeneity(table), novelty(a, b)
    p = min(1.0, 2 * min(test.p_value, new.p_value))
    novel = new.excess if len(a) and new.p_value < 0.01 else 0.0
    shift = np.append(top_b[: len(kept)] / current.rows - top_a[: len(kept)] / reference.rows, missing[1] - missing[0])
    most = int(np.argmax(np.abs(shift)))
    labels = [name_of(categories[k]) for k in kept]
    words = (
        f"'{labels[most]}' has {top_b[most] / current.rows:.1%} of the rows instead of "
        f"{top_a[most] / reference.rows:.1%}"
        if most < len(kept)
        else _missing_words(missing)
    )
    evidence = {
        **_shared_evidence(psi, table[0], table[1], missing),
        "cramers_v": json_number(v),
        "chi2": test.statistic,
        "chi2_p_value": test.p_value,
        "new_share": json_number(new.share),
        "new_share_by_chance": json_number(new.expected),
        "categories": int(np.count_nonzero(b)),
        "reference_categories": int(np.count_nonzero(a)),
    }
    draw = partial(_bars, column, labels, top_a, top_b, absent)
    return _Drift(column, psi, v, "cramers_v", novel, p, tvd, evidence, words, draw)


def _shared_evidence(psi: Stability, a: Any, b: Any, missing: tuple[float, float]) -> dict[str, Any]:
    return {
        "psi": psi.value,
        "psi_by_chance": psi.expected,
        "psi_critical_1%": critical_stability(psi.bins, int(np.sum(a)), int(np.sum(b))),
        "bins": psi.bins,
        "js_distance": jensen_shannon(a, b),
        "tvd": total_variation(a, b),
        "missing_share": float(missing[1]),
        "reference_missing_share": float(missing[0]),
    }


def _missing_words(missing: tuple[float, float]) -> str:
    before, now = missing
    return f"missing values are {now:.1%} instead of {before:.1%}" if abs(now - before) > 0.005 else ""


def _median(values: Floats) -> float | None:
    # numpy sorts several times as fast as it selects
    return quantile_of_sorted(np.sort(values), 0.5) if len(values) else None


def _histogram(column: str, before: Floats, now: Floats) -> Chart:
    both = np.concatenate([before, now])
    edges = bin_edges(both, whole=bool(len(both)) and bool(np.all(both == np.floor(both))))
    inside = [histogram(values, edges).counts.tolist() if len(edges) > 1 else [] for values in (now, before)]
    return Chart(
        "histogram", f"{column}: this data, with the reference overlaid",
        {"edges": edges.tolist(), "counts": inside[0], "reference": inside[1]}, column, "rows",
    )  # fmt: skip


def _bars(column: str, labels: list[str], a: Floats, b: Floats, absent: tuple[int, int]) -> Chart:
    shown = labels[:20]
    rest_a, rest_b = float(a[len(shown) :].sum()), float(b[len(shown) :].sum())
    names = [*shown, *(["other"] if rest_a or rest_b else []), *(["missing"] if any(absent) else [])]
    extra = [(rest_a, rest_b)] * bool(rest_a or rest_b) + [(float(absent[0]), float(absent[1]))] * any(absent)
    return Chart(
        "bars", f"{column}: this data, with the reference as a mark",
        {"labels": names, "values": [*b[: len(shown)].tolist(), *(now for _, now in extra)],
         "reference": [*a[: len(shown)].tolist(), *(before for before, _ in extra)]},
        column, "rows",
    )  # fmt: skip
