"""The loop from start to end, on small sets: real cleaning, real training, real environments."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from audit.cleaning import clean
from audit.cleaning.plan import Data, Plan, to_yaml
from audit.cli import app
from audit.errors import ConfigError
from audit.files import write_text
from audit.learning import learn
from audit.learning.loop import Training, clean_by_every_repair
from audit.learning.sets import learning_sets
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


@pytest.mark.parametrize("defect", ["term_all_zero", "obs_units", "duplicates", "boundary_merge"])
def test_nothing_is_learned_from_what_is_held_out(defect: str, pristine: Trajectories, tmp_path: Path) -> None:
    """Not by any arm: neither from copies under other ids, nor from the pristine set, nor from other numbers in it."""
    faulty = inject(defect, pristine, rate=0.3, seed=0).trajectories
    sets = sets_of(faulty, tmp_path, pristine)
    assert set(sets) >= {"raw", "clean", "pristine"}
    held = {tuple(row) for row in sets.pop("held_out").observations.tolist()}
    for name, one in sets.items():
        rows = {tuple(row) for row in one.observations.tolist()}
        assert held.isdisjoint(rows), name
    assert sets["pristine"].rows == pytest.approx(sets["raw"].rows, rel=0.3 if defect == "duplicates" else 0.1)


def sets_of(faulty: Trajectories, place: Path, pristine: Trajectories | None = None) -> dict[str, Trajectories]:
    """Return the sets as cleaning with every repair, and nothing else, leaves them."""
    cleaned = clean_by_every_repair(faulty, place)
    sets = learning_sets(cleaned, pristine, 0.2)
    assert sets.held_out is not None
    return {"held_out": sets.held_out, **{one.name: one.data for one in sets.learned_from}}


def test_nothing_else_is_lost(faulty: Trajectories, tmp_path: Path) -> None:
    sets = sets_of(faulty, tmp_path)
    for name in ("raw", "clean"):
        assert sets[name].rows + sets["held_out"].rows == faulty.rows


def test_a_pristine_set_that_is_larger_is_made_as_large_as_raw(pristine: Trajectories, tmp_path: Path) -> None:
    some = inject("term_all_zero", pristine.take(np.arange(40)), rate=1.0, seed=0).trajectories
    sets = learning_sets(clean_by_every_repair(some, tmp_path), pristine, 0.2)
    by_name = {one.name: one for one in sets.learned_from}
    assert by_name["pristine"].data.rows == pytest.approx(by_name["raw"].data.rows, rel=0.1)
    assert by_name["pristine"].what.endswith("as large as raw")


def test_where_every_episode_is_the_same_something_is_left_to_learn_from(
    pristine: Trajectories, tmp_path: Path
) -> None:
    """As of a deterministic policy in a deterministic environment."""
    same = pristine.take(np.zeros(40, dtype=np.int64))
    same = dataclasses.replace(same, episode_ids=np.arange(40))
    write_text(tmp_path / "plan.yaml", to_yaml(Plan(data=Data(name="same", sha256=""), repairs=())))
    cleaned = clean(same, tmp_path / "clean", tmp_path / "plan.yaml")  # copies would leave unasked
    sets = learning_sets(cleaned, same, 0.2)
    assert [one.data.episodes for one in sets.learned_from] == [32, 32]
    assert sets.notes[0] == "raw: 32 of 32 episodes are equal to held-out ones: too many to leave out"


def test_copies_that_were_left_out_are_told(pristine: Trajectories, tmp_path: Path) -> None:
    doubled = inject("duplicates", pristine, rate=1.0, seed=0).trajectories
    sets = learning_sets(clean_by_every_repair(doubled, tmp_path), None, 0.2)
    assert "raw: 16 episodes are copies of held-out ones and were left out" in sets.notes


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
    assert by_name["control"].estimates is None  # it is there for its returns: estimates take long
    assert by_name["raw"].estimates is not None
    assert by_name["control"].steps == pytest.approx(by_name["clean"].steps, rel=0.1)


def test_without_an_environment_logged_episodes_speak(faulty: Trajectories, tmp_path: Path) -> None:
    quick = Training(updates=200, seeds=2, workers=1, environment="none", options=SMALL, evaluation=FEW)
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


def test_policies_stay_and_what_was_learned_is_not_learned_twice(faulty: Trajectories, tmp_path: Path) -> None:
    from rl_data.checkpoints import load

    out = tmp_path / "out"
    first = learn(faulty, out, training=QUICK).learning
    policies = [seed.policy for arm in first.arms for seed in arm.seeds]
    assert sorted(policies, key=str) == sorted(f"trials/{one.name}" for one in (out / "trials").iterdir())
    for policy in policies:
        assert policy is not None
        assert load(out / policy).discrete
    (out / "result.json").unlink()  # as if it had been interrupted after some trials
    lost = policies[0]
    assert lost is not None
    shutil.rmtree(out / lost)
    times = {policy: (out / str(policy) / "checkpoint.pt").stat().st_mtime_ns for policy in policies[1:]}
    assert learn(faulty, out, training=QUICK, force=True).learning == first
    assert {policy: (out / str(policy) / "checkpoint.pt").stat().st_mtime_ns for policy in times} == times
    other = dataclasses.replace(QUICK, updates=100, seeds=1)
    learn(faulty, out, training=other, force=True)
    assert len(list((out / "trials").iterdir())) == 2  # those of the report, no others
