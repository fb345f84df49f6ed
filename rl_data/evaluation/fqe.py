"""Fitted Q evaluation (Le et al., arXiv 1903.08738, algorithm 3): the critic of a policy, from anybody's transitions.

    Q(s, a)  <-  r + gamma (1 - terminated) E[a' ~ pi(s')] Qbar(s', a')

Several critics are fitted together, in one batched network, each with weights of its own for the episodes: so held-out
folds and bootstrap resamples cost little more than one critic.

How long the target network lags decides whether the values arrive: each lag moves them by one step of backup only, and
the error shrinks by gamma a lag. With the field's usual lag (5e-3 or a copy every 100 updates) and gamma 0.99, some
thousand updates leave most of the start value out. So the critics start at the mean return of the data, the target
follows fast, and three times as fast in the first half, and it is bounded by what returns can be, which keeps it from
running away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from rl_data.errors import SettingsError
from rl_data.networks import Architecture, Ensemble, Scaler, follow
from rl_data.policies import Policy
from rl_data.transitions import Problem, Transitions


@dataclass(frozen=True, slots=True)
class FQEConfig:
    """Settings.

    The table in `docs/learning.md` was measured with this batch and 3,000 steps. Twice the batch takes twice the time
    and changes little; `make bench-ope` measures the defaults.

    Attributes:
        steps: gradient updates.
        batch: rows an update.
        learning_rate: of Adam at the start; it falls linearly to 2%.
        follow: share of the way that the target network goes to the critic at each update, in the second half of the
            updates; see the module.
        action_samples: draws of the policy for each observation where actions are continuous.
        network: the hidden layers.
        seed: of weights, batches and draws.

    Raises:
        SettingsError: a value is out of range.
    """

    steps: int = 4_000
    batch: int = 256
    learning_rate: float = 1e-3
    follow: float = 0.1
    action_samples: int = 8
    network: Architecture = field(default_factory=lambda: Architecture(width=64))
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("steps", "batch", "learning_rate", "action_samples"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0.0 < self.follow <= 1.0:
            raise SettingsError(f"follow must be in (0, 1], not {self.follow}")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a policy would do in each of N observations.

    Attributes:
        probabilities: float32[N, A] for choices, else None.
        actions: float32[S, N, k], S draws, for vectors, else None; S = 1 where the policy is deterministic.
    """

    probabilities: Tensor | None
    actions: Tensor | None

    def rows(self, places: Tensor) -> Choices:
        """Return those of some observations."""
        if self.probabilities is not None:
            return Choices(self.probabilities[places], None)
        assert self.actions is not None
        return Choices(None, self.actions[:, places])


def choices(policy: Policy, observations: Tensor, samples: int, generator: torch.Generator) -> Choices:
    """Return what the policy would do."""
    if policy.discrete:
        return Choices(policy.probabilities(observations), None)
    if policy.deterministic:
        return Choices(None, policy.act(observations).unsqueeze(0))
    return Choices(None, torch.stack([policy.sample(observations, generator) for _ in range(samples)]))


