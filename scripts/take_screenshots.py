"""Take the pictures of the documentation from real reports: `make screenshots`.

    python scripts/take_screenshots.py [--only NAME]

Audits sample data, opens the reports in Debian's Chromium without network and writes docs/images/*.png with at most 256
colours. What a picture shows depends on the code and the sample data only, but for the time and the duration of the run
in the report's header. The picture of learning takes three minutes: it learns (with torch) before and after cleaning.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SAMPLES = ROOT / "sample_data"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--font-render-hinting=none"]
WIDTH = 1280
MOST_BYTES = 250_000


def audit(folder: Path, *arguments: str) -> None:
    """Run the command line; findings are what the pictures show."""
    command = [sys.executable, "-m", "audit", *arguments]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603  # our own
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")


def opened(browser: Browser, path: Path, *, scheme: str = "light", height: int = 1480) -> Page:
    """Open a report, ready for a picture."""
    page = browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
    page.goto(path.as_uri(), wait_until="load")
    if page.locator("script").count():
        page.locator("html[data-ready='1']").wait_for(state="attached")
    return page


def save(name: str, png: bytes) -> None:
    """Write a picture with at most 256 colours: a quarter of the bytes, and no visible loss on flat areas."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    data = stream.getvalue()
    if len(data) > MOST_BYTES:
        raise SystemExit(f"{name}.png has {len(data):,} bytes, more than {MOST_BYTES:,}: show less of the page")
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / f"{name}.png").write_bytes(data)
    print(f"docs/images/{name}.png {image.width} x {image.height}, {len(data):,} bytes")  # noqa: T201  # a command's output


def flights(folder: Path) -> Path:
    """Return the report of the flights, the data of `make demo`."""
    path = folder / "flights.html"
    if not path.exists():
        audit(folder, "run", str(SAMPLES / "flights.parquet"), "-q", "--as-of", "2013-03-01", "-o", str(path))
    return path


def customers(folder: Path) -> Path:
    """Return the report of the customers with planted faults and a reference."""
    path = folder / "customers.html"
    if not path.exists():
        audit(folder, "run", str(SAMPLES / "customers_planted.parquet"), "-q", "-o", str(path))
    return path


def light(browser: Browser, folder: Path) -> None:
    """Show the verdict, what to do and the scores: the README opens with it."""
    page = opened(browser, flights(folder))
    save("report", page.screenshot())
    page.close()


def dark(browser: Browser, folder: Path) -> None:
    """Show findings with evidence, in the dark."""
    page = opened(browser, customers(folder), scheme="dark", height=1100)
    page.locator("#table tbody:has(svg) summary").first.click()
    page.locator("#findings").evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + window.scrollY - 60)")
    page.wait_for_timeout(300)
    save("report-dark", page.screenshot())
    page.close()


def columns(browser: Browser, folder: Path) -> None:
    """Show the columns, this data over its reference."""
    page = opened(browser, customers(folder), height=1000)
    page.locator("#columns").evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + window.scrollY - 60)")
    page.wait_for_timeout(300)
    save("report-columns", page.screenshot())
    page.close()


def review(browser: Browser, folder: Path) -> None:
    """Show a decision being made."""
    page = opened(browser, customers(folder), height=1000)
    page.get_by_role("button", name="Review findings").click()
    page.locator("#table tbody").first.get_by_role("button").first.click()
    page.locator("#decide textarea").fill("The old system had no such field; filled from 2024 on.")
    page.wait_for_timeout(300)
    save("review", page.screenshot())
    page.close()


def trajectories(browser: Browser, folder: Path) -> None:
    """Show the section of trajectories."""
    path = folder / "trajectories.html"
    audit(folder, "run", str(SAMPLES / "trajectories" / "cartpole_planted.parquet"), "-q", "-o", str(path))
    page = opened(browser, path)
    page.locator("nav.sections").evaluate("e => { e.style.position = 'static' }")
    height = page.locator("#trajectories").evaluate("e => e.getBoundingClientRect().height")
    page.set_viewport_size({"width": WIDTH, "height": min(int(height), 2400)})
    page.locator("#trajectories").evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + window.scrollY)")
    page.wait_for_timeout(300)
    save("trajectories", page.screenshot())
    page.close()


def learning(browser: Browser, folder: Path) -> None:
    """Show whether cleaning paid."""
    data = str(SAMPLES / "trajectories" / "cartpole_planted.parquet")
    options = ["--updates", "2000", "--episodes", "50", "-q"]  # as `make demo-rl`
    audit(folder, "learn", data, *options, "-o", str(folder / "learned"))
    page = opened(browser, folder / "learned" / "report.html")
    page.locator("#learning").evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + window.scrollY - 60)")
    page.wait_for_timeout(300)
    save("learning", page.screenshot())
    page.close()


def paper(browser: Browser, folder: Path) -> None:
    """Show the first page as it prints."""
    page = opened(browser, flights(folder))
    pdf = folder / "report.pdf"
    page.pdf(path=str(pdf), format="A4", print_background=True)
    page.close()
    program = shutil.which("pdftoppm")
    if program is None:
        raise SystemExit("no pdftoppm: bash scripts/install_debian_packages.sh")
    first = [program, "-r", "90", "-f", "1", "-l", "1", "-png", "-singlefile", str(pdf), str(folder / "page")]
    subprocess.run(first, check=True)  # noqa: S603  # the program just found
    save("report-print", (folder / "page.png").read_bytes())


def compared(browser: Browser, folder: Path) -> None:
    """Show what changed between two results: the flights of January and those of February."""
    import pandas as pd

    flown = pd.read_parquet(SAMPLES / "flights.parquet")
    for month, name in ((1, "january"), (2, "february")):
        (folder / name).mkdir()
        flown[flown["month"] == month].to_parquet(folder / name / "flights.parquet", index=False)
        data = str(Path(name, "flights.parquet"))
        audit(folder, "run", data, "-q", "--as-of", f"2013-0{month + 1}-01", "-o", f"{name}.json")
    audit(folder, "diff", "january.json", "february.json", "-q", "--html", "diff.html")
    page = opened(browser, folder / "diff.html", height=1200)
    save("diff", page.screenshot())
    page.close()


def chinese(browser: Browser, folder: Path) -> None:
    """Show the report in Chinese, where there is a font for it."""
    fonts = subprocess.run(["fc-list", ":lang=zh"], check=False, capture_output=True, text=True)  # noqa: S607  # Debian's
    if not fonts.stdout.strip():
        print("chinese: left out, no font has its characters (apt-get install fonts-noto-cjk)")  # noqa: T201  # as above
        return
    path = folder / "zh.html"
    data = str(SAMPLES / "flights.parquet")
    audit(folder, "run", data, "-q", "--as-of", "2013-03-01", "--lang", "zh", "-o", str(path))
    page = opened(browser, path, height=1100)
    save("report-zh", page.screenshot())
    page.close()


PICTURES: Mapping[str, Callable[[Browser, Path], None]] = {
    "light": light, "dark": dark, "columns": columns, "review": review, "trajectories": trajectories,
    "learning": learning, "print": paper, "diff": compared, "chinese": chinese,
}  # fmt: skip


def main() -> None:
    """Take all pictures, or those that are asked for."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=PICTURES, help="take this picture; repeat")
    arguments = parser.parse_args()
    program = os.environ.get("AUDIT_CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise SystemExit("no chromium: bash scripts/install_debian_packages.sh, or say where with AUDIT_CHROMIUM")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=ARGUMENTS)
        for name in arguments.only or PICTURES:
            PICTURES[name](browser, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
