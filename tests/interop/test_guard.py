"""Functions guarded by an audit."""

from __future__ import annotations

import asyncio
from typing import Any

import pandas as pd
import pytest

import audit
from audit.errors import ConfigError, FindingsError
from audit.interop.guard import AuditWarning

GOOD = pd.DataFrame({"order": range(200), "amount": [10.0 + i % 7 for i in range(200)]})
BAD = GOOD.assign(order=[0] * 100 + list(range(100, 200)))
SETTINGS: dict[str, Any] = {"key": "order", "select": ["KEY002"]}


def test_a_call_with_good_data_goes_through_and_one_with_bad_data_does_not() -> None:
    @audit.guard("orders", **SETTINGS)
    def total(orders: pd.DataFrame, factor: float = 1.0) -> float:
        return float(orders["amount"].sum() * factor)

    assert total(GOOD, factor=2.0) == 2 * GOOD["amount"].sum()
    assert total.__name__ == "total"
    with pytest.raises(FindingsError, match=r"total\(orders\) is not fit to train on:\nKEY002"):
        total(orders=BAD)


def test_what_is_returned_is_audited_where_no_argument_is_named() -> None:
    @audit.guard(**SETTINGS)
    def load(good: bool) -> pd.DataFrame:
        return GOOD if good else BAD

    assert len(load(True)) == 200
    with pytest.raises(FindingsError):
        load(False)


def test_the_bare_decorator_guards_what_is_returned() -> None:
    @audit.guard
    def load() -> pd.DataFrame:
        return pd.DataFrame({"x": [None] * 50, "y": range(50)})

    with pytest.raises(FindingsError, match="COM001"):
        load()


def test_findings_can_be_warnings() -> None:
    @audit.guard("orders", on_findings="warn", **SETTINGS)
    def count(orders: pd.DataFrame) -> int:
        return len(orders)

    with pytest.warns(AuditWarning, match="KEY002"):
        assert count(BAD) == 200


def test_a_coroutine_function_stays_one() -> None:
    @audit.guard("orders", returned=True, **SETTINGS)
    async def passed_on(orders: pd.DataFrame) -> pd.DataFrame:
        return BAD

    with pytest.raises(FindingsError, match=r"passed_on\(\)"):
        asyncio.run(passed_on(GOOD))


def test_mistakes_in_the_decorator_are_met_when_the_function_is_defined() -> None:
    with pytest.raises(ConfigError, match="no parameter 'order'; did you mean 'orders'"):

        @audit.guard("order")
        def count(orders: pd.DataFrame) -> int:
            return len(orders)

    with pytest.raises(ConfigError, match="on_findings is 'stop'"):
        audit.guard("orders", on_findings="stop")  # type: ignore[call-overload]  # the mistake is the test
