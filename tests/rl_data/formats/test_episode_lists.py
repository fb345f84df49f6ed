"""One row an episode, lists of steps in its cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl_data.formats import episode_lists
from rl_data.trajectories import TrajectoryError

LENGTHS = [3, 1, 2]


def lists(lengths: list[int], more: int = 0, seed: int = 0) -> dict[str, Any]:
    """Columns as the decision-transformer sets have them; `more` observations beyond the actions of an episode."""
    rng = np.random.default_rng(seed)
    return {
        "observations": [rng.normal(size=(n + more, 3)).astype(np.float32).tolist() for n in lengths],
        "actions": [rng.normal(size=(n, 2)).astype(np.float32).tolist() for n in lengths],
        "rewards": [rng.normal(size=n).tolist() for n in lengths],
        "dones": [[False] * (n - 1) + [True] for n in lengths],
    }


def saved(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5), more=st.integers(0, 1), seed=st.integers(0, 2**31))
def test_lists_become_steps(tmp_path: Path, lengths: list[int], more: int, seed: int) -> None:
    columns = lists(lengths, more, seed)
    path = saved(tmp_path / "t.parquet", columns)
    assert episode_lists.matches(path) is not None
    read = episode_lists.read(path)
    assert read.lengths.tolist() == lengths
    for e, n in enumerate(lengths):
        rows = slice(int(read.offsets[e]), int(read.offsets[e + 1]))
        np.testing.assert_array_equal(read.observations[rows], np.array(columns["observations"][e], np.float32)[:n])
        np.testing.assert_array_equal(read.actions[rows], np.array(columns["actions"][e], np.float32))
        assert read.rewards is not None
        assert read.rewards[rows].tolist() == columns["rewards"][e]
        assert read.steps[rows].tolist() == list(range(n))
        assert set(read.source_rows[rows]) == {e}
    assert read.terminated is None
    assert read.truncated is None
    assert read.ended is not None
    assert np.flatnonzero(read.ended).tolist() == read.last_rows.tolist()
    assert "terminated and truncated are one flag `dones`: both left open" in read.provenance.unknown
    if more:
        assert read.next_observations is not None
        assert read.has_next is not None
        assert np.flatnonzero(read.has_next).tolist() == read.last_rows.tolist()
        finals = np.array([rows[-1] for rows in columns["observations"]], np.float32)
        np.testing.assert_array_equal(read.next_observations[read.last_rows], finals)
    else:
        assert read.next_observations is None
        assert any("final observation of each episode is not known" in text for text in read.provenance.unknown)


def test_flags_apart_next_observations_ids_and_unused_columns(tmp_path: Path) -> None:
    columns = lists(LENGTHS)
    columns["terminals"] = columns.pop("dones")
    columns["timeouts"] = [[False] * n for n in LENGTHS]
    columns["next_observations"] = columns["observations"]
    columns["episode_id"] = ["x", "y", "z"]
    columns["infos"] = [["{}"] * n for n in LENGTHS]
    columns["actions"] = [[0, 1, 1], [0], [1, 0]]
    read = episode_lists.read(saved(tmp_path / "t.parquet", columns))
    assert read.terminated is not None
    assert read.terminated.tolist() == [False, False, True, True, False, True]
    assert read.episode_ids.tolist() == ["x", "y", "z"]
    assert read.discrete
    assert read.has_next is not None
    assert read.has_next.all()
    assert any("infos" in text for text in read.provenance.skipped)


def test_imitation_in_arrow_has_one_flag_an_episode(tmp_path: Path) -> None:
    columns = lists(LENGTHS, more=1)
    renamed = {"obs": columns["observations"], "acts": columns["actions"], "rews": columns["rewards"],
               "terminal": [True, False, True]}  # fmt: skip
    with pa.ipc.new_stream(tmp_path / "data.arrow", pa.table(renamed).schema) as writer:
        writer.write_table(pa.table(renamed))
    assert episode_lists.matches(tmp_path / "data.arrow") is not None
    read = episode_lists.read(tmp_path / "data.arrow")
    assert read.ended is not None
    assert read.ended.tolist() == [False, False, True, False, False, True]
    assert read.terminated is None


def test_repeated_ids_are_not_believed(tmp_path: Path) -> None:
    read = episode_lists.read(saved(tmp_path / "t.parquet", lists(LENGTHS) | {"episode_id": [5, 5, 6]}))
    assert read.episode_ids.tolist() == [0, 1, 2]
    assert read.provenance.problems[0][0] == "episode_id"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rewards": [[1.0, 1.0, 1.0], [1.0], [1.0]]}, "rewards has 1 entries in episode 2, which has 2 actions"),
        ({"observations": [[[1.0]] * 3, [[1.0]] * 3, [[1.0]] * 2]}, "observations has 3 entries in episode 1"),
        ({"observations": [[[1.0], [1.0], [1.0, 2.0]], [[1.0]], [[1.0]] * 2]}, "2 values in step 2 of episode 0"),
        ({"actions": [[[0.0]] * 3, None, [[0.0]] * 2]}, "actions is missing in episode 1"),
        ({"dones": [[0, 0, 3], [1], [0, 1]]}, r"dones is 3 in row 2 \(episode 0\)"),
    ],
)
def test_lists_that_do_not_fit_name_the_episode(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = saved(tmp_path / "bad.parquet", lists(LENGTHS) | change)
    with pytest.raises(TrajectoryError, match=rf"bad\.parquet: .*{words}") as caught:
        episode_lists.read(path)
    assert "\n" not in str(caught.value)


def test_steps_with_matrices_are_not_episodes(tmp_path: Path) -> None:
    columns = {
        "episode": [0, 0],
        "observation": [[[1.0, 2.0]], [[3.0, 4.0]]],
        "action": [[0.5], [0.5]],
        "reward": [1.0, 1.0],
    }
    assert episode_lists.matches(saved(tmp_path / "t.parquet", columns)) is None
    assert episode_lists.matches(saved(tmp_path / "u.parquet", {"a": [1], "b": ["x"]})) is None
    with pytest.raises(TrajectoryError, match="no columns with lists"):
        episode_lists.read(tmp_path / "u.parquet")
