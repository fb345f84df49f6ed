"""`--rows-out` for trajectories: the steps behind a finding, with file, row, episode and step."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from audit.engine.episodes import EpisodeEngine, EpisodeView
from audit.findings import Basis, Finding, Outcome, Severity, Status
from audit.result import DatasetSummary, Result, Run
from audit.rows_out import write_rows
from rl_data.episodes import from_episodes
from rl_data.trajectories import Space, Trajectories
from tests.test_cli import run_cli


def trajectories() -> Trajectories:
    episodes = [
        {
            "id": f"take {i}",
            "observations": np.arange(8, dtype=np.float32).reshape(4, 2) + 10 * i,
            "actions": np.full((3, 1), 0.1),
            "rewards": [0.0, 0.5, 1.0],
            "terminated": True,
            "truncated": False,
        }
        for i in range(3)
    ]
    return from_episodes(episodes, uri="memory", observation_space=Space("box", 2, names=("elbow", "wrist")))


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "code": "COM101", "columns": ("step",), "severity": Severity.FAIL, "message": "something is wrong",
        "statistic": "gap_share", "value": 0.5, "limit": 0.0, "basis": Basis(9, 9),
    }  # fmt: skip
    return Finding(**(values | changes))


def rows_of(folder: Path, *findings: Finding, limit: int = 1_000) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    outcome = Outcome("COM101", "episode-structure", "completeness", Status.FAIL, "x", findings=findings)
    summary = DatasetSummary("memory", "memory", "trajectory", 9, 5)
    result = Result(Run("", "", 0.0), summary, (), (outcome,), (), {})
    write_rows(result, EpisodeEngine(EpisodeView(trajectories(), 1_000, 0)), folder, limit)
    index = json.loads((folder / "index.json").read_text())
    if index[0]["file"] is None:
        return index, []
    with (folder / index[0]["file"]).open(newline="") as stream:
        return index, list(csv.DictReader(stream))


def test_steps_come_worst_first_with_everything_that_finds_them(tmp_path: Path) -> None:
    index, lines = rows_of(tmp_path, finding(row_ids=(7, 0), affected=2))
    assert (index[0]["total"], index[0]["written"]) == (2, 2)
    assert list(lines[0]) == [
        "reason", "source_file", "source_row", "episode_id", "step", "observation[elbow]", "observation[wrist]",
        "action[0]", "reward", "terminated", "truncated", "next_observation[elbow]", "next_observation[wrist]",
    ]  # fmt: skip
    assert [(line["episode_id"], line["step"], line["source_row"]) for line in lines] == [
        ("take 2", "1", "1"), ("take 0", "0", "0"),
    ]  # fmt: skip
    assert lines[0]["reason"] == "something is wrong"
    assert (lines[0]["observation[elbow]"], lines[0]["action[0]"], lines[0]["reward"]) == ("22.0", "0.1", "0.5")
    assert lines[0]["next_observation[elbow]"] == ""  # only the final ones are given by this source


def test_episodes_give_all_their_steps_up_to_the_limit_and_the_true_total(tmp_path: Path) -> None:
    index, lines = rows_of(tmp_path, finding(episodes=("take 2", "take 0")), limit=4)
    assert (index[0]["total"], index[0]["written"]) == (6, 4)
    assert [(line["episode_id"], line["step"]) for line in lines] == [
        ("take 2", "0"), ("take 2", "1"), ("take 2", "2"), ("take 0", "0"),
    ]  # fmt: skip


def test_a_limit_below_the_rows_that_a_finding_names(tmp_path: Path) -> None:
    index, lines = rows_of(tmp_path, finding(row_ids=(7, 0, 3), affected=5_000), limit=2)
    assert (index[0]["total"], index[0]["written"]) == (5_000, 2)
    assert len(lines) == 2


def test_a_finding_about_the_whole_has_no_rows(tmp_path: Path) -> None:
    index, _ = rows_of(tmp_path, finding())
    assert index[0]["note"] == "no row-level evidence"


def test_from_the_command_line(tmp_path: Path) -> None:
    from rl_data.formats import write_canonical

    episodes = [{"observations": [[0.0]] * 4, "actions": [0, 1, 0, 1], "steps": [0, 1, 1, 2], "terminated": True}]
    write_canonical(from_episodes(episodes), tmp_path / "set.parquet")
    done = run_cli("run", str(tmp_path / "set.parquet"), "--select", "COM101", "--rows-out", str(tmp_path / "rows"))
    assert done.returncode == 1, done.stderr
    (entry,) = [e for e in json.loads((tmp_path / "rows" / "index.json").read_text()) if e["file"]]
    lines = (tmp_path / "rows" / entry["file"]).read_text().splitlines()
    assert len(lines) == 2
    assert ",0,1," in lines[1]  # episode 0, step 1
