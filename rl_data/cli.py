"""The command line of `python -m rl_data`. Each command is a module `rl_data.commands_*`; here they only get a name.

Exit codes: 0 done; 2 usage, settings or unreadable data; 3 the program itself broke; 130 interrupted. Results go to
stdout, progress and messages to stderr.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer

COMMANDS: Mapping[str, str] = {
    "train": "rl_data.commands_train",
    "collect": "rl_data.commands_collect",
    "evaluate": "rl_data.commands_evaluate",
    "tune": "rl_data.commands_tune",
}
"""Module by command. It holds a function of the command's name, and imports torch in there only: help stays quick."""

app = typer.Typer(
    name="rl_data",
    help="Collect trajectories, learn from them, and tell how good what was learned is.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what can go wrong in a command into one line on stderr and its exit code."""

    @functools.wraps(command)
    def call(*args: Any, **options: Any) -> None:
        from rl_data.errors import LearningError
        from rl_data.trajectories import TrajectoryError

        try:
            command(*args, **options)
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(130) from None
        except (LearningError, TrajectoryError) as error:
            say("error: " + " ".join(str(error).split()))
            raise typer.Exit(2) from None
        except ModuleNotFoundError as error:
            say(f"error: {error.name} is not installed; it comes with: pip install 'dataset-audit[rl]'")
            raise typer.Exit(2) from None
        except Exception as error:
            if os.environ.get("AUDIT_DEBUG"):
                raise
            text = " ".join(str(error).split())
            say(f"error: the program itself broke: {type(error).__name__}: {text} (AUDIT_DEBUG=1 shows where)")
            raise typer.Exit(3) from None

    return call


def say(text: str) -> None:
    """Write one line to stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # messages are what stderr is for


def _register() -> None:
    for name, module in COMMANDS.items():
        app.command(name)(reported(getattr(import_module(module), name)))


_register()
