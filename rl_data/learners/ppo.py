"""Offline PPO: clipped improvement on advantages from the data, after Zhuang et al. (BPPO, arXiv 2302.11312).

Plain PPO is invalid on fixed data, which are not the policy's own. Here the behaviour is cloned first, its values are
learned from the data, and the clipped objective then improves on the clone in small steps. Each improvement is taken
over only if the critic finds it on episodes that were held out from the improvement. The authors' program decides that
by running the policy in the environment; this one never sees an environment.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from rl_data.errors import SettingsError
from rl_data.gae import advantages
from rl_data.learners.base import Batch, Metrics, Prepared, StochasticPolicy, adam, check_range, choose
from rl_data.networks import MLP, Architecture, follow
from rl_data.transitions import Problem, Transitions


@dataclass(frozen=True, slots=True)
class PPOConfig:
    """Options of offline PPO.

    Attributes:
        network: of policy, value and critic.
        gamma: discount.
        lam: lambda of the "gae" advantages; 1: no bias from the value, more variance.
        advantage: "q": Q(s, a) - E_a~pi_old Q(s, a), over all actions of discrete problems; "gae": of the logged
            action, from its episode, where actions are continuous and Q outside the data would be a guess; "auto":
            "q" for discrete, "gae" for continuous actions.
        clip: bound of |ratio - 1|; 0.25 in BPPO.
        clip_decay: its factor at each improvement that is taken over; 0.96 in BPPO.
        omega: weight of positive advantages, 1 - omega of negative ones; 0.9 in BPPO, 0.5 treats them alike.
        learning_rate: of clone, value and critic.
        policy_rate: learning rate of the improvement; 1e-4 in BPPO.
        target_rate: share of the way that the target critic goes at each step.
        warm_up: share of the steps in which clone, value and critic learn; the improvement has the rest.
        gate_every: steps of improvement between two looks at the held-out episodes.
        held_out: share of episodes that are held out for the gate.
    """

    network: Architecture = field(default_factory=Architecture)
    gamma: float = 0.99
    lam: float = 0.95
    advantage: str = "auto"
    clip: float = 0.25
    clip_decay: float = 0.96
    omega: float = 0.9
    learning_rate: float = 1e-3
    policy_rate: float = 1e-4
    target_rate: float = 0.01
    warm_up: float = 0.6
    gate_every: int = 100
    held_out: float = 0.1

    def __post_init__(self) -> None:
        """Check the values."""
        check_range(self, gamma=(0.0, 1.0), lam=(0.0, 1.0), clip=(1e-6, 10.0), clip_decay=(0.0, 1.0), omega=(0.0, 1.0))
        check_range(self, learning_rate=(1e-8, 1.0), policy_rate=(1e-8, 1.0), target_rate=(1e-6, 1.0))
        check_range(self, warm_up=(0.0, 1.0), gate_every=(1, 1_000_000), held_out=(0.01, 0.5))
        if self.advantage not in ("auto", "q", "gae"):
            raise SettingsError(f"advantage must be auto, q or gae, not {self.advantage!r}")


class PPO(StochasticPolicy):
    """Clone, then improve within the clip; the policy is the last improvement that was taken over."""

    CONFIG: ClassVar[type] = PPOConfig
    COPIES: ClassVar[Mapping[str, str]] = {"accepted": "policy", "target": "critic"}
    COUNTERS: ClassVar[tuple[str, ...]] = ("improvements",)
    config: PPOConfig

    improvements: Tensor

    def __init__(self, problem: Problem, config: PPOConfig) -> None:
        super().__init__(problem, config)
        d, k = problem.observation_size, problem.action_size
        self.by_gae = config.advantage == "gae" or (config.advantage == "auto" and not problem.discrete)
        if not self.by_gae and not problem.discrete:
            raise SettingsError("advantage 'q' is for discrete actions; for continuous ones use 'gae' or 'auto'")
        self.make_policy(MLP(d, k, config.network))
        self.accepted = copy.deepcopy(self.policy).requires_grad_(False)
        # V(s) of the behaviour for "gae", else its Q(s, .)
        self.critic = MLP(d, 1 if self.by_gae else k, config.network)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.register_buffer("improvements", torch.zeros((), dtype=torch.long))

    def prepare(self, data: Transitions) -> Prepared:
        """Add each row's place and next action; hold episodes out for the gate."""
        episode = data.episode_of_row
        every = round(1.0 / self.config.held_out)
        held = episode % every == every - 1
        if not held.any():  # so few episodes that the gate has to look at those it learns from
            held = torch.ones_like(held)
        self._data, self._held = data, held.nonzero().squeeze(1)
        self._advantages: Tensor | None = None
        if self.by_gae:
            extra = {"row": torch.arange(data.rows, device=held.device)}
        else:
            known = torch.ones(data.rows, device=held.device)
            known[data.offsets[1:] - 1] = 0.0
            extra = {"next_action": torch.cat([data.actions[1:], data.actions[-1:]]), "next_known": known}
        return Prepared(extra, None if held.all() else (~held).nonzero().squeeze(1))

    def build_optimisers(self, steps: int) -> None:
        """Create Adam for clone, critic and improvement."""
        self._warm = round(self.config.warm_up * steps)
        self.optimisers = {
            "clone": adam(self.policy_parameters, self.config.learning_rate),
            "critic": adam(self.critic.parameters(), self.config.learning_rate),
            "improvement": adam(self.policy.parameters(), self.config.policy_rate),
        }
        self._pairs = list(self.target.parameters()), list(self.critic.parameters())

    def update(self, batch: Batch, step: int) -> Metrics:
        """Take one step of the warm-up, or of the improvement."""
        if step < self._warm:
            return self.warm_up(batch)
        if step > self._warm and (step - self._warm) % self.config.gate_every == 0:
            self.gate()
        loss = self.clipped_loss(batch)
        self.minimise(loss, "improvement")
        return {"policy_loss": loss.detach(), "improvements": self.improvements.float()}

    def warm_up(self, batch: Batch) -> Metrics:
        """Clone the behaviour and learn its values."""
        imitation = -self.log_likelihood(batch.observations, batch.actions).mean()
        self.minimise(imitation, "clone")
        follow(self.accepted.parameters(), self.policy.parameters(), 1.0)
        values = self.critic(batch.observations)
        value = values.squeeze(1) if self.by_gae else choose(values, batch.actions)
        critic_loss = (value - self.behaviour_target(batch)).square().mean()
        self.minimise(critic_loss, "critic")
        follow(*self._pairs, self.config.target_rate)
        metrics = {"imitation_loss": imitation, "critic_loss": critic_loss, "q": value.mean()}
        return {name: metric.detach() for name, metric in metrics.items()}

    @torch.no_grad()
    def behaviour_target(self, batch: Batch) -> Tensor:
        """Target: y = r + gamma (1 - terminated) Vbar(s'), or Qbar(s', a') with the data's next action (SARSA).

        At a cut the next action is not known: there Qbar is averaged over the clone.
        """
        following = self.target(batch.next_observations)
        if self.by_gae:
            return torch.addcmul(batch.rewards, batch.alive, following.squeeze(1), value=self.config.gamma)
        logged = choose(following, batch.extra["next_action"])
        expected = (torch.softmax(self.policy(batch.next_observations), 1) * following).sum(1)
        after = torch.where(batch.extra["next_known"] > 0.0, logged, expected)
        return torch.addcmul(batch.rewards, batch.alive, after, value=self.config.gamma)

    def clipped_loss(self, batch: Batch) -> Tensor:
        """-E |omega - 1(A < 0)| min(ratio A, clip(ratio, 1 - c, 1 + c) A), ratio = pi / pi_old.

        With "q" the expectation over actions is exact: under pi_old, over all of them.
        """
        clip = self.config.clip * self.config.clip_decay ** int(self.improvements)
        if self.by_gae:
            advantage = self.data_advantages()[batch.extra["row"]]
            with torch.no_grad():
                old = self.log_likelihood(batch.observations, batch.actions, self.accepted)
            ratio = (self.log_likelihood(batch.observations, batch.actions) - old).exp()
            return -(self._weight(advantage) * clipped(ratio, advantage, clip)).mean()
        with torch.no_grad():
            before = torch.softmax(self.accepted(batch.observations), 1)
            q = self.critic(batch.observations)
            advantage = q - (before * q).sum(1, keepdim=True)
            advantage = advantage / advantage.std().clamp(min=1e-6)
        ratio = torch.softmax(self.policy(batch.observations), 1) / before.clamp(min=1e-6)
        return -(before * self._weight(advantage) * clipped(ratio, advantage, clip)).sum(1).mean()

    @torch.no_grad()
    def data_advantages(self) -> Tensor:
        """Return GAE of all rows from the behaviour's value, float32[N], scaled to mean 0 and deviation 1."""
        if self._advantages is None:
            d = self._data
            value = self.critic(self.scaler(d.observations)).squeeze(1)
            following = self.critic(self.scaler(d.next_observations)).squeeze(1)
            found = advantages(
                d.rewards, value, following, d.terminated, d.truncated, d.offsets,
                gamma=self.config.gamma, lam=self.config.lam,
            )  # fmt: skip
            self._advantages = (found - found.mean()) / found.std().clamp(min=1e-6)
        return self._advantages

    @torch.no_grad()
    def gate(self) -> None:
        """Take the policy over where held-out rows say that it is better, and go back where they say worse.

        Better by "q": E_s sum_a (pi - pi_old)(a | s) Q(s, a) above one standard error; by "gae": E (ratio - 1) A.
        """
        gain = self.gain(self._data.observations[self._held])
        error = float(gain.std()) / len(gain) ** 0.5
        if float(gain.mean()) > error:
            follow(self.accepted.parameters(), self.policy.parameters(), 1.0)
            self.improvements += 1
        elif float(gain.mean()) < -error:
            follow(self.policy.parameters(), self.accepted.parameters(), 1.0)

    def gain(self, observations: Tensor) -> Tensor:
        """Return each held-out row's estimated gain of the policy over the accepted one, float32[M]."""
        scaled = self.scaler(observations)
        if self.by_gae:
            actions = self.scaled_actions(self._data.actions[self._held])
            new, old = (self.log_likelihood(scaled, actions, net) for net in (self.policy, self.accepted))
            return ((new - old).exp().clamp(max=2.0) - 1.0) * self.data_advantages()[self._held]
        new, old = (torch.softmax(net(scaled), 1) for net in (self.policy, self.accepted))
        found: Tensor = ((new - old) * self.critic(scaled)).sum(1)
        return found

    @property
    def acting(self) -> torch.nn.Module:
        """The network that acts: the last improvement that was taken over."""
        return self.accepted

    def _weight(self, advantage: Tensor) -> Tensor:
        return torch.where(advantage < 0.0, 1.0 - self.config.omega, self.config.omega)


def clipped(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Return min(ratio A, clip(ratio, 1 - clip, 1 + clip) A) (Schulman et al., arXiv 1707.06347, equation 7)."""
    return torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
