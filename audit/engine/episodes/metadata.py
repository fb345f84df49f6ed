"""Answers about declared metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.metadata import Claim, DeclaredMetadata, DeclaredMetadataValues
from rl_data.trajectories import Space

NAMED = 1_000
SLACK = 1e-4
"""Share of a bound's size (and of its range) by which a value may lie beyond it: rounding to float32, contacts."""

UNBOUNDED = 1e30
"""Bounds of this size, such as the largest float32, are none."""


@answers(DeclaredMetadata)
def declared_metadata(_fact: DeclaredMetadata, view: EpisodeView) -> DeclaredMetadataValues:
    """Compare each declared thing that the rows can answer."""
    t = view.trajectories
    claims = [*_counts(view), *_lengths(view), *_limit(view), *_indices(view), *_splits(view), *_spaces(view)]
    return DeclaredMetadataValues(tuple(claims), t.provenance.problems, view.rows)


def _counts(view: EpisodeView) -> Iterator[Claim]:
    t = view.trajectories
    for name, found, unit in (("total_episodes", t.episodes, "episode"), ("total_steps", view.rows, "step")):
        declared = t.provenance.declared.get(name)
        if isinstance(declared, int) and not isinstance(declared, bool):
            yield Claim(name, "count", f"{declared:,}", f"{found:,}", abs(declared - found), max(declared, 1), unit)


def _lengths(view: EpisodeView) -> Iterator[Claim]:
    t = view.trajectories
    declared = _numbers(t.provenance.declared.get("lengths"))
    found = dict(zip(view.ids, t.lengths.tolist(), strict=True))
    if not declared or not declared.keys() & found.keys():
        return
    wrong = [name for name, length in declared.items() if found.get(name, 0) != length]
    first = wrong[0] if wrong else ""
    said = f"{declared[first]:,} steps of episode {first}" if wrong else f"{len(declared):,} lengths"
    rows = f"{found.get(first, 0):,}" if wrong else "the same"
    yield Claim("lengths", "lengths", said, rows, len(wrong), len(declared), "episode", tuple(wrong[:NAMED]))


def _numbers(given: object) -> dict[str, int]:
    if not isinstance(given, Mapping):
        return {}
    return {str(name): value for name, value in given.items() if isinstance(value, int)}


def _limit(view: EpisodeView) -> Iterator[Claim]:
    t = view.trajectories
    if t.step_limit is None or not t.episodes:
        return
    over = t.lengths > t.step_limit
    ids = tuple(view.ids[i] for i in np.argsort(-t.lengths, kind="stable")[: min(int(over.sum()), NAMED)].tolist())
    longest = f"{int(t.lengths.max()):,} steps in the longest episode"
    yield Claim(
        "step_limit", "limit", f"{t.step_limit:,} steps", longest, int(over.sum()), t.episodes, "episode", ids
    )  # fmt: skip


def _indices(view: EpisodeView) -> Iterator[Claim]:
    """Compare LeRobot's running index of the rows, and the spans of rows that it declares for each episode."""
    t = view.trajectories
    index = t.infos.get("index")
    if index is not None and index.dtype.kind in "iu" and index.ndim == 1 and view.rows > 1:
        off = np.zeros(view.rows, dtype=bool)
        off[1:] = np.diff(index.astype(np.int64)) != 1
        off[t.offsets[:-1][t.lengths > 0]] = False  # episodes may be left out
        known = np.unique(index).size
        off_count = int(off.sum()) + (view.rows - known)
        found = f"{view.rows - known:,} of them twice, {int(off.sum()):,} not one higher than the row before"
        yield Claim("index", "index", "every row once, in order", found, off_count, view.rows, "step", rows=off)
    declared = t.provenance.declared
    first, end, lengths = (_numbers(declared.get(name)) for name in ("first_index", "end_index", "lengths"))
    known_spans = [name for name in first if name in end]
    if not known_spans:
        return
    found_lengths = dict(zip(view.ids, t.lengths.tolist(), strict=True))
    wrong, expected = [], None
    for name in known_spans:
        length = lengths.get(name, found_lengths.get(name))
        if end[name] - first[name] != length or (expected is not None and first[name] != expected):
            wrong.append(name)
        expected = end[name]
    yield Claim(
        "episode spans", "index", "spans of rows that follow each other", "spans that do not fit the lengths",
        len(wrong), len(known_spans), "episode", tuple(wrong[:NAMED]),
    )  # fmt: skip


