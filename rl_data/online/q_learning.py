"""Tabular Q-learning (Watkins 1989): Q(s, a) += alpha (r + gamma (1 - terminated) max Q(s', .) - Q(s, a)).

Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.errors import SettingsError
from rl_data.online.stepping import SideBySide
from rl_data.record import Draws
from rl_data.trajectories import Space


@dataclass(frozen=True, slots=True)
class QLearningConfig:
    """Settings (Sutton and Barto 2018, chapter 6.5).

    Attributes:
        steps: environment steps.
        gamma: discount.
        learning_rate: alpha, constant.
        epsilon, final_epsilon: share of random actions, linear over the first `exploration` of the steps.
        exploration: share of the steps after which epsilon stays.
        bins: cells a dimension of a box; choices (one-hot) need none.
        bound: where a dimension without bounds ends, in its own units.
    """

    steps: int = 50_000
    gamma: float = 0.99
    learning_rate: float = 0.1
    epsilon: float = 1.0
    final_epsilon: float = 0.05
    exploration: float = 0.5
    bins: int = 8
    bound: float = 3.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingsError: a value is out of range.
        """
        for name in ("gamma", "learning_rate", "epsilon", "final_epsilon", "exploration"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"{name} must be in [0, 1], not {getattr(self, name)}")
        if self.steps < 1 or self.bins < 2:
            raise SettingsError("steps must be at least 1, bins at least 2")


class Cells:
    """Which cell of the table an observation lies in.

    Raises:
        SettingsError: the table would have more than ten million cells.
    """

    def __init__(self, space: Space, config: QLearningConfig) -> None:
        low, high = np.array(space.low), np.array(space.high)
        self.one_hot = space.size > 1 and bool((low == 0).all() and (high == 1).all())
        self.low = np.where(np.abs(low) > 1e3, -config.bound, low)
        self.width = np.where(np.abs(high) > 1e3, config.bound, high) - self.low
        self.bins = config.bins
        self.count = space.size if self.one_hot else config.bins**space.size
        if self.count > 10_000_000:
            raise SettingsError(f"{config.bins} bins in {space.size} dimensions are {self.count} cells; use dqn")

    def __call__(self, observations: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return int64[n] for float32[n, d]."""
        if self.one_hot:
            return np.asarray(observations.argmax(1))
        places = ((observations - self.low) / self.width * self.bins).astype(np.int64).clip(0, self.bins - 1)
        return np.asarray(places @ (self.bins ** np.arange(places.shape[1])))


@dataclass(frozen=True, slots=True)
class TableActor:
    """Greedy in a table Q[cell, action], with a share of random actions; a `rl_data.record.Actor`."""

    cells: Cells
    q: NDArray[np.float64]
    epsilon: float = 0.0
    name: str = "q-learning"

    def probabilities(self, observations: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return float64[n, A]; equally good actions share the probability."""
        values = self.q[self.cells(observations)]
        best = values == values.max(1, keepdims=True)
        return np.asarray((1 - self.epsilon) * best / best.sum(1, keepdims=True) + self.epsilon / values.shape[1])

    def sample(self, observations: NDArray[np.float32], draws: Draws) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Draw one action for each observation; see `rl_data.record.Actor`."""
        return choose(self.probabilities(observations), draws)


def choose(probabilities: NDArray[np.float64], draws: Draws) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return one action a row of float64[n, A], by inverting the cumulative distribution, and its log-probability."""
    uniform = np.array([draw.random() for draw in draws])
    cumulative = probabilities.cumsum(1)
    actions = (uniform[:, None] * cumulative[:, -1:] >= cumulative).sum(1).clip(max=probabilities.shape[1] - 1)
    with np.errstate(divide="ignore"):
        log_probs = np.log(probabilities[np.arange(len(actions)), actions])
    return actions.astype(np.int32), log_probs


def learn(
    env_id: str,
    config: QLearningConfig,
    *,
    seed: int = 0,
    every: int = 1_000,
    snapshot: Callable[[int, TableActor], bool] | None = None,
    env_options: Mapping[str, Any] | None = None,
) -> TableActor:
    """Learn a table in the environment and return the greedy actor.

    Args:
        env_id: of Gymnasium; its actions must be choices.
        config: the settings.
        seed: of environment and exploration.
        every: steps between two calls of `snapshot`.
        snapshot: gets the steps so far and a greedy actor of now; learning stops when it returns True.
        env_options: further arguments of `gymnasium.make`.

    Raises:
        RecordError: the environment cannot be made.
        SettingsError: its actions are not choices, or the table would be too large.
    """
    environment = SideBySide(env_id, 1, seed, env_options)
    if environment.action_space.kind != "discrete":
        raise SettingsError(f"{env_id} has continuous actions; q-learning needs choices, use ppo")
    cells = Cells(environment.observation_space, config)
    q = np.zeros((cells.count, environment.action_space.size))
    draws = np.random.default_rng([seed, 1])
    for step in range(1, config.steps + 1):
        progress = min(1.0, step / max(1.0, config.exploration * config.steps))
        epsilon = config.epsilon + (config.final_epsilon - config.epsilon) * progress
        actor = TableActor(cells, q, epsilon)
        cell = cells(environment.observations)[0]
        actions, _ = actor.sample(environment.observations, [draws])
        answer = environment.step(actions)
        best = 0.0 if answer.terminated[0] else q[cells(answer.next_observations)[0]].max()
        q[cell, actions[0]] += config.learning_rate * (answer.rewards[0] + config.gamma * best - q[cell, actions[0]])
        if snapshot is not None and step % every == 0 and snapshot(step, TableActor(cells, q.copy())):
            break
    environment.close()
    return TableActor(cells, q)
