"""`python -m rl_data evaluate`: what was learned from is not evaluated on unsaid, and what is refused is not shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
from typer.testing import CliRunner, Result

from rl_data import checkpoints
from rl_data.cli import app
from rl_data.formats import write_canonical
from rl_data.held_out import unseen
from rl_data.record import record
from rl_data.training import Settings, train
from tests.rl_data.small_tasks import chain, pointing

QUICK = ("--set", "fqe.steps=20", "--set", "behaviour_steps=20", "--set", "refits=1", "--set", "replicates=100")
SMALL = ("--steps", "100", "--set", "network.width=16")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold the chain as data, a run that held out a third of it, and one that held out nothing."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_canonical(chain(60), folder / "data.parquet")
    for name, more in {"held": ("--held-out", "0.3"), "whole": ()}.items():
        done = call("train", folder / "data.parquet", "--learner", "bc", "-o", folder / name, *SMALL, *more)
        assert done.exit_code == 0, done.stderr
    return folder


def test_what_was_held_out_is_not_learned_from_and_is_what_is_evaluated_on(folder: Path) -> None:
    described = checkpoints.read_config(folder / "held")["data"]
    assert (described["episodes"], len(described["held_out"]["episodes"])) == (42, 18)
    done = call("evaluate", folder / "held", folder / "data.parquet", *QUICK, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["held_out"], found["learned_from"]) == (True, False)
    assert found["diagnostics"]["episodes"] == 18
    assert "WARNING" not in done.stderr


def test_which_episodes_are_held_out_does_not_depend_on_the_seed_of_training(folder: Path, tmp_path: Path) -> None:
    arguments = ("train", folder / "data.parquet", "--learner", "bc", *SMALL, "--held-out", "0.3")
    assert call(*arguments, "-o", tmp_path / "one", "--seed", "1").exit_code == 0
    assert call(*arguments, "-o", tmp_path / "two", "--held-out-seed", "1").exit_code == 0
    first, one, two = (
        checkpoints.read_config(run)["data"]["held_out"]["episodes"]
        for run in (folder / "held", tmp_path / "one", tmp_path / "two")
    )
    assert first == one
    assert first != two


def test_a_run_is_resumed_with_the_same_held_out_episodes_only(folder: Path, tmp_path: Path) -> None:
    arguments = ("train", folder / "data.parquet", "--learner", "bc", "-o", tmp_path / "run", *SMALL)
    assert call(*arguments, "--held-out", "0.3").exit_code == 0
    assert call(*arguments, "--held-out", "0.3", "--resume").exit_code == 0
    other = call(*arguments, "--resume")
    assert other.exit_code == 2
    assert "another data" in other.stderr


def test_evaluating_on_what_was_learned_from_is_said_loudly(folder: Path) -> None:
    done = call("evaluate", folder / "whole", folder / "data.parquet", *QUICK, "--json")
    assert done.exit_code == 0, done.stderr
    assert "WARNING: the run learned from these very episodes" in done.stderr
    assert "--held-out" in done.stderr
    assert json.loads(done.stdout)["learned_from"] is True


def test_other_data_are_neither_held_out_nor_learned_from(folder: Path) -> None:
    for run in ("held", "whole"):
        known = unseen(checkpoints.read_config(folder / run), chain(60, seed=1))
        assert (known.held_out, known.learned_from, known.data.episodes) == (False, False, 60)


@pytest.mark.parametrize("ends", ["terminated", "truncated"])
def test_the_same_data_are_known_again_whatever_their_ends_are_taken_for(ends: str, tmp_path: Path) -> None:
    data = chain(20)
    flags = np.zeros(data.rows, bool)
    flags[data.last_rows] = True
    unflagged = replace(data, terminated=None, truncated=None, ended=flags)
    write_canonical(unflagged, tmp_path / "data.parquet")
    done = call("train", tmp_path / "data.parquet", "--learner", "bc", "-o", tmp_path / "run", *SMALL, "--ends", ends)
    assert done.exit_code == 0, done.stderr
    assert unseen(checkpoints.read_config(tmp_path / "run"), unflagged).learned_from


def test_nothing_is_shown_by_lambda_where_every_number_is_refused(tmp_path: Path) -> None:
    # domain: TD3+BC is deterministic: there are no ratios, and "0: nan" is no answer
    write_canonical(pointing(20), tmp_path / "data.parquet")
    write_canonical(pointing(20, seed=1), tmp_path / "other.parquet")
    train(pointing(20), "td3_bc", {"network": {"width": 16}}, Settings(100, 16, device="cpu"), run=tmp_path / "run")
    done = call("evaluate", tmp_path / "run", tmp_path / "other.parquet", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert "by lambda" not in done.stdout
    assert "nan" not in done.stdout
    assert "--soften" in done.stdout
    assert "an unknown number of effective episodes of 20" in done.stdout


def test_one_line_says_what_numbers_rest_on_and_stderr_what_was_left_out(folder: Path, tmp_path: Path) -> None:
    write_canonical(chain(60, seed=1, next_observations=None, has_next=None), tmp_path / "cut.parquet")
    done = call("evaluate", folder / "whole", tmp_path / "cut.parquet", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert "note:" in done.stderr
    assert "last rows without a final observation were left out" in done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("based on: ")]
    for words in ("effective episodes of 60", "untried", "clipped ratios", "calibration error"):
        assert words in line
    noted = call("evaluate", folder / "whole", tmp_path / "cut.parquet", *QUICK, "--json")
    assert any("last rows" in note for note in json.loads(noted.stdout)["notes"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold CartPole at random, three seeds of one learner, and one of other options."""
    pytest.importorskip("gymnasium", reason="needs the extra rl")
    folder = tmp_path_factory.mktemp("runs")
    data = record("CartPole-v1", steps=300, seed=0)
    write_canonical(record("CartPole-v1", steps=300, seed=1), folder / "other.parquet")
    for name, seed, options in (("a", 0, {}), ("b", 1, {}), ("c", 2, {}), ("d", 0, {"learning_rate": 1e-2})):
        settings = Settings(100, 32, seed, device="cpu")
        train(data, "bc", {"network": {"width": 16}, **options}, settings, run=folder / name)
    return folder


