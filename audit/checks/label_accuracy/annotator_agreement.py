"""LBL004: do several annotators agree?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.label_accuracy._wording import percent
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Facts, Grouped, GroupTable, Sample
from audit.findings import Basis, Chart, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.agreement import fleiss_kappa, krippendorff_alpha, krippendorff_interval, label_text

REMEDY = (
    "Read the rows on which annotators differ with them, sharpen the labelling guide there, and have these rows "
    "labelled again; look first at the annotator who agrees least with the majority. Until then, keep all labels "
    "of a row (as shares) rather than one."
)


@register
@dataclass(frozen=True, slots=True)
class AnnotatorAgreement:
    """Agreement of two or more annotators who labelled the same rows, beyond chance.

    What it measures: Krippendorff's alpha for nominal labels, which allows missing ones, with a bootstrap 95% interval;
        beside it Fleiss' kappa over the rows that all annotators labelled, and each annotator's agreement with the
        majority of the others. 1, 1.0 and "1" are one label.
    Why it matters: labels that people cannot agree on are no truth to train on or to measure against.
    What to do: settle the rows on which they differ and sharpen the guide; an annotator far below the others needs
        help. alpha >= 0.800 is reliable, 0.667 the lowest for tentative conclusions (Krippendorff 2004, Content
        Analysis, section 11.4); where one class holds nearly all rows, alpha is low even for few differences.

    Options:
        warn: alpha below which to warn.
        fail: alpha below which to fail.
    """

    code: ClassVar[str] = "LBL004"
    name: ClassVar[str] = "annotator-agreement"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.800
    fail: float = 0.667

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the counts of each combination of labels; the sample serves where there are too many."""
        annotators = data.roles.annotators
        if len(annotators) < 2:
            return NotEvaluated("fewer than two annotators; name their columns with --annotators")
        if data.rows == 0:
            return NotEvaluated("the dataset has no rows")
        return {
            "combinations": Grouped(annotators, top=50_000),
            "sample": Sample(annotators),
            "annotators": annotators,
            "seed": data.seed,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge alpha."""
        annotators: tuple[str, ...] = facts["annotators"]
        table: GroupTable = facts["combinations"]
        if table.complete:
            basis = Basis(table.total, table.total)
            given, classes = _codes_of_groups(table, len(annotators))
            weights = np.array(table.counts, dtype=np.float64)
        else:
            sampled: Sampled = facts["sample"]
            basis = sampled.basis
            given, classes = _codes_of_sample(sampled, annotators)
            weights = np.ones(len(given))
        if not classes:
            yield NotEvaluated("no annotator gave any label", annotators)
            return
        ratings = np.stack([(given == code).sum(axis=1) for code in range(len(classes))], axis=1)
        alpha = krippendorff_alpha(ratings, weights)
        if np.isnan(alpha):
            reason = "no row has labels of two annotators, or all labels are the same: nothing to agree on"
            yield NotEvaluated(reason, annotators)
            return
        interval = Interval(*krippendorff_interval(ratings, weights, seed=facts["seed"]), "percentile bootstrap")
        full = ratings.sum(axis=1) == len(annotators)
        fleiss = fleiss_kappa(ratings[full], weights[full])
        if not np.isnan(fleiss):
            yield Measurement("fleiss_kappa", annotators, fleiss, basis)
        if alpha >= self.warn:
            yield Measurement("krippendorff_alpha", annotators, alpha, basis, self.warn, interval)
            return
        yield self._finding(annotators, alpha, interval, fleiss, given, ratings, weights, basis)

    def _finding(  # noqa: PLR0917  # all that the evidence needs
        self,
        annotators: tuple[str, ...],
        alpha: float,
        interval: Interval,
        fleiss: float,
        given: NDArray[np.int64],
        ratings: NDArray[np.int64],
        weights: NDArray[np.float64],
        basis: Basis,
    ) -> Finding:
        severity = Severity.FAIL if alpha < self.fail else Severity.WARN
        limit = self.fail if severity is Severity.FAIL else self.warn
        several = ratings.sum(axis=1) >= 2
        differ = several & (ratings.max(axis=1) < ratings.sum(axis=1))
        apart, rated = int(weights[differ].sum()), int(weights[several].sum())
        agreement = {name: _with_majority(given[:, i], ratings, weights) for i, name in enumerate(annotators)}
        known = {name: share for name, share in agreement.items() if share is not None}
        evidence: dict[str, Any] = {
            "agreement_with_majority_of_others": agreement,
            "fleiss_kappa": None if np.isnan(fleiss) else fleiss,
            "rows_with_two_labels": rated,
            "rows_that_differ": apart,
        }
        chart = Chart(
            "bars",
            "Agreement of each annotator with the majority of the others",
            {"labels": list(known), "values": list(known.values())},
            y_title="share of rows",
        )
        return Finding(
            self.code,
            annotators,
            severity,
            f"{len(annotators)} annotators: labels differ in {apart:,} of {rated:,} rows with two or more "
            f"({percent(apart / rated)}), Krippendorff's alpha {alpha:.3f} ({interval.low:.3f} to "
            f"{interval.high:.3f}), limit {limit:.3f}",
            "krippendorff_alpha",
            alpha,
            limit,
            basis,
            interval=interval,
            limit_source="Krippendorff 2004",
            effect=float(np.clip(1.0 - alpha, 0.0, 1.0)),
            affected=apart if basis.exact else round(apart / basis.rows * basis.of),
            chart=chart,
            remedy=REMEDY,
            evidence=evidence,
        )


def _codes_of_groups(table: GroupTable, annotators: int) -> tuple[NDArray[np.int64], list[str]]:
    """Return class codes [groups, annotators] (-1: no label) and the classes as sorted text."""
    texts = [[None if _absent(value) else label_text(value) for value in key] for key in table.keys]
    classes = sorted({text for row in texts for text in row if text is not None})
    place: dict[str | None, int] = {text: i for i, text in enumerate(classes)}
    codes = [[place.get(text, -1) for text in row] for row in texts]
    return np.array(codes, dtype=np.int64).reshape(len(texts), annotators), classes


def _codes_of_sample(sampled: Sampled, annotators: tuple[str, ...]) -> tuple[NDArray[np.int64], list[str]]:
    columns = [sampled.codes(name) for name in annotators]
    classes = sorted({label_text(value) for _, values in columns for value in values})
    place = {text: i for i, text in enumerate(classes)}
    given = [
        np.array([*(place[label_text(v)] for v in values), -1], dtype=np.int64)[codes] for codes, values in columns
    ]
    return np.column_stack(given), classes


def _with_majority(own: NDArray[np.int64], ratings: NDArray[np.int64], weights: NDArray[np.float64]) -> float | None:
    """Return the share of rows where an annotator gives the label that most others give, leaving out their ties."""
    rows = np.flatnonzero(own >= 0)
    others = ratings[rows].copy()
    others[np.arange(len(rows)), own[rows]] -= 1
    top = others.max(axis=1, initial=0)
    clear = (top > 0) & ((others == top[:, None]).sum(axis=1) == 1)
    total = float(weights[rows][clear].sum())
    if total == 0:
        return None
    same = others.argmax(axis=1) == own[rows]
    return float(weights[rows][clear & same].sum()) / total


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
