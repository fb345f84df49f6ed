"""What every learner must do, and what each of them is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch

from rl_data.checkpoints import create, load
from rl_data.errors import DataError, PolicyError, SettingsError
from rl_data.learners import GROUP, LEARNERS, learner_class
from rl_data.learners.base import GreedyPolicy, Learner
from rl_data.policies import EpsilonSoft, GaussianSoft
from rl_data.training import Settings, Trained, train
from rl_data.transitions import Problem, transitions
from tests.rl_data.small_tasks import CHAIN, RIGHT, chain, chain_optimum, chain_states, pointing

SMALL = {"network": {"width": 32}}


@dataclass(frozen=True)
class Case:
    """A learner on a kind of actions, with options and steps that solve the small task."""

    learner: str
    kind: str
    options: dict[str, Any]
    steps: int = 600

    def train(self, *, seed: int = 0, steps: int | None = None, run: Path | None = None, data: Any = None) -> Trained:
        data = data or (chain() if self.kind == "discrete" else pointing())
        return train(
            data, self.learner, self.options, Settings(steps=steps or self.steps, seed=seed, device="cpu"), run=run
        )


CASES = [
    Case("bc", "discrete", SMALL),
    Case("bc", "continuous", SMALL),
    Case("q_learning", "discrete", {"gamma": 0.9}),
    Case("dqn", "discrete", {**SMALL, "gamma": 0.9, "target_rate": 0.05}),
    Case("cql", "discrete", {**SMALL, "gamma": 0.9, "target_rate": 0.05, "alpha": 0.1}),
    Case("ppo", "discrete", {**SMALL, "gamma": 0.9, "policy_rate": 3e-3, "gate_every": 20, "target_rate": 0.05}, 1_000),
    Case("ppo", "continuous", {**SMALL, "gamma": 0.5, "policy_rate": 1e-3, "gate_every": 20}, 1_500),
    Case("iql", "discrete", {**SMALL, "gamma": 0.9, "learning_rate": 3e-3, "temperature": 10.0, "target_rate": 0.05}),
    Case("iql", "continuous", {**SMALL, "gamma": 0.5, "learning_rate": 3e-3, "temperature": 3.0}, 1_000),
    Case("td3_bc", "continuous", {**SMALL, "gamma": 0.5, "learning_rate": 3e-3, "alpha": 10.0}, 1_000),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.learner}-{c.kind}")


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_learner_has_a_case() -> None:
    assert {case.learner for case in CASES} == set(LEARNERS)


# --- The same for all -------------------------------------------------------------------------------------------------


@every_case
def test_policies_have_the_shapes_of_the_contract(case: Case) -> None:
    data = chain(20) if case.kind == "discrete" else pointing(20)
    learner = case.train(steps=3, data=data).learner
    observations = torch.from_numpy(data.observations[:7])
    actions = learner.act(observations)
    generator = torch.Generator().manual_seed(0)
    drawn = learner.sample(observations, generator)
    assert learner.discrete == (case.kind == "discrete")
    if learner.discrete:
        assert actions.shape == drawn.shape == (7,)
        assert actions.dtype == drawn.dtype == torch.int64
        probabilities = learner.probabilities(observations)
        assert probabilities.shape == (7, 2)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(7))
        assert torch.equal(probabilities.argmax(1), actions)
    else:
        assert actions.shape == drawn.shape == (7, 1)
        assert actions.dtype == torch.float32
        assert bool((actions.abs() <= 2.0).all())
        with pytest.raises(PolicyError, match="continuous"):
            learner.probabilities(observations)
    if learner.deterministic:
        with pytest.raises(PolicyError, match=r"deterministic.*(EpsilonSoft|GaussianSoft)"):
            learner.log_prob(observations, actions)
        soft = EpsilonSoft(learner, 0.2) if learner.discrete else GaussianSoft(learner, 0.2)
        assert bool(torch.isfinite(soft.log_prob(observations, actions)).all())
    else:
        log_prob = learner.log_prob(observations, actions)
        assert log_prob.shape == (7,)
        assert not log_prob.requires_grad
        if learner.discrete:
            torch.testing.assert_close(log_prob.exp(), learner.probabilities(observations).amax(1))


@every_case
def test_a_saved_policy_acts_as_it_did(case: Case, tmp_path: Path) -> None:
    data = chain(20) if case.kind == "discrete" else pointing(20)
    learner = case.train(steps=20, run=tmp_path / "run", data=data).learner
    again = load(tmp_path / "run")
    observations = torch.from_numpy(data.observations)
    assert torch.equal(learner.act(observations), again.act(observations))
    assert _state(learner).keys() == _state(again).keys()
    for name, tensor in _state(learner).items():
        assert torch.equal(tensor, _state(again)[name]), name


@every_case
def test_two_runs_with_one_seed_are_equal_and_two_seeds_differ(case: Case) -> None:
    data = chain(20) if case.kind == "discrete" else pointing(20)
    torch.manual_seed(1)
    first = _state(case.train(steps=120, data=data).learner)
    torch.manual_seed(2)
    torch.rand(5)  # torch's own random state plays no part
    second = _state(case.train(steps=120, data=data).learner)
    other = _state(case.train(steps=120, data=data, seed=1).learner)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    if case.learner != "q_learning":  # which draws nothing
        assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items())


@every_case
def test_training_leaves_the_random_state_of_torch_alone(case: Case) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    case.train(steps=5)
    assert torch.equal(before, torch.get_rng_state())


@every_case
def test_the_small_task_is_solved_where_the_behaviour_does_not_solve_it(case: Case) -> None:
    """Half of the steps in the chain go left; the mean action in the pointing task is 0. Cloning learns just that."""
    learner = case.train().learner
    if case.kind == "discrete":
        probabilities = learner.probabilities(chain_states())[:, RIGHT]
        if case.learner == "bc":
            assert probabilities.tolist() == pytest.approx([0.5] * CHAIN, abs=0.2)
        else:
            assert learner.act(chain_states()).tolist() == [RIGHT] * CHAIN
            assert probabilities.min() > 0.5
        return
    observations = torch.linspace(-0.9, 0.9, 19)[:, None]
    error = (learner.act(observations) - observations).square().mean().sqrt()
    if case.learner == "bc":
        assert error > 0.4  # always 0 has 0.55
    else:
        assert error < 0.35


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_behaviour_cloning_does_what_experts_did(kind: str) -> None:
    if kind == "discrete":
        learner = Case("bc", kind, SMALL).train(data=chain(right=1.0)).learner
        assert learner.probabilities(chain_states())[:, RIGHT].min() > 0.9
        return
    data = pointing()
    expert = pointing(actions=data.observations.copy())
    learner = Case("bc", kind, {**SMALL, "fit_spread": False}).train(data=expert).learner
    observations = torch.linspace(-0.9, 0.9, 19)[:, None]
    assert (learner.act(observations) - observations).abs().max() < 0.15


def test_cloning_the_best_episodes_beats_cloning_all() -> None:
    data = chain(400, limit=6)
    every, best = (
        Case("bc", "discrete", {**SMALL, "top_share": share}).train(data=data).learner for share in (1.0, 0.2)
    )
    middle = chain_states()[1:]
    assert best.probabilities(middle)[:, RIGHT].mean() > every.probabilities(middle)[:, RIGHT].mean() + 0.1


@pytest.mark.parametrize("spread", [0.1, 0.5])
def test_the_spread_of_the_behaviour_is_estimated(spread: float) -> None:
    rng = np.random.default_rng(0)
    data = pointing(300)
    noisy = pointing(300, actions=(data.observations + rng.normal(0, spread, data.observations.shape)).astype("f4"))
    learner = Case("bc", "continuous", SMALL, 1_500).train(data=noisy).learner
    observations = torch.zeros(2_000, 1)
    drawn = learner.sample(observations, torch.Generator().manual_seed(0))
    assert float(drawn.std()) == pytest.approx(spread, rel=0.25)
    # the density is that of the actions' own units: it adds up to 1
    grid = torch.linspace(-2.5, 2.5, 1_001)[:, None]
    mass = learner.log_prob(torch.zeros(1_001, 1), grid).exp().sum() * 0.005
    assert float(mass) == pytest.approx(1.0, abs=0.02)


# --- Each for itself --------------------------------------------------------------------------------------------------


def chain_values(learner: Learner) -> torch.Tensor:
    """Return Q of each state of the chain, float32[6, 2]."""
    assert isinstance(learner, GreedyPolicy)
    return learner.values(chain_states()).detach()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99])
def test_tabular_q_is_the_exact_optimum_of_the_chain(gamma: float) -> None:
    trained = train(chain(400), "q_learning", {"gamma": gamma, "tolerance": 1e-12}, Settings(steps=5_000, device="cpu"))
    assert trained.steps < 5_000  # it stops by itself
    found = chain_values(trained.learner)
    np.testing.assert_allclose(found.numpy(), chain_optimum(gamma), atol=1e-6)


def test_tabular_q_takes_a_timeout_for_no_end() -> None:
    """A walk that is cut after each step: rewards must still flow back from state to state."""
    gamma = 0.9
    trained = train(chain(3_000, limit=1), "q_learning", {"gamma": gamma, "tolerance": 1e-12}, Settings(steps=5_000))
    found = chain_values(trained.learner)
    np.testing.assert_allclose(found.numpy(), chain_optimum(gamma), atol=1e-6)


def test_tabular_q_never_chooses_what_the_data_never_did() -> None:
    data = chain(200)
    no_right_at_zero = (data.observations[:, 0] == 1) & (data.actions == RIGHT)
    actions = np.where(no_right_at_zero, 0, data.actions).astype(np.int32)
    learner = train(chain(200, actions=actions), "q_learning", None, Settings(steps=500)).learner
    assert learner.act(chain_states()[:1]).item() == 0


def test_tabular_q_does_the_usual_where_it_has_never_been() -> None:
    learner = train(chain(200, right=0.9), "q_learning", None, Settings(steps=500)).learner
    assert learner.act(torch.ones(3, CHAIN)).tolist() == [RIGHT] * 3


def test_tables_that_cannot_be_are_refused() -> None:
    with pytest.raises(SettingsError, match="too many cells"):
        create("q_learning", Problem(40, True, 2))


def test_deep_q_comes_near_the_optimum_of_the_chain() -> None:
    trained = Case("dqn", "discrete", {**SMALL, "gamma": 0.9, "target_rate": 0.05}, 1_500).train(data=chain(400))
    found = chain_values(trained.learner)
    np.testing.assert_allclose(found.numpy(), chain_optimum(0.9), atol=0.1)


def test_conservative_q_values_less_what_the_data_seldom_did() -> None:
    data = chain(400, right=0.9)
    plain, conservative = (
        Case("cql", "discrete", {**SMALL, "gamma": 0.9, "alpha": alpha}).train(data=data).learner
        for alpha in (0.0, 2.0)
    )
    found = [chain_values(learner) for learner in (plain, conservative)]
    gap = [float((q[:, RIGHT] - q[:, 0]).mean()) for q in found]
    assert gap[1] > gap[0] + 0.5


def test_clones_do_not_improve_where_the_gate_sees_no_gain() -> None:
    """Rewards that do not depend on actions leave nothing to gain: few improvements, none far from the clone."""
    data = chain(200, rewards=np.ones(chain(200).rows))
    learner = Case("ppo", "discrete", {**SMALL, "gamma": 0.0}).train(data=data).learner
    assert learner.probabilities(chain_states())[:, RIGHT].tolist() == pytest.approx([0.5] * CHAIN, abs=0.25)


# --- Refusals ---------------------------------------------------------------------------------------------------------


def test_learners_for_other_actions_are_refused() -> None:
    with pytest.raises(SettingsError, match="TD3BC is for continuous actions; these are discrete"):
        train(chain(5), "td3_bc")
    with pytest.raises(SettingsError, match="CQL is for discrete actions; these are continuous"):
        train(pointing(5), "cql")
    with pytest.raises(SettingsError, match="advantage 'q' is for discrete"):
        train(pointing(5), "ppo", {"advantage": "q"})


@pytest.mark.parametrize("name", sorted(set(LEARNERS) - {"bc", "td3_bc"}))
def test_data_without_rewards_are_for_imitation_only(name: str) -> None:
    with pytest.raises(DataError, match="no rewards"):
        train(chain(5, rewards=None), name)


def test_imitation_needs_neither_rewards_nor_ends() -> None:
    data = chain(5, rewards=None, terminated=None, truncated=None)
    assert train(data, "bc", SMALL, Settings(steps=5)).steps == 5
    with pytest.raises(DataError, match="top_share"):
        train(data, "bc", {"top_share": 0.5}, Settings(steps=5))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cqll", {}, r"unknown learner 'cqll'; did you mean cql\?"),
        ("cql", {"alhpa": 1}, r"unknown option alhpa; did you mean alpha\? Known: network, "),
        ("nope", {}, "unknown learner 'nope'; known: bc, "),
        ("cql", {"nope": 1}, "unknown option nope; known: network, "),
        ("cql", {"network": {"nope": 1}}, "unknown option network.nope; known: network.width, "),
        ("cql", {"alpha": "much"}, "alpha must be of type float"),
        ("cql", {"gamma": 1.5}, r"gamma must be in \[0, 1\]"),
        ("cql", {"network": {"widht": 5}}, r"unknown option network.widht; did you mean network.width\?"),
        ("cql", {"network": 5}, "network has options of its own"),
        ("cql", {"network": {"activation": "sine"}}, "unknown activation"),
        ("cql", {"double": 1}, "double must be of type bool"),
        ("ppo", {"advantage": "z"}, "advantage must be"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        create(name, Problem(3, True, 2), options)


@every_case
def test_networks_are_as_the_options_say(case: Case) -> None:
    if case.learner == "q_learning":
        pytest.skip("has no network")
    network = {"width": 8, "depth": 3, "activation": "tanh", "layer_norm": True}
    data = chain(20) if case.kind == "discrete" else pointing(20)
    learner = train(data, case.learner, {"network": network}, Settings(steps=2)).learner
    assert sum(isinstance(module, torch.nn.LayerNorm) for module in learner.modules()) >= 3
    assert {p.shape[-1] for p in learner.parameters() if p.ndim > 1} <= {8, CHAIN, 2, 1}


def test_plug_ins_are_found_by_their_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "mine"

        def load(self) -> type[Learner]:
            return Learner

    def points(group: str) -> list[Point]:
        return [Point()] if group == GROUP else []

    monkeypatch.setattr("rl_data.learners.entry_points", points)
    assert learner_class("mine") is Learner


def test_data_are_taken_as_they_stand() -> None:
    rows = transitions(chain(5))
    before = {name: getattr(rows, name).clone() for name in ("observations", "actions", "rewards")}
    train(rows, "cql", SMALL, Settings(steps=5))
    for name, tensor in before.items():
        assert torch.equal(tensor, getattr(rows, name))


def _state(learner: Learner) -> dict[str, torch.Tensor]:
    return dict(learner.state_dict())
