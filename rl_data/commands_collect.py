"""`python -m rl_data collect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rl_data.collect import Tier


def collect(
    env: Annotated[str, typer.Option("--env", help="Gymnasium's id of the environment, such as CartPole-v1.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .parquet or .arrow.")],
    tier: Annotated[Tier, typer.Option(help="How good the recorded policy is.")] = Tier.RANDOM,
    steps: Annotated[int, typer.Option(min=1, help="Transitions to record.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of learning and recording.")] = 0,
    epsilon: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of random actions in learned policies with choices.")
    ] = 0.0,
    algorithm: Annotated[
        str | None, typer.Option(help="ppo, dqn or q-learning; else what suits the environment.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the online learner: steps=50000, lam=0.9, ...")
    ] = None,
) -> None:
    """Record a behaviour data set from an environment."""
    from rl_data.cli import say
    from rl_data.collect import collect as run
    from rl_data.formats import write_canonical
    from rl_data.outputs import check_file

    check_file(output, (".parquet", ".arrow", ".feather"))
    options = {}
    if option:
        from rl_data.settings import parse_options

        options = parse_options(option)
    found = run(env, tier, steps=steps, seed=seed, epsilon=epsilon, algorithm=algorithm, options=options, report=say)
    write_canonical(found, output)
    returns = found.returns()
    assert returns is not None
    typer.echo(f"{output}: {found.rows:,} steps, {found.episodes:,} episodes, mean return {returns.mean():.1f}")
