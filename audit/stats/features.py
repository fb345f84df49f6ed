"""Features in which the physics of most control tasks is linear: polynomials, angles, random cosines.

A model that is linear in these is fitted in one pass (`audit.stats.trimmed_regression`), so that refitting without
what looks wrong costs nearly nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Places = NDArray[np.int64]

MOST_CUBIC = 130
MOST_SQUARE = 260
MOST_CHOICES = 400


def degree_for(inputs: int, rows: int) -> int:
    """Return the highest degree (1 to 3) whose polynomial of so many inputs stays small, also against the rows.

    >>> degree_for(4, 50_000), degree_for(12, 50_000), degree_for(52, 50_000), degree_for(4, 200)
    (3, 2, 1, 2)
    """
    for degree, most in ((3, MOST_CUBIC), (2, MOST_SQUARE)):
        terms = comb(inputs + degree, degree)
        if terms <= most and terms * 8 <= rows:
            return degree
    return 1


def angle_pairs(states: Floats, most: int = 8) -> tuple[tuple[int, int], ...]:
    """Return pairs of neighbouring entries that are cosine and sine of one angle: their squares sum to 1.

    It holds for at least 60% of the rows, so that faults do not hide it.
    """
    found: list[tuple[int, int]] = []
    i = 0
    while i + 1 < states.shape[1] and len(found) < most:
        radius = states[:, i].astype(np.float64) ** 2 + states[:, i + 1].astype(np.float64) ** 2
        moves = np.ptp(states[:, i]) > 0 and np.ptp(states[:, i + 1]) > 0
        if moves and np.mean(np.abs(radius - 1.0) < 1e-3) >= 0.6:
            found.append((i, i + 1))
            i += 1
        i += 1
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Features:
    """A map from inputs (and a choice among actions) to features.

    Attributes:
        centre, scale: float32[m], of the standardisation.
        low, high: float32[m], bounds of the standardised inputs in terms of a higher degree: beyond the data that the
            model was fitted on a polynomial runs away, a line does not.
        degree: of the polynomial.
        choices: number of discrete actions; 0 where there are none.
        frequencies, phases: float32[m, h] and float32[h], of random cosine features (Rahimi & Recht, 2007).
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    degree: int
    choices: int = 0
    frequencies: NDArray[np.float32] | None = None
    phases: NDArray[np.float32] | None = None

    @property
    def inputs(self) -> int:
        """Number of inputs, m."""
        return len(self.centre)

    @property
    def shared(self) -> int:
        """Number of features that do not depend on the choice."""
        hidden = 0 if self.phases is None else len(self.phases)
        return comb(self.inputs + self.degree, self.degree) + hidden

    @property
    def by_choice(self) -> int:
        """How many of the first features have a weight for each choice."""
        if self.choices * self.shared <= MOST_SQUARE:
            return self.shared
        return self.inputs + 1 if self.choices * (self.inputs + 1) <= MOST_CHOICES else 1

    def of(self, x: Floats) -> NDArray[np.float32]:
        """Return float32[n, shared]: 1, the inputs, their products, the cosines."""
        z = (np.asarray(x, dtype=np.float32) - self.centre) / self.scale
        np.clip(z, -1e6, 1e6, out=z)
        out = np.empty((self.shared, len(z)), dtype=np.float32).T  # column by column, as it is filled
        out[:, 0] = 1.0
        out[:, 1 : 1 + self.inputs] = z
        clipped = np.clip(z, self.low, self.high)
        column = 1 + self.inputs
        products: dict[tuple[int, ...], NDArray[np.float32]] = {(i,): clipped[:, i] for i in range(self.inputs)}
        for degree in range(2, self.degree + 1):
            for term in combinations_with_replacement(range(self.inputs), degree):
                np.multiply(products[term[:-1]], clipped[:, term[-1]], out=out[:, column])
                if degree < self.degree:
                    products[term] = out[:, column]
                column += 1
        if self.frequencies is not None and self.phases is not None:
            out[:, column:] = np.cos(clipped @ self.frequencies + self.phases)
        return out


def make_features(
    x: Floats, choices: int, degree: int, *, cosines: int = 0, seed: int = 0, bound: float | None = None
) -> Features:
    """Return features standardised by these inputs.

    Args:
        x: float[n, m], finite.
        choices: number of discrete actions; 0 where there are none.
        degree: of the polynomial.
        cosines: number of random cosine features.
        seed: of these.
        bound: None where `x` is clean: bounds are then its range, widened by a quarter. Else (the data may hold
            anything) centre and scale are robust, and standardised values beyond the bound count as the bound.

    Returns:
        The features.
    """
    x = np.asarray(x, dtype=np.float64)
    if bound is None:
        centre, scale = x.mean(axis=0), x.std(axis=0)
    else:
        centre = np.median(x, axis=0)
        low, high = np.quantile(x, [0.1, 0.9], axis=0)
        scale = (high - low) / 2.563
        scale = np.where(scale > 0, scale, x.std(axis=0))
    scale = np.where(scale > 1e-12 * np.maximum(np.abs(centre), 1.0), scale, 1.0)
    if bound is None:
        z = (x - centre) / scale
        low, high = z.min(axis=0), z.max(axis=0)
        margin = 0.125 * (high - low)
        low, high = low - margin, high + margin
    else:
        low, high = np.full(x.shape[1], -bound), np.full(x.shape[1], bound)
    frequencies = phases = None
    if cosines:
        rng = np.random.default_rng(seed)
        frequencies = rng.normal(size=(x.shape[1], cosines)).astype(np.float32)
        frequencies /= np.maximum(np.linalg.norm(frequencies, axis=0), 1e-9) / rng.uniform(0.5, 2.0, cosines)
        frequencies = frequencies.astype(np.float32)
        phases = rng.uniform(0.0, 2.0 * np.pi, cosines).astype(np.float32)
    single = [np.asarray(v, dtype=np.float32) for v in (centre, scale, low, high)]
    return Features(single[0], single[1], single[2], single[3], degree, choices, frequencies, phases)
