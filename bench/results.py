"""What our learners reach, beside d3rlpy's on the same data: `make bench-results`.

    python bench/results.py [--d3rlpy PYTHON] [--only NAME ...] [--seeds 5] [--write]

Each task: policies are learned with 5 seeds and the settings below, and each plays 100 episodes greedily, with the same
seeds for all. Random data are recorded anew for each seed; what an expert or a mixture recorded is one set for all.
d3rlpy's learner gets the same data, network, learning rate, discount, batch and number of updates, and standardised
observations, as ours have. Printed are the median over seeds and its quartiles. `--write` puts the table into
docs/learning.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pages import put

from rl_data.collect import Tier, collect
from rl_data.formats import read, write_canonical
from rl_data.processors import processors
from rl_data.record import episode_seeds, record
from rl_data.trajectories import Trajectories
from rl_data.trial import Trial, run_trials

ROOT = Path(__file__).parents[1]
DATA = ROOT / "bench" / "data"
PAGE = ROOT / "docs" / "learning.md"
PEER = Path(__file__).with_name("results_d3rlpy.py")


@dataclass(frozen=True)
class Task:
    """Data, a learner with its settings, and what it should reach; `aim` None: the behaviour's mean return."""

    name: str
    what: str
    environment: str
    data: str
    learner: str
    options: Mapping[str, object] = field(default_factory=dict)
    updates: int = 5_000
    aim: float | None = None
    peer: bool = True


SETS: Mapping[str, Callable[[int], Trajectories]] = {
    "cartpole_random": lambda seed: record("CartPole-v1", steps=40_000, seed=seed),
    "pendulum_random": lambda seed: record("Pendulum-v1", steps=4_000, seed=seed),
    "cartpole_expert": lambda seed: collect("CartPole-v1", Tier.EXPERT, steps=10_000, seed=seed),
    "lunarlander_mixed": lambda seed: collect("LunarLander-v3", Tier.MIXED, steps=60_000, seed=seed),
}
RESETS = [episode_seeds(20_000, episode)[0] for episode in range(100)]  # the starts that `rl_data.trial` plays
ONCE = ("cartpole_expert", "lunarlander_mixed")  # a policy must be learned first, which takes minutes

CARTPOLE_CQL = {"network": {"width": 128, "activation": "tanh"}, "learning_rate": 3e-4}
PENDULUM_TD3_BC = {"alpha": 100.0, "learning_rate": 1e-3, "target_rate": 0.01}
LUNAR_CQL = {"gamma": 0.99}
LUNAR_IQL = {"temperature": 0.1}

TASKS = (
    Task("cartpole", "CartPole-v1, 40,000 random steps", "CartPole-v1", "cartpole_random", "cql", CARTPOLE_CQL,
         aim=450.0),
    Task("pendulum", "Pendulum-v1, 4,000 random steps", "Pendulum-v1", "pendulum_random", "td3_bc", PENDULUM_TD3_BC,
         aim=-200.0),
    Task("expert", "CartPole-v1, expert only, 10,000 steps", "CartPole-v1", "cartpole_expert", "bc", aim=490.0),
    Task("expert_dqn", "CartPole-v1, expert only, 10,000 steps", "CartPole-v1", "cartpole_expert", "dqn", peer=False),
    Task("lunar_cql", "LunarLander-v3, mixed, 60,000 steps", "LunarLander-v3", "lunarlander_mixed", "cql", LUNAR_CQL,
         updates=10_000),
    Task("lunar_iql", "LunarLander-v3, mixed, 60,000 steps", "LunarLander-v3", "lunarlander_mixed", "iql", LUNAR_IQL,
         updates=10_000, peer=False),
)  # fmt: skip


def data_of(name: str, seed: int) -> Path:
    """Return the file of a data set, recorded at its first use."""
    seed = 0 if name in ONCE else seed
    path = DATA / f"{name}_{seed}.parquet"
    if not path.exists():
        DATA.mkdir(exist_ok=True)
        write_canonical(SETS[name](seed), path)
    return path


def ours(task: Task, seeds: int, jobs: int) -> list[float]:
    """Return each seed's mean return."""
    trials = [
        Trial("ours", data_of(task.data, seed), task.learner, task.options, seed, task.updates,
              environment=task.environment, curve_points=1, curve_episodes=0)
        for seed in range(seeds)
    ]  # fmt: skip
    outcomes = run_trials(trials, workers=jobs)
    for outcome in outcomes:
        if outcome.problem:
            print(f"{task.name}, seed {outcome.trial.seed}: {outcome.problem}", file=sys.stderr)
    return [outcome.mean_return for outcome in outcomes if outcome.mean_return is not None]


