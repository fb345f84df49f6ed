"""Where results go: which format, to which file or to stdout; also what is written where the data cannot be read."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import AuditError, ConfigError, did_you_mean

if TYPE_CHECKING:
    from audit.result import Result

FORMATS = ("text", "json", "html", "md", "junit", "sarif", "github", "gitlab")
SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".txt": "text", ".md": "md", ".xml": "junit",
            ".sarif": "sarif"}  # fmt: skip
_RENDERERS: Mapping[str, tuple[str, str]] = {
    "md": ("audit.report.formats.markdown", "render_markdown"),
    "junit": ("audit.report.formats.junit", "render_junit"),
    "sarif": ("audit.report.formats.sarif", "render_sarif"),
    "github": ("audit.report.formats.github", "render_github"),
    "gitlab": ("audit.report.formats.gitlab", "render_gitlab"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One output: a format and the file that it goes to; `-` is stdout."""

    format: str
    path: str


@dataclass(frozen=True, slots=True)
class Style:
    """How results are written for people."""

    color: bool = False
    verbose: bool = False
    include_samples: bool = False


def targets(formats: Sequence[str], outputs: Sequence[str], allowed: Sequence[str] = FORMATS) -> list[Target]:
    """Pair each format with its output: the n-th --format belongs to the n-th -o.

    Raises:
        ConfigError: a format is not one of `allowed` or cannot be told, a folder is not there, or two would go to
            stdout.
    """
    for name in formats:
        if name not in allowed:
            raise ConfigError(f"unknown format '{name}'{did_you_mean(name, allowed)}")
    made = []
    for i in range(max(len(formats), len(outputs))):
        path = outputs[i] if i < len(outputs) else "-"
        guessed = SUFFIXES.get(Path(path).suffix.lower(), "text" if path == "-" else "")
        guessed = guessed if guessed in allowed else ""
        name = formats[i] if i < len(formats) else guessed
        if not name:
            raise ConfigError(f"-o {path}: the name's end tells no format; add --format ({', '.join(allowed)})")
        if path != "-" and not Path(path).absolute().parent.is_dir():
            raise ConfigError(f"-o {path}: there is no folder {Path(path).absolute().parent}; make it first")
        made.append(Target(name, path))
    if sum(target.path == "-" for target in made) > 1:
        raise ConfigError("two formats would go to stdout; give all but one of them a file with -o")
    return made


def write(result: Result, target: Target, style: Style) -> None:
    """Write a result to the target's file."""
    from audit.files import write_text

    plain = Style(verbose=style.verbose, include_samples=style.include_samples)
    write_text(target.path, render(result, target.format, plain))


def render(result: Result, name: str, style: Style) -> str:
    """Return a result in a format."""
    if name == "html":
        return result.to_html(include_samples=style.include_samples)
    if name == "json":
        return result.to_json()
    if name in _RENDERERS:
        module, function = _RENDERERS[name]
        return str(getattr(import_module(module), function)(result))
    from audit.report.formats.text import render_text

    columns = shutil.get_terminal_size((100, 24)).columns
    return render_text(result, color=style.color, verbose=style.verbose, width=columns)


def to_stdout(made: Sequence[Target]) -> str | None:
    """Return the format that goes to stdout; None where none does."""
    return next((target.format for target in made if target.path == "-"), None)


def tell_problem(error: AuditError, data: str, made: Sequence[Target]) -> str:
    """Write into every output for machines that there is no result, and why; return what belongs to stdout.

    A pipeline that reads only its file must not take an old one, or none, for a pass.
    """
    from audit.files import write_text
    from audit.report.formats.problem import render_problem

    said = " ".join(str(error).split())
    shown = ""
    for target in made:
        text = render_problem(target.format, data, said)
        if target.path == "-":
            shown = text
        elif text:
            write_text(target.path, text)
    return shown
