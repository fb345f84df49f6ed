"""A policy as the actor of a recording (`rl_data.record.Actor`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rl_data.online.q_learning import choose
from rl_data.policies import Policy
from rl_data.record import Draws


@dataclass(frozen=True, slots=True)
class PolicyActor:
    """Acts as a policy does: draws from it, or takes its most probable action.

    Attributes:
        policy: on the CPU.
        name: becomes `policy_ids`.
        greedy: take `act` instead of drawing.
    """

    policy: Policy
    name: str = "policy"
    greedy: bool = False

    def sample(
        self, observations: NDArray[np.float32], draws: Draws
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Choose one action for each observation.

        The log-probability is None for continuous actions of a deterministic policy; for choices it is 0 (certain).
        """
        seen = torch.from_numpy(np.ascontiguousarray(observations))
        if self.greedy or self.policy.deterministic:
            actions = self.policy.act(seen).numpy()
            return actions, np.zeros(len(actions)) if self.policy.discrete else None
        if self.policy.discrete:
            return choose(self.policy.probabilities(seen).double().numpy(), draws)
        rows = []
        for place, draw in enumerate(draws):  # one by one: each row's randomness is its own episode's
            generator = torch.Generator().manual_seed(int(draw.integers(2**62)))
            rows.append(self.policy.sample(seen[place : place + 1], generator))
        drawn = torch.cat(rows)
        return drawn.numpy(), self.policy.log_prob(seen, drawn).double().numpy()
