"""Bad trajectories at the command line: file, episode and remedy in one line and exit code 2; what is readable is
audited, and the rest is a finding; nothing is unpickled."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from audit.cli import app
from rl_data.episodes import from_episodes
from rl_data.formats import write
from rl_data.trajectories import Trajectories

h5py = pytest.importorskip("h5py")

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4889bc29\nsize 114043\n"
FIRST, SECOND = "data/chunk-000/episode_000000.parquet", "data/chunk-000/episode_000001.parquet"


def trajectories(episodes: int = 4, length: int = 30) -> Trajectories:
    rng = np.random.default_rng(0)
    made = [
        {
            "observations": rng.normal(size=(length + 1, 3)).astype(np.float32),
            "actions": rng.normal(size=(length, 2)).astype(np.float32),
            "rewards": rng.normal(size=length),
            "terminated": True,
            "truncated": False,
        }
        for _ in range(episodes)
    ]
    return from_episodes(made, fps=10)


def run(*arguments: object, select: str = "COM101,COM105") -> Any:
    return CliRunner().invoke(app, ["run", *map(str, arguments), "--select", select])


class Bomb:
    """Unpickling this makes a folder: the proof that somebody did."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


def cut_off(folder: Path) -> Path:
    write(trajectories(), folder / "set.hdf5", "d4rl")
    content = (folder / "set.hdf5").read_bytes()
    (folder / "set.hdf5").write_bytes(content[: len(content) // 2])
    return folder / "set.hdf5"


def damaged(folder: Path) -> Path:
    write(trajectories(), folder / "set.hdf5", "d4rl")
    with h5py.File(folder / "set.hdf5") as file:
        chunk = file["observations"].id.get_chunk_info(0)
    with (folder / "set.hdf5").open("r+b") as stream:
        stream.seek(chunk.byte_offset)
        stream.write(b"\xff" * chunk.size)
    return folder / "set.hdf5"


def empty(folder: Path) -> Path:
    (folder / "set.hdf5").touch()
    return folder / "set.hdf5"


def pointer(folder: Path) -> Path:
    (folder / "set.hdf5").write_text(POINTER)
    return folder / "set.hdf5"


def other_groups(folder: Path) -> Path:
    with h5py.File(folder / "set.hdf5", "w") as file:
        file["weights/layer"] = np.zeros(3)
    return folder / "set.hdf5"


def lerobot(folder: Path) -> Path:
    write(trajectories(), folder / "robot", "lerobot")
    return folder / "robot"


def empty_info(folder: Path) -> Path:
    root = lerobot(folder)
    (root / "meta/info.json").write_text("")
    return root


def broken_info(folder: Path) -> Path:
    root = lerobot(folder)
    (root / "meta/info.json").write_text('{"codebase_version": ')
    return root


def pointers(folder: Path) -> Path:
    root = lerobot(folder)
    for file in root.rglob("*.parquet"):
        file.write_text(POINTER)
    return root


def no_files(folder: Path) -> Path:
    root = lerobot(folder)
    shutil.rmtree(root / "data")
    return root


def varying_lengths(folder: Path) -> Path:
    observations = [[1.0, 2.0], [1.0, 2.0], [1.0], [2.0, 3.0]]
    columns = {"episode_id": [0, 0, 1, 1], "step": [0, 1, 0, 1], "observation": observations, "action": [0, 1, 0, 1]}
    pq.write_table(pa.table(columns), folder / "set.parquet")
    return folder / "set.parquet"


def words_as_actions(folder: Path) -> Path:
    columns = {"episode_id": [0, 0], "step": [0, 1], "observation": [[1.0], [2.0]], "action": ["left", "right"]}
    pq.write_table(pa.table(columns), folder / "set.parquet")
    return folder / "set.parquet"


def words_as_observations(folder: Path) -> Path:
    columns = {"episode_id": [0, 0], "step": [0, 1], "observation": [["a"], ["b"]], "action": [0, 1]}
    pq.write_table(pa.table(columns), folder / "set.parquet")
    return folder / "set.parquet"


def fractions_as_steps(folder: Path) -> Path:
    columns = {"episode_id": [0, 0], "step": [0.0, 0.5], "observation": [[1.0], [2.0]], "action": [0, 1]}
    pq.write_table(pa.table(columns), folder / "set.parquet")
    return folder / "set.parquet"


def objects(folder: Path) -> Path:
    bombs = np.array([Bomb(folder / "opened")] * 3, dtype=object)
    np.savez(folder / "set.npz", observations=bombs, actions=np.zeros(3))
    return folder / "set.npz"


def pickled(folder: Path) -> Path:
    (folder / "set.pkl").write_bytes(pickle.dumps(Bomb(folder / "opened")))
    return folder / "set.pkl"


def opaque(folder: Path) -> Path:
    payload = pickle.dumps(Bomb(folder / "opened"))
    with h5py.File(folder / "set.hdf5", "w") as file:
        file["observations"] = np.array([np.void(payload)] * 3)
        for name in ("actions", "rewards", "terminals"):
            file[name] = np.zeros(3)
    return folder / "set.hdf5"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (cut_off, ["set.hdf5", "cut off after", "copy or write it anew"]),
        (damaged, ["set.hdf5", "`observations` cannot be read", "copy or write it anew"]),
        (empty, ["set.hdf5", "empty (0 bytes)", "copy or write it anew"]),
        (pointer, ["set.hdf5", "git-lfs pointer", "git lfs pull"]),
        (other_groups, ["set.hdf5", "an HDF5 file whose groups are not those of"]),
        (empty_info, ["meta/info.json", "the file is empty", "fetch it again"]),
        (broken_info, ["meta/info.json", "no JSON", "fetch it again"]),
        (pointers, ["robot", FIRST, "git lfs pull"]),
        (no_files, ["robot", "no Parquet file under `data/`", "fetch the data set again"]),
        (varying_lengths, ["set.parquet", "observation has 1 values in row 2 (episode 1)", "remove these episodes"]),
        (words_as_actions, ["set.parquet", "action holds string, not numbers", "convert them to numbers"]),
        (words_as_observations, ["set.parquet", "observation holds string, not numbers", "convert them to numbers"]),
        (fractions_as_steps, ["set.parquet", "step is 0.5 in row 1 (episode 0)", "convert the column"]),
        (objects, ["set.npz", "array of Python objects", "never unpickled", "save the observations as"]),
        (pickled, ["set.pkl", "pickle", "write it as Parquet"]),
        (opaque, ["set.hdf5", "`observations` holds opaque bytes", "store plain numbers"]),
    ],
)
@pytest.mark.parametrize("command", ["run", "clean"])
def test_what_cannot_be_read_is_one_line_with_the_remedy(
    make: Callable[[Path], Path], words: list[str], command: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    extra = ["-o", str(tmp_path / "out")] if command == "clean" else []
    done = CliRunner().invoke(app, [command, str(path), *extra])
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr, done.stderr
    assert not (tmp_path / "opened").exists()  # nothing was unpickled
    assert not (tmp_path / "out").exists()


def without_a_file(folder: Path) -> Path:
    root = lerobot(folder)
    (root / SECOND).unlink()
    return root


def with_a_pointer(folder: Path) -> Path:
    root = lerobot(folder)
    (root / SECOND).write_text(POINTER)
    return root


def with_a_damaged_file(folder: Path) -> Path:
    root = lerobot(folder)
    content = (root / SECOND).read_bytes()
    (root / SECOND).write_bytes(content[: len(content) // 2])
    return root


def with_another_length(folder: Path) -> Path:
    write(trajectories(), folder / "set-v0", "minari")
    with h5py.File(folder / "set-v0/data/main_data.hdf5", "a") as file:
        del file["episode_1/observations"]
        file["episode_1"].create_dataset("observations", data=np.zeros((31, 7), np.float32))
    return folder / "set-v0"


def with_opaque_actions(folder: Path) -> Path:
    write(trajectories(), folder / "set-v0", "minari")
    payload = pickle.dumps(Bomb(folder / "opened"))
    with h5py.File(folder / "set-v0/data/main_data.hdf5", "a") as file:
        del file["episode_1/actions"]
        file["episode_1"].create_dataset("actions", data=np.array([np.void(payload)] * 30))
    return folder / "set-v0"


def with_words_in_one_file(folder: Path) -> Path:
    root = lerobot(folder)
    table = pq.read_table(root / SECOND)
    place = table.schema.get_field_index("action")
    pq.write_table(table.set_column(place, "action", pa.array(["left"] * table.num_rows)), root / SECOND)
    return root


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (without_a_file, [SECOND, "fetch it again"]),
        (with_a_pointer, [SECOND, "git lfs pull"]),
        (with_a_damaged_file, [SECOND, "cannot be read as Parquet", "fetch it again"]),
        (with_words_in_one_file, [SECOND, "action holds string"]),
        (with_another_length, ["episode 1", "7 numbers a step, 3 in 3 of 4 episodes", "left out"]),
        (with_opaque_actions, ["episode 1", "`actions` holds opaque bytes"]),
    ],
)
def test_what_is_readable_is_audited_and_the_rest_is_a_finding(
    make: Callable[[Path], Path], words: list[str], tmp_path: Path
) -> None:
    path = make(tmp_path)
    done = run(path, "--format", "json", "--fail-on", "never")
    assert done.exit_code == 0, done.output
    body = json.loads(done.stdout)
    assert body["dataset"]["episodes"] == 3
    said = [f"{finding['segment']} {finding['message']}" for finding in body["findings"] if finding["code"] == "COM105"]
    for word in words:
        assert any(word in line for line in said), said
    assert not (tmp_path / "opened").exists()
    shown = run(path, "--fail-on", "never")
    assert f"not read: {words[0]}" in " ".join(shown.stdout.split())


def test_cleaning_what_is_readable_tells_what_was_not(tmp_path: Path) -> None:
    path = with_a_pointer(tmp_path)
    done = CliRunner().invoke(app, ["clean", str(path), "-o", str(tmp_path / "out"), "--select", "COM101"])
    assert done.exit_code == 0, done.output
    assert f"not read: {SECOND}: a git-lfs pointer" in done.stdout
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["input"]["episodes"] == 3
    assert manifest["input"]["problems"][0][0] == SECOND
    again = run(tmp_path / "out/clean.parquet", "--fail-on", "never", select="COM105")
    assert "git-lfs" not in again.stdout  # the clean set is whole in itself


def test_an_option_that_insists_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,x\n2,y\n")
    done = run(tmp_path / "table.csv", "--kind", "trajectory")
    assert done.exit_code == 2
    assert "a table with the columns a, b" in done.stderr
    assert "rename them" in done.stderr
