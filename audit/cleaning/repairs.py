"""Typed repairs over the arrays of trajectories.

The order is fixed, whatever the order of the plan:

1. Quarantine decides which episodes leave. They leave as they were read: nothing else is done to them.
2. Values: flags are relabelled, then streams shifted, then next observations rebuilt. No step moves.
3. Steps leave: those at the edge of a shift (but terminated ones whose action the dynamics tell), those that are to be
   dropped, and the last step before a split where its next observation is not known. Episodes are cut at splits and
   where a dropped step leaves a gap.

Every step ends up in exactly one place: clean, quarantined, or dropped by name. Where two repairs want different things
the rules are: quarantine wins over all; of two labels for one flag the later in the plan wins (what people add comes
last); of two shifts of one stream the first wins; a step that several repairs drop has the name of the first. Each such
case is told.

Episodes that are cut get ids of their own, `17.1`, `17.2`; then all ids become text. Their steps are numbered anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.cleaning.cutting import Cuts, cut_episodes
from audit.cleaning.edge_actions import told_by_dynamics
from audit.findings import RepairKind
from rl_data.trajectories import Flags, Rows, Trajectories

STREAMS: Mapping[str, str] = {
    "reward": "rewards",
    "action": "actions",
    "observation": "observations",
    "terminated": "terminated",
    "truncated": "truncated",
}
"""The array of each stream that can be shifted."""

_OTHER_STREAMS = frozenset(
    {"reward", "action", "terminated", "truncated", "ended", "timestamp", "next_observation", "weight", "policy_id"}
)


@dataclass(frozen=True, slots=True)
class Task:
    """A repair that is to be made, in places of the arrays.

    Attributes:
        id: its name in the plan.
        code: of the check, or "manual".
        kind, reason, field, value: as in `audit.findings.Repair`.
        columns: what it is about.
        rows: int64, places of steps.
        episodes: int64, places of episodes.
    """

    id: str
    code: str
    kind: RepairKind
    reason: str
    columns: tuple[str, ...]
    rows: Rows
    episodes: Rows
    field: str = ""
    value: bool | int | None = None


@dataclass(slots=True)
class Effect:
    """What one repair did.

    Attributes:
        changed: steps with another value.
        dropped: steps that left by its name.
        quarantined: steps that it put into quarantine.
        cut: places where it cut an episode.
        notes: what it did not do, and why.
    """

    changed: int = 0
    dropped: int = 0
    quarantined: int = 0
    cut: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether everything is as it was."""
        return not (self.changed or self.dropped or self.quarantined or self.cut)


@dataclass(frozen=True, slots=True)
class Repaired:
    """Trajectories after their repair.

    Attributes:
        clean: what is left.
        quarantined: whole episodes as they were read.
        reasons: of each quarantined episode.
        codes: of the checks (or `manual`) that put it there, joined by commas.
        kept: int64, the place in the source of each step of `clean`.
        dropped: places of dropped steps by name.
        effects: by the id of the task.
    """

    clean: Trajectories
    quarantined: Trajectories
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    kept: Rows
    dropped: Mapping[str, Rows]
    effects: Mapping[str, Effect]


def repair(t: Trajectories, tasks: Sequence[Task]) -> Repaired:
    """Return the trajectories with all tasks done; the arrays of `t` stay as they are."""
    effects = {task.id: Effect() for task in tasks}
    leaving, reasons, codes = _quarantine(t, tasks, effects)
    tasks = [_spare_quarantined(task, t, leaving, effects[task.id]) for task in tasks if task.kind != "quarantine"]
    changes: dict[str, Any] = {}
    _relabel(t, tasks, changes, effects)
    cuts = Cuts.none(t.rows)
    for task in tasks:
        if task.kind == "split":
            cuts.split(task.rows, task.id)
    moved = _shift(t, tasks, changes, cuts, effects)
    _rebuild(replace(t, **changes), tasks, changes, effects)
    for task in tasks:
        if task.kind == "drop_steps":
            rows = _following_the_shift(task, moved)
            if task.field == "next_observation":  # behind a split nothing follows that could be wrong
                rows = rows[~cuts.after[rows]]
            cuts.drop(rows, task.id, trusted=_observation_is_right(task))
    clean, kept = cut_episodes(replace(t, **changes) if changes else t, cuts, leaving)
    dropped = {name: rows for name, rows in cuts.dropped().items() if len(rows)}
    for name, rows in dropped.items():
        effects[name.partition(": ")[0]].dropped += len(rows)
    for name, count in cuts.cut_by.items():
        effects[name].cut = count
    quarantined = t.take(np.flatnonzero(leaving))
    total = len(kept) + quarantined.rows + sum(map(len, dropped.values()))
    assert total == t.rows, f"{t.rows} steps went in, {total} came out"
    return Repaired(clean, quarantined, reasons, codes, kept, dropped, effects)


