"""Recording: what an environment said is what stands in the trajectories."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_data.formats import read, write_canonical
from rl_data.record import RecordError, UniformActor, episode_seeds, join, make_environment, record, to_environment
from rl_data.trajectories import Space, Trajectories

gymnasium = pytest.importorskip("gymnasium")


def replay(trajectories: Trajectories, episode: int, seed: int) -> None:
    """Step the environment with the recorded actions and compare all that it says."""
    env_id = trajectories.env_id
    assert env_id is not None
    environment = make_environment(env_id)
    rows = np.arange(trajectories.offsets[episode], trajectories.offsets[episode + 1])
    observation, _ = environment.reset(seed=episode_seeds(seed, episode)[0])
    assert trajectories.rewards is not None
    assert trajectories.next_observations is not None
    assert trajectories.terminated is not None
    assert trajectories.truncated is not None
    for row in rows:
        np.testing.assert_array_equal(trajectories.observations[row], observation.astype(np.float32))
        action = to_environment(trajectories.actions[row], environment)
        observation, reward, terminated, truncated, _ = environment.step(action)
        assert trajectories.rewards[row] == pytest.approx(float(reward))
        assert trajectories.terminated[row] == terminated
        cut = row == trajectories.rows - 1
        assert trajectories.truncated[row] == (truncated or (cut and not terminated))
    np.testing.assert_array_equal(trajectories.next_observations[rows[-1]], observation.astype(np.float32))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "MountainCar-v0"])
def test_replaying_the_actions_gives_the_recording(env_id: str) -> None:
    trajectories = record(env_id, episodes=3, seed=4, parallel=2)
    assert trajectories.episodes == 3
    for episode in range(3):
        replay(trajectories, episode, seed=4)


def test_exactly_the_steps_asked_for_and_a_real_final_observation_where_it_was_cut() -> None:
    trajectories = record("CartPole-v1", steps=100, seed=1)
    assert trajectories.rows == 100
    assert trajectories.truncated is not None
    assert trajectories.terminated is not None
    assert trajectories.has_next is not None
    assert trajectories.next_observations is not None
    assert trajectories.truncated.sum() == 1
    assert trajectories.truncated[-1]
    assert set(np.flatnonzero(trajectories.has_next)) == set(trajectories.last_rows)
    replay(trajectories, trajectories.episodes - 1, seed=1)


@pytest.mark.parametrize("amount", [{"steps": 333}, {"episodes": 9}])
def test_side_by_side_changes_nothing(amount: dict[str, Any]) -> None:
    one = record("CartPole-v1", seed=3, **amount)
    many = record("CartPole-v1", seed=3, parallel=5, **amount)
    np.testing.assert_array_equal(one.offsets, many.offsets)
    np.testing.assert_array_equal(one.observations, many.observations)
    np.testing.assert_array_equal(one.actions, many.actions)


def test_a_time_limit_is_truncated_not_terminated() -> None:
    trajectories = record("Pendulum-v1", episodes=2)
    assert trajectories.step_limit == 200
    assert trajectories.lengths.tolist() == [200, 200]
    assert trajectories.truncated is not None
    assert trajectories.terminated is not None
    assert np.flatnonzero(trajectories.truncated).tolist() == [199, 399]
    assert not trajectories.terminated.any()


def test_log_probabilities_of_the_uniform_actor() -> None:
    discrete, box = record("Acrobot-v1", steps=10), record("Pendulum-v1", steps=10)
    assert discrete.behaviour_log_prob is not None
    assert box.behaviour_log_prob is not None
    np.testing.assert_allclose(discrete.behaviour_log_prob, -np.log(3))
    np.testing.assert_allclose(box.behaviour_log_prob, -np.log(4.0))
    assert np.abs(box.actions).max() <= 2


def test_an_actor_without_log_probabilities_leaves_them_out_and_its_actions_are_executed_ones() -> None:
    class Pusher:
        name = "pusher"

        def sample(self, observations: np.ndarray, draws: object) -> tuple[np.ndarray, None]:
            return np.full((len(observations), 1), 7.0), None

    trajectories = record("Pendulum-v1", Pusher(), steps=5)
    assert trajectories.behaviour_log_prob is None
    assert trajectories.actions.ravel().tolist() == [2.0] * 5  # the bound: what the environment was given
    assert trajectories.policy_ids is not None
    assert set(trajectories.policy_ids) == {"pusher"}


def test_another_seed_is_another_recording_and_the_same_is_the_same() -> None:
    first, again, other = (record("CartPole-v1", steps=50, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.observations, again.observations)
    assert not np.array_equal(first.observations, other.observations)


def test_round_trip_through_the_canonical_form(tmp_path: Path) -> None:
    trajectories = record("Pendulum-v1", steps=450, seed=2)
    write_canonical(trajectories, tmp_path / "data.parquet")
    back = read(tmp_path / "data.parquet")
    assert (back.env_id, back.step_limit) == ("Pendulum-v1", 200)
    assert (back.observation_space, back.action_space) == (trajectories.observation_space, trajectories.action_space)
    for name in ("observations", "actions", "rewards", "terminated", "truncated", "next_observations", "has_next",
                 "behaviour_log_prob", "policy_ids", "steps", "offsets"):  # fmt: skip
        np.testing.assert_array_equal(getattr(back, name), getattr(trajectories, name), err_msg=name)


def test_joined_recordings_keep_all_episodes_and_who_acted() -> None:
    random, again = (
        record("CartPole-v1", episodes=3),
        record("CartPole-v1", UniformActor(Space("discrete", 2), "b"), episodes=2),
    )
    both = join([random, again])
    assert both.episodes == 5
    assert both.episode_ids.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(both.take(np.arange(3, 5)).observations, again.observations)
    assert both.policy_ids is not None
    assert set(both.policy_ids) == {"random", "b"}
    assert "random" in both.provenance.mapping["policy"]
    assert "b" in both.provenance.mapping["policy"]


def test_joining_different_environments_is_refused() -> None:
    with pytest.raises(RecordError, match="spaces"):
        join([record("CartPole-v1", steps=5), record("Pendulum-v1", steps=5)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env_id": "NoSuch-v1", "steps": 1}, "NoSuch-v1"),
        ({"env_id": "CartPole-v1"}, "steps or episodes"),
        ({"env_id": "CartPole-v1", "steps": 1, "episodes": 1}, "steps or episodes"),
        ({"env_id": "CartPole-v1", "steps": 0}, "at least 1"),
        ({"env_id": "CartPole-v1", "steps": 1, "env_options": {"no_such_option": 1}}, "no_such_option"),
    ],
)
def test_what_cannot_be_recorded_is_said_in_one_line(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError, match=message) as error:
        record(**arguments)  # type: ignore[arg-type]  # each a value of its own kind, wrong on purpose
    assert "\n" not in str(error.value)


def test_recording_needs_no_torch() -> None:
    code = "import sys, rl_data.record as r; r.record('CartPole-v1', steps=3); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
