"""`audit history`: keep the numbers of every run, and tell when the newest are out of line."""

from __future__ import annotations

from typing import Annotated

import typer

from audit.cli.common import app, reported, say
from audit.history import FLOOR, LEAST_RUNS, THRESHOLD

history_app = typer.Typer(
    name="history",
    help="Keep the numbers of every run in one file, and tell when the newest are out of line.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(history_app)

HistoryFile = Annotated[str, typer.Argument(metavar="HISTORY", help="The file, a DuckDB database; `add` makes it.")]


@history_app.command("add")
@reported
def add_command(
    history: HistoryFile,
    results: Annotated[list[str], typer.Argument(metavar="RESULT...", help="Results of `audit run -o result.json`.")],
) -> None:
    """Add runs; one that is there already is left alone."""
    from audit.history import add
    from audit.saved import load_result

    loaded = [(path, load_result(path)) for path in results]
    for path, result in loaded:
        say(f"{path}: {'added' if add(history, result) else 'is there already'}")


@history_app.command("check")
@reported
def check_command(
    history: HistoryFile,
    result: Annotated[str, typer.Argument(metavar="RESULT", help="The run to judge; it never counts as earlier.")],
    least: Annotated[int, typer.Option(min=2, help="Earlier values that a number needs to be judged.")] = LEAST_RUNS,
    threshold: Annotated[
        float, typer.Option(min=0.1, help="Robust standard deviations from the median that are too many.")
    ] = THRESHOLD,
    floor: Annotated[
        float, typer.Option(min=0.0, help="Smallest standard deviation, as a share of the median.")
    ] = FLOOR,
) -> None:
    """Compare a run with the earlier ones of the same dataset; exit code 1 where a number is out of line."""
    from audit.history import check
    from audit.saved import load_result

    seen = check(history, load_result(result), least=least, threshold=threshold, floor=floor)
    for anomaly in seen.anomalies:
        typer.echo(str(anomaly))
    few = f"; {seen.too_few} have fewer than {least} earlier values and were not judged" if seen.too_few else ""
    typer.echo(f"{len(seen.anomalies)} of {seen.judged} numbers are out of line with {seen.earlier} earlier runs{few}")
    if seen.anomalies:
        raise typer.Exit(1)


@history_app.command("show")
@reported
def show_command(
    history: HistoryFile,
    dataset: Annotated[str | None, typer.Option(help="Only runs of the dataset with this name.")] = None,
) -> None:
    """List the runs, the oldest first."""
    from audit.history import show

    for run in show(history, dataset):
        rows = "-" if run.rows is None else f"{run.rows:,}"
        typer.echo(f"{run.started}  {run.dataset}  {run.status}  {rows} rows  {run.numbers} numbers  {run.run[:8]}")
