"""A loader that refuses unfit customers: python examples/python/guard.py DATA"""

import sys

import pandas as pd

import audit


@audit.guard(key="customer_id", select=["KEY002", "COM001"])
def load(path: str) -> pd.DataFrame:
    """What this returns has been audited."""
    return pd.read_parquet(path)


@audit.guard("customers", on_findings="warn", fail_on="warn", select=["REP006"])
def mean_age(customers: pd.DataFrame) -> float:
    """What this takes is audited before it runs; findings are warnings here."""
    return float(customers["age"].mean())


if __name__ == "__main__":
    try:
        print(f"mean age {mean_age(load(sys.argv[1])):.1f}")
    except audit.AuditError as error:
        sys.exit(f"refused: {error}")
