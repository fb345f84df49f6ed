"""Photograph Data Docs with two of our expectations.

    python scripts/screenshot_data_docs.py docs/images/data_docs.png

Runs examples/great_expectations/checkpoint.py on the planted customers, in a folder that is gone afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
SHOW = """
const headings = [...document.querySelectorAll("h4, h5")];
const shown = headings.find(one => one.textContent.includes("Table-Level Expectations"));
for (const one of document.querySelectorAll("body *"))
  if (getComputedStyle(one).position === "fixed") one.remove();
shown.scrollIntoView();
"""


def photograph(target: Path) -> None:
    """Write the picture of the page of the failed validation.

    Raises:
        RuntimeError: the checkpoint made no page.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = ROOT / "sample_data" / "customers_planted.parquet"
        command = [sys.executable, str(ROOT / "examples" / "great_expectations" / "checkpoint.py"), str(data)]
        environment = {**os.environ, "GX_ANALYTICS_ENABLED": "false", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # our own example
        pages = sorted(Path(folder).rglob("data_docs/local_site/validations/**/*.html"))
        if not pages:
            raise RuntimeError(f"the checkpoint made no page of Data Docs:\n{done.stderr}")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.route("http**", lambda route: route.abort())  # its fonts and styles from the network stay away
            page.goto(pages[-1].as_uri(), wait_until="domcontentloaded")
            page.evaluate(SHOW)
            target.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(target))
            browser.close()


if __name__ == "__main__":
    photograph(Path(sys.argv[1]))
