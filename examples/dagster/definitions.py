"""Customers as an asset with an asset check: dagster dev -f examples/dagster/definitions.py"""

import os
import sys

import pandas as pd
from dagster import Definitions, asset, materialize

from audit.interop.dagster import audit_check


@asset
def customers() -> pd.DataFrame:
    """The customers as they arrive."""
    return pd.read_parquet(os.environ["CUSTOMERS"])


@asset
def features(customers: pd.DataFrame) -> pd.DataFrame:
    """What is trained on; it waits for the audit."""
    return customers[["customer_id", "age", "basket"]]


customers_are_fit = audit_check(customers, key="customer_id", select=["KEY002", "COM001", "REP006"], blocking=True)

definitions = Definitions(assets=[customers, features], asset_checks=[customers_are_fit])

if __name__ == "__main__":  # once, in this process, without a daemon
    done = materialize([customers, features, customers_are_fit], raise_on_error=False)
    for check in done.get_asset_check_evaluations():
        print("passed" if check.passed else "FAILED", check.severity.value, check.description)
    print("features made" if done.success else "features not made")
    sys.exit(not done.success)
