"""`python -m rl_data tune`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer


def tune(
    data: Annotated[Path, typer.Argument(help="Trajectories, in any known format.")],
    learner: Annotated[str, typer.Option(help="bc, dqn, cql, ppo, iql or td3_bc.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the search; the same goes on there.")],
    trials: Annotated[int, typer.Option(min=1, help="Settings to try in all.")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="Updates of each training.")] = 5_000,
    criterion: Annotated[str, typer.Option(help="What selects: fqe or gae.")] = "fqe",
    gamma: Annotated[float, typer.Option(help="Discount of the return that selects.")] = 0.99,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and all trials.")] = 0,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the learner that stays: network.width=64, ...")
    ] = None,
    ends: Annotated[
        str | None, typer.Option(help="terminated or truncated: what an end means where the data cannot tell.")
    ] = None,
) -> None:
    """Search for a learner's settings, selected by offline evaluation on held-out episodes."""
    from rl_data.cli import say
    from rl_data.formats import read
    from rl_data.settings import parse_options
    from rl_data.tune import Trial
    from rl_data.tune import tune as run

    def report(trial: Trial) -> None:
        shown = "no estimate" if math.isnan(trial.value) else f"{trial.value:.4g}"
        say(f"trial {trial.number}: {shown}  {_text(trial)}" + (f"  ({trial.reason})" if trial.reason else ""))

    found = run(
        read(data),
        learner,
        output,
        trials=trials,
        steps=steps,
        criterion=criterion,
        gamma=gamma,
        seed=seed,
        fixed=parse_options(option or []),
        ends=ends,
        report=report,
    )
    best = found[0]
    if math.isnan(best.value):
        typer.echo("no settings gave a policy that could be evaluated")
        raise typer.Exit(1)
    typer.echo(f"best of {len(found)} by {criterion}: {best.value:.4g}  {_text(best)}")


def _text(trial: object) -> str:
    settings = getattr(trial, "settings", {})
    return " ".join(f"--set {name}={value:.4g}" if isinstance(value, float) else f"--set {name}={value}"
                    for name, value in settings.items())  # fmt: skip