def theirs(task: Task, python: str, seeds: int, jobs: int) -> list[float]:
    """Return each seed's mean return with d3rlpy's learner."""
    with tempfile.TemporaryDirectory() as folder:

        def run(seed: int) -> float:
            t = read(data_of(task.data, seed))
            path = Path(folder) / f"{seed}.npz"
            terminals = np.asarray(t.terminated)
            timeouts = np.isin(np.arange(t.rows), t.last_rows) & ~terminals
            np.savez(
                path, observations=t.observations, actions=t.actions, rewards=np.asarray(t.rewards),
                terminals=terminals, timeouts=timeouts,
            )  # fmt: skip
            said = {"learner": task.learner, "options": task.options, "updates": task.updates, "seed": seed,
                    "environment": task.environment, "resets": RESETS}  # fmt: skip
            done = subprocess.run(
                [python, str(PEER), str(path), json.dumps(said)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"d3rlpy, {task.name}, seed {seed}: {done.stderr[-2_000:]}")
            return float(np.mean(json.loads(done.stdout.splitlines()[-1])))

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(run, range(seeds)))


def shown(scores: Sequence[float]) -> str:
    """Return median and quartiles."""
    if not scores:
        return "–"
    low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def bold(scores: Sequence[float], stopped: int) -> str:
    """Return our median and quartiles, and how many trainings stopped themselves because Q diverged."""
    parts = [f"**{shown(scores)}**"] if scores else []
    return ", ".join([*parts, *([f"stopped: Q diverged ({stopped} seeds)"] if stopped else [])])


def settings_of(task: Task) -> str:
    """Return what differs from the learner's defaults."""
    parts = []
    for name, value in task.options.items():
        parts += [f"{name} {inner}" for inner in value.values()] if isinstance(value, Mapping) else [f"{name} {value}"]
    return f"{task.updates:,} updates" + (f"; {', '.join(parts)}" if parts else "")


def line_of(task: Task, mine: Sequence[float], peers: Sequence[float], stopped: int) -> str:
    """Return a task's line of the table; `stopped` of our trainings ended early, with the cause in words."""
    returns = read(data_of(task.data, 0)).returns()
    assert returns is not None
    aim = float(returns.mean()) if task.aim is None else task.aim
    middle = float(np.median(mine)) if mine else float("nan")
    if task.learner == "dqn":
        said, met = "not to be learned", "–"
    else:
        said = f"at least {aim:.0f}" if task.aim is not None else f"above {aim:.0f}, the behaviour's mean"
        met = "yes" if (middle >= aim if task.aim is not None else middle > aim) else "no"
    cells = (
        task.what, task.learner, settings_of(task), f"{returns.mean():.0f}", bold(mine, stopped), said, met,
        shown(peers),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--d3rlpy", metavar="PYTHON", help="interpreter of d3rlpy's environment: `make d3rlpy`")
    parser.add_argument("--only", nargs="*", default=[], choices=[task.name for task in TASKS])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=processors())
    parser.add_argument("--write", action="store_true", help="put the table into docs/learning.md")
    arguments = parser.parse_args()
    started = time.perf_counter()
    lines = [
        "| data | learner | settings beside the defaults | data's mean return | ours | aim | met | d3rlpy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print(*lines, sep="\n", flush=True)
    for task in TASKS:
        if arguments.only and task.name not in arguments.only:
            continue
        mine = ours(task, arguments.seeds, arguments.jobs)
        print(f"  {task.name}, ours: {[round(score) for score in mine]}", file=sys.stderr, flush=True)
        peers = (
            theirs(task, arguments.d3rlpy, arguments.seeds, arguments.jobs) if task.peer and arguments.d3rlpy else []
        )
        print(f"  {task.name}, d3rlpy: {[round(score) for score in peers]}", file=sys.stderr, flush=True)
        lines.append(line_of(task, mine, peers, arguments.seeds - len(mine)))
        print(lines[-1], flush=True)
    print(f"{time.perf_counter() - started:.0f} s")
    if arguments.write:
        put(PAGE, "results", lines)


if __name__ == "__main__":
    main()
