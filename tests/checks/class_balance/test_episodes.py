"""BAL101 to BAL103 on recorded data: quiet on clean sets, and planted faults are found."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from audit.checks import check_by_code
from audit.findings import Outcome, Severity, Status
from audit.testing import audit_episodes
from rl_data.trajectories import Space, Trajectories

pytest.importorskip("gymnasium", reason="needs the extra rl")


def run(code: str, data: Trajectories, **options: Any) -> Outcome:
    outcome = audit_episodes(check_by_code(code)(**options), data)
    assert outcome.status is not Status.ERROR, outcome.reason
    return outcome


@pytest.mark.parametrize("name", ["cartpole", "cartpole_mixed", "pendulum"])
@pytest.mark.parametrize("code", ["BAL101", "BAL102", "BAL103"])
def test_recorded_data_are_clean(request: pytest.FixtureRequest, name: str, code: str) -> None:
    outcome = run(code, request.getfixturevalue(name))
    assert [f.message for f in outcome.findings if f.severity > Severity.INFO] == []


def test_a_declared_action_that_is_never_taken(cartpole: Trajectories) -> None:
    outcome = run("BAL101", dataclasses.replace(cartpole, action_space=Space("discrete", 4)))
    (finding,) = outcome.findings
    assert (finding.statistic, finding.value, finding.severity) == ("unused_actions", 2, Severity.WARN)


def test_mass_at_declared_bounds_is_counted_exactly(pendulum: Trajectories) -> None:
    actions = pendulum.actions.copy()
    chosen = np.random.default_rng(0).random(pendulum.rows) < 0.4
    actions[chosen] = np.where(np.arange(chosen.sum())[:, None] % 2 == 0, 2.0, -2.0)
    outcome = run("BAL101", dataclasses.replace(pendulum, actions=actions))
    (finding,) = outcome.findings
    assert (finding.statistic, finding.severity) == ("bound_share", Severity.INFO)
    assert finding.affected == int(chosen.sum())
    assert "a declared bound" in finding.message


def test_idle_steps_at_the_start_are_named_and_a_repair_is_proposed(pendulum: Trajectories) -> None:
    actions, states = pendulum.actions.copy(), pendulum.observations.copy()
    idle = np.zeros(pendulum.rows, dtype=bool)
    for start in pendulum.offsets[:-1]:
        idle[start : start + 25] = True
        states[start : start + 25] = states[start]
    actions[idle] = 0.0
    outcome = run("BAL101", dataclasses.replace(pendulum, actions=actions, observations=states))
    finding = next(f for f in outcome.findings if f.statistic == "leading_idle_share")
    assert finding.severity is Severity.WARN
    assert finding.affected == int(idle.sum())
    (repair,) = outcome.repairs
    assert repair.rows == tuple((int(s), int(s) + 25) for s in pendulum.offsets[:-1])
    assert not repair.safe


def test_an_action_that_is_held_while_the_state_moves_is_not_idle(pendulum: Trajectories) -> None:
    held = np.repeat([[1.5], [-0.5]], pendulum.rows // 2, axis=0).astype(np.float32)
    outcome = run("BAL101", dataclasses.replace(pendulum, actions=held))
    share = next(m.value for m in outcome.measurements if m.statistic == "idle_share")
    assert float(str(share)) < 0.05


@pytest.mark.parametrize(
    ("share", "severity"), [(0.0, Severity.WARN), (0.03, Severity.INFO), (0.5, None), (1.0, Severity.INFO)]
)
def test_success(cartpole: Trajectories, share: float, severity: Severity | None) -> None:
    done = np.zeros(cartpole.rows, dtype=bool)
    done[cartpole.last_rows[: round(share * cartpole.episodes)]] = True
    outcome = run("BAL102", dataclasses.replace(cartpole, infos={"success": done}))
    assert [f.severity for f in outcome.findings] == ([] if severity is None else [severity])
    measured = next(m.value for m in outcome.measurements if m.statistic == "success_share")
    assert measured == pytest.approx(share, abs=0.001)


def test_ends_are_counted_by_the_last_step(cartpole: Trajectories) -> None:
    truncated = np.zeros(cartpole.rows, dtype=bool)
    terminated = truncated.copy()
    terminated[cartpole.last_rows[:100]] = True
    truncated[cartpole.last_rows[50:300]] = True  # fifty are both: they count as terminated
    outcome = run("BAL102", dataclasses.replace(cartpole, terminated=terminated, truncated=truncated))
    shares = {m.segment: m.value for m in outcome.measurements if m.statistic == "end_share"}
    episodes = cartpole.episodes
    assert shares["terminated"] == pytest.approx(100 / episodes)
    assert shares["truncated"] == pytest.approx(200 / episodes)
    assert shares["no end flag"] == pytest.approx(1 - 300 / episodes)


def test_sparsity_is_the_mean_over_episodes(cartpole: Trajectories) -> None:
    random = np.random.default_rng(0)
    rewards = np.where(random.random(cartpole.rows) < 0.1, 1.0, 0.0)
    outcome = run("BAL103", dataclasses.replace(cartpole, rewards=rewards))
    cuts = cartpole.offsets
    by_hand = np.mean([np.mean(rewards[a:b] == 0) for a, b in pairwise(cuts)])
    measured = next(m.value for m in outcome.measurements if m.statistic == "sparsity")
    assert measured == pytest.approx(by_hand)
