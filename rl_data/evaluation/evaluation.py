"""What an estimator answers: a number with its interval, or a refusal with its reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Trust(StrEnum):
    """What an estimate is good for."""

    NUMBER = "number"
    RANK = "rank"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds that should hold the true value with the probability `level`."""

    low: float
    high: float
    level: float = 0.95

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one estimator says about one policy.

    Attributes:
        method: "gae", "fqe", "wis", "pdis", "dr", "rollout".
        estimate: the expected return as computed, for ranks; NaN when nothing could be computed. Do not show it as a
            number unless `trust` is NUMBER: use `value`.
        interval: of the estimate.
        gamma: the discount of the return.
        trust: whether it may be shown as a number, used as a rank, or not at all.
        reasons: why not as a number, one sentence each.
        settings: of the estimator (lambda, clips), by name.
        diagnostics: numbers that say how far to trust it, by name.
    """

    method: str
    estimate: float
    interval: Interval | None
    gamma: float
    trust: Trust = Trust.NUMBER
    reasons: tuple[str, ...] = ()
    settings: Mapping[str, float] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        """The estimate, where it may be shown as a number; else None."""
        return self.estimate if self.trust is Trust.NUMBER else None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON, without NaN and infinity."""
        interval = self.interval
        return {
            "method": self.method,
            "value": finite(self.value),
            "rank_by": finite(self.estimate) if self.trust is not Trust.NOTHING else None,
            "low": finite(interval.low) if interval and self.trust is Trust.NUMBER else None,
            "high": finite(interval.high) if interval and self.trust is Trust.NUMBER else None,
            "level": interval.level if interval else None,
            "gamma": self.gamma,
            "trust": self.trust.value,
            "reasons": list(self.reasons),
            "settings": {name: finite(value) for name, value in sorted(self.settings.items())},
            "diagnostics": {name: finite(value) for name, value in sorted(self.diagnostics.items())},
        }


def finite(value: float | None) -> float | None:
    """Return a number that JSON can hold, else None."""
    return float(value) if value is not None and math.isfinite(value) else None
