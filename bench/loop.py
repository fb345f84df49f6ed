"""The headline: what planted defects cost, and what the audit's own cleaning wins back: `make bench-loop`.

    python bench/loop.py [--seeds 5] [--only NAME ...] [--updates 5000] [--jobs 2] [--write]

The settings of both learners were chosen on clean data, CartPole's on the very set that is used here (seed 100): there
must be something to lose. For each defect: the set is corrupted (seed 0), audited and cleaned with every repair that
the checks propose, as `audit learn` does by default. Nothing that the injector knows is used. Then policies are learned
from the raw, the clean and the pristine set, and from a control: raw, less as many random steps (in whole episodes) as
cleaning took away. Policies are played in the real environment. `--write` puts the table into docs/learning.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pages import put

from audit.learning.comparison import arm_of, recovered_share
from audit.learning.loop import clean_by_every_repair
from audit.learning.sets import thinned
from rl_data.corrupt import inject
from rl_data.formats import write_canonical
from rl_data.processors import processors
from rl_data.record import record
from rl_data.trajectories import Trajectories
from rl_data.trial import Outcome, Trial, run_trials

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "learning.md"


@dataclass(frozen=True)
class Task:
    """An environment, its data and its learner; settings as measured on clean data, the same for every defect."""

    name: str
    environment: str
    steps: int
    learner: str
    options: dict[str, object]
    data_seed: int


CARTPOLE = Task("CartPole, 40,000 random steps, CQL", "CartPole-v1", 40_000, "cql",
                {"network": {"width": 128, "activation": "tanh"}, "learning_rate": 3e-4}, 100)  # fmt: skip
PENDULUM = Task("Pendulum, 4,000 random steps, TD3+BC alpha 100", "Pendulum-v1", 4_000, "td3_bc",
                {"alpha": 100.0, "learning_rate": 1e-3, "target_rate": 0.01}, 0)  # fmt: skip


@dataclass(frozen=True)
class Defect:
    """A defect at a rate; `aim` is the share of the loss that cleaning should recover."""

    label: str
    name: str
    rate: float
    task: Task
    aim: float

    @property
    def address(self) -> str:
        """The defect and the environment, as `--only` takes them."""
        return f"{self.name}:{self.task.environment.split('-')[0]}"


DEFECTS = (
    Defect("terminals zeroed, all", "term_all_zero", 1.0, CARTPOLE, 0.9),
    Defect("action lag, all episodes", "act_lag1", 1.0, CARTPOLE, 0.9),
    Defect("next observation copied, all", "next_observation_copied", 1.0, CARTPOLE, 0.9),
    Defect("boundaries merged, all", "boundary_merge", 1.0, CARTPOLE, 0.9),
    Defect("angles in degrees, 30% of episodes", "obs_units", 0.3, CARTPOLE, 0.8),
    Defect("angles in degrees, 30% of steps", "obs_units_steps", 0.3, CARTPOLE, 0.8),
    Defect("reward sign, 30% of episodes", "reward_sign", 0.3, CARTPOLE, 0.8),
    Defect("reward sign, 30% of episodes", "reward_sign", 0.3, PENDULUM, 0.8),
    Defect("action lag, all episodes", "act_lag1", 1.0, PENDULUM, 0.9),
)


@dataclass(frozen=True)
class Sets:
    """The data of one defect, and what cleaning did."""

    raw: Trajectories
    clean: Trajectories
    control: Trajectories | None
    rules: tuple[str, ...]


def cleaned(raw: Trajectories, folder: Path, seed: int) -> Sets:
    """Clean by every repair that the checks propose; no other knowledge enters."""
    done = clean_by_every_repair(raw, folder)
    lost = raw.rows - done.clean.rows
    control = thinned(raw, lost, np.random.default_rng(seed)) if lost > 0 else None
    return Sets(raw, done.clean, control, tuple(f"{rule.code} {rule.kind}" for rule in done.applied))


def trials_of(arm: str, path: Path, task: Task, seeds: int, updates: int) -> list[Trial]:
    """Return a trial a seed."""
    return [
        Trial(arm, path, task.learner, task.options, seed, updates, environment=task.environment, curve_points=1,
              curve_episodes=0)
        for seed in range(seeds)
    ]  # fmt: skip


def line_of(defect: Defect, sets: Sets, outcomes: dict[str, Sequence[Outcome]]) -> str:
    """Return a defect's line of the table."""
    arms = {name: arm_of(name, "", (0, 0), found, 0) for name, found in outcomes.items() if found}

    def shown(name: str) -> str:
        arm = arms.get(name)
        if arm is None:
            return "–"
        if arm.iqm is None:
            return f"nothing learned: {arm.seeds[0].problem[:60]}"
        scores = sorted(s.mean_return for s in arm.seeds if s.mean_return is not None)
        low, high = np.quantile(scores, [0.25, 0.75])
        return f"{np.median(scores):.0f} ({low:.0f} to {high:.0f})"

    recovered = recovered_share(arms["raw"], arms["clean"], arms["pristine"])
    if recovered is None and arms["raw"].iqm is None and arms["clean"].iqm and arms["pristine"].iqm:
        recovered = arms["clean"].iqm / arms["pristine"].iqm
    share = "no loss" if recovered is None else f"{recovered:.0%}"
    met = "–" if recovered is None else "yes" if recovered >= defect.aim else "no"
    rules = ", ".join(dict.fromkeys(sets.rules)) or "nothing"
    return (
        f"| {defect.task.environment.split('-')[0]}: {defect.label} | {shown('raw')} | {shown('clean')} | "
        f"{shown('pristine')} | {shown('control')} | **{share}** | {defect.aim:.0%} | {met} | {rules} |"
    )


