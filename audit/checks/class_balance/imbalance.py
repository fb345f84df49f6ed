"""BAL001: how evenly the rows are spread over the classes of the label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import is_value, name_of, where_in, without_classes
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Facts, Value, ValueCounts, ValueCountTable
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View
from audit.stats.balance import Balance, balance_of

SHOWN = 40
REMEDY = (
    "Imbalance is not a defect by itself, and resampling is rarely the first answer: judge by precision, recall or "
    "PR-AUC instead of accuracy, stratify the splits, and give class weights to the loss."
)


@register
@dataclass(frozen=True, slots=True)
class ClassImbalance:
    """Classes of very different size, classes too small to learn, a label with one class.

    What it measures: rows of each class, exactly: the ratio of the largest to the smallest, normalised entropy
    H / ln K, the effective number of classes (exp(H) and 1 / sum p^2), and the rows of the smallest class. Up to
    `many_classes` classes are judged by the ratio; more of them by entropy, because with many classes a ratio is always
    large. Missing labels do not count (COM001 does).
    Why it matters: accuracy is high for a model that ignores a rare class, and a class with fewer rows than there are
    folds cannot be cross-validated at all. A label with one class teaches nothing.
    What to do: choose a metric that sees the rare class, stratify, weight the loss; collect more of classes that are
    too small, or merge them if they mean the same. Imbalance that mirrors the world is no defect by itself.

    Options:
        warn: ratio of largest to smallest class (Deepchecks: 10).
        fail: the same, for fail (our choice).
        many_classes: above this many classes the ratio is not judged.
        unevenness: 1 - H / ln K from which many classes are worth a warning (ydata-profiling: 0.5).
        support: fewer rows in a class than this is a warning.
        folds: fewer rows in a class than this is a fail: stratified cross-validation is impossible.
    """

    code: ClassVar[str] = "BAL001"
    name: ClassVar[str] = "class-imbalance"
    dimension: ClassVar[str] = "class_balance"
    kinds: ClassVar[Kind] = TABULAR
    warn: float = 10.0
    fail: float = 100.0
    many_classes: int = 20
    unevenness: float = 0.5
    support: int = 30
    folds: int = 5

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the classes and their rows."""
        reason = without_classes(data)
        if reason is not None:
            return reason
        assert data.roles.label is not None
        return {"label": data.roles.label, "classes": ValueCounts(data.roles.label, top=10_000), "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the ratio (or the entropy of many classes), then the smallest classes."""
        label: str = facts["label"]
        table: ValueCountTable = facts["classes"]
        classes = {v: n for v, n in zip(table.values, table.counts, strict=True) if is_value(v) and n > 0}
        if not classes:
            yield NotEvaluated(f"no row has a value in the label '{label}'", (label,))
            return
        basis = Basis(facts["rows"], facts["rows"]) if table.exact else _sample(table)
        balance = balance_of(list(classes.values()))
        yield _view(label, classes, balance)
        if balance.classes == 1:
            yield self._single(label, classes, basis)
            return
        yield from self._spread(label, classes, balance, basis)
        yield from self._support(label, classes, table, basis)

    def _single(self, label: str, classes: dict[Value, int], basis: Basis) -> Finding:
        (only, rows) = next(iter(classes.items()))
        return Finding(
            self.code, (label,), Severity.FAIL,
            f"{label}: all {rows:,} labelled rows are of the one class '{name_of(only)}', at least 2 are needed",
            "classes", 1, 2, basis, effect=1.0, affected=rows,
            remedy="With one class there is nothing to learn: check the filter or join that made this data.",
        )  # fmt: skip

    def _spread(self, label: str, classes: dict[Value, int], b: Balance, basis: Basis) -> Iterator[Judgement]:
        by_ratio = b.classes <= self.many_classes
        small, large = min(classes, key=lambda v: classes[v]), max(classes, key=lambda v: classes[v])
        severity = None
        if by_ratio and b.ratio >= self.warn:
            severity = Severity.FAIL if b.ratio >= self.fail else Severity.WARN
        elif not by_ratio and 1 - b.evenness > self.unevenness:
            severity = Severity.WARN
        ratio_limit = self.fail if severity is Severity.FAIL else self.warn
        yield Measurement("imbalance_ratio", (label,), b.ratio, basis, self.warn if by_ratio else None)
        yield Measurement("unevenness", (label,), 1 - b.evenness, basis, None if by_ratio else self.unevenness)
        yield Measurement("normalised_entropy", (label,), b.evenness, basis)
        yield Measurement("effective_classes", (label,), b.effective_classes, basis)
        yield Measurement("inverse_simpson", (label,), b.inverse_simpson, basis)
        if severity is None:
            return
        if by_ratio:
            message = (
                f"{label}: the largest class '{name_of(large)}' has {b.largest:,} and the smallest '{name_of(small)}' "
                f"{b.smallest:,} of {b.total:,} labelled rows: {b.ratio:,.1f} to 1, limit {ratio_limit:g} to 1"
            )
        else:
            message = (
                f"{label}: {b.classes:,} classes are as uneven as {b.effective_classes:,.1f} equal ones over "
                f"{b.total:,} labelled rows: unevenness {1 - b.evenness:.2f}, limit {self.unevenness:g}"
            )
        yield Finding(
            self.code, (label,), severity, message,
            "imbalance_ratio" if by_ratio else "unevenness", b.ratio if by_ratio else 1 - b.evenness,
            ratio_limit if by_ratio else self.unevenness, basis,
            effect=1 - b.evenness, affected=b.smallest if by_ratio else None,
            where=where_in(label, [small]) if by_ratio and basis.exact else None, remedy=REMEDY,
            chart=_chart(label, classes),
            evidence={"classes": b.classes, "normalised_entropy": b.evenness, "effective_classes": b.effective_classes,
                      "inverse_simpson": b.inverse_simpson, "minority_share": b.smallest / b.total},
        )  # fmt: skip

    def _support(
        self, label: str, classes: dict[Value, int], table: ValueCountTable, basis: Basis
    ) -> Iterator[Judgement]:
        if not table.exact:
            yield NotEvaluated("more than 10,000 classes: their sizes were not counted exactly", (label,))
            return
        smallest = min(classes.values())
        yield Measurement("smallest_class", (label,), smallest, basis, self.support, unit="rows")
        few = sorted((v for v in classes if classes[v] < self.support), key=lambda v: (classes[v], str(v)))
        if not few:
            return
        fails = smallest < self.folds
        limit = self.folds if fails else self.support
        short = [v for v in few if classes[v] < limit]
        named = ", ".join(f"'{name_of(v)}' ({classes[v]:,})" for v in short[:3]) + (", …" if len(short) > 3 else "")
        rows = sum(classes[v] for v in short)
        yield Finding(
            self.code, (label,), Severity.FAIL if fails else Severity.WARN,
            f"{label}: {len(short):,} of {len(classes):,} classes {'has' if len(short) == 1 else 'have'} fewer than "
            f"{limit} rows: {named}; "
            + (f"stratified {self.folds}-fold validation is impossible" if fails
               else "too few to learn or to measure them"),
            "smallest_class", smallest, limit, basis,
            effect=min(1.0, len(short) / len(classes) + (1 - smallest / limit) / 2), affected=rows,
            where=where_in(label, short[:100]),
            remedy="Collect more rows of these classes, merge those that mean the same, or leave them out on purpose.",
            evidence={"below_support": len(few), "rows": rows},
        )  # fmt: skip


def _sample(table: ValueCountTable) -> Basis:
    assert table.sampled_of is not None
    return Basis(table.total, table.sampled_of, 0, 0.98 / table.total**0.5)


def _chart(label: str, classes: dict[Value, int]) -> Chart:
    largest = sorted(classes.items(), key=lambda item: (-item[1], str(item[0])))
    shown = largest if len(largest) <= SHOWN else largest[: SHOWN - 1]
    labels, values = [name_of(v) for v, _ in shown], [n for _, n in shown]
    if len(shown) < len(largest):
        labels.append(f"{len(largest) - len(shown):,} others")
        values.append(sum(n for _, n in largest[len(shown) :]))
    return Chart("bars", f"Rows of each class of {label}", {"labels": labels, "values": values}, label, "rows")


def _view(label: str, classes: dict[Value, int], b: Balance) -> View:
    caption = (
        f"{b.classes:,} classes in {b.total:,} labelled rows; the smallest has {b.smallest:,} "
        f"({b.smallest / b.total:.2%}); as uneven as {b.effective_classes:.1f} equal classes."
    )
    return View(_chart(label, classes), caption)
