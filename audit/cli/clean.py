"""`audit clean`: repair trajectories, with a plan that people can edit."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from audit.cli.common import (
    OUTPUT,
    CheckOptions,
    ConfigFile,
    Ignore,
    KindOfData,
    Memory,
    Quiet,
    Reference,
    Sample,
    Seed,
    Select,
    Threads,
    app,
    check_options,
    progressing,
    reported,
    words,
)  # fmt: skip


@app.command("clean")
@reported
def clean_command(  # noqa: PLR0917  # typer hands options over by name
    data: Annotated[str, typer.Argument(metavar="DATA", help="File or folder of trajectories.")],
    out: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder to write; a new or empty one.")],
    plan: Annotated[
        str | None, typer.Option("--plan", help="An edited plan.yaml: exactly what it says is done.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the results in a folder that is not empty.")] = False,
    reference: Reference = None,
    config: ConfigFile = None,
    kind: KindOfData = None,
    select: Select = None,
    ignore: Ignore = None,
    options: CheckOptions = None,
    quiet: Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the manifest instead of the summary.", rich_help_panel=OUTPUT)
    ] = False,
    sample: Sample = None,
    seed: Seed = None,
    memory: Memory = None,
    threads: Threads = None,
) -> None:
    """Repair trajectories: the safe repairs at once, all others as proposals in plan.yaml.

    Writes clean.parquet, quarantine.parquet, plan.yaml and manifest.json. No step is lost: what goes in is clean, in
    quarantine, or dropped by name.
    """
    from audit.cleaning import clean
    from audit.cleaning.words import summary
    from audit.config import Config

    given = {
        "kind": kind, "reference": reference, "select": words(select), "ignore": words(ignore),
        "checks": check_options(options or []), "sample": sample, "seed": seed, "memory": memory, "threads": threads,
    }  # fmt: skip
    chosen = {name: value for name, value in given.items() if value not in (None, {}, ())}
    with progressing(show=not quiet and sys.stderr.isatty()) as progress:
        cleaned = clean(
            data, out, plan, config=Config() if config == "none" else config, force=force, progress=progress, **chosen
        )
    if as_json:
        typer.echo((cleaned.folder / "manifest.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        typer.echo(summary(cleaned, data))
    if cleaned.broken:
        raise typer.Exit(3)