def main() -> None:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=5_000)
    parser.add_argument("--only", nargs="*", default=[], help="names of defects; name:CartPole for one environment")
    parser.add_argument("--jobs", type=int, default=processors())
    parser.add_argument("--write", action="store_true", help="put the table into docs/learning.md")
    arguments = parser.parse_args()
    chosen = [d for d in DEFECTS if not arguments.only or {d.name, d.address} & set(arguments.only)]
    started = time.perf_counter()
    head = [
        "| defect | raw | cleaned | pristine | control | recovered | aim: at least | met | repairs made |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print(*head, sep="\n", flush=True)
    lines = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pristine: dict[str, tuple[Trajectories, Sequence[Outcome]]] = {}
        for number, defect in enumerate(chosen):
            task = defect.task
            if task.name not in pristine:
                data = record(task.environment, steps=task.steps, seed=task.data_seed)
                write_canonical(data, folder / f"{task.environment}.parquet")
                trials = trials_of("pristine", folder / f"{task.environment}.parquet", task, arguments.seeds,
                                   arguments.updates)  # fmt: skip
                pristine[task.name] = data, run_trials(trials, workers=arguments.jobs)
            own = folder / str(number)
            own.mkdir()
            sets = cleaned(inject(defect.name, pristine[task.name][0], rate=defect.rate, seed=0).trajectories, own, 0)
            trials = []
            for arm in ("raw", "clean", "control"):
                if (data_of := getattr(sets, arm)) is not None:
                    write_canonical(data_of, own / f"{arm}.parquet")
                    trials += trials_of(arm, own / f"{arm}.parquet", task, arguments.seeds, arguments.updates)
            found = run_trials(trials, workers=arguments.jobs)
            outcomes: dict[str, Sequence[Outcome]] = {
                arm: [o for o in found if o.trial.arm == arm] for arm in ("raw", "clean", "control")
            }
            lines.append(line_of(defect, sets, {**outcomes, "pristine": pristine[task.name][1]}))
            print(lines[-1], flush=True)
    print(f"{time.perf_counter() - started:.0f} s", flush=True)
    if arguments.write:
        said = f"{arguments.seeds} seeds, {arguments.updates:,} updates; median over seeds (quartiles)."
        put(PAGE, "loop", [said, "", *head, *lines])


if __name__ == "__main__":
    main()
