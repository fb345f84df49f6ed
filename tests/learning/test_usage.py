"""What does not fit the data is refused before anything is cleaned: one line, exit code 2, an empty folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from audit.cleaning.plan import Data, Plan, to_yaml
from audit.cli import app
from audit.errors import ConfigError
from audit.files import write_text
from audit.learning.loop import Training
from audit.learning.usage import check_pristine, settled
from rl_data.formats import write_canonical
from rl_data.record import record
from rl_data.trajectories import Trajectories

pytest.importorskip("torch", reason="needs the extra rl")

LITTLE = ["--updates", "100", "--seeds", "1", "--episodes", "1", "--jobs", "1", "--held-out", "0", "--env", "none"]


@pytest.fixture(scope="module")
def pole() -> Trajectories:
    return record("CartPole-v1", episodes=40, seed=0)


@pytest.fixture(scope="module")
def swing() -> Trajectories:
    return record("Pendulum-v1", episodes=4, seed=0)


def without_flags(t: Trajectories) -> Trajectories:
    return dataclasses.replace(t, terminated=None, truncated=None, next_observations=None, has_next=None)


def refused(t: Trajectories, place: Path, *options: str) -> str:
    """Run the command, and return its message: nothing may have been written."""
    write_canonical(t, place / "data.parquet")
    done = CliRunner().invoke(app, ["learn", str(place / "data.parquet"), "-o", str(place / "out"), *options])
    assert done.exit_code == 2, done.output
    assert not (place / "out").exists()
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--learner", "td3_bc"], "for continuous actions; these are discrete; for these: bc, q_learning, dqn"),
        (["--set", "alpha"], "--set: options are written name=value, not 'alpha', such as --set alpha=100"),
        (["--set", "alhpa=1"], "did you mean alpha?"),
        (["--env", "Pendulum-v1"], "has 3 entries an observation and 1 numbers an action, the data have 4 and 2 choi"),
        (["--env", "Acrobot-v1"], "--env none learns without"),
        (["--ends", "foo"], "allowed are terminated and truncated"),
        (["--plan", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_the_command_refuses_what_does_not_fit_before_it_cleans(
    options: list[str], said: str, pole: Trajectories, tmp_path: Path
) -> None:
    assert said in refused(pole, tmp_path, *options)


def test_data_without_flags_need_the_meaning_of_their_ends(pole: Trajectories, tmp_path: Path) -> None:
    said = refused(without_flags(pole), tmp_path)
    assert "say which with --ends terminated or --ends truncated" in said


def test_what_is_said_of_the_ends_is_enough(pole: Trajectories) -> None:
    assert settled(Training(ends="terminated"), without_flags(pole)).learner == "cql"
    assert settled(Training(), dataclasses.replace(without_flags(pole), rewards=None)).learner == "bc"


def test_learners_of_values_need_rewards(pole: Trajectories) -> None:
    with pytest.raises(ConfigError, match="has none; bc needs none"):
        settled(Training(learner="dqn"), dataclasses.replace(pole, rewards=None))


def test_learners_and_environments_are_chosen_by_the_data(pole: Trajectories, swing: Trajectories) -> None:
    assert (settled(Training(), pole).learner, settled(Training(), pole).environment) == ("cql", "CartPole-v1")
    assert (settled(Training(), swing).learner, settled(Training(), swing).environment) == ("td3_bc", "Pendulum-v1")
    assert settled(Training(environment="none"), pole).environment is None
    with pytest.raises(ConfigError, match="for discrete actions; these are continuous; for these: bc, ppo"):
        settled(Training(learner="dqn"), swing)


def test_a_data_sets_own_environment_must_fit_too(pole: Trajectories) -> None:
    wide = dataclasses.replace(pole, observations=np.tile(pole.observations, 2), next_observations=None, has_next=None)
    with pytest.raises(ConfigError, match="the data have 8 and 2 choices of action"):
        settled(Training(), wide)


def test_the_pristine_set_must_be_of_the_same_kind(pole: Trajectories, swing: Trajectories) -> None:
    check_pristine(pole, pole)
    with pytest.raises(ConfigError, match="another kind or length"):
        check_pristine(swing, pole)
    with pytest.raises(ConfigError, match="only one of it and"):
        check_pristine(dataclasses.replace(pole, rewards=None), pole)


@pytest.mark.parametrize("name", ["updates", "batch_size", "seeds", "episodes"])
def test_numbers_are_at_least_one(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; it must be at least 1"):
        Training(**{name: 0})  # type: ignore[arg-type]  # the names are not known to be of numbers


def test_settings_of_the_evaluation_are_checked(pole: Trajectories) -> None:
    with pytest.raises(ConfigError, match="evaluation: unknown option refit"):
        settled(Training(evaluation={"refit": 1}), pole)


def test_where_nothing_was_learned_the_exit_code_says_so(pole: Trajectories, tmp_path: Path) -> None:
    """An observation is missing in a step, and the plan drops nothing."""
    holed = pole.observations.copy()
    holed[5, 2] = np.nan
    write_canonical(dataclasses.replace(pole, observations=holed), tmp_path / "data.parquet")
    write_text(tmp_path / "plan.yaml", to_yaml(Plan(data=Data(name="data.parquet", sha256=""), repairs=())))
    command = ["learn", str(tmp_path / "data.parquet"), "-o", str(tmp_path / "out"), *LITTLE]
    done = CliRunner().invoke(app, [*command, "--plan", str(tmp_path / "plan.yaml")])
    assert done.exit_code == 2, done.output
    assert "error: nothing could be learned from any set" in done.stderr
    assert "Nothing could be learned from the data, and nothing was cleaned" in done.stdout
    assert (tmp_path / "out" / "report.html").exists()  # with the reasons


def test_a_run_that_fails_leaves_nothing_of_an_older_one(pole: Trajectories, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "sets").mkdir(parents=True)
    stale = [out / name for name in ("report.html", "result.json", "plan.yaml", "sets/control.parquet")]
    for file in stale:
        file.write_text("of an older run")
    (out / "notes.txt").write_text("mine")
    write_canonical(pole, tmp_path / "data.parquet")
    command = ["learn", str(tmp_path / "data.parquet"), "-o", str(out), "--force", *LITTLE]
    refusal = CliRunner().invoke(app, [*command, "--learner", "td3_bc"])
    assert refusal.exit_code == 2
    assert all(file.exists() for file in stale)  # refused before anything was done
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert not (out / "plan.yaml").exists()
    assert not (out / "sets" / "control.parquet").exists()
    assert "of an older run" not in (out / "report.html").read_text("utf-8")
    assert (out / "notes.txt").read_text() == "mine"
