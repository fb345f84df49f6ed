"""The search for settings: seeded, resumable, selected on held-out episodes."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from rl_data import checkpoints
from rl_data.cli import app
from rl_data.errors import DataError, SettingsError
from rl_data.formats import write_canonical
from rl_data.settings import flat, nested, option_texts, parse_options, to_plain
from rl_data.tune import RANGES, Range, split, tune
from tests.rl_data.small_tasks import chain, pointing

OPTIONS: dict[str, Any] = {
    "steps": 100,
    "gamma": 0.9,
    "fixed": {"network": {"width": 16}},
    "ranges": {"learning_rate": Range(1e-4, 1e-2, log=True), "gamma": (0.8, 0.9)},
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    import rl_data.evaluation.evaluate as module
    from rl_data.evaluation.fqe import FQEConfig

    config = module.EvaluationConfig

    def quick(**options: Any) -> Any:
        return config(**options, fqe=FQEConfig(steps=50, batch=64), behaviour_steps=20)

    monkeypatch.setattr(module, "EvaluationConfig", quick)


def test_an_interrupted_search_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    data = chain(60)
    whole = tune(data, "dqn", tmp_path / "whole", trials=3, **OPTIONS)
    tune(data, "dqn", tmp_path / "parts", trials=1, **OPTIONS)
    parts = tune(data, "dqn", tmp_path / "parts", trials=3, **OPTIONS)
    assert parts == whole
    assert len({trial.settings["learning_rate"] for trial in whole}) == 3
    values = [trial.value for trial in whole]
    assert values == sorted(values, reverse=True)
    assert not any(math.isnan(value) for value in values)


def test_a_folder_belongs_to_one_search(tmp_path: Path) -> None:
    tune(chain(60), "dqn", tmp_path, trials=1, **OPTIONS)
    with pytest.raises(SettingsError, match="another steps"):
        tune(chain(60), "dqn", tmp_path, trials=1, **{**OPTIONS, "steps": 200})


def test_episodes_that_select_are_not_those_that_learn() -> None:
    data = chain(50)
    learning, selecting = split(data, 0.3, seed=1)
    assert (learning.episodes, selecting.episodes) == (35, 15)
    assert set(np.concatenate([learning.episode_ids, selecting.episode_ids])) == set(range(50))
    with pytest.raises(SettingsError, match="at least 4"):
        split(chain(5), 0.3, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "rollout"}, "criterion must be"),
        ({"trials": 0}, "trials at least 1"),
        ({"learner": "no_such"}, "no ranges to search for 'no_such'"),
        ({"held_out": 1.0}, "held_out in"),
        ({"gamma": 1.0}, "gamma must be in"),
        ({"steps": 0}, "steps and batch_size must be at least 1"),
        ({"soften": 2.0}, "epsilon must be in"),
        ({"fixed": {"alhpa": 1}}, "did you mean alpha"),
        ({"ranges": {"network.wdith": (8, 16)}}, "did you mean network.width"),
        ({"fixed": {"learning_rate": 1e-3, "gamma": 0.9}}, "all that is searched is fixed"),
        ({"data": pointing(60)}, "discrete actions"),
        ({"data": pointing(60), "learner": "td3_bc", "criterion": "gae"}, "deterministic policy with continuous"),
    ],
)
def test_what_would_fail_in_every_trial_is_refused_before_the_first(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learned(*_: Any, **__: Any) -> None:
        raise AssertionError("it learned first")

    monkeypatch.setattr("rl_data.training.train", learned)
    with pytest.raises(SettingsError, match=message):
        tune(**{"data": chain(60), "learner": "dqn", "folder": tmp_path / "out", **options})
    assert not (tmp_path / "out").exists()


def test_data_without_rewards_cannot_select(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without rewards"):
        tune(chain(60, rewards=None), "bc", tmp_path)


# --- What stays and what is searched ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fixed", "ranges", "left"),
    [
        ({"gamma": 0.9}, None, {"learning_rate"}),
        ({"network": {"width": 12}}, {"network.width": (8, 16), "gamma": (0.8, 0.9)}, {"gamma"}),
        ({}, {"network.width": (8, 16), "gamma": (0.8, 0.9)}, {"network.width", "gamma"}),
        ({"network": {"depth": 1}}, {"network.width": (8, 16)}, {"network.width"}),
    ],
)
def test_what_is_fixed_is_learned_with_and_not_searched(
    fixed: dict[str, Any], ranges: Any, left: set[str], tmp_path: Path
) -> None:
    (best, *_) = tune(chain(60), "dqn", tmp_path, trials=2, **{**OPTIONS, "fixed": fixed, "ranges": ranges})
    assert best.settings.keys() == left
    whole = json.loads((tmp_path / "best.json").read_text())["settings"]
    assert flat(whole) == {**flat(fixed), **best.settings}
    config = to_plain(checkpoints.load(tmp_path / "best").config)
    assert flat(config) == {**flat(config), **flat(fixed), **best.settings}


def test_a_deterministic_policy_is_judged_by_gae_where_it_is_softened(tmp_path: Path) -> None:
    options: dict[str, Any] = {"trials": 1, "steps": 100, "fixed": {"network": {"width": 16}}, "criterion": "gae"}
    (trial,) = tune(pointing(60), "td3_bc", tmp_path, soften=0.5, **options)
    assert math.isfinite(trial.value)
    with pytest.raises(SettingsError, match="another soften"):
        tune(pointing(60), "td3_bc", tmp_path, soften=0.6, **options)


# --- What is kept and said --------------------------------------------------------------------------------------------


def run_tune(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tune", *arguments])


SHORT = ("--learner", "dqn", "--trials", "3", "--steps", "100", "--gamma", "0.9", "--set", "network.width=16")


def test_the_command_that_is_printed_learns_with_the_very_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_canonical(chain(60), "my data.parquet")
    done = run_tune("my data.parquet", *SHORT, "--set", "network.activation=tanh", "-o", "out")
    assert done.exit_code == 0, done.output
    assert "searched: learning_rate, gamma; fixed: network.width=16, network.activation=tanh" in done.stderr
    first, command, last = done.stdout.splitlines()
    assert first.startswith("best of 3 by fqe: ")
    assert first.endswith("; fixed: network.width=16, network.activation=tanh")
    assert last.startswith("out/best.json")
    python, *words = shlex.split(command)
    assert python == "python"
    assert words[:4] == ["-m", "rl_data", "train", "my data.parquet"]
    trained = CliRunner().invoke(app, words[2:])
    assert trained.exit_code == 0, trained.output
    content = json.loads(Path("out/best.json").read_text())
    printed = json.loads(Path("out/trained/config.json").read_text())
    kept = json.loads(Path("out/best/config.json").read_text())
    assert printed["config"] == kept["config"]
    assert printed["config"]["learning_rate"] == content["settings"]["learning_rate"]
    assert printed["settings"]["steps"] == kept["settings"]["steps"] == 100
    assert kept["data"]["episodes"] == 42  # the other 18 selected


def test_the_best_so_far_is_what_is_kept(tmp_path: Path) -> None:
    for trials in (1, 3):
        (tmp_path / ".trial").mkdir()  # as an interrupted trial leaves it
        best = tune(chain(60), "dqn", tmp_path, trials=trials, **OPTIONS)[0]
        content = json.loads((tmp_path / "best.json").read_text())
        assert content["trial"] == best.number
        assert flat(content["settings"]) == {"network.width": 16, **best.settings}
        estimate = content["estimate"]
        assert best.value in (estimate["value"], estimate["rank_by"])
        assert not (tmp_path / ".trial").exists()


def test_a_number_that_the_evaluation_refuses_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where estimates are for ranks only, the best has a reason in place of a number."""
    monkeypatch.setattr(
        "rl_data.evaluation.evaluate._Estimators._critic_reasons", lambda *_: ("the critic's value is extrapolated",)
    )
    write_canonical(chain(60), tmp_path / "data.parquet")
    done = run_tune(str(tmp_path / "data.parquet"), *SHORT, "-o", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    said = "best of 3 by fqe: by rank only, no number (the critic's value is extrapolated); fixed: network.width=16"
    assert done.stdout.splitlines()[0] == said
    assert json.loads((tmp_path / "out" / "best.json").read_text())["estimate"]["value"] is None


@given(
    st.dictionaries(
        st.text("abc_", min_size=1),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner, min_size=1),
        ).filter(lambda value: not isinstance(value, list) or "{" not in repr(value)),
    )
)
def test_texts_of_options_are_read_as_they_were(values: dict[str, Any]) -> None:
    assert parse_options(option_texts(values)) == values
    assert nested(flat(values)) == values


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\x00" + b"x" * 5_000, "cut", "half"])
def test_a_damaged_search_is_named(content: bytes | str, tmp_path: Path) -> None:
    write_canonical(chain(60), tmp_path / "data.parquet")
    path = tmp_path / "out" / "tune.db"
    tune(chain(60), "dqn", path.parent, trials=1, **OPTIONS)
    whole = path.read_bytes()
    cut = {"cut": whole[:5_000], "half": whole[: len(whole) // 2]}
    path.write_bytes(cut[content] if isinstance(content, str) else content)
    done = run_tune(str(tmp_path / "data.parquet"), *SHORT, "-o", str(path.parent))
    assert done.exit_code == 2, done.output
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("searched")]
    assert line.startswith(f"error: {path}: cannot be used as a search")


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    write_canonical(chain(60), tmp_path / "data.parquet")
    done = run_tune(str(tmp_path / "data.parquet"), *SHORT, "-o", str(tmp_path / "data.parquet"))
    assert done.exit_code == 2, done.output
    assert "data.parquet is a file; name a folder" in done.stderr


@pytest.mark.parametrize("learner", RANGES)
def test_every_range_is_of_a_setting_that_the_learner_has(learner: str) -> None:
    from rl_data.learners import learner_class
    from rl_data.settings import from_plain

    middle = {
        name: (allowed.low + allowed.high) / 2 if isinstance(allowed, Range) else allowed[0]
        for name, allowed in RANGES[learner].items()
    }
    from_plain(learner_class(learner).CONFIG, middle)
