"""The history of runs: what it keeps, what is out of line, and writers at the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from audit.errors import SourceError
from audit.history import add, check, numbers_of, show
from audit.saved import load_result


def result(run: str, value: float, dataset: str = "orders") -> dict[str, Any]:
    return {
        "run": {"id": run, "started": "2026-01-01T00:00:00+00:00", "tool_version": "0.1"},
        "settings": {"as_of": "2026-01-01T00:00:00+00:00"},
        "dataset": {"id": dataset, "uri": f"{dataset}.parquet", "rows": 1000, "columns": 3, "episodes": None},
        "verdict": {"status": "pass"},
        "scores": [{"dimension": "completeness", "value": 100.0}],
        "findings": [],
        "outcomes": [
            {
                "code": "COM001",
                "measurements": [{"statistic": "missing_share", "columns": ["age"], "segment": None, "value": value}],
            }
        ],
    }


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "history.duckdb"


def fill(history: Path, values: list[float]) -> None:
    for i, value in enumerate(values):
        assert add(history, result(f"run-{i}", value))


STEADY = [0.020, 0.021, 0.019, 0.020, 0.022, 0.018, 0.020, 0.021]


def test_a_jump_is_an_anomaly_and_a_usual_value_is_not(history: Path) -> None:
    fill(history, STEADY)
    assert check(history, result("new", 0.021)).anomalies == ()
    (anomaly,) = check(history, result("new", 0.3)).anomalies
    assert anomaly.number.statistic == "missing_share"
    expected = (0.3 - np.median(STEADY)) / median_abs_deviation(STEADY, scale="normal")
    assert anomaly.deviations == pytest.approx(expected, rel=1e-4)
    assert "above the median 0.02 of 8 earlier runs" in str(anomaly)


def test_fewer_than_seven_earlier_runs_are_not_judged(history: Path) -> None:
    fill(history, STEADY[:6])
    seen = check(history, result("new", 0.9))
    assert (seen.anomalies, seen.judged, seen.earlier) == ((), 0, 6)
    assert add(history, result("seventh", 0.02))
    assert len(check(history, result("new", 0.9)).anomalies) == 1


def test_the_run_itself_never_counts_among_the_earlier_ones(history: Path) -> None:
    fill(history, STEADY[:6])
    new = result("new", 0.9)
    assert add(history, new)
    assert check(history, new).earlier == 6
    assert check(history, new).judged == 0


def test_a_number_that_never_changed_may_move_by_a_little(history: Path) -> None:
    fill(history, [0.02] * 8)
    assert check(history, result("new", 0.0201)).anomalies == ()
    assert len(check(history, result("new", 0.03)).anomalies) == 1


def test_another_dataset_is_another_history(history: Path) -> None:
    fill(history, STEADY)
    assert check(history, result("new", 0.9, dataset="customers")).earlier == 0
    assert [run.dataset for run in show(history, "orders")] == ["orders"] * 8
    assert show(history, "customers") == ()


def test_a_run_is_added_once(history: Path) -> None:
    assert add(history, result("one", 0.1))
    assert not add(history, result("one", 0.1))
    (run,) = show(history)
    assert (run.run, run.rows, run.numbers) == ("one", 1000, 4)


def test_every_number_of_a_real_result_is_kept(tmp_path: Path, history: Path) -> None:
    import audit

    made = audit.run("sample_data/orders_planted.parquet", select=["completeness", "class_balance"])
    made.to_json(tmp_path / "r.json")
    loaded = load_result(tmp_path / "r.json")
    kept = numbers_of(loaded)
    assert {n.code for n in kept} >= {"dataset", "score", "COM001", "BAL004"}
    assert add(history, loaded)
    assert show(history)[0].numbers == len(kept)


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path, history: Path) -> None:
    script = tmp_path / "writer.py"
    script.write_text(
        "import sys\nfrom audit.history import add\nfrom test_history import result\n"
        "for i in range(15):\n    assert add(sys.argv[1], result(f'{sys.argv[2]}-{i}', 0.1))\n"
    )
    environment = {"PYTHONPATH": f"{Path.cwd()}:{Path(__file__).parent}", "PATH": "/usr/bin:/bin"}
    writers = [
        subprocess.Popen([sys.executable, str(script), str(history), name], env=environment) for name in ("a", "b")
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert sorted(run.run for run in show(history)) == sorted(f"{name}-{i}" for name in "ab" for i in range(15))


def unreadable(tmp_path: Path) -> Mapping[str, Path]:
    files = {"absent": tmp_path / "absent.json", "text": tmp_path / "text.json", "other": tmp_path / "other.json"}
    files["text"].write_text("not json")
    files["other"].write_text("{}")
    return files


@pytest.mark.parametrize("kind", ["absent", "text", "other"])
def test_what_is_no_result_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = unreadable(tmp_path)[kind]
    with pytest.raises(SourceError, match=path.name):
        load_result(path)


def test_what_is_no_history_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no history"):
        check(tmp_path / "absent.duckdb", result("new", 0.1))
    (tmp_path / "text.duckdb").write_text("this is no database, " * 1000)
    with pytest.raises(SourceError, match="no history"):
        add(tmp_path / "text.duckdb", result("new", 0.1))
