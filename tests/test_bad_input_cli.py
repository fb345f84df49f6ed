"""Bad input at the command line: one clear line on stderr, nothing on stdout, exit code 2; a broken check gives 3."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.test_cli import run_cli

ROWS = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    table = pa.table({"a": np.random.default_rng(0).normal(size=ROWS), "b": [f"value {i}" for i in range(ROWS)]})
    pq.write_table(table, folder / "good.parquet", compression="snappy", use_dictionary=False)
    whole = (folder / "good.parquet").read_bytes()
    (folder / "truncated.parquet").write_bytes(whole[: len(whole) // 2])
    place = int(len(whole) * 0.7)
    (folder / "damaged.parquet").write_bytes(whole[:place] + b"\xff" * 2_000 + whole[place + 2_000 :])
    (folder / "empty.parquet").touch()
    (folder / "text.parquet").write_text("a,b\n1,2\n")
    (folder / "lfs.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    (folder / "nothing").mkdir()
    (folder / "broken.yaml").write_text("roles: [\nlabel: y\n")
    (folder / "list.yaml").write_text("- a\n")
    (folder / "latin.yaml").write_bytes(b"name: \xff\xfe")
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.parquet"], "nowhere.parquet does not exist"),
        ([""], "does not exist"),
        (["no\nwhere.parquet"], "no where.parquet does not exist"),
        (["x" * 5_000 + ".parquet"], "does not exist"),
        (["empty.parquet"], "empty.parquet is empty (0 bytes)"),
        (["truncated.parquet"], "truncated.parquet is truncated"),
        (["damaged.parquet"], "cannot read damaged.parquet as data: "),
        (["good.parquet", "--ref", "damaged.parquet"], "cannot read damaged.parquet as data: "),
        (["text.parquet"], "text.parquet is not Parquet: its content is text"),
        (["lfs.parquet"], "lfs.parquet is a git-lfs pointer"),
        (["nothing"], "no data file in the folder nothing"),
        (["good.parquet", "--label", "zz"], "role 'label' names column 'zz', which is not in the data"),
        (["good.parquet", "--select", "XYZ1"], "unknown check or dimension 'XYZ1'"),
        (["good.parquet", "--config", "broken.yaml"], "broken.yaml, line 3"),
        (["good.parquet", "--config", "list.yaml"], "settings are wanted at the top"),
        (["good.parquet", "--config", "latin.yaml"], "it is not UTF-8 text"),
        (["good.parquet", "--config", "nothing"], "Is a directory"),
        (["good.parquet", "--memory", "1KB"], "--memory is too little"),
        (["good.parquet", "--spill", "nowhere"], "cannot spill to nowhere: "),
        (["good.parquet", "--rows-out", "good.parquet"], "cannot make the folder good.parquet"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_one_line_and_exit_code_2(folder: Path, arguments: list[str], words: str) -> None:
    done = run_cli("run", *arguments, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_a_package_of_an_extra_that_is_missing_is_named_with_its_remedy(tmp_path: Path) -> None:
    repository = Path(__file__).parents[1]
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['h5py'] = None\n")  # as if not installed
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{repository}"}
    log = repository / "sample_data" / "trajectories" / "cartpole_clean.parquet"
    command = [sys.executable, "-m", "audit", "convert", str(log), "out.hdf5"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip() == "error: h5py is not installed; it comes with: pip install 'dataset-audit[rl]'"
    assert not (tmp_path / "out.hdf5").exists()


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
def test_no_permission() -> None:
    """In a process that gives up the superuser's rights, if it has them, once all modules are in."""
    program = """
import contextlib, importlib, io, os, pkgutil, sys
import audit, audit.cli
locked = sys.argv[1]
for module in pkgutil.walk_packages(audit.__path__, "audit."):
    of_an_extra = module.name in ("audit.interop.dagster", "audit.interop.great_expectations")
    if not module.name.endswith("__main__"):
        with contextlib.suppress(*[ModuleNotFoundError] * of_an_extra):
            importlib.import_module(module.name)

def run(path):
    sys.argv = ["audit", "run", path]
    audit.cli.main()

for path in (locked, "nowhere.parquet"):  # what is imported late is imported now
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        with contextlib.redirect_stderr(io.StringIO()):
            run(path)
os.chmod(locked, 0)
if os.geteuid() == 0:
    os.seteuid(65534)
run(locked)
"""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are private to who runs the tests
        Path(name).chmod(0o755)
        locked = Path(name) / "locked.parquet"
        pq.write_table(pa.table({"a": [1, 2]}), locked)
        command = [sys.executable, "-c", program, str(locked)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: no permission to read {locked}")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a check that breaks on column `a`, and sleeps where there is a column `slow`."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "breaking.py").write_text('''
import time
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import register
from audit.dataset import Kind
from audit.facts import Count


@register
@dataclass(frozen=True, slots=True)
class Breaking:
    """Breaks.

    What it measures: nothing.
    Why it matters: other checks must not suffer.
    What to do: mend it.
    """

    code: ClassVar[str] = "BRK001"
    name: ClassVar[str] = "breaking"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = Kind.TABULAR

    def ask(self, data):
        return {"rows": Count(), "slow": "slow" in data.names}

    def judge(self, facts):
        if facts["slow"]:
            print("judging", flush=True)
            time.sleep(60)
        raise KeyError("the <b>moon</b>\\nis missing")
''')
    metadata = folder / "breaking-0.1.dist-info"  # what an installer leaves behind
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: breaking\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("[dataset_audit.checks]\nbreaking = breaking\n")
    return folder


def test_a_check_that_breaks_is_an_error_everywhere(folder: Path, plugin: Path, tmp_path: Path) -> None:
    arguments = ["run", str(folder / "good.parquet"), "--select", "BRK001,COM001"]
    outputs = ["--format", "text", "-o", "-", "-o", str(tmp_path / "r.json"), "-o", str(tmp_path / "r.html")]
    done = run_cli(*arguments, *outputs, PYTHONPATH=str(plugin))
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    said = "the check broke in judge: KeyError: 'the <b>moon</b>"
    assert "BRK001" in done.stdout
    assert said in done.stdout
    outcomes = {o["code"]: o for o in json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["outcomes"]}
    assert outcomes["BRK001"]["status"] == "error"
    assert outcomes["BRK001"]["reason"].startswith(said)
    assert outcomes["COM001"]["status"] == "pass"
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "the check broke in judge" in html
    assert "<b>moon" not in html
    assert run_cli(*arguments, "-q", "--allow-errors", PYTHONPATH=str(plugin)).returncode == 0


def test_ctrl_c_leaves_nothing_behind(plugin: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"slow": [1, 2, 3]}), tmp_path / "slow.parquet")
    (tmp_path / "spill").mkdir()
    command = [sys.executable, "-m", "audit", "run", "slow.parquet", "-o", "r.html", "-o", "r.json"]
    process = subprocess.Popen(
        [*command, "--spill", "spill", "--rows-out", "rows"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(plugin)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "judging\n"
    assert len(list((tmp_path / "spill").iterdir())) == 1
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - started < 20
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert list((tmp_path / "spill").iterdir()) == []
    assert {path.name for path in tmp_path.rglob("*")} == {"slow.parquet", "spill", "rows"}
