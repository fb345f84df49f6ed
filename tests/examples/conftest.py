"""A user's folder: the examples, and customers of whom the audit approves or not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
KINDS = {"clean": True, "planted": False}
"""Twins of sample_data: in the planted one keys repeat, incomes are missing, and people are 400 years old."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with copies of `examples` and of both kinds of customers."""
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    for kind in KINDS:
        for name in (f"customers_{kind}.parquet", f"customers_{kind}.audit.yaml"):
            shutil.copy(REPOSITORY / "sample_data" / name, tmp_path)
    shutil.copy(REPOSITORY / "sample_data" / "customers_reference.parquet", tmp_path)
    return tmp_path


def run_in(
    folder: Path, python: Path, words: tuple[str, ...], more: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with the programs beside an environment's Python found first."""
    environment = {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
        **more,
    }
    return subprocess.run(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
        check=False,
    )  # fmt: skip


@pytest.fixture
def run(folder: Path) -> Run:
    """Run a command there with the programs of this environment; stdout and stderr come back as one."""
    return lambda *words, **more: run_in(folder, Path(sys.executable), words, more)


@pytest.fixture
def run_recipe(folder: Path) -> Run:
    """The same in the environment of Airflow, Prefect, dbt and DVC, which must be there in CI."""
    python = Path(os.environ.get("RECIPES_PYTHON", REPOSITORY / ".venv-recipes" / "bin" / "python"))
    if not python.exists():
        says = "Airflow, Prefect, dbt and DVC live in an environment of their own: make recipes"
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    silent = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DVC_NO_ANALYTICS": "1"}
    silent |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false"}
    return lambda *words, **more: run_in(folder, python, words, silent | more)
