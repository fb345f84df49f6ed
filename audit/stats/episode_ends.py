"""How episodes end: spikes of lengths, and whether last observations are unlike all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def chance_of_spike(lengths: NDArray[np.int64], ended: Flags, at: int) -> float:
    """Return the probability that as many episodes as seen, or more, end by themselves in exactly `at` steps.

    Args:
        lengths: int64[E], steps of each episode.
        ended: bool[E], episodes that ended by themselves.
        at: the length in question.

    Returns:
        The upper tail of a binomial distribution: each episode that reached `at` ends there with the hazard of the
        steps before (endings by a step, with one half added so that none seen is not none possible).
    """
    from scipy.stats import binom

    reached = int((lengths >= at).sum())
    seen = int(((lengths == at) & ended).sum())
    if not seen:
        return 1.0
    before = int(np.minimum(lengths, at - 1).sum())
    hazard = min((int((ended & (lengths < at)).sum()) + 0.5) / max(before, 1), 1.0)
    return float(binom.sf(seen - 1, reached, hazard))


@dataclass(frozen=True, slots=True)
class Likeness:
    """Whether the last observations can be told from others.

    Attributes:
        auc: area under the ROC curve of a cross-fitted classifier, last against others: 0.5 cannot be told.
        scores: float64[n], the probability of each last observation to be one, from the folds without it.
    """

    auc: float
    scores: Floats


def likeness(lasts: NDArray[np.floating], others: NDArray[np.floating], seed: int, folds: int = 2) -> Likeness | None:
    """Tell last observations from others with a small forest, cross-fitted.

    Args:
        lasts: finite, [n, d].
        others: finite, [m, d], from inside episodes.
        seed: of folds and forest.
        folds: parts of the data; each is scored by a forest that has not seen it.

    Returns:
        None with fewer than 10 of either: nothing can be told.
    """
    if min(len(lasts), len(others)) < 10:
        return None
    from sklearn.ensemble import RandomForestClassifier

    both = np.concatenate([lasts, others]).astype(np.float64)
    last = np.arange(len(both)) < len(lasts)
    draw = np.random.default_rng(seed)
    fold = np.empty(len(both), dtype=np.int64)
    for group in (last, ~last):
        fold[group] = draw.permutation(int(group.sum())) % folds
    scores = np.empty(len(both))
    for own in range(folds):
        forest = RandomForestClassifier(
            n_estimators=40, max_depth=6, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1
        )
        forest.fit(both[fold != own], last[fold != own])
        scores[fold == own] = forest.predict_proba(both[fold == own])[:, 1]
    return Likeness(_auc(scores[last], scores[~last]), scores[last])


def _auc(higher: Floats, lower: Floats) -> float:
    """Return the share of pairs in which the first is higher (ties count half)."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(higher, lower).statistic / (len(higher) * len(lower)))
