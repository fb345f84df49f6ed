"""Small decision processes whose values are known exactly, by dynamic programming."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl_data.policies import draw, log_prob_of
from rl_data.trajectories import Provenance, Space, Trajectories

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Process:
    """S states, A actions; a step ends the task with probability `ending`; the observation is the one-hot state."""

    transition: Floats  # [S, A, S], to where if it does not end
    reward: Floats  # [S, A]
    ending: Floats  # [S, A]
    start: Floats  # [S]

    def q(self, policy: Floats, gamma: float) -> Floats:
        """Return Q^pi, [S, A], by solving the Bellman equations."""
        states, actions = self.reward.shape
        forward = (1.0 - self.ending)[:, :, None] * self.transition  # [S, A, S]
        expected = (policy[:, :, None] * forward).sum(1)
        v = np.linalg.solve(np.eye(states) - gamma * expected, (policy * self.reward).sum(1))
        assert v.shape == (states,)
        assert actions == policy.shape[1]
        return np.asarray(self.reward + gamma * forward @ v)

    def value(self, policy: Floats, gamma: float) -> float:
        """Return the expected discounted return from the start."""
        return float(self.start @ (policy * self.q(policy, gamma)).sum(1))

    def record(self, policy: Floats, episodes: int, seed: int, limit: int = 1_000) -> Trajectories:
        """Return episodes of the policy, with its log-probabilities; those longer than the limit are truncated."""
        rng = np.random.default_rng(seed)
        states, actions = self.reward.shape
        rows: list[tuple[int, int, float, float, bool, bool, int]] = []
        lengths = []
        for _ in range(episodes):
            state, count, over = int(rng.choice(states, p=self.start)), 0, False
            while not over and count < limit:
                action = int(rng.choice(actions, p=policy[state]))
                following = int(rng.choice(states, p=self.transition[state, action]))
                over = bool(rng.random() < self.ending[state, action])
                count += 1
                cut = count == limit and not over
                log_prob = float(np.log(policy[state, action]))
                rows.append((state, action, float(self.reward[state, action]), log_prob, over, cut, following))
                state = following
            lengths.append(count)
        seen, acted, rewards, log_probs, over_, cut_, following_ = (
            np.array(column) for column in zip(*rows, strict=True)
        )
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        eye = np.eye(states, dtype=np.float32)
        return Trajectories(
            episode_ids=np.arange(episodes),
            offsets=offsets,
            steps=np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
            observations=eye[seen],
            actions=acted.astype(np.int32),
            rewards=rewards,
            terminated=over_,
            truncated=cut_,
            source_rows=np.arange(len(rows)),
            observation_space=Space("box", states),
            action_space=Space("discrete", actions),
            provenance=Provenance("canonical", "tabular.parquet"),
            next_observations=eye[following_],
            has_next=np.ones(len(rows), dtype=bool),
            behaviour_log_prob=log_probs,
        )


def random_process(states: int = 4, actions: int = 2, seed: int = 0, ending: float = 0.25) -> Process:
    """Return a process with random transitions and rewards in which every step may be the last."""
    rng = np.random.default_rng(seed)
    return Process(
        rng.dirichlet(np.ones(states), size=(states, actions)),
        rng.uniform(0.0, 1.0, (states, actions)),
        np.full((states, actions), ending),
        rng.dirichlet(np.ones(states)),
    )


def random_policy(states: int = 4, actions: int = 2, seed: int = 0) -> Floats:
    """Return [S, A] probabilities, none of them small."""
    return np.asarray(np.random.default_rng(seed).dirichlet(np.full(actions, 8.0), size=states))


@dataclass(frozen=True)
class Table:
    """A policy [S, A] on one-hot observations; a `rl_data.policies.Policy`."""

    table: Floats
    discrete: bool = True

    @property
    def deterministic(self) -> bool:
        return bool((self.table.max(1) == 1.0).all())

    def probabilities(self, observations: Tensor) -> Tensor:
        return torch.from_numpy(self.table).float()[observations.argmax(1)]

    def act(self, observations: Tensor) -> Tensor:
        return self.probabilities(observations).argmax(1)

    def sample(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return draw(self.probabilities(observations), generator)

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        return log_prob_of(self.probabilities(observations), actions)
