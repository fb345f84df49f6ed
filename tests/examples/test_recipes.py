"""Airflow, Prefect, dbt and DVC stop before they train on bad customers; each really runs, in its own environment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.examples.conftest import KINDS, Run

FOUND = "KEY002 fail: key 'customer_id': 70 keys of 7,290 occur more than once"

pytestmark = pytest.mark.slow


def test_a_dag_of_airflow(run_recipe: Run, folder: Path) -> None:
    home = {"AIRFLOW_HOME": str(folder / "airflow"), "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "examples/airflow")}
    home |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    made = run_recipe("airflow", "db", "migrate", **home)
    assert made.returncode == 0, made.stdout
    for kind, good in KINDS.items():
        data = str(folder / f"customers_{kind}.parquet")
        done = run_recipe("python", "examples/airflow/customers_dag.py", CUSTOMERS=data, **home)
        assert done.returncode == (0 if good else 1), done.stdout
        assert ("training on" in done.stdout) == good
        assert (FOUND in done.stdout) != good


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_a_flow_of_prefect(kind: str, good: bool, run_recipe: Run, folder: Path) -> None:
    settings = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}
    done = run_recipe("python", "examples/prefect/customers_flow.py", f"customers_{kind}.parquet", **settings)
    assert done.returncode == (0 if good else 1), done.stdout
    assert ("training on" in done.stdout) == good
    assert (FOUND in done.stdout) != good


def test_a_project_of_dbt(run_recipe: Run, folder: Path) -> None:
    for kind, good in KINDS.items():
        data = str(folder / f"customers_{kind}.parquet")
        words = ("dbt", "run", "--project-dir", "examples/dbt", "--profiles-dir", "examples/dbt")
        done = run_recipe(*words, CUSTOMERS=data)
        assert done.returncode == (0 if good else 1), done.stdout
        assert ("PASS=3 WARN=0 ERROR=0 SKIP=0" if good else "PASS=1 WARN=0 ERROR=1 SKIP=1") in done.stdout
        assert (FOUND in done.stdout) != good


def test_a_pipeline_of_dvc(run_recipe: Run, folder: Path) -> None:
    work = folder / "examples" / "dvc"
    state = {f"DVC_{name}_DIR": str(folder / name) for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
    for setting_up in (("git", "init", "-q"), ("dvc", "init", "-q")):
        assert run_recipe("env", "-C", str(work), *setting_up, **state).returncode == 0
    for kind, good in KINDS.items():
        shutil.copy(folder / f"customers_{kind}.parquet", work / "customers.parquet")
        (work / "model.txt").unlink(missing_ok=True)
        done = run_recipe("env", "-C", str(work), "dvc", "repro", **state)
        assert (done.returncode == 0) == good, done.stdout
        assert (work / "model.txt").exists() == good
        assert json.loads((work / "audit.json").read_text("utf-8"))["verdict"]["status"] == ("pass" if good else "fail")
    metrics = run_recipe("env", "-C", str(work), "dvc", "metrics", "show", "--json", **state)
    assert json.loads(metrics.stdout)[""]["data"]["audit.json"]["data"]["verdict"]["findings"]["fail"] == 2