def _quarantine(
    t: Trajectories, tasks: Sequence[Task], effects: Mapping[str, Effect]
) -> tuple[Flags, tuple[str, ...], tuple[str, ...]]:
    leaving = np.zeros(t.episodes, dtype=bool)
    reasons: dict[int, list[str]] = {}
    codes: dict[int, list[str]] = {}
    for task in tasks:
        if task.kind != "quarantine":
            continue
        again = int(leaving[task.episodes].sum())
        if again:
            effects[task.id].notes.append(f"{_episodes(again)} in quarantine already")
        new = task.episodes[~leaving[task.episodes]]
        effects[task.id].quarantined = int(t.lengths[new].sum())
        leaving[task.episodes] = True
        for place in task.episodes.tolist():
            reasons.setdefault(place, []).append(task.reason)
            if task.code not in codes.setdefault(place, []):
                codes[place].append(task.code)
    places = np.flatnonzero(leaving).tolist()
    return (
        leaving,
        tuple("; ".join(dict.fromkeys(reasons[place])) for place in places),
        tuple(",".join(codes[place]) for place in places),
    )


def _spare_quarantined(task: Task, t: Trajectories, leaving: Flags, effect: Effect) -> Task:
    """Return a task without the steps and episodes in quarantine, which stay as they were read."""
    if not leaving.any():
        return task
    rows = task.rows[~leaving[t.episode_of_row[task.rows]]]
    episodes = task.episodes[~leaving[task.episodes]]
    if len(rows) < len(task.rows):
        effect.notes.append(f"{len(task.rows) - len(rows):,} steps lie in quarantined episodes and stay as they were")
    if len(episodes) < len(task.episodes):
        effect.notes.append(f"{_episodes(len(task.episodes) - len(episodes))} in quarantine and stay as they were")
    return replace(task, rows=rows, episodes=episodes)


def _relabel(t: Trajectories, tasks: Sequence[Task], changes: dict[str, Any], effects: Mapping[str, Effect]) -> None:
    labelled: dict[str, NDArray[np.int8]] = {}
    for task in tasks:
        if task.kind != "relabel":
            continue
        effect, name = effects[task.id], task.field
        if name not in changes:
            known = getattr(t, name)
            if known is None:
                effect.notes.append(f"the source does not say `{name}`: it is false in all other steps")
            changes[name] = np.zeros(t.rows, dtype=bool) if known is None else known.copy()
        seen = labelled.setdefault(name, np.full(t.rows, -1, dtype=np.int8))
        other = (seen[task.rows] >= 0) & (seen[task.rows] != int(bool(task.value)))
        if other.any():
            effect.notes.append(f"{int(other.sum()):,} steps had another label from an earlier repair; this one counts")
        effect.changed = int((changes[name][task.rows] != task.value).sum())
        changes[name][task.rows] = task.value
        seen[task.rows] = int(bool(task.value))
    for name in labelled:
        if np.array_equal(changes[name], getattr(t, name)):
            del changes[name]


