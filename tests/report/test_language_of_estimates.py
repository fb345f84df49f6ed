"""What off-policy evaluation says of the policies is in the language of the report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra rl")

import numpy as np

from audit.report.language import catalog
from audit.report.learning import LEARNING
from audit.report.sentences import translated
from rl_data.evaluation.behaviour import Behaviour
from rl_data.evaluation.evaluate import EvaluationConfig, PolicyEvaluation, evaluate
from rl_data.evaluation.fqe import FQEConfig
from rl_data.evaluation.rollout import Rollouts
from rl_data.networks import Architecture
from rl_data.trajectories import Trajectories
from tests.rl_data.evaluation.test_fqe import Pointing
from tests.rl_data.small_tasks import pointing
from tests.rl_data.tabular import Table, random_policy, random_process

QUICK = EvaluationConfig(
    gamma=0.9, refits=1, replicates=100, behaviour_steps=20, fqe=FQEConfig(steps=20, network=Architecture(width=8))
)


def recorded(ending: float, limit: int = 1_000) -> Trajectories:
    return random_process(seed=1, ending=ending).record(np.tile([0.95, 0.05], (4, 1)), 20, seed=0, limit=limit)


def with_gaps() -> Trajectories:
    data = recorded(0.1, 20)
    steps = data.steps + (data.steps >= 2)
    steps[data.offsets[:2]] -= 3
    return replace(data, steps=steps, next_observations=None, has_next=None)


def said(found: PolicyEvaluation) -> list[str]:
    every = (found.gae, found.fqe, found.wis, found.pdis, found.dr, found.plain)
    return [*(reason for one in every for reason in one.reasons), *found.notes]


def sentences() -> dict[str, None]:
    other = Table(np.tile([0.05, 0.95], (4, 1)))
    greedy = Table(np.tile([0.0, 1.0], (4, 1)))
    wider: Any = Table(random_policy(actions=3))
    found = [
        evaluate(recorded(0.02), other, QUICK),
        evaluate(recorded(0.02), greedy, QUICK),
        evaluate(recorded(0.0, 8), other, QUICK),
        evaluate(with_gaps(), wider, QUICK),
        evaluate(pointing(20), Pointing(1.0), QUICK),
    ]
    texts = [text for one in found for text in said(one)]
    texts += Behaviour(np.zeros(1), True, 1.0, 0.5, 0.4).reasons(0.1)
    cut = Rollouts(np.zeros(1), np.zeros(1), np.ones(1, np.int64), 0.99, missing_tail=0.13)
    return dict.fromkeys([*texts, f"what the evaluated policy really gets: {cut.words}"])


@pytest.mark.parametrize("code", ["zh"])
def test_reasons_and_notes_of_estimates_are_translated(code: str) -> None:
    known = catalog(code)
    found = sentences()
    assert len(found) > 12
    assert [text for text in found if translated(text, LEARNING, (), known) is None] == []
