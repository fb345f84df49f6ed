"""REP004: holes are found, structure and chance are not mistaken for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.checks.representativeness.attribute_coverage import AttributeCoverage
from audit.errors import ConfigError
from audit.findings import Finding, Severity
from audit.testing import audit_rows


def people(seed: int, n: int = 4_000) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "region": np.array(["north", "south", "east", "west"])[random.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])],
        "plan": np.array(["basic", "plus", "pro"])[random.choice(3, n, p=[0.7, 0.25, 0.05])],
        "member": random.random(n) < 0.4,
        "channel": np.array(["web", "shop", "phone", "fax"])[random.choice(4, n, p=[0.6, 0.3, 0.099, 0.001])],
        "spend": random.normal(size=n),
    }


def findings(columns: dict[str, Any], check: AttributeCoverage | None = None) -> tuple[Finding, ...]:
    outcome = audit_rows(check or AttributeCoverage(), pa.table(columns))
    assert outcome.status != "error", outcome.reason
    return outcome.findings


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [200, 4_000, 20_000])
def test_independent_attributes_have_no_hole_however_rare_their_values(seed: int, n: int) -> None:
    assert all(f.severity is Severity.INFO for f in findings(people(seed, n)))


def test_a_hole_is_found_named_and_compared_with_what_is_expected() -> None:
    columns = people(0)
    columns["plan"][(columns["region"] == "south") & (columns["plan"] == "plus")] = "basic"
    (hole, *rest) = findings(columns)
    assert (hole.severity, hole.columns) == (Severity.WARN, ("region", "plan"))
    assert hole.value == 0
    assert hole.message.startswith("region = 'south' and plan = 'plus': 0 of 4,000 rows")
    assert all(f.severity is Severity.INFO for f in rest)


def test_a_hole_of_three_attributes_is_found() -> None:
    columns = people(0, 20_000)
    gone = (columns["region"] == "south") & (columns["plan"] == "plus") & columns["member"]
    columns["region"][gone] = "north"
    (hole, *_) = findings(columns)
    assert hole.columns == ("region", "plan", "member")


def test_an_attribute_that_follows_from_another_is_no_hole() -> None:
    columns = people(0)
    columns["country"] = np.where(np.isin(columns["region"], ["north", "east"]), "DE", "FR")
    assert all(f.severity is Severity.INFO for f in findings(columns))


def test_the_list_is_short() -> None:
    random = np.random.default_rng(0)
    columns = {f"c{i}": random.integers(0, 9, 2_000).astype(str) for i in range(6)}
    (summary,) = findings(columns)
    assert summary.severity is Severity.INFO
    assert len(summary.evidence["patterns"]) == 10
    assert isinstance(summary.value, int)
    assert summary.value > 100


def test_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(ConfigError, match="attributes name the column 'plam'; did you mean 'plan'"):
        audit_rows(AttributeCoverage(attributes=("plam", "region")), pa.table(people(0, 100)))
