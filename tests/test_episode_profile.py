"""Streams and episodes of trajectories as the result holds them, against numpy on the plain arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

import audit
from audit.engine.episodes import EpisodeEngine, EpisodeView
from audit.episode_facts.profile import (
    ENDS,
    EpisodeLines,
    EpisodeLineValues,
    EpisodeTraces,
    StreamNumbers,
    StreamValues,
)
from audit.episode_table import MOST_STRIPS, make_episode_table
from audit.facts import Fact
from audit.findings import Basis, Finding, Outcome, Repair, Severity, Status
from audit.result import MOST_EPISODES
from audit.runner import open_subject
from audit.sources.trajectories import describe
from rl_data.episodes import from_episodes
from rl_data.trajectories import Space, Trajectories


def episodes(count: int, length: int = 20, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [
        {
            "observations": random.standard_normal((length + 1, 3)),
            "actions": random.integers(0, 2, length),
            "rewards": random.standard_normal(length),
            "terminated": place % 2 == 0,
            "truncated": place % 2 == 1,
        }
        for place in range(count)
    ]


def answer(trajectories: Trajectories, fact: Fact, sample: int = 200_000) -> Any:
    given = EpisodeEngine(EpisodeView(trajectories, sample, 0)).answer([fact])[fact]
    assert not hasattr(given, "error"), given
    return given


def streams(trajectories: Trajectories, sample: int = 200_000) -> dict[str, StreamValues]:
    return {one.name: one for one in answer(trajectories, StreamNumbers(), sample)}


def test_numbers_of_a_stream_are_those_of_its_finite_values() -> None:
    told = episodes(50)
    told[3]["observations"][4, 1] = np.nan
    told[7]["observations"][2:6, 1] = np.inf
    told[8]["observations"][:, 0] += 1e4
    t = from_episodes(told)
    found = streams(t)
    assert list(found) == ["observation[0]", "observation[1]", "observation[2]", "action", "reward"]
    for i in range(3):
        own = t.observations[:, i].astype(np.float64)
        own = own[np.isfinite(own)]
        one = found[f"observation[{i}]"]
        assert one.rows == 1_000
        assert one.mean == pytest.approx(own.mean(), rel=1e-12)
        assert one.std == pytest.approx(own.std(), rel=1e-9)
        assert one.skewness == pytest.approx(stats.skew(own), rel=1e-6, abs=1e-9)
        assert (one.low, one.high) == (own.min(), own.max())
        assert sorted(one.values) == sorted(own)
    assert (found["observation[1]"].nan, found["observation[1]"].infinite) == (1, 4)
    action = found["action"]
    assert action.choices is not None
    assert action.counts is not None
    assert dict(zip(action.choices.tolist(), action.counts.tolist(), strict=True)) == {
        k: int((t.actions == k).sum()) for k in (0, 1)
    }


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    t = from_episodes(episodes(40))
    whole = streams(t)["observation[0]"]
    monkeypatch.setattr("audit.engine.episodes.profile._CHUNK", 21)
    parts = streams(t)["observation[0]"]
    for name in ("mean", "std", "skewness", "low", "high"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9)


def test_a_constant_a_lost_and_an_empty_stream() -> None:
    told = episodes(5)
    for one in told:
        one["observations"][:, 0] = 0.1
        one["observations"][:, 1] = np.nan
    found = streams(from_episodes(told))
    assert found["observation[0]"].std == 0.0
    assert found["observation[0]"].skewness is None
    lost = found["observation[1]"]
    assert (lost.nan, lost.mean, lost.low, len(lost.values)) == (100, None, None, 0)
    result = audit.run(from_episodes(told), kind="trajectory")
    profiles = {profile.name: profile for profile in result.columns}
    assert profiles["observation[0]"].distinct == 1
    assert profiles["observation[1]"].chart is None
    assert {profile.role for profile in result.columns} == {"observation", "action", "reward"}


def test_a_sampled_picture_says_what_it_rests_on() -> None:
    t = from_episodes(episodes(50))
    one = streams(t, sample=200)["observation[0]"]
    assert len(one.values) == 200
    assert str(one.basis).startswith("sample of 200 of 1,000 steps, seed 0")
    assert one.mean == pytest.approx(t.observations[:, 0].mean(), rel=1e-5)  # numbers are of all steps


def test_reference_is_drawn_on_the_same_bins() -> None:
    result = audit.run(from_episodes(episodes(20)), reference=from_episodes(episodes(30, seed=1)), kind="trajectory")
    charts = {profile.name: profile.chart for profile in result.columns}
    for name in ("observation[0]", "action", "reward"):
        chart = charts[name]
        assert chart is not None
        assert sum(chart.data["reference"]) == pytest.approx(400, rel=0.05)


def test_each_name_means_one_stream() -> None:
    joints = Space("box", 3, names=("hip", "knee", "ankle"))
    told = [{**one, "actions": np.zeros((20, 3), dtype=np.float32)} for one in episodes(2)]
    t = from_episodes(told, observation_space=joints, action_space=joints)
    assert describe(t).action_names == ("action.hip", "action.knee", "action.ankle")
    assert len(streams(t)) == 7


def lines(told: list[dict[str, Any]]) -> EpisodeLineValues:
    found = answer(from_episodes(told), EpisodeLines())
    assert isinstance(found, EpisodeLineValues)
    return found


def test_a_reward_that_is_not_finite_spoils_its_own_return_only() -> None:
    told = episodes(4)
    told[1]["rewards"][3] = np.nan
    returns = lines(told).returns
    assert returns is not None
    assert np.isnan(returns).tolist() == [False, True, False, False]
    assert returns[[0, 2, 3]] == pytest.approx([told[i]["rewards"].sum() for i in (0, 2, 3)])
    result = audit.run(from_episodes(told), kind="trajectory")
    assert [e.episode_return is None for e in sorted(result.episodes, key=lambda e: e.place)] == [False, True] + [
        False
    ] * 2


@pytest.mark.parametrize(
    ("flags", "ends"),
    [
        ({"terminated": True, "truncated": False}, "terminated"),
        ({"terminated": False, "truncated": True}, "truncated"),
        ({"terminated": True, "truncated": True}, "both"),
        ({"terminated": False, "truncated": False}, "none"),
        ({"terminated": True}, "terminated"),
        ({"terminated": False}, "unknown"),  # it may have been truncated: nothing is invented
        ({}, "unknown"),
    ],
)
def test_how_an_episode_ends_is_what_its_last_flags_say(flags: dict[str, bool], ends: str) -> None:
    told = [{"observations": np.zeros((3, 1)), "actions": [0, 1, 0], **flags}]
    assert [ENDS[end] for end in lines(told).ends] == [ends]


def test_one_flag_that_leaves_open_how_it_ended() -> None:
    t = from_episodes([{"observations": np.zeros((3, 1)), "actions": [0, 1, 0]}] * 2)
    t = dataclasses.replace(t, episode_ids=np.arange(2), ended=np.array([0, 0, 1, 0, 0, 0], dtype=bool))
    found = answer(t, EpisodeLines())
    assert [ENDS[end] for end in found.ends] == ["ended", "none"]


def test_a_trace_is_the_band_of_its_steps() -> None:
    told = episodes(2, length=1_000)
    told[1]["observations"][:50, 2] = np.nan
    ((reward, observed, action),) = answer(from_episodes(told), EpisodeTraces((1,), (("observation[2]",),), points=100))
    assert [trace.name for trace in (reward, observed, action)] == ["reward", "observation[2]", "action"]
    assert reward.steps.tolist() == list(range(0, 1_000, 10))
    blocks = told[1]["rewards"].reshape(100, 10)
    assert reward.mean == pytest.approx(blocks.mean(axis=1))
    assert reward.low.tolist() == blocks.min(axis=1).tolist()
    assert reward.high.tolist() == blocks.max(axis=1).tolist()
    assert np.isnan(observed.mean[:5]).all()
    assert np.isfinite(observed.mean[5:]).all()


def table(t: Trajectories, *outcomes: Outcome) -> Any:
    from audit.config import make_config
    from audit.engine.duckdb import Connection, Limits

    config = make_config({"kind": "trajectory"})
    with Connection(Limits(config.memory, config.threads, config.spill)) as connection:
        subject = open_subject(connection, t, config, config.now, name="data")
        return make_episode_table(subject.dataset, outcomes, lambda fact: subject.engine.answer([fact])[fact])


def outcome(code: str, severity: Severity, *, repairs: tuple[Repair, ...] = (), **about: Any) -> Outcome:
    finding = Finding(code, ("reward",), severity, "m", "s", 1, 0, Basis(1, 1), **about)
    status = Status(severity.label.replace("info", "pass"))
    return Outcome(code, "a-check", "completeness", status, "because", (finding,), repairs=repairs)


def test_episodes_come_worst_first_with_what_names_them() -> None:
    t = from_episodes(episodes(10))
    listed, totals = table(
        t,
        outcome("AAA001", Severity.WARN, episodes=("7", "3")),
        outcome("AAA002", Severity.FAIL, row_ids=(4 * 20 + 5, 4 * 20 + 6), episodes=("3",)),
        outcome("AAA003", Severity.INFO, episodes=("9",), repairs=(
            Repair("AAA003", (), "s", "drop_steps", "r", ((85, 90), (180, 183))),
        )),
    )  # fmt: skip
    assert [e.id for e in listed[:4]] == ["3", "4", "7", "9"]
    assert [e.codes for e in listed[:4]] == [("AAA002", "AAA001"), ("AAA002",), ("AAA001",), ("AAA003",)]
    assert [e.severity for e in listed[:5]] == [Severity.FAIL, Severity.FAIL, Severity.WARN, Severity.INFO, None]
    assert [e.flagged_steps for e in listed[:4]] == [0, 5, 0, 3]  # 85 and 86 are named twice
    assert totals.with_findings == 3
    assert totals.flagged_steps == 8
    assert totals.ends == {"terminated": 5, "truncated": 5}
    assert [strip.title for strip in listed[0].strips] == [
        "reward", "observation[0]", "observation[1]", "observation[2]", "action",
    ]  # fmt: skip
    assert listed[1].strips[0].data["marks"] == [[5, 9]]
    assert listed[4].strips == ()


def test_the_table_is_bounded_and_the_totals_are_not() -> None:
    t = from_episodes(episodes(MOST_EPISODES + 50, length=2))
    listed, totals = table(t, outcome("AAA001", Severity.WARN, episodes=("1049",)))
    assert len(listed) == MOST_EPISODES
    assert listed[0].id == "1049"
    assert sum(bool(e.strips) for e in listed) == 1 <= MOST_STRIPS
    assert (totals.episodes, totals.steps) == (MOST_EPISODES + 50, 2 * (MOST_EPISODES + 50))
    assert totals.lengths.median == 2


def test_no_episodes_and_tables() -> None:
    t = from_episodes(episodes(2))
    none = dataclasses.replace(t.take(np.empty(0, dtype=np.int64)), episode_ids=np.empty(0, dtype=np.int64))
    result = audit.run(none, kind="trajectory")
    assert result.episodes == ()
    assert result.episode_totals is not None
    assert result.episode_totals.lengths is None
    assert isinstance(result.to_html(), str)
    table_result = audit.run(pa.table({"a": [1, 2, 3]}))
    assert (table_result.episodes, table_result.episode_totals, table_result.dataset.reading) == ((), None, None)
