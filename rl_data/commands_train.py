"""`python -m rl_data train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    data: Annotated[Path, typer.Argument(help="Trajectories, in any known format.")],
    learner: Annotated[str, typer.Option(help="bc, q_learning, dqn, cql, ppo, iql or td3_bc, or a plug-in's name.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run: config, checkpoint, metrics.")],
    option: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the learner: alpha=1, network.width=64, ...")
    ] = None,
    steps: Annotated[int, typer.Option(help="Updates in all.")] = 10_000,
    batch_size: Annotated[int, typer.Option(help="Rows an update.")] = 256,
    seed: Annotated[int, typer.Option(help="Of the initial weights and all that is drawn.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    ends: Annotated[
        str | None, typer.Option(help="terminated or truncated: what an end means where the data cannot tell.")
    ] = None,
    held_out: Annotated[
        float,
        typer.Option(min=0.0, max=0.9, help="Share of episodes not to learn from; `evaluate` takes these of the data."),
    ] = 0.0,
    held_out_seed: Annotated[
        int, typer.Option(min=0, help="Which episodes: the same for runs with different --seed.")
    ] = 0,
    init_from: Annotated[Path | None, typer.Option(help="A run whose weights to start from, where they fit.")] = None,
    freeze: Annotated[
        list[str] | None, typer.Option(help="Layers that shall not learn, such as policy.0; repeatable.")
    ] = None,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints; a multiple of 100.")] = 5_000,
    log_every: Annotated[int, typer.Option(help="Steps between metrics; a multiple of 100.")] = 500,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of the folder.")] = False,
) -> None:
    """Learn a policy from trajectories."""
    from rl_data.cli import say
    from rl_data.formats import read
    from rl_data.held_out import hold_out
    from rl_data.learners import learner_class
    from rl_data.settings import from_plain, parse_options
    from rl_data.training import Settings, rows_for
    from rl_data.training import train as run_training

    config: Any = from_plain(learner_class(learner).CONFIG, parse_options(option or []))
    settings = Settings(steps, batch_size, seed, device, log_every, checkpoint_every)
    source, held = read(data), None
    if held_out:
        source, held = hold_out(source, held_out, seed=held_out_seed, ends=ends)
        say(f"held out: {len(held['episodes']):,} of {len(held['episodes']) + source.episodes:,} episodes")
    rows = rows_for(learner, source, ends)
    for note in rows.notes:
        say(f"note: {note}")

    def report(entry: Any) -> None:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in entry.items() if name != "step")
        say(f"step {int(entry['step']):,} of {steps:,}  {shown}")

    trained = run_training(
        rows,
        learner,
        config,
        settings,
        run=output,
        resume=resume,
        init_from=init_from,
        freeze=freeze or (),
        held_out=held,
        report=report,
    )
    for note in trained.notes[len(rows.notes) :]:
        say(f"note: {note}")
    typer.echo(f"{learner}: {trained.steps:,} steps on {rows.rows:,} transitions; {output}")
