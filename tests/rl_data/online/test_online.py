"""The online learners find the known optimum of a small task, and their equations are those of the papers."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import gymnasium
import numpy as np
import torch

from rl_data.acting import PolicyActor
from rl_data.errors import PolicyError, SettingsError
from rl_data.online import dqn, ppo, q_learning
from rl_data.online.policies import Categorical, Greedy, RunningScale, SquashedGaussian
from rl_data.online.stepping import SideBySide, Steps
from rl_data.policies import Policy
from rl_data.record import record
from rl_data.trajectories import Space

CORRIDOR = "rl-data-tests/Corridor-v0"


class Corridor(gymnasium.Env):
    """Five cells; the goal is right of the last. Every step costs 1, so the best return from the left end is -5."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (5,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.cell = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cell = 0
        return self.seen(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.cell = max(0, self.cell + (1 if action == 1 else -1))
        over = self.cell == 5
        return self.seen(), -1.0, over, False, {}

    def seen(self) -> Any:
        return np.eye(5, dtype=np.float32)[min(self.cell, 4)]


@pytest.fixture(autouse=True, scope="module")
def _corridor() -> Any:
    torch.set_num_threads(1)
    gymnasium.register(CORRIDOR, entry_point=lambda **_: Corridor(), max_episode_steps=30)
    yield
    gymnasium.registry.pop(CORRIDOR)


def mean_return(actor: Any) -> float:
    returns = record(CORRIDOR, actor, episodes=5).returns()
    assert returns is not None
    return float(returns.mean())


def test_q_learning_finds_the_optimum_and_its_values() -> None:
    actor = q_learning.learn(CORRIDOR, q_learning.QLearningConfig(steps=4_000, learning_rate=0.5, gamma=0.9))
    assert mean_return(actor) == -5.0
    exact = [-sum(0.9**k for k in range(5 - cell)) for cell in range(5)]
    np.testing.assert_allclose(actor.q.max(1), exact, atol=0.01)


def test_dqn_finds_the_optimum() -> None:
    config = dqn.DQNConfig(steps=2_400, warm_up=200, target_every=50, batch=64, gamma=0.9, hidden=(32,))
    assert mean_return(PolicyActor(dqn.learn(CORRIDOR, config))) == -5.0


def test_ppo_finds_the_optimum() -> None:
    config = ppo.PPOConfig(steps=6_000, horizon=64, epochs=5, gamma=0.9, learning_rate=3e-3, hidden=(32,))
    assert mean_return(PolicyActor(ppo.learn(CORRIDOR, config), greedy=True)) == -5.0


def test_ppo_learns_vectors_within_their_bounds() -> None:
    config = ppo.PPOConfig(steps=512, environments=2, horizon=128, epochs=2)
    policy = ppo.learn("Pendulum-v1", config)
    data = record("Pendulum-v1", PolicyActor(policy), steps=50)
    assert data.behaviour_log_prob is not None
    assert np.abs(data.actions).max() < 2.0
    expected = policy.log_prob(torch.from_numpy(data.observations), torch.from_numpy(data.actions))
    np.testing.assert_allclose(data.behaviour_log_prob, expected.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("module", "config"), [
    (q_learning, q_learning.QLearningConfig(steps=200)),
    (dqn, dqn.DQNConfig(steps=300, warm_up=100)),
    (ppo, ppo.PPOConfig(steps=256, epochs=1)),
])  # fmt: skip
def test_the_same_seed_learns_the_same(module: Any, config: Any) -> None:
    seen: list[Any] = []

    def keep(_: int, policy: Any) -> bool:
        answer = policy.probabilities(np.eye(5, dtype=np.float32) if module is q_learning else torch.eye(5))
        seen.append(np.asarray(answer))
        return False

    for _ in range(2):
        module.learn(CORRIDOR, config, seed=3, every=100, snapshot=keep)
    half = len(seen) // 2
    assert half > 0
    np.testing.assert_array_equal(np.stack(seen[:half]), np.stack(seen[half:]))


def test_a_snapshot_can_stop_the_learning() -> None:
    steps: list[int] = []

    def stop(step: int, _: object) -> bool:
        steps.append(step)
        return step == 300

    q_learning.learn(CORRIDOR, q_learning.QLearningConfig(steps=1_000), every=100, snapshot=stop)
    assert steps == [100, 200, 300]


def test_clipped_loss_by_hand() -> None:
    # ratios 2 and 0.5, clip 0.2: a gain is credited up to 1.2; a loss at ratio 0.5 is taken as at 0.8
    new, old = torch.log(torch.tensor([2.0, 0.5, 2.0])), torch.zeros(3)
    gains = torch.tensor([1.0, -1.0, -1.0])
    assert float(ppo.clipped_loss(new, old, gains, 0.2)) == pytest.approx(-(1.2 - 0.8 - 2.0) / 3)


def test_td_target_uses_the_next_observation_and_stops_at_the_end() -> None:
    q = torch.nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        q.weight.copy_(torch.tensor([[0.0, 3.0], [0.0, 1.0]]))
    eye = torch.eye(2)
    batch = (eye[[0, 0]], torch.tensor([0, 0]), torch.tensor([1.0, 1.0]), eye[[1, 1]], torch.tensor([0.0, 1.0]))
    # targets: 1 + 0.5 * 3 = 2.5, and 1 at the end; predictions 0; Huber: 2.5 - 0.5 and 0.5
    assert float(dqn.td_loss(q, q, batch, 0.5, double=True).detach()) == pytest.approx((2.0 + 0.5) / 2)


def test_replay_is_a_ring() -> None:
    replay = dqn.Replay(3, 1)
    for value in range(5):
        answer = Steps(np.array([float(value)]), np.zeros((1, 1), np.float32), np.array([False]), np.array([False]))
        replay.add(np.zeros((1, 1), np.float32), np.array([0]), answer)
    assert sorted(replay.rewards.tolist()) == [2.0, 3.0, 4.0]
    assert set(replay.draw(50, np.random.default_rng(0))[2].tolist()) == {2.0, 3.0, 4.0}


def test_side_by_side_gives_the_real_last_observation() -> None:
    environments = SideBySide(CORRIDOR, 2, 0)
    for _ in range(4):
        environments.step(np.array([1, 0]))
    answer = environments.step(np.array([1, 0]))
    assert answer.terminated.tolist() == [True, False]
    assert answer.next_observations[0].argmax() == 4  # where it ended
    assert environments.observations[0].argmax() == 0  # where the next episode begins
    assert environments.finished == [-5.0]
    environments.close()


def test_running_scale_is_the_scale_of_all_rows() -> None:
    rows = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * 2 + 5
    scale = RunningScale(3)
    for part in (rows[:10], rows[10:11], rows[11:]):
        scale.see(part)
    torch.testing.assert_close(scale.mean, rows.mean(0))
    torch.testing.assert_close(scale.variance, rows.var(0, unbiased=False))


def test_squashed_density_adds_up_to_one() -> None:
    policy = SquashedGaussian(1, Space("box", 1, (-2.0,), (3.0,)), (4,))
    actions = torch.linspace(-2.0, 3.0, 20_001)[1:-1].unsqueeze(1)
    density = policy.log_prob(torch.zeros(len(actions), 1), actions).exp()
    assert float(torch.trapezoid(density, actions[:, 0])) == pytest.approx(1.0, abs=1e-3)


def test_policies_answer_as_policies_must() -> None:
    torch.manual_seed(0)
    categorical, greedy = Categorical(3, 2, (4,)), Greedy(dqn.network(3, 2, (4,)))
    seen = torch.randn(7, 3)
    policies: list[Policy] = [categorical, greedy]
    for policy in policies:
        torch.testing.assert_close(policy.probabilities(seen).sum(1), torch.ones(7))
        assert policy.act(seen).shape == (7,)
    log_prob, entropy = categorical.differentiable_log_prob(seen, torch.zeros(7, dtype=torch.int64))
    torch.testing.assert_close(log_prob, categorical.log_prob(seen, torch.zeros(7, dtype=torch.int64)))
    assert (entropy <= np.log(2) + 1e-6).all()
    with pytest.raises(PolicyError):
        greedy.log_prob(seen, torch.zeros(7))
    with pytest.raises(PolicyError):
        SquashedGaussian(3, Space("box", 1, (-1.0,), (1.0,)), (4,)).probabilities(seen)


def test_choosing_follows_the_probabilities() -> None:
    probabilities = np.tile([0.2, 0.0, 0.8], (4_000, 1))
    draws = [np.random.default_rng(0)] * 4_000
    actions, log_probs = q_learning.choose(probabilities, draws)
    assert np.bincount(actions, minlength=3)[1] == 0
    assert (actions == 0).mean() == pytest.approx(0.2, abs=0.03)
    np.testing.assert_allclose(log_probs, np.log(np.where(actions == 0, 0.2, 0.8)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: q_learning.QLearningConfig(gamma=1.5),
        lambda: q_learning.QLearningConfig(bins=1),
        lambda: dqn.DQNConfig(epsilon=-1.0),
        lambda: dqn.DQNConfig(batch=0),
        lambda: ppo.PPOConfig(lam=2.0),
        lambda: ppo.PPOConfig(clip=0.0),
        lambda: q_learning.learn("Pendulum-v1", q_learning.QLearningConfig(steps=1)),
        lambda: dqn.learn("Pendulum-v1", dqn.DQNConfig(steps=1)),
        lambda: q_learning.learn("Acrobot-v1", q_learning.QLearningConfig(steps=1, bins=100)),
    ],
)
def test_settings_that_do_not_fit_are_refused(make: Any) -> None:
    with pytest.raises(SettingsError):
        make()
