"""Minari: what its own library wrote is read back exactly, also where its own reader cuts episodes off."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_data.formats import detect, minari
from rl_data.trajectories import Trajectories, TrajectoryError

pytest.importorskip("h5py")
gymnasium = pytest.importorskip("gymnasium")
library = pytest.importorskip("minari")

from gymnasium import spaces  # after importorskip
from minari.data_collector import EpisodeBuffer  # after importorskip

STORAGES = ("hdf5", "arrow", "parquet")
BOX = spaces.Box(-2, 2, (3,), np.float32)
STEER = spaces.Box(np.array([-1, 0]), np.array([1, 5]), dtype=np.float32)


def buffer(steps: int, seed: int = 0, *, terminated: bool = True, extra: int = 1, **changes: Any) -> EpisodeBuffer:
    rng = np.random.default_rng(seed)
    ends = np.arange(steps) == steps - 1
    fields: dict[str, Any] = {
        "observations": rng.normal(size=(steps + extra, 3)).astype(np.float32),
        "actions": rng.normal(size=(steps, 2)).astype(np.float32),
        "rewards": list(rng.normal(size=steps)),
        "terminations": list(ends & terminated),
        "truncations": list(ends & (not terminated)),
    }
    return EpisodeBuffer(**(fields | changes))


def write(
    folder: Path, storage: str, buffers: list[EpisodeBuffer], monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    options = {"observation_space": BOX, "action_space": STEER} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about missing authors, descriptions and the like
        library.create_dataset_from_buffers(f"written/{storage}-v0", buffers, data_format=storage, **options)
    return folder / "written" / f"{storage}-v0"


def same(read: Trajectories, buffers: list[EpisodeBuffer]) -> None:
    assert read.lengths.tolist() == [len(b.rewards) for b in buffers]
    assert np.array_equal(read.observations, np.concatenate([np.asarray(b.observations)[:-1] for b in buffers]))
    assert read.next_observations is not None
    assert np.array_equal(read.next_observations, np.concatenate([np.asarray(b.observations)[1:] for b in buffers]))
    assert np.array_equal(read.actions, np.concatenate([np.asarray(b.actions) for b in buffers]))
    for name, field in (("rewards", "rewards"), ("terminated", "terminations"), ("truncated", "truncations")):
        assert np.array_equal(getattr(read, name), np.concatenate([np.asarray(getattr(b, field)) for b in buffers]))


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_gives_back_what_was_written(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers = [buffer(5), buffer(12, 1, terminated=False), buffer(1, 2)]
    path = write(tmp_path, storage, buffers, monkeypatch)
    detected = detect(path)
    assert detected is not None
    assert detected.name == "minari"
    read = minari.read(path)
    same(read, buffers)
    assert read.has_next is not None
    assert read.has_next.all()
    assert read.episode_ids.tolist() == [0, 1, 2]
    assert read.steps.tolist() == [*range(5), *range(12), 0]
    assert read.source_rows.tolist() == [*range(5), *range(12), 0]
    assert read.provenance.format == f"minari-{storage}"
    assert read.provenance.problems == ()
    assert read.provenance.declared["total_steps"] == 18
    assert read.provenance.declared["lengths"] == {0: 5, 1: 12, 2: 1}
    assert read.action_space.low == (-1.0, 0.0)
    assert read.action_space.high == (1.0, 5.0)
    assert read.observation_space.low == (-2.0, -2.0, -2.0)


@pytest.mark.parametrize("storage", STORAGES)
def test_an_episode_of_40000_steps_stays_whole(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffers = [buffer(40_000), buffer(50, 1)]
    path = write(tmp_path, storage, buffers, monkeypatch)
    same(minari.read(path), buffers)


def test_minari_itself_cuts_that_episode_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason why files are read whole here; when this fails, Minari is repaired."""
    write(tmp_path, "arrow", [buffer(40_000), buffer(50, 1)], monkeypatch)
    dataset = library.load_dataset("written/arrow-v0")
    assert [len(dataset[0].rewards), len(dataset[1].rewards)] != [40_000, 50]


@pytest.mark.parametrize("storage", STORAGES)
def test_nested_spaces_become_one_vector_and_pictures_are_counted(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    observations: dict[str, Any] = {
        "goal": {"place": rng.uniform(-1, 1, (7, 2)).astype(np.float32)},
        "mode": rng.integers(0, 3, 7),
        "camera": rng.integers(0, 255, (7, 32, 32, 3)).astype(np.uint8),
        "order": ["lift"] * 7,
    }
    actions = (rng.integers(0, 2, 6), rng.uniform(-1, 1, (6, 2)).astype(np.float32))
    one = buffer(6, observations=observations, actions=actions, infos={"energy": np.zeros(7)})
    path = write(
        tmp_path,
        storage,
        [one],
        monkeypatch,
        observation_space=spaces.Dict(
            {
                "goal": spaces.Dict({"place": spaces.Box(-1, 1, (2,))}),
                "mode": spaces.Discrete(3),
                "camera": spaces.Box(0, 255, (32, 32, 3), np.uint8),
                "order": spaces.Text(9),
            }
        ),
        action_space=spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (2,)))),
    )
    read = minari.read(path)
    names = read.observation_space.names
    assert sorted(names) == ["goal/place[0]", "goal/place[1]", "mode"]
    place = names.index("goal/place[0]")
    assert np.array_equal(read.observations[:, place : place + 2], observations["goal"]["place"][:-1])
    assert np.array_equal(read.observations[:, names.index("mode")], observations["mode"][:-1])
    assert read.action_space.names == ("0", "1[0]", "1[1]")
    assert np.array_equal(read.actions, np.column_stack([actions[0], actions[1]]).astype(np.float32))
    skipped = " ".join(read.provenance.skipped)
    assert "observations/camera: 7 images of 32x32x3" in skipped
    assert "observations/order: 7 values of a Text space" in skipped
    assert "infos/energy" in skipped


