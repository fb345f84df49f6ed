"""The search for settings: seeded, resumable, selected on held-out episodes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np
import torch

from rl_data.errors import SettingsError
from rl_data.tune import RANGES, Range, split, tune
from tests.rl_data.small_tasks import chain

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
    "options", [{"criterion": "rollout"}, {"trials": 0}, {"learner": "no_such"}, {"held_out": 1.0}]
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        tune(**{"data": chain(60), "learner": "dqn", "folder": tmp_path, **options})


@pytest.mark.parametrize("learner", RANGES)
def test_every_range_is_of_a_setting_that_the_learner_has(learner: str) -> None:
    from rl_data.learners import learner_class
    from rl_data.settings import from_plain

    middle = {
        name: (allowed.low + allowed.high) / 2 if isinstance(allowed, Range) else allowed[0]
        for name, allowed in RANGES[learner].items()
    }
    from_plain(learner_class(learner).CONFIG, middle)
