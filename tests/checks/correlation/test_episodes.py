from __future__ import annotations

from dataclasses import replace

import numpy as np

from audit.checks.correlation.duplicate_episodes import DuplicateAndOverlappingEpisodes
from audit.checks.correlation.redundant_observations import RedundantObservations
from audit.findings import Severity, Status
from audit.testing import audit_episodes
from rl_data.episodes import from_episodes
from rl_data.trajectories import Trajectories


def walks(episodes: int = 30, length: int = 40, entries: int = 3, seed: int = 0) -> Trajectories:
    rng = np.random.default_rng(seed)
    return from_episodes(
        [
            {
                "observations": np.cumsum(rng.normal(size=(length, entries)), axis=0),
                "actions": rng.integers(0, 2, length),
                "rewards": rng.normal(size=length),
            }
            for _ in range(episodes)
        ]
    )


def test_a_joint_that_rests_and_starts_gently_is_not_frozen() -> None:
    t = walks()
    observations = t.observations.copy()
    inside = np.arange(t.rows) % 40
    gentle = np.where(inside < 10, 0.0, np.minimum(inside - 9, 8) * 0.1).cumsum()
    observations[:, 1] = (gentle + t.episode_of_row).astype(np.float32)
    assert audit_episodes(RedundantObservations, replace(t, observations=observations)).status is Status.PASS


def test_a_quantised_entry_repeats_by_habit() -> None:
    t = walks()
    observations = t.observations.copy()
    observations[:, 0] = np.round(observations[:, 0])
    outcome = audit_episodes(RedundantObservations, replace(t, observations=observations))
    assert outcome.status is Status.PASS
    assert "habit" in outcome.not_evaluated[0].reason


def test_a_sensor_that_is_dead_for_whole_episodes() -> None:
    t = walks()
    observations = t.observations.copy()
    dead = np.isin(t.episode_of_row, [4, 9])
    observations[dead, 2] = 0.7
    outcome = audit_episodes(RedundantObservations, replace(t, observations=observations))
    (finding,) = outcome.findings
    assert set(finding.episodes) == {"4", "9"}
    assert finding.affected == 2 * 39


def test_a_goal_that_differs_between_episodes_only_is_no_fault() -> None:
    t = walks()
    observations = t.observations.copy()
    observations[:, 2] = t.episode_of_row
    assert audit_episodes(RedundantObservations, replace(t, observations=observations)).status is Status.PASS


def test_a_linear_function_of_another_entry_is_mentioned() -> None:
    t = walks()
    observations = t.observations.copy()
    observations[:, 2] = 57.29578 * observations[:, 0] + 3
    (finding,) = audit_episodes(RedundantObservations, replace(t, observations=observations)).findings
    assert (finding.statistic, finding.severity) == ("rescaled_entries", Severity.INFO)


def doubled(t: Trajectories, places: list[int]) -> Trajectories:
    both = t.take(np.array([*range(t.episodes), *places]))
    return replace(both, episode_ids=np.arange(both.episodes))


def test_copies_are_left_out_by_default_only_where_nothing_speaks_for_them() -> None:
    t = doubled(walks(), [3, 5])
    (repair,) = audit_episodes(DuplicateAndOverlappingEpisodes, t).repairs
    assert repair.episodes == ("30", "31")
    assert repair.safe
    seeds = np.where(t.episode_of_row == 30, 99, t.episode_of_row % 30)
    reasons = {
        "weights": replace(t, weights=np.ones(t.rows)),
        "files": replace(t, source_files=np.array(["a"] * 30 + ["b"] * 2)),
        "seeds": replace(t, infos={"seed": seeds}),
    }
    for changed in reasons.values():
        (proposed,) = audit_episodes(DuplicateAndOverlappingEpisodes, changed).repairs
        assert not proposed.safe


def test_copies_across_splits_fail() -> None:
    t = doubled(walks(), [3, 5])
    split = np.where(t.episode_of_row < 30, "train", "test")
    (finding,) = audit_episodes(DuplicateAndOverlappingEpisodes, replace(t, infos={"split": split})).findings
    assert finding.severity is Severity.FAIL
    assert "another split" in finding.message


def test_windows_that_were_cut_with_overlap() -> None:
    t = walks(episodes=4, length=200)
    cut = [
        {
            "observations": t.observations[e * 200 + start : e * 200 + start + 50],
            "actions": t.actions[e * 200 + start : e * 200 + start + 50],
        }
        for e in range(4)
        for start in range(0, 150, 25)
    ]
    (finding,) = audit_episodes(DuplicateAndOverlappingEpisodes, cut).findings
    assert finding.statistic == "overlapping_episode_share"
    assert finding.affected == 4 * 5 * 25


def test_a_robot_at_rest_is_no_overlap() -> None:
    t = walks()
    observations = t.observations.copy()
    rest = np.arange(t.rows) % 40 < 20
    observations[rest] = 0.0
    changed = replace(t, observations=observations, actions=np.where(rest, 0, t.actions), rewards=None)
    outcome = audit_episodes(DuplicateAndOverlappingEpisodes, changed)
    assert outcome.status is not Status.FAIL
    assert not outcome.findings