class Critics(nn.Module):
    """M critics of one policy. Observations and actions are raw; values are in units of the return."""

    def __init__(self, members: int, problem: Problem, network: Architecture, scale: float) -> None:
        super().__init__()
        self.problem, self.scale = problem, scale
        self.scaler = Scaler(problem.observation_size)
        inputs = problem.observation_size + (0 if problem.discrete else problem.action_size)
        self.network = Ensemble(members, inputs, problem.action_size if problem.discrete else 1, network)
        low, high = torch.tensor(problem.low or (-1.0,)), torch.tensor(problem.high or (1.0,))
        self.register_buffer("middle", (low + high) / 2)
        self.register_buffer("reach", ((high - low) / 2).clamp(min=1e-6))

    middle: Tensor
    reach: Tensor

    def q(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return Q(s, a) / scale, float32[M, N], for int64[N] or float32[N, k]."""
        seen = self.scaler(observations)
        if self.problem.discrete:
            values: Tensor = self.network(seen)
            return values.gather(2, actions.long().expand(len(values), -1).unsqueeze(2)).squeeze(2)
        inputs = torch.cat([seen, (actions - self.middle) / self.reach], dim=1)
        return self.network(inputs).squeeze(2)  # type: ignore[no-any-return]  # torch types a module call as Any

    def v(self, observations: Tensor, chosen: Choices) -> Tensor:
        """Return E[a ~ pi] Q(s, a) / scale, float32[M, N]."""
        if chosen.probabilities is not None:
            return (self.network(self.scaler(observations)) * chosen.probabilities).sum(2)  # type: ignore[no-any-return]  # torch types a module call as Any
        assert chosen.actions is not None
        return torch.stack([self.q(observations, actions) for actions in chosen.actions]).mean(0)


@dataclass(frozen=True, slots=True)
class Values:
    """What M critics say about N logged rows, in units of the return.

    Attributes:
        q: float64[M, N], Q(s_t, a_t).
        v: float64[M, N], V(s_t) = E[a ~ pi] Q(s_t, a).
        next_v: float64[M, N], V of what followed; 0 at terminated rows.
    """

    q: Tensor
    v: Tensor
    next_v: Tensor


def fit(
    rows: Transitions, policy: Policy, episode_weights: Tensor, *, gamma: float, config: FQEConfig | None = None
) -> Values:
    """Fit M critics and return their values of all rows.

    Args:
        rows: logged transitions, E episodes.
        policy: whose critic it is.
        episode_weights: float[M, E] >= 0: how often each episode counts for each critic; 0 holds it out.
        gamma: discount, in [0, 1).
        config: settings.

    Raises:
        SettingsError: gamma is out of range, or a critic has no episode.
    """
    config = config or FQEConfig()
    if not 0.0 <= gamma < 1.0:
        raise SettingsError(f"FQE needs a discount in [0, 1), not {gamma}: without one the values have no bound")
    if not bool((episode_weights.sum(1) > 0).all()):
        raise SettingsError("a critic has no episode to learn from")
    generator = torch.Generator().manual_seed(config.seed)
    low, high = bounds(rows, gamma)
    scale = max(abs(low), abs(high), 1e-6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        critics, target = (Critics(len(episode_weights), rows.problem, config.network, scale) for _ in range(2))
    critics.scaler.fit(rows.observations)
    with torch.no_grad():
        critics.network.biases[-1].fill_(_mean_return(rows, gamma) / scale)
    target.load_state_dict(critics.state_dict())
    following = choices(policy, rows.next_observations, config.action_samples, generator)
    lengths = rows.offsets[1:] - rows.offsets[:-1]
    weights = torch.repeat_interleave(episode_weights.float(), lengths, dim=1)
    weights = weights / weights.mean(1, keepdim=True)
    goes_on = gamma * (~rows.terminated).float()
    optimiser = torch.optim.Adam(critics.parameters(), config.learning_rate)
    for step in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * max(0.02, 1.0 - step / config.steps)
        places = torch.randint(rows.rows, (config.batch,), generator=generator)
        with torch.no_grad():
            ahead = _one_draw(following.rows(places), generator)
            bootstrap = target.v(rows.next_observations[places], ahead).clamp(low / scale, high / scale)
            goal = rows.rewards[places] / scale + goes_on[places] * bootstrap
        error = critics.q(rows.observations[places], rows.actions[places]) - goal
        loss = (weights[:, places] * error.square()).mean(1).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        share = config.follow if 2 * step >= config.steps else min(1.0, 3.0 * config.follow)
        follow(target.parameters(), critics.parameters(), share)
    return _values(target, rows, policy, following, config, (low, high), generator)


def bounds(rows: Transitions, gamma: float) -> tuple[float, float]:
    """Return the least and the largest discounted return that the rewards of the data allow, if episodes never end."""
    low, high = (float(extreme) / (1.0 - gamma) for extreme in (rows.rewards.min(), rows.rewards.max()))
    return (min(low, 0.0), max(high, 0.0)) if bool(rows.terminated.any()) else (low, high)


def _mean_return(rows: Transitions, gamma: float) -> float:
    """Return r / (1 - gamma (1 - e)): what follows a row on average, if e is the share of rows that end the task."""
    ending = float(rows.terminated.double().mean())
    return float(rows.rewards.double().mean()) / (1.0 - gamma * (1.0 - ending))


@torch.no_grad()
def _values(  # noqa: PLR0917  # the arrays and settings of one step, in its order
    critics: Critics,
    rows: Transitions,
    policy: Policy,
    following: Choices,
    config: FQEConfig,
    limits: tuple[float, float],
    generator: torch.Generator,
) -> Values:
    now = choices(policy, rows.observations, config.action_samples, generator)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for places in torch.split(torch.arange(rows.rows), 8_192):
        q = critics.q(rows.observations[places], rows.actions[places])
        v = critics.v(rows.observations[places], now.rows(places))
        next_v = critics.v(rows.next_observations[places], following.rows(places))
        parts.append((q, v, next_v * (~rows.terminated[places]).float()))
    q, v, next_v = (
        (torch.cat(columns, dim=1).double() * critics.scale).clamp(*limits) for columns in zip(*parts, strict=True)
    )
    return Values(q, v, next_v * (~rows.terminated).double())


def _one_draw(chosen: Choices, generator: torch.Generator) -> Choices:
    """Return one of the drawn actions for each observation: right on average, and S times cheaper."""
    if chosen.actions is None:
        return chosen
    draws, count = chosen.actions.shape[:2]
    which = torch.randint(draws, (count,), generator=generator)
    return Choices(None, chosen.actions[which, torch.arange(count)].unsqueeze(0))
