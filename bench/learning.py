"""Measure advantages against torchrl and against the machine; and training against d3rlpy: `make bench-learning`.

The functions of a table take turns within one run, after a warm-up, so that a change of the machine's speed hits all of
them; medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

STEPS, EPISODES = 1_000_000, 1_000
AIM_TORCHRL, AIM_ADD = 15.0, 0.4


def seconds(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each function over rounds in which they take turns, after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure_advantages() -> bool:
    """Print the table of advantages; return whether both aims are met."""
    from torchrl.objectives.value import functional

    from rl_data.gae import advantages

    rng = np.random.default_rng(0)
    cuts = np.sort(rng.choice(STEPS - 1, EPISODES - 1, replace=False) + 1)
    offsets = np.concatenate([[0], cuts, [STEPS]]).astype(np.int64)
    rewards, values, next_values = rng.standard_normal((3, STEPS)).astype(np.float32)
    flags = np.zeros((2, STEPS), bool)
    flags[0, offsets[1::2] - 1] = True
    flags[1, offsets[2::2] - 1] = True
    out = np.empty(STEPS, np.float32)

    # torchrl gets the same rows as one sequence in which `done` marks the ends: the fastest form that it has for them
    column = {"r": rewards, "v": values, "n": next_values, "done": flags.any(0), "end": flags[0]}
    t = {name: torch.from_numpy(array)[:, None] for name, array in column.items()}
    t["done"][-1] = True

    def add_three() -> None:
        np.add(rewards, values, out=out)
        np.add(out, next_values, out=out)

    def peer(function: Callable[..., Any]) -> Callable[[], Any]:
        return lambda: function(0.99, 0.95, t["v"], t["n"], t["r"], done=t["done"], terminated=t["end"])

    quick = seconds(
        {
            "ours": lambda: advantages(rewards, values, next_values, flags[0], flags[1], offsets, gamma=0.99, lam=0.95),
            "add": add_three,
        },
        rounds=101,
    )
    peers = {}
    for name in ("vec_generalized_advantage_estimate", "generalized_advantage_estimate"):
        function = peer(getattr(functional, name))
        started = time.perf_counter()
        function()
        once = time.perf_counter() - started
        peers[name] = once if once > 3.0 else seconds({name: function}, rounds=3)[name]  # a slow one is not waited for
    fastest = min(peers, key=peers.__getitem__)
    ratio, share = peers[fastest] / quick["ours"], quick["add"] / quick["ours"]
    print(f"advantages of {STEPS:,} float32 steps in {EPISODES:,} ragged episodes")
    print(f"  ours                                {quick['ours'] * 1e3:10.2f} ms")
    print(f"  adding three float32 arrays (NumPy) {quick['add'] * 1e3:10.2f} ms")
    print(f"  speed of ours / adding: {share:.2f} x (aim {AIM_ADD})")
    for name, taken in peers.items():
        print(f"  torchrl {name:36s} {taken * 1e3:10.2f} ms")
    print(f"  fastest of torchrl / ours: {ratio:.1f} x (aim {AIM_TORCHRL:g})")
    return ratio >= AIM_TORCHRL and share >= AIM_ADD


LEARNERS = ("bc", "dqn", "cql", "iql", "td3_bc")
AIM_D3RLPY = 3.0
BATCH, WIDTH, ROWS = 256, 256, 20_000


def recorded(rng: np.random.Generator, discrete: bool) -> dict[str, Any]:
    """Return random transitions in 200 episodes of 100 steps, as arrays."""
    ends = np.zeros(ROWS, dtype=bool)
    ends[99::100] = True
    actions = rng.integers(0, 4, ROWS) if discrete else rng.uniform(-1, 1, (ROWS, 3)).astype(np.float32)
    observations = rng.standard_normal((ROWS, 8)).astype(np.float32)
    return {
        "observations": observations, "actions": actions, "rewards": rng.standard_normal(ROWS).astype(np.float32),
        "terminals": ends,
    }  # fmt: skip


class Ours:
    """A learner of ours, step by step as the loop takes them."""

    def __init__(self, name: str, data: dict[str, Any], steps: int) -> None:
        from rl_data.checkpoints import create
        from rl_data.training import Sampler, Settings
        from rl_data.transitions import Problem, Transitions

        t = {field: torch.from_numpy(array) for field, array in data.items()}
        k = 4 if t["actions"].ndim == 1 else 3
        bounds = (None, None) if t["actions"].ndim == 1 else ((-1.0,) * k, (1.0,) * k)
        rows = Transitions(
            t["observations"], t["actions"], t["rewards"], t["observations"].roll(-1, 0), t["terminals"],
            torch.zeros(ROWS, dtype=torch.bool), torch.arange(0, ROWS + 1, 100),
            torch.arange(ROWS // 100), torch.ones(ROWS // 100, dtype=torch.bool), Problem(8, k == 4, k, *bounds),
        )  # fmt: skip
        self.learner = create(name, rows.problem, {"network": {"width": WIDTH}})
        prepared = self.learner.prepare(rows)
        self.learner.build_optimisers(steps)
        self.learner.generator = torch.Generator()
        self.sampler = Sampler(rows, self.learner, prepared, Settings(steps=steps, batch_size=BATCH))
        self.stretch = 0

    def run(self) -> tuple[int, float]:
        """Take 100 steps, with the drawing of their batches; return (steps, seconds)."""
        started = time.perf_counter()
        batches = self.sampler.batches(self.stretch)
        for i, batch in enumerate(batches):
            self.learner.update(batch, self.stretch * len(batches) + i)
        self.stretch += 1
        return len(batches), time.perf_counter() - started


def measure_training(python: str, rounds: int) -> bool:
    """Print the table of training; return whether the aim is met by all learners."""
    rng = np.random.default_rng(0)
    met = True
    print(f"training: batch {BATCH}, 2 x {WIDTH} units, {ROWS:,} rows, {torch.get_num_threads()} threads, CPU")
    with tempfile.TemporaryDirectory() as folder:
        for name in LEARNERS:
            data = recorded(rng, name in ("bc", "dqn", "cql"))
            path = Path(folder) / f"{name}.npz"
            np.savez(path, **data)
            peer = subprocess.Popen(
                [python, str(Path(__file__).with_name("learning_d3rlpy.py")), name, str(path), str(BATCH), str(WIDTH)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert peer.stdin is not None
            assert peer.stdout is not None
            ours = Ours(name, data, 100 * (rounds + 1))
            speeds: dict[str, list[float]] = {"ours": [], "d3rlpy": []}
            for i in range(rounds + 1):
                steps, taken = ours.run()
                print("go", file=peer.stdin, flush=True)
                answer = peer.stdout.readline()
                if not answer:
                    sys.exit(f"d3rlpy's process ended; try: {python} bench/learning_d3rlpy.py {name} ...")
                their_steps, their_taken = map(float, answer.split())
                if i:  # the first round warms up
                    speeds["ours"].append(steps / taken)
                    speeds["d3rlpy"].append(their_steps / their_taken)
            peer.stdin.close()
            peer.wait()
            mine, theirs = (statistics.median(speeds[who]) for who in ("ours", "d3rlpy"))
            met &= mine >= AIM_D3RLPY * theirs
            ratio = f"{mine / theirs:5.2f} x (aim {AIM_D3RLPY:g})"
            print(f"  {name:7s} ours {mine:7.0f} steps/s   d3rlpy {theirs:7.0f}   {ratio}", flush=True)
    return met


def main() -> None:
    """Parse the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--d3rlpy", metavar="PYTHON", help="interpreter of d3rlpy's environment: `make d3rlpy`")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=("advantages", "training"))
    arguments = parser.parse_args()
    if arguments.only != "training":
        measure_advantages()
    if arguments.only != "advantages" and arguments.d3rlpy:
        measure_training(arguments.d3rlpy, arguments.rounds)


if __name__ == "__main__":
    main()