def _shift(
    t: Trajectories, tasks: Sequence[Task], changes: dict[str, Any], cuts: Cuts, effects: Mapping[str, Effect]
) -> dict[str, Rows]:
    """Move streams inside episodes (inside their parts, where they are split) and mark the edges as dropped.

    Returns:
        By stream, int64[N]: the step that each step's value belongs to; -1 where that is none.
    """
    moved: dict[str, Rows] = {}
    shifts = [task for task in tasks if task.kind == "shift"]
    if not shifts:
        return moved
    starts = np.zeros(t.rows, dtype=bool)
    starts[t.offsets[:-1][t.lengths > 0]] = True
    starts[1:] |= cuts.after[:-1]
    first = np.flatnonzero(starts)
    lengths = np.diff(np.append(first, t.rows))
    place = np.arange(t.rows) - np.repeat(first, lengths)
    left = np.repeat(lengths, lengths) - 1 - place
    shifted: dict[str, Flags] = {}
    for task in shifts:
        distance, effect = int(task.value or 0), effects[task.id]
        done = shifted.setdefault(task.field, np.zeros(t.episodes, dtype=bool))
        again = int(done[task.episodes].sum())
        if again:
            effect.notes.append(f"{_episodes(again)} shifted by an earlier repair already")
        chosen = np.zeros(t.episodes, dtype=bool)
        chosen[task.episodes] = True
        inside = np.repeat(chosen & ~done, t.lengths)
        done |= chosen
        if not distance or not inside.any():
            continue
        fed = inside & (place >= distance if distance > 0 else left >= -distance)
        rows = np.flatnonzero(fed)
        for name in _moving_together(t, task.field):
            values = changes.get(name, getattr(t, name))
            if values is not None:
                changes[name] = values.copy()
                changes[name][rows] = values[rows - distance]
        target = moved.setdefault(task.field, np.arange(t.rows))
        target[inside] = -1
        target[rows - distance] = rows
        edge = inside & ~fed
        if task.field == "action" and t.terminated is not None:
            edge &= ~_tell_edge(t, changes, fed, edge & changes.get("terminated", t.terminated), effect)
        effect.changed += len(rows)
        cuts.drop(np.flatnonzero(edge), task.id, trusted=task.field != "observation", edge=True)
    return moved


def _tell_edge(t: Trajectories, changes: dict[str, Any], known: Flags, edge: Flags, effect: Effect) -> Flags:
    """Give terminated steps at the edge the action that the dynamics tell; return which have one now, bool[N]."""
    actions = changes["actions"]
    told = told_by_dynamics(replace(t, **changes), actions, known, edge)
    actions[told.rows] = told.actions
    done = np.zeros(t.rows, dtype=bool)
    done[told.rows] = True
    if len(told.rows):
        effect.changed += len(told.rows)
        effect.notes.append(
            f"{len(told.rows):,} actions of terminated steps are not recorded; the dynamics tell them, as they do "
            f"known ones: {told.words}"
        )
    return done


def _moving_together(t: Trajectories, stream: str) -> tuple[str, ...]:
    """Return the arrays of a stream: next observations move with observations where they were made of them."""
    if stream != "observation" or t.next_observations is None or t.rows < 2:
        return (STREAMS[stream],)
    inside = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next.copy()
    inside[t.last_rows] = False
    inside[-1] = False
    rows = np.flatnonzero(inside)
    same = (t.next_observations[rows] == t.observations[rows + 1]).all(axis=1)
    together = len(rows) == 0 or bool(same.mean() > 0.5)
    return ("observations", "next_observations", "has_next") if together else ("observations",)


def _following_the_shift(task: Task, moved: Mapping[str, Rows]) -> Rows:
    """Return the steps to drop: where they are about one stream alone, and that was shifted, they move with it."""
    for stream, target in moved.items():
        if task.columns and all(column.split("[")[0].split(".")[0] == stream for column in task.columns):
            places = target[task.rows]
            return places[places >= 0]
    return task.rows


def _rebuild(t: Trajectories, tasks: Sequence[Task], changes: dict[str, Any], effects: Mapping[str, Effect]) -> None:
    """Take next observations from the next row; there is none at the end of an episode and before a gap."""
    rows = [task.rows for task in tasks if task.kind == "rebuild_next"]
    if not rows:
        return
    linked = t.linked
    if t.next_observations is None:
        for task in tasks:
            if task.kind == "rebuild_next":
                effects[task.id].notes.append("the data have no next observations: each is the next row's observation")
        return
    following = t.next_observations.copy()
    given = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next.copy()
    for task in tasks:
        if task.kind != "rebuild_next":
            continue
        inner, ends = task.rows[linked[task.rows]], task.rows[~linked[task.rows]]
        after = t.observations[inner + 1]
        same = (following[inner] == after) | (np.isnan(following[inner]) & np.isnan(after))
        effects[task.id].changed = int((~(same.all(axis=1) & given[inner])).sum()) + int(given[ends].sum())
        following[inner], following[ends] = after, np.nan
        given[inner], given[ends] = True, False
    changes["next_observations"] = following
    changes["has_next"] = None if t.has_next is None and given.all() else given


def _observation_is_right(task: Task) -> bool:
    """Whether steps are dropped for other reasons than their observation, which then still ends the step before."""
    if task.field == "next_observation":
        return True
    return bool(task.columns) and all(column.split("[")[0] in _OTHER_STREAMS for column in task.columns)


def _episodes(count: int) -> str:
    return "1 episode is" if count == 1 else f"{count:,} episodes are"
