"""The peer of bench/learning.py, in d3rlpy's own environment: for each line on stdin, takes 100 steps.

    python bench/learning_d3rlpy.py LEARNER DATA.npz BATCH WIDTH

Prints "steps seconds". What is timed is what d3rlpy's `fit` does for a step, less its logging: draw a batch, update.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")  # gym's advice to move to gymnasium
logging.disable(logging.CRITICAL)
answers = sys.stdout
sys.stdout = sys.stderr  # d3rlpy logs there

import d3rlpy  # noqa: E402  # after the lines that keep it quiet
from d3rlpy.models.encoders import VectorEncoderFactory  # noqa: E402  # the same


def main() -> None:
    """Build the learner, then answer."""
    name, path, batch, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    encoder = VectorEncoderFactory([width, width])
    one = {"batch_size": batch, "encoder_factory": encoder}
    two = {"batch_size": batch, "actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
    config = {
        "bc": lambda: d3rlpy.algos.DiscreteBCConfig(**one),
        "dqn": lambda: d3rlpy.algos.DoubleDQNConfig(**one),
        "cql": lambda: d3rlpy.algos.DiscreteCQLConfig(**one),
        "iql": lambda: d3rlpy.algos.IQLConfig(**two, value_encoder_factory=encoder),
        "td3_bc": lambda: d3rlpy.algos.TD3PlusBCConfig(**two),
    }[name]()
    arrays = np.load(path)
    actions = arrays["actions"]
    dataset = d3rlpy.dataset.MDPDataset(
        arrays["observations"],
        actions[:, None] if actions.ndim == 1 else actions,
        arrays["rewards"],
        arrays["terminals"].astype(np.float32),
    )
    learner = config.create(device="cpu:0")
    learner.build_with_dataset(dataset)
    for _ in sys.stdin:
        started = time.perf_counter()
        for _ in range(100):
            learner.update(dataset.sample_transition_batch(batch))
        print(100, time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
