"""REP005: spellings, slips, and categories that came or went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.checks.representativeness.category_variants import CategoryVariants
from audit.findings import Finding, Severity
from audit.testing import audit_rows


def findings(column: Any, reference: Any = None, check: CategoryVariants | None = None) -> tuple[Finding, ...]:
    def table(values: Any) -> Any:
        return None if values is None else pa.table({"c": pa.array(values, pa.string())})

    outcome = audit_rows(check or CategoryVariants(), table(column), reference=table(reference))
    assert outcome.status != "error", outcome.reason
    return outcome.findings


COUNTRIES = ["Germany", "France", "Spain", "Slovakia", "Slovenia", "Austria", "Australia", "Niger", "Nigeria"]


def test_a_clean_column_has_no_finding() -> None:
    random = np.random.default_rng(0)
    weights = np.array([1000, 500, 300, 200, 100, 50, 5, 3, 1])
    assert not findings(random.choice(COUNTRIES, 5_000, p=weights / weights.sum()).tolist())


def test_spellings_and_slips_are_told_apart() -> None:
    column = ["Germany"] * 900 + ["GERMANY"] * 30 + [" germany"] * 20 + ["Germnay"] * 4 + ["France"] * 500
    spelling, slip = findings(column)
    assert (spelling.statistic, spelling.affected) == ("variant_share", 50)
    assert spelling.where == "\"c\" IN ('GERMANY', ' germany')"
    assert (slip.statistic, slip.affected) == ("typo_share", 4)
    assert "'Germnay' (4)" in slip.message
    assert len(findings(column, check=CategoryVariants(typos=False))) == 1
    assert not findings(column, check=CategoryVariants(variants=0.05))


def test_many_single_letters_are_codes_and_few_are_not() -> None:
    letters = [chr(c) for c in range(ord("a"), ord("z"))]
    assert not findings((letters + [c.upper() for c in letters]) * 20)
    assert len(findings(["m"] * 50 + ["M"] * 20 + ["f"] * 60)) == 1


def test_one_new_category_of_a_hundred_rows_needs_enough_rows_to_mean_something() -> None:
    reference = ["a"] * 60 + ["b"] * 40
    assert not findings(["a"] * 58 + ["b"] * 40 + ["new"] * 2, reference)
    (found,) = findings(["a"] * 50 + ["b"] * 30 + ["new"] * 20, reference)
    assert (found.severity, found.statistic, found.affected) == (Severity.WARN, "new_category_share", 20)


def test_a_category_with_three_in_a_thousand_is_easily_absent_of_a_hundred_rows() -> None:
    reference = ["a"] * 9_970 + ["rare"] * 30
    assert not findings(["a"] * 100, reference)
    (found,) = findings(["a"] * 10_000, reference)
    assert (found.severity, found.statistic) == (Severity.INFO, "lost_category_share")
    assert found.affected is None


@pytest.mark.parametrize("seed", range(5))
def test_without_change_long_tails_are_neither_new_nor_lost(seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [f"shop {i}" for i in range(1_500)]
    weights = 1 / np.arange(1, 1_501)
    draw = [random.choice(names, n, p=weights / weights.sum()).tolist() for n in (4_000, 8_000)]
    assert not findings(draw[0], draw[1])
