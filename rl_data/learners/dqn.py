"""Deep Q-learning on fixed data: Double DQN, and conservative Q-learning (CQL) for discrete actions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from rl_data.learners.base import Batch, GreedyPolicy, Metrics, adam, check_range, choose, cosine, set_rate
from rl_data.networks import MLP, Architecture, follow
from rl_data.transitions import Problem


@dataclass(frozen=True, slots=True)
class DQNConfig:
    """Options of DQN and CQL.

    The defaults are those that solved CartPole from 40,000 random steps within 5,000 steps; DQN's own (learning rate
    6.25e-5, target copied every 8,000 steps) are for 50,000,000 frames of Atari and learn nothing in that time.

    Attributes:
        network: of Q.
        gamma: discount. Lower than the usual 0.99: on random data it decides more than the algorithm does.
        learning_rate: of Adam, falling to 0 over half a cosine.
        target_rate: share of the way that the target network goes to Q at each step.
        double: choose the next action with Q and value it with the target (van Hasselt et al., arXiv 1509.06461).
        alpha: weight of the conservative term; 0 is plain DQN, 1 is d3rlpy's default for discrete CQL.
        huber: threshold of the Huber loss; 1 as in DQN (Mnih et al., 2015).
        act_with_target: the policy is greedy in the target network, an average over steps, which is steadier than Q.
    """

    network: Architecture = field(default_factory=Architecture)
    gamma: float = 0.97
    learning_rate: float = 1e-3
    target_rate: float = 0.01
    double: bool = True
    alpha: float = 0.0
    huber: float = 1.0
    act_with_target: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        check_range(self, gamma=(0.0, 1.0), learning_rate=(1e-8, 1.0), target_rate=(1e-6, 1.0), alpha=(0.0, 1e6))
        check_range(self, huber=(1e-6, 1e9))


@dataclass(frozen=True, slots=True)
class CQLConfig(DQNConfig):
    """Options of CQL: those of DQN, with the conservative term (Kumar et al., arXiv 2006.04779, equation 4)."""

    alpha: float = 1.0


class DQN(GreedyPolicy):
    """Minimise the temporal difference, plus alpha times the conservative term."""

    CONFIG: ClassVar[type] = DQNConfig
    COPIES: ClassVar[Mapping[str, str]] = {"target": "q"}
    config: DQNConfig

    def __init__(self, problem: Problem, config: DQNConfig) -> None:
        super().__init__(problem, config)
        self.q = MLP(problem.observation_size, problem.action_size, config.network)
        self.target = copy.deepcopy(self.q).requires_grad_(False)

    def build_optimisers(self, steps: int) -> None:
        """Create Adam."""
        self.steps = steps
        self.optimisers = {"q": adam(self.q.parameters(), self.config.learning_rate)}
        self._pairs = list(self.target.parameters()), list(self.q.parameters())

    def update(self, batch: Batch, step: int) -> Metrics:
        """Take one step."""
        set_rate(self.optimisers["q"], cosine(self.config.learning_rate, step, self.steps))
        values = self.q(batch.observations)
        chosen = choose(values, batch.actions)
        difference = nn.functional.huber_loss(chosen, self.bootstrap(batch), delta=self.config.huber)
        loss, metrics = difference, {"td_loss": difference.detach(), "q": chosen.detach().mean()}
        if self.config.alpha:
            gap = self.conservative_gap(values, chosen)
            loss = difference + self.config.alpha * gap
            metrics["conservative_gap"] = gap.detach()
        self.minimise(loss, "q")
        follow(*self._pairs, self.config.target_rate)
        return metrics

    @torch.no_grad()
    def bootstrap(self, batch: Batch) -> Tensor:
        """Target: y = r + gamma (1 - terminated) Qbar(s', argmax_a Q(s', a)); the argmax is Qbar's if not `double`."""
        following = self.target(batch.next_observations)
        best = (self.q(batch.next_observations) if self.config.double else following).argmax(1)
        return torch.addcmul(batch.rewards, batch.alive, choose(following, best), value=self.config.gamma)

    @staticmethod
    def conservative_gap(values: Tensor, chosen: Tensor) -> Tensor:
        """E[log sum_a exp Q(s, a) - Q(s, a_data)]."""
        return (torch.logsumexp(values, 1) - chosen).mean()

    def values(self, observations: Tensor) -> Tensor:
        """Return Q(s, a) of raw observations, float32[N, A]."""
        network = self.target if self.config.act_with_target else self.q
        found: Tensor = network(self.scaler(observations))
        return found


class CQL(DQN):
    """DQN with the conservative term."""

    CONFIG: ClassVar[type] = CQLConfig
