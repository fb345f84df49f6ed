"""`audit selftest`: what would the audit find in data like yours? The command line of `audit.selftest`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from audit.errors import SourceError

if TYPE_CHECKING:
    from rl_data.trajectories import Trajectories

DEFAULTS = (("CartPole-v1", 400), ("Pendulum-v1", 40))
"""What is recorded where no data are named: environment and number of episodes of a random policy."""

ENOUGH = 0.5
"""Recall below which a defect counts as missed: the command is a smoke test, `make bench-detect` measures."""


def selftest_command(
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="Clean trajectories; default: CartPole and Pendulum.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="A defect to plant; repeat. Default: all.")] = None,
    rates: Annotated[
        list[float] | None, typer.Option("--rate", help="Share of steps or episodes; repeat. Default: 0.1.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 1,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Plant known defects into clean trajectories and show which are found."""
    from audit.selftest import selftest
    from rl_data.corrupt import INJECTORS
    from rl_data.trajectories import TrajectoryError

    missed = 0
    try:
        for name, trajectories in _sets(data):
            typer.echo(f"{name}: {trajectories.episodes:,} episodes, {trajectories.rows:,} steps")
            typer.echo(f"  {'defect':<26} {'rate':>5} {'recall':>7} {'precision':>10}  found by")
            say = (lambda _: None) if quiet or not sys.stderr.isatty() else _say
            for trial in selftest(trajectories, names=only or (), rates=rates or (0.1,), seeds=seeds, progress=say):
                found = trial.by_unit
                if found is None:
                    typer.echo(f"  {trial.defect:<26} {trial.rate:>5.0%} {'-':>7} {'-':>10}  {trial.skipped}")
                    continue
                precision = "-" if found.precision is None else f"{found.precision:.2f}"
                words = ", ".join(trial.codes) or "nothing"
                if not INJECTORS[trial.defect].detectable:
                    words += " (the data alone cannot show it)"
                elif found.recall < ENOUGH:
                    missed += 1
                    words += " (missed)"
                typer.echo(f"  {trial.defect:<26} {trial.rate:>5.0%} {found.recall:>7.2f} {precision:>10}  {words}")
    except TrajectoryError as error:
        raise SourceError(" ".join(str(error).split())) from error
    if missed:
        typer.echo(f"{missed} planted {'defect' if missed == 1 else 'defects'} missed")
        raise typer.Exit(1)


def _say(text: str) -> None:
    typer.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _sets(data: str | None) -> list[tuple[str, Trajectories]]:
    if data is not None:
        from audit.sources.trajectories import open_trajectories

        trajectories = open_trajectories(data, "trajectory")
        assert trajectories is not None  # `trajectory` insists
        return [(data, trajectories)]
    from rl_data.record import record

    return [(f"{name}, random policy", record(name, episodes=episodes, seed=0)) for name, episodes in DEFAULTS]
