"""What counts as found, and what the command says about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from audit.checks import installed
from audit.findings import Basis, Finding, Outcome, Repair, Severity, Status
from audit.result import Result
from audit.selftest import FOUND_BY, Trial, masks, match, selftest
from audit.selftest_command import selftest_command
from rl_data.corrupt import INJECTORS
from rl_data.episodes import from_episodes
from rl_data.trajectories import Trajectories, TrajectoryError

pytest.importorskip("gymnasium")


def four() -> Trajectories:
    """Four episodes of three steps."""
    return from_episodes([{"id": f"e{k}", "observations": np.zeros((3, 2)), "actions": np.zeros(3)} for k in range(4)])


def result(*judged: Any, code: str = "LBL104") -> Result:
    findings = tuple(x for x in judged if isinstance(x, Finding))
    repairs = tuple(x for x in judged if isinstance(x, Repair))
    outcome = Outcome(code, "x", "label_accuracy", Status.WARN, "x", findings=findings, repairs=repairs)
    return cast(Result, SimpleNamespace(outcomes=(outcome,), errors=()))


def finding(statistic: str = "s", severity: Severity = Severity.WARN, **changes: Any) -> Finding:
    return Finding("LBL104", ("a",), severity, "m", statistic, 1.0, 0.0, Basis(12, 12), **changes)


def repair(kind: Any, statistic: str = "s", **changes: Any) -> Repair:
    return Repair("LBL104", ("a",), statistic, kind, "r", **changes)


@pytest.mark.parametrize(
    ("judged", "steps", "episodes"),
    [
        ([finding(row_ids=(1, 4))], [1, 4], [0, 1]),
        ([finding(episodes=("e2",))], [6, 7, 8], [2]),
        ([finding(row_ids=(1,), episodes=("e2",))], [1], [0]),
        ([finding(row_ids=(1,)), repair("drop_steps", rows=((3, 5),))], [3, 4], [1]),
        ([finding(), repair("quarantine", episodes=("e3",))], [9, 10, 11], [3]),
        ([finding(), repair("shift", field="action", value=-1)], list(range(12)), [0, 1, 2, 3]),
        ([finding(), repair("shift", episodes=("e0",))], [0, 1, 2], [0]),
        ([finding("s", row_ids=(0,)), repair("drop_steps", "other", rows=((3, 5),))], [0], [0]),
        ([finding(severity=Severity.INFO, row_ids=(1,))], [], []),
        ([finding()], [], []),
    ],
)
def test_what_findings_and_repairs_name(judged: list[Any], steps: list[int], episodes: list[int]) -> None:
    found = masks(result(*judged), four(), ("LBL104",))
    assert [np.flatnonzero(mask).tolist() for mask in found] == [steps, episodes]
    assert not masks(result(*judged), four(), ("COM101",))[0].any()


def test_recall_is_among_the_planted_and_precision_counts_the_involved() -> None:
    planted, involved, found = (np.array(x, dtype=bool) for x in ([1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 1, 1]))
    assert match(planted, involved, found).recall == pytest.approx(1 / 2)
    assert match(planted, involved, found).precision == pytest.approx(2 / 3)
    assert match(planted, involved, np.zeros(4, dtype=bool)).precision is None


def test_every_defect_has_checks_that_should_find_it() -> None:
    assert set(FOUND_BY) == set(INJECTORS)
    assert {code for codes in FOUND_BY.values() for code in codes} <= set(installed())


def test_lost_terminals_are_found() -> None:
    from rl_data.record import record

    (trial,) = selftest(record("CartPole-v1", episodes=60, seed=0), names=["term_all_zero"], rates=[0.3])
    assert trial.steps is not None
    assert (trial.steps.recall, trial.steps.precision) == (1.0, 1.0)
    assert trial.by_unit == trial.episodes
    assert trial.codes == ("COM102",)


def test_what_cannot_be_planted_is_skipped_with_the_reason() -> None:
    (trial,) = selftest(four(), names=["rew_lag1"], rates=[0.3])
    assert trial == Trial("rew_lag1", 0.3, 0, skipped="there are no rewards")
    with pytest.raises(TrajectoryError, match="there is no injector"):
        list(selftest(four(), names=["typo"]))


def run(*arguments: str) -> Any:
    app = Typer()
    app.command()(selftest_command)
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_what_was_found(tmp_path: Path) -> None:
    from rl_data.formats import write_canonical
    from rl_data.record import record

    path = tmp_path / "t.parquet"
    write_canonical(record("CartPole-v1", episodes=60, seed=0), path)
    done = run(str(path), "--only", "term_all_zero", "--only", "rew_lag1", "--rate", "0.3", "-q")
    assert done.exit_code == 0
    assert "60 episodes" in done.stdout
    assert "term_all_zero                30%    1.00       1.00  COM102" in done.stdout
    assert "rewards are constant" in done.stdout
