"""The GitHub Action and the pre-commit hook, run as their runners run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
GOOD = pd.DataFrame({"order": range(200), "amount": [10.0 + i % 7 for i in range(200)]})


def run_action(folder: Path, **inputs: str) -> tuple[int, str, str, dict[str, str]]:
    """Do what a runner does with the composite action's step `audit`: fill in its variables, run it by bash.

    Returns the exit code, the log, the job summary and the outputs.
    """
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text("utf-8"))
    given = {name: str(spec.get("default", "")) for name, spec in action["inputs"].items()} | inputs
    (step,) = [step for step in action["runs"]["steps"] if step.get("id") == "audit"]
    known = {f"inputs.{name}": value for name, value in given.items()} | {"github.action_path": str(REPOSITORY)}
    variables = {
        name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found.group(1)], text)
        for name, text in step["env"].items()
    }
    summary, output = folder / "summary.md", folder / "output.txt"
    environment = {
        **variables,
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_OUTPUT": str(output),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done.returncode, done.stdout + done.stderr, summary.read_text("utf-8"), outputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    GOOD.to_parquet(tmp_path / "good.parquet")
    GOOD.assign(order=0).to_parquet(tmp_path / "bad.parquet")
    return tmp_path


OPTIONS = {"options": "--key\norder\n--select\nKEY002,COM001\n", "python": sys.executable}


@pytest.mark.parametrize(
    ("data", "code", "verdict"), [("good", 0, "pass"), ("bad", 1, "fail"), ("absent", 2, "unreadable")]
)
def test_the_action_annotates_sums_up_and_ends_with_the_code(data: str, code: int, verdict: str, folder: Path) -> None:
    done = run_action(folder, data=f"{data}.parquet", sarif="out.sarif", report="out.html", **OPTIONS)
    assert done[0] == code, done[1]
    assert done[3] == {"verdict": verdict}
    assert ("::error file=" in done[1]) == (code != 0)
    assert done[2].startswith("## ")
    assert (folder / "out.sarif").exists()
    assert (folder / "out.html").exists() == (code != 2)


def test_what_users_write_never_becomes_text_of_the_script(folder: Path) -> None:
    action = (REPOSITORY / "action.yml").read_text("utf-8")
    scripts = [step["run"] for step in yaml.safe_load(action)["runs"]["steps"]]
    assert not any("${{" in script for script in scripts)
    done = run_action(folder, data='good.parquet"; touch injected; "', **OPTIONS)
    assert done[0] == 2
    assert not (folder / "injected").exists()


def hook(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    hooks: list[dict[str, Any]] = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text("utf-8"))
    entry = f"{sys.executable} -m audit.interop.pre_commit"  # the hook's own script, without building it an environment
    local = [{**hooks[0], "language": "system", "entry": entry, "args": ["--config=settings.yaml"]}]
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": local}]}))
    (folder / "settings.yaml").write_text("roles: {key: order}\nselect: [KEY002, COM001]\n")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PRE_COMMIT_HOME": str(folder / "home")}
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=folder, check=True, env=environment)
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "dataset-audit", "--files", *names],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_hook_passes_good_data_and_stops_bad_data(folder: Path) -> None:
    pytest.importorskip("pre_commit")
    assert hook(folder, "good.parquet").returncode == 0
    done = hook(folder, "good.parquet", "bad.parquet")
    assert done.returncode == 1
    assert "199 of 200 rows repeat a key" in done.stdout


def test_the_manifest_is_valid() -> None:
    pytest.importorskip("pre_commit")
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(REPOSITORY / ".pre-commit-hooks.yaml")]
    subprocess.run(command, check=True, timeout=60)
