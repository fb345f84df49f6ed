"""LBL005: gross errors of a numeric label are found, long tails are not errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.checks.label_accuracy.numeric_label_noise import NumericLabelNoise
from audit.findings import Outcome, Severity, Status
from audit.sample import Floats
from audit.testing import audit_rows

Noise = Callable[[np.random.Generator, int], Floats]


def table(noise: Noise, n: int = 1500, seed: int = 0) -> tuple[dict[str, pa.Array], Floats]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    city = random.integers(0, 3, n)
    target = 3 * x[:, 0] + np.sin(2 * x[:, 1]) + city + noise(random, n)
    columns = {f"x{i}": pa.array(x[:, i], mask=random.random(n) < 0.03) for i in range(4)}
    return {**columns, "city": pa.array([f"c{c}" for c in city])}, target


def judged(columns: Mapping[str, Any], target: Floats, **options: Any) -> Outcome:
    roles = {"label": "y", "label_kind": "number"}
    return audit_rows(NumericLabelNoise(**options), pa.table({**columns, "y": target}), roles=roles)


@pytest.mark.parametrize(
    "noise",
    [
        lambda random, n: random.normal(size=n),
        lambda random, n: random.standard_t(3, n),
        lambda random, n: random.lognormal(size=n),
        lambda random, n: random.normal(size=n) * np.exp(random.normal(size=n)),
    ],
    ids=["normal", "t3", "lognormal", "scale mixture"],
)
def test_honest_noise_passes_however_long_its_tail(noise: Noise) -> None:
    outcome = judged(*table(noise))
    assert outcome.status is Status.PASS
    assert not outcome.findings


@pytest.mark.parametrize("kind", ["added", "another unit", "sign"])
def test_two_per_cent_of_gross_errors_are_found(kind: str) -> None:
    columns, target = table(lambda random, n: 0.3 * random.normal(size=n))
    target = target + (20 if kind != "added" else 0)
    random = np.random.default_rng(9)
    bad = random.choice(len(target), len(target) // 50, replace=False)
    spoil: dict[str, Callable[[Floats], Floats]] = {
        "added": lambda y: y + 25,
        "another unit": lambda y: 60 * y,
        "sign": lambda y: -y,
    }
    target[bad] = spoil[kind](target[bad])
    outcome = judged(columns, target)
    (finding,) = outcome.findings
    assert finding.severity is Severity.WARN
    assert np.isin(bad, finding.row_ids).mean() >= 0.9
    assert np.isin(finding.row_ids, bad).mean() >= 0.7
    assert "candidates" in finding.remedy
    assert finding.evidence["worst"][0]["row"] == finding.row_ids[0]


def test_more_of_them_fail_until_they_are_a_tail_of_their_own() -> None:
    columns, target = table(lambda random, n: 0.3 * random.normal(size=n))
    draw = np.random.default_rng(9).random(len(target))
    for share, severity in ((0.04, Severity.FAIL), (0.12, Severity.INFO)):
        (finding,) = judged(columns, np.where(draw < share, target + 40, target)).findings
        assert finding.severity is severity
        assert np.isin(np.flatnonzero(draw < share), finding.row_ids).mean() >= 0.9


def test_missing_and_infinite_labels_are_left_out() -> None:
    columns, target = table(lambda random, n: random.normal(size=n), n=400)
    target[:50] = np.nan
    target[50:60] = np.inf
    outcome = judged(columns, target)
    assert outcome.status is Status.PASS
    assert outcome.measurements[0].basis.rows == 340


def test_an_unpredictable_label_does_not_alarm() -> None:
    random = np.random.default_rng(0)
    outcome = judged({"x": random.normal(size=1000)}, random.exponential(size=1000))
    assert not outcome.findings
