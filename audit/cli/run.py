"""`audit run`: audit a dataset."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli.common import (
    LIMITS,
    OUTPUT,
    ROLES,
    WHAT,
    CheckOptions,
    ConfigFile,
    DataArgument,
    Ignore,
    KindOfData,
    Memory,
    Quiet,
    Reference,
    Sample,
    Seed,
    Select,
    Spill,
    Threads,
    app,
    check_options,
    colored,
    progressing,
    reported,
    say,
    words,
)  # fmt: skip

if TYPE_CHECKING:
    from audit.result import Result

FORMATS = ("text", "json", "html")
SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".txt": "text"}


@app.command("run")
@reported
def run_command(  # noqa: PLR0917  # typer hands options over by name
    data: DataArgument,
    reference: Reference = None,
    config: ConfigFile = None,
    kind: KindOfData = None,
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
    select: Select = None,
    ignore: Ignore = None,
    options: CheckOptions = None,
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
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show everything.", rich_help_panel=OUTPUT)] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.", rich_help_panel=OUTPUT)] = False,
    sample: Sample = None,
    seed: Seed = None,
    memory: Memory = None,
    threads: Threads = None,
    spill: Spill = None,
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
        "kind": kind, "reference": reference, "timezone": timezone, "as_of": as_of, "select": words(select),
        "ignore": words(ignore), "fail_on": fail_on, "checks": check_options(options or []), "sample": sample,
        "seed": seed, "memory": memory, "threads": threads, "spill": spill,
    }  # fmt: skip
    chosen = {name: value for name, value in given.items() if value not in (None, {}, ())}
    color = colored(no_color)
    with progressing(show=not quiet and sys.stderr.isatty()) as progress:
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
                say(f"wrote {path}")
        if rows_out is not None:
            say(f"wrote the rows behind the findings to {rows_out}")
    fail_on = result.settings["fail_on"]
    code = result.exit_code(fail_on)
    if code == 3 and allow_errors:
        code = 1 if result.reaches(fail_on) else 0
    raise typer.Exit(code)


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
