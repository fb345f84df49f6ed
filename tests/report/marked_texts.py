"""The texts of the report that are marked for translation, read from the templates and the modules themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import extract_from_ast

MARKS = ("_", "N_", "ngettext")
NOUN = "plural"
"""`plural(count, "row")` marks "{count} row" and "{count} rows"."""


def marked_texts(repository: Path) -> dict[str, str]:
    """Return each marked text, with the file and line where it stands first."""
    found: dict[str, str] = {}
    for path in sorted((repository / "reports" / "templates").glob("*.html")):
        for line, text in in_template(path.read_text("utf-8")):
            found.setdefault(text, f"{path.relative_to(repository)}:{line}")
    for path in sorted((repository / "audit" / "report").glob("*.py")):
        for line, text in in_module(path.read_text("utf-8")):
            found.setdefault(text, f"{path.relative_to(repository)}:{line}")
    return found


def in_template(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of a Jinja template."""
    for line, _function, texts in extract_from_ast(Environment().parse(source), MARKS):  # only parsed, never rendered
        for text in texts if isinstance(texts, tuple) else (texts,):
            if text is not None:
                yield line, text


def in_module(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of a Python module."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name = node.func.id
        given = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if name == NOUN and given:
            yield from ((node.lineno, f"{{count}} {given[0]}{end}") for end in ("", "s"))
        elif name in MARKS:
            yield from ((node.lineno, text) for text in given[: 2 if name == "ngettext" else 1])
