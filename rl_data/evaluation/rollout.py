"""The truth, where there is an environment: let the policy act.

Estimates from logged episodes are of the task without its time limit: critics look past the end of an episode that was
cut. So the discounted return to hold them against is played past the limit, until what would follow no longer counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.acting import PolicyActor
from rl_data.errors import SettingsError
from rl_data.evaluation.bootstrap import iqm, mean_interval, stratified_interval
from rl_data.evaluation.evaluation import Evaluation
from rl_data.evaluation.fitting import check_observations, does_not_fit, problem_of_policy
from rl_data.policies import Policy
from rl_data.record import make_environment, record, spaces_of

NEGLIGIBLE = 1e-3
"""The share of the discounted future that need not be played."""


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Episodes that a policy played.

    Attributes:
        returns: float64[E], undiscounted, up to the environment's own step limit.
        discounted: float64[E], with `gamma`, of all steps that were played.
        lengths: int64[E], up to the environment's own step limit.
        gamma: the discount.
        limit: the environment's own step limit; None where it has none.
        horizon: the step limit that `discounted` was played to.
        missing_tail: gamma^T of the episodes that were cut after T steps, 0 of the others, on average: how much of the
            discounted future `discounted` lacks.
    """

    returns: NDArray[np.float64]
    discounted: NDArray[np.float64]
    lengths: NDArray[np.int64]
    gamma: float
    limit: int | None = None
    horizon: int | None = None
    missing_tail: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether `discounted` is of the task itself, as the estimates are, and not of its first steps only."""
        return self.missing_tail <= 10 * NEGLIGIBLE

    @property
    def words(self) -> str:
        """How far `discounted` was played, in words; empty where no step limit plays a part."""
        if not self.complete:
            return (
                f"its episodes were cut, and {self.missing_tail:.0%} of the discounted future is missing: not the "
                "quantity that is estimated"
            )
        if self.limit is not None and self.horizon is not None and self.horizon > self.limit:
            return f"played on to {self.horizon:,} steps, as if there were no limit of {self.limit:,}"
        return ""

    def evaluation(self, *, discounted: bool = False, seed: int = 0, level: float = 0.95) -> Evaluation:
        """Return the mean return with a bootstrap interval over the episodes."""
        values = self.discounted if discounted else self.returns
        interval = mean_interval(values, np.random.default_rng(seed), level=level)
        diagnostics = {"episodes": float(len(values)), "iqm": iqm(values), "mean_length": float(self.lengths.mean())}
        if discounted:
            diagnostics["missing_tail"] = self.missing_tail
            if self.horizon is not None:
                diagnostics["step_limit"] = float(self.horizon)
        gamma = self.gamma if discounted else 1.0
        return Evaluation("rollout", float(values.mean()), interval, gamma, diagnostics=diagnostics)


def rollout(
    env_id: str,
    policy: Policy,
    *,
    episodes: int = 50,
    gamma: float = 0.99,
    seed: int = 0,
    greedy: bool = False,
    parallel: int = 16,
    past_limit: bool = False,
    env_options: Mapping[str, Any] | None = None,
) -> Rollouts:
    """Return episodes of the policy, each with its own seed.

    Args:
        env_id: of Gymnasium.
        policy: on the CPU.
        episodes: how many.
        gamma: of the discounted returns.
        seed: of environments and draws; the same seed gives two policies the same starts.
        greedy: take `policy.act` instead of drawing.
        parallel: environments side by side.
        past_limit: play on past the environment's step limit until gamma^H < 1e-3, so that `discounted` is of the task
            without the limit, as the estimates are. An environment that ends its episodes by itself cannot be played
            on; `missing_tail` says what is missing then.
        env_options: further arguments of `gymnasium.make`.

    Raises:
        RecordError: the environment cannot be used.
        SettingsError: its spaces are not those of the policy.
    """
    actor = PolicyActor(policy, greedy=greedy)
    options = dict(env_options or {})
    limit = _step_limit(env_id, options, policy)
    horizon = limit
    if past_limit and limit is not None and gamma < 1.0:
        horizon = max(limit, _horizon(gamma))
        options["max_episode_steps"] = horizon
    try:
        played = record(env_id, actor, episodes=episodes, seed=seed, parallel=parallel, env_options=options)
    except (RuntimeError, IndexError) as error:  # torch's own words for sizes that do not fit
        raise does_not_fit(env_id, error) from error
    discounted, lengths = played.returns(gamma), played.lengths
    assert discounted is not None
    assert played.rewards is not None
    assert played.truncated is not None
    within = np.ones(played.rows, dtype=bool) if limit is None else played.steps < limit
    returns = np.add.reduceat(played.rewards * within, played.offsets[:-1])
    tails = np.where(played.truncated[played.last_rows], gamma ** lengths.astype(np.float64), 0.0)
    shown = lengths if limit is None else np.minimum(lengths, limit)
    return Rollouts(returns, discounted, shown, gamma, limit, horizon, float(tails.mean()))


def _horizon(gamma: float) -> int:
    """Return the least H with gamma^H < 1e-3."""
    return 1 if gamma == 0.0 else math.ceil(math.log(NEGLIGIBLE) / math.log(gamma))


def _step_limit(env_id: str, options: Mapping[str, Any], policy: Policy) -> int | None:
    """Return the environment's own step limit, after a look at whether the policy fits its spaces."""
    environment = make_environment(env_id, options)
    try:
        observation_space, action_space = spaces_of(environment)
        limit: int | None = environment.spec.max_episode_steps
    finally:
        environment.close()
    check_observations(policy, observation_space.size, env_id)
    known, kind = problem_of_policy(policy), "choices" if action_space.kind == "discrete" else "vectors"
    if (action_space.kind == "discrete") != policy.discrete:
        raise SettingsError(f"the policy does not fit {env_id}, whose actions are {kind}")
    if known is not None and (
        known.action_size > action_space.size if policy.discrete else known.action_size != action_space.size
    ):
        raise SettingsError(
            f"the policy does not fit {env_id}: its actions are {kind} of {known.action_size}, there they are "
            f"{kind} of {action_space.size}"
        )
    return limit


def across_seeds(runs: Sequence[Rollouts], *, seed: int = 0, level: float = 0.95) -> Evaluation:
    """Return the interquartile mean over the runs' mean returns, with its interval over runs.

    One run is one training seed; episodes within a run are averaged first (Agarwal et al., arXiv 2108.13264).

    Raises:
        SettingsError: there are fewer than two runs.
    """
    scores = np.array([[run.returns.mean()] for run in runs])
    interval = stratified_interval(scores, generator=np.random.default_rng(seed), level=level)
    return Evaluation("rollout", iqm(scores), interval, 1.0, diagnostics={"runs": float(len(runs))})
