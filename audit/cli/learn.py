"""`audit learn`: learn from trajectories before and after cleaning, and say whether cleaning paid."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from audit.cli.common import LIMITS, OUTPUT, ConfigFile, Language, Quiet, Seed, app, progressing, reported, say

LEARNING = "Learning"


@app.command("learn")
@reported
def learn_command(  # noqa: PLR0917  # typer hands options over by name
    data: Annotated[str, typer.Argument(metavar="DATA", help="File or folder of trajectories.")],
    out: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder to write; a new or empty one.")],
    env: Annotated[
        str | None,
        typer.Option("--env", help="Gymnasium's id; default: the data's own; none.", rich_help_panel=LEARNING),
    ] = None,
    learner: Annotated[
        str | None,
        typer.Option(help="bc, dqn, cql, iql, td3_bc ...; default: one that suits.", rich_help_panel=LEARNING),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the learner: alpha=100.", rich_help_panel=LEARNING)
    ] = None,
    pristine: Annotated[
        str | None, typer.Option(help="The same data without faults, to compare with.", rich_help_panel=LEARNING)
    ] = None,
    repairs: Annotated[
        str, typer.Option(help="all that the checks propose, or only the safe ones.", rich_help_panel=LEARNING)
    ] = "all",
    plan: Annotated[
        str | None, typer.Option(help="An edited plan.yaml of `audit clean`, instead.", rich_help_panel=LEARNING)
    ] = None,
    updates: Annotated[int, typer.Option(min=1, help="Steps of training.", rich_help_panel=LEARNING)] = 5_000,
    seeds: Annotated[
        int, typer.Option(min=1, help="Policies for each set; below 3 no verdict.", rich_help_panel=LEARNING)
    ] = 5,
    episodes: Annotated[int, typer.Option(min=1, help="That each policy plays.", rich_help_panel=LEARNING)] = 100,
    held_out: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share kept for evaluation.", rich_help_panel=LEARNING)
    ] = 0.2,
    ends: Annotated[
        str | None, typer.Option(help="terminated or truncated: what an end means.", rich_help_panel=LEARNING)
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace results in DIR; policies learned there from the same data and settings are taken over.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    config: ConfigFile = None,
    lang: Language = None,
    quiet: Quiet = False,
    seed: Seed = None,
    workers: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes; default: all processors.", rich_help_panel=LIMITS)
    ] = None,
) -> None:
    """Audit, clean, learn from the data before and after, evaluate: did cleaning pay?

    Writes the cleaned data, result.json, report.html and the policies (trials/) into DIR. If it is interrupted, the
    same command with --force goes on where it was.
    """
    from audit.config import Config
    from audit.errors import ConfigError
    from audit.learning import learn
    from audit.learning.loop import Training
    from audit.learning.words import summary
    from rl_data.errors import SettingsError
    from rl_data.settings import parse_options

    try:
        options = parse_options(option or [])
    except SettingsError as error:
        raise ConfigError(f"--set: {error}, such as --set alpha=100") from error
    training = Training(
        learner=learner, options=options, updates=updates, seeds=seeds, environment=env,
        episodes=episodes, held_out=held_out, workers=workers, ends=ends,
    )  # fmt: skip
    chosen = {name: value for name, value in (("seed", seed), ("lang", lang)) if value is not None}
    with progressing(show=not quiet and sys.stderr.isatty()) as progress:
        learned = learn(
            data,
            out,
            training=training,
            pristine=pristine,
            repairs=repairs,
            plan=plan,
            force=force,
            progress=progress,
            config=Config() if config == "none" else config,
            **chosen,
        )
    if not quiet:
        typer.echo(summary(learned.learning), nl=False)
        say(f"wrote {learned.folder}/report.html, result.json, clean/ and trials/")
    if learned.cleaned.broken:
        raise typer.Exit(3)
    if learned.problem:
        say(f"error: nothing could be learned from any set: {learned.problem}")
        raise typer.Exit(2)
