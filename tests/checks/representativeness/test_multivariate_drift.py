"""REP002: what no single column shows is found, copies and groups raise no alarm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.checks.representativeness.columns import Comparison
from audit.checks.representativeness.multivariate_drift import MultivariateDrift
from audit.findings import Finding, Measurement, NotEvaluated, Severity
from audit.sample import Sampled

Table = dict[str, Any]


def sampled(columns: Table) -> Sampled:
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    return Sampled(table, np.arange(table.num_rows), table.num_rows, 0)


def judge(reference: Table, current: Table, group: str | None = None) -> list[Any]:
    text = tuple(name for name, values in reference.items() if np.asarray(values).dtype.kind in "OUb")
    facts = {
        "comparison": Comparison(tuple(name for name in reference if name not in text), text),
        "group": group,
        "sample": sampled(current),
        "reference": sampled(reference),
    }
    return list(MultivariateDrift().judge(facts))


def findings(reference: Table, current: Table, group: str | None = None) -> list[Finding]:
    return [item for item in judge(reference, current, group) if isinstance(item, Finding)]


def mixed(seed: int, n: int = 1_000) -> Table:
    random = np.random.default_rng(seed)
    plan = np.array(["basic", "plus", "pro"], dtype=object)[random.choice(3, n, p=[0.6, 0.3, 0.1])]
    x = random.normal(size=n)
    return {
        "x": x,
        "y": np.where(random.random(n) < 0.1, np.nan, 0.8 * x + 0.6 * random.normal(size=n)),
        "plan": np.where(random.random(n) < 0.05, np.array(None), plan),
        "spend": random.lognormal(size=n),
        "ok": random.random(n) < 0.5,
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [100, 1_000])
def test_samples_of_one_population_raise_no_alarm(seed: int, n: int) -> None:
    assert not findings(mixed(seed, n), mixed(seed + 100, n))


def test_a_broken_relation_is_found_where_each_column_is_as_before() -> None:
    reference, current = mixed(0), mixed(1)
    current["y"] = np.random.default_rng(2).permutation(current["y"])
    (found,) = findings(reference, current)
    assert set(list(found.evidence["drivers"])[:2]) == {"x", "y"}
    assert found.interval is not None
    assert found.interval.low > 0.125


def test_separate_populations_fail_and_the_column_is_named() -> None:
    reference, current = mixed(0), mixed(1)
    current["spend"] = current["spend"] + 50
    (found,) = findings(reference, current)
    assert found.severity is Severity.FAIL
    assert found.value == pytest.approx(1.0, abs=0.02)
    assert next(iter(found.evidence["drivers"])) == "spend"
    assert "'spend'" in found.message


def test_the_same_data_twice_is_no_drift() -> None:
    (measured, auc) = [item for item in judge(mixed(0), mixed(0)) if isinstance(item, Measurement)]
    assert isinstance(measured.value, float)
    assert abs(measured.value) < 0.1
    assert auc.value == pytest.approx((measured.value + 1) / 2)


def test_copies_of_rows_are_not_mistaken_for_drift() -> None:
    current = {name: np.repeat(values[:200], 5) for name, values in mixed(1).items()}
    assert not findings(mixed(0), current)


def test_rows_of_one_group_do_not_give_it_away() -> None:
    # each customer has its own level: without groups the trees learn the customers, not a difference
    def visits(seed: int) -> Table:
        random = np.random.default_rng(seed)
        level = random.normal(size=(40, 3)).repeat(25, axis=0)
        values = level + 0.01 * random.normal(size=level.shape)
        names = np.array([f"{seed}-{i}" for i in range(40)], dtype=object).repeat(25)
        return {"a": values[:, 0], "b": values[:, 1], "c": values[:, 2], "customer": names}

    assert not findings(visits(0), visits(1), group="customer")
    assert findings(visits(0), visits(1))


def test_categories_alone_are_enough() -> None:
    random = np.random.default_rng(0)
    plans = np.array(["basic", "plus", "pro"], dtype=object)
    found = findings(
        {"plan": plans[random.choice(3, 500, p=[0.8, 0.1, 0.1])]},
        {"plan": plans[random.choice(3, 500, p=[0.1, 0.1, 0.8])]},
    )
    assert len(found) == 1


def test_too_few_rows_are_said_so() -> None:
    (item,) = judge(mixed(0, 50), mixed(1, 50))
    assert isinstance(item, NotEvaluated)


def test_the_result_is_the_same_each_time() -> None:
    reference, current = mixed(0), mixed(1)
    current["x"] = current["x"] + 1
    assert judge(reference, current) == judge(reference, current)
