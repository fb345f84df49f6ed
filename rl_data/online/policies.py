"""The policies of the online learners, categorical, squashed Gaussian, greedy: each is a `rl_data.policies.Policy`."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from rl_data.policies import draw, gaussian_log_prob, log_prob_of, no_density, no_probabilities
from rl_data.trajectories import Space


def layers(inputs: int, outputs: int, hidden: tuple[int, ...], activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """Return a network with orthogonal weights (gain sqrt 2, as usual for PPO) and biases of zero."""
    sizes = (inputs, *hidden)
    parts: list[nn.Module] = []
    for before, after in pairwise(sizes):
        parts += [_orthogonal(nn.Linear(before, after), math.sqrt(2.0)), activation()]
    return nn.Sequential(*parts, _orthogonal(nn.Linear(sizes[-1], outputs), 0.01))


class RunningScale(nn.Module):
    """Standardise observations by the mean and variance of all that were seen (Welford, in batches)."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.tensor(0.0))

    @torch.no_grad()
    def see(self, observations: Tensor) -> None:
        """Take float32[N, d] into mean and variance (Chan et al. 1979, eq. 2.1)."""
        batch = float(len(observations))
        total = self.count + batch
        delta = observations.mean(0) - self.mean
        squares = self.variance * self.count + observations.var(0, unbiased=False) * batch
        self.variance.copy_((squares + delta.square() * self.count * batch / total) / total)
        self.mean += delta * batch / total
        self.count.copy_(total)

    def forward(self, observations: Tensor) -> Tensor:
        """Return (x - mean) / std, cut at 10."""
        return ((observations - self.mean) / (self.variance + 1e-8).sqrt()).clamp(-10.0, 10.0)


class Categorical(nn.Module):
    """pi(a | s) = softmax(f(s)): choices."""

    discrete = True
    deterministic = False

    def __init__(self, observations: int, actions: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.scale = RunningScale(observations)
        self.logits = layers(observations, actions, hidden)

    def differentiable_log_prob(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities of actions int[N] and the policy's entropy, float32[N] each, with gradients."""
        log_probs = self.logits(self.scale(observations)).log_softmax(1)
        entropy = -(log_probs.exp() * log_probs).sum(1)
        return log_probs.gather(1, actions.long().unsqueeze(1)).squeeze(1), entropy

    @torch.no_grad()
    def probabilities(self, observations: Tensor) -> Tensor:
        """Return float32[N, A]."""
        return torch.softmax(self.logits(self.scale(observations)), dim=1)

    def act(self, observations: Tensor) -> Tensor:
        """Return the most probable action, int64[N]."""
        return self.probabilities(observations).argmax(1)

    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return drawn actions, int64[N]."""
        return draw(self.probabilities(observations), generator)

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return float32[N]."""
        return log_prob_of(self.probabilities(observations), actions)


class SquashedGaussian(nn.Module):
    """a = centre + reach * tanh(u), u ~ N(mean(s), std): inside the box, so the density is that of what is executed."""

    discrete = False
    deterministic = False
    centre: Tensor
    reach: Tensor

    def __init__(self, observations: int, space: Space, hidden: tuple[int, ...], log_std: float = 0.0) -> None:
        super().__init__()
        low, high = (torch.tensor(bound or (), dtype=torch.float32) for bound in (space.low, space.high))
        self.scale = RunningScale(observations)
        self.mean = layers(observations, space.size, hidden)
        self.log_std = nn.Parameter(torch.full((space.size,), log_std))
        self.register_buffer("centre", (low + high) / 2)
        self.register_buffer("reach", (high - low) / 2)

    def differentiable_log_prob(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-densities of actions float[N, k] and the entropy before squashing, float32[N], with gradients.

        log p(a) = log N(u; mean, std) - sum log(reach (1 - tanh(u)^2)) (Haarnoja et al. 2018, appendix C).
        """
        squashed = ((actions - self.centre) / self.reach).clamp(-1 + 1e-6, 1 - 1e-6)
        before = torch.atanh(squashed)
        volume = (self.reach * (1 - squashed.square())).log().sum(1)
        entropy = (self.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum().expand(len(actions))
        return gaussian_log_prob(before, self.mean(self.scale(observations)), self.log_std) - volume, entropy

    @torch.no_grad()
    def act(self, observations: Tensor) -> Tensor:
        """Return the squashed mean, float32[N, k]."""
        return self._squash(self.mean(self.scale(observations)))

    @torch.no_grad()
    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return drawn actions, float32[N, k]."""
        mean = self.mean(self.scale(observations))
        return self._squash(mean + self.log_std.exp() * torch.randn(mean.shape, generator=generator))

    @torch.no_grad()
    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return float32[N] in the units of the actions."""
        return self.differentiable_log_prob(observations, actions)[0]

    def probabilities(self, observations: Tensor) -> Tensor:
        """Raise PolicyError: actions are continuous."""
        raise no_probabilities(self)

    def _squash(self, before: Tensor) -> Tensor:
        inside = torch.tanh(before).clamp(-1 + 1e-6, 1 - 1e-6)
        return self.centre + self.reach * inside


class Greedy(nn.Module):
    """The action of the largest Q(s, a)."""

    discrete = True
    deterministic = True

    def __init__(self, values: nn.Module) -> None:
        super().__init__()
        self.values = values

    @torch.no_grad()
    def act(self, observations: Tensor) -> Tensor:
        """Return int64[N]."""
        values: Tensor = self.values(observations)
        return values.argmax(1)

    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return `act`'s actions."""
        return self.act(observations)

    def probabilities(self, observations: Tensor) -> Tensor:
        """Return one-hot float32[N, A]."""
        with torch.no_grad():
            values: Tensor = self.values(observations)
        return nn.functional.one_hot(values.argmax(1), values.shape[1]).float()

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Raise PolicyError: a greedy policy has no density."""
        raise no_density(self)


def _orthogonal(layer: nn.Linear, gain: float) -> nn.Linear:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
