"""Regression that a third of wrong episodes cannot bend: fit, leave out what fits worst, fit again.

Least trimmed squares with concentration steps (Rousseeuw & Van Driessen, 2006, Computing LTS regression for large data
sets, Data Mining and Knowledge Discovery 12:29-45), trimmed twice: by group (an episode), since most faults hit whole
episodes, and by row. Every residual is cross-fitted: a group is predicted by a model that has not seen it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.stats.features import Features, Floats, make_features
from audit.stats.robust import NORMAL_MAD

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FOLDS = 5
FLOOR = 0.02
"""Least noise that is assumed, as a share of an output's own spread: models are not exact, and nobody is misled by
2%."""
FAR = 10.0
"""A residual of more than so many times the noise is an outlier: at least a fifth of the output's spread."""

MOST_APART = 8
"""Outputs that are each fitted by themselves at the start; more of them share the rows' weights."""
FEW = 0.2
"""Share of outliers in a group below which they say little about the group."""

TOLD = 0.3
"""Share of an output's variance that must be explained before its residuals say which rows are bad."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model.

    Attributes:
        features: of its inputs.
        weights: float64[folds + 1, p, q]; the last is fitted on all folds.
        centre, spread: float64[q], of each output: its centre, and its standard deviation over the rows that fit.
        noise: float64[q], standard deviation of the residual in the middle of its distribution, at least
            `FLOOR * spread`.
        explained: float64[q], share (at most 1) of the outputs' variance that is explained in rows not fitted on.
        fold: int64[groups], the fold of each group.
    """

    features: Features
    weights: NDArray[np.float64]
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    noise: NDArray[np.float64]
    explained: NDArray[np.float64]
    fold: Ints

    def predict(self, x: Floats, choice: Ints | None = None, group: Ints | None = None) -> NDArray[np.float64]:
        """Return float64[n, q]. With the groups of rows that were fitted on, each is predicted by the other folds."""
        base = self.features.of(x)
        if group is None:
            return _predict(self.features, self.weights[-1], base, choice) + self.centre
        out = np.empty((len(x), len(self.centre)))
        folds = self.fold[group]
        for k in range(len(self.weights) - 1):
            mine = np.flatnonzero(folds == k)
            if len(mine):
                chosen = None if choice is None else choice[mine]
                out[mine] = _predict(self.features, self.weights[k], base[mine], chosen)
        return out + self.centre


def fit_trimmed(
    x: Floats,
    choice: Ints | None,
    y: Floats,
    group: Ints,
    *,
    choices: int = 0,
    degree: int = 2,
    cosines: int = 0,
    seed: int = 0,
    rounds: int = 4,
    follows: Flags | None = None,
) -> Fit | None:
    """Fit `y` on features of `x` (and a choice), leaving out groups and rows that do not fit.

    Args:
        x: finite inputs, float[n, m].
        choice: int64[n] in 0 .. choices - 1, or None.
        y: finite outputs, float[n, q].
        group: int64[n], 0 .. G - 1, each group's rows together or not; folds are made of whole groups.
        choices: number of discrete actions.
        degree: of the polynomial.
        cosines: number of random cosine features.
        seed: of the folds and the cosines.
        rounds: of refitting on the best half.
        follows: bool[n], whether a row comes right after the row before it. What comes after an outlier is left out,
            too: it may start from a wrong state, and a flexible model would learn the way back from there.

    Returns:
        The fit; None where there are too few rows or groups.
    """
    outputs = np.asarray(y, dtype=np.float64)
    groups = int(group.max()) + 1 if len(group) else 0
    if groups < FOLDS or len(y) < 30:
        return None
    fold = np.random.default_rng(seed).permutation(groups) % FOLDS
    made = make_features(x, choices, degree, cosines=cosines, seed=seed, bound=4.0)
    after = np.zeros(len(outputs), dtype=bool) if follows is None else follows
    state = _State(made, x, choice, outputs, group, fold, after)
    state.start(seed)
    for _ in range(rounds):
        state.solve(state.concentrate())
    # Twice more, with bounds and scales of what fits. The best half are the calm episodes, so the livelier ones come
    # back first; those that still do not fit once the model knows them go for good.
    for keep_of in (_State.consistent, _State.readmitted):
        keep = keep_of(state)
        made = make_features(x[keep], choices, degree, cosines=cosines, seed=seed)
        state = _State(made, x, choice, outputs, group, fold, after)
        state.solve(keep)
        state.concentrate()
    for _ in range(2):
        state.solve(state.consistent())
        state.concentrate()
    return Fit(state.features, state.weights, state.centre, state.spread, state.noise, state.explained(), fold)


