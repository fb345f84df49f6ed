"""Environments side by side for learning: one call steps all; the observation after a step is always the real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.record import make_environment, spaces_of, to_environment


@dataclass(frozen=True, slots=True)
class Steps:
    """What n environments said to n actions.

    Attributes:
        rewards: float64[n]
        next_observations: float32[n, d], the real ones, also where the episode ended.
        terminated, truncated: bool[n]
    """

    rewards: NDArray[np.float64]
    next_observations: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class SideBySide:
    """n environments of one kind; those whose episode is over are reset by `step`.

    There is no autoreset: `step` returns the observation that ended an episode, and `observations` then holds the first
    one of the next episode (the two that vector environments mix up).

    Attributes:
        observations: float32[n, d], where each environment stands.
        finished: undiscounted returns of the episodes that are over, in order.

    Raises:
        RecordError: the environment is unknown or of a kind that cannot be recorded.
    """

    def __init__(self, env_id: str, count: int, seed: int, env_options: Mapping[str, Any] | None = None) -> None:
        self.environments = [make_environment(env_id, env_options) for _ in range(count)]
        self.observation_space, self.action_space = spaces_of(self.environments[0])
        first = [
            environment.reset(seed=int(np.random.SeedSequence([seed, place]).generate_state(1)[0]))[0]
            for place, environment in enumerate(self.environments)
        ]
        self.observations = np.stack(first).astype(np.float32)
        self.finished: list[float] = []
        self._returns = np.zeros(count)

    def step(self, actions: NDArray[Any]) -> Steps:
        """Take one action in each environment, int[n] or float[n, k] in the canonical form."""
        if self.action_space.kind == "box":
            actions = np.clip(actions, self.action_space.low, self.action_space.high)
        count = len(self.environments)
        rewards, terminated, truncated = np.zeros(count), np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        following = np.empty_like(self.observations)
        for place, environment in enumerate(self.environments):
            answer = environment.step(to_environment(actions[place], environment))
            following[place], rewards[place], terminated[place], truncated[place], _ = answer
        self.observations = following.copy()
        self._returns += rewards
        for place in np.flatnonzero(terminated | truncated).tolist():
            self.observations[place] = self.environments[place].reset()[0]
            self.finished.append(float(self._returns[place]))
            self._returns[place] = 0.0
        return Steps(rewards, following, terminated, truncated)

    def close(self) -> None:
        """Close all environments."""
        for environment in self.environments:
            environment.close()
