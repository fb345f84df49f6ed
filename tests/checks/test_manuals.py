"""The manual of each check (`audit explain CODE`): complete, and naming only options that exist."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import audit.checks
from audit.checks import check_by_code, select

CODES = sorted(select([], []))


@pytest.fixture(scope="module")
def known() -> set[str]:
    said = subprocess.run([sys.executable, "-m", "audit", "run", "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"--[a-z][a-z-]+", said.stdout))


@pytest.mark.parametrize("code", CODES)
def test_every_manual_says_what_why_and_what_to_do(code: str) -> None:
    text = inspect.getdoc(check_by_code(code)) or ""
    places = [text.find(heading) for heading in ("What it measures:", "Why it matters:", "What to do:", "Options:")]
    assert places == sorted(places)
    assert places[0] > 0
    assert text.splitlines()[0].endswith((".", ")."))


@pytest.mark.parametrize("code", CODES)
def test_every_option_is_described_in_its_order(code: str) -> None:
    check: Any = check_by_code(code)
    text = inspect.getdoc(check) or ""
    described = re.findall(r"^ {4}(\w+): \S", text[text.find("Options:") :], re.MULTILINE)
    assert described == [field.name for field in dataclasses.fields(check)]


def test_no_message_names_an_option_that_does_not_exist(known: set[str]) -> None:
    assert {"--tz", "--label", "--rows-out"} <= known
    for path in sorted(Path(audit.checks.__file__).parent.rglob("*.py")):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text(encoding="utf-8")))
        assert named <= known, f"{path.name}: {sorted(named - known)}"
