"""Measure the whole audit beside DuckDB's SUMMARIZE on the same files, in one run: `make bench`.

Every number is a whole process, from its start to its end, as the operating system accounts it. The two commands of a
row take turns (A B A B ...) after a warm-up each, so that a change of the machine's speed hits both, and the medians
are compared. `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from datasets import dataset, episodes_file, flights_table, long_table, small_table, wide_table
from pages import put

from rl_data.processors import processors

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"

SUMMARIZE = "import duckdb, sys; duckdb.sql(f\"SUMMARIZE SELECT * FROM '{sys.argv[1]}'\").fetchall()"
IMPORTS = "import pandas, scipy.stats, sklearn.ensemble, duckdb"


@dataclass(frozen=True)
class Measured:
    """One process: seconds on the wall clock, seconds of all processors, peak memory in MB, exit code."""

    wall: float
    cpu: float
    memory: float
    code: int


@dataclass(frozen=True)
class Row:
    """One comparison: what, our command, the peer's, and the ratio of medians that we aim at."""

    name: str
    ours: list[str]
    peer_name: str
    peer: list[str]
    aim: float
    aim_memory_mb: float | None = None


def measure(command: list[str]) -> Measured:
    """Run a command to its end."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    if code not in (0, 1):  # 1 is what the audit says when it finds something
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{errors.decode()[-2000:]}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, code)


def audit(path: Path, folder: Path) -> list[str]:
    """Return the command of a whole audit with JSON and HTML."""
    outputs = ["-o", str(folder / "r.json"), "-o", str(folder / "r.html")]
    return [sys.executable, "-m", "audit", "run", str(path), "--fail-on", "never", "-q", *outputs]


def rows(folder: Path) -> list[Row]:
    """Return the comparisons."""
    python = sys.executable
    files = {
        "long": dataset("long", long_table),
        "flights": dataset("flights", flights_table),
        "small": dataset("small", small_table),
        "wide": dataset("wide", wide_table),
        "episodes": dataset("episodes", episodes_file),
    }
    peer = {name: [python, "-c", SUMMARIZE, str(path)] for name, path in files.items()}
    mine = {name: audit(path, folder) for name, path in files.items()}
    return [
        Row("10,000,000 x 20", mine["long"], "`SUMMARIZE`", peer["long"], 0.8, 1_536),
        Row("flights, 336,776 x 19", mine["flights"], "`SUMMARIZE`", peer["flights"], 3.0),
        Row("10,000 x 19", mine["small"], f"`python -c '{IMPORTS}'`", [python, "-c", IMPORTS], 2.0),
        Row("200,000 x 1,000", mine["wide"], "`SUMMARIZE`", peer["wide"], 1.0),
        Row("5,000,000 steps, 10,000 episodes", mine["episodes"], "`SUMMARIZE`", peer["episodes"], 3.0, 2_048),
    ]


def compare(row: Row, repeats: int) -> str:
    """Measure a row and return it as a line of the table."""
    measure(row.ours)
    measure(row.peer)
    pairs = [(measure(row.ours), measure(row.peer)) for _ in range(repeats)]
    ours = statistics.median(a.wall for a, _ in pairs)
    peer = statistics.median(b.wall for _, b in pairs)
    cpu = [statistics.median(m.cpu for m in side) for side in zip(*pairs, strict=True)]
    memory = statistics.median(a.memory for a, _ in pairs)
    peer_memory = statistics.median(b.memory for _, b in pairs)
    met = ours / peer <= row.aim and (row.aim_memory_mb is None or memory <= row.aim_memory_mb)
    aim = f"{row.aim:g}" + ("" if row.aim_memory_mb is None else f" and {row.aim_memory_mb:,.0f} MB")
    line = (
        f"| {row.name} | {ours:.2f} s ({cpu[0]:.2f} s CPU, {memory:,.0f} MB) | {row.peer_name} {peer:.2f} s "
        f"({cpu[1]:.2f} s CPU, {peer_memory:,.0f} MB) | **{ours / peer:.2f}** | {aim} | {'yes' if met else 'no'} |"
    )
    print(line, flush=True)
    return line


def machine() -> str:
    """Return one line about the machine and the versions."""
    from importlib.metadata import version

    model = "unknown processor"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or model
    cores = processors()
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "numpy", "pyarrow", "scikit-learn"))
    return f"{model}, {cores} cores, Python {platform.python_version()}, {packages}"


def main() -> None:
    """Run the comparisons and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each command (median)")
    parser.add_argument("--only", help="part of a row's name")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    arguments = parser.parse_args()
    head = [
        "| data | audit with JSON and HTML | beside it | ratio of wall time | aim: at most | met |",
        "|---|---|---|---|---|---|",
    ]
    print(machine(), *head, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        chosen = [row for row in rows(Path(folder)) if not arguments.only or arguments.only in row.name]
        lines = [compare(row, arguments.repeats) for row in chosen]
    if arguments.write:
        put(PAGE, "measured", [f"{machine()}; medians of {arguments.repeats} runs.", "", *head, *lines])


if __name__ == "__main__":
    main()
