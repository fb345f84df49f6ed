"""A third-party check, installed as a package of its own, is found through its entry point and is in every output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SENTENCE = "2 of 8 rows (25.00%) are below zero"


@pytest.fixture(scope="module")
def plugins(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the plug-in was installed."""
    target = tmp_path_factory.mktemp("plugins")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target)]
    subprocess.run([*command, repository / "tests" / "plugin_package"], check=True, timeout=120)
    return target


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("orders") / "orders.parquet"
    table = pa.table({"unit_price": [1.5, -2.0, 3.0, 4.0, -999.0, 6.5, 7.0, 8.0], "quantity": [1, 2, 3, 4, 5, 6, 7, 8]})
    pq.write_table(table, path)
    return path


def run_audit(*arguments: str | Path, plugins: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if plugins is not None:
        environment["PYTHONPATH"] = str(plugins)
    command = [sys.executable, "-m", "audit", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_list_of_checks_has_it(plugins: Path) -> None:
    assert "NEG001" not in run_audit("checks").stdout
    done = run_audit("checks", plugins=plugins)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "NEG001" in line]
    assert "negative-values" in line


def test_its_manual_can_be_read(plugins: Path) -> None:
    done = run_audit("explain", "NEG001", plugins=plugins)
    assert done.returncode == 0, done.stderr
    for words in ("What it measures", "Why it matters", "What to do", "sentinel"):
        assert words in done.stdout


def test_text_and_exit_code(plugins: Path, orders: Path) -> None:
    assert "NEG001" not in run_audit("run", orders).stdout
    done = run_audit("run", orders, plugins=plugins)
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "NEG001" in line and "unit_price" in line]
    assert "fail" in line
    assert SENTENCE in done.stdout


def test_json(plugins: Path, orders: Path) -> None:
    done = run_audit("run", orders, "--select", "NEG001", "--format", "json", plugins=plugins)
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    (outcome,) = [outcome for outcome in result["outcomes"] if outcome["code"] == "NEG001"]
    assert outcome["status"] == "fail"
    assert outcome["dimension"] == "representativeness"
    assert [m["columns"] for m in outcome["measurements"]] == [["quantity"]]
    (finding,) = result["findings"]
    assert (finding["code"], finding["columns"], finding["value"]) == ("NEG001", ["unit_price"], 0.25)


def test_html(plugins: Path, orders: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = run_audit("run", orders, "--format", "html", "-o", report, plugins=plugins)
    assert done.returncode == 1, done.stderr
    text = report.read_text(encoding="utf-8")
    assert "NEG001" in text
    assert SENTENCE in text


def test_its_options_are_set_in_the_configuration(plugins: Path, orders: Path, tmp_path: Path) -> None:
    config = tmp_path / "audit.yaml"
    config.write_text("checks:\n  NEG001:\n    fail: 0.5\n")
    arguments: list[str | Path] = ["run", orders, "--select", "NEG001", "--config", config, "--format", "json"]
    done = run_audit(*arguments, plugins=plugins)
    assert done.returncode == 0, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["severity"], finding["limit"]) == ("warn", 0.5)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import a_library_that_is_not_there\n", "a_library_that_is_not_there"),
        (
            "from audit.checks import register\n\n@register\nclass Half:\n    code = 'HLF001'\n",
            "not a frozen dataclass",
        ),
    ],
    ids=["import fails", "check breaks the contract"],
)
def test_a_broken_plugin_is_one_clear_line(tmp_path: Path, orders: Path, code: str, complaint: str) -> None:
    (tmp_path / "half_a_check.py").write_text(code)
    metadata = tmp_path / "half_a_check-0.3.dist-info"  # what an installer leaves behind
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: half-a-check\nVersion: 0.3\n")
    (metadata / "entry_points.txt").write_text("[dataset_audit.checks]\nhalf = half_a_check\n")
    done = run_audit("run", orders, plugins=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "half-a-check" in line or "half_a_check" in line
    assert complaint in line
