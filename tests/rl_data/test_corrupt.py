"""Each injector plants what it says, where it says, and nothing else; its typed repair restores what it should."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from rl_data.corrupt import INJECTORS, Corrupted, InjectionError, inject
from rl_data.episodes import from_episodes
from rl_data.trajectories import PER_ROW, Space, Trajectories

LIMIT = 30


@cache
def pendulum() -> Trajectories:
    """Forty episodes of a noisy pendulum; half of them end early, the others at the limit."""
    random = np.random.default_rng(5)
    made = []
    for number in range(40):
        length = int(random.integers(12, LIMIT)) if number % 2 else LIMIT
        actions = random.uniform(-2, 2, (length, 1)).astype(np.float32)
        states = [random.normal(size=2)]
        for action in actions:
            angle, speed = states[-1]
            speed = speed + 0.1 * (np.sin(angle) + action[0])
            states.append(np.array([angle + 0.1 * speed, speed]))
        observations = np.array(states, dtype=np.float32)
        made.append(
            {
                "observations": observations,
                "actions": actions,
                "rewards": -(observations[1:, 0].astype(float) ** 2) - 0.1,
                "terminated": bool(number % 2),
                "truncated": not number % 2,
                "timestamps": np.arange(length) / 10,
            }
        )
    return from_episodes(made, step_limit=LIMIT, fps=10)


def bytes_of(t: Trajectories) -> dict[str, bytes]:
    names = {*PER_ROW, "offsets", "episode_ids"} - {"source_rows"}  # rows of the file that it would be
    arrays = {name: getattr(t, name) for name in names}
    return {name: b"" if array is None else np.ascontiguousarray(array).tobytes() for name, array in arrays.items()}


def applies(name: str) -> bool:
    return name != "foreign_policy"  # that one needs an environment


NAMES = [name for name in INJECTORS if applies(name)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0])
def test_the_same_seed_gives_the_same_and_the_input_stays(name: str, rate: float) -> None:
    before = bytes_of(pendulum())
    one, two, other = (inject(name, pendulum(), rate=rate, seed=seed) for seed in (3, 3, 4))
    assert bytes_of(pendulum()) == before
    assert bytes_of(one.trajectories) == bytes_of(two.trajectories)
    np.testing.assert_array_equal(one.steps, two.steps)
    if rate < 1.0:
        assert bytes_of(one.trajectories) != bytes_of(other.trajectories)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_masks_fit_the_data_and_the_rate(name: str, rate: float) -> None:
    made = inject(name, pendulum(), rate=rate, seed=0)
    t = made.trajectories
    assert len(made.steps) == len(made.involved) == len(made.rows) == t.rows
    assert len(made.episodes) == t.episodes
    assert made.steps.any()
    assert not (made.steps & ~made.involved).any()
    hit = np.zeros(t.episodes, dtype=bool)
    hit[t.episode_of_row[made.steps]] = True
    np.testing.assert_array_equal(hit, made.episodes)
    share = made.episodes.mean() if INJECTORS[name].unit == "episodes" else made.steps.mean()
    share = made.steps.sum() / 39 if name == "boundary_merge" else share  # of the 39 boundaries
    assert rate / 3 < share <= rate * 1.05


@pytest.mark.parametrize("name", NAMES)
def test_everything_but_the_marked_steps_is_as_it_was(name: str) -> None:
    made = inject(name, pendulum(), rate=0.2, seed=1)
    t, clean = made.trajectories, made.clean
    untouched = ~made.involved & (made.rows >= 0)
    for array in ("observations", "actions", "rewards", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(t, array)[untouched], getattr(clean, array)[made.rows[untouched]], array)
    np.testing.assert_array_equal(t.steps, np.arange(t.rows) - np.repeat(t.offsets[:-1], t.lengths))
    assert t.timestamps is not None
    assert (np.diff(t.timestamps)[t.episode_of_row[1:] == t.episode_of_row[:-1]] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_each_marked_step_is_wrong(name: str) -> None:
    made = inject(name, pendulum(), rate=0.2, seed=2)
    t, clean = made.trajectories, made.clean
    if name in {"duplicates", "foreign_episodes"}:
        return  # the content of each step is true; its place is not
    at = made.steps
    differs = np.zeros(t.rows, dtype=bool)
    placed = np.minimum(np.arange(t.rows), clean.rows - 1)
    for array in ("observations", "actions", "rewards", "terminated", "truncated", "next_observations"):
        ours, theirs = (getattr(x, array).reshape(x.rows, -1).astype(float) for x in (t, clean))
        same = (ours == theirs[placed]) | (np.isnan(ours) & np.isnan(theirs[placed]))
        differs |= ~same.all(axis=1)
    # interleaving leaves the first step of a pair where it was
    assert (differs | (name == "interleaved"))[at].all()


def relabelled(made: Corrupted) -> Trajectories:
    t = made.trajectories
    assert t.terminated is not None
    assert t.truncated is not None
    terminated = np.where(made.steps, bool(made.undo.value), t.terminated)
    truncated = t.truncated if made.undo.value else t.truncated | made.steps
    return replace(t, terminated=terminated, truncated=truncated)


@pytest.mark.parametrize("name", ["term_all_zero", "timeout_as_terminal"])
def test_relabelling_restores_every_byte(name: str) -> None:
    made = inject(name, pendulum(), rate=0.5, seed=0)
    assert made.undo.exact
    assert bytes_of(made.trajectories) != bytes_of(made.clean)
    assert bytes_of(relabelled(made)) == bytes_of(made.clean)


def test_rebuilding_next_observations_restores_every_byte() -> None:
    made = inject("next_observation_copied", pendulum(), rate=0.5, seed=0)
    following = made.trajectories.next_observations
    assert following is not None
    at = np.flatnonzero(made.steps)
    np.testing.assert_array_equal(following[at], made.trajectories.observations[at])
    rebuilt = following.copy()
    rebuilt[at] = made.trajectories.observations[at + 1]
    assert bytes_of(replace(made.trajectories, next_observations=rebuilt)) == bytes_of(made.clean)


@pytest.mark.parametrize(("name", "stream"), [("act_lag1", "actions"), ("rew_lag1", "rewards")])
def test_shifting_back_restores_every_byte_but_those_of_the_last_step(name: str, stream: str) -> None:
    made = inject(name, pendulum(), rate=0.5, seed=0)
    t, clean = made.trajectories, made.clean
    assert (made.undo.kind, made.undo.value, made.undo.exact) == ("shift", -1, True)
    for episode in range(t.episodes):
        span = slice(t.offsets[episode], t.offsets[episode + 1])
        ours, theirs = getattr(t, stream)[span], getattr(clean, stream)[span]
        if made.episodes[episode]:
            np.testing.assert_array_equal(ours[1:], theirs[:-1])
        else:
            np.testing.assert_array_equal(ours, theirs)


def test_leaving_the_copies_out_restores_every_byte() -> None:
    made = inject("duplicates", pendulum(), rate=0.3, seed=0)
    assert made.trajectories.episodes == 52
    assert bytes_of(made.trajectories.take(np.flatnonzero(~made.episodes))) == bytes_of(made.clean)


def test_copies_go_to_the_other_part_of_a_split() -> None:
    split = np.repeat(np.where(np.arange(40) < 30, "train", "test"), pendulum().lengths)
    made = inject("duplicates", replace(pendulum(), infos={"split": split}), rate=0.3, seed=0)
    parts = made.trajectories.infos["split"]
    copies = made.steps
    assert set(parts[copies]) == {"train", "test"}
    np.testing.assert_array_equal(parts[copies] == "test", split[made.rows[copies]] == "train")


def test_a_merged_boundary_has_no_flag_and_no_final_observation() -> None:
    made = inject("boundary_merge", pendulum(), rate=0.3, seed=0)
    t = made.trajectories
    assert t.episodes == 40 - made.steps.sum()
    assert t.terminated is not None
    assert t.truncated is not None
    assert t.has_next is not None
    assert not (t.terminated | t.truncated | t.has_next)[made.steps].any()
    np.testing.assert_array_equal(t.observations, made.clean.observations)


def test_a_frozen_sensor_repeats_ten_observations() -> None:
    made = inject("frozen_sensor", pendulum(), rate=0.1, seed=0)
    t = made.trajectories
    still = np.flatnonzero((t.observations[1:] == t.observations[:-1]).all(axis=1)) + 1
    np.testing.assert_array_equal(still, np.flatnonzero(made.steps))
    runs = np.split(still, np.flatnonzero(np.diff(still) > 1) + 1)
    assert {len(run) % 9 for run in runs} == {0}


def test_half_the_control_rate_keeps_the_end_of_each_episode() -> None:
    made = inject("foreign_episodes", pendulum(), rate=0.5, seed=0)
    t, clean = made.trajectories, made.clean
    assert t.next_observations is not None
    assert clean.next_observations is not None
    for episode in np.flatnonzero(made.episodes).tolist():
        last, before = t.offsets[episode + 1] - 1, clean.offsets[episode + 1] - 1
        assert t.lengths[episode] == clean.lengths[episode] // 2
        assert t.terminated is not None
        assert clean.terminated is not None
        assert t.terminated[last] == clean.terminated[before]
        np.testing.assert_array_equal(t.next_observations[last], clean.next_observations[before])
        np.testing.assert_array_equal(np.diff(made.rows[t.offsets[episode] : last + 1]), 2)


def test_next_observations_that_are_written_out_agree_with_changed_observations() -> None:
    whole = inject("next_observation_copied", pendulum(), rate=0.01, seed=0).clean
    for name in (
        "nan_to_zero",
        "frozen_sensor",
        "obs_units",
        "obs_units_steps",
        "interleaved",
        "shuffled",
        "foreign_episodes",
    ):
        t = inject(name, whole, rate=0.2, seed=0).trajectories
        assert t.next_observations is not None
        inside = t.episode_of_row[1:] == t.episode_of_row[:-1]
        same = (t.next_observations[:-1] == t.observations[1:]).all(axis=1)
        # a step that moves takes its own next observation along, which then belongs to no row beside it
        assert same[inside].all() or name in {"interleaved", "shuffled"}


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("term_all_zero", {"terminated": np.zeros(pendulum().rows, dtype=bool)}, "no step is terminated"),
        ("timeout_as_terminal", {"truncated": None}, "no episode ends at the step limit"),
        ("rew_lag1", {"rewards": np.ones(pendulum().rows)}, "rewards are constant"),
        ("reward_sign", {"rewards": None}, "there are none"),
        ("reward_outlier", {"rewards": None}, "there are no rewards"),
        ("act_lag1", {"actions": np.zeros((pendulum().rows, 1), dtype=np.float32)}, "no episode has two different"),
        ("foreign_policy", {}, "the environment is not known"),
        ("final_observation_copied", {"next_observations": None}, "no final observations"),
    ],
)
def test_what_cannot_be_planted_says_why(name: str, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InjectionError, match=reason):
        inject(name, replace(pendulum(), **changes), rate=0.1, seed=0)


def test_a_wrong_name_or_rate_is_an_error() -> None:
    with pytest.raises(InjectionError, match="there is no injector 'typo'; there are term_all_zero"):
        inject("typo", pendulum(), rate=0.1, seed=0)
    for rate in (0.0, 1.5):
        with pytest.raises(InjectionError, match="rate must be above 0"):
            inject("act_lag1", pendulum(), rate=rate, seed=0)
    with pytest.raises(InjectionError, match="there are no steps"):
        inject("act_lag1", pendulum().take(np.array([], dtype=np.int64)), rate=0.1, seed=0)


def test_every_injector_is_documented() -> None:
    for name, about in INJECTORS.items():
        assert name == about.name
        assert all((about.imitates, about.evidence, about.why, about.function.__doc__))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_an_adversary_plays_in_the_true_environment(env_id: str) -> None:
    pytest.importorskip("gymnasium")
    from rl_data.record import record

    clean = record(env_id, episodes=10, seed=1)
    clean = replace(clean, timestamps=clean.steps / 50, fps=50.0)
    made = inject("foreign_policy", clean, rate=0.3, seed=0)
    t = made.trajectories
    assert made.episodes.sum() == 3
    assert t.policy_ids is not None
    assert set(t.policy_ids) == {"random"}  # the file does not tell
    assert t.timestamps is not None
    np.testing.assert_allclose(t.timestamps, t.steps.astype(np.float64) / 50)
    again = inject("foreign_policy", clean, rate=0.3, seed=0)
    assert bytes_of(t) == bytes_of(again.trajectories)
    returns = t.returns()
    assert returns is not None
    assert returns[made.episodes].mean() < returns[~made.episodes].mean()


def test_units_of_single_steps_change_there_and_nowhere_else() -> None:
    pole = replace(pendulum(), observation_space=Space("box", 2, names=("pole_angle", "speed")))
    made = inject("obs_units_steps", pole, rate=0.3, seed=0)
    at = made.steps
    assert at.mean() == pytest.approx(0.3, abs=0.01)
    assert made.episodes.all()  # the steps are everywhere
    before, after = pole.observations, made.trajectories.observations
    np.testing.assert_allclose(after[at, 0], np.degrees(before[at, 0]), rtol=1e-6)
    np.testing.assert_array_equal(after[at, 1], before[at, 1])
    still = replace(pole, observations=np.zeros_like(before))
    with pytest.raises(InjectionError, match="no entry of the observation varies"):
        inject("obs_units_steps", still, rate=0.3, seed=0)


def test_units_change_what_the_environment_or_the_names_call_an_angle() -> None:
    named = replace(pendulum(), observation_space=Space("box", 2, names=("pole_angle", "speed")))
    changed = inject("obs_units", named, rate=0.2, seed=0).trajectories.observations != named.observations
    assert changed.any(axis=0).tolist() == [True, False]
    pole = replace(pendulum(), env_id="Pendulum-v1", observations=np.ones((pendulum().rows, 3), np.float32))
    pole = replace(pole, next_observations=None, has_next=None)
    changed = inject("obs_units", pole, rate=0.2, seed=0).trajectories.observations != pole.observations
    assert changed.any(axis=0).tolist() == [False, False, True]
