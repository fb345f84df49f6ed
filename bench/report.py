"""Measure the report's size and speed against its targets; a part of `make bench`.

    python bench/report.py [--write] [--rows 100000,10000000]

What is drawn: results with 500 columns and 1,500 findings, and with 200 columns and 600 findings, as the tests make
them (a histogram with density for most columns, a reference for half of them). Rendering is timed in one process after
a warm-up, browsing in Chromium without network; each is the best of five. The two tables of different length are
written column by column with DuckDB and audited by the command line.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser import SETTLED, Seen, chromium, look
from pages import put
from run import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' results: `tests` is no part of the package

from tests.report.conftest import wide  # noqa: E402  # the path comes first

PAGE = ROOT / "docs" / "performance.md"
BEST_OF = 5

COLUMNS = """
    SELECT i AS id, (hash(i) % 100000) / 1000.0 AS amount, ln(1 + hash(i + 1) % 1000000) AS skewed,
        (hash(i + 2) % 50)::INTEGER AS whole, 'city_' || (hash(i + 3) % 40) AS city,
        CASE WHEN hash(i + 4) % 20 > 0 THEN (hash(i + 5) % 1000)::DOUBLE END AS sometimes,
        TIMESTAMP '2024-01-01' + to_seconds(i * {step}) AS at
    FROM range({rows}) t(i)
"""
"""Seven columns of the same shape for any number of rows, over the same year."""


@dataclass(frozen=True)
class Target:
    """A number, its unit and what it may be at most."""

    what: str
    value: float
    aim: float
    unit: str
    more: str = ""

    def line(self) -> str:
        """Return the line of the table."""
        shown = f"{self.value:,.2f}" if self.value < 10 else f"{self.value:,.0f}"
        ratio = self.value / self.aim
        met = "yes" if ratio <= 1 else "no"
        return f"| {self.what} | {shown} {self.unit}{self.more} | {self.aim:g} {self.unit} | **{ratio:.2f}** | {met} |"


ACTIONS = {
    "filter by severity": "const s = document.getElementById('by-severity'); s.value = s.value === '3' ? '0' : '3';"
    " s.dispatchEvent(new Event('change'))",
    "sort by effect": "document.querySelector('#table th[data-by=e] button').click()",
    "sort by column": "document.querySelector('#table th[data-by=n] button').click()",
    "order the columns": "document.querySelector('button[data-order][aria-pressed=false]').click()",
}
"""What a reader does, as the page's own controls take it."""


def best(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the fastest of five runs, on the wall clock and of the processor, after a warm-up."""
    action()
    wall, cpu = [], []
    for _ in range(BEST_OF):
        started, ticks = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - ticks)
    return min(wall), min(cpu)


def acting(browser: Any, path: Path) -> dict[str, float]:
    """Return the milliseconds from an action to the painted answer, the best of five each."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri(), wait_until="load")
    page.locator("html[data-ready='1']").wait_for(state="attached")

    def timed(action: str) -> float:
        waited = f"await ({SETTLED})(); return performance.now() - t;"
        script = f"async () => {{ const t = performance.now(); {action}; {waited} }}"
        return min(page.evaluate(script) for _ in range(BEST_OF))

    found = {what: timed(action) for what, action in ACTIONS.items()}
    page.close()
    return found


def drawn(folder: Path, columns: int, findings: int) -> tuple[Path, tuple[float, float]]:
    """Return the report of a made-up result and the seconds (wall, processor) that drawing it took."""
    result = wide(columns, findings)
    path = folder / f"{columns}.html"
    result.to_html(path)
    return path, best(result.to_html)


def audited(folder: Path, rows: int) -> int:
    """Return the bytes of the report of a table with that many rows."""
    import duckdb

    data = folder / f"{rows}" / "table.parquet"
    data.parent.mkdir()
    query = COLUMNS.format(rows=rows, step=max(31_536_000 // rows, 1))
    duckdb.sql(f"COPY ({query}) TO '{data}' (FORMAT parquet, COMPRESSION zstd)")
    report = data.with_suffix(".html")
    command = [
        sys.executable,
        "-m",
        "audit",
        "run",
        str(data),
        "-q",
        "--fail-on",
        "never",
        "--as-of",
        "2025-01-02",
        "-o",
        str(report),
    ]
    subprocess.run(command, check=True)
    return report.stat().st_size


def targets(folder: Path, rows: tuple[int, int]) -> list[Target]:
    """Measure everything."""
    path, (seconds, cpu) = drawn(folder, 500, 1500)
    size = path.stat().st_size / 1e6
    with chromium() as browser:
        seen: Seen = look(browser, path, BEST_OF)
        acts = acting(browser, path)
    assert not seen.requests, f"the report asked for {seen.requests}"
    assert not seen.errors, f"the report's script broke: {seen.errors}"
    made = [
        Target("500 columns, 1,500 findings: size", size, 2.5, "MB"),
        Target("the same: rendered in", seconds, 0.5, "s", f" ({cpu:.2f} s of the processor)"),
        Target("the same: first paint in Chromium", seen.first_paint, 500, "ms"),
        *(Target(f"the same: {what}", value, 150, "ms") for what, value in acts.items()),
    ]
    small, _ = drawn(folder, 200, 600)
    made.append(Target("200 columns, 600 findings: size", small.stat().st_size / 1e6, 1.2, "MB"))
    few, many = (audited(folder, count) for count in rows)
    made.append(
        Target(
            f"7 columns, {rows[0]:,} and {rows[1]:,} rows: sizes differ by",
            100 * abs(many - few) / few,
            5,
            "%",
            f" ({few / 1e3:,.0f} and {many / 1e3:,.0f} kB)",
        )
    )
    print(f"({seen.nodes:,} nodes, load event after {seen.loaded:.0f} ms)", file=sys.stderr)
    return made


def main() -> None:
    """Measure and print; write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--rows", default="100000,10000000", help="rows of the two tables whose reports are compared")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    few, many = (int(count) for count in arguments.rows.split(","))
    with tempfile.TemporaryDirectory() as folder:
        made = targets(Path(folder), (few, many))
    quiet = (
        "the machine was otherwise idle" if load < 0.5 else f"other work kept the machine busy (load {load:.1f} before)"
    )
    lines = [
        f"{machine()}; best of {BEST_OF}; {quiet}.",
        "",
        "| what | measured | aim: at most | ratio | met |",
        "|---|--:|--:|--:|---|",
        *(target.line() for target in made),
    ]
    print("\n".join(lines))
    if arguments.write:
        put(PAGE, "report", lines)


if __name__ == "__main__":
    main()
