"""`audit convert`: the target's format by its name or `--to`, what got lost said, nothing overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("h5py", reason="needs the extra rl")

import numpy as np
from typer.testing import CliRunner

from audit.cli import app
from rl_data.formats import detect, read, write
from rl_data.trajectories import Trajectories
from tests.test_bad_input_trajectories import trajectories


def convert(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(trajectories(), tmp_path / "source.parquet")
    return tmp_path / "source.parquet"


def same(one: Trajectories, other: Trajectories) -> None:
    for name in ("offsets", "observations", "actions", "rewards", "terminated", "truncated"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize(
    ("name", "extra", "format"),
    [
        ("set.parquet", [], "canonical"),
        ("set.arrow", [], "canonical"),
        ("set.hdf5", [], "d4rl"),
        ("set-v0", [], "minari"),
        ("robot", ["--to", "lerobot"], "lerobot"),
    ],
)
def test_the_name_tells_the_format(name: str, extra: list[str], format: str, source: Path, tmp_path: Path) -> None:
    done = convert(source, tmp_path / name, *extra)
    assert done.exit_code == 0, done.output
    detected = detect(tmp_path / name)
    assert detected is not None
    assert detected.name == format
    same(read(tmp_path / name), read(source))
    back = convert(tmp_path / name, tmp_path / "back.parquet")
    assert back.exit_code == 0, back.output
    same(read(tmp_path / "back.parquet"), read(source))


def test_it_says_how_it_read_and_what_got_lost(source: Path, tmp_path: Path) -> None:
    done = convert(source, tmp_path / "robot", "--to", "lerobot")
    assert "120 steps in 4 episodes" in done.stdout
    assert "format: canonical" in done.stdout
    assert "lost: LeRobot does not hold next observations" in done.stdout
    assert "nothing got lost" in convert(source, tmp_path / "copy.parquet").stdout
    assert convert(source, tmp_path / "quiet.parquet", "-q").stdout == ""


def test_the_source_may_be_read_as_a_named_format(source: Path, tmp_path: Path) -> None:
    assert convert(source, tmp_path / "a.parquet", "--from", "canonical").exit_code == 0
    done = convert(source, tmp_path / "b.parquet", "--from", "d4rl")
    assert done.exit_code == 2
    assert "not an HDF5 file" in done.stderr


def test_nothing_is_overwritten_unasked(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "there.parquet"
    target.write_text("mine")
    done = convert(source, target)
    assert done.exit_code == 2
    assert "is there already" in done.stderr
    assert target.read_text() == "mine"
    assert convert(source, target, "--force").exit_code == 0
    (tmp_path / "set-v0").mkdir()
    (tmp_path / "set-v0/notes.txt").write_text("mine")
    assert "is there already" in convert(source, tmp_path / "set-v0", "--force").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.parquet", "x.parquet"], "does not exist"),
        (["source.parquet", "x", "--to", "minary"], "unknown format; did you mean 'minari'?"),
        (["source.parquet", "x.parquet", "--from", "zip"], "unknown trajectory format 'zip'"),
        (["source.parquet", "missing/x.parquet"], "cannot be written"),
        (["table.csv", "x.parquet"], "a table with the columns a, b"),
    ],
)
def test_mistakes_are_one_clear_line(
    arguments: list[str], words: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    done = convert(*arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert done.stdout == ""


def test_imitation_data_are_not_given_invented_rewards(tmp_path: Path) -> None:
    import dataclasses

    t = dataclasses.replace(trajectories(), rewards=None)
    write(t, tmp_path / "demos.parquet")
    done = convert(tmp_path / "demos.parquet", tmp_path / "demos-v0")
    assert done.exit_code == 2
    assert "Minari demands rewards for every step" in done.stderr
    assert not (tmp_path / "demos-v0").exists()
