"""Behaviour cloning: do what the data did, or what their best episodes did."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from rl_data.errors import DataError
from rl_data.learners.base import Batch, Metrics, Prepared, StochasticPolicy, adam, check_range
from rl_data.networks import MLP, Architecture
from rl_data.transitions import Problem, Transitions


@dataclass(frozen=True, slots=True)
class BCConfig:
    """Options of behaviour cloning.

    Attributes:
        network: of the policy.
        learning_rate: of Adam; 1e-3 as in d3rlpy's BC.
        top_share: share of episodes, by return, that are imitated; 1 takes all, 0.1 is the "10% BC" of
            Chen et al. (Decision Transformer, arXiv 2106.01345, table 3). Below 1 the data need rewards.
        fit_spread: continuous actions: learn the Gaussian's standard deviations too (maximum likelihood), as an
            estimate of the behaviour policy needs; False minimises the squared error of the mean alone.
    """

    network: Architecture = field(default_factory=Architecture)
    learning_rate: float = 1e-3
    top_share: float = 1.0
    fit_spread: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        check_range(self, learning_rate=(1e-8, 1.0), top_share=(1e-6, 1.0))


class BC(StochasticPolicy):
    """Minimise -log pi(a | s) over the data."""

    CONFIG: ClassVar[type] = BCConfig
    NEEDS_REWARDS: ClassVar[bool] = False
    NEEDS_NEXT: ClassVar[bool] = False
    config: BCConfig

    def __init__(self, problem: Problem, config: BCConfig) -> None:
        super().__init__(problem, config)
        self.make_policy(MLP(problem.observation_size, problem.action_size, config.network))

    def prepare(self, data: Transitions) -> Prepared:
        """Choose the episodes to imitate."""
        if self.config.top_share == 1.0:
            return Prepared()
        if not data.has_rewards:
            raise DataError("top_share < 1 ranks episodes by return, but the data have no rewards")
        return Prepared(rows=self.best_rows(data))

    def best_rows(self, data: Transitions) -> Tensor:
        """Return the rows of the episodes with the highest returns, int64[M]."""
        episode = data.episode_of_row  # gaps or not: half of an episode has not half of its return
        returns = torch.zeros(data.episodes, dtype=torch.float64, device=episode.device)
        returns.index_add_(0, episode, data.rewards.double())
        best = returns.topk(max(1, math.ceil(self.config.top_share * data.episodes))).indices
        return torch.isin(episode, best).nonzero().squeeze(1)

    def build_optimisers(self, steps: int) -> None:
        """Create Adam; the spread has ten times the rate: it is one number, far from where it begins."""
        optimiser = adam(self.policy.parameters(), self.config.learning_rate)
        if not self.discrete and self.config.fit_spread:
            optimiser.add_param_group({"params": [self.log_std], "lr": 10.0 * self.config.learning_rate})
        self.optimisers = {"policy": optimiser}

    def update(self, batch: Batch, step: int) -> Metrics:
        """Take one step."""
        loss = self.imitation_loss(batch)
        self.minimise(loss, "policy")
        return {"loss": loss.detach()}

    def imitation_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy; for continuous actions the Gaussian's negative log-likelihood, or the squared error."""
        if self.discrete or self.config.fit_spread:
            return -self.log_likelihood(batch.observations, batch.actions).mean()
        return (torch.tanh(self.policy(batch.observations)) - batch.actions).square().mean()
