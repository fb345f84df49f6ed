"""Label errors by confident learning, and gross errors of a numeric target.

Source of the first part: Northcutt, Jiang & Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset
Labels, JAIR 70:1373-1411; the flags equal those of cleanlab's `find_label_issues` with its defaults.

In all functions `labels` is int[n] with class codes 0..K-1 and `probabilities` is float64[n, K]: out of sample (a model
that has seen a label repeats it), column k for class k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats.prediction import Fold, Model, extra_trees, out_of_fold_values
from audit.stats.robust import NORMAL_MAD, median_mad

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Labels = NDArray[np.integer[Any]]

TOLERANCE = 1e-6
"""Closer than this, a probability reaches its threshold, and the given label counts as the likeliest one."""


def thresholds(labels: Labels, probabilities: Floats) -> Floats:
    """Return t_k, the mean probability of class k over the rows labelled k (equation 2); infinite for absent classes.

    Args:
        labels: int[n].
        probabilities: float64[n, K].
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=self_confidence(labels, probabilities), minlength=classes)
    means = np.full(classes, np.inf)
    np.divide(sums, counts, out=means, where=counts > 0)
    reachable: Floats = np.maximum(means, 2 * TOLERANCE)
    return reachable


def confident_counts(labels: Labels, probabilities: Floats) -> Codes:
    """Return int64[K, K]: cell (a, b) holds the rows labelled a that confidently belong to b (equation 1).

    A row belongs to b confidently when p_b reaches t_b; to the likeliest class when several do.
    """
    size = probabilities.shape[1]
    reached = probabilities >= thresholds(labels, probabilities) - TOLERANCE
    several = reached.sum(axis=1) > 1
    likely = np.where(several, probabilities.argmax(axis=1), reached.argmax(axis=1))
    sure = reached.any(axis=1)
    cells = labels[sure].astype(np.int64) * size + likely[sure]
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def calibrate(counts: NDArray[Any], totals: NDArray[Any]) -> Floats:
    """Return confident counts [..., K, K] scaled so that each row sums to that class's total [..., K] (equation 3).

    Each class is granted at least one right label. Not rounded.
    """
    joint = np.array(counts, dtype=np.float64)
    classes = np.arange(joint.shape[-1])
    joint[..., classes, classes] = np.maximum(joint[..., classes, classes], 1.0)
    joint = joint / joint.sum(axis=-1, keepdims=True) * totals[..., None]
    # the sum is n already; cleanlab scales once more, and only with its last bits do ties round as its ties do
    return np.asarray(joint / joint.sum(axis=(-2, -1), keepdims=True) * totals.sum(axis=-1)[..., None, None])


def confident_joint(labels: Labels, probabilities: Floats) -> Floats:
    """Return the estimated joint counts of given (rows) and true labels (columns): float64[K, K], summing to n."""
    totals = np.bincount(labels, minlength=probabilities.shape[1])
    return calibrate(confident_counts(labels, probabilities), totals)


def round_rows(matrix: Floats) -> Codes:
    """Return a matrix rounded to whole numbers such that each row keeps its (rounded) sum.

    What is lacking or left over goes to the entries that rounding moved furthest the other way.
    """
    rounded = np.round(matrix)
    for row, whole in zip(matrix, rounded, strict=True):
        while (lacking := int(np.round(row.sum()) - whole.sum())) != 0:
            order = np.argsort(row - whole)
            chosen = order[::-1][:lacking] if lacking > 0 else order[:-lacking]
            whole[chosen] += np.sign(lacking)
    return rounded.astype(np.int64)


def noise_rate(joint: Floats) -> float:
    """Return the share of labels that are wrong by a confident joint: what lies off its diagonal."""
    total = float(joint.sum())
    return float(1.0 - np.trace(joint) / total) if total > 0 else float("nan")


