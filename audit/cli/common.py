"""What the commands share: the app, errors as one line and an exit code, progress, parsing of repeated options."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from audit.runner import Progress

app = typer.Typer(
    name="audit",
    help="Tell whether a dataset is fit to train on, and show what to fix.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ROLES = "Roles"
WHAT = "What is checked"
OUTPUT = "Output"
LIMITS = "Limits"

# Options that several commands have. `audit <command> --help` shows them in the order of the command's parameters.
DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="File, folder, glob, fsspec url or duckdb:///FILE?table=NAME.")
]
Reference = Annotated[str | None, typer.Option("--ref", help="Dataset to compare with.")]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config", envvar="AUDIT_CONFIG", help="Settings; default: NAME.audit.yaml beside the data; none for none."
    ),
]
KindOfData = Annotated[str | None, typer.Option("--kind", help="auto, tabular or trajectory: how the data is read.")]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", help="Dimension, code or prefix to run; repeat or use commas.", rich_help_panel=WHAT),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="Dimension, code or prefix to leave out.", rich_help_panel=WHAT),
]
CheckOptions = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of a check, such as COM001.warn=0.1.", rich_help_panel=WHAT),
]
Language = Annotated[
    str | None,
    typer.Option("--lang", envvar="AUDIT_LANG", help="Of the HTML report: en, zh.", rich_help_panel=OUTPUT),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--output",
        help="File to write; '-' is stdout. The name's end tells the format.",
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no summary.", rich_help_panel=OUTPUT)]
Sample = Annotated[
    str | None,
    typer.Option(
        "--sample",
        envvar="AUDIT_SAMPLE",
        help="Most rows for distributions and models, or off.",
        rich_help_panel=LIMITS,
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", envvar="AUDIT_SEED", help="Of the sample and of models.", rich_help_panel=LIMITS)
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", envvar="AUDIT_MEMORY", help="Of the SQL engine, such as 4GB.", rich_help_panel=LIMITS),
]
Threads = Annotated[
    int | None, typer.Option("--jobs", envvar="AUDIT_JOBS", min=1, help="Processors to use.", rich_help_panel=LIMITS)
]
Spill = Annotated[
    str | None,
    typer.Option(
        "--spill", envvar="AUDIT_SPILL", help="Folder for what does not fit into memory.", rich_help_panel=LIMITS
    ),
]


OF_EXTRAS = {
    **dict.fromkeys(("gymnasium", "h5py", "minari", "numba", "optuna", "torch"), "rl"),
    "great_expectations": "gx",
    "dagster": "dagster",
}
"""Packages that an extra brings: where one is missing, that is no fault of the program."""


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what can go wrong in a command into one line on stderr and the exit code of the conventions."""

    @functools.wraps(command)
    def call(*args: Any, **options: Any) -> None:
        from audit.errors import AuditError, CheckError

        try:
            command(*args, **options)
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(130) from None
        except AuditError as error:
            say("error: " + " ".join(str(error).splitlines()))  # a name may hold a line break
            raise typer.Exit(3 if isinstance(error, CheckError) else 2) from None
        except ModuleNotFoundError as error:
            extra = OF_EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise _broken(error) from None
            say(f"error: {error.name} is not installed; it comes with: pip install 'dataset-audit[{extra}]'")
            raise typer.Exit(2) from None
        except Exception as error:
            raise _broken(error) from None

    return call


def _broken(error: Exception) -> Exception:
    """Say that the program is at fault, and return the exit; with AUDIT_DEBUG, return the error itself."""
    if os.environ.get("AUDIT_DEBUG"):
        return error
    text = " ".join(str(error).split())
    say(f"error: the audit itself broke: {type(error).__name__}: {text} (AUDIT_DEBUG=1 shows where)")
    return typer.Exit(3)


def say(message: str) -> None:
    """Print a line to stderr."""
    typer.echo(message, err=True)


def colored(no_color: bool) -> bool:
    """Whether the terminal gets colours."""
    return not no_color and "NO_COLOR" not in os.environ and sys.stdout.isatty()


def words(values: list[str] | None) -> tuple[str, ...]:
    """Return the words of an option that is repeated, or holds several with commas between them."""
    return tuple(word.strip() for value in values or [] for word in value.split(",") if word.strip())


def check_options(settings: list[str]) -> dict[str, dict[str, Any]]:
    """Parse CODE.option=value; values are read as YAML, as they would be in audit.yaml."""
    import yaml

    from audit.errors import ConfigError

    options: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        code, dot, option = name.partition(".")
        if not (equals and dot and code and option):
            raise ConfigError(f"--set {setting}: the form is CODE.option=value, such as COM001.warn=0.1")
        try:
            options.setdefault(code.strip().upper(), {})[option.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: the value is not YAML") from error
    return options


@contextmanager
def progressing(*, show: bool) -> Iterator[Progress]:
    """Give a function that shows what is being done, on stderr."""
    if not show:
        yield lambda _what, _done, _of: None
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    with console.status("starting", spinner="dots") as status:

        def update(what: str, done: int, of: int) -> None:
            status.update(f"{escape(what)} ({done}/{of})" if done else escape(what))

        yield update
