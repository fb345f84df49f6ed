"""What all learners share: the contract with the loop, scaling, optimisers, and the two kinds of policy heads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from rl_data.errors import SettingsError
from rl_data.networks import Scaler
from rl_data.policies import draw, gaussian_log_prob, log_prob_of, no_density, no_probabilities
from rl_data.transitions import Problem, Transitions

Metrics = dict[str, Tensor]


class Batch(NamedTuple):
    """Rows to learn from, in the units of the networks.

    Attributes:
        observations: float32[B, d], scaled.
        actions: int64[B], or float32[B, k] in [-1, 1].
        rewards: float32[B]
        next_observations: float32[B, d], scaled.
        alive: float32[B]: 0 at terminated rows, else 1.
        extra: further columns that the learner's `prepare` returned, float32 or int64, [B] or [B, n].
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    alive: Tensor
    extra: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` adds to the data.

    Attributes:
        extra: columns by name, [N] or [N, n], that batches shall have: int64 as it is, all else as float32.
        rows: int64[M], the rows to learn from; None for all.
    """

    extra: Mapping[str, Tensor] = field(default_factory=dict)
    rows: Tensor | None = None


class Learner(nn.Module, ABC):
    """A policy that learns. Subclasses write `prepare`, `update` and the policy; one method per equation.

    `update` takes a step and returns metrics, detached and still on the device. What it draws comes from
    `self.generator`, which the loop seeds. Metrics named `q` are held against what returns can be at most.
    """

    CONFIG: ClassVar[type]
    NEEDS_REWARDS: ClassVar[bool] = True
    NEEDS_NEXT: ClassVar[bool] = True
    """Whether `update` looks at next observations; one that does not also learns from rows whose next is unknown."""
    ACTIONS: ClassVar[tuple[str, ...]] = ("discrete", "continuous")
    COPIES: ClassVar[Mapping[str, str]] = {}
    """The network that each target network, or other late copy, is one of: {"target": "critics"}."""
    COUNTERS: ClassVar[tuple[str, ...]] = ()
    """Buffers that count what happened in a run: another run that starts from its weights counts anew."""

    generator: torch.Generator

    def __init__(self, problem: Problem, config: Any) -> None:
        super().__init__()
        kind = "discrete" if problem.discrete else "continuous"
        if kind not in self.ACTIONS:
            raise SettingsError(f"{type(self).__name__} is for {self.ACTIONS[0]} actions; these are {kind}")
        self.problem = problem
        self.config = config
        self.scaler = Scaler(problem.observation_size)
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        low, high = problem.low or (0.0,), problem.high or (0.0,)
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        half = [max((b - a) / 2, 1e-6) for a, b in zip(low, high, strict=True)]
        self.register_buffer("action_middle", torch.tensor(middle), persistent=False)
        self.register_buffer("action_half", torch.tensor(half), persistent=False)

    action_middle: Tensor
    action_half: Tensor

    # --- What the loop calls ------------------------------------------------------------------------------------------

    def prepare(self, data: Transitions) -> Prepared:
        """Look at all the data once, before the first step. `data` are raw, on the learner's device."""
        return Prepared()

    @abstractmethod
    def build_optimisers(self, steps: int) -> None:
        """Create the optimisers, for so many steps in all."""

    @abstractmethod
    def update(self, batch: Batch, step: int) -> Metrics:
        """Take one step; `step` counts from 0."""

    def finished(self) -> bool:
        """Whether nothing is left to learn."""
        return False

    def adopt(self, state: Mapping[str, Tensor]) -> None:
        """Take the sizes of a saved state, where they depend on the data."""

    # --- The policy; see `rl_data.policies.Policy` --------------------------------------------------------------------

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers of choices."""
        return self.problem.discrete

    @property
    @abstractmethod
    def deterministic(self) -> bool:
        """Whether `log_prob` has nothing to give."""

    @abstractmethod
    def act(self, observations: Tensor) -> Tensor:
        """Return greedy or mean actions, int64[N] or float32[N, k]."""

    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return drawn actions; `act`'s where the policy is deterministic."""
        return self.act(observations)

    def probabilities(self, observations: Tensor) -> Tensor:
        """Return float32[N, A]; PolicyError where actions are continuous."""
        raise no_probabilities(self)

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return float32[N]; PolicyError where the policy is deterministic."""
        raise no_density(self)

    # --- For subclasses -----------------------------------------------------------------------------------------------

    def minimise(self, loss: Tensor, name: str) -> None:
        """Take one step of an optimiser; only its own parameters get gradients."""
        optimiser = self.optimisers[name]
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimiser.step()

    def scaled_actions(self, actions: Tensor) -> Tensor:
        """Return actions in [-1, 1], from the units of the data; discrete ones as they are."""
        return actions if self.discrete else (actions - self.action_middle) / self.action_half

    def unscaled_actions(self, actions: Tensor) -> Tensor:
        """Return actions in the units of the data, from [-1, 1]."""
        return self.action_middle + self.action_half * actions


class GreedyPolicy(Learner):
    """A policy for discrete actions that takes the one of highest value."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("discrete",)

    @abstractmethod
    def values(self, observations: Tensor) -> Tensor:
        """Return Q(s, a) of raw observations, float32[N, A]."""

    @property
    def deterministic(self) -> bool:
        """Always True."""
        return True

    @torch.no_grad()
    def act(self, observations: Tensor) -> Tensor:
        """Return the best actions, int64[N]."""
        return self.values(observations).argmax(1)

    @torch.no_grad()
    def probabilities(self, observations: Tensor) -> Tensor:
        """Return one-hot rows, float32[N, A]."""
        return nn.functional.one_hot(self.act(observations), self.problem.action_size).float()


class StochasticPolicy(Learner):
    """A policy network with a distribution: categorical, or a Gaussian around a mean within the bounds.

    The Gaussian has one standard deviation a dimension, the same for all observations, as in IQL
    (Kostrikov et al., arXiv 2110.06169, appendix B).
    """

    policy: nn.Module
    log_std: nn.Parameter

    LOG_STD: ClassVar[tuple[float, float]] = (-5.0, 2.0)

    @property
    def acting(self) -> nn.Module:
        """The network that acts."""
        return self.policy

    def make_policy(self, network: nn.Module) -> None:
        """Take the network whose outputs are logits (discrete) or means before tanh (continuous)."""
        self.policy = network
        if not self.problem.discrete:
            self.log_std = nn.Parameter(torch.zeros(self.problem.action_size))

    @property
    def policy_parameters(self) -> list[nn.Parameter]:
        """The parameters of the distribution that learn."""
        own = [*self.policy.parameters(), *([] if self.discrete else [self.log_std])]
        return trainable(own)

    def log_likelihood(self, observations: Tensor, actions: Tensor, network: nn.Module | None = None) -> Tensor:
        """Return log pi(a | s), float32[B], of scaled observations and actions, with gradients."""
        out = (network or self.policy)(observations)
        if self.discrete:
            return -nn.functional.cross_entropy(out, actions, reduction="none")
        return gaussian_log_prob(actions, torch.tanh(out), self.log_std.clamp(*self.LOG_STD))

    @property
    def deterministic(self) -> bool:
        """Always False."""
        return False

    @torch.no_grad()
    def act(self, observations: Tensor) -> Tensor:
        """Return the most probable actions, int64[N], or the means, float32[N, k]."""
        out = self.acting(self.scaler(observations))
        return out.argmax(1) if self.discrete else self.unscaled_actions(torch.tanh(out))

    @torch.no_grad()
    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return drawn actions, int64[N], or float32[N, k] within the bounds."""
        if self.discrete:
            return draw(self.probabilities(observations), generator)
        mean = torch.tanh(self.acting(self.scaler(observations)))
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        std = self.log_std.clamp(*self.LOG_STD).exp()
        return self.unscaled_actions((mean + std * noise).clamp(-1.0, 1.0))

    @torch.no_grad()
    def probabilities(self, observations: Tensor) -> Tensor:
        """Return float32[N, A]; PolicyError where actions are continuous."""
        if not self.discrete:
            raise no_probabilities(self)
        return torch.softmax(self.acting(self.scaler(observations)), 1)

    @torch.no_grad()
    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return float32[N]; of continuous actions the log-density in their own units, not bounded."""
        if self.discrete:
            return log_prob_of(self.probabilities(observations), actions)
        inner = self.log_likelihood(self.scaler(observations), self.scaled_actions(actions), self.acting)
        return inner - self.action_half.log().sum()


def adam(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Adam:
    """Return Adam in its fused form, which updates all parameters in one call, on CPU and CUDA."""
    return torch.optim.Adam(trainable(parameters), lr=rate, fused=True)


def trainable(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Return the parameters that are not frozen.

    Raises:
        SettingsError: all are.
    """
    found = [parameter for parameter in parameters if parameter.requires_grad]
    if not found:
        raise SettingsError("every layer of a network is frozen: nothing would be learned; freeze fewer layers")
    return found


def cosine(rate: float, step: int, steps: int) -> float:
    """Return the learning rate of a step, falling from `rate` to 0 over half a cosine."""
    return rate * 0.5 * (1.0 + math.cos(math.pi * step / max(steps, 1)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def choose(values: Tensor, actions: Tensor) -> Tensor:
    """Return values[..., i, actions[i]]: float[..., B] from float[..., B, A] and int64[B]."""
    return values.gather(-1, actions.expand(values.shape[:-1]).unsqueeze(-1)).squeeze(-1)


def check_range(config: object, **limits: Sequence[float]) -> None:
    """Raise SettingsError for a field outside its closed range (name=(low, high))."""
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if not low <= value <= high:
            raise SettingsError(f"{name} must be in [{low:g}, {high:g}], not {value}")
