"""Small tasks whose best policy is known, as recorded data."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch
from numpy.typing import NDArray

from rl_data.trajectories import Provenance, Space, Trajectories

CHAIN = 6
"""States of the chain: 0 .. 5; right of 5 is the goal, with reward 1, which ends the task."""

LEFT, RIGHT = 0, 1


def trajectories(episodes: list[dict[str, Any]], action_space: Space, **changes: Any) -> Trajectories:
    """Return recorded episodes; each has observations (one more than actions), actions, rewards, terminated."""
    lengths = [len(e["actions"]) for e in episodes]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = int(offsets[-1])
    last = offsets[1:] - 1
    flags = np.zeros((2, rows), dtype=bool)
    flags[0, last] = [e["terminated"] for e in episodes]
    flags[1, last] = [not e["terminated"] for e in episodes]
    observations = np.concatenate([e["observations"][:-1] for e in episodes]).astype(np.float32)
    following = np.zeros_like(observations)
    following[last] = [e["observations"][-1] for e in episodes]
    has_next = np.zeros(rows, dtype=bool)
    has_next[last] = True
    fields: dict[str, Any] = {
        "episode_ids": np.arange(len(episodes)),
        "offsets": offsets,
        "steps": np.concatenate([np.arange(n) for n in lengths]).astype(np.int32),
        "observations": observations,
        "actions": np.concatenate([e["actions"] for e in episodes]).astype(
            np.int32 if action_space.kind == "discrete" else np.float32
        ),
        "rewards": np.concatenate([e["rewards"] for e in episodes]).astype(np.float64),
        "terminated": flags[0],
        "truncated": flags[1],
        "source_rows": np.arange(rows),
        "observation_space": Space("box", observations.shape[1]),
        "action_space": action_space,
        "provenance": Provenance("canonical", "small.parquet"),
        "next_observations": following,
        "has_next": has_next,
    }
    return Trajectories(**{**fields, **changes})


def chain(episodes: int = 150, *, right: float = 0.5, limit: int = 12, seed: int = 0, **changes: Any) -> Trajectories:
    """Return episodes of a walk on the chain that goes right with the given probability.

    The observation is the one-hot state. Best is to go right everywhere.
    """
    rng = np.random.default_rng(seed)
    recorded = []
    for _ in range(episodes):
        state = int(rng.integers(CHAIN))
        states, terminated = [state], False
        actions: list[int] = []
        rewards: list[float] = []
        while len(actions) < limit and not terminated:
            action = int(rng.random() < right)
            state = max(state - 1, 0) if action == LEFT else state + 1
            terminated = state == CHAIN
            actions.append(action)
            rewards.append(float(terminated))
            states.append(min(state, CHAIN - 1))
        recorded.append(
            {"observations": np.eye(CHAIN)[states], "actions": actions, "rewards": rewards, "terminated": terminated}
        )
    return trajectories(recorded, Space("discrete", 2), **changes)


def chain_states() -> torch.Tensor:
    """Return the observation of each state, float32[6, 6]."""
    return torch.eye(CHAIN)


def chain_optimum(gamma: float) -> NDArray[np.float64]:
    """Return Q* of the chain, float64[6, 2], by value iteration on the task itself, not on data."""
    q = np.zeros((CHAIN, 2))
    for _ in range(1_000):
        best = q.max(1)
        for state in range(CHAIN):
            q[state, LEFT] = gamma * best[max(state - 1, 0)]
            q[state, RIGHT] = 1.0 if state == CHAIN - 1 else gamma * best[state + 1]
    return q


def pointing(episodes: int = 200, *, length: int = 4, seed: int = 0, **changes: Any) -> Trajectories:
    """Return episodes in which a random action in [-2, 2] is the better the nearer it is to the observation.

    Observations are uniform in [-1, 1] whatever was done; reward is -(action - observation)^2. Best is action =
    observation; the mean of the data is 0 everywhere.
    """
    rng = np.random.default_rng(seed)
    recorded = []
    for _ in range(episodes):
        observations = rng.uniform(-1, 1, (length + 1, 1))
        actions = rng.uniform(-2, 2, (length, 1))
        rewards = -np.square(actions - observations[:-1])[:, 0]
        recorded.append(
            {
                "observations": observations,
                "actions": actions,
                "rewards": rewards,
                "terminated": bool(rng.random() < 0.5),
            }
        )
    return trajectories(recorded, changes.pop("action_space", Space("box", 1, (-2.0,), (2.0,))), **changes)
