"""Defects of whole episodes: disordered, mixed, foreign, doubled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.corrupt._base import (
    Corrupted,
    Random,
    Undo,
    choose,
    edited,
    gathered,
    injector,
    last_of,
    mask,
    new_ids,
    period,
    require,
    rows_of,
)  # fmt: skip
from rl_data.trajectories import PER_ROW, Flags, Rows, Trajectories

_LEAVE_OUT = "leave the episodes out"


@injector(
    "shuffled",
    unit="episodes",
    imitates="the steps of an episode in random order, numbered as if nothing had happened",
    evidence="Minari PR#352 (threaded writes can reorder steps)",
    why="no transition leads from one row to the next",
)
def shuffled(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Permute the steps inside a share of the episodes; flags and the final observation stay at the end."""
    name = "shuffled"
    long = t.lengths > 2
    require(long.any(), name, "no episode has three steps")
    source = np.arange(t.rows)
    for episode in choose(long, rate, t.episodes, random).tolist():
        span = slice(t.offsets[episode], t.offsets[episode + 1])
        source[span] = random.permutation(source[span])
        if (np.diff(source[span]) > 0).all():  # by chance in order
            source[span] = source[span][::-1]
    steps = source != np.arange(t.rows)
    involved = rows_of(t, np.unique(t.episode_of_row[steps]))
    moved = ("observations", "actions", "rewards", "behaviour_log_prob", "policy_ids", "weights")
    changes: dict[str, Any] = {k: None if (array := getattr(t, k)) is None else array[source] for k in moved}
    if t.next_observations is not None:
        # a step that is not the last one takes its next observation, if it had one, along; the end keeps the final one
        given = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next
        keep = last_of(t) | last_of(t)[source]
        places = np.where(keep, np.arange(t.rows), source)
        changes |= {"next_observations": t.next_observations[places], "has_next": given[places]}
    changes["infos"] = {k: array[source] for k, array in t.infos.items()}
    undo = Undo("quarantine", f"{_LEAVE_OUT}; only the recorder knows the order")
    made = edited(name, t, steps, undo, involved=involved, **changes)
    return replace(made, rows=source)


