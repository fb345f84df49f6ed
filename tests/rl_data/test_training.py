"""The loop: kill and resume, safe checkpoints, warm start, divergence."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rl_data import checkpoints
from rl_data.cli import app
from rl_data.diagnosis import cause, check_values
from rl_data.errors import CheckpointError, DivergenceError, SettingsError
from rl_data.formats import write_canonical
from rl_data.learners import LEARNERS
from rl_data.learners.base import Prepared
from rl_data.learners.dqn import DQNConfig
from rl_data.training import Sampler, Settings, train
from rl_data.trajectories import Space, TrajectoryError
from rl_data.transitions import transitions
from tests.rl_data.small_tasks import chain, pointing

SMALL: dict[str, Any] = {"network": {"width": 16}}
CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings(steps: int, **changes: Any) -> Settings:
    return Settings(**{"steps": steps, "device": "cpu", "log_every": 100, "checkpoint_every": 100, **changes})


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoints.load(run).state_dict())


# --- Kill and resume --------------------------------------------------------------------------------------------------


def test_a_killed_run_that_is_resumed_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    write_canonical(pointing(40), tmp_path / "data.parquet")
    command = [
        sys.executable, "-m", "rl_data", "train", "data.parquet", "--learner", "td3_bc", "--set", "network.width=16",
        "--steps", "1500", "--log-every", "100", "--checkpoint-every", "100", "--device", "cpu", "-o",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, *arguments], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)

    killed = start("killed")
    checkpoint = tmp_path / "killed" / checkpoints.CHECKPOINT
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "it ended before it could be killed"
    reached = checkpoints.read_checkpoint(tmp_path / "killed")["step"]
    assert 100 <= reached < 1500

    assert start("killed", "--resume").wait() == 0
    assert start("whole").wait() == 0
    resumed, whole = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(tensor, whole[key]) for key, tensor in resumed.items())
    histories = [
        [
            {k: v for k, v in entry.items() if k != "steps_per_second"}
            for entry in checkpoints.read_metrics(tmp_path / run)
        ]
        for run in ("killed", "whole")
    ]
    assert histories[0] == histories[1]
    assert [entry["step"] for entry in histories[0]] == list(range(100, 1501, 100))


@pytest.mark.parametrize("name", sorted(set(LEARNERS) - {"q_learning"}))  # its sweeps are done before a checkpoint
def test_every_learner_resumes_exactly(name: str, tmp_path: Path) -> None:
    data = pointing(40) if name == "td3_bc" else chain(40)
    train(data, name, SMALL, settings(400), run=tmp_path / "whole")

    class StoppedError(Exception):
        pass

    def stop(entry: Any) -> None:
        if entry["step"] == 300:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(data, name, SMALL, settings(400), run=tmp_path / "stopped", report=stop)
    assert checkpoints.read_checkpoint(tmp_path / "stopped")["step"] == 200
    resumed = train(data, name, SMALL, settings(400), run=tmp_path / "stopped", resume=True)
    assert [entry["step"] for entry in resumed.history] == [100, 200, 300, 400]
    whole = weights(tmp_path / "whole")
    assert all(torch.equal(tensor, whole[key]) for key, tensor in weights(tmp_path / "stopped").items())


def test_resuming_before_the_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    (tmp_path / checkpoints.CHECKPOINT).unlink()
    assert train(chain(20), "bc", SMALL, settings(100), run=tmp_path, resume=True).steps == 100


@pytest.mark.parametrize("name", ["bc", "q_learning"])
def test_a_finished_run_stays_as_it_is(name: str, tmp_path: Path) -> None:
    options = {} if name == "q_learning" else SMALL
    first = train(chain(20), name, options, settings(200), run=tmp_path)
    before = weights(tmp_path)
    again = train(chain(20), name, options, settings(200), run=tmp_path, resume=True)
    assert again.steps == first.steps
    assert again.history == first.history
    assert all(torch.equal(tensor, before[key]) for key, tensor in again.learner.state_dict().items())


def test_runs_are_not_overwritten_and_not_mixed(tmp_path: Path) -> None:
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    with pytest.raises(CheckpointError, match="has a run already"):
        train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    for data, name, options, changed, message in (
        (chain(21), "bc", SMALL, settings(100), "another data"),
        (chain(20), "cql", SMALL, settings(100), "another learner"),
        (chain(20), "bc", {**SMALL, "learning_rate": 0.1}, settings(100), "another config"),
        (chain(20), "bc", SMALL, settings(100, seed=1), "begun with seed 0, not 1"),
        (chain(20), "bc", SMALL, settings(200), "begun with steps 100, not 200"),
    ):
        with pytest.raises(CheckpointError, match=message):
            train(data, name, options, changed, run=tmp_path, resume=True)


# --- Safe to load -----------------------------------------------------------------------------------------------------


class _Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_pickled_payload_is_refused_and_not_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(chain(20), "bc", SMALL, settings(100), run=run)
    trap = tmp_path / "it ran"
    content = checkpoints.read_checkpoint(run)
    torch.save({**content, "more": _Payload(trap)}, run / checkpoints.CHECKPOINT)
    for use in (
        lambda: checkpoints.load(run),
        lambda: train(chain(20), "bc", SMALL, settings(100), run=run, resume=True),
        lambda: train(chain(20), "bc", SMALL, settings(100), init_from=run),
    ):
        with pytest.raises(CheckpointError, match="refused: it holds more than tensors and numbers"):
            use()
    assert not trap.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_damaged_checkpoints_are_named(content: bytes, tmp_path: Path) -> None:
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    (tmp_path / checkpoints.CHECKPOINT).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        checkpoints.load(tmp_path)


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run there"):
        checkpoints.load(tmp_path)
    for text, message in (("{", "cannot be read"), ("{}", "not written by this program"), ('{"format": 1}', "problem")):
        (tmp_path / checkpoints.CONFIG).write_text(text)
        with pytest.raises(CheckpointError, match=message):
            checkpoints.load(tmp_path)
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path / "run")
    (tmp_path / "run" / checkpoints.CHECKPOINT).unlink()
    with pytest.raises(CheckpointError, match="no checkpoint there yet"):
        checkpoints.load(tmp_path / "run")
    torch.save([1], tmp_path / "run" / checkpoints.CHECKPOINT)
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        checkpoints.load(tmp_path / "run")


@pytest.mark.parametrize(
    "content",
    [
        {"learner": 5, "optimisers": {}, "step": 1},
        {"learner": {"policy.0.weight": 5}, "optimisers": {}, "step": 1},
        {"learner": {}, "optimisers": {"policy": 5}, "step": 1},
        {"learner": {}, "optimisers": [], "step": 1},
        {"learner": {}, "optimisers": {}, "step": "1"},
        {"learner": {}, "optimisers": {}},
    ],
)
def test_what_is_no_checkpoint_is_refused_by_all_that_read_one(content: Any, tmp_path: Path) -> None:
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    torch.save(content, tmp_path / checkpoints.CHECKPOINT)
    for use in (
        lambda: checkpoints.load(tmp_path),
        lambda: train(chain(20), "bc", SMALL, settings(100), run=tmp_path, resume=True),
        lambda: train(chain(20), "bc", SMALL, settings(100), init_from=tmp_path),
    ):
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt: not a checkpoint of this program"):
            use()


@pytest.mark.parametrize("change", [{"problem": 5}, {"config": 5}, {"learner": []}, {"config": {"network": 5}}])
def test_a_config_that_describes_no_learner_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    path = tmp_path / checkpoints.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match="does not describe a learner"):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize("line", ["5", "{}", '{"step": "x"}', "{"])
def test_a_damaged_line_ends_the_metrics(line: str, tmp_path: Path) -> None:
    (tmp_path / checkpoints.METRICS).write_text('{"step": 100}\n' + line + '\n{"step": 300}\n')
    assert checkpoints.read_metrics(tmp_path, until=300) == [{"step": 100}]


@pytest.mark.parametrize("settings_of_run", [None, 5, {}])
def test_a_run_without_settings_is_not_resumed(settings_of_run: Any, tmp_path: Path) -> None:
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    path = tmp_path / checkpoints.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {"settings": settings_of_run}))
    with pytest.raises(CheckpointError, match="was begun with steps None, not 100"):
        train(chain(20), "bc", SMALL, settings(100), run=tmp_path, resume=True)


def test_a_place_that_cannot_be_written_is_named_without_a_second_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(SettingsError, match="file is a file; name a folder"):
            train(chain(20), "bc", SMALL, settings(100), run=place)
        with pytest.raises(CheckpointError, match="cannot be written"):
            checkpoints.write_config(place, {})
    with pytest.raises(TrajectoryError, match="cannot be written"):
        write_canonical(chain(5), tmp_path / "file" / "x.parquet")


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    train(chain(20), "bc", SMALL, settings(100), run=tmp_path)
    path = tmp_path / checkpoints.CONFIG
    config = json.loads(path.read_text())
    config["config"]["network"]["width"] = 17
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="do not fit the learner"):
        checkpoints.load(tmp_path)


# --- Warm start -------------------------------------------------------------------------------------------------------


def test_a_warm_start_takes_what_fits_and_frozen_layers_stay(tmp_path: Path) -> None:
    train(chain(40), "bc", SMALL, settings(200), run=tmp_path / "first")
    start = weights(tmp_path / "first")
    warm = train(chain(40, seed=1), "ppo", SMALL, settings(100), init_from=tmp_path / "first", freeze=["policy.0"])
    state = warm.learner.state_dict()
    assert torch.equal(state["policy.0.weight"], start["policy.0.weight"])
    assert torch.equal(state["scaler.mean"], start["scaler.mean"])
    assert not torch.equal(state["policy.2.weight"], start["policy.2.weight"])
    (note,) = (note for note in warm.notes if "start from" in note)
    assert "critic" in note
    assert "policy.0" not in note


def test_a_wider_network_takes_what_fits_only(tmp_path: Path) -> None:
    train(chain(40), "bc", SMALL, settings(100), run=tmp_path)
    with pytest.raises(CheckpointError, match="nothing to start from"):
        train(pointing(40), "td3_bc", {"network": {"width": 24}}, settings(100), init_from=tmp_path)


@pytest.mark.parametrize("first", ["bc", "ppo", "iql", "td3_bc"])
@pytest.mark.parametrize("second", ["bc", "ppo", "iql", "td3_bc"])
def test_copies_of_a_network_start_as_it_does_over_learners(first: str, second: str, tmp_path: Path) -> None:
    """A target network, or the accepted policy, of other weights than its network's would pull the new run away."""
    data = pointing(40)
    train(data, first, SMALL, settings(100), run=tmp_path)
    saved = weights(tmp_path)
    learner = checkpoints.create(second, transitions(data).problem, SMALL, seed=1)
    checkpoints.warm_start(learner, tmp_path)
    state = learner.state_dict()
    assert torch.equal(state["policy.0.weight"], saved["policy.0.weight"])
    for copy, network in learner.COPIES.items():
        names = [name.removeprefix(network) for name in state if name.startswith(f"{network}.")]
        assert names
        for name in names:
            expected = saved if first == second else state
            source = copy if first == second else network  # the same learner goes on with its late copies
            assert torch.equal(state[copy + name], expected[source + name]), copy + name


