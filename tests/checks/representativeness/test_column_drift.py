"""REP001: no alarm without drift, at any size; every drift that other tools miss is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.checks.representativeness.column_drift import ColumnDrift
from audit.checks.representativeness.columns import Comparison
from audit.findings import Finding, NotEvaluated, Severity
from audit.sample import Sampled

Table = dict[str, Any]


def sampled(columns: Table) -> Sampled:
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    return Sampled(table, np.arange(table.num_rows), table.num_rows, 0)


def judge(reference: Table, current: Table, check: ColumnDrift | None = None) -> list[Any]:
    text = tuple(name for name, values in reference.items() if np.asarray(values).dtype.kind in "OUb")
    facts = {
        "comparison": Comparison(tuple(name for name in reference if name not in text), text),
        "rows": (len(next(iter(current.values()))), len(next(iter(reference.values())))),
        "sample": sampled(current),
        "reference": sampled(reference),
    }
    return list((check or ColumnDrift()).judge(facts))


def findings(reference: Table, current: Table, check: ColumnDrift | None = None) -> list[Finding]:
    return [item for item in judge(reference, current, check) if isinstance(item, Finding)]


CITIES = np.array([f"city {i:03d}" for i in range(300)], dtype=object)
PLANS = np.array(["basic", "plus", "pro"], dtype=object)


def customers(random: np.random.Generator, n: int) -> Table:
    """Twenty columns of the shapes that occur: skewed, whole, inflated, heavy-tailed, missing, categories."""
    zipf = 1.0 / np.arange(1, 301)
    table: Table = {f"normal_{i}": random.normal(size=n) for i in range(4)}
    table |= {f"skewed_{i}": random.lognormal(0, 1 + i / 2, n) for i in range(3)}
    table |= {f"whole_{i}": random.poisson((0.2, 2, 30)[i], n) for i in range(3)}
    table["heavy"] = random.standard_t(2, n)
    table["uniform"] = random.uniform(size=n)
    table["inflated"] = np.where(random.random(n) < 0.7, 0.0, random.exponential(size=n))
    table["rounded"] = np.round(random.normal(50, 10, n), -1)
    table["missing"] = np.where(random.random(n) < 0.3, np.nan, random.normal(size=n))
    table["rarely_missing"] = np.where(random.random(n) < 0.02, np.nan, random.normal(size=n))
    table["plan"] = PLANS[random.choice(3, n, p=[0.7, 0.25, 0.05])]
    table["city"] = CITIES[random.choice(300, n, p=zipf / zipf.sum())]
    table["active"] = random.random(n) < 0.5
    table["fraud"] = random.random(n) < 0.01
    assert len(table) == 20
    return table


def false_alarms(n: int, seeds: range) -> int:
    alarms = 0
    for seed in seeds:
        random = np.random.default_rng([n, seed])
        alarms += bool(findings(customers(random, n), customers(random, n)))
    return alarms


@pytest.mark.parametrize("n", [100, 1_000])
def test_without_drift_at_most_five_per_cent_of_datasets_alarm(n: int) -> None:
    assert false_alarms(n, range(200)) <= 10


@pytest.mark.slow
def test_without_drift_large_datasets_do_not_alarm_either() -> None:
    assert false_alarms(100_000, range(200)) <= 10


@pytest.mark.parametrize("sizes", [(100, 10_000), (10_000, 100), (1_000, 20_000)])
def test_without_drift_samples_of_other_sizes_do_not_alarm(sizes: tuple[int, int]) -> None:
    alarms = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        alarms += bool(findings(customers(random, sizes[0]), customers(random, sizes[1])))
    assert alarms <= 2


@pytest.mark.parametrize("n", [100, 1_000, 20_000])
@pytest.mark.parametrize("seed", range(5))
def test_a_shift_by_one_standard_deviation_is_found_among_twenty_columns(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    reference, current = customers(random, n), customers(random, n)
    current["normal_0"] = current["normal_0"] + 1.0
    found = findings(reference, current)
    assert [f.columns for f in found] == [("normal_0",)]
    assert found[0].severity is Severity.FAIL
    assert found[0].evidence["smd"] == pytest.approx(1.0, abs=0.4)


def test_missing_values_from_none_to_sixty_per_cent_are_found() -> None:
    # Evidently 0.7.23 calls this "no drift", for numbers and for categories
    random = np.random.default_rng(0)
    x, plan = random.normal(size=1_000), PLANS[random.choice(3, 1_000)]
    gone = random.random(1_000) < 0.6
    current = {"x": np.where(gone, np.nan, x), "plan": np.where(gone, np.array(None), plan)}
    found = findings({"x": x, "plan": plan}, current)
    assert [(f.columns[0], f.severity) for f in found] == [("x", Severity.FAIL), ("plan", Severity.FAIL)]
    assert all("missing values are" in f.message for f in found)


def test_one_huge_value_does_not_hide_a_shift() -> None:
    # Evidently's PSI falls from 0.965 to 0.00007 when one value of 1e6 joins
    random = np.random.default_rng(1)
    reference, current = random.normal(size=1_000), random.normal(1, 1, 1_000)
    current[0] = 1e6
    (found,) = findings({"x": reference}, {"x": current})
    assert found.severity is Severity.FAIL
    assert found.evidence["psi"] > 0.5


def test_one_huge_value_is_no_drift() -> None:
    random = np.random.default_rng(2)
    current = random.normal(size=1_000)
    current[0] = 1e6
    assert not findings({"x": random.normal(size=1_000)}, {"x": current})


def test_a_column_that_became_all_missing_and_one_that_came_to_life() -> None:
    x = np.random.default_rng(3).normal(size=200)
    nothing = np.full(200, np.nan)
    for reference, current in ((x, nothing), (nothing, x)):
        (found,) = findings({"x": reference}, {"x": current})
        assert found.severity is Severity.FAIL
        assert found.evidence["missing_share"] == np.isnan(current).mean()


def test_new_categories_of_a_column_with_many_are_found() -> None:
    random = np.random.default_rng(4)
    old = np.array([f"shop {i}" for i in range(400)], dtype=object)
    new = np.array([f"store {i}" for i in range(400)], dtype=object)
    reference, current = old[random.choice(400, 2_000)], old[random.choice(400, 2_000)]
    current[:500] = new[random.choice(400, 500)]
    (found,) = findings({"shop": reference}, {"shop": current})
    assert found.evidence["new_share"] == pytest.approx(0.25, abs=0.02)
    assert found.evidence["new_share_by_chance"] < 0.1


def test_significant_but_small_differences_are_no_finding() -> None:
    random = np.random.default_rng(5)
    reference, current = random.normal(size=100_000), random.normal(0.05, 1, 100_000)
    items = judge({"x": reference}, {"x": current})
    assert not [item for item in items if isinstance(item, Finding)]
    assert min(item.p_adjusted for item in items if item.p_adjusted is not None) < 1e-6


def test_large_differences_that_chance_explains_are_no_finding() -> None:
    random = np.random.default_rng(6)
    assert not findings({"x": random.normal(size=30)}, {"x": random.normal(0.2, 1, 30)})


def test_identifiers_are_left_out_and_said_so() -> None:
    n = 500
    reference: Table = {"customer_id": np.arange(n), "code": np.array([f"a{i}" for i in range(n)], dtype=object)}
    current: Table = {
        "customer_id": np.random.default_rng(0).permutation(n) + n,
        "code": np.array([f"b{i}" for i in range(n)], dtype=object),
    }
    items = judge(reference, current)
    assert all(isinstance(item, NotEvaluated) and "identifies rows" in item.reason for item in items)
    assert {item.columns[0] for item in items} == {"customer_id", "code"}


def test_every_finding_has_a_picture_a_remedy_and_json_evidence() -> None:
    import json

    random = np.random.default_rng(7)
    plan = PLANS[random.choice(3, 300)]
    found = findings(
        {"x": random.normal(size=300), "plan": plan, "ok": plan == "pro"},
        {"x": np.full(300, 7.0), "plan": np.full(300, "new", dtype=object), "ok": plan == "plus"},
    )
    assert {f.columns[0] for f in found} == {"x", "plan"}
    for f in found:
        assert f.chart is not None
        assert len(f.chart.data["reference"]) == len(f.chart.data.get("counts") or f.chart.data["values"])
        json.dumps([dict(f.evidence), dict(f.chart.data)], allow_nan=False)
        assert f.remedy
        assert 0 <= (f.effect or 0) <= 1


def test_drift_does_not_depend_on_how_much_larger_one_sample_is() -> None:
    random = np.random.default_rng(8)
    reference = np.array(["a", "b"], dtype=object)[(random.random(1_000) < 0.5).astype(int)]
    current = np.array(["a", "b"], dtype=object)[(random.random(100_000) < 0.8).astype(int)]
    (found,) = findings({"x": reference}, {"x": current})
    assert found.evidence["cramers_v"] == pytest.approx(0.31, abs=0.02)
