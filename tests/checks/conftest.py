"""Recorded data that several tests of checks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rl_data.record import record
from rl_data.trajectories import Trajectories


@dataclass(frozen=True)
class Balancer:
    """Keeps CartPole's pole upright for all 500 steps, but for a share of random actions."""

    random: float = 0.0
    name: str = "balancer"

    def sample(self, observations: NDArray[np.float32], draws: Any) -> tuple[NDArray[Any], None]:
        lean = observations @ np.array([0.05, 0.1, 1.0, 0.5], dtype=np.float32)
        actions = (lean > 0).astype(np.int32)
        drawn = np.array([draw.integers(2) if draw.random() < self.random else -1 for draw in draws])
        return np.where(drawn < 0, actions, drawn).astype(np.int32), None


@pytest.fixture(scope="session")
def cartpole() -> Trajectories:
    """CartPole under random actions, 20,000 steps."""
    return record("CartPole-v1", steps=20_000, seed=1)


@pytest.fixture(scope="session")
def cartpole_expert() -> Trajectories:
    """CartPole balanced for 500 steps, 30 times."""
    return record("CartPole-v1", Balancer(), episodes=30, seed=2)


@pytest.fixture(scope="session")
def cartpole_mixed() -> Trajectories:
    """CartPole balanced, with half of the actions random."""
    return record("CartPole-v1", Balancer(0.5), episodes=60, seed=3)


@pytest.fixture(scope="session")
def pendulum() -> Trajectories:
    """Pendulum under random actions, 20 episodes of 200 steps."""
    return record("Pendulum-v1", episodes=20, seed=4)
