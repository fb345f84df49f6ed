"""Reports in real Chromium: opened offline, with a log of all that they say, ask for and are refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audit.report.render import render_html
from audit.result import Result

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request

CHROMIUM = os.environ.get("AUDIT_CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip


def write(tmp_path_factory: pytest.TempPathFactory, name: str, result: Result) -> Path:
    path = tmp_path_factory.mktemp("report") / f"{name}.html"
    path.write_text(render_html(result), "utf-8", newline="\n")
    return path


LOGS: dict[Page, list[tuple[str, str]]] = {}  # what each open page said, asked for and popped up


def open_page(browser: BrowserContext, path: Path, address: str = "") -> Page:
    page = browser.new_page()
    log = LOGS[page] = []

    def note_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            log.append((message.type, message.text[:200]))

    def note_dialog(dialog: Dialog) -> None:
        log.append(("dialog", dialog.message))
        dialog.dismiss()

    def note_request(request: Request) -> None:
        if not is_own(request.url, path):
            log.append(("request", request.url))

    page.on("console", note_console)
    page.on("pageerror", lambda error: log.append(("pageerror", str(error))))
    page.on("dialog", note_dialog)
    page.on("request", note_request)
    page.add_init_script(
        "window.__v=[];document.addEventListener('securitypolicyviolation',e=>__v.push(e.violatedDirective))"
    )
    page.goto(path.as_uri() + address, wait_until="load")
    page.locator("html[data-ready='1']").wait_for(state="attached", timeout=10_000)
    return page


def is_own(url: str, path: Path) -> bool:
    return url.startswith(("data:", "blob:")) or url.split("#", maxsplit=1)[0] == path.as_uri()


def close(page: Page) -> None:
    violations, log = page.evaluate("window.__v"), LOGS.pop(page)
    page.close()
    assert log == []
    assert violations == []
