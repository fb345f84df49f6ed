"""The truth, where there is an environment: let the policy act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.acting import PolicyActor
from rl_data.errors import SettingsError
from rl_data.evaluation.bootstrap import iqm, mean_interval, stratified_interval
from rl_data.evaluation.evaluation import Evaluation
from rl_data.policies import Policy
from rl_data.record import record


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Episodes that a policy played.

    Attributes:
        returns: float64[E], undiscounted.
        discounted: float64[E], with `gamma`.
        lengths: int64[E]
        gamma: the discount.
    """

    returns: NDArray[np.float64]
    discounted: NDArray[np.float64]
    lengths: NDArray[np.int64]
    gamma: float

    def evaluation(self, *, discounted: bool = False, seed: int = 0, level: float = 0.95) -> Evaluation:
        """Return the mean return with a bootstrap interval over the episodes."""
        values = self.discounted if discounted else self.returns
        interval = mean_interval(values, np.random.default_rng(seed), level=level)
        return Evaluation(
            "rollout",
            float(values.mean()),
            interval,
            self.gamma if discounted else 1.0,
            diagnostics={"episodes": float(len(values)), "iqm": iqm(values), "mean_length": float(self.lengths.mean())},
        )


def rollout(
    env_id: str,
    policy: Policy,
    *,
    episodes: int = 50,
    gamma: float = 0.99,
    seed: int = 0,
    greedy: bool = False,
    parallel: int = 16,
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
        env_options: further arguments of `gymnasium.make`.

    Raises:
        RecordError: the environment cannot be used.
        SettingsError: its spaces are not those of the policy.
    """
    actor = PolicyActor(policy, greedy=greedy)
    try:
        played = record(env_id, actor, episodes=episodes, seed=seed, parallel=parallel, env_options=env_options)
    except (RuntimeError, IndexError) as error:  # torch's own words for sizes that do not fit
        raise SettingsError(f"the policy does not fit {env_id}: {' '.join(str(error).split())}") from error
    returns, discounted = played.returns(), played.returns(gamma)
    assert returns is not None
    assert discounted is not None
    return Rollouts(returns, discounted, played.lengths, gamma)


def across_seeds(runs: Sequence[Rollouts], *, seed: int = 0, level: float = 0.95) -> Evaluation:
    """Return the interquartile mean over the runs' mean returns, with its interval over runs.

    One run is one training seed; episodes within a run are averaged first (Agarwal et al., arXiv 2108.13264).

    Raises:
        SettingsError: there are fewer than two runs.
    """
    scores = np.array([[run.returns.mean()] for run in runs])
    interval = stratified_interval(scores, generator=np.random.default_rng(seed), level=level)
    return Evaluation("rollout", iqm(scores), interval, 1.0, diagnostics={"runs": float(len(runs))})