def test_a_target_of_another_network_is_not_taken(tmp_path: Path) -> None:
    """DQN's `target` is of its Q, offline PPO's of its critic, which DQN does not have: the names alone fit."""
    train(chain(20), "dqn", SMALL, settings(100), run=tmp_path)
    learner = checkpoints.create("ppo", transitions(chain(20)).problem, SMALL)
    with pytest.raises(CheckpointError, match="nothing to start from"):
        checkpoints.warm_start(learner, tmp_path)
    assert torch.equal(learner.state_dict()["target.0.weight"], learner.state_dict()["critic.0.weight"])


def test_observations_of_another_size_are_scaled_anew(tmp_path: Path) -> None:
    train(chain(40), "bc", SMALL, settings(100), run=tmp_path)
    small = chain(40)
    wide = np.hstack([small.observations * 50.0 + 7.0] * 2)
    data = chain(40, observations=wide, next_observations=None, has_next=None, observation_space=Space("box", 12))
    warm = train(data, "bc", SMALL, settings(100), init_from=tmp_path)
    rows = transitions(data, imitation=True).observations  # all of them: cloning needs nothing else
    torch.testing.assert_close(warm.learner.scaler.mean, rows.mean(0))
    torch.testing.assert_close(warm.learner.scaler.std, rows.std(0, correction=0) + 1e-3)
    (note,) = (note for note in warm.notes if "start from" in note)
    assert "observations are scaled anew; new: policy.0.weight" in note


