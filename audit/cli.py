"""The command line. It parses, calls and prints; everything else is in the library.

Exit codes: 0 nothing at or above `--fail-on`; 1 findings at or above it; 2 usage, settings or unreadable data; 3 a
check or the engine broke; 130 interrupted. The result goes to stdout, progress and messages to stderr.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from audit.result import Result
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

FORMATS = ("text", "json", "html")
SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".txt": "text"}

ROLES = "Roles"
WHAT = "What is checked"
OUTPUT = "Output"
LIMITS = "Limits"


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
            _say("interrupted")
            raise typer.Exit(130) from None
        except AuditError as error:
            _say("error: " + " ".join(str(error).splitlines()))  # a name may hold a line break
            raise typer.Exit(3 if isinstance(error, CheckError) else 2) from None
        except Exception as error:
            if os.environ.get("AUDIT_DEBUG"):
                raise
            text = " ".join(str(error).split())
            _say(f"error: the audit itself broke: {type(error).__name__}: {text} (AUDIT_DEBUG=1 shows where)")
            raise typer.Exit(3) from None

    return call


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


@app.command("run")
@reported
def run_command(  # noqa: PLR0917  # typer hands options over by name
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="File, folder, glob, fsspec url or duckdb:///FILE?table=NAME.")
    ],
    reference: Annotated[str | None, typer.Option("--ref", help="Dataset to compare with.")] = None,
    config: Annotated[
        str | None, typer.Option("--config", help="Settings; default: NAME.audit.yaml beside the data; none for none.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="auto, tabular or trajectory: how the data is read.")] = None,
    label: Annotated[
        str | None, typer.Option(help="What a model would learn to predict.", rich_help_panel=ROLES)
    ] = None,
    prediction: Annotated[
        str | None, typer.Option(help="A second label or predicted label.", rich_help_panel=ROLES)
    ] = None,
    probabilities: Annotated[
        list[str] | None, typer.Option(help="Predicted probabilities; repeat.", rich_help_panel=ROLES)
    ] = None,
    annotators: Annotated[
        list[str] | None, typer.Option(help="A column of labels by one person; repeat.", rich_help_panel=ROLES)
    ] = None,
    time: Annotated[str | None, typer.Option(help="When the thing happened.", rich_help_panel=ROLES)] = None,
    ingested: Annotated[str | None, typer.Option(help="When the row arrived.", rich_help_panel=ROLES)] = None,
    key: Annotated[list[str] | None, typer.Option(help="What identifies a row; repeat.", rich_help_panel=ROLES)] = None,
    group: Annotated[str | None, typer.Option(help="What rows belong together.", rich_help_panel=ROLES)] = None,
    split: Annotated[str | None, typer.Option(help="Train / validation / test.", rich_help_panel=ROLES)] = None,
    weight: Annotated[str | None, typer.Option(help="Sample weight.", rich_help_panel=ROLES)] = None,
    timezone: Annotated[
        str | None, typer.Option("--tz", help="Zone of timestamps without one.", rich_help_panel=ROLES)
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The moment that counts as now (ISO 8601).", rich_help_panel=ROLES)
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(help="Dimension, code or prefix to run; repeat or separate by commas.", rich_help_panel=WHAT),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Dimension, code or prefix to leave out.", rich_help_panel=WHAT)
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of a check, such as COM001.warn=0.1.", rich_help_panel=WHAT),
    ] = None,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", help="Exit with 1 from: fail, warn, never.", rich_help_panel=WHAT)
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"{', '.join(FORMATS)}; repeat, each with its own -o.", rich_help_panel=OUTPUT),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write; '-' is stdout. The name's end tells the format.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    rows_out: Annotated[
        str | None, typer.Option("--rows-out", help="Folder for the rows behind each finding.", rich_help_panel=OUTPUT)
    ] = None,
    rows_limit: Annotated[
        int, typer.Option("--rows-limit", min=1, help="Most rows a finding there.", rich_help_panel=OUTPUT)
    ] = 1_000,
    include_samples: Annotated[
        bool, typer.Option("--include-samples", help="Show example values in the report.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="No progress, no summary.", rich_help_panel=OUTPUT)
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show everything.", rich_help_panel=OUTPUT)] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.", rich_help_panel=OUTPUT)] = False,
    sample: Annotated[
        str | None, typer.Option(help="Most rows for distributions and models, or off.", rich_help_panel=LIMITS)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the sample and of models.", rich_help_panel=LIMITS)] = None,
    memory: Annotated[str | None, typer.Option(help="Of the SQL engine, such as 4GB.", rich_help_panel=LIMITS)] = None,
    threads: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processors to use.", rich_help_panel=LIMITS)
    ] = None,
    spill: Annotated[
        str | None, typer.Option(help="Folder for what does not fit into memory.", rich_help_panel=LIMITS)
    ] = None,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Exit as if broken checks were absent.", rich_help_panel=LIMITS)
    ] = False,
) -> None:
    """Audit a dataset."""
    from audit.config import Config
    from audit.runner import run

    targets = _targets(formats or [], outputs or [])
    roles = {
        "label": label, "prediction": prediction, "probabilities": probabilities, "annotators": annotators,
        "time": time, "ingested": ingested, "key": key, "group": group, "split": split, "weight": weight,
    }  # fmt: skip
    given = {
        "roles": {name: value for name, value in roles.items() if value},
        "kind": kind, "reference": reference, "timezone": timezone, "as_of": as_of, "select": _words(select),
        "ignore": _words(ignore), "fail_on": fail_on, "checks": _check_options(options or []), "sample": sample,
        "seed": seed, "memory": memory, "threads": threads, "spill": spill,
    }  # fmt: skip
    chosen = {name: value for name, value in given.items() if value not in (None, {}, ())}
    color = not no_color and "NO_COLOR" not in os.environ and sys.stdout.isatty()
    with _progress(show=not quiet and sys.stderr.isatty()) as progress:
        result = run(
            data,
            config=Config() if config == "none" else config,
            progress=progress,
            rows_out=rows_out,
            rows_limit=rows_limit,
            **chosen,
        )
        for format_, path in targets:
            if path != "-":
                progress(f"writing {path}", 0, 0)
                _write(result, format_, path, include_samples=include_samples, verbose=verbose)
    _print(result, targets, color=color, quiet=quiet, verbose=verbose, include_samples=include_samples)
    if not quiet:
        for _, path in targets:
            if path != "-":
                _say(f"wrote {path}")
        if rows_out is not None:
            _say(f"wrote the rows behind the findings to {rows_out}")
    fail_on = result.settings["fail_on"]
    code = result.exit_code(fail_on)
    if code == 3 and allow_errors:
        code = 1 if result.reaches(fail_on) else 0
    raise typer.Exit(code)


@app.command("checks")
@reported
def checks_command(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the installed checks, those of plug-ins included."""
    from audit.checks import installed

    checks = installed().values()
    if as_json:
        import json

        rows = [{"code": c.code, "name": c.name, "dimension": c.dimension, "summary": _summary(c)} for c in checks]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    dimension = ""
    for check in checks:
        if check.dimension != dimension:
            typer.echo(
                f"{check.dimension.replace('_', ' ')}" if not dimension else f"\n{check.dimension.replace('_', ' ')}"
            )
            dimension = check.dimension
        typer.echo(f"  {check.code}  {check.name:<26} {_summary(check)}")


