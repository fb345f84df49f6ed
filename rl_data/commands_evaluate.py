"""`python -m rl_data evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    data: Annotated[Path, typer.Argument(help="Held-out trajectories, in any known format.")],
    env: Annotated[str | None, typer.Option("--env", help="Gymnasium's id: let the policy act there, too.")] = None,
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
    from rl_data.checkpoints import load
    from rl_data.cli import say
    from rl_data.evaluation.evaluate import EvaluationConfig
    from rl_data.evaluation.evaluate import evaluate as estimate
    from rl_data.evaluation.rollout import rollout
    from rl_data.formats import read
    from rl_data.policies import EpsilonSoft, GaussianSoft, Policy
    from rl_data.settings import from_plain, parse_options

    values: dict[str, Any] = {"gamma": gamma, "lam": lam, "seed": seed, **parse_options(option or [])}
    config = from_plain(EvaluationConfig, values)
    policy: Policy = load(run)
    if soften:
        policy = EpsilonSoft(policy, soften) if policy.discrete else GaussianSoft(policy, soften)
    say(f"evaluating on {data}: {config.folds} folds, {config.refits} critics each")
    found = estimate(read(data), policy, config, ends=ends)
    played = None
    if env is not None:
        played = rollout(env, policy, episodes=episodes, gamma=gamma, seed=seed)
    if as_json:
        answer = found.to_json()
        if played is not None:
            answer["rollout"] = played.evaluation(seed=seed).to_json()
            answer["rollout_discounted"] = played.evaluation(discounted=True, seed=seed).to_json()
        typer.echo(json.dumps(answer, indent=2, allow_nan=False))
        return
    for line in _lines(found, played, seed):
        typer.echo(line)


def _lines(found: Any, played: Any, seed: int) -> list[str]:
    shown = [_line(getattr(found, name)) for name in ("gae", "fqe", "wis", "pdis", "dr")]
    if played is not None:
        shown += [_line(played.evaluation(discounted=True, seed=seed)), _line(played.evaluation(seed=seed))]
    curve = "  ".join(f"{point.settings['lam']:g}: {point.estimate:.4g}" for point in found.curve)
    return [*shown, f"GAE by lambda (0: biased by the critic, 1: spread of the episodes)  {curve}"]


def _line(one: Any) -> str:
    if one.trust == "nothing":
        return f"{one.method:8} no answer: {'; '.join(one.reasons)}"
    discount = "undiscounted" if one.gamma == 1.0 else f"discount {one.gamma:g}"
    if one.trust == "rank":
        return f"{one.method:8} no number, for ranking only ({discount}): {'; '.join(one.reasons)}"
    low, high = one.interval.low, one.interval.high
    return f"{one.method:8} {one.estimate:.4g}  [{low:.4g}, {high:.4g}] at {one.interval.level:.0%}  ({discount})"
