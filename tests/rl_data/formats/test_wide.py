"""Tables of steps under many people's column names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl_data.formats import wide
from rl_data.trajectories import Space, TrajectoryError

NUMBERS = np.arange(12, dtype=np.float32).reshape(6, 2)
FLAGS = [False, False, True, False, False, True]


def saved(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def numbered(pattern: str, matrix: Any) -> dict[str, Any]:
    return {pattern.format(i): column for i, column in enumerate(np.asarray(matrix).T)}


def vectors(matrix: Any) -> pa.Array:
    return pa.array(np.asarray(matrix).tolist(), type=pa.list_(pa.float32()))


@pytest.mark.parametrize(
    "stem", ["observation_{}", "obs_{}", "obs.{}", "state_{}", "s_{}", "s{}", "Observation[{}]", "obs/{}"]
)
@pytest.mark.parametrize("action", ["action_{}", "a_{}", "act_{}", "actions.{}"])
def test_numbered_columns_of_many_names(tmp_path: Path, stem: str, action: str) -> None:
    actions = -NUMBERS / 10
    path = saved(
        tmp_path / "t.parquet",
        episode=[3, 3, 3, 8, 8, 8],
        **numbered(stem, NUMBERS),
        **numbered(action, actions),
        reward=np.arange(6.0),
        terminated=FLAGS,
        truncated=[False] * 6,
    )
    evidence = wide.matches(path)
    assert evidence is not None
    assert "2 numbered columns" in evidence
    read = wide.read(path)
    np.testing.assert_array_equal(read.observations, NUMBERS)
    np.testing.assert_array_equal(read.actions, actions)
    assert read.episode_ids.tolist() == [3, 8]
    assert read.terminated is not None
    assert read.terminated.tolist() == FLAGS
    assert read.observation_space.names == tuple(stem.format(i) for i in range(2))
    assert read.provenance.mapping["episode_id"].startswith("column episode")
    assert any("step numbers" in text for text in read.provenance.unknown)
    assert read.steps.tolist() == [0, 1, 2, 0, 1, 2]


def test_numbered_columns_are_sorted_by_number_not_by_place(tmp_path: Path) -> None:
    matrix = np.arange(36, dtype=np.float32).reshape(3, 12)
    columns = {f"obs_{i}": matrix[:, i] for i in np.random.default_rng(0).permutation(12)}
    path = saved(tmp_path / "t.parquet", ep=[0, 0, 0], act=[1, 0, 1], rew=[0.0] * 3, **columns)
    np.testing.assert_array_equal(wide.read(path).observations, matrix)


def test_a_gap_among_numbered_columns_is_a_problem_not_a_silence(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.parquet", ep=[0, 0], obs_0=[0.0, 1.0], obs_2=[0.0, 1.0], a=[1, 0], r=[0.0, 0.0])
    assert wide.read(path).provenance.problems == (
        ("observation", "numbered columns with gaps: 1 missing between others"),
    )


@pytest.mark.parametrize("name", ["done", "dones", "terminal", "terminals", "next.done", "Done"])
def test_one_flag_for_both_ends_leaves_both_open_and_is_kept(tmp_path: Path, name: str) -> None:
    path = saved(
        tmp_path / "t.parquet", obs=vectors(NUMBERS), action=[0, 1, 0, 1, 0, 1], reward=[1.0] * 6, **{name: FLAGS}
    )
    assert wide.matches(path) is not None
    read = wide.read(path)
    assert read.terminated is None
    assert read.truncated is None
    assert read.ended is not None
    assert read.ended.tolist() == FLAGS
    assert f"terminated and truncated are one flag `{name}`: both left open" in read.provenance.unknown
    assert read.lengths.tolist() == [3, 3]  # without an episode column the flag cuts
    assert any("no column names the episodes" in text for text in read.provenance.unknown)


def test_a_merged_flag_beside_the_other_two_names(tmp_path: Path) -> None:
    base = {"ep": [0, 0, 0, 1, 1, 1], "obs": vectors(NUMBERS), "action": [0, 1, 0, 1, 0, 1]}
    d4rl = wide.read(saved(tmp_path / "a.parquet", **base, terminals=FLAGS, timeouts=[False] * 5 + [True]))
    assert d4rl.terminated is not None
    assert d4rl.terminated.tolist() == [False, False, True, False, False, False]
    assert any("1 rows have terminals and timeouts" in text for text in d4rl.provenance.unknown)
    other = wide.read(
        saved(tmp_path / "b.parquet", **base, done=FLAGS, terminated=[False, False, True, False, False, False])
    )
    assert other.truncated is not None
    assert other.truncated.tolist() == [False, False, False, False, False, True]
    assert other.provenance.mapping["truncated"] == "column done where terminated is not set"
    assert d4rl.ended is None
    assert other.ended is None


def test_leaves_of_a_dictionary_and_images_left_out(tmp_path: Path) -> None:
    struct = pa.array([{"state": [float(i), 0.5], "image": b"jpeg", "speed": float(-i)} for i in range(4)])
    path = saved(
        tmp_path / "t.parquet", episode_index=[0, 0, 1, 1], frame_index=[0, 1, 0, 1], timestamp=[0.0, 0.1, 0.0, 0.1],
        observation=struct, action=vectors(np.ones((4, 3))),
    )  # fmt: skip
    assert wide.matches(path) is not None
    read = wide.read(path)
    assert read.observations.shape == (4, 3)
    assert "observation.state[1]" in read.observation_space.names
    assert any("observation.image" in text for text in read.provenance.skipped)
    assert read.steps.tolist() == [0, 1, 0, 1]
    assert read.timestamps is not None
    assert read.rewards is None
    assert "no column of rewards" in read.provenance.unknown


def test_leaves_with_underscores_and_next_observations(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "t.parquet", traj_id=["a", "a", "b"], obs_cart=[0.0, 1.0, 2.0], obs_pole=[5.0, 6.0, 7.0],
        next_obs_cart=[1.0, None, 3.0], next_obs_pole=[6.0, None, 8.0], action=[0, 1, 1], action_mask=[1, 1, 1],
        reward=[0.0, 0.0, 1.0], action_logp=[-0.7, -0.7, -0.1], policy=["p", "p", "q"], weight=[1.0, 2.0, 1.0],
    )  # fmt: skip
    read = wide.read(path)
    assert read.observation_space.names == ("obs_cart", "obs_pole")
    assert read.next_observations is not None
    assert read.has_next is not None
    assert read.has_next.tolist() == [True, False, True]
    np.testing.assert_array_equal(read.next_observations[2], [3.0, 8.0])
    assert np.isnan(read.next_observations[1]).all()
    assert read.action_space == Space("discrete", 2)
    assert read.behaviour_log_prob is not None
    assert read.policy_ids is not None
    assert read.policy_ids.tolist() == ["p", "p", "q"]
    assert read.weights is not None
    assert read.episode_ids.tolist() == ["a", "b"]
    assert any("action_mask" in text for text in read.provenance.skipped)


def test_csv_and_json_lines(tmp_path: Path) -> None:
    table = pa.table(
        {"episode": [0, 0, 1], "obs_0": [0.5, 1.5, 2.5], "obs_1": [1, 2, 3], "action": [0, 1, 0], "reward": [1, 1, 1]}
    )
    pyarrow.csv.write_csv(table, tmp_path / "t.csv")
    (tmp_path / "t.jsonl").write_text(
        "".join('{"episode": %d, "obs": [%s, %s], "action": %d, "reward": 1}\n' % row  # noqa: UP031  # braces of JSON
                for row in [(0, 0.5, 1, 0), (0, 1.5, 2, 1), (1, 2.5, 3, 0)])
    )  # fmt: skip
    for name in ("t.csv", "t.jsonl"):
        assert wide.matches(tmp_path / name) is not None
        read = wide.read(tmp_path / name)
        np.testing.assert_array_equal(read.observations, [[0.5, 1], [1.5, 2], [2.5, 3]])
        assert read.actions.tolist() == [0, 1, 0]
        assert read.lengths.tolist() == [2, 1]


def test_mixed_types_in_json_lines_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"episode": 0, "obs": [1.0], "action": 0}\n{"episode": 0, "obs": ["x"], "action": 0}\n')
    with pytest.raises(TrajectoryError, match=r"t\.jsonl: cannot be read as JSON lines.*changed from number to string"):
        wide.read(path)


def test_vectors_that_change_length_name_row_and_episode(tmp_path: Path) -> None:
    obs = pa.array([[1.0, 2.0]] * 4 + [[1.0]] + [[1.0, 2.0]])
    path = saved(tmp_path / "t.parquet", episode=[7, 7, 7, 9, 9, 9], obs=obs, action=[0] * 6, reward=[0.0] * 6)
    with pytest.raises(
        TrajectoryError, match=r"t\.parquet: obs has 1 values in row 4 \(episode 9\) and 2 in most rows"
    ) as caught:
        wide.read(path)
    assert "\n" not in str(caught.value)


def test_a_step_column_that_starts_again_cuts_episodes(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.parquet", t=[0, 1, 2, 0, 1, 0], obs=vectors(NUMBERS), action=[0] * 6, done=FLAGS)
    read = wide.read(path)
    assert read.lengths.tolist() == [3, 2, 1]
    assert read.provenance.mapping["episode_id"] == "a new episode where t is 0 again: 3 episodes"


def test_what_is_no_table_of_steps_does_not_match(tmp_path: Path) -> None:
    tables: list[dict[str, Any]] = [
        {"state": ["NY", "CA"], "action": ["call", "mail"], "done": [True, False]},  # tickets
        {letter: [1.0, 2.0] for letter in "abcdefghijklmnopqrstuvwxyz"},  # one letter alone is no evidence
        {"obs": [1.0, 2.0], "action": [0, 1]},  # nothing about episodes
        {"year": [2013, 2013], "carrier": ["UA", "AA"], "arr_delay": [1.0, 2.0]},
        {"episode": [0, 0], "reward": [1.0, 1.0], "action": [0, 1]},  # a log without observations
    ]
    for columns in tables:
        assert wide.matches(saved(tmp_path / "t.parquet", **columns)) is None
    (tmp_path / "t.txt").write_text("just words\n")
    assert wide.matches(tmp_path / "t.txt") is None
    with pytest.raises(TrajectoryError, match="nothing says where episodes start: add a column episode_id"):
        wide.read(saved(tmp_path / "u.parquet", **tables[2]))
    with pytest.raises(TrajectoryError, match=r"no numeric column of observations among state \(string\)"):
        wide.read(saved(tmp_path / "v.parquet", **tables[0]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_list_and_numbered_columns_say_the_same(tmp_path: Path, lengths: list[int], seed: int) -> None:
    rng, n = np.random.default_rng(seed), sum(lengths)
    matrix = rng.normal(size=(n, 3)).astype(np.float32)
    rest = {
        "episode_id": np.repeat(np.arange(len(lengths)), lengths),
        "action": rng.integers(0, 4, n),
        "reward": rng.normal(size=n),
    }
    listed = wide.read(saved(tmp_path / "a.parquet", observation=vectors(matrix), **rest))
    spread = wide.read(saved(tmp_path / "b.parquet", **numbered("observation_{}", matrix), **rest))
    np.testing.assert_array_equal(listed.observations, matrix)
    np.testing.assert_array_equal(spread.observations, matrix)
    assert listed.lengths.tolist() == spread.lengths.tolist() == lengths
