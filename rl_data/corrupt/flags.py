"""Defects of the end flags, and of what stands at the end of an episode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

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
    require,
    with_next_observations,
)  # fmt: skip
from rl_data.trajectories import Flags, Trajectories


@injector(
    "term_all_zero",
    unit="episodes",
    imitates="terminal flags that were never written: all of them (rate 1), or those of some episodes",
    evidence="zbzhu99/madiff#20, D4RL#204, irom-princeton/dppo#32",
    why="an episode ends before the step limit without a flag; needs the limit or other episodes that have flags",
)
def term_all_zero(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Clear `terminated` at the end of a share of the terminated episodes."""
    name = "term_all_zero"
    require(t.terminated is not None and t.terminated.any(), name, "no step is terminated")
    assert t.terminated is not None
    at = mask(t.rows, choose(t.terminated, rate, int(t.terminated.sum()), random))
    undo = Undo("relabel", "set terminated at the last step of the episode", "terminated", True, exact=True)
    return edited(name, t, at, undo, terminated=t.terminated & ~at)


@injector(
    "timeout_as_terminal",
    unit="episodes",
    imitates="time limits written as terminals, so that the learner believes that the task ended there",
    evidence="rail-berkeley/hil-serl#20; LeRobot's replay buffer",
    why="terminated at exactly the step limit, where other data say that this is a time limit",
)
def timeout_as_terminal(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Turn `truncated` into `terminated` in a share of the episodes that end at the longest length."""
    name = "timeout_as_terminal"
    timeouts = _timeouts(t)
    require(timeouts.any(), name, "no episode ends at the step limit with `truncated`")
    assert t.truncated is not None
    at = mask(t.rows, choose(timeouts, rate, int(timeouts.sum()), random))
    terminated = np.zeros(t.rows, dtype=bool) if t.terminated is None else t.terminated
    undo = Undo("relabel", "set truncated in place of terminated at the time limit", "terminated", False, exact=True)
    return edited(name, t, at, undo, terminated=terminated | at, truncated=t.truncated & ~at)


def _timeouts(t: Trajectories) -> Flags:
    """Return bool[N]: last steps that are only truncated, at the step limit (else: at the longest length)."""
    at = np.zeros(t.rows, dtype=bool)
    if t.truncated is None or not t.episodes:
        return at
    limit = t.step_limit if t.step_limit is not None else int(t.lengths.max())
    at[t.last_rows] = t.lengths[t.lengths > 0] == limit
    at &= t.truncated
    return at if t.terminated is None else at & ~t.terminated


@injector(
    "boundary_merge",
    unit="episodes",
    imitates="an episode boundary that was lost: two episodes are recorded as one, without a flag between them",
    evidence="D4RL#77 (a jump of 21 units), #86, #162",
    why="the step over the seam is no possible transition; and episodes exceed the step limit where there is one",
)
def boundary_merge(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Append a share of the episodes to the episode before, clearing the flags at the seam."""
    name = "boundary_merge"
    require(t.episodes > 1 and (t.lengths > 0).all(), name, "there are no two episodes")
    swallowed = mask(t.episodes, 1 + choose(np.ones(t.episodes - 1, dtype=bool), rate, t.episodes - 1, random))
    firsts = np.flatnonzero(~swallowed)
    lengths = np.add.reduceat(t.lengths, firsts)
    seams = mask(t.rows, t.offsets[:-1][swallowed] - 1)
    changes = {
        flag: None if (array := getattr(t, flag)) is None else array & ~seams
        for flag in ("terminated", "truncated", "ended")
    }
    changed = gathered(t, np.arange(t.rows), lengths, t.episode_ids[firsts], **changes)
    if t.next_observations is not None:
        given = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next
        following = t.next_observations.copy()
        # a set that writes out every next observation has that of the next row here; else there is none
        everywhere = given[~last_of(t)].all()
        at = np.flatnonzero(seams)
        following[at] = t.observations[at + 1] if everywhere else np.nan
        has_next = given if everywhere else given & ~seams
        changed = replace(changed, next_observations=following, has_next=has_next)
    episodes = np.zeros(changed.episodes, dtype=bool)
    episodes[changed.episode_of_row[seams]] = True
    undo = Undo("split", "end the episode at the seam; its last step has no next observation any more and goes")
    return Corrupted(name, changed, seams, seams, episodes, np.arange(t.rows, dtype=np.int64), t, undo)


@injector(
    "next_observation_copied",
    unit="steps",
    imitates="next_observation holds the observation itself, not the one after it",
    evidence="LeRobot's replay buffer; takuseno/d3rlpy#164",
    why="it equals the observation and differs from the next row",
)
def next_observation_copied(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Write next observations out, and copy the observation there in a share of the steps inside episodes."""
    name = "next_observation_copied"
    clean = with_next_observations(t)
    assert clean.next_observations is not None
    moving = ~last_of(t)
    moving[:-1] &= (t.observations[1:] != t.observations[:-1]).any(axis=1)
    require(moving.any(), name, "no episode has two steps with different observations")
    at = mask(t.rows, choose(moving, rate, t.rows, random))
    following = np.where(at[:, None], t.observations, clean.next_observations)
    undo = Undo("rebuild_next", "take the next observation from the next row", "next_observation", exact=True)
    return edited(name, clean, at, undo, next_observations=following)


@injector(
    "final_observation_copied",
    unit="episodes",
    imitates="the final observation of a truncated episode is its last observation once more",
    evidence="takuseno/d3rlpy#18, #98, #164; Farama-Foundation/Minari#199",
    why="it equals the last observation, bit by bit",
)
def final_observation_copied(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Copy the last observation into the final one in a share of the truncated episodes."""
    return _at_the_end(t, rate, random, "final_observation_copied")


@injector(
    "final_observation_leaked",
    unit="episodes",
    imitates="the final observation of a truncated episode is the first one of the next episode",
    evidence="D4RL#145 (`new_obs = observations[i + 1]` on the last row, too); automatic resets of vector environments",
    why="it equals the first observation of the next episode, bit by bit",
)
def final_observation_leaked(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Put the first observation of the next episode into the final one in a share of the truncated episodes."""
    return _at_the_end(t, rate, random, "final_observation_leaked")


def _at_the_end(t: Trajectories, rate: float, random: Random, name: str) -> Corrupted:
    require(t.truncated is not None and t.next_observations is not None, name, "there are no final observations")
    assert t.truncated is not None
    assert t.next_observations is not None
    ends = last_of(t) & t.truncated
    if t.has_next is not None:
        ends &= t.has_next
    ends[-1] &= name == "final_observation_copied"  # after the last episode there is none to leak from
    require(ends.any(), name, "no truncated episode has a final observation")
    at = mask(t.rows, choose(ends, rate, int(ends.sum()), random))
    other = t.observations if name == "final_observation_copied" else np.roll(t.observations, -1, axis=0)
    undo = Undo("drop_steps", "drop the last step: its next observation is not known")
    return edited(name, t, at, undo, next_observations=np.where(at[:, None], other, t.next_observations))
