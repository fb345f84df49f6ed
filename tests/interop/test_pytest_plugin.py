"""The pytest plug-in, in real pytest sessions of their own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pandas as pd
import pytest

REPOSITORY = Path(__file__).parents[2]
PLUGIN = "audit.interop.pytest_plugin"


def session(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    installed = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", PLUGIN]
    command = [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
                          env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"})  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good = pd.DataFrame({"order": range(200), "amount": [10.0 + i % 7 for i in range(200)]})
    good.to_parquet(tmp_path / "good.parquet")
    good.assign(order=0).to_parquet(tmp_path / "bad.parquet")
    good.assign(amount=good["amount"].where(good.index >= 20)).to_parquet(tmp_path / "gaps.parquet")
    (tmp_path / "settings.yaml").write_text("roles: {key: order}\nselect: [COM001, KEY002, FRE001]\n")
    return tmp_path


CONFIG = ("--audit-config", "settings.yaml")


def test_each_check_and_column_is_a_test(folder: Path) -> None:
    done = session(folder, "--audit", "good.parquet", "-v", *CONFIG)
    assert done.returncode == 0, done.stdout
    assert "COM001 amount PASSED" in done.stdout
    assert "KEY002 order PASSED" in done.stdout
    assert "SKIPPED" in done.stdout


def test_a_finding_at_fail_fails_its_test_and_says_what_was_found(folder: Path) -> None:
    done = session(folder, "--audit", "bad.parquet", *CONFIG)
    assert done.returncode == 1
    assert "199 of 200 rows repeat a key" in done.stdout
    assert "audit explain KEY002" in done.stdout
    assert "Traceback" not in done.stdout
    assert session(folder, "--audit", "bad.parquet", "--audit-fail-on", "never", *CONFIG).returncode == 0


def test_a_warning_is_a_warning_until_it_is_said_to_fail(folder: Path) -> None:
    done = session(folder, "--audit", "gaps.parquet", *CONFIG)
    assert done.returncode == 0
    assert "AuditWarning: COM001 warn: amount: 20 of 200" in done.stdout.replace("'", "")
    assert session(folder, "--audit", "gaps.parquet", "--audit-fail-on", "warn", *CONFIG).returncode == 1


def test_data_that_cannot_be_read_fails_by_name(folder: Path) -> None:
    done = session(folder, "--audit", "absent.parquet")
    assert done.returncode == 1
    assert "absent.parquet" in done.stdout


def test_the_fixture_gives_the_result_of_the_marked_data(folder: Path) -> None:
    (folder / "test_orders.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.audit('good.parquet', key='order', select=['KEY002'])\n"
        "def test_key(audit_result):\n    assert audit_result.outcome('KEY002').status == 'pass'\n\n"
        "def test_without(audit_result):\n    pass\n"
    )
    done = session(folder, "test_orders.py", "--strict-markers")
    assert "1 passed, 1 error" in done.stdout
    assert "needs @pytest.mark.audit(DATA)" in done.stdout


def test_a_session_without_audits_imports_nothing_of_them(folder: Path) -> None:
    (folder / "test_light.py").write_text(
        "import sys\n\ndef test_light():\n    assert not {'duckdb', 'numpy', 'audit.runner'} & set(sys.modules)\n"
    )
    assert session(folder, "test_light.py").returncode == 0
