"""`audit run`: audit a dataset."""

from __future__ import annotations

import sys
from typing import Annotated

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
    Language,
    Memory,
    Outputs,
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
from audit.cli.outputs import FORMATS, Style, render, targets, tell_problem, to_stdout, write


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
        str | None,
        typer.Option(
            "--fail-on", envvar="AUDIT_FAIL_ON", help="Exit with 1 from: fail, warn, never.", rich_help_panel=WHAT
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"{', '.join(FORMATS)}; repeat, each with its own -o.", rich_help_panel=OUTPUT),
    ] = None,
    outputs: Outputs = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", envvar="AUDIT_BASELINE", help="Decisions about known findings.", rich_help_panel=OUTPUT
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
    lang: Language = None,
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
    from audit.errors import AuditError
    from audit.runner import run

    made = targets(formats or [], outputs or [])
    roles = {
        "label": label, "prediction": prediction, "probabilities": probabilities, "annotators": annotators,
        "time": time, "ingested": ingested, "key": key, "group": group, "split": split, "weight": weight,
    }  # fmt: skip
    given = {
        "roles": {name: value for name, value in roles.items() if value},
        "kind": kind, "reference": reference, "timezone": timezone, "as_of": as_of, "select": words(select),
        "ignore": words(ignore), "fail_on": fail_on, "checks": check_options(options or []), "sample": sample,
        "seed": seed, "memory": memory, "threads": threads, "spill": spill, "lang": lang,
    }  # fmt: skip
    chosen = {name: value for name, value in given.items() if value not in (None, {}, ())}
    style = Style(colored(no_color), verbose, include_samples)
    with progressing(show=not quiet and sys.stderr.isatty()) as progress:
        try:
            result = run(
                data,
                config=Config() if config == "none" else config,
                progress=progress,
                rows_out=rows_out,
                rows_limit=rows_limit,
                baseline=baseline,
                **chosen,
            )
        except AuditError as error:
            typer.echo(tell_problem(error, data, made), nl=False)
            raise
        for target in made:
            if target.path != "-":
                progress(f"writing {target.path}", 0, 0)
                write(result, target, style)
    shown = to_stdout(made) or ("" if quiet else "text")
    if shown:
        text = render(result, shown, style)
        typer.echo(text, nl=not text.endswith("\n"), color=style.color)
    if not quiet:
        for target in made:
            if target.path != "-":
                say(f"wrote {target.path}")
        if rows_out is not None:
            say(f"wrote the rows behind the findings to {rows_out}")
    fail_on = result.settings["fail_on"]
    code = result.exit_code(fail_on)
    if code == 3 and allow_errors:
        code = 1 if result.reaches(fail_on) else 0
    raise typer.Exit(code)
