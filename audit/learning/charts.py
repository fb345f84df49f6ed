"""The pictures of learning: curves, returns, GAE by lambda, estimates beside the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from audit.findings import Chart
from audit.learned import Arm

ESTIMATORS = (("gae", "GAE"), ("fqe", "FQE"), ("wis", "WIS"), ("dr", "DR"))
_BINS = 24


def charts(arms: Sequence[Arm], returns: Mapping[str, Sequence[float]]) -> Iterator[Chart]:
    """Yield what the arms have data for.

    Args:
        arms: of the comparison.
        returns: of all episodes that an arm's final policies played, by its name.
    """
    acting = [arm for arm in arms if arm.iqm is not None]
    if any(seed.curve for arm in acting for seed in arm.seeds):
        yield _curves(acting)
    if acting:
        yield _returns_by_arm(acting)
    if "raw" in returns and "clean" in returns and returns["raw"] and returns["clean"]:
        yield _distribution(returns["clean"], returns["raw"])
    for arm in arms:
        if arm.name == "clean" and arm.estimates is not None:
            yield from _gae_curve(arm.estimates)
    if any(arm.estimates is not None for arm in arms):
        yield _beside_truth(arms)


def _curves(arms: Sequence[Arm]) -> Chart:
    steps = sorted({step for arm in arms for seed in arm.seeds for step, _ in seed.curve})
    series = []
    for arm in arms:
        values, low, high = [], [], []
        for step in steps:
            found = [value for seed in arm.seeds for at, value in seed.curve if at == step]
            values.append(float(np.mean(found)) if found else None)
            low.append(float(np.min(found)) if found else None)
            high.append(float(np.max(found)) if found else None)
        series.append({"name": arm.name, "values": values, "low": low, "high": high})
    data = {"x": steps, "series": series}
    return Chart("line", "Return while learning; bands span the seeds", data, "updates", "mean return")


def _returns_by_arm(arms: Sequence[Arm]) -> Chart:
    data = {
        "labels": [arm.name for arm in arms],
        "values": [arm.iqm for arm in arms],
        "low": [arm.interval.low if arm.interval else arm.iqm for arm in arms],
        "high": [arm.interval.high if arm.interval else arm.iqm for arm in arms],
    }
    return Chart("intervals", "Return of the final policies, interquartile mean over seeds", data, "return")


def _distribution(clean: Sequence[float], raw: Sequence[float]) -> Chart:
    both = np.concatenate([clean, raw])
    low, high = float(both.min()), float(both.max())
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    data = {
        "edges": edges.tolist(),
        "counts": np.histogram(clean, edges)[0].tolist(),
        "reference": np.histogram(raw, edges)[0].tolist(),
    }
    return Chart("histogram", "Returns of all episodes played: clean, and raw as reference", data, "return", "episodes")


GAE_CURVE = "GAE-based return by lambda: 0 leans on the critic (bias), 1 on the episodes (variance)"
OF_NUMBERS = "; band: 95% interval"
OF_RANKS = ". No number is given: read its shape only; band: spread"


def _gae_curve(estimates: Mapping[str, Any]) -> Iterator[Chart]:
    """The estimate by lambda: 0 has the critic's bias and little variance, 1 no such bias and all the variance.

    Where numbers are given the band is their interval. Where they are refused there is none, and the band shows how
    the spread over episodes and critics grows with lambda; the title says that it is no more than that.
    """
    points = [point for point in estimates["curve"] if point["rank_by"] is not None]
    if not points:
        return
    given = all(point["value"] is not None for point in points)
    episodes = estimates["diagnostics"].get("episodes") or 1.0
    bands = [(point["low"], point["high"]) if given else _spread(point, episodes) for point in points]
    series = {
        "name": "GAE with ratios" if given else "GAE with ratios (rank)",
        "values": [point["rank_by"] for point in points],
        "low": [low for low, _ in bands],
        "high": [high for _, high in bands],
    }
    data = {"x": [point["settings"]["lam"] for point in points], "series": [series]}
    yield Chart("line", GAE_CURVE + (OF_NUMBERS if given else OF_RANKS), data, "lambda", "discounted return")


def _spread(point: Mapping[str, Any], episodes: float) -> tuple[float | None, float | None]:
    """Return two standard errors about an estimate: of the mean over the episodes, and of the critics."""
    found = point["diagnostics"]
    if found.get("std") is None:
        return None, None
    reach = 2.0 * (found["std"] ** 2 / episodes + found.get("critic_std", 0.0) ** 2) ** 0.5
    return point["rank_by"] - reach, point["rank_by"] + reach


def _beside_truth(arms: Sequence[Arm]) -> Chart:
    labels: list[str] = []
    values: list[float] = []
    low: list[float] = []
    high: list[float] = []
    for arm in arms:
        for name, words in ESTIMATORS:
            found = None if arm.estimates is None else arm.estimates.get(name)
            if found is None or found["rank_by"] is None:
                continue
            refused = "" if found["value"] is not None else " (rank)"
            labels.append(f"{arm.name}: {words}{refused}")
            values.append(found["rank_by"])
            low.append(found["rank_by"] if found["low"] is None else found["low"])
            high.append(found["rank_by"] if found["high"] is None else found["high"])
        if arm.true_value is not None:
            labels.append(f"{arm.name}: played")
            values.append(arm.true_value)
            low.append(arm.true_value)
            high.append(arm.true_value)
    data = {"labels": labels, "values": values, "low": low, "high": high}
    title = "What logged episodes say of the policies, beside what they really get; (rank): only the order can be read"
    return Chart("intervals", title, data, "discounted return")
