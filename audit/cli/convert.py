"""`audit convert`: trajectories from one format into another, with what got lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli.common import app, reported, say

_BY_SUFFIX = {  # else a folder: Minari
    ".parquet": "canonical", ".arrow": "canonical", ".feather": "canonical", ".hdf5": "d4rl", ".h5": "d4rl",
}  # fmt: skip


@app.command("convert")
@reported
def convert_command(  # noqa: PLR0917  # typer hands options over by name
    source: Annotated[str, typer.Argument(metavar="SRC", help="File or folder of trajectories in any known format.")],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="NAME.parquet or .arrow: canonical; NAME.hdf5: D4RL; a folder: Minari.")
    ],
    to: Annotated[
        str | None, typer.Option("--to", help="canonical, minari, lerobot or d4rl, whatever the name's end says.")
    ] = None,
    read_as: Annotated[str | None, typer.Option("--from", help="The format of SRC; default: told from it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace DST where it is a file.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Convert trajectories; say how the source was read and what the target does not hold."""
    from audit.errors import ConfigError, SourceError, did_you_mean
    from audit.sources.trajectories import notes_of, open_trajectories
    from rl_data import formats
    from rl_data.trajectories import TrajectoryError

    suffix = Path(target).suffix.lower()
    format_ = to or _BY_SUFFIX.get(suffix, "minari")
    if format_ not in formats.WRITERS:
        raise ConfigError(f"--to {format_}: unknown format{did_you_mean(format_, formats.WRITERS)}")
    if Path(target).is_file() and not force:
        raise ConfigError(f"{target} is there already; choose another name, or replace it with --force")
    if not Path(source).exists():
        raise SourceError(f"{source} does not exist; check the path")
    try:
        found = formats.read(source, read_as) if read_as else open_trajectories(source, "trajectory")
        assert found is not None
        lost = formats.write(found, target, format_)
    except TrajectoryError as error:
        raise SourceError(" ".join(str(error).split())) from error
    if quiet:
        return
    typer.echo(f"{source}: {found.rows:,} steps in {found.episodes:,} episodes")
    for line in notes_of(found):
        typer.echo(f"  {line}")
    for where, what in found.provenance.problems:
        say(f"not read: {where}: {what}")
    typer.echo(f"{target}: written as {format_}" + ("" if lost else "; nothing got lost"))
    for line in lost:
        typer.echo(f"  lost: {line}")
