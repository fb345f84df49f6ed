"""`python -m rl_data tune`."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rl_data.tune import Trial


def tune(
    data: Annotated[Path, typer.Argument(help="Trajectories, in any known format.")],
    learner: Annotated[str, typer.Option(help="bc, dqn, cql, ppo, iql or td3_bc.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the search; the same goes on there.")],
    trials: Annotated[int, typer.Option(min=1, help="Settings to try in all.")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="Updates of each training.")] = 5_000,
    criterion: Annotated[str, typer.Option(help="What selects: fqe or gae.")] = "fqe",
    gamma: Annotated[float, typer.Option(help="Discount of the return that selects.")] = 0.99,
    soften: Annotated[
        float, typer.Option(min=0.0, help="Evaluate a softened policy: share of random actions, or standard deviation.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and all trials.")] = 0,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the learner that stays, and is not searched: network.width=64, ..."),
    ] = None,
    ends: Annotated[
        str | None, typer.Option(help="terminated or truncated: what an end means where the data cannot tell.")
    ] = None,
) -> None:
    """Search for a learner's settings, selected by offline evaluation on held-out episodes."""
    from rl_data.cli import say
    from rl_data.formats import read
    from rl_data.settings import flat, nested, option_texts, parse_options
    from rl_data.tune import BEST, BEST_RUN, searched
    from rl_data.tune import tune as run

    fixed = parse_options(option or [])
    trajectories = read(data)
    stays = f"; fixed: {', '.join(option_texts(fixed))}" if fixed else ""
    say(f"searched: {', '.join(searched(learner, fixed))}{stays}")
    found = run(
        trajectories,
        learner,
        output,
        trials=trials,
        steps=steps,
        criterion=criterion,
        gamma=gamma,
        seed=seed,
        fixed=fixed,
        soften=soften,
        ends=ends,
        report=lambda trial: say(f"trial {trial.number}: {_estimate(trial)}  {' '.join(option_texts(trial.settings))}"),
    )
    best = found[0]
    if math.isnan(best.value):
        typer.echo("no settings gave a policy that could be evaluated")
        raise typer.Exit(1)
    typer.echo(f"best of {len(found)} by {criterion}: {_estimate(best)}{stays}")
    chosen = [word for text in option_texts(nested({**flat(fixed), **best.settings})) for word in ("--set", text)]
    words = ["train", str(data), "--learner", learner, *chosen, "--steps", str(steps), "--seed", str(seed)]
    words += ["--ends", ends] if ends else []
    typer.echo(shlex.join(["python", "-m", "rl_data", *words, "-o", str(output / "trained")]))
    if (output / BEST_RUN).is_dir():
        typer.echo(f"{output / BEST}: the settings; {output / BEST_RUN}: their run, without the held-out episodes")


def _estimate(trial: Trial) -> str:
    """Return the estimate in words: a number only where the evaluation gives one."""
    if math.isnan(trial.value):
        return f"no estimate ({trial.reason})"
    if trial.reason:
        return f"by rank only, no number ({trial.reason})"
    return f"{trial.value:.4g}"
