"""From the episodes that a reader found to `Trajectories`; what does not go together with most is left out by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.trajectories import Provenance, Rows, Space, Trajectories, TrajectoryError

Array = NDArray[Any]

Skipped = Counter[tuple[str, str]]
"""How many of what a reader left out, by field and reason."""

BLOB = 1024
"""Numbers in one step's array of two or more dimensions from which on it is an image or a map, counted and skipped."""

_NAMED = 5  # places that a message names
_LARGEST = np.iinfo(np.int32).max
_OPTIONAL = (
    "rewards", "terminated", "truncated", "next_observations", "timestamps", "behaviour_log_prob", "ended",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode of T transitions, as found; `assemble` sees whether it goes together with the others.

    Attributes:
        id: of the episode.
        where: file and place, for messages.
        observations: [T, d]
        actions: [T] or [T, k]
        rewards, terminated, truncated, timestamps, behaviour_log_prob, ended, steps, source_rows: [T], None without;
            without steps or source rows they are 0 .. T-1.
        next_observations: [T, d], None without; all rows that `has_next` ([T]) does not deny are given.
        infos: further arrays [T] by name.
        file: for `Trajectories.source_files`.
    """

    id: int | str
    where: str
    observations: Array
    actions: Array
    rewards: Array | None = None
    terminated: Array | None = None
    truncated: Array | None = None
    next_observations: Array | None = None
    has_next: Array | None = None
    timestamps: Array | None = None
    behaviour_log_prob: Array | None = None
    ended: Array | None = None
    steps: Array | None = None
    source_rows: Array | None = None
    infos: dict[str, Array] = field(default_factory=dict)
    file: str = ""


def assemble(
    episodes: Sequence[Episode],
    provenance: Provenance,
    *,
    observation_space: Space | None = None,
    action_space: Space | None = None,
    step_limit: int | None = None,
    fps: float | None = None,
    env_id: str | None = None,
) -> Trajectories:
    """Return episodes as flat arrays.

    Where episodes differ in the length of an observation or an action, in the kind of the actions or in the fields that
    they have, what most episodes have holds; the others are left out and listed in the provenance's problems.

    Args:
        episodes: in the order of the source.
        provenance: of the source; problems found here are added.
        observation_space: as declared; None takes it from the arrays.
        action_space: as declared; None takes it from the arrays.
        step_limit: as declared.
        fps: as declared.
        env_id: as declared.

    Raises:
        TrajectoryError: nothing is left.
    """
    problems = list(provenance.problems)
    kept = [episode for episode in episodes if not _uneven(episode, problems)]
    kept, absent = _alike(kept, problems)
    if not any(len(episode.observations) for episode in kept):
        raise TrajectoryError(_nothing_left(provenance.uri, problems))
    lengths = np.array([len(episode.observations) for episode in kept], dtype=np.int64)
    observations = _joined([episode.observations for episode in kept], np.float32)
    actions, inferred = _actions([episode.actions for episode in kept], action_space)
    values: dict[str, Array] = {
        name: _joined([getattr(episode, name) for episode in kept], dtype)
        for name, dtype in _DTYPES.items()
        if getattr(kept[0], name) is not None
    }
    return Trajectories(
        episode_ids=_ids([episode.id for episode in kept]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        steps=_joined([_or_places(episode.steps, episode) for episode in kept], np.int32),
        observations=observations,
        actions=actions,
        rewards=values.get("rewards"),
        terminated=values.get("terminated"),
        truncated=values.get("truncated"),
        source_rows=_joined([_or_places(episode.source_rows, episode) for episode in kept], np.int64),
        observation_space=_fitting(observation_space, observations),
        action_space=inferred,
        provenance=replace(
            provenance, problems=group_problems(problems), skipped=(*provenance.skipped, *sorted(absent))
        ),
        next_observations=values.get("next_observations"),
        has_next=_has_next(kept),
        timestamps=values.get("timestamps"),
        behaviour_log_prob=values.get("behaviour_log_prob"),
        ended=values.get("ended"),
        infos={name: np.concatenate([episode.infos[name] for episode in kept]) for name in _common_infos(kept)},
        source_files=np.array([episode.file for episode in kept]) if any(episode.file for episode in kept) else None,
        step_limit=step_limit,
        fps=fps,
        env_id=env_id,
    )


def cut(whole: Trajectories, ends: NDArray[np.bool_]) -> Trajectories:
    """Cut one long episode, as flat formats hold all of theirs, into its episodes, numbered from 0.

    The rows after the last end are an episode too: it was still running when the recording stopped.

    Args:
        whole: read as one episode of N rows.
        ends: bool[N], the last rows of episodes.
    """
    stops = np.flatnonzero(ends) + 1
    if whole.rows and (len(stops) == 0 or stops[-1] != whole.rows):
        stops = np.append(stops, whole.rows)
    offsets = np.concatenate([[0], stops]).astype(np.int64)
    lengths = np.diff(offsets)
    files = None if whole.source_files is None else np.repeat(whole.source_files, len(stops))
    steps = (np.arange(whole.rows) - np.repeat(offsets[:-1], lengths)).astype(np.int32)
    return replace(whole, episode_ids=np.arange(len(stops)), offsets=offsets, steps=steps, source_files=files)


def vectors(array: Array) -> Array:
    """Return an array [T, ...] as [T, k]: one row of numbers a step."""
    return array.reshape(len(array), int(np.prod(array.shape[1:])))


def scalars(array: Array, name: str) -> Array:
    """Return an array [T] or [T, 1] as [T].

    Raises:
        TrajectoryError: it has more than one number a step.
    """
    if array.ndim > 1 and array.size == len(array):
        array = array.reshape(-1)
    if array.ndim != 1:
        shape = "x".join(str(n) for n in array.shape[1:]) or "no"
        raise TrajectoryError(f"`{name}` has {shape} numbers a step instead of one")
    return array


def flags(array: Array, name: str) -> NDArray[np.bool_]:
    """Return flags bool[T] from an array [T] or [T, 1] of flags, or of the numbers 0 and 1.

    Raises:
        TrajectoryError: other numbers occur.
    """
    array = scalars(array, name)
    if array.dtype.kind != "b" and not np.isin(array, (0, 1)).all():
        odd = array[~np.isin(array, (0, 1))]
        raise TrajectoryError(f"`{name}` is no flag: {len(odd):,} of {len(array):,} values are not 0 or 1 ({odd[0]})")
    return np.asarray(array, dtype=bool)


def is_blob(shape: Sequence[int]) -> bool:
    """Return whether one step's array of this shape is an image or a map, not a vector of measurements."""
    return len(shape) >= 2 and int(np.prod(shape)) >= BLOB


def entry_names(parts: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Return a name for each entry of a vector that was put together from (name, entries) parts."""
    names: list[str] = []
    for name, size in parts:
        names += [name] if size == 1 else [f"{name}[{place}]" for place in range(size)]
    return tuple(names)


def tell(skipped: Skipped) -> tuple[str, ...]:
    """Return what was left out, in words."""
    return tuple(f"{name}: {count:,} {what}" for (name, what), count in sorted(skipped.items()))


def group_problems(problems: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Put the places with the same problem together, so that 10,000 missing files are one line."""
    places: dict[str, list[str]] = {}
    for where, what in problems:
        places.setdefault(what, []).append(where)
    return tuple((_list(found), what) for what, found in places.items())


def missing(present: Collection[int], total: int) -> str:
    """Return which of the episodes 0 .. total - 1 are not present, in words; empty when all are."""
    count = total - sum(number < total for number in present)
    if count <= 0:
        return ""
    first = islice((f"episode {number}" for number in range(total) if number not in present), _NAMED)
    return ", ".join(first) + (f" and {count - _NAMED:,} more" if count > _NAMED else "")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


_DTYPES: dict[str, type[Any]] = {
    "rewards": np.float64,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "next_observations": np.float32,
    "timestamps": np.float64,
    "behaviour_log_prob": np.float64,
    "ended": np.bool_,
}


def _nothing_left(uri: str, problems: Sequence[tuple[str, str]]) -> str:
    if not problems:
        return f"{uri}: it holds no episode; check that it was copied or written whole"
    where, what = group_problems(problems)[0]
    return f"{uri}: no episode can be read; {where}: {what}"


def _uneven(episode: Episode, problems: list[tuple[str, str]]) -> bool:
    """Return whether an episode's arrays differ in length, and note it."""
    rows = len(episode.observations)
    for name in ("actions", *_OPTIONAL, "has_next", "steps", "source_rows"):
        array = getattr(episode, name)
        if array is not None and len(array) != rows:
            what = f"{len(array):,} {name.replace('_', ' ')} for {rows:,} observations; left out, write it anew"
            problems.append((episode.where, what))
            return True
    return False


def _alike(episodes: list[Episode], problems: list[tuple[str, str]]) -> tuple[list[Episode], set[str]]:
    """Return the episodes that have what most have, and the fields that too few have."""
    widths = [episode.observations.shape[1] for episode in episodes]
    episodes = _majority(episodes, problems, "observations have {} numbers a step", widths)
    widths = [(e.observations if e.next_observations is None else e.next_observations).shape[1] for e in episodes]
    episodes = _majority(episodes, problems, "next observations have {} numbers a step", widths)
    widths = [1 if episode.actions.ndim == 1 else episode.actions.shape[1] for episode in episodes]
    episodes = _majority(episodes, problems, "actions have {} numbers a step", widths)
    episodes = _whole_actions(episodes, problems)
    absent = set()
    for name in _OPTIONAL:
        have = [getattr(episode, name) is not None for episode in episodes]
        if all(have) or not any(have):
            continue
        if sum(have) * 2 < len(have):
            absent.add(f"{name.replace('_', ' ')}: only {sum(have):,} of {len(have):,} episodes have them")
            nothing: dict[str, Any] = {name: None}
            episodes = [replace(episode, **nothing) for episode in episodes]
            continue
        what = f"no {name.replace('_', ' ')}, which {sum(have):,} of {len(have):,} episodes have; left out"
        problems += [(e.where, what) for e, has in zip(episodes, have, strict=True) if not has]
        episodes = [episode for episode, has in zip(episodes, have, strict=True) if has]
    return episodes, absent


def _majority(
    episodes: list[Episode], problems: list[tuple[str, str]], sentence: str, traits: list[int]
) -> list[Episode]:
    counts = Counter(traits)
    if len(counts) <= 1:
        return episodes
    usual, often = counts.most_common(1)[0]
    for episode, trait in zip(episodes, traits, strict=True):
        if trait != usual:
            what = f"{sentence.format(trait)}, {usual} in {often:,} of {len(episodes):,} episodes; left out"
            problems.append((episode.where, f"{what}, store the same entries in every episode"))
    return [episode for episode, trait in zip(episodes, traits, strict=True) if trait == usual]


def _whole_actions(episodes: list[Episode], problems: list[tuple[str, str]]) -> list[Episode]:
    """Leave out episodes whose actions are fractions where those of most episodes are numbers of choices."""
    discrete = [_is_discrete(episode.actions) for episode in episodes]
    if all(discrete) or sum(discrete) * 2 < len(discrete):
        return episodes
    kept = []
    for episode in episodes:
        if _is_discrete(episode.actions) or bool(np.equal(np.mod(episode.actions, 1), 0).all()):
            kept.append(episode)
            continue
        usual = f"whole numbers in {sum(discrete):,} of {len(discrete):,} episodes"
        what = f"actions are {episode.actions.dtype} fractions, {usual}; left out, store one kind of action"
        problems.append((episode.where, what))
    return [replace(episode, actions=episode.actions.astype(np.int64)) for episode in kept]


def _is_discrete(actions: Array) -> bool:
    return actions.dtype.kind in "biu" and actions.size == len(actions)


def _actions(parts: list[Array], declared: Space | None) -> tuple[Array, Space]:
    vector = declared is not None and declared.kind == "box"
    if vector or not all(_is_discrete(part) for part in parts):
        joined = _joined([vectors(part) for part in parts], np.float32)
        return joined, _fitting(declared, joined)
    wide = _joined([part.reshape(-1) for part in parts], np.int64)
    if len(wide) and (wide.max() > _LARGEST or wide.min() < -_LARGEST):
        raise TrajectoryError(f"actions run from {wide.min():,} to {wide.max():,}: these are no numbers of choices")
    choices = int(wide.max(initial=-1)) + 1
    return wide.astype(np.int32), declared or Space("discrete", max(choices, 0))


def _fitting(declared: Space | None, array: Array) -> Space:
    """Return the declared box, or one of the array's size when none was declared or it does not fit."""
    if declared is not None and declared.kind == "box" and declared.size == array.shape[1]:
        return declared
    return Space("box", array.shape[1])


def _joined(parts: Sequence[Array], dtype: type[Any]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # huge and missing values stay what they are; the audit says so
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.ascontiguousarray(joined, dtype=dtype)


def _has_next(episodes: Sequence[Episode]) -> NDArray[np.bool_] | None:
    if episodes[0].next_observations is None:
        return None
    given = [np.ones(len(e.observations), bool) if e.has_next is None else e.has_next for e in episodes]
    return np.concatenate(given)


def _or_places(array: Array | None, episode: Episode) -> Array | Rows:
    return np.arange(len(episode.observations)) if array is None else array


def _ids(ids: Sequence[int | str]) -> Array:
    return np.array(ids, dtype=np.int64) if all(isinstance(i, int) for i in ids) else np.array([str(i) for i in ids])


def _common_infos(episodes: Sequence[Episode]) -> list[str]:
    return [name for name in episodes[0].infos if all(name in episode.infos for episode in episodes)]
