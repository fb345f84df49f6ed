"""Tiers of behaviour data, and the commands that make and use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch
from typer.testing import CliRunner

from rl_data.acting import PolicyActor
from rl_data.cli import app
from rl_data.collect import Graded, Tier, at_tier, collect, learn
from rl_data.errors import SettingsError
from rl_data.evaluation.rollout import across_seeds, rollout
from rl_data.formats import read
from rl_data.online.policies import Categorical
from rl_data.record import RecordError, UniformActor
from rl_data.trajectories import Space

LAKE: dict[str, Any] = {"env_options": {"is_slippery": False}, "options": {"steps": 8_000}}


def test_tiers_of_a_lake_without_ice_get_better() -> None:
    returns = {}
    for tier in (Tier.RANDOM, Tier.MEDIUM, Tier.EXPERT):
        options = {"env_options": LAKE["env_options"]} if tier is Tier.RANDOM else LAKE
        data = collect("FrozenLake-v1", tier, steps=600, **options)
        assert data.rows == 600
        assert data.env_id == "FrozenLake-v1"
        found = data.returns()
        assert found is not None
        returns[tier] = found.mean()
    assert returns[Tier.RANDOM] < 0.1
    assert returns[Tier.EXPERT] > 0.95  # the last episode may be cut
    assert returns[Tier.RANDOM] < returns[Tier.MEDIUM] <= 1.0


def test_mixed_has_a_third_of_each_and_log_probabilities() -> None:
    data = collect("FrozenLake-v1", Tier.MIXED, steps=302, epsilon=0.2, **LAKE)
    assert data.rows == 302
    assert data.policy_ids is not None
    assert data.behaviour_log_prob is not None
    names, counts = np.unique(data.policy_ids, return_counts=True)
    assert counts.sum() == 302
    assert counts[names == "random"].tolist() == [102]
    assert all(name == "random" or name.startswith("q-learning-") for name in names)
    assert set(np.round(np.exp(data.behaviour_log_prob), 6)) <= {0.25, 0.85, 0.05, 0.45, 0.316667}


def test_the_same_seed_collects_the_same() -> None:
    one, other = (collect("FrozenLake-v1", Tier.EXPERT, steps=50, seed=2, **LAKE) for _ in range(2))
    np.testing.assert_array_equal(one.observations, other.observations)


def test_medium_is_the_first_that_came_a_third_of_the_way() -> None:
    actors = [UniformActor(Space("discrete", 2), name) for name in "abcd"]
    path = [
        Graded(i, value, actor)
        for i, (value, actor) in enumerate(zip((30.0, 200.0, 500.0, 400.0), actors, strict=True))
    ]
    assert at_tier(path, Tier.MEDIUM, "CartPole-v1").name == "b"  # random has about 22, expert 500: from 181 on
    assert at_tier(path, Tier.EXPERT, "CartPole-v1").name == "c"
    with pytest.raises(SettingsError, match="more steps"):
        at_tier([], Tier.EXPERT, "CartPole-v1")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown algorithm"):
        learn("FrozenLake-v1", algorithm="sarsa")
    with pytest.raises(SettingsError, match="no_such"):
        learn("FrozenLake-v1", options={"no_such": 1})
    with pytest.raises(SettingsError, match="at least 3"):
        collect("FrozenLake-v1", Tier.MIXED, steps=2)
    with pytest.raises(RecordError, match="NoSuch"):
        collect("NoSuch-v0", Tier.RANDOM)


def test_rollouts_are_recordings_of_the_policy() -> None:
    torch.manual_seed(0)
    policy = Categorical(4, 2, (8,))
    played = rollout("CartPole-v1", policy, episodes=12, gamma=0.9, seed=3, parallel=5)
    assert played.returns.tolist() == played.lengths.tolist()  # one a step
    np.testing.assert_allclose(played.discounted, (1 - 0.9**played.lengths) / 0.1)
    one = played.evaluation()
    assert one.value == pytest.approx(played.returns.mean())
    assert one.gamma == 1.0
    assert one.interval is not None
    assert one.estimate in one.interval
    assert played.evaluation(discounted=True).gamma == 0.9
    both = across_seeds([played, rollout("CartPole-v1", policy, episodes=3, seed=4)])
    assert both.diagnostics["runs"] == 2.0


def test_a_policy_of_other_observations_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"does not fit Acrobot-v1|those of Acrobot-v1"):
        rollout("Acrobot-v1", Categorical(4, 2, (8,)), episodes=1)


def test_greedy_acting_is_certain() -> None:
    torch.manual_seed(0)
    policy = Categorical(4, 2, (8,))
    actions, log_probs = PolicyActor(policy, greedy=True).sample(np.ones((3, 4), np.float32), [])
    assert actions.tolist() == policy.act(torch.ones(3, 4)).tolist()
    assert log_probs is not None
    assert log_probs.tolist() == [0.0] * 3


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rl_data", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_command_collect_train_evaluate(tmp_path: Path) -> None:
    data, folder = tmp_path / "data.parquet", tmp_path / "run"
    done = run("collect", "--env", "CartPole-v1", "--steps", "400", "-o", str(data))
    assert done.returncode == 0, done.stderr
    assert "400 steps" in done.stdout
    assert read(data).rows == 400
    done = run("train", str(data), "--learner", "bc", "-o", str(folder), "--steps", "100", "--set", "network.width=16")
    assert done.returncode == 0, done.stderr
    quick = ["--env", "CartPole-v1", "--episodes", "3"]
    for setting in ("fqe.steps=20", "behaviour_steps=20", "refits=1"):
        quick += ["--set", setting]
    done = run("evaluate", str(folder), str(data), *quick, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rollout"]["value"] > 5
    assert next(point["settings"]["lam"] for point in found["curve"]) == 0.0
    done = run("evaluate", str(folder), str(data), *quick)
    assert done.returncode == 0, done.stderr
    assert "based on: " in done.stdout


@pytest.mark.parametrize("name", ["no/folder/x.parquet", "x.csv"])
def test_collect_looks_at_the_place_before_it_learns(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learned(*_: Any, **__: Any) -> None:
        raise AssertionError("it learned first")

    monkeypatch.setattr("rl_data.collect.collect", learned)
    done = CliRunner().invoke(app, ["collect", "--env", "CartPole-v1", "--tier", "expert", "-o", str(tmp_path / name)])
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["collect", "--env", "CartPole-v1", "-o", "x.csv", "--steps", "5"],
            "end in .parquet, .arrow or .feather",
        ),
        (["collect", "--env", "CartPole-v1", "-o", ".", "--steps", "5"], "is a folder; name a file"),
        (["collect", "--env", "CartPole-v1", "-o", "file/x.parquet", "--steps", "5"], "there is no folder file"),
        (["collect", "--env", "NoSuch-v1", "-o", "x.parquet"], "NoSuch-v1"),
        (["collect", "--env", "CartPole-v1", "-o", "no/folder/x.parquet", "--steps", "5"], "cannot be written"),
        (["evaluate", "no_run", "no_data.parquet"], "no_run"),
        (["tune", "no_data.parquet", "--learner", "bc", "-o", "out"], "no_data.parquet"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "rl_data", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