def test_a_warm_start_counts_its_improvements_anew(tmp_path: Path) -> None:
    """The clip of offline PPO decays with them: the counter of the run before would leave nothing to improve with."""
    options = {**SMALL, "gate_every": 1, "policy_rate": 3e-3, "gamma": 0.9}
    first = train(chain(60), "ppo", options, settings(400), run=tmp_path)
    assert int(first.learner.state_dict()["improvements"]) > 0
    learner = checkpoints.create("ppo", first.learner.problem, options)
    checkpoints.warm_start(learner, tmp_path)
    assert int(learner.state_dict()["improvements"]) == 0
    resumed = train(chain(60), "ppo", options, settings(400), run=tmp_path, resume=True)
    assert int(resumed.learner.state_dict()["improvements"]) == int(first.learner.state_dict()["improvements"])


def test_layers_to_freeze_must_exist_and_leave_something() -> None:
    with pytest.raises(SettingsError, match=r"no layer 'polcy' to freeze; there are policy\.0\.weight"):
        train(chain(20), "bc", SMALL, settings(100), freeze=["polcy"])
    with pytest.raises(SettingsError, match="every layer of a network is frozen"):
        train(chain(20), "bc", SMALL, settings(100), freeze=["policy"])


# --- Divergence -------------------------------------------------------------------------------------------------------


