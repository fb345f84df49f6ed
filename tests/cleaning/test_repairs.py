"""Typed repairs over arrays: each does what it says, conflicts are settled and told, and no step is lost."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.cleaning.repairs import STREAMS, Repaired, Task, repair
from rl_data.corrupt import INJECTORS, inject
from rl_data.episodes import from_episodes
from rl_data.trajectories import PER_ROW, Trajectories


def trajectories(
    lengths: tuple[int, ...] = (5, 4, 6), *, final: bool = True, seed: int = 0, **changes: Any
) -> Trajectories:
    rng = np.random.default_rng(seed)
    episodes = [
        {
            "observations": rng.normal(size=(length + final, 2)).astype(np.float32),
            "actions": rng.normal(size=(length, 1)).astype(np.float32),
            "rewards": rng.normal(size=length),
            "terminated": place % 2 == 0,
            "truncated": place % 2 == 1,
        }
        for place, length in enumerate(lengths)
    ]
    return dataclasses.replace(from_episodes(episodes), **changes)


def task(kind: Any, *, rows: Any = (), episodes: Any = (), name: str = "", **changes: Any) -> Task:
    values: dict[str, Any] = {"id": name or f"T-{kind}", "code": "T", "kind": kind, "reason": "why", "columns": ()}
    places = {"rows": np.array(rows, dtype=np.int64), "episodes": np.array(episodes, dtype=np.int64)}
    return Task(**(values | places | changes))


def same(one: Trajectories, other: Trajectories) -> None:
    """Fail unless all arrays are equal, byte by byte."""
    assert np.array_equal(one.episode_ids, other.episode_ids)
    assert np.array_equal(one.offsets, other.offsets)
    for name in PER_ROW:
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype == b.dtype, name
            assert a.tobytes() == b.tobytes(), name


def flags(t: Trajectories) -> tuple[list[int], list[int]]:
    assert t.terminated is not None
    assert t.truncated is not None
    return np.flatnonzero(t.terminated).tolist(), np.flatnonzero(t.truncated).tolist()


def final_of(t: Trajectories, row: int) -> Any:
    assert t.next_observations is not None
    assert t.has_next is not None
    assert t.has_next[row]
    return t.next_observations[row]


def test_without_tasks_nothing_changes() -> None:
    t = trajectories()
    done = repair(t, ())
    same(done.clean, t)
    assert done.quarantined.rows == 0
    assert done.dropped == {}


def test_relabel_sets_a_flag() -> None:
    t = trajectories()
    done = repair(t, [task("relabel", rows=[4], field="terminated", value=False),
                      task("relabel", rows=[4], field="truncated", value=True, name="second")])  # fmt: skip
    assert flags(done.clean) == ([14], [4, 8])
    assert done.effects["T-relabel"].changed == 1
    assert flags(t) == ([4, 14], [8])  # what was given stays as it is


def test_of_two_labels_the_later_counts_and_that_is_told() -> None:
    t = trajectories()
    first = task("relabel", rows=[2, 3], field="terminated", value=True)
    second = task("relabel", rows=[3], field="terminated", value=False, name="second")
    done = repair(t, [first, second])
    assert done.clean.terminated is not None
    assert done.clean.terminated[2:4].tolist() == [True, False]
    assert "1 steps had another label" in done.effects["second"].notes[0]


def test_a_flag_that_the_source_does_not_say_is_told() -> None:
    t = trajectories(truncated=None)
    done = repair(t, [task("relabel", rows=[8], field="truncated", value=True)])
    assert flags(done.clean)[1] == [8]
    assert "does not say `truncated`" in done.effects["T-relabel"].notes[0]


@pytest.mark.parametrize("distance", [1, -1, 2])
@pytest.mark.parametrize("stream", ["reward", "action"])
def test_shift_moves_a_stream_and_drops_the_edge_by_name(stream: str, distance: int) -> None:
    t = trajectories()
    name = STREAMS[stream]
    done = repair(t, [task("shift", episodes=[0, 2], field=stream, value=distance)])
    lost = abs(distance)
    assert done.clean.lengths.tolist() == [5 - lost, 4, 6 - lost]
    assert {key: len(rows) for key, rows in done.dropped.items()} == {"T-shift: edge of the shift": 2 * lost}
    moved, before = getattr(done.clean, name), getattr(t, name)
    taken = before[: 5 - lost] if distance > 0 else before[lost:5]
    assert np.array_equal(moved[: 5 - lost], taken)
    assert np.array_equal(done.clean.observations[: 5 - lost], t.observations[max(distance, 0) : 5 + min(distance, 0)])
    assert done.clean.steps[: 5 - lost].tolist() == list(range(5 - lost))
    untouched = slice(5 - lost, 9 - lost)
    assert np.array_equal(moved[untouched], before[5:9])


def test_a_dropped_last_step_leaves_its_observation_as_the_final_one() -> None:
    t = trajectories()
    done = repair(t, [task("shift", episodes=[0], field="action", value=-1)])
    assert flags(done.clean) == ([13], [3, 7])  # the terminal went with the step: what is left is only truncated
    assert np.array_equal(final_of(done.clean, 3), t.observations[4])


def test_the_second_shift_of_a_stream_is_not_made_and_told() -> None:
    t = trajectories()
    once = repair(t, [task("shift", episodes=[0], field="action", value=-1)])
    twice = repair(t, [task("shift", episodes=[0], field="action", value=-1),
                       task("shift", episodes=[0], field="action", value=1, name="second")])  # fmt: skip
    same(once.clean, twice.clean)
    assert twice.effects["second"].notes == ["1 episode is shifted by an earlier repair already"]


def test_a_shift_stays_inside_the_parts_of_a_split() -> None:
    t = trajectories((6,), final=False)
    t = dataclasses.replace(t, steps=np.array([0, 1, 2, 7, 8, 9], dtype=np.int32))
    done = repair(t, [task("split", rows=[2]), task("shift", episodes=[0], field="reward", value=-1)])
    assert done.clean.rewards is not None
    assert t.rewards is not None
    assert done.clean.episode_ids.tolist() == ["0.1", "0.2"]
    assert done.clean.rewards.tolist() == [t.rewards[1], t.rewards[2], t.rewards[4], t.rewards[5]]


def test_a_wrong_value_that_moves_takes_its_drop_with_it() -> None:
    t = trajectories()
    assert t.rewards is not None
    rewards = t.rewards.copy()
    rewards[2] = np.nan
    t = dataclasses.replace(t, rewards=rewards)
    done = repair(t, [task("drop_steps", rows=[2], columns=("reward",)),
                      task("shift", episodes=[0], field="reward", value=-1)])  # fmt: skip
    assert done.clean.rewards is not None
    assert np.isfinite(done.clean.rewards).all()
    assert done.dropped["T-drop_steps"].tolist() == [1]


def test_an_observation_shift_takes_next_observations_along_where_they_were_made_of_it() -> None:
    t = trajectories()
    following = np.full_like(t.observations, np.nan)
    following[:-1] = t.observations[1:]
    assert t.next_observations is not None
    following[t.last_rows] = t.next_observations[t.last_rows]
    t = dataclasses.replace(t, next_observations=following, has_next=None)
    done = repair(t, [task("shift", episodes=[0], field="observation", value=1)])
    assert np.array_equal(done.clean.observations[:4], t.observations[:4])
    assert done.clean.next_observations is not None
    assert np.array_equal(done.clean.next_observations[:4], t.observations[1:5])
    assert np.array_equal(done.clean.actions[:4], t.actions[1:5])


def test_split_keeps_a_real_final_observation_and_else_drops_the_step() -> None:
    t = trajectories((6,))
    assert t.next_observations is not None
    following, given = t.next_observations.copy(), t.has_next
    assert given is not None
    following[2] = [7.0, 8.0]
    given = given.copy()
    given[2] = True
    with_final = dataclasses.replace(t, next_observations=following, has_next=given)
    done = repair(with_final, [task("split", rows=[2])])
    assert done.clean.lengths.tolist() == [3, 3]
    assert final_of(done.clean, 2).tolist() == [7.0, 8.0]
    assert flags(done.clean) == ([5], [2])
    assert done.clean.episode_ids.tolist() == ["0.1", "0.2"]
    assert done.clean.steps.tolist() == [0, 1, 2, 0, 1, 2]

    done = repair(t, [task("split", rows=[2])])
    assert done.clean.lengths.tolist() == [2, 3]
    assert np.array_equal(final_of(done.clean, 1), t.observations[2])
    assert done.dropped["T-split: no next observation"].tolist() == [2]


def test_at_a_split_the_observation_behind_is_a_leak_even_where_it_is_written_out() -> None:
    t = trajectories((6,))
    assert t.next_observations is not None
    following = t.next_observations.copy()
    following[:-1] = t.observations[1:]
    t = dataclasses.replace(t, next_observations=following, has_next=None)
    done = repair(t, [task("split", rows=[2])])
    assert done.clean.lengths.tolist() == [2, 3]
    assert flags(done.clean)[1] == [1]


def test_a_terminated_step_needs_no_next_observation() -> None:
    t = trajectories((6,))
    assert t.terminated is not None
    ends = t.terminated.copy()
    ends[2] = True
    done = repair(dataclasses.replace(t, terminated=ends), [task("split", rows=[2])])
    assert done.clean.lengths.tolist() == [3, 3]
    assert flags(done.clean) == ([2, 5], [])


def test_data_without_flags_are_split_without_loss() -> None:
    t = trajectories((6,), terminated=None, truncated=None)
    done = repair(t, [task("split", rows=[2])])
    assert done.clean.lengths.tolist() == [3, 3]
    assert done.clean.truncated is None


@pytest.mark.parametrize(("columns", "left"), [(("reward",), 2), (("observation[1]",), 1), ((), 1)])
def test_a_dropped_step_cuts_the_episode(columns: tuple[str, ...], left: int) -> None:
    """The observation of the step that leaves ends the part before it, unless it is what was wrong."""
    t = trajectories((6,))
    done = repair(t, [task("drop_steps", rows=[2], columns=columns)])
    assert done.clean.lengths.tolist() == [left, 3]
    assert np.array_equal(final_of(done.clean, left - 1), t.observations[left])
    assert flags(done.clean) == ([left + 2], [left - 1])
    assert done.clean.source_rows.tolist() == [*range(left), 3, 4, 5]


def test_where_a_copy_leaves_nothing_is_cut() -> None:
    t = trajectories((5,), steps=np.array([0, 1, 1, 2, 3], dtype=np.int32))
    done = repair(t, [task("drop_steps", rows=[2], columns=("step",))])
    assert done.clean.steps.tolist() == [0, 1, 2, 3]
    assert done.clean.episode_ids.tolist() == [0]
    assert done.clean.episode_ids.dtype.kind == "i"


def test_a_gap_that_nobody_wants_cut_stays() -> None:
    t = trajectories((6,), steps=np.array([0, 1, 5, 6, 7, 8], dtype=np.int32))
    done = repair(t, [task("drop_steps", rows=[4], columns=("reward",))])
    assert done.clean.lengths.tolist() == [4, 1]
    assert done.clean.steps.tolist() == [0, 1, 5, 6, 0]


def test_quarantine_wins_and_the_episode_stays_as_it_was_read() -> None:
    t = trajectories()
    done = repair(t, [task("relabel", rows=[4, 8], field="truncated", value=True),
                      task("shift", episodes=[0, 1], field="reward", value=1),
                      task("quarantine", episodes=[1]),
                      task("quarantine", episodes=[1, 2], name="second", code="U", reason="other")])  # fmt: skip
    assert done.clean.episode_ids.tolist() == [0]
    same(done.quarantined, t.take(np.array([1, 2])))
    assert done.reasons == ("why; other", "other")
    assert done.codes == ("T,U", "U")
    assert done.effects["second"].quarantined == 6
    assert "1 episode is in quarantine already" in done.effects["second"].notes
    assert "1 steps lie in quarantined episodes" in done.effects["T-relabel"].notes[0]


def test_rebuild_takes_the_next_row_and_invents_nothing_at_the_end() -> None:
    t = trajectories()
    assert t.next_observations is not None
    t = dataclasses.replace(t, next_observations=t.observations.copy(), has_next=None)
    done = repair(t, [task("rebuild_next", rows=range(15))])
    assert done.clean.next_observations is not None
    assert done.clean.has_next is not None
    inner = np.setdiff1d(np.arange(15), t.last_rows)
    assert np.array_equal(done.clean.next_observations[inner], t.observations[inner + 1])
    assert not done.clean.has_next[t.last_rows].any()
    assert np.isnan(done.clean.next_observations[t.last_rows]).all()


def test_new_ids_never_meet_old_ones() -> None:
    t = trajectories((4, 4), episode_ids=np.array(["7", "7.1"]), terminated=None, truncated=None)
    done = repair(t, [task("split", rows=[1])])
    assert done.clean.episode_ids.tolist() == ["7..1", "7..2", "7.1"]


def test_an_episode_without_steps_stays_where_it_is() -> None:
    t = trajectories((3, 4), offsets=np.array([0, 3, 3, 7]), episode_ids=np.array([0, 1, 2]))
    done = repair(t, [task("drop_steps", rows=[4], columns=("reward",))])
    assert done.clean.episode_ids.tolist() == ["0", "1", "2.1", "2.2"]
    assert done.clean.lengths.tolist() == [3, 0, 1, 2]
    assert repair(t, [task("quarantine", episodes=[1])]).clean.episode_ids.tolist() == [0, 2]


UNDONE = ("term_all_zero", "timeout_as_terminal", "next_observation_copied", "act_lag1", "rew_lag1")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [0.3, 1.0])
@pytest.mark.parametrize("name", UNDONE)
def test_what_was_injected_is_undone_byte_by_byte(name: str, rate: float, seed: int) -> None:
    """But for the steps at the edge of a shift, which are dropped by name."""
    assert INJECTORS[name].detectable
    t = trajectories((20,) * 12, seed=seed, step_limit=20)
    bad = inject(name, t, rate=rate, seed=seed)
    undo = bad.undo
    rows, episodes = np.flatnonzero(bad.steps), np.flatnonzero(bad.episodes)
    tasks = [task(undo.kind, rows=rows, field=undo.field, value=undo.value)]
    if undo.kind == "shift":
        tasks = [task(undo.kind, episodes=episodes, field=undo.field, value=undo.value)]
    if name == "timeout_as_terminal":
        tasks.append(task("relabel", rows=rows, field="truncated", value=True, name="second"))
    done = repair(bad.trajectories, tasks)
    edges = np.concatenate([np.zeros(0, int), *done.dropped.values()])
    assert len(edges) == (len(episodes) if undo.kind == "shift" else 0)
    if undo.kind != "shift":
        same(done.clean, dataclasses.replace(bad.clean, source_rows=done.clean.source_rows))
        return
    kept = np.setdiff1d(np.arange(t.rows), edges)
    assert np.array_equal(done.kept, kept)
    for array in ("observations", "actions", "rewards", "steps"):
        assert getattr(done.clean, array).tobytes() == getattr(bad.clean, array)[kept].tobytes()


@st.composite
def cases(draw: Any) -> tuple[Trajectories, list[Task]]:
    lengths = tuple(draw(st.lists(st.integers(1, 8), min_size=1, max_size=5)))
    t = trajectories(lengths, final=draw(st.booleans()), seed=draw(st.integers(0, 5)))
    n, places = t.rows, st.lists(st.integers(0, t.rows - 1), max_size=6, unique=True).map(sorted)
    if draw(st.booleans()):
        jumps = np.array(draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)), dtype=np.int32)
        t = dataclasses.replace(t, steps=t.steps + np.cumsum(jumps, dtype=np.int32))
    if draw(st.booleans()):
        t = dataclasses.replace(t, terminated=None)
    if draw(st.booleans()):
        t = dataclasses.replace(t, next_observations=None, has_next=None)
    if draw(st.booleans()):
        bad = t.observations.copy()
        bad[draw(places)] = np.nan
        t = dataclasses.replace(t, observations=bad)
    some = st.lists(st.integers(0, t.episodes - 1), max_size=3, unique=True).map(sorted)
    tasks = []
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["relabel", "shift", "split", "drop_steps", "quarantine", "rebuild_next"]))
        words: dict[str, Any] = {"name": f"{kind}-{number}"}
        if kind == "relabel":
            words |= {"field": draw(st.sampled_from(["terminated", "truncated"])), "value": draw(st.booleans())}
        if kind == "shift":
            words |= {"field": draw(st.sampled_from(sorted(STREAMS))), "value": draw(st.sampled_from([-2, -1, 1, 2]))}
        words |= {"episodes": draw(some)} if kind in {"shift", "quarantine"} else {"rows": draw(places)}
        words["columns"] = draw(st.sampled_from([(), ("reward",), ("observation[0]",), ("step",), ("action",)]))
        tasks.append(task(kind, **words))
    return t, tasks


def check_conservation(t: Trajectories, done: Repaired) -> None:
    quarantined = np.isin(t.episode_ids[t.episode_of_row].astype(str), done.quarantined.episode_ids.astype(str))
    places = [done.kept, np.flatnonzero(quarantined), *done.dropped.values()]
    assert sorted(np.concatenate(places).tolist()) == list(range(t.rows))
    assert np.array_equal(done.clean.source_rows, t.source_rows[done.kept])
    assert done.clean.rows == len(done.kept)
    assert len(done.reasons) == len(done.codes) == done.quarantined.episodes


@given(cases())
def test_every_step_is_in_one_place(case: tuple[Trajectories, list[Task]]) -> None:
    t, tasks = case
    before = {name: None if (a := getattr(t, name)) is None else a.copy() for name in PER_ROW}
    done = repair(t, tasks)
    check_conservation(t, done)
    for name, array in before.items():  # what was given stays as it is
        assert array is None or array.tobytes() == getattr(t, name).tobytes()
    assert len(set(done.clean.episode_ids.tolist())) == done.clean.episodes
    again = repair(done.clean, ())
    same(again.clean, done.clean)


@given(cases())
def test_no_transition_jumps_over_what_has_left(case: tuple[Trajectories, list[Task]]) -> None:
    t, tasks = case
    done = repair(t, tasks)
    clean, kept = done.clean, done.kept
    together = np.flatnonzero(clean.episode_of_row[1:] == clean.episode_of_row[:-1])
    jumps = kept[together + 1] != kept[together] + 1
    assert (t.steps[kept[together + 1][jumps]] == t.steps[kept[together][jumps]] + 1).all()
    if t.terminated is None or clean.terminated is None:
        return
    own_end = np.zeros(t.rows, dtype=bool)
    own_end[t.last_rows] = True
    new_ends = clean.last_rows[~own_end[kept[clean.last_rows]]]
    open_ends = new_ends[~clean.terminated[new_ends]]
    if clean.truncated is not None:
        assert clean.truncated[open_ends].all()
    if len(open_ends):  # each has its real final observation
        assert clean.next_observations is not None
        assert np.isfinite(clean.next_observations[open_ends]).all()
        assert clean.has_next is None or clean.has_next[open_ends].all()
