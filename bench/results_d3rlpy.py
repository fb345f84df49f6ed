"""The peer of bench/results.py, in d3rlpy's own environment: learn once, play episodes, print their returns.

    python bench/results_d3rlpy.py DATA.npz SETTINGS

SETTINGS is JSON: learner, options, updates, seed, environment, and the seeds of the episodes to play.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any

import numpy as np

warnings.simplefilter("ignore")  # gym's advice to move to gymnasium
logging.disable(logging.CRITICAL)
answers = sys.stdout
sys.stdout = sys.stderr  # d3rlpy logs there

import d3rlpy  # noqa: E402  # after the lines that keep it quiet
import gymnasium  # noqa: E402  # the same
import torch  # noqa: E402  # the same
from d3rlpy.models.encoders import VectorEncoderFactory  # noqa: E402  # the same

BATCH = 256


def config_of(learner: str, options: dict[str, Any]) -> Any:
    """Return d3rlpy's configuration with our settings; what we do not set is d3rlpy's own."""
    network = options.get("network", {})
    width = network.get("width", 256)
    encoder = VectorEncoderFactory([width, width], activation=network.get("activation", "relu"))
    common = {"batch_size": BATCH, "observation_scaler": d3rlpy.preprocessing.StandardObservationScaler()}
    rate = options.get("learning_rate", 1e-3)
    if learner == "bc":
        return d3rlpy.algos.DiscreteBCConfig(learning_rate=rate, encoder_factory=encoder, **common)
    if learner == "cql":  # its target is copied; every 100 updates is as slow as our 0.01 an update
        return d3rlpy.algos.DiscreteCQLConfig(
            learning_rate=rate, gamma=options.get("gamma", 0.97), alpha=options.get("alpha", 1.0),
            target_update_interval=100, encoder_factory=encoder, **common,
        )  # fmt: skip
    return d3rlpy.algos.TD3PlusBCConfig(
        actor_learning_rate=rate, critic_learning_rate=rate, gamma=options.get("gamma", 0.99), alpha=options["alpha"],
        tau=options["target_rate"], actor_encoder_factory=encoder, critic_encoder_factory=encoder,
        action_scaler=d3rlpy.preprocessing.MinMaxActionScaler(), **common,
    )  # fmt: skip


def main() -> None:
    """Learn and play."""
    said = json.loads(sys.argv[2])
    torch.set_num_threads(1)
    d3rlpy.seed(said["seed"])
    arrays = np.load(sys.argv[1])
    actions = arrays["actions"]
    dataset = d3rlpy.dataset.MDPDataset(
        arrays["observations"].astype(np.float32),
        actions.reshape(len(actions), -1).astype(np.int64 if actions.dtype.kind == "i" else np.float32),
        arrays["rewards"].astype(np.float32),
        arrays["terminals"].astype(np.float32),
        arrays["timeouts"].astype(np.float32),
    )
    learner = config_of(said["learner"], said["options"]).create(device="cpu:0")
    for scaler in (learner.config.observation_scaler, learner.config.action_scaler):
        if scaler is not None:  # as its `fit` does
            scaler.fit_with_transition_picker(dataset.episodes, dataset.transition_picker)
    learner.build_with_dataset(dataset)
    for _ in range(said["updates"]):
        learner.update(dataset.sample_transition_batch(BATCH))
    environment = gymnasium.make(said["environment"])
    returns = []
    for reset in said["resets"]:
        observation, _ = environment.reset(seed=reset)
        total, over = 0.0, False
        while not over:
            action = learner.predict(np.asarray(observation, np.float32)[None])[0]
            observation, reward, terminated, truncated, _ = environment.step(action)
            total += float(reward)
            over = terminated or truncated
        returns.append(total)
    print(json.dumps(returns), file=answers, flush=True)


if __name__ == "__main__":
    main()
