"""What an injector does, `audit clean` undoes: found by the checks alone, and byte by byte as it was."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

import audit
from rl_data.corrupt import inject
from rl_data.record import record
from rl_data.trajectories import PER_ROW, Trajectories

pytest.importorskip("gymnasium")

SHIFTED = {"act_lag1": ("LBL102", "actions"), "rew_lag1": ("LBL101", "rewards")}
EPISODES = {"CartPole-v1": 200, "Pendulum-v1": 40}


@cache
def clean_set(environment: str) -> Trajectories:
    return record(environment, episodes=EPISODES[environment], seed=0)


def differences(one: Trajectories, other: Trajectories, kept: np.ndarray) -> list[str]:
    """Return the arrays that differ from the same steps of another set; source rows are places in a file."""
    found = []
    for name in PER_ROW:
        a, b = getattr(one, name), getattr(other, name)
        if name == "source_rows" or (a is None and b is None):
            continue
        if a is None or b is None:
            found.append(name)
            continue
        b = b[kept]
        if name == "next_observations" and one.has_next is not None:
            a, b = a[one.has_next], b[one.has_next]
        if a.tobytes() != b.tobytes():
            found.append(name)
    return found


@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0])
@pytest.mark.parametrize(
    ("defect", "environment"),
    [
        ("term_all_zero", "CartPole-v1"),
        ("timeout_as_terminal", "Pendulum-v1"),
        ("next_observation_copied", "CartPole-v1"),
        ("next_observation_copied", "Pendulum-v1"),
    ],
)
def test_labels_and_next_observations_come_back_without_being_asked(
    defect: str, environment: str, rate: float, tmp_path: Path
) -> None:
    bad = inject(defect, clean_set(environment), rate=rate, seed=1)
    done = audit.clean(bad.trajectories, tmp_path / "a", select=["COM"])
    assert done.applied
    assert done.clean.rows == bad.clean.rows
    assert differences(done.clean, bad.clean, done.repaired.kept) == []
    again = audit.clean(tmp_path / "a" / "clean.parquet", tmp_path / "b", select=["COM"])
    assert again.unchanged


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.3, 1.0])
@pytest.mark.parametrize(
    ("defect", "environment"),
    [("act_lag1", "CartPole-v1"), ("act_lag1", "Pendulum-v1"), ("rew_lag1", "Pendulum-v1")],
)
def test_a_shift_that_a_person_approves_puts_every_value_back(
    defect: str, environment: str, rate: float, tmp_path: Path
) -> None:
    code, stream = SHIFTED[defect]
    bad = inject(defect, clean_set(environment), rate=rate, seed=1)
    offered = audit.clean(bad.trajectories, tmp_path / "a", select=[code])
    if stream == "actions":  # never without being asked; rewards are where one shift wins in nearly every episode
        assert not offered.applied
    plan = yaml.safe_load((tmp_path / "a" / "plan.yaml").read_text())
    for entry in plan["repairs"]:
        entry["apply"] = entry["kind"] == "shift"
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    done = audit.clean(bad.trajectories, tmp_path / "b", tmp_path / "plan.yaml", select=[code])
    if environment == "CartPole-v1":  # its dynamics tell the choices at the edge, and with them the terminations stay
        assert not done.repaired.dropped
        assert done.clean.terminated is not None
        assert bad.clean.terminated is not None
        assert done.clean.terminated.tobytes() == bad.clean.terminated.tobytes()
        moved = np.unique(bad.trajectories.episode_of_row[done.clean.actions != bad.trajectories.actions])
        rows = np.isin(bad.trajectories.episode_of_row, moved)
        assert rate < 1.0 or rows.mean() > 0.9
        assert done.clean.actions[rows].tobytes() == bad.clean.actions[rows].tobytes()
        return
    edges = [rows for name, rows in done.repaired.dropped.items() if name.endswith("edge of the shift")]
    touched = np.isin(bad.trajectories.episode_of_row, bad.trajectories.episode_of_row[np.concatenate(edges)])
    kept = done.repaired.kept[touched[done.repaired.kept]]
    back = getattr(done.clean, stream)[touched[done.repaired.kept]]
    assert back.tobytes() == getattr(bad.clean, stream)[kept].tobytes()
    assert set(done.repaired.dropped) == {f"{rule.id}: edge of the shift" for rule in done.applied}
    if rate == 1.0:
        assert getattr(done.clean, stream).tobytes() == getattr(bad.clean, stream)[done.repaired.kept].tobytes()


@pytest.mark.parametrize("environment", EPISODES)
def test_a_clean_set_is_left_alone(environment: str, tmp_path: Path) -> None:
    done = audit.clean(clean_set(environment), tmp_path / "out")
    assert done.unchanged
    assert not done.broken
    assert done.repaired.quarantined.rows == 0
    assert differences(done.clean, clean_set(environment), done.repaired.kept) == []


def test_episodes_run_together_come_apart_with_their_terminations(tmp_path: Path) -> None:
    """Of all flags none is left, and no limit is reached: parts of different lengths were ended by the task."""
    bad = inject("boundary_merge", record("CartPole-v1", steps=10_000, seed=4), rate=1.0, seed=0)
    assert bad.trajectories.episodes == 1
    audit.clean(bad.trajectories, tmp_path / "a", select=["COM104", "LBL104"])
    plan = yaml.safe_load((tmp_path / "a" / "plan.yaml").read_text())
    for entry in plan["repairs"]:
        entry["apply"] = True
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    done = audit.clean(bad.trajectories, tmp_path / "b", tmp_path / "plan.yaml", select=["COM104", "LBL104"])
    assert done.clean.offsets.tolist() == bad.clean.offsets.tolist()
    assert done.clean.terminated is not None
    assert bad.clean.terminated is not None
    assert done.clean.terminated[:-1].tolist() == bad.clean.terminated[:-1].tolist()
