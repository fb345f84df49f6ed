"""What all tests share: the same conditions on every machine."""

from __future__ import annotations

import os
from pathlib import Path

# Workers side by side have a processor each. More threads than that wait for each other, in these processes and in
# those that tests start. Set before a library reads it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# A shared machine may be slow, so no deadline; CI draws the same examples each time, so that red means a change.
settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

collect_ignore = ["plugin_package"]  # importing it here would register its check in this process

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top folder of the checkout."""
    return REPOSITORY


@pytest.fixture(autouse=True)
def _plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colour and a fixed width, in this process and in those that a test starts."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
