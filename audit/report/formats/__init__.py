"""A result in each format that `audit run --format` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audit.report.formats.text import render_text
from audit.result import Result

FORMATS: Mapping[str, Callable[[Result], str]] = {"text": render_text, "json": Result.to_json, "html": Result.to_html}
"""Format name -> function from a result to its text."""

__all__ = ["FORMATS", "render_text"]
