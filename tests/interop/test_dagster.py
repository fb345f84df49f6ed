"""Asset checks, materialised in this process by the real Dagster."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from audit.errors import AuditError

dagster = pytest.importorskip("dagster", reason="needs the package dagster")

GOOD = pd.DataFrame({"order": range(200), "amount": [10.0 + i % 7 for i in range(200)]})


def evaluation(frame: pd.DataFrame, **settings: Any) -> Any:
    from audit.interop.dagster import audit_check

    @dagster.asset  # type: ignore[untyped-decorator]  # Dagster is skipped where it is not installed
    def orders() -> pd.DataFrame:
        return frame

    check = audit_check(orders, key="order", select=["KEY002", "COM001"], **settings)
    done = dagster.materialize([orders, check])
    assert done.success
    (found,) = done.get_asset_check_evaluations()
    return found


def test_good_data_pass_and_their_numbers_are_metadata() -> None:
    found = evaluation(GOOD)
    assert found.passed
    assert found.metadata["rows"].value == 200
    assert found.metadata["findings_fail"].value == 0
    assert found.metadata["score_completeness"].value == 100.0


def test_a_fail_is_an_error_and_says_what_was_found() -> None:
    found = evaluation(GOOD.assign(order=0))
    assert not found.passed
    assert found.severity is dagster.AssetCheckSeverity.ERROR
    assert "199 of 200 rows repeat a key" in found.metadata["report"].value


def test_a_warning_passes_until_it_is_said_not_to() -> None:
    gaps = GOOD.assign(amount=GOOD["amount"].where(GOOD.index >= 20))
    assert evaluation(gaps).passed
    found = evaluation(gaps, fail_on="warn")
    assert not found.passed
    assert found.severity is dagster.AssetCheckSeverity.WARN


def test_a_check_that_broke_is_never_a_pass() -> None:
    import audit
    from audit.interop.dagster import as_check_result

    result = audit.run(GOOD, select=["GXE001"], checks={"GXE001": {"suite": "absent.json"}})
    with pytest.raises(AuditError, match="GXE001 broke"):
        as_check_result(result)
