"""Steps with is_first, is_last and is_terminal: the closing row is a placeholder that holds the final observation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl_data.formats import rlds
from rl_data.trajectories import TrajectoryError


def steps(lengths: list[int], terminal: list[bool], seed: int = 0) -> list[list[dict[str, Any]]]:
    """Episodes of T steps and a closing row, as RLDS defines them: SAR alignment, placeholders on the last row."""
    rng = np.random.default_rng(seed)
    episodes = []
    for length, ends in zip(lengths, terminal, strict=True):
        rows = [
            {
                "observation": rng.normal(size=3).astype(np.float32).tolist(), "action": int(rng.integers(0, 4)),
                "reward": float(rng.normal()), "discount": 1.0, "is_first": t == 0, "is_last": t == length,
                "is_terminal": ends and t == length,
            }
            for t in range(length + 1)
        ]  # fmt: skip
        rows[-1] |= {"action": 0, "reward": 0.0, "discount": 0.0}
        episodes.append(rows)
    return episodes


def flat(episodes: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for rows in episodes for row in rows]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=5), seed=st.integers(0, 2**31))
def test_closing_rows_become_final_observations_and_flags(
    tmp_path: Path, data: list[tuple[int, bool]], seed: int
) -> None:
    lengths, terminal = [length for length, _ in data], [ends for _, ends in data]
    episodes = steps(lengths, terminal, seed)
    pq.write_table(pa.Table.from_pylist(flat(episodes)), tmp_path / "flat.parquet")
    (tmp_path / "flat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in flat(episodes)))
    pq.write_table(pa.Table.from_pylist([{"steps": rows} for rows in episodes]), tmp_path / "nested.parquet")
    for name in ("flat.parquet", "flat.jsonl", "nested.parquet"):
        assert rlds.matches(tmp_path / name) is not None
        read = rlds.read(tmp_path / name)
        assert read.lengths.tolist() == lengths
        kept = [row for rows in episodes for row in rows[:-1]]
        np.testing.assert_array_equal(read.observations, np.array([row["observation"] for row in kept], np.float32))
        assert read.actions.tolist() == [row["action"] for row in kept]
        assert read.rewards is not None
        assert read.rewards.tolist() == [row["reward"] for row in kept]
        assert read.terminated is not None
        assert read.truncated is not None
        assert read.has_next is not None
        assert read.next_observations is not None
        last = read.last_rows
        assert read.terminated[last].tolist() == terminal
        assert read.truncated[last].tolist() == [not ends for ends in terminal]
        assert read.terminated.sum() + read.truncated.sum() == len(lengths)  # and nowhere else
        assert np.flatnonzero(read.has_next).tolist() == last.tolist()
        np.testing.assert_array_equal(
            read.next_observations[last], np.array([rows[-1]["observation"] for rows in episodes], np.float32)
        )
        assert f"{len(lengths):,} closing rows (is_last): placeholders" in read.provenance.skipped
        assert not read.provenance.problems


def test_source_rows_point_into_the_file_also_when_episodes_are_interleaved(tmp_path: Path) -> None:
    episodes = steps([2, 2], [True, False])
    rows = [dict(row, episode_id=e) for pair in zip(*episodes, strict=True) for e, row in enumerate(pair)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    read = rlds.read(tmp_path / "t.parquet")
    assert read.lengths.tolist() == [2, 2]
    assert read.source_rows.tolist() == [0, 2, 1, 3]
    for place, row in enumerate(read.source_rows):
        np.testing.assert_array_equal(read.observations[place], np.array(rows[row]["observation"], np.float32))
    assert "gathered" in read.provenance.mapping["episode_id"]


def test_a_recording_that_stops_has_an_open_end_and_keeps_its_last_step(tmp_path: Path) -> None:
    episodes = steps([3, 3], [True, True])
    episodes[1] = episodes[1][:-1]
    pq.write_table(pa.Table.from_pylist(flat(episodes)), tmp_path / "t.parquet")
    read = rlds.read(tmp_path / "t.parquet")
    assert read.lengths.tolist() == [3, 3]
    assert read.terminated is not None
    assert read.truncated is not None
    assert read.terminated.tolist() == [False, False, True, False, False, False]
    assert not read.truncated.any()
    assert ("is_last", "absent in 1 of 2 episodes: their end is open") in read.provenance.problems


def test_placeholders_may_be_null_and_a_reward_on_them_is_reported(tmp_path: Path) -> None:
    episodes = steps([2, 2], [True, False])
    episodes[0][-1] |= {"action": None, "reward": None}
    episodes[1][-1] |= {"reward": 1.0}
    pq.write_table(pa.Table.from_pylist(flat(episodes)), tmp_path / "t.parquet")
    read = rlds.read(tmp_path / "t.parquet")
    assert read.lengths.tolist() == [2, 2]
    assert read.provenance.problems[0][0] == "reward"
    assert "1 of 2 closing rows" in read.provenance.problems[0][1]
    vector = steps([2, 1], [True, False])
    for row in flat(vector):
        row["action"] = None if row["is_last"] else [0.5, float(row["action"])]
    pq.write_table(pa.Table.from_pylist(flat(vector)), tmp_path / "v.parquet")
    assert rlds.read(tmp_path / "v.parquet").actions.shape == (3, 2)


def test_dictionaries_of_observations_and_flags_out_of_place(tmp_path: Path) -> None:
    episodes = steps([3], [True])
    for row in flat(episodes):
        row["observation"] = {"joint": row["observation"], "grip": 0.5, "camera": b"png"}
    episodes[0][1]["is_terminal"] = True
    pq.write_table(pa.Table.from_pylist(flat(episodes)), tmp_path / "t.parquet")
    assert rlds.matches(tmp_path / "t.parquet") is not None
    read = rlds.read(tmp_path / "t.parquet")
    assert read.observations.shape == (3, 4)
    assert any("observation.camera" in text for text in read.provenance.skipped)
    assert read.terminated is not None
    assert read.terminated.tolist() == [False, True, True]
    assert ("is_terminal", "set on 1 rows without is_last: kept as terminated") in read.provenance.problems


def test_an_episode_of_a_closing_row_only_has_no_step(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(flat(steps([2, 0, 1], [True, True, False]))), tmp_path / "t.parquet")
    read = rlds.read(tmp_path / "t.parquet")
    assert read.lengths.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observation": [1.0]}, r"observation has 1 values in row 1 \(episode 0\)"),
        ({"action": None}, r"action is missing in row 1 \(episode 0\)"),
        ({"is_last": None}, "is_last is missing in step 1"),
    ],
)
def test_bad_steps_are_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    rows = flat(steps([3], [True]))
    rows[1] |= change
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "bad.parquet")
    with pytest.raises(TrajectoryError, match=rf"bad\.parquet: {words}"):
        rlds.read(tmp_path / "bad.parquet")


def test_without_the_flags_it_is_another_format(tmp_path: Path) -> None:
    pq.write_table(pa.table({"observation": [1.0], "action": [0], "is_last": [True]}), tmp_path / "t.parquet")
    assert rlds.matches(tmp_path / "t.parquet") is None
    with pytest.raises(TrajectoryError, match="steps need the flag is_first"):
        rlds.read(tmp_path / "t.parquet")
