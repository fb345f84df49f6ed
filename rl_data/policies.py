"""What a policy is to those who evaluate one, and two ways to give a deterministic one a density.

Importance weights need the probability of the logged action. Greedy and deterministic policies put all their mass on
one action, so nearly every weight is zero: evaluate a softened version (`EpsilonSoft`, `GaussianSoft`) and say so.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rl_data.errors import PolicyError, SettingsError


class Policy(Protocol):
    """What learners give and evaluation uses. Observations are raw, as the data has them: float32[N, d].

    No method records gradients or changes the policy.
    """

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers of choices, int64[N]; else they are vectors, float32[N, k]."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether all mass lies on `act`'s answer, so that `log_prob` has none to give."""
        ...

    def act(self, observations: Tensor) -> Tensor:
        """Return the most probable (discrete) or the mean (continuous) action: int64[N] or float32[N, k]."""
        ...

    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return actions drawn from the policy, in `act`'s shape; `act`'s own where the policy is deterministic."""
        ...

    def probabilities(self, observations: Tensor) -> Tensor:
        """Return float32[N, A], rows adding up to 1; one-hot where the policy is greedy.

        Raises:
            PolicyError: actions are continuous.
        """
        ...

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return float32[N]: log-probability, or log-density in the units of the actions.

        Raises:
            PolicyError: the policy is deterministic.
        """
        ...


class Reweighted(ABC):
    """A policy of choices that gives the actions of another one other probabilities: `policy`'s, changed."""

    __slots__ = ()

    policy: Policy

    @property
    def discrete(self) -> bool:
        """Always True."""
        return True

    @abstractmethod
    def probabilities(self, observations: Tensor) -> Tensor:
        """Return float32[N, A]."""

    def act(self, observations: Tensor) -> Tensor:
        """Return the most probable actions, int64[N]: the policy's own."""
        return self.policy.act(observations)

    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return drawn actions, int64[N]."""
        return draw(self.probabilities(observations), generator)


@dataclass(frozen=True, slots=True)
class EpsilonSoft(Reweighted):
    """With probability `epsilon` an action at random, else the policy's own. For discrete actions.

    Raises:
        PolicyError: the policy's actions are continuous.
        SettingsError: epsilon is not in [0, 1].
    """

    policy: Policy
    epsilon: float

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not self.policy.discrete:
            raise PolicyError("EpsilonSoft is for discrete actions; soften continuous ones with GaussianSoft")
        if not 0.0 <= self.epsilon <= 1.0:
            raise SettingsError(f"epsilon must be in [0, 1], not {self.epsilon}")

    @property
    def deterministic(self) -> bool:
        """Whether nothing is softened and the policy itself is deterministic."""
        return self.epsilon == 0.0 and self.policy.deterministic

    def probabilities(self, observations: Tensor) -> Tensor:
        """Return float32[N, A]: (1 - epsilon) times the policy's, plus epsilon / A."""
        own = self.policy.probabilities(observations)
        return (1.0 - self.epsilon) * own + self.epsilon / own.shape[1]

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return float32[N]; see `Policy.log_prob`."""
        if self.deterministic:
            raise no_density(self)
        return log_prob_of(self.probabilities(observations), actions)


@dataclass(frozen=True, slots=True)
class GaussianSoft:
    """Gaussian noise of standard deviation `scale` (in units of the actions) around a policy's continuous actions.

    Actions are not clipped: the density is that of the unbounded Gaussian.

    Raises:
        PolicyError: the policy's actions are discrete.
        SettingsError: scale is not above 0.
    """

    policy: Policy
    scale: float

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.policy.discrete:
            raise PolicyError("GaussianSoft is for continuous actions; soften discrete ones with EpsilonSoft")
        if not self.scale > 0.0:
            raise SettingsError(f"scale must be above 0, not {self.scale}")

    @property
    def discrete(self) -> bool:
        """Always False."""
        return False

    @property
    def deterministic(self) -> bool:
        """Always False."""
        return False

    def act(self, observations: Tensor) -> Tensor:
        """Return the means, float32[N, k]: the policy's own actions."""
        return self.policy.act(observations)

    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return drawn actions, float32[N, k]."""
        mean = self.act(observations)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + self.scale * noise

    def probabilities(self, observations: Tensor) -> Tensor:
        """Raise PolicyError: actions are continuous."""
        raise no_probabilities(self)

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return the log-densities, float32[N]."""
        return gaussian_log_prob(actions, self.act(observations), math.log(self.scale))


def softened(policy: Policy, amount: float) -> Policy:
    """Return the policy with a share of random actions, or with noise of that standard deviation; itself for 0.

    Raises:
        SettingsError: the amount is out of range.
    """
    if amount == 0.0:
        return policy
    return EpsilonSoft(policy, amount) if policy.discrete else GaussianSoft(policy, amount)


def draw(probabilities: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return one action a row, int64[N], from float[N, A]."""
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)


def log_prob_of(probabilities: Tensor, actions: Tensor) -> Tensor:
    """Return the logarithm, float[N], of the probability of each row's action, int[N]; -inf where it has none."""
    return probabilities.gather(1, actions.long().unsqueeze(1)).squeeze(1).log()


def gaussian_log_prob(actions: Tensor, mean: Tensor, log_std: Tensor | float) -> Tensor:
    """Return log N(actions; mean, diag(exp(log_std)^2)), float[N]; `log_std` is a number, [k] or [N, k]."""
    log_std = torch.as_tensor(log_std, dtype=mean.dtype, device=mean.device)
    z = (actions - mean) * torch.exp(-log_std)
    return (-0.5 * z.square() - log_std - 0.5 * math.log(2.0 * math.pi)).sum(dim=1)


def no_density(policy: Policy) -> PolicyError:
    """Return the error of a deterministic policy that is asked for a density."""
    remedy = "EpsilonSoft(policy, epsilon)" if policy.discrete else "GaussianSoft(policy, scale)"
    return PolicyError(
        f"{type(policy).__name__} is deterministic: it has no log-probabilities, and importance weights would be zero "
        f"wherever the data took another action; evaluate {remedy} or use FQE"
    )


def no_probabilities(policy: Policy) -> PolicyError:
    """Return the error of a continuous policy that is asked for the probabilities of choices."""
    return PolicyError(f"{type(policy).__name__} has continuous actions: there are no probabilities, only log_prob")
