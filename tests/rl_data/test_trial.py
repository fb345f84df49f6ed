"""Trials: side by side, told when they end, kept in a folder and found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import torch

from rl_data import checkpoints, kept_trials
from rl_data.errors import SettingsError
from rl_data.formats import read, write_canonical
from rl_data.trajectories import TrajectoryError
from rl_data.trial import Outcome, Trial, run_trials
from tests.rl_data.small_tasks import chain

SMALL: dict[str, Any] = {"network": {"width": 16}}
QUICK: dict[str, Any] = {"refits": 1, "replicates": 100, "behaviour_steps": 20, "fqe": {"steps": 20}}

SCRIPT = """
from pathlib import Path
from rl_data.trial import Trial, run_trials

def main():
    options = {"network": {"width": 16}}
    trials = [Trial("raw", Path("data.parquet"), "bc", options, seed, UPDATES) for seed in range(TRIALS)]
    for outcome in run_trials(trials, workers=2, kept=Path("kept")):
        print("seed", outcome.trial.seed, outcome.metrics["loss"])
"""
GUARDED, OPEN = SCRIPT + '\nif __name__ == "__main__":\n    main()\n', SCRIPT + "\nmain()\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_canonical(chain(40), tmp_path / "data.parquet")
    return tmp_path / "data.parquet"


def trial(data: Path, **changes: Any) -> Trial:
    return replace(
        Trial("raw", data, "bc", SMALL, updates=100, environment=None, held_out=data, evaluation=QUICK), **changes
    )


def same(outcome: Outcome) -> Outcome:
    """Leave out what lies elsewhere or took another time."""
    metrics = {name: value for name, value in outcome.metrics.items() if name != "steps_per_second"}
    return replace(outcome, seconds=0.0, run=None, metrics=metrics)


def started(script: str, folder: Path, trials: int, updates: int = 100) -> subprocess.Popen[str]:
    text = script.replace("TRIALS", str(trials)).replace("UPDATES", str(updates))
    (folder / "script.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, "script.py"], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


# --- Processes --------------------------------------------------------------------------------------------------------


def test_a_script_without_a_guard_is_told_of_it(data: Path) -> None:
    running = started(OPEN, data.parent, trials=2)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("rl_data.errors.WorkerError: a process that learned ended before it was done")
    assert '`if __name__ == "__main__":`' in last


def test_one_trial_needs_no_guard(data: Path) -> None:
    running = started(OPEN, data.parent, trials=1)
    out, said = running.communicate(timeout=300)
    assert running.returncode == 0, said
    assert out.startswith("seed 0 ")


def test_processes_give_what_one_gives_in_the_order_of_the_trials(data: Path) -> None:
    trials = [trial(data, seed=seed, updates=updates) for seed, updates in ((0, 400), (1, 100), (2, 100))]
    told: list[int] = []
    beside = run_trials(trials, workers=2, report=lambda outcome: told.append(outcome.trial.seed))
    assert sorted(told) == [0, 1, 2]
    assert [same(outcome) for outcome in beside] == [same(outcome) for outcome in run_trials(trials)]
    assert all(outcome.estimates is not None and outcome.run is None for outcome in beside)


# --- Kept -------------------------------------------------------------------------------------------------------------


def test_a_finished_trial_is_found_again_with_its_policy(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    trials = [trial(data)]
    first = run_trials(trials, kept=kept)
    (plain,) = run_trials(trials)
    assert same(first[0]) == same(plain)
    monkeypatch.setattr(kept_trials, "run_trial", _no_run)
    told: list[Outcome] = []
    again = run_trials(trials, kept=kept, report=told.append)
    assert again == first == tuple(told)
    assert again[0].run is not None
    policy = checkpoints.load(again[0].run)
    assert policy.config.network.width == 16
    files = sorted(path.name for path in again[0].run.iterdir())
    assert files == ["checkpoint.pt", "config.json", "metrics.jsonl", "outcome.json"]
    assert [path for path in kept.iterdir() if path.name.startswith(".")] == []


def _no_run(*_: Any) -> Outcome:
    raise AssertionError("it learned again")


def test_only_what_the_outcome_depends_on_counts(data: Path, tmp_path: Path) -> None:
    def key(**changes: Any) -> str:
        return kept_trials.key_of(replace(trial(data), **changes), kept_trials.digest)

    other = tmp_path / "other.parquet"
    shutil.copy(data, other)
    assert key() == key(arm="clean") == key(data=other) == key(held_out=other)
    write_canonical(chain(41), other)
    different: list[dict[str, Any]] = [
        {"data": other}, {"held_out": other}, {"held_out": None}, {"learner": "iql"}, {"options": {}}, {"seed": 1},
        {"updates": 200}, {"batch_size": 32}, {"environment": "CartPole-v1"}, {"episodes": 3}, {"curve_points": 3},
        {"curve_episodes": 3}, {"evaluation": {}}, {"soften": 0.2}, {"ends": "terminated"},
    ]  # fmt: skip
    assert len({key(), *(key(**changes) for changes in different)}) == len(different) + 1


def test_data_that_change_in_place_are_learned_from_anew(data: Path, tmp_path: Path) -> None:
    (first,) = run_trials([trial(data)], kept=tmp_path / "kept")
    write_canonical(chain(41), data)
    (second,) = run_trials([trial(data)], kept=tmp_path / "kept")
    assert first.metrics["loss"] != second.metrics["loss"]
    assert first.run != second.run


def test_folders_count_with_the_names_and_contents_of_their_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_text("1")
    before = kept_trials.digest(tmp_path / "a")
    (tmp_path / "a" / "b" / "x").rename(tmp_path / "a" / "b" / "y")
    renamed = kept_trials.digest(tmp_path / "a")
    (tmp_path / "a" / "b" / "y").write_text("2")
    assert len({before, renamed, kept_trials.digest(tmp_path / "a")}) == 3


def test_trials_that_must_come_out_alike_are_run_once(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    shutil.copy(data, other)
    trials = [trial(data, arm="raw"), trial(data, arm="raw", seed=1), trial(other, arm="clean", held_out=other)]
    raw, _, clean = run_trials(trials, kept=tmp_path / "kept")
    assert (raw.trial, clean.trial) == (trials[0], trials[2])
    assert raw.run == clean.run
    assert raw.seconds == clean.seconds
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_what_could_not_be_learned_is_kept_too(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = chain(40)
    broken.observations[3, 0] = float("nan")
    write_canonical(broken, data)
    (first,) = run_trials([trial(data)], kept=tmp_path / "kept")
    assert "is NaN at row 3" in first.problem
    monkeypatch.setattr(kept_trials, "run_trial", _no_run)
    (again,) = run_trials([trial(data)], kept=tmp_path / "kept")
    assert again == first
    assert again.run is None


@pytest.mark.parametrize("content", ["", "{", "5", "[]", "{}", '{"no_such": 1}', '{"returns": 5}'])
def test_a_damaged_outcome_is_learned_again(content: str, data: Path, tmp_path: Path) -> None:
    (first,) = run_trials([trial(data)], kept=tmp_path / "kept")
    assert first.run is not None
    (first.run / kept_trials.OUTCOME).write_text(content)
    (again,) = run_trials([trial(data)], kept=tmp_path / "kept")
    assert same(again) == same(first)
    assert json.loads((first.run / kept_trials.OUTCOME).read_text())["metrics"] == again.metrics


def test_an_error_leaves_what_was_finished(data: Path, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(outcome: Outcome) -> None:
        if outcome.trial.seed == 1:
            raise StoppedError

    trials = [trial(data, seed=seed) for seed in range(3)]
    with pytest.raises(StoppedError):
        run_trials(trials, kept=tmp_path / "kept", report=stop)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    with pytest.raises(TrajectoryError, match="no such file"):
        run_trials([trial(tmp_path / "none.parquet")], kept=tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_after_a_kill_only_the_rest_is_learned(data: Path, tmp_path: Path) -> None:
    running = started(GUARDED, tmp_path, trials=4, updates=2_000)
    deadline = time.monotonic() + 240
    while not list((tmp_path / "kept").glob("*/outcome.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    finished = list((tmp_path / "kept").glob("[!.]*/outcome.json"))
    assert 1 <= len(finished) < 4, "it ended before it could be killed"
    before = {path: path.stat().st_mtime_ns for path in finished}
    resumed = started(GUARDED, tmp_path, trials=4, updates=2_000)
    out, said = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    assert [line.split()[1] for line in out.splitlines()] == ["0", "1", "2", "3"]
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    for outcome in sorted((tmp_path / "kept").glob("[!.]*/outcome.json")):
        assert torch.load(outcome.parent / checkpoints.CHECKPOINT, weights_only=True)["step"] == 2_000


def test_a_file_in_place_of_the_folder_is_named(data: Path) -> None:
    with pytest.raises(SettingsError, match="is a file; name a folder"):
        run_trials([trial(data)], kept=data)
    assert read(data).rows
