"""Everything works without a network: in these processes, Python itself refuses every socket that could leave one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
REFUSE = """
import sys

def refuse(event, arguments):
    if event == "socket.__new__" and int(arguments[1]) in (2, 10):  # IPv4 and IPv6
        raise PermissionError("this process has no network")
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "socket.sendto"):
        raise PermissionError("this process has no network")

sys.addaudithook(refuse)
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(REFUSE)
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def test_a_process_that_asks_for_a_socket_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert "PermissionError: this process has no network" in done.stderr


FORMATS = ("json", "html", "md", "junit", "sarif", "github", "gitlab", "text")


@pytest.mark.parametrize("data", ["customers_planted.parquet", "trajectories/cartpole_planted.parquet"])
def test_an_audit_with_all_its_outputs(data: str, tmp_path: Path) -> None:
    outputs = [word for name in FORMATS for word in ("--format", name, "-o", f"out.{name}")]
    path = str(REPOSITORY / "sample_data" / data)
    done = run(tmp_path, "-m", "audit", "run", path, "--fail-on", "never", *outputs)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / f"out.{name}").stat().st_size for name in FORMATS)


def test_cleaning(tmp_path: Path) -> None:
    path = str(REPOSITORY / "sample_data" / "trajectories" / "cartpole_planted.parquet")
    done = run(tmp_path, "-m", "audit", "clean", path, "-o", "cleaned")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cleaned" / "clean.parquet").exists()
