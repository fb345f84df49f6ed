"""LBL001: does the label agree with a second label or a prediction?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.label_accuracy._wording import confusion, label_classes_missing, percent
from audit.dataset import Dataset, Kind
from audit.errors import ConfigError
from audit.facts import Asks, Facts, Grouped, GroupTable, quote_name
from audit.findings import Basis, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity, View
from audit.stats.agreement import Kappa, Weights, cohen_kappa, gwet_ac1, label_text, match_labels

REMEDY = (
    "Look at the rows in the largest off-diagonal cells of the confusion matrix with someone who can tell who is "
    "right; sharpen the labelling guide where both readings are defensible, and correct the wrong side before training."
)


@register
@dataclass(frozen=True, slots=True)
class LabelAgreement:
    """Agreement of the label with a second label or a model's prediction, beyond chance.

    What it measures: Cohen's kappa of label and prediction over all rows that have both, with its 95% interval
        (Fleiss, Cohen & Everitt 1969); beside it accuracy, Gwet's AC1, weighted kappa for numbered classes, and the
        confusion matrix. 1, 1.0 and "1" are one label.
    Why it matters: two sources that often differ cannot both be right, and a model learns the differences as if they
        were truth. Accuracy alone misleads: with 95% of one class, 90% agreement is what chance gives.
    What to do: check the rows of the largest off-diagonal cells, sharpen the labelling guide, correct the wrong side.
        Where one class holds nearly all rows, kappa is low even for labellers who hardly differ (the kappa paradox);
        AC1 is the number to read then, and a high one turns a fail into a warning.

    Options:
        warn: kappa below which to warn (0.6: "substantial" begins, Landis & Koch 1977).
        fail: kappa below which to fail (0.4: "moderate" begins).
        weights: none, or linear or quadratic to count near classes of an ordered, numbered label as partly right.
    """

    code: ClassVar[str] = "LBL001"
    name: ClassVar[str] = "label-agreement"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.6
    fail: float = 0.4
    weights: Weights = "none"

    def __post_init__(self) -> None:
        """Check the options that have few allowed values."""
        if self.weights not in ("none", "linear", "quadratic"):
            raise ConfigError(f"LBL001: weights must be 'none', 'linear' or 'quadratic', not '{self.weights}'")

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the counts of each (label, prediction): one scan over two columns."""
        if data.roles.label is not None and data.roles.prediction is None:
            return NotEvaluated("no second label or prediction to compare with; name one with --prediction")
        unfit = label_classes_missing(data)
        if unfit:
            return unfit
        label, prediction = str(data.roles.label), str(data.roles.prediction)
        return {
            "pairs": Grouped((label, prediction)),
            "label": label,
            "prediction": prediction,
            "same_type": data.column(label).type == data.column(prediction).type,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge kappa; draw the confusion matrix."""
        label, prediction = facts["label"], facts["prediction"]
        pairs: GroupTable = facts["pairs"]
        if not pairs.complete:
            reason = (
                f"{label} and {prediction} have {pairs.groups:,} different combinations; are these classes? "
                f"Name the right columns with --label and --prediction"
            )
            yield NotEvaluated(reason, (label, prediction))
            return
        classes, table = _table(pairs)
        both = int(table.sum())
        if both == 0 or not _share_a_class(pairs):
            reason = (
                f"no row has both {label} and {prediction}"
                if both == 0
                else f"{label} and {prediction} have no value in common: they are coded differently"
            )
            yield NotEvaluated(reason, (label, prediction))
            return
        basis = Basis(pairs.total, pairs.total)
        chart, note = confusion(
            f"{label} against {prediction}", classes, table, row_title=label, column_title=prediction
        )
        caption = f"{int(np.trace(table)):,} of {both:,} rows with both agree (on the diagonal){note}."
        yield View(chart, caption)
        where = _disagreement(label, prediction) if facts["same_type"] else None
        yield from self._judge((label, prediction), classes, table, basis, where)

    def _judge(
        self, columns: tuple[str, str], classes: list[str], table: NDArray[np.int64], basis: Basis, where: str | None
    ) -> Iterator[Judgement]:
        label, prediction = columns
        kappa = cohen_kappa(table, weights=self.weights)
        both, equal = int(table.sum()), int(np.trace(table))
        accuracy, ac1 = equal / both, gwet_ac1(table)
        yield Measurement("accuracy", columns, accuracy, basis)
        if np.isnan(kappa.kappa):
            yield NotEvaluated(f"{label} and {prediction} both hold one class only: nothing to agree on", columns)
            return
        interval = Interval(*kappa.interval(), "Fleiss-Cohen-Everitt")
        yield Measurement("gwet_ac1", columns, ac1, basis)
        statistic = "cohens_kappa" if self.weights == "none" else f"cohens_kappa_{self.weights}"
        if kappa.kappa >= self.warn:
            yield Measurement(statistic, columns, kappa.kappa, basis, self.warn, interval)
            return
        prevalence = float((table.sum(axis=0) + table.sum(axis=1)).max()) / (2 * both)
        paradox = prevalence > 0.9 and ac1 > 0.8
        severity = Severity.FAIL if kappa.kappa < self.fail and not paradox else Severity.WARN
        limit = self.fail if severity is Severity.FAIL else self.warn
        rare = (
            f"; one class holds {percent(prevalence)} of the labels, which lowers kappa (AC1 is {ac1:.2f})"
            if paradox
            else ""
        )
        yield Finding(
            self.code,
            columns,
            severity,
            f"{label}: agrees with {prediction} in {equal:,} of {both:,} rows ({percent(accuracy)}), kappa "
            f"{kappa.kappa:.2f} ({interval.low:.2f} to {interval.high:.2f}), limit {limit:.2f}{rare}",
            statistic,
            kappa.kappa,
            limit,
            basis,
            interval=interval,
            effect=float(np.clip(1.0 - kappa.kappa, 0.0, 1.0)),
            affected=both - equal,
            where=where,
            remedy=REMEDY,
            evidence=_evidence(classes, table, kappa, ac1, prevalence),
        )


def _disagreement(label: str, prediction: str) -> str:
    a, b = quote_name(label), quote_name(prediction)
    return f"{a} IS NOT NULL AND {b} IS NOT NULL AND {a} <> {b}"


def _evidence(
    classes: list[str], table: NDArray[np.int64], kappa: Kappa, ac1: float, prevalence: float
) -> dict[str, Any]:
    astray = [
        {"label": classes[i], "prediction": classes[j], "rows": int(table[i, j])}
        for i, j in zip(*np.nonzero(table), strict=True)
        if i != j
    ]
    evidence: dict[str, Any] = {
        "accuracy": float(np.trace(table)) / int(table.sum()),
        "agreement_by_chance": kappa.expected,
        "gwet_ac1": ac1,
        "largest_class_share": prevalence,
        "confused": sorted(astray, key=lambda cell: -int(str(cell["rows"])))[:10],
    }
    if len(classes) > 2 and all(_is_number(text) for text in classes):
        evidence["kappa_quadratic"] = cohen_kappa(table, weights="quadratic").kappa
    return evidence


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _share_a_class(pairs: GroupTable) -> bool:
    known = sorted({label_text(a) for a, _ in pairs.keys if not _absent(a)})
    return bool(match_labels(list({b for _, b in pairs.keys if not _absent(b)}), known))


def _table(pairs: GroupTable) -> tuple[list[str], NDArray[np.int64]]:
    """Return the classes (numbers by size, then texts) and their table; pairs with a missing side are left out."""
    full = [(a, b, n) for (a, b), n in zip(pairs.keys, pairs.counts, strict=True) if not _absent(a) and not _absent(b)]
    known = sorted({label_text(a) for a, _, _ in full})
    matched = match_labels(list({b for _, b, _ in full}), known)
    names = {b: known[matched[b]] if b in matched else label_text(b) for _, b, _ in full}
    classes = sorted({*known, *names.values()}, key=lambda t: (0, float(t), t) if _is_number(t) else (1, 0.0, t))
    place = {text: i for i, text in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for a, b, n in full:
        table[place[label_text(a)], place[names[b]]] += n
    return classes, table


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