@dataclass
class _State:
    """The working state of a fit: the design, the weights of the moment, and residuals of all rows."""

    features: Features
    x: Floats
    choice: Ints | None
    y: NDArray[np.float64]
    group: Ints
    fold: Ints
    follows: Flags

    def __post_init__(self) -> None:
        self.base = self.features.of(self.x)
        self.design = _design(self.features, self.base, self.choice)
        self.groups = len(self.fold)
        self.sizes = np.bincount(self.group, minlength=self.groups)
        self.row_fold = self.fold[self.group]
        self.half = np.ones(len(self.y), dtype=bool)

    def start(self, seed: int, rows: int = 6_000, iterations: int = 12) -> None:
        """Fit by least absolute deviations, on some groups: the majority wins, however large or small the others are.

        Least squares would start between majority and minority, and nearer to whoever moves more. Iteratively
        reweighted least squares; the problem is convex, so there is no other optimum to fall into.
        """
        order = np.random.default_rng(seed).permutation(self.groups)
        taken = order[: int(np.searchsorted(np.cumsum(self.sizes[order]), rows, side="right")) + 1]
        chosen = np.zeros(self.groups, dtype=bool)
        chosen[taken] = True
        mine = np.flatnonzero(chosen[self.group])
        design = self.design[mine].astype(np.float64)
        self.centre = np.median(self.y, axis=0)
        target = self.y[mine] - self.centre
        if target.shape[1] <= MOST_APART:
            parts = [_least_absolute(design, target[:, [j]], iterations) for j in range(target.shape[1])]
            weights = np.concatenate(parts, axis=1)
        else:
            weights = _least_absolute(design, target, iterations)
        self.weights = np.repeat(weights[None], FOLDS + 1, axis=0)
        self.residual = self.y - self.centre - self.design @ weights
        self._measure(np.ones(len(self.y), dtype=bool))

    def solve(self, keep: Flags) -> None:
        """Fit on the rows to keep, fold by fold, then judge all rows."""
        self.centre = self.y[keep].mean(axis=0)
        target = self.y - self.centre
        p = self.design.shape[1]
        grams, rights = [], []
        for k in range(FOLDS):
            mine = np.flatnonzero(keep & (self.row_fold == k))
            block = self.design[mine].astype(np.float64)
            grams.append(block.T @ block)
            rights.append(block.T @ target[mine])
        gram, right = np.sum(grams, axis=0), np.sum(rights, axis=0)
        ridge = 1e-6 * np.trace(gram) / p * np.eye(p)
        parts = [(gram - grams[k], right - rights[k]) for k in range(FOLDS)] + [(gram, right)]
        self.weights = np.stack([_solve(g + ridge, r) for g, r in parts])
        predicted = np.empty_like(self.y)
        for k in range(FOLDS):
            mine = np.flatnonzero(self.row_fold == k)
            predicted[mine] = self.design[mine] @ self.weights[k]
        self.residual = self.y - self.centre - predicted
        self._measure(keep)

    def _measure(self, keep: Flags) -> None:
        spread = np.std(self.y[keep], axis=0)
        self.spread = np.where(spread > 0, spread, np.maximum(np.abs(self.y).max(axis=0), 1e-12))
        middle = self.residual[self.half]
        noise = np.median(np.abs(middle - np.median(middle, axis=0)), axis=0) / NORMAL_MAD
        self.noise = np.maximum(noise, FLOOR * self.spread)
        # an output that nothing explains would make every row look bad
        told = self.explained() >= TOLD
        told = told if told.any() else np.ones_like(told)
        self.z = (np.abs(self.residual) / self.noise)[:, told].max(axis=1)

    def scores(self) -> NDArray[np.float64]:
        """float64[G]: how badly each group fits, 0 to `FAR`."""
        total = np.bincount(self.group, np.minimum(self.z, FAR), self.groups)
        return np.asarray(total / np.maximum(self.sizes, 1))

    def concentrate(self) -> Flags:
        """Keep the best half of the groups (by rows), and of their rows those that are no outliers."""
        order = np.argsort(self.scores(), kind="stable")
        enough = int(np.searchsorted(np.cumsum(self.sizes[order]), len(self.y) / 2)) + 1
        chosen = np.zeros(self.groups, dtype=bool)
        chosen[order[:enough]] = True
        self.half = chosen[self.group]
        return np.asarray(self.half & self._calm(self._limit(6.0)))

    def consistent(self) -> Flags:
        """Keep all groups that fit about as well as the best half, without their outliers."""
        scores = self.scores()
        best = np.unique(self.group[self.half])
        middle = float(np.median(scores[best]))
        width = float(np.median(np.abs(scores[best] - middle))) / NORMAL_MAD
        fine = scores <= middle + 6.0 * width + 0.5
        return np.asarray(fine[self.group] & self._calm(self._limit(FAR)))

    def readmitted(self) -> Flags:
        """Keep all groups in which outliers are few, without their outliers."""
        far = np.bincount(self.group, self.z > FAR, self.groups) / np.maximum(self.sizes, 1)
        few = max(FEW, 2.0 * float(np.median(far)))
        return np.asarray((far < few)[self.group] & self._calm(self._limit(FAR)))

    def _limit(self, least: float) -> float:
        """Return the score up to which a row may stay: half of the best half does, whatever the scores."""
        return max(least, float(np.median(self.z[self.half])))

    def _calm(self, limit: float) -> Flags:
        calm = self.z <= limit
        after = calm.copy()
        after[1:] &= ~self.follows[1:] | calm[:-1]
        return np.asarray(after if after[self.half].mean() >= 0.25 else calm)

    def explained(self) -> NDArray[np.float64]:
        """Share of the variance explained in the best half, by moments in which outliers count little, in two ways.

        In the middle of the distributions (median absolute deviations), and over all rows but the farthest hundredth.
        Where the outputs' middle is a point (a robot that mostly stands still) the second counts.
        """
        y, r = self.y[self.half], self.residual[self.half]
        shares = []
        for j in range(y.shape[1]):
            own = np.abs(y[:, j] - np.median(y[:, j]))
            rest = np.abs(r[:, j] - np.median(r[:, j]))
            middle = float(np.median(own))
            by_middle = 1.0 - (float(np.median(rest)) / middle) ** 2 if middle > 0 else -np.inf
            cap = float(np.quantile(own, 0.99))
            total = float(np.mean(np.minimum(own, cap) ** 2))
            by_moments = 1.0 - float(np.mean(np.minimum(rest, cap) ** 2)) / total if total > 0 else 0.0
            shares.append(max(by_middle, by_moments))
        return np.asarray(np.clip(np.array(shares), -1.0, 1.0))


