"""Implicit Q-learning (Kostrikov et al., arXiv 2110.06169): no action outside the data is ever valued."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from rl_data.learners.base import Batch, Metrics, StochasticPolicy, adam, check_range, choose, cosine
from rl_data.networks import MLP, Architecture, Ensemble, follow
from rl_data.transitions import Problem


@dataclass(frozen=True, slots=True)
class IQLConfig:
    """Options of IQL; the defaults are the paper's for locomotion, which CORL and d3rlpy share.

    Attributes:
        network: of policy, value and critics.
        gamma: discount.
        expectile: tau; 0.5 values the behaviour, towards 1 its best actions; 0.9 for AntMaze.
        temperature: beta; 0 is behaviour cloning; 10 for AntMaze.
        clip: upper bound of the weight exp(beta A).
        learning_rate: of all three networks; the policy's falls to 0 over half a cosine.
        target_rate: share of the way that the target critics go at each step.
    """

    network: Architecture = field(default_factory=Architecture)
    gamma: float = 0.99
    expectile: float = 0.7
    temperature: float = 3.0
    clip: float = 100.0
    learning_rate: float = 3e-4
    target_rate: float = 0.005

    def __post_init__(self) -> None:
        """Check the values."""
        check_range(self, gamma=(0.0, 1.0), expectile=(0.0, 1.0), temperature=(0.0, 1e6), clip=(1e-6, 1e9))
        check_range(self, learning_rate=(1e-8, 1.0), target_rate=(1e-6, 1.0))


class IQL(StochasticPolicy):
    """Expectile value, critics on it, and a policy weighted by exp(beta A)."""

    CONFIG: ClassVar[type] = IQLConfig
    COPIES: ClassVar[Mapping[str, str]] = {"target": "critics"}
    config: IQLConfig

    def __init__(self, problem: Problem, config: IQLConfig) -> None:
        super().__init__(problem, config)
        d, k = problem.observation_size, problem.action_size
        self.make_policy(MLP(d, k, config.network))
        self.value = MLP(d, 1, config.network)
        # the critics of discrete actions have an output for each
        self.critics = Ensemble(2, d, k, config.network) if problem.discrete else Ensemble(2, d + k, 1, config.network)
        self.target = copy.deepcopy(self.critics).requires_grad_(False)

    def build_optimisers(self, steps: int) -> None:
        """Create Adam: one for all three networks, whose losses share no parameter."""
        self.steps = steps
        rate = self.config.learning_rate
        optimiser = adam([*self.value.parameters(), *self.critics.parameters()], rate)
        optimiser.add_param_group({"params": self.policy_parameters})
        self.optimisers = {"all": optimiser}
        self._pairs = list(self.target.parameters()), list(self.critics.parameters())

    def update(self, batch: Batch, step: int) -> Metrics:
        """Take one step."""
        self.optimisers["all"].param_groups[1]["lr"] = cosine(self.config.learning_rate, step, self.steps)
        with torch.no_grad():
            q = self.q_values(self.target, batch).amin(0)
            following = self.value(batch.next_observations).squeeze(1)
        value = self.value(batch.observations).squeeze(1)
        advantage = q - value
        value_loss = self.expectile_loss(advantage)
        critic_loss = self.critic_loss(batch, following)
        policy_loss = self.weighted_imitation_loss(batch, advantage.detach())
        self.minimise(value_loss + critic_loss + policy_loss, "all")
        follow(*self._pairs, self.config.target_rate)
        losses = {"value_loss": value_loss, "critic_loss": critic_loss, "policy_loss": policy_loss, "q": q.mean()}
        return {name: loss.detach() for name, loss in losses.items()}

    def q_values(self, critics: Ensemble, batch: Batch) -> Tensor:
        """Return Q_i(s, a) of the batch's actions, float32[2, B]."""
        if self.discrete:
            return choose(critics(batch.observations), batch.actions)
        found: Tensor = critics(torch.cat([batch.observations, batch.actions], 1)).squeeze(-1)
        return found

    def expectile_loss(self, advantage: Tensor) -> Tensor:
        """L_V = E |tau - 1(u < 0)| u^2 with u = Qbar(s, a) - V(s)."""
        weight = torch.where(advantage < 0.0, 1.0 - self.config.expectile, self.config.expectile)
        return (weight * advantage.square()).mean()

    def critic_loss(self, batch: Batch, following: Tensor) -> Tensor:
        """L_Q = E (r + gamma (1 - terminated) V(s') - Q_i(s, a))^2, the mean of both critics."""
        target = torch.addcmul(batch.rewards, batch.alive, following, value=self.config.gamma)
        return (self.q_values(self.critics, batch) - target).square().mean()

    def weighted_imitation_loss(self, batch: Batch, advantage: Tensor) -> Tensor:
        """L_pi = -E min(exp(beta A), clip) log pi(a | s)."""
        weight = torch.exp(self.config.temperature * advantage).clamp(max=self.config.clip)
        return -(weight * self.log_likelihood(batch.observations, batch.actions)).mean()
