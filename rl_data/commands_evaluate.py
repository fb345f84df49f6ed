"""`python -m rl_data evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

LEARNED_FROM = (
    "the run learned from these very episodes: estimates are too good; train with --held-out 0.2, or evaluate on other "
    "data"
)


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    data: Annotated[
        Path,
        typer.Argument(
            help="Trajectories, in any known format: others than those learned from, or the same where the "
            "run held some out."
        ),
    ],
    env: Annotated[str | None, typer.Option("--env", help="Gymnasium's id: let the policy act there, too.")] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            "--also",
            help="Another run of the same learner and options, of another seed; repeatable. With "
            "--env: the interquartile mean of all runs.",
        ),
    ] = None,
    gamma: Annotated[float, typer.Option(help="Discount of the return.")] = 0.99,
    lam: Annotated[float, typer.Option(help="Lambda of GAE: 0 leans on the critic, 1 on the episodes.")] = 0.95,
    soften: Annotated[
        float, typer.Option(min=0.0, help="Evaluate a softened policy: share of random actions, or standard deviation.")
    ] = 0.0,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes to play with --env.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    ends: Annotated[
        str | None, typer.Option(help="terminated or truncated: what an end means where the data cannot tell.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="A setting: least_ess=20, fqe.steps=8000, ...")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")] = False,
) -> None:
    """Estimate a learned policy's return from logged episodes; refuse where that cannot be done."""
    from rl_data.checkpoints import read_config
    from rl_data.cli import say
    from rl_data.errors import SettingsError
    from rl_data.evaluation.evaluate import EvaluationConfig
    from rl_data.evaluation.evaluate import evaluate as estimate
    from rl_data.evaluation.rollout import across_seeds, rollout
    from rl_data.formats import read
    from rl_data.held_out import unseen
    from rl_data.settings import from_plain, parse_options

    values: dict[str, Any] = {"gamma": gamma, "lam": lam, "seed": seed, **parse_options(option or [])}
    config = from_plain(EvaluationConfig, values)
    others = also or []
    if others and env is None:
        raise SettingsError("--also compares runs by letting them act: name the environment with --env")
    configs = [read_config(folder) for folder in (run, *others)]
    _check_same_learner((run, *others), configs)
    policies = [_policy(folder, soften) for folder in (run, *others)]
    known = unseen(configs[0], read(data))
    say(f"evaluating on {data}: {known.data.episodes:,} episodes, {config.folds} folds, {config.refits} critics each")
    if known.held_out:
        say("these are the episodes that the run held out")
    if known.learned_from:
        say(f"WARNING: {LEARNED_FROM}")
    found = estimate(known.data, policies[0], config, ends=ends)
    for note in found.notes:
        say(f"note: {note}")
    played = []
    if env is not None:
        played = [
            rollout(env, policy, episodes=episodes, gamma=config.gamma, seed=seed, past_limit=place == 0)
            for place, policy in enumerate(policies)
        ]
    together = across_seeds(played, seed=seed) if len(played) > 1 else None
    if as_json:
        answer = {**found.to_json(), "learned_from": known.learned_from, "held_out": known.held_out}
        if played:
            answer["rollout"] = played[0].evaluation(seed=seed).to_json()
            answer["rollout_discounted"] = played[0].evaluation(discounted=True, seed=seed).to_json()
        if together is not None:
            answer["rollout_runs"] = together.to_json()
        typer.echo(json.dumps(answer, indent=2, allow_nan=False))
        return
    for line in _lines(found, played, together, seed):
        typer.echo(line)


def _policy(run: Path, soften: float) -> Any:
    from rl_data.checkpoints import load
    from rl_data.policies import softened

    return softened(load(run), soften)


def _check_same_learner(runs: Sequence[Path], configs: Sequence[dict[str, Any]]) -> None:
    """Raise SettingsError where the runs are not of one learner with one set of options, or one of them comes twice."""
    from rl_data.errors import SettingsError

    if len({run.resolve() for run in runs}) < len(runs):
        raise SettingsError("--also names a run that is there already: each counts once")
    for run, config in zip(runs[1:], configs[1:], strict=True):
        for part in ("learner", "config"):
            if config.get(part) != configs[0].get(part):
                what = "another learner" if part == "learner" else "other options of the learner"
                raise SettingsError(
                    f"{run} has {what} than {runs[0]}: an interquartile mean is over seeds of one learner"
                )


def _lines(found: Any, played: Sequence[Any], together: Any, seed: int) -> list[str]:
    shown = [_line(getattr(found, name)) for name in ("gae", "fqe", "wis", "pdis", "dr")]
    if found.diagnostics["missing_tail"] > 0.0:
        shown.append("estimates are of the task without its time limit: critics look past where the episodes were cut")
    if played:
        words = played[0].words
        discounted = _line(played[0].evaluation(discounted=True, seed=seed))
        shown += [discounted + (f"; {words}" if words else ""), _line(played[0].evaluation(seed=seed))]
    if together is not None:
        runs = int(together.diagnostics["runs"])
        shown.append(f"{_line(together)}: interquartile mean over {runs} runs")
    shown.append(_diagnostics(found))
    if found.gae.value is not None:
        curve = "  ".join(f"{point.settings['lam']:g}: {point.estimate:.4g}" for point in found.curve)
        shown.append(f"GAE by lambda (0: biased by the critic, 1: spread of the episodes)  {curve}")
    return shown


def _diagnostics(found: Any) -> str:
    """Return one line: how many episodes count, how much is untried, how much was clipped."""
    shared, gae = found.diagnostics, found.gae.diagnostics
    parts = [
        f"{format(shared['ess'], '.1f') if 'ess' in shared else 'an unknown number of'} effective episodes "
        f"of {shared['episodes']:,.0f}",
        f"{shared['out_of_distribution']:.0%} of the policy's actions untried (the data's own: 5%)",
    ]
    if "clipped_rho" in gae:
        parts.append(f"clipped ratios: {gae['clipped_rho']:.0%} as rho, {gae['clipped_c']:.0%} as c")
    if found.behaviour_estimated:
        parts.append(f"behaviour policy estimated, calibration error {shared['calibration_error']:.2f}")
    return "based on: " + "; ".join(parts)


def _line(one: Any) -> str:
    if one.trust == "nothing":
        return f"{one.method:8} no answer: {'; '.join(one.reasons)}"
    discount = "undiscounted" if one.gamma == 1.0 else f"discount {one.gamma:g}"
    if one.trust == "rank":
        return f"{one.method:8} no number, for ranking only ({discount}): {'; '.join(one.reasons)}"
    low, high = one.interval.low, one.interval.high
    return f"{one.method:8} {one.estimate:.4g}  [{low:.4g}, {high:.4g}] at {one.interval.level:.0%}  ({discount})"
