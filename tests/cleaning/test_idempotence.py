"""A set that was cleaned needs no more cleaning, whatever was wrong with its step numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audit.checks.completeness.episode_structure import StructureOfEpisodes
from audit.cleaning.plan import read_plan, to_yaml
from audit.cleaning.proposals import plan_of, propose, settle
from audit.cleaning.repairs import Repaired, repair
from audit.cleaning.rounds import follow_up
from audit.engine.episodes import EpisodeEngine, EpisodeView
from audit.episode_facts.structure import EpisodeStructure
from audit.findings import Finding, Outcome, Repair, Status
from audit.result import DatasetSummary, Result, Run
from rl_data.episodes import from_episodes
from rl_data.trajectories import Trajectories
from tests.cleaning.test_repairs import check_conservation, same


@st.composite
def recordings(draw: Any) -> Trajectories:
    """Episodes with gaps, copies and disorder in their step numbers, with and without flags and final observations."""
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    final, flagged = draw(st.booleans()), draw(st.booleans())
    episodes = []
    for length in draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)):
        moves = draw(st.lists(st.sampled_from([1, 1, 1, 1, 0, 2, 3, -1]), min_size=length, max_size=length))
        steps = np.cumsum([draw(st.integers(0, 2)), *moves[1:]])
        values: dict[str, Any] = {
            "observations": rng.normal(size=(length + final, 2)).astype(np.float32),
            "actions": rng.integers(0, 2, length),
            "rewards": rng.normal(size=length),
            "steps": np.maximum(steps, 0),
        }
        if flagged:
            values |= {"terminated": draw(st.booleans()), "truncated": False}
        episodes.append(values)
    return from_episodes(episodes)


def audited(t: Trajectories) -> Result:
    """What COM101 says, without the whole run around it."""
    answer = EpisodeEngine(EpisodeView(t, 1_000, 0)).answer([EpisodeStructure()])[EpisodeStructure()]
    said = list(StructureOfEpisodes().judge({"structure": answer}))
    outcome = Outcome(
        "COM101", "episode-structure", "completeness", Status.PASS, "x",
        findings=tuple(item for item in said if isinstance(item, Finding)),
        repairs=tuple(item for item in said if isinstance(item, Repair)),
    )  # fmt: skip
    return Result(Run("", "", 0.0), DatasetSummary("d", "d", "trajectory", t.rows, 1), (), (outcome,), (), {})


def cleaned(t: Trajectories) -> tuple[Repaired, bool]:
    """Return the set with all safe repairs made, and whether there were any."""
    proposals = propose(audited(t), t)
    first = repair(t, settle(plan_of(proposals, t, "d", ""), proposals, t, "plan"))
    done, more, _ = follow_up(t, first, audited, {p.id for p in proposals if not p.repair.safe})
    return done, bool(more) or any(proposal.repair.safe for proposal in proposals)


@given(recordings())
def test_cleaning_twice_is_cleaning_once(t: Trajectories) -> None:
    first, _ = cleaned(t)
    check_conservation(t, first)
    if first.clean.rows:
        second, anything = cleaned(first.clean)
        assert not anything
        same(second.clean, first.clean)


@given(recordings())
def test_a_plan_survives_its_file(tmp_path_factory: Any, t: Trajectories) -> None:
    plan = plan_of(propose(audited(t), t), t, "data: 'odd' # name", "00")
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    path.write_text(to_yaml(plan), encoding="utf-8")
    assert read_plan(path) == plan


def test_ids_of_every_kind_survive_the_file(tmp_path_factory: Any) -> None:
    """Texts that YAML would read as numbers, flags or nothing; more episodes than a plan lists."""
    names = ["1", "1.0", "yes", "null", "a: b", "", "2024-01-01", "é", *(f"e{i}" for i in range(60))]
    episodes = [
        {"id": name, "observations": np.zeros((4, 1)), "actions": [0] * 4, "steps": [0, 1, 3, 4]} for name in names
    ]
    for count in (8, len(names)):
        t = from_episodes(episodes[:count])
        plan = plan_of(propose(audited(t), t), t, "d", "")
        path = tmp_path_factory.mktemp("plan") / "plan.yaml"
        path.write_text(to_yaml(plan), encoding="utf-8")
        back = read_plan(path)
        assert back == plan
        done = repair(t, settle(back, propose(audited(t), t), t, "plan"))
        assert done.clean.episodes == 2 * count
