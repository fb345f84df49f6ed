"""Networks: a multi-layer perceptron, several of them side by side, and the scaling of observations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from rl_data.errors import SettingsError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The hidden layers of a network.

    Attributes:
        width: units of each hidden layer. 256 is what d3rlpy, CORL and the TD3 and IQL papers use.
        depth: hidden layers; 2 there as well.
        activation: a name of `ACTIVATIONS`.
        layer_norm: whether each hidden layer is normalised before its activation; it damps the growth of Q outside the
            data (Ball et al., RLPD, arXiv 2302.02948, section 4.2).

    Raises:
        SettingsError: a value is out of range.
    """

    width: int = 256
    depth: int = 2
    activation: str = "relu"
    layer_norm: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if self.width < 1 or self.depth < 0:
            raise SettingsError(f"a network needs width >= 1 and depth >= 0, not {self.width} and {self.depth}")
        if self.activation not in ACTIVATIONS:
            raise SettingsError(f"unknown activation {self.activation!r}; known: {', '.join(ACTIVATIONS)}")


class MLP(nn.Sequential):
    """float[B, inputs] -> float[B, outputs]: hidden layers as the architecture says, then a linear one."""

    def __init__(self, inputs: int, outputs: int, architecture: Architecture) -> None:
        layers: list[nn.Module] = []
        for _ in range(architecture.depth):
            layers.append(nn.Linear(inputs, architecture.width))
            if architecture.layer_norm:
                layers.append(nn.LayerNorm(architecture.width))
            layers.append(ACTIVATIONS[architecture.activation]())
            inputs = architecture.width
        super().__init__(*layers, nn.Linear(inputs, outputs))


class Ensemble(nn.Module):
    """Several networks of one architecture, computed together: float[B, inputs] -> float[members, B, outputs].

    One batched product a layer in place of one product a member: two critics cost little more than one.
    """

    def __init__(self, members: int, inputs: int, outputs: int, architecture: Architecture) -> None:
        super().__init__()
        sizes = [inputs, *[architecture.width] * architecture.depth, outputs]
        self.weights, self.biases, self.norms = nn.ParameterList(), nn.ParameterList(), nn.ModuleList()
        for i, (size, following) in enumerate(pairwise(sizes)):
            bound = 1.0 / math.sqrt(size)  # as nn.Linear does
            self.weights.append(nn.Parameter(torch.empty(members, size, following).uniform_(-bound, bound)))
            self.biases.append(nn.Parameter(torch.empty(members, 1, following).uniform_(-bound, bound)))
            if architecture.layer_norm and i < architecture.depth:
                self.norms.append(nn.LayerNorm(following))
        self.members = members
        self.activation = ACTIVATIONS[architecture.activation]()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return float[members, B, outputs]."""
        x = inputs.expand(self.members, *inputs.shape)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i < last:
                x = self.activation(self.norms[i](x) if len(self.norms) else x)
        return x

    def first(self, inputs: Tensor) -> Tensor:
        """Return the first member's output alone, float[B, outputs]."""
        x = inputs
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.addmm(bias[0], x, weight[0])
            if i < last:
                x = self.activation(self.norms[i](x) if len(self.norms) else x)
        return x


class Scaler(nn.Module):
    """Shift and scale vectors to mean 0 and standard deviation 1, as measured on the data.

    The standard deviation has 1e-3 added, as TD3+BC has (Fujimoto and Gu, arXiv 2106.06860, section 5).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def fit(self, rows: Tensor) -> None:
        """Measure float[N, size]."""
        self.mean.copy_(rows.mean(0))
        self.std.copy_(rows.std(0, correction=0) + 1e-3)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the scaled rows."""
        return (rows - self.mean) / self.std


def follow(targets: Iterable[Tensor], sources: Iterable[Tensor], share: float) -> None:
    """Move target parameters the given share of the way to their sources, in place: Polyak averaging."""
    with torch.no_grad():
        torch._foreach_lerp_(list(targets), list(sources), share)
