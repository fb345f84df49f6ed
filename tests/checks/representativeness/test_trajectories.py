"""REP101 to REP105 on recorded data: quiet on clean sets, and planted differences are found."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from audit.checks import check_by_code
from audit.findings import Finding, Outcome, Severity, Status
from audit.testing import audit_episodes
from rl_data.trajectories import Trajectories

pytest.importorskip("gymnasium", reason="needs the extra rl")

CODES = ("REP101", "REP102", "REP103", "REP104", "REP105")


def run(code: str, data: Trajectories, reference: Trajectories | None = None, **options: Any) -> Outcome:
    outcome = audit_episodes(check_by_code(code)(**options), data, reference=reference)
    assert outcome.status is not Status.ERROR, outcome.reason
    return outcome


def found(outcome: Outcome, statistic: str) -> Finding:
    return next(finding for finding in outcome.findings if finding.statistic == statistic)


def measured(outcome: Outcome, statistic: str) -> Any:
    return next(m.value for m in outcome.measurements if m.statistic == statistic)


def halves(data: Trajectories) -> tuple[Trajectories, Trajectories]:
    places = np.arange(data.episodes)
    return data.take(places[::2]), data.take(places[1::2])


@pytest.mark.parametrize("name", ["cartpole", "cartpole_mixed", "pendulum"])
@pytest.mark.parametrize("code", CODES)
def test_recorded_data_are_clean(request: pytest.FixtureRequest, name: str, code: str) -> None:
    outcome = run(code, request.getfixturevalue(name))
    assert [f.message for f in outcome.findings if f.severity > Severity.INFO] == []


@pytest.mark.parametrize("name", ["cartpole", "pendulum"])
@pytest.mark.parametrize("code", CODES)
def test_two_halves_of_a_set_are_alike(request: pytest.FixtureRequest, name: str, code: str) -> None:
    now, before = halves(request.getfixturevalue(name))
    outcome = run(code, now, before)
    assert [f.message for f in outcome.findings if f.severity > Severity.INFO] == []


# --- REP101 -----------------------------------------------------------------------------------------------------------


def test_cells_are_those_of_a_loop(cartpole: Trajectories) -> None:
    part = cartpole.take(np.arange(100))
    states = part.observations.astype(np.float64)
    low, high = np.quantile(states, [0.005, 0.995], axis=0)
    margin = (high - low) / 20
    low, high = low - margin, high + margin
    cells = {
        (*(min(max(int((x - a) * 10 / (b - a)), 0), 9) for x, a, b in zip(state, low, high, strict=True)), action)
        for state, action in zip(states.tolist(), part.actions.tolist(), strict=True)
    }
    assert measured(run("REP101", part), "cells") == len(cells)


def test_an_expert_covers_less_than_a_random_policy(cartpole: Trajectories, cartpole_expert: Trajectories) -> None:
    outcome = run("REP101", cartpole_expert, cartpole)
    assert {"saco", "uncovered_share"} <= {f.statistic for f in outcome.findings}
    assert found(outcome, "saco").value == pytest.approx(0.15, abs=0.1)
    assert measured(run("REP101", cartpole, cartpole), "saco") == pytest.approx(1.0)


def test_other_units_lie_outside_of_the_reference(pendulum: Trajectories) -> None:
    now, before = halves(pendulum)
    changed = now.observations.copy()
    changed[:, 2] *= 57.3
    outcome = run("REP101", dataclasses.replace(now, observations=changed), before)
    assert float(str(found(outcome, "foreign_share").value)) > 0.5
    assert found(outcome, "foreign_share").row_ids


def test_coverage_does_not_hang_on_one_outlier(cartpole: Trajectories) -> None:
    far = cartpole.observations.copy()
    far[17] = 1e6
    before, now = (
        measured(run("REP101", data), "cells") for data in (cartpole, dataclasses.replace(cartpole, observations=far))
    )
    assert abs(before - now) <= 0.02 * before


def test_a_spot_of_the_declared_space_is_narrow(pendulum: Trajectories) -> None:
    space = dataclasses.replace(pendulum.observation_space, low=(-1e4,) * 3, high=(1e4,) * 3)
    outcome = run("REP101", dataclasses.replace(pendulum, observation_space=space))
    assert found(outcome, "spanned_share").severity is Severity.WARN


def test_many_entries_are_measured_by_distance_only(pendulum: Trajectories) -> None:
    wide = np.concatenate([pendulum.observations, np.random.default_rng(0).normal(size=(4_000, 6))], axis=1)
    data = dataclasses.replace(pendulum, observations=wide.astype(np.float32))
    data = dataclasses.replace(data, observation_space=dataclasses.replace(data.observation_space, size=9, low=None))
    outcome = run("REP101", *halves(data))
    assert outcome.status is Status.PASS
    assert "cells are not counted" in outcome.not_evaluated[0].reason
    assert measured(outcome, "foreign_share") < 0.15


# --- REP102 -----------------------------------------------------------------------------------------------------------


def test_episodes_cut_in_the_middle_start_far_away(cartpole_expert: Trajectories, cartpole: Trajectories) -> None:
    data = cartpole.take(np.arange(200))
    offsets, steps = data.offsets.copy(), data.steps.copy()
    cut = [e for e in range(200) if data.lengths[e] >= 30][:10]
    for episode in cut:  # the end of the episode before is glued to the front: the start is not one
        offsets[episode] -= 3
    for episode in range(200):
        steps[offsets[episode] : offsets[episode + 1]] = np.arange(offsets[episode + 1] - offsets[episode])
    outcome = run("REP102", dataclasses.replace(data, offsets=offsets, steps=steps), far=15.0)
    finding = found(outcome, "far_start_share")
    assert finding.severity is Severity.WARN
    assert len(set(finding.episodes) & {str(e) for e in cut}) >= 6
    assert len(set(finding.episodes) - {str(e) for e in cut}) <= 1
    assert run("REP102", cartpole_expert, far=15.0).findings == ()


def test_another_reset_is_drift_of_starts(cartpole: Trajectories) -> None:
    now, before = halves(cartpole)
    shifted = now.observations.copy()
    shifted[now.offsets[:-1], 0] += 0.05
    outcome = run("REP102", dataclasses.replace(now, observations=shifted), before)
    assert found(outcome, "start_drift").columns == ("observation[0]",)


# --- REP103 -----------------------------------------------------------------------------------------------------------


def test_randomness_of_known_policies(
    cartpole: Trajectories, cartpole_expert: Trajectories, cartpole_mixed: Trajectories, pendulum: Trajectories
) -> None:
    assert measured(run("REP103", cartpole), "stochasticity") > 0.98
    assert measured(run("REP103", cartpole), "recorded_entropy") == pytest.approx(1.0)
    mixed = measured(run("REP103", cartpole_mixed), "stochasticity")
    assert mixed == pytest.approx(0.811, abs=0.08)  # entropy of (3/4, 1/4) in bits
    expert = run("REP103", cartpole_expert)
    assert measured(expert, "stochasticity") < 0.4
    assert measured(run("REP103", pendulum), "stochasticity") == pytest.approx(0.289, abs=0.02)


def test_a_deterministic_behaviour_leaves_no_importance_sampling(pendulum: Trajectories) -> None:
    actions = np.clip(pendulum.observations @ np.array([0.3, -1.0, -0.2], dtype=np.float32), -2, 2)[:, None]
    outcome = run("REP103", dataclasses.replace(pendulum, actions=actions, behaviour_log_prob=None))
    finding = found(outcome, "stochasticity")
    assert finding.severity is Severity.INFO
    assert "importance sampling is impossible" in finding.message


def test_ratios_of_long_episodes_leave_few_effective_episodes(cartpole_mixed: Trajectories) -> None:
    n = cartpole_mixed.rows
    log_mu = np.full(n, np.log(0.5))
    log_pi = np.log(np.random.default_rng(0).choice([0.9, 0.1], n))
    data = dataclasses.replace(cartpole_mixed, behaviour_log_prob=log_mu, infos={"target_log_prob": log_pi})
    outcome = run("REP103", data)
    finding = found(outcome, "effective_episodes")
    assert finding.severity is Severity.WARN
    ratios = np.add.reduceat(log_pi - log_mu, data.offsets[:-1])
    weights = np.exp(ratios - ratios.max())
    assert finding.value == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert any(view.chart.kind == "line" for view in outcome.views)
    same = dataclasses.replace(data, infos={"target_log_prob": log_mu})
    assert measured(run("REP103", same), "effective_episodes") == pytest.approx(60)


def test_weights_and_policies_of_the_data(cartpole: Trajectories) -> None:
    n = cartpole.rows
    weights = np.ones(n)
    weights[:5] = 1e6
    names = np.array(["a", "b", "c"])[np.arange(n) % 3]
    outcome = run("REP103", dataclasses.replace(cartpole, weights=weights, policy_ids=names))
    assert float(str(found(outcome, "effective_steps").value)) < 10
    assert found(outcome, "policies").severity is Severity.INFO
    weights[3] = -1
    outcome = run("REP103", dataclasses.replace(cartpole, weights=weights))
    assert found(outcome, "bad_weight_share").affected == 1


# --- REP104 -----------------------------------------------------------------------------------------------------------


def test_another_unit_fails_and_another_sign_warns(cartpole: Trajectories) -> None:
    now, before = halves(cartpole)
    changed = now.observations.copy()
    changed[:, 1] = changed[:, 1] * 57.3 + 100
    outcome = run("REP104", dataclasses.replace(now, observations=changed), before)
    worst = [f for f in outcome.findings if f.severity is Severity.FAIL]
    assert [f.columns for f in worst] == [("observation[1]",)]
    assert worst[0].chart is not None
    assert found(outcome, "separability").severity is Severity.WARN


def test_dynamics_that_change_are_seen_by_the_classifier_only(cartpole: Trajectories) -> None:
    now, before = halves(cartpole)
    flipped = dataclasses.replace(now, actions=(1 - now.actions).astype(np.int32))
    outcome = run("REP104", flipped, before)
    assert [f.statistic for f in outcome.findings] == ["separability"]


def test_other_actions_are_drift(cartpole: Trajectories) -> None:
    now, before = halves(cartpole)
    actions = now.actions.copy()
    actions[np.random.default_rng(0).random(now.rows) < 0.6] = 1
    outcome = run("REP104", dataclasses.replace(now, actions=actions), before)
    finding = next(f for f in outcome.findings if f.columns == ("action",))
    assert "action 0 has" in finding.message or "action 1 has" in finding.message


def test_few_episodes_that_differ_are_no_drift(pendulum: Trajectories) -> None:
    # ten episodes a side: the steps differ, but no more than ten episodes do by chance
    now, before = pendulum.take(np.arange(10)), pendulum.take(np.arange(10, 20))
    assert run("REP104", now, before).status is Status.PASS


# --- REP105 -----------------------------------------------------------------------------------------------------------


def suited(outcome: Outcome) -> dict[str, Any]:
    return {str(m.segment): m.value for m in outcome.measurements if m.statistic == "suited"}


def test_learners_for_random_data(cartpole: Trajectories, pendulum: Trajectories) -> None:
    verdicts = suited(run("REP105", cartpole))
    assert verdicts == {"BC": "no", "DQN": "yes", "CQL": "yes", "IQL": "yes", "offline PPO": "with care"}
    verdicts = suited(run("REP105", pendulum))
    assert verdicts["BC"] == "no"
    assert verdicts["TD3+BC"] == "with care"
    assert "DQN" not in verdicts


def test_an_expert_alone_will_not_feed_plain_dqn(cartpole_expert: Trajectories) -> None:
    outcome = run("REP105", cartpole_expert)
    finding = found(outcome, "failures")
    assert finding.severity is Severity.WARN
    assert "plain DQN will fail" in finding.message
    verdicts = suited(outcome)
    assert (verdicts["BC"], verdicts["DQN"], verdicts["CQL"]) == ("yes", "no", "with care")


def test_lost_terminations_will_not_feed_plain_dqn(cartpole: Trajectories) -> None:
    lost = dataclasses.replace(cartpole, terminated=np.zeros(cartpole.rows, dtype=bool))
    assert suited(run("REP105", lost))["DQN"] == "no"
    unknown = dataclasses.replace(cartpole, terminated=None, truncated=None)
    assert suited(run("REP105", unknown))["DQN"] == "no"


def test_imitation_data_can_only_be_cloned(cartpole_expert: Trajectories) -> None:
    outcome = run("REP105", dataclasses.replace(cartpole_expert, rewards=None))
    assert outcome.status is Status.PASS
    verdicts = suited(outcome)
    assert verdicts.pop("BC") == "yes"
    assert set(verdicts.values()) == {"no"}


def test_rewards_that_are_all_zero_block_every_learner_of_value(cartpole: Trajectories) -> None:
    verdicts = suited(run("REP105", dataclasses.replace(cartpole, rewards=np.zeros(cartpole.rows))))
    assert {verdicts[name] for name in ("DQN", "CQL", "IQL", "offline PPO")} == {"no"}


def test_quality_by_options_and_by_the_reference(cartpole: Trajectories, cartpole_expert: Trajectories) -> None:
    mean = float(np.mean(cartpole.lengths))
    told = run("REP105", cartpole, random_return=mean - 10, best_return=mean + 90)
    assert measured(told, "trajectory_quality") == pytest.approx(0.1)
    compared = run("REP105", cartpole_expert, cartpole_expert, random_return=22.0)
    assert measured(compared, "trajectory_quality") == pytest.approx(1.0)
    assert "random_return" in run("REP105", cartpole).not_evaluated[0].reason


def test_nothing_ever_advises_to_remove_episodes_of_low_return(cartpole_mixed: Trajectories) -> None:
    outcome = run("REP105", cartpole_mixed)
    assert outcome.repairs == ()
    assert [view.chart.kind for view in outcome.views] == ["histogram", "histogram", "bars"]


def test_one_episode_with_a_faulty_reward_spoils_no_other(cartpole: Trajectories) -> None:
    rewards = np.ones(cartpole.rows)
    rewards[5] = np.nan
    outcome = run("REP105", dataclasses.replace(cartpole, rewards=rewards))
    assert measured(outcome, "highest_return") == cartpole.lengths[1:].max()


def test_many_entries_that_drift_do_not_flood_the_report(pendulum: Trajectories) -> None:
    random = np.random.default_rng(0)
    wide = random.normal(size=(pendulum.rows, 30)).astype(np.float32)
    space = dataclasses.replace(pendulum.observation_space, size=30, low=None, high=None, names=())
    data = dataclasses.replace(pendulum, observations=wide, observation_space=space, next_observations=None)
    now, before = halves(dataclasses.replace(data, has_next=None))
    shifted = dataclasses.replace(now, observations=now.observations + np.float32(0.8))
    outcome = run("REP104", shifted, before)
    assert sum(f.statistic == "distance" for f in outcome.findings) == 10
    assert found(outcome, "drifted_entries").value == 20


def test_joints_that_are_measured_and_commanded_keep_apart(pendulum: Trajectories) -> None:
    names = ("elbow", "wrist", "thumb")
    actions = pendulum.observations + np.float32(0.01)
    data = dataclasses.replace(
        pendulum,
        actions=actions,
        observation_space=dataclasses.replace(pendulum.observation_space, names=names),
        action_space=dataclasses.replace(pendulum.observation_space, names=names, low=None, high=None),
    )
    now, before = halves(data)
    commanded = now.actions.copy()
    commanded[:, 1] += 5
    outcome = run("REP104", dataclasses.replace(now, actions=commanded), before)
    assert [f.columns for f in outcome.findings if f.statistic == "distance"] == [("action.wrist",)]