def test_a_reward_that_breaks_training_stops_it_and_is_told() -> None:
    data = pointing(40)
    assert data.rewards is not None
    data.rewards[5] = 1e30
    with pytest.raises(DivergenceError, match=r"step 100: critic_loss is no longer finite: a reward of 1e\+30 where"):
        train(data, "td3_bc", SMALL, settings(1_000))


def test_values_beyond_any_return_are_told_with_the_cause() -> None:
    config = DQNConfig(gamma=0.5)
    endless = transitions(chain(60, terminated=np.zeros(chain(60).rows, bool)))
    check_values({"q": 1.9}, 100, config, endless)
    with pytest.raises(DivergenceError, match=r"no return can be beyond 2: no terminated flag in the data"):
        check_values({"q": -8.0}, 100, config, endless)


def test_an_outlier_among_the_observations_is_told() -> None:
    data = chain(400)
    data.observations[5, 2] = 1e5
    with pytest.raises(
        DivergenceError, match=r"loss is no longer finite: observation_2 reaches \d+ standard deviations"
    ):
        check_values({"loss": math.nan}, 100, DQNConfig(), transitions(data))


def test_learning_rates_are_the_cause_when_the_data_are_not() -> None:
    assert "learning rate below 0.001" in cause(DQNConfig(), transitions(chain(40)))


# --- Batches ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**62), st.booleans())
def test_whole_numbers_come_back_exactly_in_batches(first: int, some: bool) -> None:
    """A learner's int64 column, such as the place of a row, keeps every bit; beyond 2**24 float32 would round it."""
    rows = transitions(chain(20))
    places = first + torch.arange(rows.rows)
    prepared = Prepared({"place": places, "twice": places.double().float()}, torch.arange(3, 9) if some else None)
    sampler = Sampler(rows, checkpoints.create("bc", rows.problem, SMALL), prepared, settings(100, batch_size=8))
    for batch in sampler.batches(0):
        drawn = batch.extra["place"] - first
        assert drawn.dtype == torch.long
        assert drawn.shape == (8,)
        assert ((drawn >= 3) & (drawn < 9)).all() or not some
        assert torch.equal(batch.observations, rows.observations[drawn])
        assert torch.equal(batch.actions, rows.actions[drawn])
        assert torch.equal(batch.extra["twice"], places[drawn].float())


