"""The command line. It parses, calls and prints; everything else is in the library.

Exit codes: 0 nothing at or above `--fail-on`; 1 findings at or above it; 2 usage, settings or unreadable data; 3 a
check or the engine broke; 130 interrupted. The result goes to stdout, progress and messages to stderr.

Each module holds a command, or two that belong together; importing it adds the command to the app.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

# in the order of the help
from audit.cli import run, suggest, diff, baseline, history, index, clean, convert, learn, checks, selftest  # noqa: F401  # isort: skip
from audit.cli.common import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line and exit with the code that the conventions give."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that what was spilled is removed then, too
    try:
        app()
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _version(value: bool) -> None:
    if value:
        from audit._version import __version__

        typer.echo(f"dataset-audit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Tell whether a dataset is fit to train on, and show what to fix."""
