"""Why training went astray, told from the data, in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rl_data.errors import DivergenceError
from rl_data.transitions import Transitions

_BEYOND = 3.0  # a mean of Q that is so many times what any return can be is no estimate of a return
_OUTLIER = 100.0  # rewards so many times the usual ones are errors far more often than events
_FAR = 30.0  # standard deviations


def check_values(metrics: Mapping[str, float], step: int, config: Any, rows: Transitions) -> None:
    """Raise DivergenceError where a metric is not finite, or Q is beyond what any return can be."""
    broken = [name for name, value in metrics.items() if not math.isfinite(value)]
    if broken:
        raise DivergenceError(f"step {step:,}: {broken[0]} is no longer finite: {cause(config, rows)}")
    gamma = getattr(config, "gamma", 1.0)
    if "q" not in metrics or gamma >= 1.0:
        return
    largest = float(rows.rewards.abs().max()) / (1.0 - gamma)
    if abs(metrics["q"]) > _BEYOND * largest + 1.0:
        raise DivergenceError(
            f"step {step:,}: Q is {metrics['q']:.3g} on average, but with rewards up to "
            f"{float(rows.rewards.abs().max()):.3g} and gamma {gamma:g} no return can be beyond {largest:.3g}: "
            f"{cause(config, rows)}"
        )


def cause(config: Any, rows: Transitions) -> str:
    """Return the likeliest cause in the data, and what to do; else what to change in the options."""
    rewards = rows.rewards.abs()
    usual = float(rewards[rewards > 0].median()) if bool((rewards > 0).any()) else 0.0
    if usual and float(rewards.max()) > _OUTLIER * usual:
        return (
            f"a reward of {float(rewards.max()):.3g} where the usual one is {usual:.3g}: an outlier or a change of "
            "unit; look at these rows and repair or drop them"
        )
    deviation = (rows.observations - rows.observations.mean(0)).abs() / (rows.observations.std(0) + 1e-3)
    if float(deviation.max()) > _FAR:
        entry = int(deviation.amax(0).argmax())
        return (
            f"observation_{entry} reaches {float(deviation.max()):.0f} standard deviations from its mean: an outlier "
            "or a change of unit; look at these rows and repair or drop them"
        )
    if not bool(rows.terminated.any()):
        return (
            "no terminated flag in the data: every episode is taken to go on for ever; if the task ends, restore the "
            "flag; if no episode failed, take bc, cql or iql: nothing here says what to avoid"
        )
    rate = getattr(config, "learning_rate", None)
    return (
        "actions outside the data are valued too highly, or steps are too large; take cql or iql, a larger alpha, "
        f"layer_norm, or a learning rate below {rate}"
    )