def test_ppo_finds_its_rows_by_exact_places() -> None:
    rows = transitions(pointing(10))
    learner = checkpoints.create("ppo", rows.problem, SMALL)
    row = learner.prepare(rows).extra["row"]
    assert row.dtype == torch.long
    assert torch.equal(row, torch.arange(rows.rows))


# --- The rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "at least 1"),
        ({"log_every": 150}, "multiple of 100"),
        ({"device": "tpu"}, "device must be"),
        *([] if torch.cuda.is_available() else [({"device": "cuda"}, "none on this machine")]),
    ],
)
def test_settings_are_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**change)


def test_steps_need_not_fill_a_stretch_and_metrics_end_with_the_last(tmp_path: Path) -> None:
    seen: list[Any] = []
    trained = train(chain(20), "bc", SMALL, settings(150), run=tmp_path, report=seen.append)
    assert [entry["step"] for entry in trained.history] == [100, 150]
    assert [entry["step"] for entry in seen] == [100, 150]
    assert all(entry["loss"] > 0 and entry["steps_per_second"] > 0 for entry in seen)
    assert checkpoints.read_checkpoint(tmp_path)["step"] == 150


def test_config_json_tells_what_was_learned_from_what(tmp_path: Path) -> None:
    train(chain(20), "cql", {"alpha": 0.5, **SMALL}, settings(100), run=tmp_path)
    config = json.loads((tmp_path / checkpoints.CONFIG).read_text())
    assert config["learner"] == "cql"
    assert config["config"]["alpha"] == 0.5
    assert config["data"]["episodes"] == 20
    assert len(config["data"]["sha256"]) == 64


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_training_on_a_device(device: str) -> None:
    data = pointing(40)
    learner = train(data, "td3_bc", SMALL, settings(200, device=device)).learner
    observations = torch.from_numpy(data.observations[:5]).to(device)
    assert learner.act(observations).device.type == device


def test_formats_are_read_without_torch() -> None:
    code = "import sys, rl_data.formats, rl_data.cli; sys.exit(int('torch' in sys.modules or 'numba' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- The command line -------------------------------------------------------------------------------------------------


def run_cli(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rl_data", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_train_command(tmp_path: Path) -> None:
    write_canonical(chain(30, next_observations=None, has_next=None), tmp_path / "data.parquet")
    options = ("--steps", "200", "--log-every", "100", "--set", "network.width=16", "--set", "alpha=0.5")
    done = run_cli("train", "data.parquet", "--learner", "cql", *options, "-o", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cql: 200 steps on ")
    assert "last rows without a final observation were left out" in done.stderr
    assert "step 200 of 200" in done.stderr
    assert checkpoints.load(tmp_path / "run").config.alpha == 0.5
    again = run_cli("train", "data.parquet", "--learner", "cql", *options, "-o", "run", cwd=tmp_path)
    assert again.returncode == 2
    assert (
        again.stderr.splitlines()[-1] == "error: run has a run already; go on with --resume, or choose another folder"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.parquet", "--learner", "cql", "-o", "run"], "no such file or folder"),
        (["data.parquet", "--learner", "clq", "-o", "run"], "did you mean cql?"),
        (["data.parquet", "--learner", "cql", "--set", "alpha", "-o", "run"], "name=value"),
        (["data.parquet", "--learner", "td3_bc", "-o", "run"], "for continuous actions"),
        (["data.parquet", "--learner", "cql", "--steps", "0", "-o", "run"], "at least 1"),
        (["data.parquet", "--learner", "cql", "--steps", "5", "-o", "data.parquet"], "is a file; name a folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_canonical(chain(5), tmp_path / "data.parquet")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["train", *arguments])
    assert done.exit_code == 2
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert line.startswith("error: ")
    assert message in line