@injector(
    "interleaved",
    unit="episodes",
    imitates="two writers to one file: the steps of two episodes alternate in one",
    evidence="molmoact#25 (about 5% of the episodes)",
    why="every second row continues the row before the last one",
)
def interleaved(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Merge pairs of episodes, a share of all, step by step into one episode each."""
    name = "interleaved"
    long = t.lengths > 1
    require(long.sum() > 1, name, "there are no two episodes with two steps")
    chosen = random.permutation(choose(long, max(rate, 2.0 / t.episodes), t.episodes, random))
    pairs = {int(min(a, b)): int(max(a, b)) for a, b in zip(chosen[0::2], chosen[1::2], strict=False)}
    swallowed = set(pairs.values())
    rows, lengths, wrong, kept = [], [], [], []
    for episode in range(t.episodes):
        if episode in swallowed:
            continue
        own = np.arange(t.offsets[episode], t.offsets[episode + 1])
        bad = np.zeros(len(own), dtype=bool)
        if episode in pairs:
            own, bad = _alternating(t, episode, pairs[episode])
        rows.append(own)
        wrong.append(bad)
        lengths.append(len(own))
        kept.append(episode)
    source, steps = np.concatenate(rows), np.concatenate(wrong)
    changed = gathered(t, source, np.array(lengths), t.episode_ids[kept])
    changed = _without_inner_ends(changed)
    episodes = np.isin(kept, list(pairs))
    involved = np.repeat(episodes, changed.lengths)
    undo = Undo("quarantine", f"{_LEAVE_OUT}; or take them apart where both chains are clear")
    return Corrupted(name, changed, steps, involved, episodes, source, t, undo)


def _alternating(t: Trajectories, a: int, b: int) -> tuple[Rows, Flags]:
    one, other = (np.arange(t.offsets[e], t.offsets[e + 1]) for e in (a, b))
    both = min(len(one), len(other))
    mixed = np.column_stack([one[:both], other[:both]]).ravel()
    rest = np.concatenate([one[both:], other[both:]])
    return np.concatenate([mixed, rest]), np.arange(len(mixed) + len(rest)) < len(mixed)


def _without_inner_ends(t: Trajectories) -> Trajectories:
    """Return the set with flags and final observations at the last steps of episodes only."""
    last = last_of(t)
    flags = ("terminated", "truncated", "ended")
    changes: dict[str, Any] = {f: None if (array := getattr(t, f)) is None else array & last for f in flags}
    if t.has_next is not None and not t.has_next.all():
        changes["has_next"] = t.has_next & last
    return replace(t, **changes)


@injector(
    "foreign_episodes",
    unit="episodes",
    imitates="episodes of another system in the same set: recorded at half the control rate",
    evidence="mixed recorders; lerobot#933, #1875 (rates that differ from what is declared)",
    why="the observation moves twice as far in a step as elsewhere",
)
def foreign_episodes(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Keep every second step in a share of the episodes; the end of the episode stays."""
    name = "foreign_episodes"
    long = t.lengths >= 4
    require(long.any(), name, "no episode has four steps")
    chosen = choose(long, rate, t.episodes, random)
    inside = rows_of(t, chosen)
    place = np.arange(t.rows) - np.repeat(t.offsets[:-1], t.lengths)
    left = np.repeat(t.lengths, t.lengths) - place  # steps to the end, with this one
    keep = ~inside | (left % 2 == 0)
    source = np.flatnonzero(keep)
    lengths = np.where(mask(t.episodes, chosen), t.lengths // 2, t.lengths)
    # the last step that is kept stands for the two last ones: it has their end and their final observation
    end = np.where(inside[source] & (left[source] == 2), source + 1, source)
    at_the_end = {
        f: None if (array := getattr(t, f)) is None else array[end]
        for f in ("terminated", "truncated", "ended", "next_observations", "has_next")
    }
    if t.next_observations is not None and (t.has_next is None or t.has_next.all()):
        at_the_end["next_observations"] = t.next_observations[np.where(inside[source], source + 1, source)]
    changed = gathered(t, source, lengths, t.episode_ids, **at_the_end)
    steps = inside[source]
    undo = Undo("quarantine", _LEAVE_OUT)
    return Corrupted(name, changed, steps, steps, mask(t.episodes, chosen), source, t, undo)


@injector(
    "duplicates",
    unit="episodes",
    imitates="episodes that stand in the set twice: copies under new ids, which a split puts on both sides",
    evidence="D4RL#19, AirVLN#19, Minari PR#350",
    why="equal bytes; but a deterministic policy in a deterministic environment gives equal episodes, too",
)
def duplicates(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Append copies of a share of the episodes; where infos have a `split`, the copy goes to another part."""
    name = "duplicates"
    chosen = choose(t.lengths > 0, rate, t.episodes, random)
    copied = np.flatnonzero(rows_of(t, chosen))
    source = np.concatenate([np.arange(t.rows), copied])
    ids = np.concatenate([t.episode_ids, _further_ids(t, len(chosen))])
    changed = gathered(t, source, np.concatenate([t.lengths, t.lengths[chosen]]), ids)
    if "split" in t.infos and varies_text(t.infos["split"]):
        changed = replace(changed, infos={**changed.infos, "split": _other_part(changed.infos["split"], t.rows)})
    steps = np.arange(len(source)) >= t.rows
    involved = steps | np.concatenate([rows_of(t, chosen), np.ones(len(copied), dtype=bool)])
    episodes = np.arange(changed.episodes) >= t.episodes
    undo = Undo("quarantine", "leave the copies out before the set is split", exact=True)
    return Corrupted(name, changed, steps, involved, episodes, source, t, undo)


def varies_text(values: NDArray[Any]) -> bool:
    """Whether there are two different values."""
    return len(np.unique(values)) > 1


def _other_part(split: NDArray[Any], first: int) -> NDArray[Any]:
    parts = np.unique(split)
    moved = split.copy()
    moved[first:] = parts[(np.searchsorted(parts, split[first:]) + 1) % len(parts)]
    return moved


def _further_ids(t: Trajectories, count: int) -> NDArray[Any]:
    if t.episode_ids.dtype.kind in "iu":
        return np.asarray(t.episode_ids.max() + 1 + np.arange(count))
    return np.array([f"copy-{number}" for number in new_ids(t, count)])


@injector(
    "foreign_policy",
    unit="episodes",
    imitates="episodes of somebody who works against the task: an operator at play, a broken or hostile policy",
    evidence="measured: 30% adversarial episodes: CartPole 489 -> 140",
    detectable=False,
    why="every transition is a true one; only the choice of actions differs, and bad actions are worth learning from",
)
def foreign_policy(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Put episodes of an adversary, recorded in the Gymnasium environment, in the place of a share of the episodes."""
    from rl_data.record import RecordError, record

    name = "foreign_policy"
    require(t.env_id is not None, name, "the environment is not known")
    assert t.env_id is not None
    chosen = choose(t.lengths > 0, rate, t.episodes, random)
    options = {} if t.step_limit is None else {"max_episode_steps": t.step_limit}
    try:
        seed = int(random.integers(2**31))
        other = record(t.env_id, Adversary(t.env_id, t), episodes=len(chosen), seed=seed, env_options=options)
    except RecordError as error:
        require(False, name, str(error))
        raise
    require(other.observations.shape[1] == t.observations.shape[1], name, "the environment has other observations")
    both = _beside(t, other)
    spans = [np.arange(t.offsets[e], t.offsets[e + 1]) for e in range(t.episodes)]
    for place, episode in enumerate(chosen.tolist()):
        spans[episode] = t.rows + np.arange(other.offsets[place], other.offsets[place + 1])
    source = np.concatenate(spans)
    changed = gathered(both, source, np.array([len(span) for span in spans]), t.episode_ids)
    steps = source >= t.rows
    undo = Undo("quarantine", f"{_LEAVE_OUT}; only the recorder, or the policy's name, can tell")
    rows = np.where(steps, -1, source)
    return Corrupted(name, changed, steps, steps, mask(t.episodes, chosen), rows, t, undo)


@dataclass(frozen=True, slots=True)
class Adversary:
    """Tips the pole of CartPole, brakes the swing of Pendulum; elsewhere it always does the same."""

    env_id: str
    like: Trajectories
    name: str = "adversary"

    def sample(
        self, observations: NDArray[np.float32], draws: Sequence[np.random.Generator]
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Choose actions; see `rl_data.record.Actor`."""
        if self.env_id.startswith("CartPole"):
            return (observations[:, 2] + observations[:, 3] < 0).astype(np.int32), None
        if self.env_id.startswith("Pendulum"):
            return np.clip(-2.0 * observations[:, 2:3], -2.0, 2.0).astype(np.float32), None
        if self.like.discrete:
            return np.zeros(len(draws), dtype=np.int32), None
        return np.zeros((len(draws), self.like.actions.shape[1]), dtype=np.float32), None


def _beside(t: Trajectories, other: Trajectories) -> Trajectories:
    """Return both sets' rows with the fields of `t`; what `other` lacks has values of `t`, which tell nothing."""
    filled = np.arange(other.rows) % t.rows
    changes: dict[str, Any] = {}
    for name in PER_ROW:
        own, theirs = getattr(t, name), getattr(other, name)
        if own is not None:
            same = theirs is not None and name not in {"policy_ids", "behaviour_log_prob"}
            changes[name] = np.concatenate([own, theirs.astype(own.dtype) if same else own[filled]])
    if t.timestamps is not None:
        changes["timestamps"] = np.concatenate([t.timestamps, period(t) * np.asarray(other.steps, dtype=np.float64)])
    changes["infos"] = {name: np.concatenate([array, array[filled]]) for name, array in t.infos.items()}
    ids = np.concatenate([t.episode_ids, _further_ids(t, other.episodes)])
    return replace(t, episode_ids=ids, offsets=np.concatenate([t.offsets, t.rows + other.offsets[1:]]), **changes)
