"""Behaviour data sets of known quality: learn online, keep the policies on the way, record them.

random    every action equally likely; needs no torch
medium    the first policy that reached a third of the way from random to expert (as D4RL's: Fu et al., arXiv
          2004.07219, section 5)
expert    the best policy that was seen
mixed     a third of the steps each
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from rl_data.errors import SettingsError
from rl_data.record import Actor, join, record
from rl_data.trajectories import Trajectories


class Tier(StrEnum):
    """How good the policy is that is recorded."""

    RANDOM = "random"
    MEDIUM = "medium"
    EXPERT = "expert"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an environment is learned.

    Attributes:
        algorithm: "ppo", "dqn" or "q-learning".
        options: of its config.
        expert: a mean return that counts as expert: learning stops there. None: the best of all steps.
    """

    algorithm: str
    options: Mapping[str, Any] = field(default_factory=dict)
    expert: float | None = None


RECIPES: Mapping[str, Recipe] = {
    "CartPole-v1": Recipe("ppo", {}, 495.0),
    "Acrobot-v1": Recipe(
        "ppo",
        {"steps": 150_000, "horizon": 128, "epochs": 8, "gamma": 0.99, "lam": 0.95, "entropy": 0.005},
        -90.0,
    ),
    "Pendulum-v1": Recipe(
        "ppo",
        {"steps": 200_000, "environments": 4, "horizon": 512, "epochs": 10, "gamma": 0.9, "lam": 0.95},
        -200.0,
    ),
    "LunarLander-v3": Recipe(
        "ppo",
        {"steps": 600_000, "environments": 16, "horizon": 512, "epochs": 4, "gamma": 0.999, "lam": 0.98,
         "learning_rate": 5e-4, "entropy": 0.01},
        200.0,
    ),
    "FrozenLake-v1": Recipe("q-learning", {"steps": 100_000}),
    "CliffWalking-v1": Recipe("q-learning", {"steps": 50_000, "learning_rate": 0.5}),
}  # fmt: skip
"""By environment; measured settings. Others are learned by PPO with the settings of `OTHERWISE`."""

OTHERWISE = Recipe("ppo", {"steps": 200_000, "horizon": 128, "epochs": 10, "gamma": 0.99, "lam": 0.95})

_PASSES = 60  # times in a whole run that the policy is looked at
_EPISODES = 20


@dataclass(frozen=True, slots=True)
class Graded:
    """A policy on the way, and how good it is.

    Attributes:
        step: environment steps it had learned for.
        mean_return: over some episodes in which it acted as it will be recorded.
        actor: who acts.
    """

    step: int
    mean_return: float
    actor: Actor


