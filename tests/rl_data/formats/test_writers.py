"""What is written in a format is read back as it was, by us and by the format's own library; losses are told."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from rl_data.episodes import from_episodes
from rl_data.formats import WRITERS, detect, read, write
from rl_data.trajectories import Trajectories, TrajectoryError

pytest.importorskip("h5py")

KEPT = ("offsets", "observations", "actions", "rewards", "terminated", "truncated")


def trajectories(*, discrete: bool = False, final: bool = True, **declared: Any) -> Trajectories:
    rng = np.random.default_rng(0)
    episodes = []
    for place, length in enumerate((5, 1, 7)):
        actions: Any = rng.integers(0, 3, length) if discrete else rng.normal(size=(length, 2)).astype(np.float32)
        episodes.append(
            {
                "observations": rng.normal(size=(length + final, 3)).astype(np.float32),
                "actions": actions,
                "rewards": rng.normal(size=length),
                "terminated": place != 1,
                "truncated": place == 1,
            }
        )
    return from_episodes(episodes, **declared)


def path_for(folder: Path, format: str) -> Path:
    return folder / {"canonical": "set.parquet", "d4rl": "set.hdf5"}.get(format, "set-v0")


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("format", WRITERS)
def test_what_is_written_is_read_back(format: str, discrete: bool, tmp_path: Path) -> None:
    t = trajectories(discrete=discrete, fps=50, env_id="CartPole-v1")
    path = path_for(tmp_path, format)
    write(t, path, format)
    detected = detect(path)
    assert detected is not None
    assert detected.name == format
    back = read(path)
    for name in KEPT:
        assert np.array_equal(getattr(back, name), getattr(t, name)), name
        assert getattr(back, name).dtype == getattr(t, name).dtype, name
    assert back.discrete is discrete
    assert back.ended is None
    assert back.provenance.problems == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]  # nothing temporary is left


@pytest.mark.parametrize("format", ["canonical", "minari"])
def test_final_observations_are_kept_where_the_format_has_them(format: str, tmp_path: Path) -> None:
    t = trajectories()
    assert write(t, path_for(tmp_path, format), format) == ()
    back = read(path_for(tmp_path, format))
    assert back.next_observations is not None
    assert t.next_observations is not None
    assert np.array_equal(back.next_observations[back.last_rows], t.next_observations[t.last_rows])


def test_d4rl_keeps_next_observations_where_every_step_has_one(tmp_path: Path) -> None:
    t = trajectories()
    assert write(t, tmp_path / "whole.hdf5", "d4rl") == ()
    back = read(tmp_path / "whole.hdf5")
    assert back.next_observations is not None
    assert t.next_observations is not None
    assert np.array_equal(back.next_observations, t.next_observations)
    (said,) = write(trajectories(final=False), tmp_path / "without.hdf5", "d4rl")
    assert "3 of 13 steps have none" in said


def test_minaris_own_library_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minari = pytest.importorskip("minari")
    t = trajectories(discrete=True, step_limit=200, env_id="CartPole-v1")
    write(t, tmp_path / "cartpole-small-v1", "minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset("cartpole-small-v1")
    assert dataset.total_episodes == 3
    assert dataset.total_steps == 13
    assert dataset.spec.env_spec.max_episode_steps == 200
    for number, episode in enumerate(dataset.iterate_episodes()):
        rows = slice(int(t.offsets[number]), int(t.offsets[number + 1]))
        assert t.next_observations is not None
        assert np.array_equal(episode.observations[:-1], t.observations[rows])
        assert np.array_equal(episode.observations[-1], t.next_observations[rows.stop - 1])
        assert np.array_equal(episode.actions, t.actions[rows])
        for name, own in (("rewards", "rewards"), ("terminations", "terminated"), ("truncations", "truncated")):
            assert np.array_equal(getattr(episode, name), getattr(t, own)[rows])
    dataset.recover_environment().close()


def test_minari_without_an_environment_and_final_observations(tmp_path: Path) -> None:
    minari = pytest.importorskip("minari")
    t = trajectories(final=False)
    (said,) = write(t, tmp_path / "named by people", "minari")
    assert "the final observation of 3 of 3 episodes is not known" in said
    dataset = minari.MinariDataset(tmp_path / "named by people" / "data")
    assert dataset.spec.dataset_id == "named-by-people-v0"
    assert [len(episode.observations) for episode in dataset.iterate_episodes()] == [5, 1, 7]


def test_minari_tells_which_next_observations_it_loses(tmp_path: Path) -> None:
    t = trajectories()
    assert t.next_observations is not None
    after = t.next_observations.copy()
    after[2] = 99.0
    t = dataclasses.replace(t, next_observations=after, has_next=np.ones(t.rows, bool))
    assert any("next observation of 1 steps" in said for said in write(t, tmp_path / "set-v0", "minari"))


def test_lerobot_has_the_layout_of_v21(tmp_path: Path) -> None:
    t = trajectories(fps=30)
    write(t, tmp_path / "robot", "lerobot")
    root = tmp_path / "robot"
    info = json.loads((root / "meta/info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"], info["total_frames"], info["fps"]) == ("v2.1", 3, 13, 30)
    table = pq.read_table(root / "data/chunk-000/episode_000002.parquet")
    assert set(info["features"]) == set(table.column_names)
    assert table["index"].to_pylist() == list(range(6, 13))
    assert table["next.done"].to_pylist() == [False] * 6 + [True]
    assert np.allclose(table["timestamp"].to_numpy(), np.arange(7) / 30)
    lines = [json.loads(line) for line in (root / "meta/episodes_stats.jsonl").read_text().splitlines()]
    assert [line["episode_index"] for line in lines] == [0, 1, 2]
    assert lines[0]["stats"]["observation.state"]["count"] == [5]
    assert np.allclose(lines[0]["stats"]["action"]["mean"], t.actions[:5].mean(axis=0))
    back = read(root)
    assert back.fps == 30
    assert back.provenance.declared["lengths"] == {0: 5, 1: 1, 2: 7}


def test_what_a_format_does_not_hold_is_told(tmp_path: Path) -> None:
    t = dataclasses.replace(
        trajectories(),
        episode_ids=np.array(["a", "b", "c"]),
        weights=np.ones(13),
        infos={"speed": np.zeros(13)},
        steps=np.arange(13, dtype=np.int32),
    )
    for format in ("minari", "d4rl"):
        said = " | ".join(write(t, path_for(tmp_path, format), format))
        for words in ("weights", "speed", "numbered from 0 (here: a, ...)", "step numbers"):
            assert words in said, (format, words)
    said = " | ".join(write(t, tmp_path / "robot", "lerobot"))
    assert "step numbers" not in said
    assert "frames a second are not known" in said


def test_d4rl_tells_which_boundaries_it_loses(tmp_path: Path) -> None:
    t = trajectories()
    t = dataclasses.replace(t, terminated=np.zeros(13, bool))
    said = write(t, tmp_path / "merged.hdf5", "d4rl")
    assert any("1 episode has no end flag" in line for line in said)
    assert read(tmp_path / "merged.hdf5").lengths.tolist() == [6, 7]


@pytest.mark.parametrize(("format", "words"), [("minari", "`terminated` and `truncated`"), ("d4rl", "`terminated`")])
def test_what_a_format_demands_and_nobody_knows_is_refused(format: str, words: str, tmp_path: Path) -> None:
    t = dataclasses.replace(trajectories(), rewards=None, terminated=None, truncated=None)
    with pytest.raises(TrajectoryError, match=f"demands rewards and {words}.*nothing is invented"):
        write(t, path_for(tmp_path, format), format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["minari", "lerobot"])
def test_a_folder_that_holds_something_is_left_alone(format: str, tmp_path: Path) -> None:
    target = tmp_path / "set-v0"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(TrajectoryError, match="is there already"):
        write(trajectories(), target, format)
    assert [p.name for p in target.iterdir()] == ["notes.txt"]
    with pytest.raises(TrajectoryError, match="cannot be written"):
        write(trajectories(), tmp_path / "missing" / "set-v0", format)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="unknown format 'rlds' to write"):
        write(trajectories(), tmp_path / "x", "rlds")
