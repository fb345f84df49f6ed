"""The whole evaluation: right where it can be, silent where it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np

from rl_data.checkpoints import create
from rl_data.errors import DataError, SettingsError
from rl_data.evaluation.evaluate import CURVE, EvaluationConfig, PolicyEvaluation, evaluate
from rl_data.evaluation.evaluation import Evaluation, Interval, Trust
from rl_data.evaluation.fqe import FQEConfig
from rl_data.networks import Architecture
from rl_data.policies import EpsilonSoft, GaussianSoft
from rl_data.transitions import Problem
from tests.rl_data.evaluation.test_fqe import Pointing
from tests.rl_data.small_tasks import pointing
from tests.rl_data.tabular import Table, random_policy, random_process

QUICK = EvaluationConfig(
    gamma=0.9,
    refits=3,
    replicates=300,
    behaviour_steps=200,
    fqe=FQEConfig(steps=800, batch=128, learning_rate=3e-3, network=Architecture(width=32)),
)


@pytest.fixture(scope="module")
def easy() -> tuple[float, PolicyEvaluation]:
    process, target = random_process(seed=1, ending=0.2), random_policy(seed=6)
    data = process.record(random_policy(seed=3), 400, seed=0)
    return process.value(target, 0.9), evaluate(data, Table(target), QUICK)


def test_every_sound_estimator_is_near_the_exact_value(easy: tuple[float, PolicyEvaluation]) -> None:
    truth, found = easy
    for name in ("gae", "fqe", "wis", "pdis", "dr"):
        one = getattr(found, name)
        assert one.estimate == pytest.approx(truth, rel=0.1), name
        assert one.trust is Trust.NUMBER, (name, one.reasons)
        assert truth in one.interval, name
    assert found.headline is found.gae
    assert not found.behaviour_estimated


def test_the_curve_has_more_spread_toward_lambda_one(easy: tuple[float, PolicyEvaluation]) -> None:
    _, found = easy
    assert tuple(point.settings["lam"] for point in found.curve) == CURVE
    spreads = [point.diagnostics["std"] for point in found.curve]
    assert spreads == sorted(spreads)


def test_without_ratios_it_is_for_ranks_at_most_and_says_why(easy: tuple[float, PolicyEvaluation]) -> None:
    _, found = easy
    assert found.plain.trust is Trust.RANK
    assert "whoever recorded" in found.plain.reasons[0]


def test_json_has_no_number_where_none_is_to_be_shown(easy: tuple[float, PolicyEvaluation]) -> None:
    _, found = easy
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["gae"]["value"] == pytest.approx(found.gae.estimate)
    refused = Evaluation("wis", 3.0, Interval(1.0, 5.0), 0.9, Trust.RANK, ("few",)).to_json()
    assert (refused["value"], refused["low"], refused["rank_by"]) == (None, None, 3.0)
    silent = Evaluation("wis", float("nan"), None, 0.9, Trust.NOTHING, ("none",)).to_json()
    assert (silent["value"], silent["rank_by"]) == (None, None)


def test_a_policy_far_from_the_data_gets_no_number() -> None:
    process = random_process(seed=1, ending=0.02)  # 50 steps an episode: weights of whole episodes are hopeless
    behaviour = np.tile([0.95, 0.05], (4, 1))
    found = evaluate(process.record(behaviour, 60, seed=0), Table(behaviour[:, ::-1].copy()), replace(QUICK, refits=1))
    for one in (found.gae, found.fqe, found.wis, found.pdis, found.dr):
        assert one.trust is not Trust.NUMBER
        assert one.value is None
        assert any("count as" in reason for reason in one.reasons)


def test_actions_that_were_never_tried_get_no_number_from_the_critic() -> None:
    process = random_process(seed=1, ending=0.2)
    data = process.record(np.tile([1.0 - 1e-9, 1e-9], (4, 1)), 60, seed=0)
    found = evaluate(data, Table(np.tile([0.5, 0.5], (4, 1))), replace(QUICK, refits=1))
    assert found.diagnostics["out_of_distribution"] == pytest.approx(0.5)
    assert found.fqe.trust is Trust.RANK
    assert found.gae.trust is Trust.RANK
    assert "unlike any in the data" in found.fqe.reasons[0]


def test_a_deterministic_policy_of_vectors_has_no_ratios_but_a_critic() -> None:
    data = pointing(60)
    found = evaluate(data, Pointing(1.0), replace(QUICK, refits=1))
    for one in (found.gae, found.wis, found.pdis, found.dr):
        assert one.trust is Trust.NOTHING
        assert "--soften" in one.reasons[0]
    assert found.headline is found.fqe
    # without ratios nothing shows whether the critic is right: how many effective episodes there are is unknown
    assert found.fqe.trust is Trust.RANK
    assert "--soften" in found.fqe.reasons[-1]
    assert found.behaviour_estimated


def test_a_softened_policy_of_vectors_has_ratios() -> None:
    recorded = pointing(60)
    data = replace(recorded, behaviour_log_prob=np.full(recorded.rows, -np.log(4.0)))
    found = evaluate(data, GaussianSoft(Pointing(0.5), 0.7), replace(QUICK, refits=1))
    assert found.gae.diagnostics["mean_ratio"] == pytest.approx(1.0, abs=0.3)
    assert np.isfinite(found.dr.estimate)


def test_the_same_seed_gives_the_same_evaluation() -> None:
    data, policy = random_process().record(random_policy(), 20, seed=0), Table(random_policy(seed=1))
    config = replace(QUICK, fqe=replace(QUICK.fqe, steps=20))
    assert evaluate(data, policy, config).to_json() == evaluate(data, policy, config).to_json()


def quickly(data: Any, policy: Any) -> PolicyEvaluation:
    return evaluate(data, policy, replace(QUICK, refits=1, fqe=replace(QUICK.fqe, steps=20)))


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        (3, 2),  # the data show fewer choices than the policy has
        (2, 4),  # the policy knows fewer than the data show
        (2, 1),  # the data show one: a critic of one output would be stretched over both without a word
    ],
)
def test_there_are_as_many_choices_as_policy_or_data_know(known: int, shown: int) -> None:
    data = random_process(actions=shown).record(random_policy(actions=shown), 20, seed=0)
    found = quickly(data, Table(random_policy(actions=known)))
    assert np.isfinite(found.fqe.estimate)
    assert found.notes[-1] == (
        f"the data show {shown} choices of action and the policy knows {known}: the larger number counts"
    )
    if known > shown:
        assert found.diagnostics["out_of_distribution"] > 0.2
        assert found.fqe.trust is Trust.RANK


def test_data_of_another_size_are_refused_in_plain_words() -> None:
    data = random_process(states=6).record(random_policy(states=6), 20, seed=0)
    learner = create("bc", Problem(4, True, 2))
    for policy in (learner, EpsilonSoft(learner, 0.1)):
        with pytest.raises(SettingsError, match="observations of 4 numbers, and those of the data have 6"):
            quickly(data, policy)
    with pytest.raises(SettingsError, match="vectors of 2, the data's of 1"):
        quickly(pointing(20), create("td3_bc", Problem(1, False, 2, (-1.0, -1.0), (1.0, 1.0))))
    narrow = pointing(20)  # one number would be stretched to any size
    with pytest.raises(SettingsError, match="observations of 3 numbers"):
        quickly(narrow, create("td3_bc", Problem(3, False, 1, (-1.0,), (1.0,))))


def test_a_greedy_policy_of_choices_is_told_to_soften() -> None:
    process = random_process(seed=1, ending=0.02)
    found = quickly(process.record(random_policy(), 20, seed=0), Table(np.tile([1.0, 0.0], (4, 1))))
    assert any("it always takes one action: evaluate a softened one (--soften" in r for r in found.fqe.reasons)


def changed(**changes: Any) -> Any:
    return replace(random_process().record(random_policy(), 20, seed=0), **changes)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (changed(rewards=None), DataError, "without rewards"),
        (random_process().record(random_policy(), 3, seed=0), DataError, "too few"),
        (changed(behaviour_log_prob=np.full(changed().rows, np.nan)), DataError, "behaviour_log_prob"),
        (pointing(20), SettingsError, "choices"),
    ],
)
def test_data_that_cannot_be_evaluated_on_are_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evaluate(data, Table(random_policy()), QUICK)


@pytest.mark.parametrize(
    "options",
    [{"gamma": 1.0}, {"lam": 1.1}, {"clip_c": 2.0, "clip_rho": 1.0}, {"folds": 1}, {"level": 1.0}, {"replicates": 1}],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        EvaluationConfig(**options)
