"""LeRobot v2.1 and v3.0: rows, metadata, and everything that a half-fetched data set can lack."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rl_data.formats import detect, lerobot
from rl_data.trajectories import TrajectoryError

LENGTHS = {0: 5, 1: 3, 2: 7, 3: 4}
FEATURES = {
    "observation.images.top": {"dtype": "video", "shape": [48, 64, 3], "names": ["height", "width", "channel"]},
    "observation.environment_state": {"dtype": "float32", "shape": [1], "names": None},
    "observation.state": {"dtype": "float32", "shape": [2], "names": {"motors": ["shoulder", "elbow"]}},
    "action": {"dtype": "float32", "shape": [2], "names": [["shoulder", "elbow"]]},
}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4889bc29\nsize 114043\n"


def rows(episode: int, length: int, first: int, **changes: Any) -> pa.Table:
    """The rows of one episode; None leaves a column out."""
    rng = np.random.default_rng(episode)

    def vectors(size: int) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=length * size).astype(np.float32)), size)

    fields: dict[str, Any] = {
        "observation.environment_state": rng.normal(size=length).astype(np.float32),
        "observation.state": vectors(2),
        "action": vectors(2),
        "timestamp": (np.arange(length) / 10).astype(np.float32),
        "frame_index": np.arange(length),
        "episode_index": np.full(length, episode),
        "index": first + np.arange(length),
        "task_index": np.zeros(length, np.int64),
        "next.reward": rng.normal(size=length).astype(np.float32),
        "next.done": np.arange(length) == length - 1,
        "next.success": np.zeros(length, bool),
    } | changes
    return pa.table({name: column for name, column in fields.items() if column is not None})


def tables(lengths: dict[int, int] = LENGTHS, **changes: Any) -> dict[int, pa.Table]:
    starts = dict(zip(lengths, np.cumsum([0, *lengths.values()]).tolist(), strict=False))
    return {number: rows(number, length, starts[number], **changes) for number, length in lengths.items()}


def info(version: str, lengths: dict[int, int], **changes: Any) -> dict[str, Any]:
    return {
        "codebase_version": version,
        "robot_type": "so100",
        "total_episodes": len(lengths),
        "total_frames": sum(lengths.values()),
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": 10,
        "splits": {"train": f"0:{len(lengths)}"},
        "features": FEATURES,
    } | changes


def write_v2(root: Path, content: dict[int, pa.Table] | None = None) -> Path:
    content = tables() if content is None else content
    lengths = {number: table.num_rows for number, table in content.items()}
    (root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info("v2.1", lengths)))
    lines = [json.dumps({"episode_index": n, "tasks": ["pick"], "length": length}) for n, length in lengths.items()]
    (root / "meta/episodes.jsonl").write_text("\n".join(lines) + "\n")
    for number, table in content.items():
        pq.write_table(table, file_v2(root, number))
    return root


def file_v2(root: Path, number: int) -> Path:
    return root / f"data/chunk-000/episode_{number:06d}.parquet"


def write_v3(
    root: Path, content: dict[int, pa.Table] | None = None, files: tuple[tuple[int, ...], ...] = ((0, 1), (2, 3))
) -> Path:
    content = tables() if content is None else content
    lengths = {number: table.num_rows for number, table in content.items()}
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info("v3.0", lengths)))
    declared, first = [], 0
    for place, numbers in enumerate(files):
        pq.write_table(
            pa.concat_tables([content[n] for n in numbers]), root / f"data/chunk-000/file-{place:03d}.parquet"
        )
        for number in numbers:
            end = first + lengths[number]
            declared.append(
                {"episode_index": number, "length": lengths[number], "data/chunk_index": 0, "data/file_index": place,
                 "dataset_from_index": first, "dataset_to_index": end, "tasks": ["pick"], "stats/action/max": [1.0]}
            )  # fmt: skip
            first = end
    pq.write_table(pa.Table.from_pylist(declared), root / "meta/episodes/chunk-000/file-000.parquet")
    pq.write_table(pa.table({"task_index": [0], "task": ["pick"]}), root / "meta/tasks.parquet")
    return root


WRITERS = {"v2.1": write_v2, "v3.0": write_v3}


@pytest.mark.parametrize("version", WRITERS)
def test_both_versions_read_the_same(version: str, tmp_path: Path) -> None:
    content = tables()
    root = WRITERS[version](tmp_path / "set", content)
    detected = detect(root)
    assert detected is not None
    assert detected.name == "lerobot"
    assert version in detected.evidence
    read = lerobot.read(root)
    assert read.provenance.format == f"lerobot-{version}"
    assert read.provenance.problems == ()
    assert read.episode_ids.tolist() == [0, 1, 2, 3]
    assert read.lengths.tolist() == [5, 3, 7, 4]
    whole = pa.concat_tables(content.values())
    state = np.array(whole["observation.state"].to_pylist(), np.float32)
    assert np.array_equal(read.observations[:, :2], state)
    assert np.array_equal(read.observations[:, 2], whole["observation.environment_state"].to_numpy())
    assert np.array_equal(read.actions, np.array(whole["action"].to_pylist(), np.float32))
    assert read.rewards is not None
    assert read.timestamps is not None
    assert np.array_equal(read.rewards, whole["next.reward"].to_numpy())
    assert np.array_equal(read.timestamps, whole["timestamp"].to_numpy())
    assert read.steps.tolist() == whole["frame_index"].to_pylist()
    assert np.array_equal(read.infos["index"], np.arange(19))
    assert not read.infos["next.success"].any()
    assert read.fps == 10
    assert read.action_space.names == ("shoulder", "elbow")
    assert read.next_observations is None
    declared = read.provenance.declared
    assert declared["total_episodes"] == 4
    assert declared["total_steps"] == 19
    assert declared["lengths"] == LENGTHS
    assert "observation.images.top: video, counted and not read; 0 files" in read.provenance.skipped[-1]
    if version == "v3.0":
        assert declared["end_index"] == {0: 5, 1: 8, 2: 15, 3: 19}
        assert read.source_rows.tolist() == [*range(8), *range(11)]
        assert read.source_files is not None
        assert (
            read.source_files.tolist()
            == ["data/chunk-000/file-000.parquet"] * 2 + ["data/chunk-000/file-001.parquet"] * 2
        )


def test_next_done_is_no_terminated_flag(tmp_path: Path) -> None:
    read = lerobot.read(write_v2(tmp_path / "set"))
    assert read.terminated is None
    assert read.truncated is None
    assert read.ended is not None
    assert np.flatnonzero(read.ended).tolist() == [4, 7, 14, 18]
    assert any("`next.done`" in line for line in read.provenance.unknown)


def test_two_flags_are_taken_as_two(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"next.done": None, "next.terminated": [False, True], "next.truncated": [False, False]}
    read = lerobot.read(write_v2(tmp_path / "set", tables({0: 2, 1: 2}, **changes)))
    assert read.terminated is not None
    assert read.terminated.tolist() == [False, True, False, True]
    assert read.truncated is not None
    assert not read.truncated.any()


def test_imitation_data_has_no_reward_and_says_so(tmp_path: Path) -> None:
    bare: dict[str, Any] = {"next.reward": None, "next.done": None, "next.success": None}
    read = lerobot.read(write_v2(tmp_path / "set", tables(**bare)))
    assert read.rewards is None
    assert read.ended is None
    assert any(line.startswith("reward") for line in read.provenance.unknown)
    assert any("no end flag" in line for line in read.provenance.unknown)


def test_videos_and_pictures_are_counted(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set", tables())
    folder = root / "videos/chunk-000/observation.images.top"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"episode_{number:06d}.mp4").write_bytes(b"")
    picture = pa.array([{"bytes": b"\x89PNG", "path": None}] * 5)
    pq.write_table(tables()[0].append_column("observation.images.wrist", picture), file_v2(root, 0))
    read = lerobot.read(root)
    assert read.lengths.tolist() == [5, 3, 7, 4]
    told = " ".join(read.provenance.skipped)
    assert "observation.images.top: video, counted and not read; 3 files" in told


def test_choices_are_told_from_vectors(tmp_path: Path) -> None:
    content = {n: rows(n, length, 0, action=np.arange(length) % 3) for n, length in LENGTHS.items()}
    read = lerobot.read(write_v2(tmp_path / "set", content))
    assert read.discrete
    assert read.action_space.size == 3


def test_an_empty_info_file_is_named(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set")
    (root / "meta/info.json").write_text("")
    assert "but the file is empty" in (lerobot.matches(root) or "")
    with pytest.raises(TrajectoryError, match=r"meta/info\.json: the file is empty; fetch it again"):
        lerobot.read(root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, "run `git lfs pull`"),
        ("{", "no JSON"),
        ("[]", "no `codebase_version`"),
        ('{"codebase_version": "v1.6"}', "v1.6, which is not read; convert it"),
    ],
)
def test_other_damage_of_the_info_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    root = write_v2(tmp_path / "set")
    (root / "meta/info.json").write_text(content)
    assert lerobot.matches(root) is not None
    with pytest.raises(TrajectoryError, match=message):
        lerobot.read(root)


@pytest.mark.parametrize("version", WRITERS)
def test_pointers_in_place_of_all_files_name_the_remedy(version: str, tmp_path: Path) -> None:
    root = WRITERS[version](tmp_path / "set")
    for file in (root / "data").rglob("*.parquet"):
        file.write_text(POINTER)
    with pytest.raises(
        TrajectoryError, match=r"no episode can be read; .*git-lfs pointer.*run `git lfs pull`"
    ) as raised:
        lerobot.read(root)
    assert "\n" not in str(raised.value)


def test_some_pointers_leave_the_rest_readable(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set")
    for number in (1, 3):
        file_v2(root, number).write_text(POINTER)
    read = lerobot.read(root)
    assert read.episode_ids.tolist() == [0, 2]
    ((where, what),) = read.provenance.problems
    assert where == "data/chunk-000/episode_000001.parquet, data/chunk-000/episode_000003.parquet"
    assert "git lfs pull" in what


def test_a_missing_episode_file_is_named(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set")
    file_v2(root, 2).unlink()
    read = lerobot.read(root)
    assert read.episode_ids.tolist() == [0, 1, 3]
    assert read.provenance.problems == (("data/chunk-000/episode_000002.parquet", "missing; fetch it again"),)


def test_a_missing_file_of_several_episodes_names_them(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "set")
    (root / "data/chunk-000/file-001.parquet").unlink()
    read = lerobot.read(root)
    assert read.episode_ids.tolist() == [0, 1]
    assert read.provenance.problems == (
        ("data/chunk-000/file-001.parquet", "missing episode 2; fetch it again"),
        ("data/chunk-000/file-001.parquet", "missing episode 3; fetch it again"),
    )


def test_a_damaged_file_is_named_and_the_rest_read(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "set")
    file = file_v2(root, 1)
    file.write_bytes(file.read_bytes()[:300])
    read = lerobot.read(root)
    assert read.episode_ids.tolist() == [0, 2, 3]
    ((where, what),) = read.provenance.problems
    assert where == "data/chunk-000/episode_000001.parquet"
    assert what.startswith("cannot be read as Parquet")


def test_lengths_that_differ_between_episodes_leave_the_odd_one_out(tmp_path: Path) -> None:
    content = tables()
    wide = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(9, np.float32)), 3)
    content[1] = rows(1, 3, 5, **{"observation.state": wide})
    read = lerobot.read(write_v2(tmp_path / "set", content))
    assert read.episode_ids.tolist() == [0, 2, 3]
    assert "observations have 4 numbers a step, 3 in 3 of 4 episodes" in read.provenance.problems[0][1]


def test_lengths_that_differ_inside_one_file_cost_one_episode(tmp_path: Path) -> None:
    def lists(length: int, odd: bool) -> pa.Array:
        vectors = [[1.0, 2.0]] * (length - 1) + [[1.0] if odd else [1.0, 2.0]]
        return pa.array(vectors, pa.list_(pa.float32()))

    content = {n: rows(n, length, 0, **{"observation.state": lists(length, n == 1)}) for n, length in LENGTHS.items()}
    read = lerobot.read(write_v3(tmp_path / "set", content))
    assert read.episode_ids.tolist() == [0, 2, 3]
    ((where, what),) = read.provenance.problems
    assert where == "data/chunk-000/file-000.parquet, episode 1"
    assert "observation.state has 1 values in row 7" in what


def test_mixed_types_are_told_apart(tmp_path: Path) -> None:
    content = tables()
    content[1] = rows(1, 3, 5, **{"observation.state": pa.array([["a", "b"]] * 3)})
    content[2] = rows(2, 7, 8, action=None)
    content[3] = rows(3, 4, 15, timestamp=pa.array(np.arange(4.0)))  # double in place of float loses nothing
    read = lerobot.read(write_v2(tmp_path / "set", content))
    assert read.episode_ids.tolist() == [0, 3]
    problems = dict(read.provenance.problems)
    assert "observation.state holds string" in problems["data/chunk-000/episode_000001.parquet"]
    assert "no column `action`" in problems["data/chunk-000/episode_000002.parquet"]


def test_an_episode_number_that_contradicts_the_name_is_said(tmp_path: Path) -> None:
    content = tables()
    content[1] = rows(1, 3, 5, episode_index=np.array([1, 7, 7]))
    read = lerobot.read(write_v2(tmp_path / "set", content))
    assert read.lengths.tolist() == [5, 3, 7, 4]
    assert "`episode_index` is 7 in 2 of 3 rows" in read.provenance.problems[0][1]


def test_steps_that_are_interleaved_are_gathered_by_episode(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "set")
    file = root / "data/chunk-000/file-000.parquet"
    order = [0, 5, 1, 6, 2, 7, 3, 4]
    pq.write_table(pq.read_table(file).take(order), file)
    read = lerobot.read(root)
    assert read.lengths.tolist() == [5, 3, 7, 4]
    assert read.steps[:8].tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert read.source_rows[:8].tolist() == [0, 2, 4, 6, 7, 1, 3, 5]


def test_metadata_of_episodes_that_is_missing_is_said(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "two")
    (root / "meta/episodes.jsonl").unlink()
    read = lerobot.read(root)
    assert read.episodes == 4
    assert "lengths" not in read.provenance.declared
    assert read.provenance.problems[0][0] == "meta/episodes.jsonl"
    root = write_v3(tmp_path / "three")
    shutil.rmtree(root / "meta/episodes")
    read = lerobot.read(root)
    assert read.episodes == 4
    assert read.provenance.problems[0][0] == "meta/episodes"


def test_folders_of_other_kinds_are_not_lerobots(tmp_path: Path) -> None:
    assert lerobot.matches(tmp_path) is None
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text('{"name": "holiday"}')
    assert lerobot.matches(tmp_path) is None
    with pytest.raises(TrajectoryError, match=r"no `meta/info\.json`"):
        lerobot.read(tmp_path / "data")


def test_the_humanoid_robots_recording_is_read(repository: Path) -> None:
    """Teleoperation of a G1 (MIT licence), recorded by others: see README.md beside it."""
    root = repository.parent / "shared/data/g1_lerobot"
    if not root.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the data of {root.name} beside the project")
        pytest.skip(f"no {root.name} beside the project: LeRobot is NOT tried on a real recording")
    read = lerobot.read(root)
    assert read.episodes == 100
    assert read.rows == 35_965
    assert read.rewards is None
    assert read.terminated is None
    assert read.fps == 30
    assert read.observations.shape == (35_965, 26)
    assert read.observation_space.names[0] == "kLeftShoulderPitch"
    assert read.provenance.problems == ()
    assert list(read.provenance.declared["lengths"].values()) == read.lengths.tolist()
    assert "observation.images.cam_high: video" in read.provenance.skipped[0]
