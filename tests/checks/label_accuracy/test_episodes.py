"""Planted defects are found, and clean recordings are left alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from audit.checks.correlation.duplicate_episodes import DuplicateAndOverlappingEpisodes
from audit.checks.correlation.redundant_observations import RedundantObservations
from audit.checks.label_accuracy.action_alignment import ActionAlignment
from audit.checks.label_accuracy.dynamics_outliers import DynamicsOutliers
from audit.checks.label_accuracy.environment_replay import EnvironmentReplay
from audit.checks.label_accuracy.reward_alignment import RewardAlignment
from audit.checks.label_accuracy.reward_conflicts import RewardConflictsAndFlips
from audit.findings import Outcome, Severity, Status
from audit.testing import audit_episodes
from rl_data.corrupt import Corrupted, inject
from rl_data.record import record
from rl_data.trajectories import Trajectories

pytest.importorskip("gymnasium", reason="needs the extra rl")

CHECKS = (
    ActionAlignment, DuplicateAndOverlappingEpisodes, DynamicsOutliers, RedundantObservations, RewardAlignment,
    RewardConflictsAndFlips,
)  # fmt: skip
EXPECTED = {
    "act_lag1": ActionAlignment,
    "rew_lag1": RewardAlignment,
    "reward_sign": RewardConflictsAndFlips,
    "reward_outlier": RewardConflictsAndFlips,
    "obs_units": DynamicsOutliers,
    "obs_units_steps": DynamicsOutliers,
    "shuffled": DynamicsOutliers,
    "interleaved": DynamicsOutliers,
    "foreign_episodes": DynamicsOutliers,
    "frozen_sensor": RedundantObservations,
    "duplicates": DuplicateAndOverlappingEpisodes,
}
ENVIRONMENTS = ("CartPole-v1", "Pendulum-v1")


@cache
def recorded(name: str, seed: int = 0) -> Trajectories:
    if name == "Pendulum-v1":
        return record(name, episodes=40, seed=seed)
    return record(name, steps=8_000, seed=seed)


def named(outcome: Outcome, t: Trajectories) -> tuple[Any, Any]:
    """Return bool[N] and bool[E]: what the repairs of findings at warn and above name."""
    said = {f.fingerprint("") for f in outcome.findings if f.severity > Severity.INFO}
    steps, episodes = np.zeros(t.rows, dtype=bool), np.zeros(t.episodes, dtype=bool)
    for repair in outcome.repairs:
        assert repair.fingerprint("") in said  # no repair without its finding
        for start, stop in repair.rows:
            steps[start:stop] = True
        own = np.isin(t.episode_ids.astype(str), repair.episodes)
        if repair.kind == "shift" and not repair.episodes:
            own[:] = True
        episodes |= own
    return steps | episodes[t.episode_of_row], episodes


def recall_and_precision(made: Corrupted, outcome: Outcome) -> tuple[float, float]:
    steps, episodes = named(outcome, made.trajectories)
    if made.undo.kind == "drop_steps":
        return float(steps[made.steps].mean()), float(made.involved[steps].mean()) if steps.any() else 0.0
    return float(episodes[made.episodes].mean()), float(made.episodes[episodes].mean()) if episodes.any() else 0.0


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_clean_recordings_are_left_alone(name: str, check: type) -> None:
    for seed in (1, 2):
        outcome = audit_episodes(check, recorded(name, seed))
        assert outcome.status in (Status.PASS, Status.NOT_APPLICABLE), outcome.findings
        assert not outcome.repairs


@pytest.mark.parametrize("rate", [0.1, 0.3])
@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("defect", EXPECTED)
def test_planted_defects_are_found(defect: str, name: str, rate: float) -> None:
    if (defect, name) == ("rew_lag1", "CartPole-v1"):
        pytest.skip("rewards are constant")
    if (defect, name, rate) == ("obs_units_steps", "Pendulum-v1", 0.3):
        pytest.skip("half of all transitions are wrong then: no model of a dynamics that is not linear withstands that")
    made = inject(defect, recorded(name), rate=rate, seed=1)
    recall, precision = recall_and_precision(made, audit_episodes(EXPECTED[defect], made.trajectories))
    assert recall >= 0.95
    assert precision >= 0.9


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_lag_of_all_actions_is_one_repair_that_a_person_confirms(name: str) -> None:
    outcome = audit_episodes(ActionAlignment, inject("act_lag1", recorded(name), rate=1.0, seed=0).trajectories)
    (finding,) = outcome.findings
    (repair,) = outcome.repairs
    assert finding.severity is Severity.FAIL
    assert (repair.kind, repair.field, repair.value, repair.episodes, repair.safe) == ("shift", "action", -1, (), False)
    (view,) = outcome.views
    assert view.chart.data["labels"] == ["t - 1", "t", "t + 1"]
    assert view.chart.data["values"][2] > 0.5


def test_a_lag_of_all_rewards_is_safe_to_undo_where_it_wins_everywhere() -> None:
    made = inject("rew_lag1", recorded("Pendulum-v1"), rate=1.0, seed=0)
    (repair,) = audit_episodes(RewardAlignment, made.trajectories).repairs
    assert (repair.kind, repair.field, repair.value, repair.episodes, repair.safe) == ("shift", "reward", -1, (), True)
    some = inject("rew_lag1", recorded("Pendulum-v1"), rate=0.3, seed=0)
    (proposed,) = audit_episodes(RewardAlignment, some.trajectories).repairs
    assert proposed.value == -1
    assert proposed.episodes
    assert not proposed.safe


def test_a_unit_gets_its_name_and_nothing_is_done_unasked() -> None:
    made = inject("obs_units", recorded("CartPole-v1"), rate=0.2, seed=0)
    outcome = audit_episodes(DynamicsOutliers, made.trajectories)
    assert "observation[2] and observation[3] in degrees" in outcome.findings[0].message
    assert not any(repair.safe for repair in outcome.repairs)


def test_disordered_episodes_are_quarantined_by_default() -> None:
    made = inject("shuffled", recorded("Pendulum-v1"), rate=0.2, seed=0)
    (repair,) = audit_episodes(DynamicsOutliers, made.trajectories).repairs
    assert (repair.kind, repair.safe) == ("quarantine", True)


def test_a_quiet_foreign_system_is_no_majority() -> None:
    """Episodes that move less than the others attract least squares; a third of them must still be the odd ones."""
    t = recorded("Pendulum-v1")
    quiet = record("Pendulum-v1", episodes=40, seed=5, env_options={"g": 2.0})
    bad = np.arange(40) % 3 == 0
    rows = bad[t.episode_of_row]
    mixed = replace(
        t,
        observations=np.where(rows[:, None], quiet.observations, t.observations),
        actions=np.where(rows[:, None], quiet.actions, t.actions),
        next_observations=None,
        has_next=None,
    )
    outcome = audit_episodes(DynamicsOutliers, mixed)
    assert (named(outcome, mixed)[1] == bad).all()


def test_the_sign_of_an_action_gets_its_name() -> None:
    t = recorded("Pendulum-v1")
    bad = (np.arange(40) % 5 == 0)[t.episode_of_row]
    outcome = audit_episodes(DynamicsOutliers, replace(t, actions=np.where(bad[:, None], -t.actions, t.actions)))
    assert "the action with the opposite sign in 8" in outcome.findings[0].message


def test_wrong_observations_in_a_row_are_told_from_the_steps_beside_them() -> None:
    t = recorded("CartPole-v1")
    rng = np.random.default_rng(0)
    wrong = rng.random(t.rows) < 0.1
    observations = t.observations.copy()
    observations[wrong, 2:] *= np.float32(180 / np.pi)
    steps, _ = named(audit_episodes(DynamicsOutliers, replace(t, observations=observations)), t)
    assert steps[wrong].mean() >= 0.95
    assert wrong[steps].mean() >= 0.9


def test_angles_that_wrap_are_no_outliers() -> None:
    t = recorded("Pendulum-v1")
    angle = np.arctan2(t.observations[:, 1], t.observations[:, 0])
    wrapped = np.column_stack([angle, t.observations[:, 2]]).astype(np.float32)
    space = replace(t.observation_space, size=2, low=None, high=None, names=())
    changed = replace(t, observations=wrapped, next_observations=None, has_next=None, observation_space=space)
    outcome = audit_episodes(DynamicsOutliers, changed)
    assert outcome.status is Status.PASS, outcome.findings


def test_noise_is_not_judged() -> None:
    t = recorded("CartPole-v1")
    noise = np.random.default_rng(0).normal(size=t.observations.shape).astype(np.float32)
    outcome = audit_episodes(DynamicsOutliers, replace(t, observations=noise, next_observations=None, has_next=None))
    assert outcome.status is Status.NOT_APPLICABLE
    assert "cannot be predicted" in outcome.reason


def test_values_that_are_not_finite_do_not_disturb() -> None:
    t = recorded("Pendulum-v1")
    observations, rewards = t.observations.copy(), t.rewards.copy() if t.rewards is not None else None
    assert rewards is not None
    observations[::50, 0], observations[7::90, 2], rewards[::70] = np.nan, np.inf, np.nan
    for check in CHECKS:
        outcome = audit_episodes(check, replace(t, observations=observations, rewards=rewards))
        assert outcome.status is not Status.ERROR, outcome.reason
        assert not any(f.severity is Severity.FAIL for f in outcome.findings), outcome.findings


@pytest.mark.parametrize("check", [*CHECKS, EnvironmentReplay])
def test_tiny_sets_are_no_error(check: type) -> None:
    one = [{"observations": [[0.0, 1.0]], "actions": [0], "rewards": [1.0]}]
    assert audit_episodes(check, one).status is not Status.ERROR
    assert audit_episodes(check, one * 3).status is not Status.ERROR
    four = [{"observations": [[0.0], [1.0], [2.0], [3.0]], "actions": [[0.5]] * 4, "rewards": [0.0, 1.0, 0.0, 2.0]}] * 9
    assert audit_episodes(check, four).status is not Status.ERROR


@pytest.mark.parametrize("name", [*ENVIRONMENTS, "Acrobot-v1", "MountainCar-v0"])
def test_a_recording_replays_in_its_environment(name: str) -> None:
    t = recorded(name) if name in ENVIRONMENTS else record(name, steps=500, seed=0)
    assert audit_episodes(EnvironmentReplay(environment=name, steps=300), t).status is Status.PASS
    off = replace(t, observations=t.observations * np.float32(1.05), next_observations=None, has_next=None)
    assert audit_episodes(EnvironmentReplay(environment=name, steps=300), off).status is Status.FAIL


def test_an_environment_that_is_not_known_by_state_needs_a_seed() -> None:
    t = record("CliffWalking-v1", steps=300, seed=0)
    outcome = audit_episodes(EnvironmentReplay(environment="CliffWalking-v1"), t)
    assert outcome.status is Status.NOT_APPLICABLE
