"""The trajectory checks of completeness on recorded CartPole and Pendulum, clean and with planted defects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.checks import check_by_code
from audit.findings import Outcome, Repair, Severity, Status
from audit.testing import audit_episodes
from rl_data.corrupt import inject
from rl_data.record import record
from rl_data.trajectories import Trajectories

pytest.importorskip("gymnasium")

CODES = ("COM101", "COM102", "COM103", "COM104", "COM105")


@pytest.fixture(scope="module")
def cartpole() -> Trajectories:
    return record("CartPole-v1", steps=8_000, parallel=4, seed=3)


@pytest.fixture(scope="module")
def pendulum() -> Trajectories:
    return record("Pendulum-v1", episodes=20, seed=3)


def found(code: str, t: Trajectories, **options: Any) -> Outcome:
    outcome = audit_episodes(check_by_code(code)(**options), t)
    assert outcome.status is not Status.ERROR, outcome.reason
    return outcome


def marked(repairs: list[Repair], rows: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros(rows, dtype=bool)
    for repair in repairs:
        for start, stop in repair.rows:
            mask[start:stop] = True
    return mask


def repairs_of(outcome: Outcome, kind: str, *, safe: bool | None = None) -> list[Repair]:
    return [r for r in outcome.repairs if r.kind == kind and (safe is None or r.safe == safe)]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", ["cartpole", "pendulum"])
def test_clean_data_have_no_finding_and_no_repair(code: str, name: str, request: pytest.FixtureRequest) -> None:
    outcome = found(code, request.getfixturevalue(name))
    assert [f.message for f in outcome.findings if f.severity > Severity.INFO] == []
    assert outcome.repairs == ()


@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0])
def test_lost_terminals_are_set_again_byte_by_byte(cartpole: Trajectories, rate: float) -> None:
    made = inject("term_all_zero", cartpole, rate=rate, seed=0)
    outcome = found("COM102", made.trajectories)
    (repair,) = outcome.repairs
    assert (repair.kind, repair.field, repair.value, repair.safe) == ("relabel", "terminated", True, True)
    assert made.trajectories.terminated is not None
    assert (made.trajectories.terminated | marked([repair], cartpole.rows) == cartpole.terminated).all()


def test_without_a_declared_limit_lost_terminals_are_only_proposed(cartpole: Trajectories) -> None:
    made = inject("term_all_zero", cartpole, rate=1.0, seed=0)
    outcome = found("COM102", replace(made.trajectories, step_limit=None))
    assert outcome.status is Status.FAIL
    assert [r.safe for r in outcome.repairs] == [False]


def test_lost_timeouts_are_truncated_where_the_limit_says_so(pendulum: Trajectories) -> None:
    nothing = np.zeros(pendulum.rows, dtype=bool)
    outcome = found("COM102", replace(pendulum, truncated=nothing))
    (repair,) = outcome.repairs
    assert (repair.field, repair.safe) == ("truncated", True)
    assert (marked([repair], pendulum.rows) == pendulum.truncated).all()
    # without a limit a clock is the better guess than the task, since last observations are like all others
    unknown = found("COM102", replace(pendulum, truncated=nothing, step_limit=None))
    assert {(r.field, r.safe) for r in unknown.repairs if r.statistic == "lost_flag_share"} == {("truncated", False)}


def test_the_last_episode_is_cut_off_or_lost_its_flag_as_its_last_observation_says(cartpole: Trajectories) -> None:
    whole = cartpole.take(np.arange(cartpole.episodes - 1))
    assert whole.terminated is not None
    lost = whole.terminated.copy()
    lost[whole.last_rows[-40:]] = False
    assert {r.field for r in found("COM102", replace(whole, terminated=lost)).repairs} == {"terminated"}
    nothing = np.zeros(cartpole.rows, dtype=bool)
    cut = found("COM102", replace(cartpole, truncated=nothing))
    (repair,) = cut.repairs
    assert (repair.field, repair.safe, repair.rows) == ("truncated", True, ((cartpole.rows - 1, cartpole.rows),))


@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0])
def test_timeouts_stored_as_terminals_are_turned_back(pendulum: Trajectories, rate: float) -> None:
    made = inject("timeout_as_terminal", pendulum, rate=rate, seed=0)
    outcome = found("COM102", made.trajectories)
    assert {(r.field, r.value, r.safe) for r in outcome.repairs} == {
        ("terminated", False, True),
        ("truncated", True, True),
    }
    assert (marked(list(outcome.repairs), pendulum.rows) == made.steps).all()


def test_an_early_flag_proposes_a_split(cartpole: Trajectories) -> None:
    assert cartpole.terminated is not None
    early = cartpole.terminated.copy()
    early[5] = True
    outcome = found("COM102", replace(cartpole, terminated=early))
    assert outcome.status is Status.WARN
    (repair,) = outcome.repairs
    assert (repair.kind, repair.rows, repair.safe) == ("split", ((5, 6),), False)


def test_sets_with_one_end_flag_or_none_are_not_judged(cartpole: Trajectories) -> None:
    ended = replace(cartpole, terminated=None, truncated=None, ended=cartpole.terminated)
    assert "not how" in found("COM102", ended).reason
    assert found("COM102", replace(ended, ended=None)).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize("rate", [0.1, 0.3])
@pytest.mark.parametrize("name", ["cartpole", "pendulum"])
def test_filled_observations_are_found_step_by_step(name: str, rate: float, request: pytest.FixtureRequest) -> None:
    t = request.getfixturevalue(name)
    made = inject("nan_to_zero", t, rate=rate, seed=1)
    outcome = found("COM103", made.trajectories)
    steps = marked(repairs_of(outcome, "drop_steps", safe=False), t.rows)
    assert (steps == made.steps).all()
    assert outcome.status is Status.FAIL


def test_a_filled_entry_is_named(cartpole: Trajectories) -> None:
    observations = cartpole.observations.copy()
    observations[::7, 2] = 0.0
    outcome = found("COM103", replace(cartpole, observations=observations))
    (finding,) = outcome.findings
    assert "observation[2]" in finding.message
    assert finding.affected == len(observations[::7])


def test_isolated_nan_are_dropped_and_runs_of_them_only_on_request(cartpole: Trajectories) -> None:
    for rows, safe in (([100, 200], True), (list(range(100, 110)), False)):
        observations = cartpole.observations.copy()
        observations[rows, 1] = np.nan
        (repair,) = found("COM103", replace(cartpole, observations=observations)).repairs
        assert (repair.kind, repair.steps, repair.safe) == ("drop_steps", len(rows), safe)


def test_a_sentinel_is_out_of_all_proportion_and_an_outlier_is_not(cartpole: Trajectories) -> None:
    for value, expected in ((1e4, []), (3e38, ["huge_share"])):
        observations = cartpole.observations.copy()
        observations[50, 0] = value
        outcome = found("COM103", replace(cartpole, observations=observations))
        assert [f.statistic for f in outcome.findings] == expected


@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("name", ["cartpole", "pendulum"])
def test_joined_episodes_are_found_at_their_seams(name: str, rate: float, request: pytest.FixtureRequest) -> None:
    t = request.getfixturevalue(name)
    made = inject("boundary_merge", t, rate=rate, seed=2)
    outcome = found("COM104", made.trajectories)
    seams = marked(repairs_of(outcome, "split"), t.rows)
    assert (seams & made.steps).sum() >= 0.95 * made.steps.sum()
    assert (seams & made.steps).sum() >= 0.9 * seams.sum()
    assert repairs_of(outcome, "split", safe=True) == []


def test_a_next_observation_that_goes_on_proves_the_seam(cartpole: Trajectories) -> None:
    whole = with_next(cartpole)
    made = inject("boundary_merge", cartpole, rate=0.3, seed=2)
    t = replace(made.trajectories, next_observations=whole.next_observations, has_next=whole.has_next)
    outcome = found("COM104", t)
    assert (marked(repairs_of(outcome, "split", safe=True), t.rows) == made.steps).all()


@pytest.mark.parametrize("defect", ["shuffled", "interleaved", "obs_units", "frozen_sensor", "foreign_policy"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_other_defects_are_not_taken_for_joins(cartpole: Trajectories, defect: str, everywhere: bool) -> None:
    t = with_next(cartpole) if everywhere else cartpole
    made = inject(defect, t, rate=0.1, seed=0)
    outcome = found("COM104", made.trajectories)
    assert marked(repairs_of(outcome, "split"), made.trajectories.rows).mean() < 0.001
    if everywhere and defect in {"shuffled", "interleaved"}:  # the next observations tell which episodes
        (repair,) = repairs_of(outcome, "quarantine")
        bad = {str(name) for name in made.trajectories.episode_ids[made.episodes].tolist()}
        assert set(repair.episodes) <= bad
        assert len(repair.episodes) >= 0.9 * len(bad)


@pytest.mark.parametrize("name", ["cartpole", "pendulum"])
def test_copies_are_rebuilt_byte_by_byte(name: str, request: pytest.FixtureRequest) -> None:
    t = request.getfixturevalue(name)
    made = inject("next_observation_copied", t, rate=0.3, seed=0)
    outcome = found("COM104", made.trajectories)
    (repair,) = outcome.repairs
    assert (repair.kind, repair.safe) == ("rebuild_next", True)
    steps = marked([repair], t.rows)
    assert (steps == made.steps).all()
    next_observations = made.trajectories.next_observations
    assert next_observations is not None
    assert made.clean.next_observations is not None
    rebuilt = next_observations.copy()
    rebuilt[steps] = t.observations[np.flatnonzero(steps) + 1]
    assert np.array_equal(rebuilt, made.clean.next_observations)


def test_copies_and_leaks_on_last_steps_go_where_the_episode_terminated(cartpole: Trajectories) -> None:
    t = with_next(cartpole)
    last = t.last_rows[:-1]
    for other, statistic in ((t.observations[last], "copied_share"), (t.observations[last + 1], "leaked_share")):
        assert t.next_observations is not None
        following = t.next_observations.copy()
        following[last] = other
        outcome = found("COM104", replace(t, next_observations=following))
        assert [f.statistic for f in outcome.findings] == [statistic]
        (repair,) = outcome.repairs
        assert (repair.kind, repair.safe, repair.steps) == ("rebuild_next", True, len(last))


@pytest.mark.parametrize("defect", ["final_observation_copied", "final_observation_leaked"])
def test_on_truncated_episodes_the_last_step_is_to_be_dropped_on_request(pendulum: Trajectories, defect: str) -> None:
    made = inject(defect, pendulum, rate=0.3, seed=0)
    outcome = found("COM104", made.trajectories)
    assert outcome.status is Status.FAIL
    assert (marked(repairs_of(outcome, "drop_steps", safe=False), pendulum.rows) == made.steps).all()


def with_next(t: Trajectories) -> Trajectories:
    assert t.next_observations is not None
    following = t.next_observations.copy()
    inside = np.ones(t.rows, dtype=bool)
    inside[t.last_rows] = False
    following[inside] = t.observations[np.flatnonzero(inside) + 1]
    return replace(t, next_observations=following, has_next=np.ones(t.rows, dtype=bool))


def declare(t: Trajectories, **declared: Any) -> Trajectories:
    return replace(t, provenance=replace(t.provenance, declared=declared))


def lengths_of(t: Trajectories) -> dict[int, int]:
    return dict(enumerate(t.lengths.tolist()))


@pytest.mark.parametrize(
    ("change", "statistic"),
    [
        (lambda t: declare(t, total_episodes=t.episodes + 4), "total_episodes_contradicted"),
        (lambda t: declare(t, total_steps=t.rows + 500), "total_steps_contradicted"),
        (lambda t: declare(t, lengths={**lengths_of(t), 3: 5_000}), "lengths_contradicted"),
        (lambda t: declare(t, splits={"train": f"0:{t.episodes + 30}"}), "splits_contradicted"),
        (lambda t: replace(t, step_limit=20), "step_limit_contradicted"),
        (lambda t: replace(t, actions=np.where(t.steps == 1, 2, t.actions)), "action_space_contradicted"),
        (lambda t: replace(t, observations=t.observations * np.float32(20)), "observation_space_contradicted"),
        (lambda t: replace(t, infos={"index": np.zeros(t.rows, dtype=np.int64)}), "index_contradicted"),
        (
            lambda t: declare(
                t,
                first_index={i: int(n) for i, n in enumerate(t.offsets[:-1])},
                end_index={i: int(n) + (i == 2) for i, n in enumerate(t.offsets[1:])},
            ),
            "episode_spans_contradicted",
        ),
    ],
)
def test_each_declared_thing_is_compared(
    cartpole: Trajectories, change: Callable[[Trajectories], Trajectories], statistic: str
) -> None:
    outcome = found("COM105", change(cartpole))
    assert [f.statistic for f in outcome.findings] == [statistic]
    assert outcome.status in {Status.WARN, Status.FAIL}


def test_true_declarations_pass(cartpole: Trajectories) -> None:
    t = declare(
        replace(cartpole, infos={"index": np.arange(cartpole.rows)}),
        total_episodes=cartpole.episodes,
        total_steps=cartpole.rows,
        lengths=lengths_of(cartpole),
        splits={"train": f"0:{cartpole.episodes}"},
        first_index=dict(enumerate(cartpole.offsets[:-1].tolist())),
        end_index=dict(enumerate(cartpole.offsets[1:].tolist())),
    )
    outcome = found("COM105", t)
    assert outcome.findings == ()
    assert len(outcome.measurements) == 9


def test_what_could_not_be_read_is_a_finding_each(cartpole: Trajectories) -> None:
    problems = (("episode 3", "a git-lfs pointer, not the data itself; run `git lfs pull`"), ("file 7", "damaged"))
    outcome = found("COM105", replace(cartpole, provenance=replace(cartpole.provenance, problems=problems)))
    assert [f.message for f in outcome.findings] == [f"{where}: {what}" for where, what in problems]
    assert len({f.fingerprint("") for f in outcome.findings}) == 2


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("data", ["g1_lerobot", "imitation_cartpole/rollouts.npz"])
def test_real_data_have_no_absurd_finding(code: str, data: str, repository: Path) -> None:
    path = repository.parent / "shared" / "data" / data
    if not path.exists():
        pytest.skip(f"the real data {data} are not here")
    from rl_data import formats

    outcome = found(code, formats.read(path))
    assert [f.message for f in outcome.findings if f.severity > Severity.INFO] == []
    assert outcome.repairs == ()


def test_the_numbers_of_an_episode_with_gaps_are_compared_with_the_limit(pendulum: Trajectories) -> None:
    keep = ~((pendulum.steps >= 50) & (pendulum.steps < 60))
    rows = np.flatnonzero(keep)
    whole = pendulum.take(np.arange(pendulum.episodes))
    lengths = whole.lengths - 10
    t = replace(
        whole,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        **{name: getattr(whole, name)[rows] for name in ("steps", "observations", "actions", "rewards", "source_rows")},
        **{name: getattr(whole, name)[rows] for name in ("terminated", "truncated", "next_observations", "has_next")},
        behaviour_log_prob=None, policy_ids=None,
    )  # fmt: skip
    outcome = found("COM101", t)
    (finding,) = outcome.findings
    assert "with these, 20 of them would have the declared 200 steps" in finding.message
    (repair,) = outcome.repairs
    assert (repair.kind, repair.safe, repair.steps) == ("split", True, 20)
