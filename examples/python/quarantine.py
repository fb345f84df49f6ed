"""Go on with the good rows, keep the others with their reasons: python examples/python/quarantine.py DATA"""

import sys

import pandas as pd

import audit

customers = pd.read_parquet(sys.argv[1])
result = audit.run(customers, key="customer_id", select=["KEY002", "REP006"])
parts = result.split(customers, severity="warn")
parts.good.to_parquet("good.parquet")
parts.quarantined.to_parquet("quarantine.parquet")
print(f"{len(customers)} rows: {len(parts.good)} good, {len(parts.quarantined)} in quarantine")
print(parts.quarantined.explode("audit_codes")["audit_codes"].value_counts().to_string())
