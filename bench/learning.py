"""Measure advantages against torchrl and against the machine; and training against d3rlpy: `make bench-learning`.

The functions of a table take turns within one run, after a warm-up, so that a change of the machine's speed hits all of
them; medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

STEPS, EPISODES = 1_000_000, 1_000
AIM_TORCHRL, AIM_ADD = 15.0, 0.4


def seconds(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each function over rounds in which they take turns."""
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
    peers = {
        name: seconds({name: peer(getattr(functional, name))}, rounds=3)[name]
        for name in ("vec_generalized_advantage_estimate", "generalized_advantage_estimate")
    }
    fastest = min(peers, key=peers.__getitem__)
    ratio, share = peers[fastest] / quick["ours"], quick["add"] / quick["ours"]
    print(f"advantages of {STEPS:,} float32 steps in {EPISODES:,} ragged episodes")
    print(f"  ours                                {quick['ours'] * 1e3:10.2f} ms")
    print(
        f"  adding three float32 arrays (NumPy) {quick['add'] * 1e3:10.2f} ms   speed of ours {share:.2f} x (aim {AIM_ADD})"
    )
    for name, taken in peers.items():
        print(f"  torchrl {name:36s} {taken * 1e3:10.2f} ms")
    print(f"  fastest of torchrl / ours: {ratio:.1f} x (aim {AIM_TORCHRL:g})")
    return ratio >= AIM_TORCHRL and share >= AIM_ADD


def main() -> None:
    """Parse the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    measure_advantages()


if __name__ == "__main__":
    main()