def collect(
    env_id: str,
    tier: Tier,
    *,
    steps: int = 10_000,
    seed: int = 0,
    epsilon: float = 0.0,
    algorithm: str | None = None,
    options: Mapping[str, Any] | None = None,
    env_options: Mapping[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Trajectories:
    """Return a data set of one tier.

    Args:
        env_id: of Gymnasium.
        tier: see the module.
        steps: transitions.
        seed: of learning and recording. The seed fixes every byte on one machine.
        epsilon: share of random actions that is mixed into learned policies with choices: so that they have a density
            where they are greedy, and other actions are seen.
        algorithm: in place of the recipe's.
        options: of its config, in place of the recipe's.
        env_options: further arguments of `gymnasium.make`.
        report: gets a line of progress now and then.

    Raises:
        RecordError: the environment cannot be used.
        SettingsError: an option is unknown or out of range.
    """
    tier = Tier(tier)
    if tier is Tier.MIXED and steps < 3:
        raise SettingsError(f"a mixed data set needs at least 3 steps, not {steps}")
    if tier is Tier.RANDOM:
        return record(env_id, steps=steps, seed=seed, env_options=env_options)
    path = learn(
        env_id, seed=seed, epsilon=epsilon, algorithm=algorithm, options=options, env_options=env_options, report=report
    )
    shares = {tier: steps} if tier is not Tier.MIXED else _thirds(steps)
    parts = []
    for number, (part, count) in enumerate(shares.items()):
        actor = None if part is Tier.RANDOM else at_tier(path, part, env_id)
        options_of_part: dict[str, Any] = {"seed": seed + 1_000_003 * number, "env_options": env_options}
        parts.append(record(env_id, actor, steps=count, parallel=4, **options_of_part))
    return join(parts)


def learn(
    env_id: str,
    *,
    seed: int = 0,
    epsilon: float = 0.0,
    algorithm: str | None = None,
    options: Mapping[str, Any] | None = None,
    env_options: Mapping[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Graded]:
    """Learn in the environment; return the policies on the way, in order. Arguments and errors as of `collect`."""
    recipe = RECIPES.get(env_id, OTHERWISE)
    if algorithm is not None and algorithm != recipe.algorithm:
        recipe = Recipe(algorithm, {}, recipe.expert)
    module, config_class = _algorithm(recipe.algorithm)
    from rl_data.settings import from_plain

    config = from_plain(config_class, {**recipe.options, **(options or {})})
    path: list[Graded] = []

    def keep(step: int, policy: Any) -> bool:
        actor = _as_actor(policy, f"{recipe.algorithm}-{step}", epsilon)
        seen = record(env_id, actor, episodes=_EPISODES, seed=seed + 7, parallel=_EPISODES, env_options=env_options)
        returns = seen.returns()
        assert returns is not None
        path.append(Graded(step, float(returns.mean()), actor))
        report(f"{env_id}: {recipe.algorithm}, {step:,} steps, mean return {returns.mean():.1f}")
        return recipe.expert is not None and epsilon == 0.0 and path[-1].mean_return >= recipe.expert

    every = max(1, config.steps // _PASSES)
    module.learn(env_id, config, seed=seed, every=every, snapshot=keep, env_options=env_options)
    return path


def at_tier(path: list[Graded], tier: Tier, env_id: str) -> Actor:
    """Return the medium or the expert policy of those on the way.

    Raises:
        SettingsError: there are none: the learner ran for too few steps.
    """
    if not path:
        raise SettingsError("no policy was kept on the way: give the learner more steps")
    expert = max(path, key=lambda graded: graded.mean_return)
    if tier is Tier.EXPERT:
        return expert.actor
    returns = record(env_id, episodes=_EPISODES, seed=7, parallel=_EPISODES).returns()
    assert returns is not None
    goal = returns.mean() + (expert.mean_return - returns.mean()) / 3.0
    return next(graded.actor for graded in path if graded.mean_return >= goal)


def _thirds(steps: int) -> dict[Tier, int]:
    third = steps // 3
    return {Tier.RANDOM: steps - 2 * third, Tier.MEDIUM: third, Tier.EXPERT: third}


def _algorithm(name: str) -> tuple[Any, Any]:
    if name == "q-learning":
        from rl_data.online import q_learning

        return q_learning, q_learning.QLearningConfig
    if name == "dqn":
        from rl_data.online import dqn

        return dqn, dqn.DQNConfig
    if name == "ppo":
        from rl_data.online import ppo

        return ppo, ppo.PPOConfig
    raise SettingsError(f"unknown algorithm {name!r}; known: ppo, dqn, q-learning")


def _as_actor(policy: Any, name: str, epsilon: float) -> Actor:
    """Return a copy of the policy as an actor, softened where it has choices and epsilon is above 0."""
    from rl_data.online.q_learning import TableActor

    if isinstance(policy, TableActor):
        return replace(policy, name=name, epsilon=epsilon)
    from rl_data.acting import PolicyActor
    from rl_data.policies import EpsilonSoft

    kept = copy.deepcopy(policy)
    return PolicyActor(EpsilonSoft(kept, epsilon) if epsilon and kept.discrete else kept, name)
