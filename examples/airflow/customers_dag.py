"""Train on the customers only where they pass their audit. The place for this file is your DAG folder."""

import os

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

import audit


@dag(schedule=None)
def customers():
    @task
    def audited() -> str:
        data = os.environ["CUSTOMERS"]
        result = audit.run(data, key="customer_id", select=["KEY002", "COM001", "REP006"])
        result.to_html("customers.html")
        try:
            result.raise_for_status()
        except audit.AuditError as error:  # another try would find the same: fail without retries
            raise AirflowFailException(str(error)) from error
        return data

    @task
    def train(data: str) -> None:
        print(f"training on {data}")

    train(audited())


flow = customers()

if __name__ == "__main__":  # once, in this process, without a scheduler
    raise SystemExit(flow.test().state != "success")
