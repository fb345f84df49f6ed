"""How far off-policy evaluation can be trusted: policies by data sets, against rollouts: `make bench-ope`.

    python bench/ope.py [--env CartPole-v1 ...] [--json out/ope.json] [--write [JSON ...]]

On each environment at least 10 policies of all qualities (snapshots of our PPO, softened where actions are choices) are
evaluated from data that other policies recorded, and played for the truth. Printed: Spearman's rank correlation,
normalised regret@1, mean absolute error, coverage of the 95% intervals, and how often a number was refused. `--write`
puts the table into docs/learning.md, from this run or, where files are named, from what earlier runs wrote.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pages import put

from rl_data.acting import PolicyActor
from rl_data.collect import learn
from rl_data.evaluation.evaluate import EvaluationConfig, PolicyEvaluation, evaluate
from rl_data.evaluation.evaluation import Trust
from rl_data.evaluation.fqe import FQEConfig
from rl_data.evaluation.ranking import coverage, regret, spearman
from rl_data.evaluation.rollout import rollout
from rl_data.policies import EpsilonSoft, Policy
from rl_data.record import join, record
from rl_data.trajectories import Trajectories

METHODS = ("gae", "fqe", "dr", "wis", "pdis", "plain")
SHOWN = {"gae": "GAE with ratios", "fqe": "FQE", "dr": "doubly robust", "wis": "WIS", "plain": "GAE without ratios"}
PAGE = Path(__file__).parents[1] / "docs" / "learning.md"


@dataclass(frozen=True)
class Task:
    """An environment, the discount, how much is recorded, and how many episodes are played for the truth."""

    env_id: str
    gamma: float
    steps: int
    rollouts: int = 200
    datasets: tuple[str, ...] = ("mixed",)


TASKS = (
    Task("CartPole-v1", 0.99, 60_000, 1_000, ("mixed", "random")),
    Task("Pendulum-v1", 0.95, 30_000),
    Task("Pendulum-v1", 0.99, 30_000),  # cut after 200 steps, which hides 13% of the discounted future
    Task("Acrobot-v1", 0.99, 60_000),
)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description="Off-policy evaluation against rollouts.")
    parser.add_argument("--env", action="append", choices=sorted({task.env_id for task in TASKS}))
    parser.add_argument("--gamma", action="append", type=float, choices=sorted({task.gamma for task in TASKS}))
    parser.add_argument("--data", action="append", choices=["mixed", "random"])
    parser.add_argument("--steps", type=int, default=FQEConfig().steps, help="updates of FQE")
    parser.add_argument("--refits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path, nargs="*", help="put the table into docs/learning.md")
    options = parser.parse_args()
    if options.write:
        write([entry for path in options.write for entry in json.loads(path.read_text())])
        return
    torch.set_num_threads(1)
    found = []
    for task in TASKS:
        if task.env_id not in (options.env or [task.env_id]) or task.gamma not in (options.gamma or [task.gamma]):
            continue
        policies = list(candidates(task, options.seed))
        truth = [
            rollout(task.env_id, policy, episodes=task.rollouts, gamma=task.gamma, seed=9, parallel=50, past_limit=True)
            for policy in policies
        ]
        discounted = np.array([played.discounted.mean() for played in truth])
        print(f"{task.env_id}, discount {task.gamma:g}:", "true returns", discounted.round(1).tolist(), flush=True)
        for name in options.data or task.datasets:
            data = dataset(task, name, policies, options.seed)
            fqe = FQEConfig(steps=options.steps, seed=options.seed)
            config = EvaluationConfig(gamma=task.gamma, refits=options.refits, fqe=fqe, seed=options.seed)
            started = time.perf_counter()
            evaluations = []
            for policy, true in zip(policies, discounted, strict=True):
                evaluations.append(evaluate(data, policy, config))
                print(describe(evaluations[-1], true), flush=True)
            seconds = (time.perf_counter() - started) / len(policies)
            rows = list(scores(evaluations, discounted))
            print(
                f"\n{task.env_id}, {name}, {data.episodes} episodes, {seconds:.0f} s a policy\n{table(rows)}\n",
                flush=True,
            )
            found.append({"env": task.env_id, "gamma": task.gamma, "data": name, "seconds": seconds,
                          "truth": discounted.tolist(),
                          "undiscounted": [float(played.returns.mean()) for played in truth], "scores": rows,
                          "evaluations": [one.to_json() for one in evaluations]})  # fmt: skip
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1))
    if options.write is not None:
        write(found)


def write(found: list[dict[str, Any]]) -> None:
    """Put the table into the page."""
    lines = [
        "| policies, data | method | Spearman | regret@1 | mean absolute error | numbers given | "
        "of these, in the 95% interval |",
        "|---|---|---|---|---|---|---|",
    ]
    inside = given = 0
    for entry in found:
        task = f"{entry['env']}, discount {entry['gamma']:g}" if "gamma" in entry else entry["env"]
        where = f"{len(entry['truth'])} of {task}, {entry['data']}"
        for row in entry["scores"]:
            if row["method"] not in SHOWN:
                continue
            covered = row["coverage of numbers"]
            if row["method"] == "gae" and row["numbers"]:
                inside, given = inside + round(covered * row["numbers"]), given + row["numbers"]
            shares = f"{covered:.0%}" if row["numbers"] else "–"
            lines.append(
                f"| {where} | {SHOWN[row['method']]} | {row['spearman']:.2f} | {row['regret@1']:.2f} | "
                f"{row['mean absolute error']:.3g} | {row['numbers']} | {shares} |"
            )
    if given:
        said = f"Of the {given} numbers that GAE with ratios gave, {inside} ({inside / given:.0%}) had the true return "
        lines += ["", said + "in their interval."]
    put(PAGE, "ope", lines)


def candidates(task: Task, seed: int) -> Iterator[Policy]:
    """Yield 12 policies: snapshots from first to best, softened in two ways where actions are choices."""
    path = learn(task.env_id, seed=seed, report=lambda text: print(text, flush=True))
    best = max(range(len(path)), key=lambda place: path[place].mean_return)
    actors: list[Any] = [graded.actor for graded in path[: best + 1]]
    discrete = actors[0].policy.discrete
    for place in np.linspace(0, best, 6 if discrete else 12).round().astype(int):
        policy = actors[place].policy
        yield from (EpsilonSoft(policy, epsilon) for epsilon in (0.1, 0.4)) if discrete else (policy,)


def dataset(task: Task, name: str, policies: list[Policy], seed: int) -> Trajectories:
    """Return what others recorded: all at random; or a third each at random, by a middling and by the best policy."""
    random = record(task.env_id, steps=task.steps if name == "random" else task.steps // 3, seed=seed + 101)
    if name == "random":
        return random
    middle, best = policies[len(policies) // 2], policies[-2 if policies[-1].discrete else -1]
    if middle.discrete:
        middle, best = EpsilonSoft(middle, 0.2), EpsilonSoft(best, 0.2)
    parts = [
        record(task.env_id, PolicyActor(policy, who), steps=task.steps // 3, seed=seed + number, parallel=8)
        for number, (who, policy) in enumerate({"middle": middle, "best": best}.items(), 102)
    ]
    return join([random, *parts])


def scores(evaluations: list[PolicyEvaluation], truth: Any) -> Iterator[dict[str, Any]]:
    """Yield one row a method; those that say nothing are left out of its numbers and counted."""
    for method in METHODS:
        all_of_it = [getattr(one, method) for one in evaluations]
        ranked = [place for place, one in enumerate(all_of_it) if one.trust is not Trust.NOTHING]
        numbers = [place for place, one in enumerate(all_of_it) if one.trust is Trust.NUMBER]
        estimates = np.array([all_of_it[place].estimate for place in ranked])
        intervals = [all_of_it[place].interval for place in ranked]
        yield {
            "method": method,
            "spearman": spearman(estimates, truth[ranked]),
            "regret@1": regret(estimates, truth[ranked]) if ranked else float("nan"),
            "mean absolute error": float(np.abs(estimates - truth[ranked]).mean()) if ranked else float("nan"),
            "coverage": coverage(intervals, truth[ranked]),
            "coverage of numbers": coverage([all_of_it[place].interval for place in numbers], truth[numbers]),
            "numbers": len(numbers),
            "ranks": len(ranked),
        }


def describe(one: PolicyEvaluation, true: float) -> str:
    """Return one line."""
    gae = one.gae
    shown = " ".join(f"{name} {getattr(one, name).estimate:.1f}" for name in METHODS)
    bounds = f"[{gae.interval.low:.1f}, {gae.interval.high:.1f}]" if gae.interval else "-"
    return (
        f"true {true:.1f} {bounds} {shown} ess {gae.diagnostics.get('ess', 0):.1f} "
        f"ood {one.diagnostics['out_of_distribution']:.2f} {gae.trust}"
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        cells = [value if isinstance(value, str) else f"{value:.2f}" if isinstance(value, float) else str(value)
                 for value in row.values()]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
