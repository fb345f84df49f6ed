import pandas as pd

import audit


def model(dbt, session):
    """Audit the model `customers`: a finding at `fail` stops the run, the others become rows of this table."""
    dbt.config(materialized="table")
    customers = dbt.ref("customers").df()
    result = audit.run(customers, name="customers", key="customer_id", select=["KEY002", "COM001", "REP006"])
    result.raise_for_status()
    rows = [(found.code, ", ".join(found.columns), found.severity.label, found.message) for found in result.findings]
    return pd.DataFrame(rows, columns=["code", "columns", "severity", "message"], dtype="str")