def _least_absolute(design: NDArray[np.float64], target: NDArray[np.float64], iterations: int) -> NDArray[np.float64]:
    """Minimise the sum of the lengths of the rows' residuals (of their absolute values, with one output)."""
    size = np.median(np.abs(target), axis=0)
    size = np.where(size > 0, size, np.maximum(np.abs(target).max(axis=0), 1e-9))
    scaled = target / size
    p = design.shape[1]
    importance = np.ones(len(design))
    for _ in range(iterations):
        weighted = design * importance[:, None]
        gram = weighted.T @ design
        weights = _solve(gram + 1e-6 * np.trace(gram) / p * np.eye(p), weighted.T @ scaled)
        rest = np.linalg.norm(scaled - design @ weights, axis=1)
        importance = 1.0 / np.maximum(rest, max(1e-3, 0.1 * float(np.median(rest))))
        importance /= importance.mean()
    return np.asarray(weights * size)


def _solve(gram: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        return np.asarray(np.linalg.solve(gram, right))
    except np.linalg.LinAlgError:  # a choice that no row of these folds took
        return np.asarray(np.linalg.lstsq(gram, right, rcond=1e-12)[0])


def _design(features: Features, base: NDArray[np.float32], choice: Ints | None) -> NDArray[np.float32]:
    if choice is None:
        return base
    c = features.by_choice
    own = np.zeros((len(base), features.choices, c), dtype=np.float32)
    own[np.arange(len(base)), choice] = base[:, :c]
    flat = own.reshape(len(base), -1)
    return flat if c == features.shared else np.concatenate([base, flat], axis=1)


def _predict(
    features: Features, weights: NDArray[np.float64], base: NDArray[np.float32], choice: Ints | None
) -> NDArray[Any]:
    if choice is None:
        return np.asarray(base @ weights.astype(np.float32), dtype=np.float64)
    c, k, q = features.by_choice, features.choices, weights.shape[1]
    shared = 0 if c == features.shared else features.shared
    own = weights[shared:].reshape(k, c, q).transpose(1, 0, 2).reshape(c, k * q).astype(np.float32)
    out = (base[:, :c] @ own).reshape(len(base), k, q)[np.arange(len(base)), choice]
    if shared:
        out = out + base @ weights[:shared].astype(np.float32)
    return np.asarray(out, dtype=np.float64)
