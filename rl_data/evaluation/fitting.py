"""Whether a policy fits data: the sizes of what it sees and does, compared before anything is computed.

Data of another task would otherwise end in torch's own words, or worse, be stretched to fit without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rl_data.errors import SettingsError
from rl_data.policies import Policy, Reweighted, log_prob_of
from rl_data.transitions import Problem, Transitions


@dataclass(frozen=True, slots=True)
class Widened(Reweighted):
    """A policy of choices among more choices than it knows: the others have probability 0.

    Attributes:
        policy: of fewer choices.
        choices: A, how many there are.
    """

    policy: Policy
    choices: int

    @property
    def deterministic(self) -> bool:
        """Whether the policy itself is."""
        return self.policy.deterministic

    def probabilities(self, observations: Tensor) -> Tensor:
        """Return float32[N, A]."""
        own = self.policy.probabilities(observations)
        return torch.nn.functional.pad(own, (0, self.choices - own.shape[1]))

    def log_prob(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return float32[N]; see `Policy.log_prob`."""
        return log_prob_of(self.probabilities(observations), actions)


def fitted(policy: Policy, rows: Transitions) -> tuple[Policy, Problem, tuple[str, ...]]:
    """Return the policy and the problem of one size, and what is to be said about it.

    How many choices there are is often known from the data only, which may not show all of them: there are as many as
    either of the two knows.

    Args:
        policy: on the CPU.
        rows: to evaluate it on.

    Raises:
        SettingsError: actions of another kind, or vectors of another length.
    """
    problem = rows.problem
    if policy.discrete != problem.discrete:
        kinds = ("choices", "vectors") if policy.discrete else ("vectors", "choices")
        raise SettingsError(f"the policy's actions are {kinds[0]}, the data's are {kinds[1]}")
    size = action_size(policy, rows.observations[:1], "the data")
    if size == problem.action_size:
        return policy, problem, ()
    if not policy.discrete:
        raise SettingsError(
            f"the policy's actions are vectors of {size}, the data's of {problem.action_size}: it was learned for "
            "another task; evaluate it on data of its own"
        )
    note = (
        f"the data show {problem.action_size} choices of action and the policy knows {size}: the larger number counts"
    )
    if size < problem.action_size:
        return Widened(policy, problem.action_size), problem, (note,)
    return policy, Problem(problem.observation_size, True, size), (note,)


def action_size(policy: Policy, observations: Tensor, where: str) -> int:
    """Return the number of choices, or the length of the action vector, of a policy.

    Args:
        policy: on the CPU.
        observations: float32[1, d], to try.
        where: what they are of, for messages.

    Raises:
        SettingsError: the policy sees observations of another size.
    """
    check_observations(policy, observations.shape[1], where)
    try:
        found = policy.probabilities(observations) if policy.discrete else policy.act(observations)
    except (RuntimeError, IndexError) as error:  # torch's own words for sizes that do not fit
        raise does_not_fit(where, error) from error
    return int(found.shape[1])


def check_observations(policy: Policy, size: int, where: str) -> None:
    """Raise SettingsError where the policy was made for observations of another size than those of `where`."""
    known = problem_of_policy(policy)
    if known is not None and known.observation_size != size:
        raise SettingsError(
            f"the policy sees observations of {known.observation_size} numbers, and those of {where} have {size}: it "
            "was learned for another task"
        )


def problem_of_policy(policy: Policy) -> Problem | None:
    """Return what a policy, softened or not, was made for; None where it does not say."""
    inner: Any = policy
    while inner is not None:
        problem = getattr(inner, "problem", None)
        if isinstance(problem, Problem):
            return problem
        inner = getattr(inner, "policy", None)
    return None


def does_not_fit(where: str, error: Exception) -> SettingsError:
    """Return the error of a policy that fails on observations or actions of `where`."""
    return SettingsError(f"the policy does not fit {where}: {' '.join(str(error).split())}")