def test_several_runs_give_their_interquartile_mean(runs: Path) -> None:
    arguments: list[Any] = ["evaluate", runs / "a", runs / "other.parquet", "--env", "CartPole-v1", "--episodes", "2"]
    arguments += ["--also", runs / "b", "--also", runs / "c", *QUICK]
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["rollout_runs"]
    assert found["diagnostics"]["runs"] == 3
    assert found["low"] <= found["value"] <= found["high"]
    assert "interquartile mean over 3 runs" in call(*arguments).stdout
    assert "as if there were no limit of 500" in call(*arguments).stdout


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--also", "d"), "other options of the learner"),
        (("--also", "a"), "each counts once"),
        (("--also", "no_run"), "no_run"),
    ],
)
def test_runs_that_are_no_seeds_of_one_learner_are_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(runs)
    done = call("evaluate", "a", "other.parquet", "--env", "CartPole-v1", *more)
    assert done.exit_code == 2
    assert words in done.stderr


def test_several_runs_need_an_environment(runs: Path) -> None:
    done = call("evaluate", runs / "a", runs / "other.parquet", "--also", runs / "b")
    assert done.exit_code == 2
    assert "--env" in done.stderr


def test_data_and_environments_of_another_task_are_an_error_in_plain_words(runs: Path, folder: Path) -> None:
    # domain: a policy for CartPole on data of a task with six observations
    for arguments in ([folder / "data.parquet"], [runs / "other.parquet", "--env", "Acrobot-v1"]):
        done = call("evaluate", runs / "a", *arguments, *QUICK)
        assert done.exit_code == 2
        assert "observations of 4 numbers" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: the policy sees")
