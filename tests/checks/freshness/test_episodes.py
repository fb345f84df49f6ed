"""The clock of episodes and the age of recordings."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.checks import check_by_code
from audit.findings import Outcome, Severity, Status
from audit.testing import audit_episodes
from rl_data.episodes import from_episodes
from rl_data.trajectories import Trajectories


def clocked(*starts: float, fps: float | None = 50.0, steps: int = 100) -> Trajectories:
    episode = {"observations": np.arange(steps), "actions": np.arange(steps) % 2}
    return from_episodes([{**episode, "timestamps": start + np.arange(steps) / 50.0} for start in starts], fps=fps)


def found(code: str, t: Trajectories, settings: dict[str, Any] | None = None, **options: Any) -> Outcome:
    outcome = audit_episodes(check_by_code(code)(**options), t, **(settings or {}))
    assert outcome.status is not Status.ERROR, outcome.reason
    return outcome


def times(t: Trajectories) -> np.ndarray[Any, np.dtype[np.float64]]:
    assert t.timestamps is not None
    return t.timestamps.copy()


@pytest.mark.parametrize("starts", [(0.0, 0.0, 0.0), (0.0, 2.0, 4.0), (1e9, 1e9 + 50, 1e9 + 90)])
def test_even_clocks_pass_whether_they_start_anew_or_run_on(starts: tuple[float, ...]) -> None:
    outcome = found("FRE101", clocked(*starts))
    assert outcome.findings == ()
    assert outcome.status is Status.PASS


def test_clocks_that_overlap_are_mentioned() -> None:
    outcome = found("FRE101", clocked(100.0, 50.0, 101.0))
    assert [(f.severity, f.statistic) for f in outcome.findings] == [(Severity.INFO, "starts_at_zero_share")]


def test_time_that_runs_backwards_proposes_to_leave_the_episode_out() -> None:
    t = clocked(0.0, 0.0)
    stamps = times(t)
    stamps[130:] -= 39.0  # as at a boundary that was not seen
    outcome = found("FRE101", replace(t, timestamps=stamps))
    assert outcome.findings[0].row_ids == (129,)
    (repair,) = outcome.repairs
    assert (repair.kind, repair.episodes, repair.safe) == ("quarantine", ("1",), False)


def test_lost_frames_are_counted() -> None:
    t = clocked(0.0)
    stamps = times(t)
    stamps[50:] += 3 / 50.0
    (finding,) = found("FRE101", replace(t, timestamps=stamps), uneven=0.0).findings
    assert "(3 steps would fit" in finding.message
    assert finding.row_ids == (49,)


def test_jitter_within_the_tolerance_passes_and_pure_drift_is_another_rate() -> None:
    t = clocked(0.0, 0.0)
    jitter = times(t) + np.random.default_rng(0).uniform(-0.001, 0.001, t.rows)
    assert found("FRE101", replace(t, timestamps=jitter)).findings == ()
    (finding,) = found("FRE101", replace(t, timestamps=times(t) * 1.05)).findings
    assert finding.statistic == "rate_difference"
    assert finding.value == pytest.approx(0.05 / 1.05)
    assert finding.evidence["even"] is True


def test_real_robot_data_are_even(repository: Path) -> None:
    path = repository.parent / "shared" / "data" / "g1_lerobot"
    if not path.exists():
        pytest.skip("the real data g1_lerobot are not here")
    from rl_data import formats

    t = formats.read(path)
    assert found("FRE101", t).findings == ()
    assert found("FRE102", t).status is Status.NOT_APPLICABLE


NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_a_column_of_times_in_any_usual_unit_says_when(unit: int) -> None:
    t = clocked(0.0)
    seconds = (NOON.timestamp() + np.arange(t.rows)).astype(np.int64)
    recorded = replace(t, infos={"wall_time": seconds * unit, "temperature": np.full(t.rows, 2e9)})
    outcome = found("FRE102", recorded, {"as_of": NOON + dt.timedelta(days=10)}, max_age="9d")
    (finding,) = outcome.findings
    assert finding.columns == ("wall_time",)
    assert finding.value == pytest.approx(10 * 86_400 - t.rows + 1)


@pytest.mark.parametrize("moment", ["2024-05-01T12:00:00+00:00", "2024-05-01T12:00:00", NOON.timestamp()])
def test_a_declared_time_of_creation_says_when(moment: object) -> None:
    t = clocked(0.0)
    t = replace(t, provenance=replace(t.provenance, declared={"metadata": {"created_at": moment}, "fps": 50}))
    outcome = found("FRE102", t, {"as_of": NOON + dt.timedelta(days=3)}, warn_age="1d")
    assert [(f.severity, f.columns) for f in outcome.findings] == [(Severity.WARN, ("created_at",))]


def test_words_that_are_no_time_say_nothing() -> None:
    t = clocked(0.0)
    t = replace(t, provenance=replace(t.provenance, declared={"created": "last summer", "date": None}))
    assert found("FRE102", t).status is Status.NOT_APPLICABLE
