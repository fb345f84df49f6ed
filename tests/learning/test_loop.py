"""The loop from start to end, on small sets: real cleaning, real training, real environments."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from audit.cli import app
from audit.errors import ConfigError
from audit.learning import learn
from audit.learning.loop import Training
from rl_data.corrupt import inject
from rl_data.formats import read
from rl_data.record import record
from rl_data.trajectories import Trajectories

pytest.importorskip("torch", reason="needs the extra rl")

FEW = {"refits": 1, "replicates": 100, "fqe": {"steps": 100}}
SMALL = {"network": {"width": 32}}
QUICK = Training(updates=200, seeds=2, episodes=4, workers=1, options=SMALL, evaluation=FEW)


@pytest.fixture(scope="module")
def pristine() -> Trajectories:
    return record("CartPole-v1", episodes=80, seed=0)


@pytest.fixture(scope="module")
def faulty(pristine: Trajectories) -> Trajectories:
    return inject("term_all_zero", pristine, rate=1.0, seed=0).trajectories


def test_every_set_is_learned_from_and_the_files_are_there(
    faulty: Trajectories, pristine: Trajectories, tmp_path: Path
) -> None:
    learned = learn(faulty, tmp_path / "out", training=QUICK, pristine=pristine)
    found = learned.learning
    assert [arm.name for arm in found.arms] == ["raw", "clean", "pristine"]
    assert all(seed.mean_return is not None for arm in found.arms for seed in arm.seeds)
    assert all(arm.estimates is not None for arm in found.arms)
    assert any("COM102 relabel" in text for text in found.repairs)
    assert found.environment == "CartPole-v1"
    written = json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    assert written["learning"]["verdict"] == found.verdict
    assert found.verdict in (tmp_path / "out" / "report.html").read_text("utf-8")
    clean = read(tmp_path / "out" / "clean" / "clean.parquet")
    np.testing.assert_array_equal(clean.terminated, pristine.terminated)


def test_nothing_is_learned_from_what_is_held_out(faulty: Trajectories, tmp_path: Path) -> None:
    learn(faulty, tmp_path / "out", training=QUICK)
    sets = {path.stem: read(path) for path in (tmp_path / "out" / "sets").glob("*.parquet")}
    held = {tuple(row) for row in sets["held_out"].observations.tolist()}
    for name in ("raw", "clean"):
        assert held.isdisjoint({tuple(row) for row in sets[name].observations.tolist()})
        assert sets[name].rows + sets["held_out"].rows == faulty.rows


def test_the_same_seed_gives_the_same_comparison(faulty: Trajectories, tmp_path: Path) -> None:
    first = learn(faulty, tmp_path / "a", training=QUICK, seed=3).learning
    again = learn(faulty, tmp_path / "b", training=QUICK, seed=3).learning
    assert first == again


def test_a_control_stands_beside_what_lost_steps(pristine: Trajectories, tmp_path: Path) -> None:
    noisy = inject("nan_to_zero", pristine, rate=0.1, seed=0).trajectories
    learned = learn(noisy, tmp_path / "out", training=QUICK)
    by_name = {arm.name: arm for arm in learned.learning.arms}
    assert set(by_name) == {"raw", "clean", "control"}
    assert by_name["control"].steps < by_name["raw"].steps
    assert by_name["control"].steps == pytest.approx(by_name["clean"].steps, rel=0.1)


def test_without_an_environment_logged_episodes_speak(faulty: Trajectories, tmp_path: Path) -> None:
    quick = Training(updates=200, seeds=1, workers=1, environment="none", options=SMALL, evaluation=FEW)
    learned = learn(faulty, tmp_path / "out", training=quick)
    assert learned.learning.environment is None
    assert all(arm.iqm is None for arm in learned.learning.arms)
    assert "logged episodes" in learned.learning.verdict.lower()


def test_imitation_data_are_cloned(pristine: Trajectories, tmp_path: Path) -> None:
    from dataclasses import replace

    learned = learn(
        replace(pristine, rewards=None), tmp_path / "out", training=Training(updates=200, seeds=1, workers=1)
    )
    assert learned.learning.learner == "bc"


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (Training(learner="cqll"), "did you mean cql"),
        (Training(options={"alhpa": 1}), "alpha"),
        (Training(environment="CartPoll-v1"), "CartPoll"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    training: Training, said: str, faulty: Trajectories, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        learn(faulty, tmp_path / "out", training=training)


def test_a_folder_with_something_in_it_is_refused(faulty: Trajectories, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="not empty"):
        learn(faulty, tmp_path, training=QUICK)


def test_the_command_says_whether_it_paid(tmp_path: Path) -> None:
    out = tmp_path / "out"
    data = "sample_data/trajectories/cartpole_planted.parquet"
    options = ["--updates", "200", "--seeds", "2", "--episodes", "4", "--jobs", "1", "--set", "network.width=32"]
    done = CliRunner().invoke(app, ["learn", data, "-o", str(out), *options])
    assert done.exit_code == 0, done.output
    assert "raw" in done.stdout
    assert "clean" in done.stdout
    assert (out / "report.html").exists()
    again = CliRunner().invoke(app, ["learn", data, "-o", str(out), *options])
    assert again.exit_code == 2
