"""Deep Q-network (Mnih et al. 2015): replay, a target network, epsilon-greedy.

Double by default (van Hasselt et al. 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rl_data.errors import SettingsError
from rl_data.online.policies import Greedy
from rl_data.online.stepping import SideBySide, Steps


@dataclass(frozen=True, slots=True)
class DQNConfig:
    """Settings; defaults are those of RL Baselines3 Zoo for CartPole and Acrobot, rounded.

    Attributes:
        steps: environment steps.
        environments: side by side.
        gamma: discount.
        learning_rate: of Adam.
        batch: transitions an update.
        buffer: transitions that are kept.
        warm_up: steps at random before the first update.
        updates: gradient updates an environment step.
        target_every: updates between two copies into the target network.
        epsilon, final_epsilon: share of random actions, linear over the first `exploration` of the steps.
        exploration: share of the steps after which epsilon stays.
        double: choose the next action with the online network.
        hidden: width of each hidden layer.
    """

    steps: int = 50_000
    environments: int = 4
    gamma: float = 0.99
    learning_rate: float = 1e-3
    batch: int = 128
    buffer: int = 100_000
    warm_up: int = 1_000
    updates: float = 0.25
    target_every: int = 250
    epsilon: float = 1.0
    final_epsilon: float = 0.05
    exploration: float = 0.3
    double: bool = True
    hidden: tuple[int, ...] = (128, 128)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingsError: a value is out of range.
        """
        for name in ("gamma", "epsilon", "final_epsilon", "exploration"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"{name} must be in [0, 1], not {getattr(self, name)}")
        for name in ("steps", "environments", "learning_rate", "batch", "buffer", "updates", "target_every"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be above 0, not {getattr(self, name)}")


class Replay:
    """The last transitions, in a ring."""

    def __init__(self, capacity: int, observations: int) -> None:
        self.observations = np.zeros((capacity, observations), np.float32)
        self.next_observations = np.zeros((capacity, observations), np.float32)
        self.actions = np.zeros(capacity, np.int64)
        self.rewards = np.zeros(capacity, np.float32)
        self.terminated = np.zeros(capacity, np.float32)
        self.added = 0

    def add(self, observations: NDArray[np.float32], actions: NDArray[Any], steps: Steps) -> None:
        """Keep n transitions. `truncated` is not kept: it stops no bootstrap, and the next observation is real."""
        places = (self.added + np.arange(len(actions))) % len(self.actions)
        self.observations[places], self.next_observations[places] = observations, steps.next_observations
        self.actions[places], self.rewards[places], self.terminated[places] = actions, steps.rewards, steps.terminated
        self.added += len(actions)

    def draw(self, count: int, draws: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return observations, actions, rewards, next observations, terminated; drawn with replacement."""
        places = draws.integers(min(self.added, len(self.actions)), size=count)
        columns = (self.observations, self.actions, self.rewards, self.next_observations, self.terminated)
        first, second, third, fourth, fifth = (torch.from_numpy(column[places]) for column in columns)
        return first, second, third, fourth, fifth


def td_loss(q: nn.Module, target: nn.Module, batch: tuple[Tensor, ...], gamma: float, double: bool) -> Tensor:
    """Return the Huber loss of r + gamma (1 - terminated) Qbar(s', a'), a' = argmax of Q (double) or of Qbar."""
    observations, actions, rewards, following, terminated = batch
    with torch.no_grad():
        values = target(following)
        chosen = (q(following) if double else values).argmax(1, keepdim=True)
        goal = rewards + gamma * (1.0 - terminated) * values.gather(1, chosen).squeeze(1)
    return nn.functional.smooth_l1_loss(q(observations).gather(1, actions.unsqueeze(1)).squeeze(1), goal)


def learn(
    env_id: str,
    config: DQNConfig,
    *,
    seed: int = 0,
    every: int = 1_000,
    snapshot: Callable[[int, Greedy], bool] | None = None,
    env_options: Mapping[str, Any] | None = None,
) -> Greedy:
    """Learn in the environment and return the greedy policy; arguments and errors as in `q_learning.learn`."""
    environments = SideBySide(env_id, config.environments, seed, env_options)
    if environments.action_space.kind != "discrete":
        raise SettingsError(f"{env_id} has continuous actions; dqn needs choices, use ppo")
    actions_count = environments.action_space.size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q, target = (network(environments.observations.shape[1], actions_count, config.hidden) for _ in range(2))
    target.load_state_dict(q.state_dict())
    policy = Greedy(q)
    optimiser = torch.optim.Adam(q.parameters(), config.learning_rate)
    replay = Replay(min(config.buffer, config.steps + config.environments), environments.observations.shape[1])
    draws = np.random.default_rng([seed, 2])
    updates, due, step = 0, 0.0, 0
    while step < config.steps:
        progress = min(1.0, step / max(1.0, config.exploration * config.steps))
        epsilon = config.epsilon + (config.final_epsilon - config.epsilon) * progress
        observations = environments.observations
        actions = policy.act(torch.from_numpy(observations)).numpy()
        at_random = draws.integers(actions_count, size=len(actions))
        actions = np.where(draws.random(len(actions)) < epsilon, at_random, actions)
        replay.add(observations, actions, environments.step(actions))
        before, step = step, step + config.environments
        due += config.updates * config.environments if step > config.warm_up else 0.0
        for _ in range(int(due)):
            loss = td_loss(q, target, replay.draw(config.batch, draws), config.gamma, config.double)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            nn.utils.clip_grad_norm_(q.parameters(), 10.0)
            optimiser.step()
            updates += 1
            if updates % config.target_every == 0:
                target.load_state_dict(q.state_dict())
        due -= int(due)
        if snapshot is not None and step // every > before // every and snapshot(step, policy):
            break
    environments.close()
    return policy


def network(observations: int, actions: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """Return Q: float32[N, d] -> float32[N, A], a ReLU network with torch's own initialisation."""
    sizes = (observations, *hidden)
    parts: list[nn.Module] = []
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(sizes[-1], actions))
