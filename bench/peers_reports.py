"""Our report beside those of ydata-profiling and Evidently, on the same flights: `make bench-peers-reports`.

    python bench/peers_reports.py [--folder FOLDER] [--again] [--write]

Makes one environment for each peer and lets each write its report as its own guide shows, with its defaults: of the
flights in sample_data (Evidently compares, so it gets the second half with the first as reference), and of a small
table whose column name and categories are HTML with script in it. Each page is then opened in Chromium without network.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser import Seen, accessibility, chromium, look
from pages import put

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
FLIGHTS = ROOT / "sample_data" / "flights.parquet"
LOADS = 5

YDATA = """
import sys
import pandas as pd
from ydata_profiling import ProfileReport

ProfileReport(pd.read_parquet(sys.argv[1]), progress_bar=False).to_file(sys.argv[2])
"""
EVIDENTLY = """
import sys
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset, DataSummaryPreset

data = pd.read_parquet(sys.argv[1])
half = len(data) // 2
report = Report([DataSummaryPreset(), DataDriftPreset()])
report.run(data.iloc[half:].reset_index(drop=True), data.iloc[:half].reset_index(drop=True)).save_html(sys.argv[2])
"""
PEERS: Mapping[str, tuple[str, str]] = {
    "ydata-profiling": ("ydata-profiling", YDATA),
    "Evidently": ("evidently", EVIDENTLY),
}
BESIDES = ("pyarrow", "pandas<3")  # to read the data; Evidently 0.7 imports a name that pandas 3 took away
COUNT = "window.__ran=(window.__ran||0)+1"
HOSTILE_NAME = f'"><img src=x onerror="{COUNT}">'
HOSTILE_VALUES = (f"</script><script>{COUNT}</script>", f"<svg onload='{COUNT}'>", "plain")


@dataclass(frozen=True)
class Made:
    """A tool's two reports."""

    flights: Path
    hostile: Path
    version: str


def environment(package: str, folder: Path) -> Path:
    """Return the Python of an environment with a peer in it; made where it is not there yet."""
    python = folder / package / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / package)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", package, *BESIDES], check=True)
    return python


def version(python: Path, package: str) -> str:
    """Return the installed version."""
    code = f"import importlib.metadata as m; print(m.version('{package}'))"
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def hostile_table(folder: Path) -> Path:
    """Write a table whose column name and categories are attacks."""
    import pandas as pd

    path = folder / "hostile.parquet"
    rows = 600
    values = [HOSTILE_VALUES[i % len(HOSTILE_VALUES)] for i in range(rows)]
    pd.DataFrame({HOSTILE_NAME: values, "number": [i * 7919 % rows for i in range(rows)]}).to_parquet(path)
    return path


def run(command: list[str], page: Path, *, again: bool) -> None:
    """Let a tool write a page, unless it is there already and nobody wants it made again."""
    if page.exists() and not again:
        return
    quiet = {
        "DO_NOT_TRACK": "1",
        "MPLBACKEND": "Agg",
        "YDATA_PROFILING_NO_ANALYTICS": "true",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **quiet})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def make(folder: Path, *, again: bool) -> dict[str, Made]:
    """Let every tool write its reports."""
    hostile = hostile_table(folder)
    made = {}
    command = [sys.executable, "-m", "audit", "run", "--fail-on", "never", "-q"]
    pages = folder / "ours.html", folder / "ours-hostile.html"
    for data, page in zip((FLIGHTS, hostile), pages, strict=True):
        run([*command, str(data), "-o", str(page)], page, again=True)
    made["dataset-audit"] = Made(*pages, version(Path(sys.executable), "dataset-audit"))
    for name, (package, code) in PEERS.items():
        python = environment(package, folder)
        pages = folder / f"{package}.html", folder / f"{package}-hostile.html"
        for data, page in zip((FLIGHTS, hostile), pages, strict=True):
            run([str(python), "-c", code, str(data), str(page)], page, again=again)
        made[name] = Made(*pages, version(python, package))
    return made


def row(browser: Any, name: str, made: Made) -> str:
    """Open a tool's reports and return its line of the table."""
    seen: Seen = look(browser, made.flights, LOADS, wait_ms=2_000)
    attacked: Seen = look(browser, made.hostile, 1, wait_ms=3_000)
    broken = accessibility(browser, made.flights)
    serious = sum(impact in ("critical", "serious") for _, impact, _ in broken)
    nodes = sum(count for _, _, count in broken)
    rules = f"{len(broken)} rules on {nodes:,} nodes ({serious} serious or critical)" if broken else "none"
    requests = len(seen.requests) + len(attacked.requests)
    size = made.flights.stat().st_size / 1e6
    executed = f"yes, {attacked.executed} times" if attacked.executed else "no"
    print(name, seen, attacked, broken, sep="\n  ", file=sys.stderr, flush=True)
    cells = [f"{name} {made.version}", f"{size:.2f} MB", f"{seen.first_paint:,.0f} ms", f"{seen.nodes:,}", rules]
    return f"| {' | '.join(cells)} | {requests} | {executed} |"


def main() -> None:
    """Make, measure and print; write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dataset-audit-peers")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--again", action="store_true", help="make the peers' pages again where they are there")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    made = make(arguments.folder, again=arguments.again)
    with chromium() as browser:
        chromium_version = browser.version
        rows = [row(browser, name, one) for name, one in made.items()]
    busy = "" if load < 0.5 else f" Other work kept the machine busy (load {load:.1f} before)."
    lines = [
        f"51,955 flights x 19 columns; Chromium {chromium_version}, no network; best of {LOADS} loads.{busy}",
        "",
        "| report | size | first paint | DOM nodes | axe violations | requests | names in the data execute |",
        "|---|--:|--:|--:|---|--:|---|",
        *rows,
    ]
    print("\n".join(lines))
    if arguments.write:
        put(PAGE, "reports", lines)


if __name__ == "__main__":
    main()
