"""TD3+BC (Fujimoto and Gu, arXiv 2106.06860): TD3's critics, and a policy held to the data by a squared error."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from rl_data.learners.base import Batch, Learner, Metrics, adam, check_range
from rl_data.networks import MLP, Architecture, Ensemble, follow
from rl_data.transitions import Problem


@dataclass(frozen=True, slots=True)
class TD3BCConfig:
    """Options of TD3+BC; the defaults are the paper's.

    Attributes:
        network: of policy and critics.
        gamma: discount.
        alpha: weight of the values against the squared error. 2.5 suits data of experts; data of a random policy need
            far more (Pendulum from random steps: 2.5 imitates, 100 solves it; in 5,000 steps only with learning_rate
            1e-3 and target_rate 0.01), so choose it by the data.
        learning_rate: of Adam, all networks.
        target_rate: share of the way that the target networks go at each of the policy's steps.
        noise: standard deviation of the target policy's smoothing noise, in half ranges of the action.
        noise_clip: its bound.
        policy_delay: steps of the critics for one of the policy.
    """

    network: Architecture = field(default_factory=Architecture)
    gamma: float = 0.99
    alpha: float = 2.5
    learning_rate: float = 3e-4
    target_rate: float = 0.005
    noise: float = 0.2
    noise_clip: float = 0.5
    policy_delay: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        check_range(self, gamma=(0.0, 1.0), alpha=(0.0, 1e9), learning_rate=(1e-8, 1.0), target_rate=(1e-6, 1.0))
        check_range(self, noise=(0.0, 10.0), noise_clip=(0.0, 10.0), policy_delay=(1, 1_000))


class TD3BC(Learner):
    """A deterministic policy for continuous actions."""

    CONFIG: ClassVar[type] = TD3BCConfig
    ACTIONS: ClassVar[tuple[str, ...]] = ("continuous",)
    COPIES: ClassVar[Mapping[str, str]] = {"target_policy": "policy", "target_critics": "critics"}
    config: TD3BCConfig

    def __init__(self, problem: Problem, config: TD3BCConfig) -> None:
        super().__init__(problem, config)
        d, k = problem.observation_size, problem.action_size
        self.policy = MLP(d, k, config.network)
        self.critics = Ensemble(2, d + k, 1, config.network)
        self.target_policy = copy.deepcopy(self.policy).requires_grad_(False)
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)

    def build_optimisers(self, steps: int) -> None:
        """Create Adam for each network."""
        rate = self.config.learning_rate
        self.optimisers = {
            "critics": adam(self.critics.parameters(), rate),
            "policy": adam(self.policy.parameters(), rate),
        }
        self._targets = [*self.target_policy.parameters(), *self.target_critics.parameters()]
        self._sources = [*self.policy.parameters(), *self.critics.parameters()]

    def update(self, batch: Batch, step: int) -> Metrics:
        """Take one step; the policy takes one in `policy_delay`."""
        critic_loss = self.critic_loss(batch)
        self.minimise(critic_loss, "critics")
        metrics = {"critic_loss": critic_loss.detach()}
        if step % self.config.policy_delay == 0:
            policy_loss, q = self.policy_loss(batch)
            self.minimise(policy_loss, "policy")
            follow(self._targets, self._sources, self.config.target_rate)
            metrics |= {"policy_loss": policy_loss.detach(), "q": q.detach().mean()}
        return metrics

    def critic_loss(self, batch: Batch) -> Tensor:
        """E (r + gamma (1 - terminated) min_i Qbar_i(s', a') - Q_i(s, a))^2, summed over both critics."""
        target = self.bootstrap(batch)
        values = self.critics(torch.cat([batch.observations, batch.actions], 1)).squeeze(-1)
        loss: Tensor = (values - target).square().mean(1).sum()
        return loss

    @torch.no_grad()
    def bootstrap(self, batch: Batch) -> Tensor:
        """Target: y = r + gamma (1 - terminated) min_i Qbar_i(s', a'), a' = clip(pibar(s') + clip(noise), -1, 1)."""
        noise = torch.randn(batch.actions.shape, generator=self.generator, device=batch.actions.device)
        noise.mul_(self.config.noise).clamp_(-self.config.noise_clip, self.config.noise_clip)
        following = torch.tanh(self.target_policy(batch.next_observations)).add_(noise).clamp_(-1.0, 1.0)
        q = self.target_critics(torch.cat([batch.next_observations, following], 1)).squeeze(-1).amin(0)
        return torch.addcmul(batch.rewards, batch.alive, q, value=self.config.gamma)

    def policy_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-lambda E Q_1(s, pi(s)) + E (pi(s) - a)^2, lambda = alpha / E |Q_1(s, pi(s))|; and Q_1."""
        actions = torch.tanh(self.policy(batch.observations))
        q = self.critics.first(torch.cat([batch.observations, actions], 1)).squeeze(-1)
        weight = self.config.alpha / q.detach().abs().mean().clamp(min=1e-8)
        return (actions - batch.actions).square().mean() - weight * q.mean(), q

    @property
    def deterministic(self) -> bool:
        """Always True."""
        return True

    @torch.no_grad()
    def act(self, observations: Tensor) -> Tensor:
        """Return the policy's actions, float32[N, k]."""
        return self.unscaled_actions(torch.tanh(self.policy(self.scaler(observations))))