@app.command("explain")
@reported
def explain_command(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A check's code, such as COM001.")],
) -> None:
    """Print the manual of a check: what it measures, why it matters, what to do, its options."""
    import dataclasses
    import inspect

    from audit.checks import check_by_code

    check = check_by_code(code)
    typer.echo(f"{check.code} {check.name} ({check.dimension.replace('_', ' ')})\n")
    typer.echo(inspect.getdoc(check) or "")
    options = dataclasses.fields(check)  # type: ignore[arg-type]  # the registry holds dataclasses only
    if options:
        typer.echo("\nDefaults (change with --set CODE.option=value, or under `checks:` in audit.yaml):")
        instance: Any = check()
        for option in options:
            typer.echo(f"  {option.name} = {getattr(instance, option.name)!r}")


def _summary(check: Any) -> str:
    import inspect

    return (inspect.getdoc(check) or "").splitlines()[0]


def _words(values: list[str] | None) -> tuple[str, ...]:
    return tuple(word.strip() for value in values or [] for word in value.split(",") if word.strip())


def _check_options(settings: list[str]) -> dict[str, dict[str, Any]]:
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


def _targets(formats: list[str], outputs: list[str]) -> list[tuple[str, str]]:
    """Pair each format with its output: the n-th --format belongs to the n-th -o."""
    from pathlib import Path

    from audit.errors import ConfigError, did_you_mean

    for format_ in formats:
        if format_ not in FORMATS:
            raise ConfigError(f"unknown format '{format_}'{did_you_mean(format_, FORMATS)}")
    targets = []
    for i in range(max(len(formats), len(outputs))):
        path = outputs[i] if i < len(outputs) else "-"
        format_ = (
            formats[i] if i < len(formats) else SUFFIXES.get(Path(path).suffix.lower(), "text" if path == "-" else "")
        )
        if not format_:
            raise ConfigError(f"-o {path}: the name's end tells no format; add --format ({', '.join(FORMATS)})")
        if path != "-" and not Path(path).absolute().parent.is_dir():
            raise ConfigError(f"-o {path}: there is no folder {Path(path).absolute().parent}; make it first")
        targets.append((format_, path))
    if sum(path == "-" for _, path in targets) > 1:
        raise ConfigError("two formats would go to stdout; give all but one of them a file with -o")
    return targets


def _write(result: Result, format_: str, path: str, *, include_samples: bool, verbose: bool) -> None:
    from audit.files import write_text

    write_text(path, _render(result, format_, color=False, verbose=verbose, include_samples=include_samples))


def _render(result: Result, format_: str, *, color: bool, verbose: bool, include_samples: bool) -> str:
    if format_ == "html":
        return result.to_html(include_samples=include_samples)
    if format_ == "json":
        return result.to_json()
    import shutil

    from audit.report.formats.text import render_text

    return render_text(result, color=color, verbose=verbose, width=shutil.get_terminal_size((100, 24)).columns)


def _print(
    result: Result, targets: list[tuple[str, str]], *, color: bool, quiet: bool, verbose: bool, include_samples: bool
) -> None:
    """Print the one format that goes to stdout: text, unless another was asked for."""
    format_ = next((format_ for format_, path in targets if path == "-"), None)
    if format_ is None and quiet:
        return
    text = _render(result, format_ or "text", color=color, verbose=verbose, include_samples=include_samples)
    typer.echo(text, nl=not text.endswith("\n"), color=color)


def _say(message: str) -> None:
    typer.echo(message, err=True)


@contextmanager
def _progress(*, show: bool) -> Iterator[Progress]:
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


__all__ = ["app", "main"]
