"""The command line as a new user meets it: outputs, exit codes, clear errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.checks import TABULAR, installed


def run_cli(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "120", **environment}
    command = [sys.executable, "-m", "audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = 400
    clean = {"x": [float(i * 7919 % rows) for i in range(rows)], "c": ["a", "b", "c", "d"] * (rows // 4)}
    pq.write_table(pa.table(clean), folder / "clean.parquet")
    holes = [None if i % 10 == 0 else float(i * 7919 % rows) for i in range(rows)]
    pq.write_table(pa.table({**clean, "x": pa.array(holes)}), folder / "warn.parquet")
    pq.write_table(pa.table({**clean, "x": pa.array([None] * 300 + [1.5] * 100)}), folder / "fail.parquet")
    return folder


@pytest.mark.parametrize(
    ("name", "extra", "code"),
    [
        ("clean", [], 0),
        ("warn", [], 0),
        ("warn", ["--fail-on", "warn"], 1),
        ("fail", [], 1),
        ("fail", ["--fail-on", "never"], 0),
        ("fail", ["--format", "json"], 1),
        ("fail", ["--ignore", "COM001"], 0),
    ],
)
def test_exit_codes(folder: Path, name: str, extra: list[str], code: int) -> None:
    done = run_cli("run", str(folder / f"{name}.parquet"), "--select", "COM001", *extra)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_the_text_names_column_check_and_number(folder: Path) -> None:
    done = run_cli("run", str(folder / "fail.parquet"), "--select", "completeness")
    assert "fail.parquet" in done.stdout
    assert "COM001" in done.stdout
    assert "300" in done.stdout
    assert "\x1b[" not in done.stdout


def test_several_formats_each_with_its_own_file(folder: Path, tmp_path: Path) -> None:
    done = run_cli(
        "run",
        str(folder / "fail.parquet"),
        "--format",
        "json",
        "-o",
        str(tmp_path / "a.out"),
        "-o",
        str(tmp_path / "b.html"),
    )
    assert done.returncode == 1, done.stderr
    assert json.loads((tmp_path / "a.out").read_text())["verdict"]["status"] == "fail"
    assert "<!doctype html>" in (tmp_path / "b.html").read_text().lower()
    assert "COM001" in done.stdout  # with files for both, the terminal still gets its text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.out", "b.html"]  # nothing temporary is left


def test_json_on_stdout_is_json_alone(folder: Path) -> None:
    done = run_cli("run", str(folder / "clean.parquet"), "--format", "json")
    body = json.loads(done.stdout)
    assert body["dataset"]["rows"] == 400
    due = [c for c, check in installed().items() if TABULAR & check.kinds and not getattr(check, "opt_in", False)]
    assert [o["code"] for o in body["outcomes"]] == due


def test_two_runs_are_byte_identical_apart_from_run(folder: Path) -> None:
    bodies = []
    for _ in range(2):
        done = run_cli("run", str(folder / "warn.parquet"), "--format", "json", "--as-of", "2024-05-01")
        body = json.loads(done.stdout)
        del body["run"]
        bodies.append(json.dumps(body))
    assert bodies[0] == bodies[1]


def test_rows_out_writes_the_rows_and_the_true_total(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows"
    run_cli("run", str(folder / "fail.parquet"), "--select", "COM001", "--rows-out", str(out), "--rows-limit", "5")
    index = json.loads((out / "index.json").read_text())
    assert (index[0]["code"], index[0]["total"], index[0]["written"]) == ("COM001", 300, 5)
    lines = (out / index[0]["file"]).read_text().splitlines()
    assert lines[0] == "reason,source_row,x,c"
    assert len(lines) == 6


def test_checks_and_explain() -> None:
    listed = run_cli("checks")
    assert listed.returncode == 0
    assert "COM001" in listed.stdout
    assert {row["dimension"] for row in json.loads(run_cli("checks", "--json").stdout)} == {
        "completeness", "representativeness", "class_balance", "label_accuracy", "correlation", "freshness",
    }  # fmt: skip
    manual = run_cli("explain", "com001")
    assert "What to do:" in manual.stdout
    assert "warn = 0.05" in manual.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.parquet"], "nowhere.parquet"),
        (["run", "clean.parquet", "--label", "zz"], "'zz', which is not in the data"),
        (["run", "clean.parquet", "--select", "COM99"], "unknown check or dimension 'COM99'"),
        (["run", "clean.parquet", "--set", "COM001.wran=1"], "no option 'wran'; did you mean 'warn'?"),
        (["run", "clean.parquet", "--set", "COM001"], "CODE.option=value"),
        (["run", "clean.parquet", "--config", "nowhere.yaml"], "no configuration file nowhere.yaml"),
        (["run", "clean.parquet", "--config", "bad.yaml"], "bad.yaml, line 3"),
        (["run", "clean.parquet", "--format", "jsn"], "did you mean 'json'?"),
        (["run", "clean.parquet", "-o", "missing/r.html"], "there is no folder"),
        (["run", "clean.parquet", "-o", "r.xyz"], "the name's end tells no format"),
        (["run", "clean.parquet", "--as-of", "soon"], "as_of"),
        (["run", "clean.parquet", "--fail-on", "often"], "'fail', 'warn' or 'never'"),
        (["run", "clean.parquet", "--tz", "Mars"], "IANA"),
        (["run", "clean.parquet", "--ref", "nowhere.csv"], "nowhere.csv"),
        (["run", "clean.parquet", "--set", "REP006.ranges={z: [0, 1]}"], "REP006"),
        (["explain", "COM0O1"], "did you mean 'COM001'?"),
        (["run"], "Missing argument"),
        (["rnu", "clean.parquet"], "No such command"),
    ],
)
def test_bad_usage_gets_one_clear_line_and_exit_code_2(folder: Path, arguments: list[str], words: str) -> None:
    (folder / "bad.yaml").write_text("roles: [\nlabel: y\n")
    done = run_cli(*arguments, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys, audit.cli; heavy = {'pandas', 'pyarrow', 'numpy', 'duckdb', 'sklearn', 'scipy', 'pydantic'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m audit run {folder / 'clean.parquet'} --format json | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr
