"""The audit of the customers, in the test suite beside it: python -m pytest examples/pytest"""

import os

import pytest

CUSTOMERS = os.environ.get("CUSTOMERS", "sample_data/customers_clean.parquet")


@pytest.mark.audit(CUSTOMERS, key="customer_id", select=["KEY002", "COM001"])
def test_nobody_is_counted_twice(audit_result):
    assert audit_result.outcome("KEY002").status == "pass"


@pytest.mark.audit(CUSTOMERS, key="customer_id", select=["KEY002", "COM001"])
def test_nothing_at_fail(audit_result):
    audit_result.raise_for_status()
