"""Episodes that a time limit cut: everything that is set side by side is the return of the task without the limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import gymnasium
import numpy as np
import torch

from rl_data.errors import SettingsError
from rl_data.evaluation.evaluate import evaluate
from rl_data.evaluation.evaluation import Trust
from rl_data.evaluation.logged import logged
from rl_data.evaluation.rollout import rollout
from rl_data.policies import GaussianSoft, no_density, no_probabilities
from tests.rl_data.evaluation.test_evaluate import QUICK
from tests.rl_data.evaluation.test_fqe import Pointing
from tests.rl_data.tabular import Process, Table, random_policy, random_process


class Still:
    """Presses the pendulum with no torque, whatever it sees; a `rl_data.policies.Policy`."""

    discrete, deterministic = False, True

    def act(self, observations: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(observations), 1)

    def sample(self, observations: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.act(observations)

    def probabilities(self, observations: torch.Tensor) -> torch.Tensor:
        raise no_probabilities(self)

    def log_prob(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        raise no_density(self)


@pytest.fixture(scope="module")
def endless() -> Process:
    """A task that never ends by itself, as Pendulum: all ends are the recording's."""
    return random_process(seed=1, ending=0.0)


def test_critics_look_past_a_cut_and_importance_sampling_that_cannot_only_ranks(endless: Process) -> None:
    # domain: a task without an end, recorded with a limit of 8 steps: 43% of the discounted future is not in the data
    policy = random_policy(seed=3)
    found = evaluate(endless.record(policy, 300, seed=0, limit=8), Table(policy), QUICK)
    truth = endless.value(policy, 0.9)
    for name in ("gae", "fqe", "dr"):
        one = getattr(found, name)
        assert one.estimate == pytest.approx(truth, rel=0.05), name
        assert one.trust is Trust.NUMBER, (name, one.reasons)
    assert found.diagnostics["missing_tail"] == pytest.approx(0.9**8)
    for one in (found.wis, found.pdis):
        assert one.estimate == pytest.approx(truth * (1 - 0.9**8), rel=0.05)
        assert one.trust is Trust.RANK
        assert "43% of the discounted future lies beyond" in one.reasons[0]


def test_a_limit_that_hides_next_to_nothing_takes_no_number_away(endless: Process) -> None:
    policy = random_policy(seed=3)
    found = evaluate(endless.record(policy, 60, seed=0, limit=45), Table(policy), replace(QUICK, refits=1))
    assert found.diagnostics["missing_tail"] == pytest.approx(0.9**45)
    assert found.pdis.trust is Trust.NUMBER, found.pdis.reasons


def test_a_value_beyond_what_was_logged_is_extrapolated_only_if_no_tail_can_hold_it() -> None:
    # domain: the same state for ever, reward 1 a step: cut after 5 steps every episode returns 4.1, the task 10
    process = Process(np.ones((1, 2, 1)), np.ones((1, 2)), np.zeros((1, 2)), np.ones(1))
    policy = np.full((1, 2), 0.5)
    found = evaluate(process.record(policy, 40, seed=0, limit=5), Table(policy), replace(QUICK, refits=1))
    assert found.fqe.estimate == pytest.approx(10.0, rel=0.03)
    assert found.diagnostics["logged_return_high"] == pytest.approx(10.0 * (1 - 0.9**5))
    assert found.fqe.trust is Trust.NUMBER, found.fqe.reasons


def test_where_the_critic_is_not_to_be_trusted_nor_is_doubly_robust_beyond_a_cut(endless: Process) -> None:
    behaviour = np.tile([1.0 - 1e-9, 1e-9], (4, 1))
    data = endless.record(behaviour, 60, seed=0, limit=8)
    found = evaluate(data, Table(np.tile([0.5, 0.5], (4, 1))), replace(QUICK, refits=1))
    assert any("unlike any in the data" in reason for reason in found.dr.reasons)


def test_a_gap_cuts_an_episode_and_only_beginnings_are_evaluated(endless: Process) -> None:
    """Domain: the recorder lost step 4 of each of 40 episodes of 8 steps; V of the halves' starts is no start value."""
    data = endless.record(random_policy(seed=3), 40, seed=0, limit=8)
    steps = data.steps + (data.steps >= 4)
    held = logged(replace(data, steps=steps, next_observations=None, has_next=None))
    assert (held.episodes, len(held.starts), len(held.offsets) - 1) == (40, 40, 80)
    np.testing.assert_allclose(held.missing_tails(0.9), 0.9**3)  # step 3 came before the gap: what followed is unknown
    found = evaluate(replace(data, steps=steps), Table(random_policy(seed=3)), replace(QUICK, refits=1))
    assert found.diagnostics["episodes"] == 40.0
    assert found.diagnostics["ess"] == pytest.approx(40.0)
    assert any("40 episodes are broken by gaps" in note for note in found.notes)
    assert found.to_json()["notes"] == list(found.notes)


def test_the_discounted_truth_is_played_past_the_limit_and_the_undiscounted_is_not() -> None:
    # Pendulum without torque at discount 0.99: 200 steps hold 87% of the discounted return
    played = rollout("Pendulum-v1", Still(), episodes=3, gamma=0.99, seed=1, past_limit=True)
    short = rollout("Pendulum-v1", Still(), episodes=3, gamma=0.99, seed=1)
    long = rollout("Pendulum-v1", Still(), episodes=3, gamma=0.99, seed=1, env_options={"max_episode_steps": 688})
    assert (played.limit, played.horizon) == (200, 688)
    assert played.lengths.tolist() == [200] * 3
    np.testing.assert_allclose(played.returns, short.returns)
    np.testing.assert_allclose(played.discounted, long.discounted)
    assert played.complete
    assert "no limit of 200" in played.words
    assert short.missing_tail == pytest.approx(0.99**200)
    assert not short.complete
    assert "13% of the discounted future is missing" in short.words
    assert played.evaluation(discounted=True).diagnostics["step_limit"] == 688.0


def test_an_environment_that_cuts_by_itself_cannot_be_played_on_and_that_is_said() -> None:
    class Short(gymnasium.Env[Any, Any]):
        """Cuts after 10 steps, without Gymnasium's own limit."""

        observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed)
            self.count = 0
            return np.zeros(1, np.float32), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            self.count += 1
            return np.zeros(1, np.float32), 1.0, False, self.count == 10, {}

    gymnasium.register("Short-v0", entry_point=lambda **_: Short())
    try:
        played = rollout("Short-v0", Pointing(1.0), episodes=2, gamma=0.9, past_limit=True)
    finally:
        gymnasium.registry.pop("Short-v0")
    assert played.missing_tail == pytest.approx(0.9**10)
    assert "not the quantity that is estimated" in played.words


def test_a_policy_of_another_task_is_refused_by_name_before_it_acts() -> None:
    with pytest.raises(SettingsError, match=r"Pendulum-v1, whose actions are vectors"):
        rollout("Pendulum-v1", Table(np.ones((3, 2)) / 2), episodes=1)
    with pytest.raises(SettingsError, match=r"CartPole-v1, whose actions are choices"):
        rollout("CartPole-v1", GaussianSoft(Pointing(1.0), 0.1), episodes=1)
