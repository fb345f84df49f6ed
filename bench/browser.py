"""Pages in real Chromium, measured: first paint, nodes, requests, what a page executes, accessibility."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))"
AXE = "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.length]))"


@dataclass(frozen=True)
class Seen:
    """One page: milliseconds to the first contentful paint and to the load event, the best of several loads."""

    first_paint: float
    loaded: float
    nodes: int
    requests: tuple[str, ...]
    executed: int
    errors: tuple[str, ...]


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's Chromium (scripts/install_debian_packages.sh), or the one that AUDIT_CHROMIUM names."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("AUDIT_CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise SystemExit("no chromium: bash scripts/install_debian_packages.sh, or say where with AUDIT_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


def look(browser: Any, path: Path, loads: int = 5, wait_ms: int = 300) -> Seen:
    """Load a page several times, each in a fresh context without network, and return the best times."""
    paints, loaded = [], []
    for _ in range(loads):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
        page = context.new_page()
        requests: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request, seen=requests: seen.append(request.url))
        page.on("pageerror", lambda error, seen=errors: seen.append(str(error)))
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.goto(path.as_uri(), wait_until="load", timeout=180_000)
        page.wait_for_function(f"({FIRST_PAINT}) !== null", timeout=180_000)  # a page of script alone paints late
        page.wait_for_timeout(wait_ms)
        paints.append(page.evaluate(FIRST_PAINT))
        loaded.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
        nodes = page.evaluate("document.querySelectorAll('*').length")
        executed = page.evaluate("window.__ran ?? 0")
        context.close()
    foreign = [url[:120] for url in requests if not url.startswith(("data:", "blob:")) and url != path.as_uri()]
    return Seen(min(paints), min(loaded), nodes, tuple(foreign), executed, tuple(errors))


def accessibility(browser: Any, path: Path) -> list[tuple[str, str, int]]:
    """Return the rules of axe-core that a page breaks: (rule, impact, nodes)."""
    script = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(600_000)
    page.goto(path.as_uri(), wait_until="load", timeout=180_000)
    page.wait_for_timeout(1000)
    page.evaluate(script)
    found = [(str(rule), str(impact), int(nodes)) for rule, impact, nodes in page.evaluate(AXE)]
    context.close()
    return found
