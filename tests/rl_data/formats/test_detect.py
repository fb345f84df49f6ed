"""A format is told from the content, with the evidence; what is none is described."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rl_data import formats
from rl_data.trajectories import Provenance, Space, Trajectories, TrajectoryError


def made() -> Trajectories:
    return Trajectories(
        episode_ids=np.array([0, 1]), offsets=np.array([0, 2, 4]), steps=np.array([0, 1, 0, 1], np.int32),
        observations=np.arange(8, dtype=np.float32).reshape(4, 2), actions=np.array([0, 1, 1, 0], np.int32),
        rewards=np.ones(4), terminated=np.zeros(4, bool), truncated=np.zeros(4, bool), source_rows=np.arange(4),
        observation_space=Space("box", 2), action_space=Space("discrete", 2), provenance=Provenance("made", "here"),
    )  # fmt: skip


def save(columns: dict[str, Any], path: Path) -> None:
    pq.write_table(pa.table(columns), path)


def samples(folder: Path) -> dict[str, Path]:
    """One file of each format of tables and arrays, under names that give nothing away."""
    paths = {
        name: folder / f"data-{place}.bin" for place, name in enumerate(("canonical", "wide", "rlds", "episode-lists"))
    }
    formats.write_canonical(made(), paths["canonical"])
    save({"ep": [0, 0], "obs_0": [0.0, 1.0], "act": [0, 1], "rew": [1.0, 1.0]}, paths["wide"])
    rlds = {"observation": [[0.0], [1.0]], "action": [0, 1], "reward": [0.0, 0.0], "is_first": [True, False],
            "is_last": [False, True], "is_terminal": [False, True]}  # fmt: skip
    save(rlds, paths["rlds"])
    save(
        {"observations": [[[0.0], [1.0]]], "actions": [[[0.5], [0.5]]], "rewards": [[1.0, 1.0]]}, paths["episode-lists"]
    )
    paths["npz"] = folder / "data-9.bin"
    with paths["npz"].open("wb") as stream:
        np.savez(stream, obs=np.zeros((3, 2)), acts=np.zeros(3, int), dones=np.array([0, 0, 1]))
    return paths


def test_each_format_is_found_from_its_content_and_read(tmp_path: Path) -> None:
    for name, path in samples(tmp_path).items():
        detected = formats.detect(path)
        assert detected is not None
        assert detected.name == name
        assert len(detected.evidence) > 20
        read = formats.read(path)
        assert read.rows > 0
        assert read.provenance.format == name
        assert read.provenance.uri == str(path)


def test_each_format_converts_to_the_canonical_form(tmp_path: Path) -> None:
    for path in samples(tmp_path).values():
        read = formats.read(path)
        target = tmp_path / "converted.parquet"
        formats.write_canonical(read, target)
        assert formats.detect(target) == formats.Detected("canonical", formats.detect(target).evidence)  # type: ignore[union-attr]  # None fails the line, too
        back = formats.read(target)
        np.testing.assert_array_equal(back.observations, read.observations)
        assert (back.terminated is None) == (read.terminated is None)
        assert (back.ended is None) == (read.ended is None)
        assert back.source_rows.tolist() == read.source_rows.tolist()
        assert back.provenance.unknown == read.provenance.unknown


def test_the_registry_names_the_modules() -> None:
    for name, module in formats.FORMATS.items():
        loaded = importlib.import_module(module)
        assert name == loaded.NAME
        assert callable(loaded.matches)
        assert callable(loaded.read)


def test_tables_that_hold_no_trajectories_are_left_alone(tmp_path: Path) -> None:
    flights = {"year": [2013] * 3, "carrier": ["UA", "AA", "B6"], "dep_delay": [1.0, None, 3.0], "time_hour": [1, 2, 3]}
    save(flights, tmp_path / "flights.parquet")
    (tmp_path / "notes.txt").write_text("no table\n")
    (tmp_path / "people.csv").write_text("name,state,action\nAda,NY,call\n")
    (tmp_path / "empty").mkdir()
    for name in ("flights.parquet", "notes.txt", "people.csv", "empty", "absent"):
        assert formats.detect(tmp_path / name) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty (0 bytes); copy or write it anew"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "run `git lfs pull`"),
    ],
)
def test_a_file_without_content_is_no_unknown_format(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "set.parquet").write_bytes(content)
    with pytest.raises(TrajectoryError, match=re.escape(words)) as caught:
        formats.read(tmp_path / "set.parquet")
    assert "lerobot" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.parquet", b"PAR1" + b"\x00" * 100, "Parquet content cannot be read"),
        ("broken.arrow", b"ARROW1\x00\x00" + b"\x01" * 100, "Arrow content cannot be read"),
        ("people.csv", b"name,state\nAda,NY\n", "a table with the columns name, state"),
        ("noise.bin", b"\x00\x01\x02\x03", "neither a table nor an HDF5 or .npz file"),
        ("twice.csv", b"episode,obs_0,obs_0,action\n0,1,2,0\n", "the column obs_0 occurs 2 times"),
        ("half.jsonl", b'{"obs": [1, ', "JSON lines content cannot be read"),
    ],
)
def test_what_matches_nothing_is_described_and_the_formats_are_named(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrajectoryError) as caught:
        formats.read(tmp_path / name)
    message = str(caught.value)
    for word in (name, words, "canonical", "lerobot", "wide"):
        assert word in message
    assert "\n" not in message


def test_a_missing_path_and_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="no such file or folder"):
        formats.read(tmp_path / "absent.parquet")
    with pytest.raises(TrajectoryError, match="unknown trajectory format 'csvv'; known: lerobot"):
        formats.read(tmp_path, format="csvv")


def test_a_named_format_is_read_without_detection(tmp_path: Path) -> None:
    paths = samples(tmp_path)
    assert formats.read(paths["canonical"], format="wide").rows == 4  # its columns are good for both
    with pytest.raises(TrajectoryError, match="steps need the flag is_first"):
        formats.read(paths["canonical"], format="rlds")


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.npz"])
def test_damaged_files_end_in_words_or_are_still_readable(tmp_path: Path, name: str) -> None:
    """Bytes changed and files cut at random: no other exception, and no crash of the process."""
    path = tmp_path / name
    if name == "t.npz":
        np.savez_compressed(path, obs=np.arange(12.0).reshape(6, 2), acts=np.arange(6), dones=np.arange(6) == 5)
    else:
        formats.write_canonical(replace(made(), policy_ids=np.array(["a", "b", "a", "b"])), path)
    whole, rng, said = path.read_bytes(), np.random.default_rng(0), []
    for _ in range(120):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content if rng.random() < 0.8 else content[: rng.integers(0, len(content))])
        try:
            formats.detect(path)
            formats.read(path, format="npz" if name == "t.npz" else "canonical")
        except TrajectoryError as error:
            said.append(str(error))
    assert len(said) > 10
    assert all(name in message and "\n" not in message for message in said)


def test_importing_the_formats_imports_no_library_of_a_format() -> None:
    heavy = ("pyarrow", "h5py", "minari", "torch", "gymnasium")
    code = f"import sys, rl_data.formats; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
