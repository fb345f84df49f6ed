"""A flow with a gate: python examples/prefect/customers_flow.py DATA"""

import sys

from prefect import flow, task

import audit


@task
def audited(data: str) -> str:
    result = audit.run(data, key="customer_id", select=["KEY002", "COM001", "REP006"])
    result.to_html("customers.html")
    result.raise_for_status()  # the task fails with the findings, and so does what waits for it
    return data


@task
def train(data: str) -> None:
    print(f"training on {data}")


@flow
def customers(data: str) -> None:
    train(audited(data))


if __name__ == "__main__":
    customers(sys.argv[1])