def noise_rate_interval(
    labels: Labels, probabilities: Floats, *, seed: int, repeats: int = 300, level: float = 0.95
) -> tuple[float, float]:
    """Return the bootstrap interval (percentile) of the noise rate over rows.

    Models and thresholds are held; a row is then no more than its cell of the confident counts (or "in none"), and
    resampling rows is drawing cells from a multinomial distribution.
    """
    n, size = len(labels), probabilities.shape[1]
    counts = confident_counts(labels, probabilities)
    unsure = np.bincount(labels, minlength=size) - counts.sum(axis=1)
    cells = np.column_stack([counts, unsure]).ravel()
    present = np.flatnonzero(cells)
    drawn = np.zeros((repeats, cells.size))
    drawn[:, present] = np.random.default_rng(seed).multinomial(n, cells[present] / n, size=repeats)
    tables = drawn.reshape(repeats, size, size + 1)
    joints = calibrate(tables[:, :, :size], tables.sum(axis=2))
    rates = 1.0 - np.trace(joints, axis1=1, axis2=2) / n
    low, high = np.quantile(rates, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def label_errors(labels: Labels, probabilities: Floats) -> NDArray[np.bool_]:
    """Return bool[n], the candidates for a wrong label: pruning by noise rate (section 3.2 of the paper).

    For each pair (given a, likely b), as many rows labelled a are taken as the confident joint counts there, those with
    the largest p_b - p_a; rows whose given label is the likeliest anyway are then left out.
    """
    joint = round_rows(confident_joint(labels, probabilities))
    to_take = _keep_one_of_each(joint)
    flagged = np.zeros(len(labels), dtype=bool)
    for given in range(len(joint)):
        rows = np.flatnonzero(labels == given)
        if rows.size < 2:  # a class of one row has nothing to compare with
            continue
        for likely in np.flatnonzero(to_take[given]):
            if likely != given:
                margin = probabilities[rows, likely] - probabilities[rows, given]
                flagged[rows[np.argsort(-margin, kind="stable")[: to_take[given, likely]]]] = True
    favoured = probabilities.copy()
    favoured[np.arange(len(labels)), labels] += TOLERANCE
    flagged &= favoured.argmax(axis=1) != labels
    return flagged


def _keep_one_of_each(joint: Codes) -> Codes:
    """Return the counts to take, lowered where they would leave a class without a single right label."""
    lifted = np.maximum(joint.diagonal(), 1)
    lacking = lifted - joint.diagonal()
    if not lacking.any():
        return joint
    shared = np.maximum(np.count_nonzero(joint, axis=1) - 1.0, 1.0)
    lowered = np.maximum(joint - (lacking / shared)[:, None], 0.0)
    np.fill_diagonal(lowered, lifted)
    return np.asarray(lowered, dtype=np.int64)


def self_confidence(labels: Labels, probabilities: Floats) -> Floats:
    """Return each row's probability of its given label: the lower, the more suspect (float64[n])."""
    confidence: Floats = probabilities[np.arange(len(labels)), labels]
    return confidence


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How often the surest predictions disagree with the label: what tells wrong labels from classes that overlap.

    Attributes:
        surest: disagreement in the surest quarter of each predicted class.
        next: disagreement in the quarter after that.
        floor: the two extrapolated to the surest end, max(0, 2 surest - next): a lower bound of the noise rate.
        p_value: of "disagreement at least halves as predictions get surer", as it does where classes merely overlap.
    """

    surest: float
    next: float
    floor: float
    p_value: float


def noise_floor(labels: Labels, probabilities: Floats) -> NoiseFloor:
    """Return how often the surest predictions disagree with the given label.

    Where classes overlap, disagreement falls quickly as predictions get surer (for two normal classes 1.5 and 2
    standard deviations apart, from 16% and 7% in the second quarter to 5% and 1% in the surest). Wrong labels are as
    frequent among the surest rows as elsewhere. Two exact binomial tests ask whether the surer part holds more than a
    third of the disagreements of two equal parts: the first quarter against the second, and the first half against the
    second half. The p-value is twice the smaller one (Bonferroni).
    """
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    wrong = predicted != labels
    quarters = np.zeros(4, dtype=np.int64)
    rows = 0
    for label in np.unique(predicted):
        members = np.flatnonzero(predicted == label)
        quarter = members.size // 4
        ranked = members[np.argsort(-sure[members], kind="stable")][: 4 * quarter]
        quarters += wrong[ranked].reshape(4, quarter).sum(axis=1)
        rows += quarter
    if rows == 0:
        return NoiseFloor(float("nan"), float("nan"), 0.0, 1.0)
    first, second = float(quarters[0] / rows), float(quarters[1] / rows)
    by_quarter = _more_than_a_third(int(quarters[0]), int(quarters[:2].sum()))
    by_half = _more_than_a_third(int(quarters[:2].sum()), int(quarters.sum()))
    return NoiseFloor(first, second, max(0.0, 2 * first - second), min(1.0, 2 * min(by_quarter, by_half)))


def _more_than_a_third(count: int, of: int) -> float:
    """Return P(X >= count) for X binomial with `of` trials and probability 1/3."""
    from scipy.special import bdtrc

    return 1.0 if count == 0 else float(bdtrc(count - 1, of, 1 / 3))


def label_models(rows: int) -> Sequence[Model]:
    """Return the classifiers whose averaged probabilities find label errors, for a matrix of `prediction.dense`.

    Extremely randomised trees, ten nearest neighbours and logistic regression err in different ways, so that their mean
    is better calibrated than each. With many rows, each tree sees 5,000 of them, which keeps the cost linear.
    """
    bag: dict[str, Any] = {"bootstrap": True, "max_samples": 5_000} if rows > 7_500 else {}

    def neighbours(_: int) -> Any:
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(min(10, max(1, rows // 5)), weights="distance", algorithm="brute")

    def logistic(_: int) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=0.05, max_iter=200)

    return [extra_trees(classes=True, trees=100, min_leaf=3, **bag), neighbours, logistic]


def robust_predictions(
    matrix: Floats, target: Floats, pairs: Sequence[Fold], *, cut: float, seed: int
) -> tuple[Floats, Floats]:
    """Return predictions of a numeric target, out of fold, that its gross errors hardly move, and their spread.

    Gradient boosting of the absolute error comes first. Rows that it finds beyond `cut` robust standard deviations (at
    most a tenth of all) are then no longer learned from, and ridge regression followed by
    randomised trees or by boosting are averaged.

    Args:
        matrix: float64[n, p] of `prediction.dense`.
        target: float64[n], finite.
        pairs: folds.
        cut: as in `gross_errors`.
        seed: of the models.

    Returns:
        predicted: float64[n].
        spread: float64[n], the standard deviation to expect of each residual where it is normal: 1.2533 times its mean
            absolute size, predicted out of fold. Where a feature is missing, or noise grows, it is larger.
    """
    n = len(target)
    bag: dict[str, Any] = {"bootstrap": True, "max_samples": 3_000} if n > 3_750 else {}

    def boosting(seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor

        smallest = min(20, max(2, n // 20))
        return HistGradientBoostingRegressor(
            loss="absolute_error",
            learning_rate=0.15,
            max_iter=40,
            max_leaf_nodes=15,
            min_samples_leaf=smallest,
            early_stopping=False,
            random_state=seed,
        )

    first = out_of_fold_values(matrix, target, pairs, boosting, seed=seed)
    trusted = np.ones(n, dtype=bool)
    trusted[gross_errors(target, first, cut).candidates[: n // 10]] = False
    trees = extra_trees(classes=False, trees=40, min_leaf=3, **bag)
    models = [lambda seed: _LineFirst(trees(seed)), lambda seed: _LineFirst(boosting(seed))]
    predicted = out_of_fold_values(matrix, target, pairs, models, trusted=trusted, seed=seed)
    residuals = np.abs(target - predicted - np.median(target - predicted))
    sizes = np.minimum(residuals, cut * np.median(residuals) / NORMAL_MAD)  # a gross error says nothing of the spread
    steady = extra_trees(classes=False, trees=30, min_leaf=10, **bag)
    return predicted, float(np.sqrt(np.pi / 2)) * out_of_fold_values(matrix, sizes, pairs, steady, seed=seed)


class _LineFirst:
    """A ridge regression, then another model of what it leaves: trees alone fall short at both ends of a trend."""

    def __init__(self, rest: Any) -> None:
        from sklearn.linear_model import Ridge

        self.line, self.rest = Ridge(), rest

    def fit(self, matrix: Floats, target: Floats) -> _LineFirst:
        self.line.fit(matrix, target)
        self.rest.fit(matrix, target - self.line.predict(matrix))
        return self

    def predict(self, matrix: Floats) -> Floats:
        return np.asarray(self.line.predict(matrix) + self.rest.predict(matrix), dtype=np.float64)


def expected_tail(sizes: Floats, cut: float) -> float:
    """Return the share of values above `cut` to expect from the middle of their distribution.

    The tail beyond the 95% quantile is drawn on as a power law through the 80% and the 95% quantile. Real tails without
    gross errors (normal, Laplace, log-normal, Student's t) are thinner than that, so an excess over it is no matter of
    a long tail.

    Args:
        sizes: float64[n] >= 0, absolute residuals.
        cut: where the tail begins; at or below the 95% quantile, the observed share itself is expected.
    """
    q80, q95 = np.quantile(sizes, [0.80, 0.95])
    if cut <= q95:
        return float(np.mean(sizes > cut))
    if q80 <= 0:
        return 0.05  # nearly all are zero: nothing can be said about the tail, so all of it is expected
    slope = np.log(0.20 / 0.05) / np.log(q95 / q80) if q95 > q80 else np.inf
    return float(0.05 * (cut / q95) ** -slope)


@dataclass(frozen=True, slots=True)
class GrossErrors:
    """Values of a numeric target that lie too far from their prediction.

    Attributes:
        z: float64[n], robust z of each residual: (residual - median) / (1.4826 MAD, or its own spread if larger).
        candidates: int64[m], positions with abs(z) above the cut, worst first.
        expected: the share beyond the cut that the middle of the residuals makes one expect.
        scale: 1.4826 times the median absolute deviation of the residuals, in units of the target.
    """

    z: Floats
    candidates: Codes
    expected: float
    scale: float


def gross_errors(target: Floats, predicted: Floats, cut: float, spread: Floats | None = None) -> GrossErrors:
    """Return the values whose out-of-sample residual is beyond `cut` robust standard deviations.

    Args:
        target: float64[n], finite.
        predicted: float64[n], out of sample.
        cut: in units of the residuals' own scale.
        spread: float64[n], the standard deviation to expect of each residual; the same for all by default.

    Returns:
        The errors; none when the residuals have no scale (more than half of them equal).
    """
    residuals = target - predicted
    median, mad = median_mad(residuals)
    scale = mad / NORMAL_MAD
    if scale <= 1e-12 * float(np.abs(target).max(initial=0.0)):
        return GrossErrors(np.zeros(len(target)), np.empty(0, dtype=np.int64), 0.0, scale)
    z = (residuals - median) / (scale if spread is None else np.maximum(spread, scale))
    far = np.flatnonzero(np.abs(z) > cut)
    worst = far[np.argsort(-np.abs(z[far]), kind="stable")]
    return GrossErrors(z, worst, expected_tail(np.abs(z), cut), scale)
