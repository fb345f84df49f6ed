"""`audit suggest`: settings, or a suite for Great Expectations, inferred from a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli.common import OUTPUT, ConfigFile, DataArgument, Memory, Seed, Threads, app, reported, say


@app.command("suggest")
@reported
def suggest_command(  # noqa: PLR0917  # typer hands options over by name
    data: DataArgument,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="File to write; default: stdout.", rich_help_panel=OUTPUT)
    ] = None,
    gx: Annotated[
        str | None,
        typer.Option("--gx", metavar="FILE", help="Write a suite for Great Expectations, too.", rich_help_panel=OUTPUT),
    ] = None,
    config: ConfigFile = None,
    seed: Seed = None,
    memory: Memory = None,
    threads: Threads = None,
) -> None:
    """Infer settings from a table: roles, categories, ranges and limits, each with its evidence in a comment.

    An audit of the same data with these settings passes: `audit suggest DATA > DATA.audit.yaml`, then read it.
    """
    from audit.config import load_config
    from audit.files import write_text
    from audit.suggestion import suggest

    given = {"seed": seed, "memory": memory, "threads": threads}
    chosen = {name: value for name, value in given.items() if value is not None}
    made = suggest(data, config=None if config in (None, "none") else load_config(str(config)), **chosen)
    if gx is not None:
        from audit.interop.gx_suite import suite_json

        write_text(gx, suite_json(made, Path(data).name.split(".")[0] or "suite"))
        say(f"wrote {gx}")
    if output is None or output == "-":
        typer.echo(made.to_yaml(), nl=False)
    else:
        write_text(output, made.to_yaml())
        say(f"wrote {output}")
