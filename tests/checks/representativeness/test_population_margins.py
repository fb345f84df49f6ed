"""REP003: shares against a population, and what weighting would cost."""

from __future__ import annotations

from typing import Any

import pytest
from scipy import stats

from audit.checks.representativeness.population_margins import PopulationMargins
from audit.errors import ConfigError
from audit.findings import Finding, Measurement
from audit.testing import audit_rows

REGION = ["north"] * 100 + ["south"] * 400
TARGET: Any = {"region": {"north": 0.4, "south": 0.6}}


def findings(columns: dict[str, Any], margins: Any, **options: Any) -> tuple[Finding, ...]:
    outcome = audit_rows(PopulationMargins(margins=margins, **options), columns)
    assert outcome.status != "error", outcome.reason
    return outcome.findings


def test_the_numbers_are_those_of_scipy_and_of_kish() -> None:
    (found,) = findings({"region": REGION}, TARGET)
    expected = stats.chisquare([100, 400], [200, 300])
    assert found.value == pytest.approx(0.5)
    assert found.evidence["chi2"] == pytest.approx(expected.statistic, rel=1e-9)
    assert found.evidence["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.evidence["tvd"] == pytest.approx(0.2)
    weights = [2.0] * 100 + [0.75] * 400
    assert found.evidence["effective_rows_after_raking"] == pytest.approx(
        sum(weights) ** 2 / sum(w * w for w in weights), rel=1e-9
    )
    assert found.where == "\"region\" IN ('north')"
    assert "100 of 500 rows (20.0%) where the population has 40.0%, a ratio of 0.50" in found.message


def test_shares_that_agree_are_kept_as_measurements() -> None:
    outcome = audit_rows(PopulationMargins(margins=TARGET), {"region": ["north"] * 200 + ["south"] * 300})
    (kept,) = outcome.measurements
    assert isinstance(kept, Measurement)
    assert kept.value == pytest.approx(0.0, abs=1e-12)


def test_a_huge_table_with_a_tiny_difference_is_fine() -> None:
    assert not findings({"region": ["north"] * 41_000 + ["south"] * 59_000}, TARGET)


def test_two_columns_are_raked_together() -> None:
    columns = {"region": REGION, "sex": (["f"] * 3 + ["m"] * 2) * 100}
    (found,) = findings(columns, {**TARGET, "sex": {"f": 0.6, "m": 0.4}})
    assert found.columns == ("region",)
    assert 300 < found.evidence["effective_rows_after_raking"] < 500


def test_a_value_that_no_row_holds_cannot_be_weighted() -> None:
    (found,) = findings({"region": REGION}, {"region": {"north": 0.2, "south": 0.6, "west": 0.2}})
    assert "'west' has 0 of 500 rows" in found.message
    assert found.evidence["effective_rows_after_raking"] is None


def test_values_without_a_target_are_counted_apart() -> None:
    (found,) = findings({"region": [*REGION, *["sea"] * 50]}, TARGET)
    assert found.evidence["rows_without_target"] == 50
    assert "50 rows hold values without a target" in found.message


def test_missing_values_have_no_share() -> None:
    (found,) = findings({"region": [*REGION, *[None] * 500]}, TARGET)
    assert "of 500 rows" in found.message


@pytest.mark.parametrize("bad", [{"a": {"x": 0.9, "y": 0.9}}, {"a": {"x": -0.1}}, {"a": {}}])
def test_targets_that_are_no_shares_are_refused(bad: Any) -> None:
    with pytest.raises(ConfigError, match="margins of 'a'"):
        PopulationMargins(margins=bad)


def test_targets_by_number_and_boolean_are_found() -> None:
    assert not findings(
        {"stars": [1, 2] * 50, "ok": [True, False] * 50}, {"stars": {1: 0.5, 2: 0.5}, "ok": {True: 0.5, False: 0.5}}
    )
