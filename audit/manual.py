"""The manual of a check, which is its docstring, in parts: what it measures, and what each option means.

A result carries these two, so that a report says what its numbers mean to readers who have no `audit explain` at hand.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

_SECTION = re.compile(r"^(What it measures|Why it matters|What to do|Options):", re.MULTILINE)
_OPTION = re.compile(r"^ {4}(\w+): ", re.MULTILINE)


def definition(check: Any) -> str:
    """Return what a check measures, in one line; its summary where the manual has no such part, or nothing."""
    text = inspect.getdoc(check) or ""
    found = _sections(text).get("What it measures", "")
    said = _joined(found or text.partition("\n\n")[0])
    return said[:1].upper() + said[1:]


def option_notes(check: Any) -> dict[str, str]:
    """Return what each option means, with the source of its default, as far as the manual says it."""
    text = _sections(inspect.getdoc(check) or "").get("Options", "")
    pieces = _OPTION.split(text)
    return {name: _joined(note) for name, note in zip(pieces[1::2], pieces[2::2], strict=True)}


def _sections(text: str) -> dict[str, str]:
    pieces = _SECTION.split(text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _joined(text: str) -> str:
    return " ".join(text.split())
