"""From what the checks offer to what is done: proposals, the plan that they make, and the tasks that a plan orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.cleaning.plan import Data, Entry, Id, Plan
from audit.cleaning.repairs import Task
from audit.errors import ConfigError, did_you_mean
from audit.findings import Repair
from audit.result import Result
from rl_data.trajectories import Rows, Trajectories

_OF_EPISODES = ("quarantine", "shift")  # the other kinds are of steps
_LISTED = 40  # episodes that a plan lists; of more it says how many


@dataclass(frozen=True, slots=True)
class Proposal:
    """A repair that a check offers, and what it rests on.

    Attributes:
        id: its name in the plan: code, kind, stream or flag, and the finding's fingerprint.
        repair: as the check says.
        evidence: the finding's message.
        rows: int64, the steps that it names; none where it names episodes.
        episodes: int64, places of the episodes that it touches.
    """

    id: str
    repair: Repair
    evidence: str
    rows: Rows
    episodes: Rows

    def steps(self, t: Trajectories) -> int:
        """Return how many steps it touches."""
        return int(t.lengths[self.episodes].sum()) if self.repair.kind in _OF_EPISODES else len(self.rows)


def propose(result: Result, t: Trajectories) -> tuple[Proposal, ...]:
    """Return the repairs that the checks offer, those that touch nothing left out."""
    messages = {result.fingerprint(finding): finding.message for finding in result.findings}
    proposals: list[Proposal] = []
    taken: set[str] = set()
    places = {str(identity): place for place, identity in enumerate(t.episode_ids.tolist())}
    for outcome in result.outcomes:
        for repair in outcome.repairs:
            rows, named = _touched(repair, t, places)
            if not len(named):
                continue
            fingerprint = repair.fingerprint(result.dataset.id)
            words = (repair.code, repair.kind, repair.field, fingerprint[:12])
            name = "-".join(word for word in words if word)
            name = next(n for n in (name, *(f"{name}-{i}" for i in range(2, 10_000))) if n not in taken)
            taken.add(name)
            proposals.append(Proposal(name, repair, messages.get(fingerprint, ""), rows, named))
    return tuple(proposals)


def _touched(repair: Repair, t: Trajectories, places: Mapping[str, int]) -> tuple[Rows, Rows]:
    """Return the steps (of kinds that name steps) and the places of the episodes that a repair touches."""
    rows = _flat(repair.rows)
    of_rows = np.unique(t.episode_of_row[rows])
    if repair.kind not in _OF_EPISODES:
        return rows, of_rows
    if repair.kind == "shift" and not repair.episodes:
        return rows[:0], np.arange(t.episodes)
    named = [places[name] for name in set(repair.episodes) if name in places]
    return rows[:0], np.union1d(np.array(named, dtype=np.int64), of_rows)


def plan_of(proposals: Sequence[Proposal], t: Trajectories, name: str, sha256: str) -> Plan:
    """Return the plan that makes the safe repairs and offers the others."""
    return Plan(data=Data(name=name, sha256=sha256), repairs=tuple(_entry(proposal, t) for proposal in proposals))


def _entry(proposal: Proposal, t: Trajectories) -> Entry:
    repair = proposal.repair
    ids: list[Id] = t.episode_ids[proposal.episodes].tolist()
    steps = proposal.steps(t)
    return Entry(
        id=proposal.id,
        apply=repair.safe,
        kind=repair.kind,
        what=describe(repair),
        reason=repair.reason,
        evidence=proposal.evidence,
        touches=f"{steps:,} of {t.rows:,} steps in {len(ids):,} of {t.episodes:,} episodes",
        episodes=tuple(ids) if len(ids) <= _LISTED else "all",
    )


def describe(repair: Repair) -> str:
    """Return in a few words what a repair does."""
    if repair.kind == "relabel":
        return f"set `{repair.field}` to {str(repair.value).lower()}"
    if repair.kind == "shift":
        distance = int(repair.value or 0)
        way = "later" if distance > 0 else "earlier"
        steps = "1 step" if abs(distance) == 1 else f"{abs(distance)} steps"
        return f"move each {repair.field} {steps} {way} inside its episode; the edge that has none is dropped"
    return {
        "split": "end the episode behind these steps and begin a new one",
        "drop_steps": "leave these steps out, and cut the episode there",
        "quarantine": "move these episodes to quarantine.parquet",
        "rebuild_next": "take the next observation from the next row",
    }[repair.kind]


def settle(plan: Plan, proposals: Sequence[Proposal], t: Trajectories, where: str) -> tuple[Task, ...]:
    """Return what is to be done, in the order of the plan.

    Raises:
        ConfigError: the plan names a repair, an episode or a step that the data do not have; it is named.
    """
    offered = {proposal.id: proposal for proposal in proposals}
    places = {str(identity): place for place, identity in enumerate(t.episode_ids.tolist())}
    tasks = []
    seen: set[str] = set()
    for number, entry in enumerate(plan.repairs, 1):
        if entry.id is None:
            if entry.apply:
                tasks.append(_manual(entry, number, t, places, where))
            continue
        if entry.id in seen:
            raise ConfigError(f"{where}: the repair {entry.id} is in the plan twice")
        seen.add(entry.id)
        proposal = offered.get(entry.id)
        if proposal is None or proposal.repair.kind != entry.kind:
            known = [name for name, one in offered.items() if one.repair.kind == entry.kind]
            raise ConfigError(
                f"{where}: the data do not (or no longer) have the repair {entry.id} ({entry.kind})"
                f"{did_you_mean(entry.id, known)}; take it out of the plan, or make a new one without --plan"
            )
        if entry.apply:
            tasks.append(_task(entry, proposal, t, places, where))
    return tuple(tasks)


def left_out(plan: Plan, proposals: Sequence[Proposal]) -> tuple[str, ...]:
    """Return the ids of repairs that the plan does not name: they are not made."""
    named = {entry.id for entry in plan.repairs}
    return tuple(proposal.id for proposal in proposals if proposal.id not in named)


def _task(entry: Entry, proposal: Proposal, t: Trajectories, places: Mapping[str, int], where: str) -> Task:
    repair = proposal.repair
    rows, episodes = proposal.rows, proposal.episodes
    if entry.episodes != "all":
        wanted = _places(entry, places, where)
        strange = np.setdiff1d(wanted, episodes)
        if len(strange):
            raise ConfigError(
                f"{where}: the repair {entry.id} does not touch episode {t.episode_ids[strange[0]]}; it can be limited "
                "to some of its own episodes only"
            )
        rows, episodes = rows[np.isin(t.episode_of_row[rows], wanted)], wanted
    return Task(
        id=proposal.id,
        code=repair.code,
        kind=repair.kind,
        reason=repair.reason,
        columns=repair.columns,
        rows=rows,
        episodes=episodes if repair.kind in _OF_EPISODES else episodes[:0],
        field=repair.field,
        value=repair.value,
    )


def _manual(entry: Entry, number: int, t: Trajectories, places: Mapping[str, int], where: str) -> Task:
    rows = np.zeros(0, dtype=np.int64)
    episodes = np.arange(t.episodes) if entry.episodes == "all" else _places(entry, places, where)
    if entry.steps is not None:
        rows = np.unique(np.concatenate([_steps(e, s, t, places, where) for e, s in entry.steps.items()]))
        episodes = episodes[:0]
    return Task(
        id=f"manual-{number}-{entry.kind}",
        code="manual",
        kind=entry.kind,
        reason=entry.reason,
        columns=(),
        rows=rows,
        episodes=episodes,
        field=entry.field,
        value=entry.value,
    )


def _places(entry: Entry, places: Mapping[str, int], where: str) -> NDArray[np.int64]:
    for identity in entry.episodes:
        _place(identity, places, where)
    return np.array(sorted({places[str(identity)] for identity in entry.episodes}), dtype=np.int64)


def _place(identity: Id, places: Mapping[str, int], where: str) -> int:
    if str(identity) not in places:
        raise ConfigError(f"{where}: the data have no episode {identity}{did_you_mean(str(identity), places)}")
    return places[str(identity)]


def _steps(
    identity: Id, steps: str | tuple[int, ...], t: Trajectories, places: Mapping[str, int], where: str
) -> NDArray[np.int64]:
    place = _place(identity, places, where)
    rows = np.arange(t.offsets[place], t.offsets[place + 1])
    if steps == "all":
        return rows
    if steps == "last":
        return rows[-1:]
    numbers = t.steps[rows]
    for step in steps:
        if step not in numbers:
            raise ConfigError(
                f"{where}: episode {identity} has no step {step}; its steps are {numbers.min()} to {numbers.max()}"
            )
    return rows[np.isin(numbers, np.array(steps))]


def _flat(spans: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    if not spans:
        return np.zeros(0, dtype=np.int64)
    edges = np.array(spans, dtype=np.int64)
    lengths = edges[:, 1] - edges[:, 0]
    offsets = np.cumsum(lengths) - lengths
    return np.asarray(np.repeat(edges[:, 0] - offsets, lengths) + np.arange(int(lengths.sum())))