@pytest.mark.parametrize("storage", STORAGES)
def test_choices_that_start_elsewhere_are_numbered_from_0(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = buffer(4, actions=np.array([-1, 0, 1, -1]))
    path = write(tmp_path, storage, [one], monkeypatch, action_space=spaces.Discrete(3, start=-1))
    read = minari.read(path)
    assert read.discrete
    assert read.action_space.size == 3
    assert read.actions.tolist() == [0, 1, 2, 0]
    assert "-1" in read.provenance.mapping["actions"]


def test_the_environment_gives_id_and_step_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = buffer(3, observations=np.zeros((4, 4), np.float32), actions=np.array([0, 1, 1]))
    spec = {"env": "CartPole-v1", "observation_space": None, "action_space": None}
    read = minari.read(write(tmp_path, "hdf5", [one], monkeypatch, **spec))
    assert read.env_id == "CartPole-v1"
    assert read.step_limit == 500
    assert read.provenance.declared["step_limit"] == 500


@pytest.mark.parametrize("storage", STORAGES)
def test_an_episode_without_final_observation_says_so(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, storage, [buffer(4), buffer(6, 1, extra=0)], monkeypatch)
    read = minari.read(path)
    assert read.lengths.tolist() == [4, 6]
    assert read.has_next is not None
    assert np.flatnonzero(~read.has_next).tolist() == [9]
    assert read.next_observations is not None
    assert np.isnan(read.next_observations[9]).all()
    assert "1 of 2 episodes" in read.provenance.unknown[0]


def test_the_file_alone_is_read_without_declared_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffers = [buffer(5), buffer(12, 1)]
    path = write(tmp_path, "hdf5", buffers, monkeypatch)
    alone = tmp_path / "copied.hdf5"
    shutil.copy(path / "data" / "main_data.hdf5", alone)
    assert minari.matches(alone) is not None
    read = minari.read(alone)
    same(read, buffers)
    assert read.observation_space.low is None
    assert read.provenance.problems[0][0] == "metadata.json"


@pytest.mark.parametrize("storage", ["arrow", "parquet"])
def test_a_missing_episode_is_named_and_the_others_are_read(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, storage, [buffer(4), buffer(5, 1), buffer(6, 2)], monkeypatch)
    shutil.rmtree(path / "data" / "1")
    read = minari.read(path)
    assert read.episode_ids.tolist() == [0, 2]
    ((where, what),) = read.provenance.problems
    assert where == "episode 1"
    assert "fetch" in what


@pytest.mark.parametrize("storage", ["arrow", "parquet"])
def test_a_pointer_in_place_of_the_data_names_the_remedy(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, storage, [buffer(4), buffer(5, 1)], monkeypatch)
    pointer = next((path / "data" / "0").glob("part-0.*"))
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99\n")
    read = minari.read(path)
    assert read.episode_ids.tolist() == [1]
    assert "git lfs pull" in read.provenance.problems[0][1]


def test_an_object_array_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    path = write(tmp_path, "hdf5", [buffer(4), buffer(5, 1)], monkeypatch)
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        del file["episode_0/actions"]
        file["episode_0"].create_dataset("actions", data=np.full(4, b"\x80\x04K\x01.").astype("V5"))
    read = minari.read(path)
    assert read.episode_ids.tolist() == [1]
    ((where, what),) = read.provenance.problems
    assert where == "episode 0"
    assert "`actions` holds opaque bytes" in what


def test_lengths_that_differ_leave_the_odd_episode_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    path = write(tmp_path, "hdf5", [buffer(4), buffer(5, 1), buffer(6, 2)], monkeypatch)
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/observations"]
        file["episode_1"].create_dataset("observations", data=np.zeros((6, 7), np.float32))
    read = minari.read(path)
    assert read.episode_ids.tolist() == [0, 2]
    assert "7 numbers a step, 3 in 2 of 3 episodes" in read.provenance.problems[0][1]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_said_to_be(share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "hdf5", [buffer(400)], monkeypatch) / "data" / "main_data.hdf5"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(TrajectoryError, match=r"main_data\.hdf5: the HDF5 file is (cut off|damaged)"):
        minari.read(path)


def test_a_storage_file_that_is_not_there_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "hdf5", [buffer(4)], monkeypatch)
    main = path / "data" / "main_data.hdf5"
    main.write_bytes(b"")
    assert minari.matches(path) is not None
    with pytest.raises(TrajectoryError, match=r"main_data\.hdf5: the file is empty"):
        minari.read(path)
    main.unlink()
    with pytest.raises(TrajectoryError, match=r"main_data\.hdf5: no such file"):
        minari.read(path)


def test_an_empty_set_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    spec = {"data_format": "arrow", "total_episodes": 0, "observation_space": "{}", "action_space": "{}"}
    (tmp_path / "data" / "metadata.json").write_text(json.dumps(spec))
    with pytest.raises(TrajectoryError, match="holds no episode"):
        minari.read(tmp_path)


def test_other_folders_are_not_minaris(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text('{"title": "holiday"}')
    assert minari.matches(tmp_path) is None
    assert minari.matches(tmp_path / "metadata.json") is None
    with pytest.raises(TrajectoryError, match="neither"):
        minari.read(tmp_path / "absent")
