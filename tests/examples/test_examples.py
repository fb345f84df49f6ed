"""Each example of `examples/` lets good customers through and stops bad ones, with the real framework."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import audit
from audit.history import add
from tests.examples.conftest import KINDS, REPOSITORY, Run
from tests.interop.test_ci_definitions import run_action


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_a_guarded_loader_refuses_bad_customers(kind: str, good: bool, run: Run) -> None:
    done = run("python", "examples/python/guard.py", f"customers_{kind}.parquet")
    assert done.returncode == (0 if good else 1), done.stdout
    assert ("mean age" in done.stdout) == good
    assert ("refused: load() is not fit to train on:\nCOM001 fail: 'income'" in done.stdout) != good


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_quarantine_takes_the_bad_rows_and_loses_none(kind: str, good: bool, run: Run, folder: Path) -> None:
    done = run("python", "examples/python/quarantine.py", f"customers_{kind}.parquet")
    assert done.returncode == 0, done.stdout
    parts = [len(pd.read_parquet(folder / name)) for name in ("good.parquet", "quarantine.parquet")]
    assert sum(parts) == len(pd.read_parquet(folder / f"customers_{kind}.parquet"))
    assert parts[1] == (0 if good else 160)


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_tests_of_the_data_pass_and_fail_with_it(kind: str, good: bool, run: Run) -> None:
    plugin = "audit.interop.pytest_plugin"
    installed = any(point.value == plugin for point in entry_points(group="pytest11"))
    options = ["-q", "-p", "no:cacheprovider", *([] if installed else ["-p", plugin])]
    done = run("python", "-m", "pytest", *options, "examples/pytest", CUSTOMERS=f"customers_{kind}.parquet")
    assert done.returncode == (0 if good else 1), done.stdout
    assert ("2 passed" if good else "2 failed") in done.stdout


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_a_checkpoint_of_great_expectations(kind: str, good: bool, run: Run, folder: Path) -> None:
    pytest.importorskip("great_expectations", reason="needs the extra gx")
    data = f"customers_{kind}.parquet"
    done = run("python", "examples/great_expectations/checkpoint.py", data, GX_ANALYTICS_ENABLED="false")
    assert done.returncode == (0 if good else 1), done.stdout
    flags = re.findall(r"^(passed|FAILED) expect_audit", done.stdout, re.MULTILINE)
    assert flags == ["passed" if good else "FAILED"] * 2
    (page,) = folder.rglob("data_docs/local_site/validations/**/*.html")
    assert ("70 keys of 7,290 occur more than once" in page.read_text("utf-8")) != good


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_a_suite_of_great_expectations_is_a_check(kind: str, good: bool, run: Run, folder: Path) -> None:
    pytest.importorskip("great_expectations", reason="needs the extra gx")
    options = ["--select", "GXE001", "--set", "GXE001.suite=examples/great_expectations/suite.json"]
    done = run("audit", "run", f"customers_{kind}.parquet", *options, "--config", "none", "-q", "-o", "r.json")
    assert done.returncode == (0 if good else 1), done.stdout
    found = json.loads((folder / "r.json").read_text("utf-8"))["findings"]
    severities = ["fail", "fail", "warn"]
    assert sorted(one["severity"] for one in found) == ([] if good else severities)


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_an_asset_of_dagster_waits_for_its_check(kind: str, good: bool, run: Run) -> None:
    pytest.importorskip("dagster", reason="needs the package dagster")
    done = run("python", "examples/dagster/definitions.py", CUSTOMERS=f"customers_{kind}.parquet")
    assert done.returncode == (0 if good else 1), done.stdout
    assert ("features made" if good else "features not made") in done.stdout


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_the_workflow_of_github(kind: str, good: bool, folder: Path) -> None:
    workflow = yaml.safe_load((folder / "examples/ci/github.yml").read_text("utf-8"))
    (step,) = [one for one in workflow["jobs"]["customers"]["steps"] if one.get("name") == "Audit"]
    known = yaml.safe_load((REPOSITORY / "action.yml").read_text("utf-8"))["inputs"]
    assert set(step["with"]) <= set(known)
    (folder / f"customers_{kind}.parquet").rename(folder / step["with"]["data"])
    code, log, summary, outputs = run_action(folder, **{**step["with"], "python": sys.executable})
    assert code == (0 if good else 1), log
    assert outputs == {"verdict": "pass" if good else "fail"}
    assert ("::error file=customers.parquet" in log) != good
    assert summary.startswith("## ")
    assert (folder / step["with"]["sarif"]).exists()
    assert (folder / step["with"]["report"]).exists()


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_the_job_of_gitlab(kind: str, good: bool, run: Run, folder: Path) -> None:
    job = yaml.safe_load((folder / "examples/ci/gitlab-ci.yml").read_text("utf-8"))["audit"]
    (command,) = [line for line in job["script"] if not line.startswith("pip install")]
    (folder / f"customers_{kind}.parquet").rename(folder / "customers.parquet")
    done = run("bash", "-ec", command)
    assert done.returncode == (0 if good else 1), done.stdout
    reports = job["artifacts"]["reports"]
    quality = json.loads((folder / reports["codequality"]).read_text("utf-8"))
    assert (not quality) == good
    for path in (reports["junit"], *job["artifacts"]["paths"]):
        assert (folder / path).stat().st_size


@pytest.mark.parametrize(("kind", "good"), KINDS.items())
def test_the_hook_of_pre_commit(kind: str, good: bool, run: Run, folder: Path) -> None:
    pytest.importorskip("pre_commit")
    example = yaml.safe_load((folder / "examples/pre-commit/.pre-commit-config.yaml").read_text("utf-8"))
    (asked,) = example["repos"][0]["hooks"]
    offered: list[dict[str, Any]] = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text("utf-8"))
    (hook,) = [one for one in offered if one["id"] == asked["id"]]
    # the hook's own script in this environment: pre-commit would install the repository that the example names
    local = {**hook, **asked, "language": "system", "entry": f"{sys.executable} -m audit.interop.pre_commit"}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": [local]}]}))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    home = str(folder / "home")
    done = run(sys.executable, "-m", "pre_commit", "run", "--files", f"customers_{kind}.parquet", PRE_COMMIT_HOME=home)
    assert done.returncode == (0 if good else 1), done.stdout
    assert ("70 keys of 7,290 occur more than once" in done.stdout) != good


def test_what_is_accepted_no_longer_fails_and_what_is_new_does(run: Run, folder: Path) -> None:
    done = run("bash", "examples/baseline/accept.sh", "customers_planted.parquet")
    assert done.returncode == 0, done.stdout
    assert "KEY002 customer_id: accepted by ada, until 2030-01-31: known before the migration" in done.stdout
    customers = pd.read_parquet(folder / "customers_planted.parquet")
    customers.assign(visits=customers["visits"].where(customers.index % 2 == 0)).to_parquet(
        folder / "customers_planted.parquet"
    )
    again = run("audit", "run", "customers_planted.parquet", "--baseline", "baseline.yaml", "-q")
    assert again.returncode == 1, again.stdout


def test_a_history_tells_the_day_that_is_out_of_line(run: Run, folder: Path) -> None:
    customers = pd.read_parquet(folder / "customers_clean.parquet", columns=["customer_id", "age", "income"])
    for day in range(7):  # what the script does, without starting three processes a day
        customers.iloc[day:].to_parquet(folder / "day.parquet")
        assert add(folder / "history.duckdb", audit.run(str(folder / "day.parquet")).to_dict())
    usual = run("bash", "examples/history/watch.sh", "history.duckdb", "day.parquet")
    assert usual.returncode == 0, usual.stdout
    assert "with 7 earlier runs" in usual.stdout
    customers.assign(income=customers["income"].where(customers.index % 2 == 0)).to_parquet(folder / "day.parquet")
    done = run("bash", "examples/history/watch.sh", "history.duckdb", "day.parquet")
    assert done.returncode == 1, done.stdout
    assert "COM001 missing_share of income is 0.5" in done.stdout
