"""Proximal policy optimisation (Schulman et al. 2017): clipped objective, GAE, several epochs of minibatches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rl_data.errors import SettingsError
from rl_data.gae import advantages
from rl_data.online.policies import Categorical, SquashedGaussian, layers
from rl_data.online.stepping import SideBySide


@dataclass(frozen=True, slots=True)
class PPOConfig:
    """Settings; defaults are those of RL Baselines3 Zoo for CartPole-v1.

    Attributes:
        steps: environment steps.
        environments: side by side.
        horizon: steps of each environment between two updates.
        epochs: passes over these steps.
        batch: transitions a minibatch.
        gamma: discount, 0.9 .. 0.9999.
        lam: lambda of GAE, 0.9 .. 1; 0: low variance, biased by the critic; 1: the reverse.
        clip: largest change of the probability ratio, 0.1 .. 0.3.
        learning_rate: of Adam, 3e-5 .. 3e-3.
        anneal: learning rate and clip fall to zero, linearly.
        entropy: weight of the policy's entropy.
        value: weight of the critic's loss.
        max_grad_norm: gradients of policy and of critic are scaled down to it.
        log_std: of the Gaussian policy at the start.
        hidden: width of each hidden layer, of policy and critic.
    """

    steps: int = 100_000
    environments: int = 8
    horizon: int = 32
    epochs: int = 20
    batch: int = 256
    gamma: float = 0.98
    lam: float = 0.8
    clip: float = 0.2
    learning_rate: float = 1e-3
    anneal: bool = True
    entropy: float = 0.0
    value: float = 0.5
    max_grad_norm: float = 0.5
    log_std: float = 0.0
    hidden: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingsError: a value is out of range.
        """
        for name in ("gamma", "lam"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"{name} must be in [0, 1], not {getattr(self, name)}")
        for name in ("steps", "environments", "horizon", "epochs", "batch", "clip", "learning_rate", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Rollout:
    """Steps of all environments, one environment after the other.

    Attributes:
        observations: float32[N, d]
        actions: int64[N] or float32[N, k]
        log_probs, advantages, returns: float32[N]; returns are advantages + values (lambda-returns).
    """

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor


def collect(
    environments: SideBySide,
    policy: Categorical | SquashedGaussian,
    critic: nn.Module,
    config: PPOConfig,
    draws: torch.Generator,
) -> Rollout:
    """Act for `horizon` steps in each environment; advantages bootstrap from the real last observation."""
    columns: list[list[Tensor]] = [[] for _ in range(7)]
    for _ in range(config.horizon):
        observations = torch.from_numpy(environments.observations.copy())
        actions = policy.sample(observations, draws)
        answer = environments.step(actions.numpy())
        row = (observations, actions, policy.log_prob(observations, actions), answer.rewards, answer.next_observations)
        for column, part in zip(columns, (*row, answer.terminated, answer.truncated), strict=True):
            column.append(torch.as_tensor(part))
    seen, actions, log_probs, rewards, following, terminated, truncated = (
        torch.stack(column).transpose(0, 1).flatten(0, 1) for column in columns
    )
    truncated[config.horizon - 1 :: config.horizon] = True  # the recording stops here, the episode may go on
    with torch.no_grad():
        values, next_values = (critic(policy.scale(at)).squeeze(1) for at in (seen, following))
    found = advantages(
        rewards.float().numpy(), values.numpy(), next_values.numpy(), terminated.numpy(), truncated.numpy(),
        np.arange(0, len(seen) + 1, config.horizon),
        gamma=config.gamma, lam=config.lam,
    )  # fmt: skip
    gains = torch.from_numpy(np.asarray(found, dtype=np.float32))
    return Rollout(seen, actions, log_probs, gains, gains + values)


def clipped_loss(log_probs: Tensor, old_log_probs: Tensor, gains: Tensor, clip: float) -> Tensor:
    """Return -E[min(r A, clip(r, 1 - c, 1 + c) A)], r = pi / pi_old (eq. 7)."""
    ratio = (log_probs - old_log_probs).exp()
    return -torch.min(ratio * gains, ratio.clamp(1.0 - clip, 1.0 + clip) * gains).mean()


def learn(
    env_id: str,
    config: PPOConfig,
    *,
    seed: int = 0,
    every: int = 1_000,
    snapshot: Callable[[int, Categorical | SquashedGaussian], bool] | None = None,
    env_options: Mapping[str, Any] | None = None,
) -> Categorical | SquashedGaussian:
    """Learn in the environment and return the policy; arguments and errors as in `q_learning.learn`.

    `snapshot` gets the policy that goes on learning: who keeps it must copy it.
    """
    environments = SideBySide(env_id, config.environments, seed, env_options)
    space, size = environments.action_space, environments.observation_space.size
    policy: Categorical | SquashedGaussian
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if space.kind == "discrete":
            policy = Categorical(size, space.size, config.hidden)
        else:
            policy = SquashedGaussian(size, space, config.hidden, config.log_std)
        critic = layers(size, 1, config.hidden)
    optimiser = torch.optim.Adam([*policy.parameters(), *critic.parameters()], config.learning_rate, eps=1e-5)
    draws = torch.Generator().manual_seed(seed)
    step = 0
    while step < config.steps:
        left = 1.0 - step / config.steps if config.anneal else 1.0
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * left
        rollout = collect(environments, policy, critic, config, draws)
        _update((policy, critic), optimiser, rollout, replace(config, clip=config.clip * left), draws)
        policy.scale.see(rollout.observations)
        before, step = step, step + config.horizon * config.environments
        if snapshot is not None and step // every > before // every and snapshot(step, policy):
            break
    environments.close()
    return policy


def _update(
    networks: tuple[Categorical | SquashedGaussian, nn.Module],
    optimiser: torch.optim.Optimizer,
    rollout: Rollout,
    config: PPOConfig,
    draws: torch.Generator,
) -> None:
    policy, critic = networks
    for _ in range(config.epochs):
        for rows in torch.split(torch.randperm(len(rollout.returns), generator=draws), config.batch):
            seen, gains = rollout.observations[rows], rollout.advantages[rows]
            gains = (gains - gains.mean()) / (gains.std(unbiased=False) + 1e-8)
            log_probs, entropy = policy.differentiable_log_prob(seen, rollout.actions[rows])
            error = critic(policy.scale(seen)).squeeze(1) - rollout.returns[rows]
            loss = clipped_loss(log_probs, rollout.log_probs[rows], gains, config.clip)
            loss = loss + config.value * error.square().mean() - config.entropy * entropy.mean()
            optimiser.zero_grad()
            loss.backward()
            for part in networks:  # apart: the critic's errors have the scale of the returns
                nn.utils.clip_grad_norm_(part.parameters(), config.max_grad_norm)
            optimiser.step()
