"""LBL005: which values of a numeric label are probably wrong?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.label_accuracy._probabilities import MOST_CELLS, independent_groups, without_identifiers
from audit.checks.label_accuracy._wording import MOST_ROWS_LISTED, percent, scaled
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample
from audit.findings import Basis, Chart, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.intervals import wilson
from audit.stats.label_noise import GrossErrors, gross_errors, robust_predictions
from audit.stats.prediction import dense, encode, folds, thin

REMEDY = (
    "Look at the listed rows, worst first: a wrong unit, a slipped decimal point, a swapped sign or a value of another "
    "row are the usual causes. Correct them at the source. They are candidates: a rare but true value looks the same."
)

REMEDY_TAIL = (
    "Look at a few of the listed rows. If they are right, the label has a long tail: consider its logarithm, or a loss "
    "that is not squared. If they are wrong, correct them at the source."
)
TAIL = 0.05
"""The share of residuals that serves to describe their tail; a larger one cannot be told from it."""


@register
@dataclass(frozen=True, slots=True)
class NumericLabelNoise:
    """Values of a numeric label that lie far from everything the features predict.

    What it measures: the share of rows whose label is more than `cut` robust standard deviations from its out-of-fold
        prediction, by ridge regression, randomised trees and gradient boosting on a bounded sample, less the share that
        residuals with so long a tail make one expect (a power law through their 80% and 95% quantiles); Wilson 95%
        interval. The deviation is 1.4826 MAD of all residuals, or that of like rows where it is larger (a feature is
        missing, the noise grows). Folds keep groups and equal rows together.
    Why it matters: a few gross errors dominate a squared loss, and make a good model look bad.
    What to do: look at the candidates, worst first, and correct what is wrong at the source; nothing is changed for
        you. Labels with long tails (income, delay) are judged against their own tail and so do not alarm.
        For the same reason, more than about 5% of gross errors look like a long tail: they come as information only.

    Options:
        warn: share beyond the expected one above which to warn (our choice); the interval's lower end must exceed it.
        fail: the same for a fail.
        cut: robust standard deviations from the prediction at which a label becomes a candidate.
        rows: most rows that models are fitted on (fewer for wide tables: 1,500,000 cells).
        folds: number of cross-validation folds.
        min_rows: fewest rows with a label that are judged.
    """

    code: ClassVar[str] = "LBL005"
    name: ClassVar[str] = "numeric-label-noise"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.002
    fail: float = 0.02
    cut: float = 6.0
    rows: int = 20_000
    folds: int = 5
    min_rows: int = 100

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the shared sample of label, features and group."""
        roles = data.roles
        if roles.label is None:
            return NotEvaluated("no column has the role label; name it with --label")
        if roles.label_kind != "number":
            return NotEvaluated(f"the label '{roles.label}' holds classes, not a number; LBL002 judges such a label")
        features = tuple(f for f in roles.features if data.column(f).kind is not ColumnKind.NULL)
        if not features:
            return NotEvaluated("no feature to predict the label from")
        if data.rows == 0:
            return NotEvaluated("the dataset has no rows")
        columns = (roles.label, *features, *((roles.group,) if roles.group else ()))
        return {"sample": Sample(columns), "label": roles.label, "features": features, "group": roles.group}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Predict the label out of fold and judge the residuals."""
        label: str = facts["label"]
        features: tuple[str, ...] = facts["features"]
        known = np.isfinite(facts["sample"].numbers(label))
        if int(known.sum()) < self.min_rows:
            yield NotEvaluated(f"{int(known.sum()):,} rows with a label; at least {self.min_rows} are needed", (label,))
            return
        sampled = thin(facts["sample"], max(500, min(self.rows, MOST_CELLS // len(features))), among=known)
        encoded = encode(sampled, without_identifiers(sampled, features))
        matrix = dense(encoded)
        together = independent_groups(encoded.matrix, sampled, np.arange(sampled.rows), facts["group"])
        if matrix.shape[1] == 0 or int(together.max()) + 1 < self.folds:
            yield NotEvaluated("no feature that a model can read varies, or too few independent rows", (label,))
            return
        target = np.array(sampled.numbers(label))
        pairs = folds(len(target), self.folds, groups=together, seed=sampled.seed)
        predicted, spread = robust_predictions(matrix, target, pairs, cut=self.cut, seed=sampled.seed)
        errors = gross_errors(target, predicted, self.cut, spread)
        yield from self._judge(label, sampled, target, predicted, errors)

    def _judge(
        self,
        label: str,
        sampled: Sampled,
        target: NDArray[np.float64],
        predicted: NDArray[np.float64],
        errors: GrossErrors,
    ) -> Iterator[Judgement]:
        basis, found = sampled.basis_of(len(target)), len(errors.candidates)
        if errors.scale == 0:
            yield NotEvaluated("more than half of the labels are predicted exactly: residuals have no scale", (label,))
            return
        share = found / len(target)
        interval = Interval(*wilson(found, len(target)), "Wilson")
        excess = interval.low - errors.expected
        yield Measurement("residual_scale", (label,), errors.scale, basis)
        unclear = excess <= self.warn
        if unclear and interval.low <= TAIL:
            yield Measurement("gross_label_error_share", (label,), share, basis, self.warn, interval)
            return
        severity = Severity.INFO if unclear else Severity.FAIL if excess > self.fail else Severity.WARN
        limit = self.fail if severity is Severity.FAIL else self.warn
        yield Finding(
            self.code,
            (label,),
            severity,
            f"{label}: {found:,} of {basis.rows:,} values ({percent(share)}) lie more than {self.cut:g} robust "
            f"standard deviations ({self.cut * errors.scale:.4g}) from their prediction, where the other residuals "
            f"make {percent(errors.expected)} likely; limit {percent(limit)} beyond that",
            "gross_label_error_share",
            share,
            limit,
            basis,
            interval=interval,
            effect=0.0 if unclear else min(1.0, 5 * share),
            affected=scaled(found, basis),
            row_ids=tuple(int(i) for i in sampled.row_ids[errors.candidates[:MOST_ROWS_LISTED]]),
            chart=_scatter(label, target, predicted, errors),
            remedy=REMEDY_TAIL if unclear else REMEDY,
            evidence=_evidence(sampled, target, predicted, errors, basis),
        )


def _evidence(
    sampled: Sampled, target: NDArray[np.float64], predicted: NDArray[np.float64], errors: GrossErrors, basis: Basis
) -> dict[str, object]:
    worst = [
        {
            "row": int(sampled.row_ids[i]),
            "label": float(target[i]),
            "predicted": float(predicted[i]),
            "z": float(errors.z[i]),
        }
        for i in errors.candidates[:10]
    ]
    return {
        "candidates": len(errors.candidates),
        "expected_share": errors.expected,
        "residual_scale": errors.scale,
        "rows": basis.rows,
        "worst": worst,
    }


def _scatter(label: str, target: NDArray[np.float64], predicted: NDArray[np.float64], errors: GrossErrors) -> Chart:
    """Return at most 250 candidates and 250 other rows, evenly spaced over the predictions."""
    others = np.setdiff1d(np.argsort(predicted, kind="stable"), errors.candidates)
    others = others[np.linspace(0, len(others) - 1, min(250, len(others))).astype(np.int64)]
    shown = np.concatenate([errors.candidates[:250], others])
    data = {"x": [float(v) for v in predicted[shown]], "y": [float(v) for v in target[shown]]}
    return Chart("scatter", f"{label} against its out-of-fold prediction", data, x_title="predicted", y_title=label)
