"""LBL002: which labels are probably wrong? Confident learning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.label_accuracy._probabilities import Judged, given_probabilities, own_probabilities
from audit.checks.label_accuracy._wording import MOST_ROWS_LISTED, confusion, label_classes_missing, percent, scaled
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample
from audit.findings import Basis, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity, View
from audit.sample import Sampled
from audit.stats.agreement import cohen_kappa
from audit.stats.label_noise import (
    NoiseFloor,
    confident_joint,
    label_errors,
    noise_floor,
    noise_rate,
    noise_rate_interval,
    round_rows,
    self_confidence,
)

REMEDY = (
    "Have someone look at the listed rows, worst first, and correct the labels that are wrong. They are candidates: "
    "people confirmed about half of them over ten public benchmarks, one in five on CIFAR-10 (Northcutt, Athalye & "
    "Mueller 2021), so spot-check 50 before acting on the rest, and do not drop or flip any unseen."
)
REMEDY_OVERLAP = (
    "Nothing needs doing: the classes overlap, or the features tell too little, for wrong labels to stand out. Where "
    "labels are in doubt all the same, look at the listed rows first, or give a better model's out-of-sample "
    "probabilities with --probabilities."
)


@register
@dataclass(frozen=True, slots=True)
class LabelErrors:
    """Rows whose label is probably wrong, and how many such rows there are (confident learning).

    What it measures: an estimate of the share of wrong labels with a bootstrap 95% interval, and a ranking of candidate
        rows, by confident learning (Northcutt, Jiang & Chuang 2021). It works on predicted probabilities: those of
        --probabilities, which must be out of sample, or its own, from cross-validation of randomised trees, nearest
        neighbours and logistic regression on a bounded sample. Folds keep groups (--group) and equal rows together,
        unless more than half of all rows have an equal: such coarse features repeat without being copies.
    Why it matters: a few per cent of wrong labels change which model looks best, and cap what any model can reach.
    What to do: look at the candidates, worst first, and correct what is wrong. They are candidates: people
        confirmed about half of those found in ten public benchmarks, one in five on CIFAR-10 (Northcutt, Athalye &
        Mueller 2021, Pervasive Label Errors in Test Sets). Nothing is ever changed for you. Where classes merely
        overlap, honest rows are unlikely too. So a warning also needs predictions that agree with the labels
        (kappa >= `min_agreement`) and a disagreement that does not fade among the surest predictions: overlap fades,
        wrong labels do not. Otherwise, and where more than half of the rows have an equal, the candidates come as
        information only.

    Options:
        warn: share of wrong labels above which to warn (our choice); the lower end of its interval must exceed it.
        fail: the same for a fail.
        rows: most rows that models are fitted on (fewer for wide tables: 1,500,000 cells).
        folds: number of cross-validation folds; classes with fewer rows are left out.
        min_rows: fewest labelled rows that are judged.
        min_agreement: kappa of prediction and label below which nothing is concluded.
        max_classes: with more classes than this, nothing is concluded.
    """

    code: ClassVar[str] = "LBL002"
    name: ClassVar[str] = "label-errors"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.01
    fail: float = 0.10
    rows: int = 20_000
    folds: int = 5
    min_rows: int = 50
    min_agreement: float = 0.4
    max_classes: int = 100

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the shared sample of label and probabilities, or of label, features and group."""
        unfit = label_classes_missing(data)
        if unfit:
            return unfit
        roles = data.roles
        label = str(roles.label)
        features = tuple(f for f in roles.features if data.column(f).kind is not ColumnKind.NULL)
        if not roles.probabilities and not features:
            return NotEvaluated("no feature to predict the label from, and no probabilities; give --probabilities")
        extra = roles.probabilities or ((*features, roles.group) if roles.group else features)
        return {
            "sample": Sample((label, *(c for c in extra if c != label))),
            "label": label,
            "features": features,
            "group": roles.group,
            "probabilities": roles.probabilities,
            "classes": roles.probability_classes,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Estimate the noise, list the candidates."""
        label = facts["label"]
        sampled: Sampled = facts["sample"]
        labelled = ~sampled.missing(label)
        if int(labelled.sum()) < self.min_rows:
            reason = f"{int(labelled.sum()):,} rows with a label; at least {self.min_rows} are needed"
            yield NotEvaluated(reason, (label,))
            return
        if facts["probabilities"]:
            judged = given_probabilities(sampled, label, facts["probabilities"], facts["classes"])
        else:
            judged = own_probabilities(
                sampled,
                label,
                facts["features"],
                facts["group"],
                rows=self.rows,
                folds=self.folds,
                max_classes=self.max_classes,
            )
        if isinstance(judged, NotEvaluated):
            yield judged
            return
        if judged.left_out:
            yield NotEvaluated(judged.left_out, (label,))
        yield from self._judge(label, judged)

    def _judge(self, label: str, judged: Judged) -> Iterator[Judgement]:
        labels, probabilities, names = judged.labels, judged.probabilities, judged.classes
        joint = confident_joint(labels, probabilities)
        rate = noise_rate(joint)
        method = "percentile bootstrap over rows"
        interval = Interval(*noise_rate_interval(labels, probabilities, seed=judged.sampled.seed), method)
        floor = noise_floor(labels, probabilities)
        agreement = _agreement(labels, probabilities)
        if not agreement > 0:
            reason = f"the predictions agree with {label} no more than chance does (kappa {agreement:.2f})" + (
                ": is each probability column given for the right class?" if judged.given else ""
            )
            yield NotEvaluated(reason, (label,))
            return
        suspect = np.flatnonzero(label_errors(labels, probabilities))
        worst = suspect[np.argsort(self_confidence(labels, probabilities)[suspect], kind="stable")]
        basis = judged.sampled.basis_of(len(labels))
        chart, note = confusion(
            f"Given and likely {label}", names, round_rows(joint), row_title=f"given {label}", column_title="likely"
        )
        yield View(chart, f"Rows by given label and estimated true label, {judged.how}; {basis}{note}.")
        yield Measurement("kappa_of_prediction", (label,), agreement, basis)
        yield Measurement("label_error_candidates", (label,), len(worst), basis)
        if interval.low <= self.warn or not len(worst):
            yield Measurement("label_noise_rate", (label,), rate, basis, self.warn, interval)
            return
        severity = self._severity(interval.low, floor, agreement, coarse=judged.coarse)
        limit = self.fail if severity is Severity.FAIL else self.warn
        message = _message(
            label,
            rate,
            interval,
            candidates=len(worst),
            basis=basis,
            limit=limit,
            floor=floor,
            severity=severity,
        )
        yield Finding(
            self.code,
            (label,),
            severity,
            message,
            "label_noise_rate",
            rate,
            limit,
            basis,
            interval=interval,
            effect=min(1.0, 5 * rate) if severity > Severity.INFO else 0.0,
            affected=scaled(len(worst), basis),
            row_ids=tuple(int(i) for i in judged.sampled.row_ids[judged.rows[worst[:MOST_ROWS_LISTED]]]),
            remedy=REMEDY if severity > Severity.INFO else REMEDY_OVERLAP,
            evidence={
                "candidates": len(worst),
                "probabilities": judged.how,
                "kappa_of_prediction": agreement,
                "disagreement_of_surest_quarter": floor.surest,
                "disagreement_of_next_quarter": floor.next,
                "noise_rate_at_least": floor.floor,
                "overlap_p_value": floor.p_value,
                "worst": _worst(judged, worst[:10]),
                "confused": _confused(names, labels[suspect], probabilities[suspect]),
            },
        )

    def _severity(self, low: float, floor: NoiseFloor, agreement: float, *, coarse: bool) -> Severity:
        if coarse or agreement < self.min_agreement or floor.p_value >= 0.05 or floor.surest <= self.warn:
            return Severity.INFO
        return Severity.FAIL if min(low, floor.surest) > self.fail else Severity.WARN


def _message(
    label: str,
    rate: float,
    interval: Interval,
    *,
    candidates: int,
    basis: Basis,
    limit: float,
    floor: NoiseFloor,
    severity: Severity,
) -> str:
    estimate = f"{percent(rate)} ({percent(interval.low)} to {percent(interval.high)})"
    if severity is Severity.INFO:
        return (
            f"{label}: {candidates:,} of {basis.rows:,} labels are unlikely to a model (estimate {estimate}, limit "
            f"{percent(limit)}), but classes that overlap look the same: the surest quarter of the predictions "
            f"disagrees with {percent(floor.surest)} of the labels, the next quarter with {percent(floor.next)}"
        )
    return (
        f"{label}: an estimated {estimate} of the labels are wrong, limit {percent(limit)}; "
        f"{candidates:,} of {basis.rows:,} rows are candidates, worst first"
    )


def _agreement(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    size = probabilities.shape[1]
    table = np.bincount(labels * size + probabilities.argmax(axis=1), minlength=size * size).reshape(size, size)
    return cohen_kappa(table).kappa


def _worst(judged: Judged, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    likely = judged.probabilities[rows].argmax(axis=1)
    return [
        {
            "row": int(judged.sampled.row_ids[judged.rows[i]]),
            "given": judged.classes[judged.labels[i]],
            "likely": judged.classes[to],
            "probability_of_given": float(judged.probabilities[i, judged.labels[i]]),
            "probability_of_likely": float(judged.probabilities[i, to]),
        }
        for i, to in zip(rows, likely, strict=True)
    ]


def _confused(names: list[str], labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[dict[str, Any]]:
    size = len(names)
    cells = np.bincount(labels * size + probabilities.argmax(axis=1), minlength=size * size)
    largest = [int(cell) for cell in np.argsort(-cells, kind="stable")[:10] if cells[cell]]
    return [{"given": names[c // size], "likely": names[c % size], "rows": int(cells[c])} for c in largest]