def _splits(view: EpisodeView) -> Iterator[Claim]:
    splits = view.trajectories.provenance.declared.get("splits")
    if not isinstance(splits, Mapping) or not splits:
        return
    ids = set(view.ids)
    members = {str(name): _members(given) for name, given in splits.items()}
    named = {name: member for name, member in members.items() if member is not None}
    if not named:
        return
    absent = sorted({episode for episodes in named.values() for episode in episodes if episode not in ids})
    total = len({episode for episodes in named.values() for episode in episodes})
    found = f"{total - len(absent):,} of them in the rows"
    yield Claim(
        "splits", "splits", f"{total:,} episodes in {len(named):,} splits", found,
        len(absent), max(total, 1), "episode", tuple(absent[:NAMED]),
    )  # fmt: skip


def _members(given: object) -> list[str] | None:
    """Return the episodes of a split: LeRobot's "0:100", or a list of ids."""
    if isinstance(given, str) and (found := re.fullmatch(r"\s*(\d+)\s*:\s*(\d+)\s*", given)):
        first, end = int(found[1]), int(found[2])
        return list(map(str, range(first, min(end, first + 10_000_000))))
    if isinstance(given, list | tuple):
        return [str(member) for member in given]
    return None


def _spaces(view: EpisodeView) -> Iterator[Claim]:
    t = view.trajectories
    if (claim := _box("observation", t.observation_space, t.observations, view)) is not None:
        yield claim
    if t.discrete:
        outside = (t.actions < 0) | (t.actions >= t.action_space.size)
        found = f"{int(t.actions.min(initial=0))} to {int(t.actions.max(initial=0))}"
        yield _space_claim("action_space", f"0 to {t.action_space.size - 1}", found, outside, view)
    elif (claim := _box("action", t.action_space, t.actions, view)) is not None:
        yield claim


def _box(name: str, space: Space, values: Any, view: EpisodeView) -> Claim | None:
    if space.low is None and space.high is None:
        return None
    low = np.asarray(space.low if space.low is not None else [-np.inf] * space.size, dtype=np.float64)
    high = np.asarray(space.high if space.high is not None else [np.inf] * space.size, dtype=np.float64)
    outside = np.zeros(view.rows, dtype=bool)
    least, most = float(np.nanmin(values, initial=0.0)), float(np.nanmax(values, initial=0.0))
    worst = ("", "")
    for entry in range(min(space.size, values.shape[1])):
        bottom, top = (
            bound if abs(bound) < UNBOUNDED else np.sign(bound) * np.inf for bound in (low[entry], high[entry])
        )
        reach = (
            top - bottom
            if np.isfinite(top - bottom)
            else max((abs(b) for b in (bottom, top) if np.isfinite(b)), default=0.0)
        )
        lowest, highest = float(bottom - SLACK * reach), float(top + SLACK * reach)
        if lowest <= least and most <= highest:
            continue
        column = values[:, entry]
        with np.errstate(invalid="ignore", over="ignore"):
            beyond = (column < lowest) | (column > highest)
        if beyond.any() and not worst[0]:
            label = space.names[entry] if entry < len(space.names) else f"{name}[{entry}]"
            far = column[beyond][np.argmax(np.abs(column[beyond]))]
            worst = (f"{bottom:.6g} to {top:.6g} in {label}", f"{far:.6g}")
        outside |= beyond
    declared, found = worst if worst[0] else ("its bounds", "values inside")
    return _space_claim(f"{name}_space", declared, found, outside, view)


def _space_claim(subject: str, declared: str, found: str, outside: Flags, view: EpisodeView) -> Claim:
    hit: list[int] = np.unique(view.episode_of_row[outside])[:NAMED].tolist() if outside.any() else []
    ids = tuple(view.ids[i] for i in hit)
    return Claim(subject, "space", declared, found, int(outside.sum()), max(view.rows, 1), "step", ids, outside)
