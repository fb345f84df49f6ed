"""How random the actions are, given the observation: behaviour cloning with cross-fitting by episode.

Two models are tried, a linear one and extremely randomised trees, and the better on held-out episodes counts: many
controllers are linear, and trees need many steps to say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats.prediction import extra_trees, folds, out_of_fold_probabilities

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

CLIP = 1e-5
UNIFORM = 12**-0.5
"""Standard deviation of a uniform distribution over its range."""


@dataclass(frozen=True, slots=True)
class ChoiceRandomness:
    """How random discrete actions are.

    Attributes:
        cross_entropy: mean -ln p(a|s) of held-out steps over ln A, at most 1: an upper bound of the behaviour's own
            entropy, because what the model cannot predict counts as random.
        entropy: mean of -sum p ln p over ln A of the model's own probabilities.
        agreement: share of held-out steps whose action is the model's first choice.
    """

    cross_entropy: float
    entropy: float
    agreement: float


def choice_randomness(states: Floats, actions: Codes, choices: int, episodes: Codes, seed: int) -> ChoiceRandomness:
    """Return how random discrete actions are, given the observation.

    Args:
        states: float64[n, d]; NaN is missing.
        actions: int64[n], 0 .. choices-1.
        choices: A, at least 2.
        episodes: int64[n], of at least two episodes; those of one are never split between training and test.
        seed: of folds and trees.

    Source: for the entropy of a cloned policy (p clipped at 1e-5, over ln |A|) the code of Schweighofer et al. (2022),
    arXiv:2111.04714.
    """
    pairs = folds(len(actions), 3, labels=actions, groups=episodes, seed=seed)
    top = float(np.log(choices))
    best: ChoiceRandomness | None = None
    for model in (_logistic, extra_trees(classes=True, trees=40, min_leaf=10, max_depth=12)):
        p = out_of_fold_probabilities(states, actions, pairs, model, classes=choices, seed=seed)
        p = np.clip(p, CLIP, 1.0)
        p /= p.sum(axis=1, keepdims=True)
        held = float(-np.log(p[np.arange(len(actions)), actions]).mean()) / top
        own = float(-(p * np.log(p)).sum(axis=1).mean()) / top
        found = ChoiceRandomness(min(1.0, held), min(1.0, own), float((p.argmax(axis=1) == actions).mean()))
        if best is None or found.cross_entropy < best.cross_entropy:
            best = found
    assert best is not None
    return best


def _logistic(_seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))


@dataclass(frozen=True, slots=True)
class VectorRandomness:
    """How random vectors of actions are.

    Attributes:
        residual: of each entry the standard deviation of held-out residuals over the entry's range: an upper bound of
            the behaviour's own noise. 0.289 when actions are uniform over the range and no state tells them.
        explained: share of the entry's variance that the observation explains (held out); negative when the model is
            worse than the mean.
    """

    residual: Floats
    explained: Floats


def vector_randomness(states: Floats, actions: Floats, ranges: Floats, episodes: Codes, seed: int) -> VectorRandomness:
    """Return how random continuous actions are, given the observation.

    "Estimated action stochasticity" of the literature has no one formula; this is the spread that a cross-fitted
    regression leaves, over the range.

    Args:
        states: float64[n, d], finite.
        actions: float64[n, k], finite.
        ranges: float64[k], above 0: the width that each entry's spread is compared with.
        episodes: int64[n], of at least two episodes.
        seed: of folds and trees.

    Source: for the idea, Swazinna, Udluft & Runkler (2021), arXiv:2111.13461.
    """
    pairs = folds(len(actions), 3, groups=episodes, seed=seed)
    width = min(1.0, 10 / states.shape[1])
    left = np.full(actions.shape[1], np.inf)
    for maker in (_ridge, extra_trees(classes=False, trees=20, min_leaf=3, max_features=width)):
        predicted = np.zeros_like(actions)
        for train, test in pairs:
            found = maker(seed).fit(states[train], actions[train] if actions.shape[1] > 1 else actions[train, 0])
            predicted[test] = np.reshape(found.predict(states[test]), (len(test), -1))
        left = np.minimum(left, (actions - predicted).std(axis=0))
    whole = actions.std(axis=0)
    explained = 1 - (left / np.where(whole > 0, whole, 1.0)) ** 2
    return VectorRandomness(left / ranges, np.where(whole > 0, explained, 1.0))


def _ridge(_seed: int) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(1e-3))
