"""Defects of the streams beside one another: actions and rewards that lag, change sign or jump; units that change."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.corrupt._base import (
    Corrupted,
    Random,
    Undo,
    before,
    choose,
    edited,
    injector,
    last_of,
    mask,
    require,
    rows_of,
    varies,
)  # fmt: skip
from rl_data.trajectories import Flags, Rows, Trajectories

DEGREES = np.float32(180.0 / np.pi)
_ANGLES = {"CartPole": (2, 3), "Pendulum": (2,), "Acrobot": (4, 5), "LunarLander": (4, 5)}
"""Entries of the observation that are angles (or angular velocities) in radians, by Gymnasium's names."""


@injector(
    "act_lag1",
    unit="episodes",
    imitates="each action is recorded one step too late: with the observation after it",
    evidence="LIBERO#54, VLABench#70, Minari PR#187",
    why="the change of the observation fits the action of the next row; where actions hold still it does not show",
)
def act_lag1(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Move the actions of a share of the episodes one step later; the first action of the episode stands twice."""
    name = "act_lag1"
    moving = _changing(t, t.actions)
    require(moving.any(), name, "no episode has two different actions")
    chosen = choose(moving, rate, t.episodes, random)
    steps, lagged = _lagged(t, t.actions, chosen)
    undo = Undo("shift", "move actions one step earlier; the last step of the episode goes", "action", -1, exact=True)
    return edited(name, t, steps, undo, involved=rows_of(t, chosen), actions=lagged)


@injector(
    "rew_lag1",
    unit="episodes",
    imitates="each reward is recorded one step too late",
    evidence="D4RL#194, takuseno/d3rlpy#135, v-d4rl#9",
    why="the reward fits the step before; not where rewards are constant, or so smooth that a step hardly matters",
)
def rew_lag1(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Move the rewards of a share of the episodes one step later; the first reward of the episode stands twice."""
    name = "rew_lag1"
    require(t.rewards is not None, name, "there are no rewards")
    assert t.rewards is not None
    moving = _changing(t, t.rewards)
    require(moving.any(), name, "rewards are constant in every episode, so a shift changes nothing")
    chosen = choose(moving, rate, t.episodes, random)
    steps, lagged = _lagged(t, t.rewards, chosen)
    undo = Undo("shift", "move rewards one step earlier; the last step of the episode goes", "reward", -1, exact=True)
    return edited(name, t, steps, undo, involved=rows_of(t, chosen), rewards=lagged)


def _changing(t: Trajectories, stream: NDArray[Any]) -> Flags:
    """Return bool[E]: episodes in which a stream changes from one step to the next."""
    changes = np.zeros(t.rows, dtype=bool)
    values = stream.reshape(t.rows, -1)
    changes[1:] = (values[1:] != values[:-1]).any(axis=1)
    changes[t.offsets[:-1][t.lengths > 0]] = False
    episodes = np.zeros(t.episodes, dtype=bool)
    episodes[t.episode_of_row[changes]] = True
    return episodes


def _lagged(t: Trajectories, stream: NDArray[Any], chosen: Rows) -> tuple[Flags, NDArray[Any]]:
    """Return which steps changed, and the stream one step later inside the chosen episodes."""
    source = np.arange(t.rows)
    inside = rows_of(t, chosen)
    inside[t.offsets[:-1][t.lengths > 0]] = False
    source[inside] -= 1
    lagged = stream[source]
    changed = (lagged.reshape(t.rows, -1) != stream.reshape(t.rows, -1)).any(axis=1)
    return np.asarray(changed), lagged


@injector(
    "reward_sign",
    unit="episodes",
    imitates="a cost recorded as a reward: the sign of an episode's rewards is flipped",
    evidence="common where a source stores costs; measured: Pendulum -176 -> -1402",
    why="the same states and actions have the opposite reward in other episodes",
)
def reward_sign(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Flip the sign of the rewards of a share of the episodes."""
    name = "reward_sign"
    require(t.rewards is not None and (t.rewards != 0).any(), name, "all rewards are zero, or there are none")
    assert t.rewards is not None
    candidates = np.zeros(t.episodes, dtype=bool)
    candidates[t.episode_of_row[t.rewards != 0]] = True
    chosen = choose(candidates, rate, t.episodes, random)
    inside = rows_of(t, chosen)
    steps = np.asarray(inside & (t.rewards != 0))
    undo = Undo("quarantine", "leave the episodes out; a sign is never flipped back without the recorder's word")
    return edited(name, t, steps, undo, involved=inside, rewards=np.where(steps, -t.rewards, t.rewards))


@injector(
    "reward_outlier",
    unit="steps",
    imitates="single rewards that are wild: overflow, a bonus paid in another currency, a debugging value",
    evidence="takuseno/d3rlpy#255, #372; measured: 1% of steps +1000: Pendulum -176 -> -1277",
    why="a reward far from what its state and action earn elsewhere",
)
def reward_outlier(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Add or take away 100 times the range of the rewards (at least 100) in a share of the steps."""
    name = "reward_outlier"
    require(t.rewards is not None, name, "there are no rewards")
    assert t.rewards is not None
    finite = np.isfinite(t.rewards)
    require(finite.any(), name, "no reward is finite")
    at = mask(t.rows, choose(finite, rate, t.rows, random))
    size = 100.0 * max(float(np.ptp(t.rewards[finite])), 1.0)
    signs = random.choice([-1.0, 1.0], size=t.rows)
    undo = Undo("drop_steps", "drop the steps; what the reward was is not known")
    return edited(name, t, at, undo, rewards=np.where(at, t.rewards + size * signs, t.rewards))


@injector(
    "obs_units",
    unit="episodes",
    imitates="an angle in degrees in some episodes, in radians in the others",
    evidence="mixed recorders; measured: CartPole 489 -> 40",
    why="the entry's scale, and the dynamics, differ from the other episodes'; not where the entry stays near 0",
)
def obs_units(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Multiply the angles of the observations by 180 / pi in a share of the episodes."""
    name = "obs_units"
    entries = _angles(t)
    require(len(entries) > 0, name, "no entry of the observation varies")
    chosen = choose(t.lengths > 0, rate, t.episodes, random)
    steps = rows_of(t, chosen)
    undo = Undo("quarantine", "leave the episodes out; or divide the angles by 180 / pi, once the recorder confirms it")
    return edited(name, t, steps, undo, **_scaled(t, steps, entries))


@injector(
    "obs_units_steps",
    unit="steps",
    imitates="two writers to one stream: an angle in degrees in some steps, in radians in the others",
    evidence="mixed recorders; measured: CartPole, 30% of the steps: 493 -> 43",
    why="the step fits neither the one before nor the one after, which fit each other; not where the entry is near 0",
)
def obs_units_steps(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Multiply the angles of the observations by 180 / pi in a share of the steps, wherever they stand."""
    name = "obs_units_steps"
    entries = _angles(t)
    require(len(entries) > 0, name, "no entry of the observation varies")
    turned = (t.observations[:, entries] != 0).any(axis=1)  # 0 is 0 in every unit
    at = mask(t.rows, choose(turned, rate, t.rows, random))
    observations = t.observations.copy()
    observations[np.ix_(at, np.isin(np.arange(t.observations.shape[1]), entries))] *= DEGREES
    undo = Undo("drop_steps", "drop the steps; or divide their angles by 180 / pi, once the recorder confirms it")
    return edited(name, t, at, undo, involved=before(at, t), observations=observations, **_next_of(t, at, observations))


def _angles(t: Trajectories) -> list[int]:
    """Return the angles: by the environment, else by the entries' names, else the last entry that varies."""
    for name, entries in _ANGLES.items():
        if t.env_id is not None and t.env_id.startswith(name):
            return list(entries)
    named = [
        i for i, name in enumerate(t.observation_space.names) if re.search(r"angle|theta|rotation|yaw", name, re.I)
    ]
    moving = [i for i in range(t.observations.shape[1]) if varies(t.observations[:, i])]
    return [i for i in named if i in moving] or moving[-1:]


def _scaled(t: Trajectories, steps: Flags, entries: list[int]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in ("observations", "next_observations"):
        array = getattr(t, name)
        if array is not None:
            changes[name] = array.copy()
            changes[name][steps[:, None] & np.isin(np.arange(array.shape[1]), entries)] *= DEGREES
    return changes


@injector(
    "nan_to_zero",
    unit="steps",
    imitates="missing observations filled with 0",
    evidence="takuseno/d3rlpy#255; measured: CartPole 489 -> 225",
    why="the very same vector stands in many steps, and no transition leads into it or out of it",
)
def nan_to_zero(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Set the whole observation to 0 in a share of the steps."""
    name = "nan_to_zero"
    other = (t.observations != 0).any(axis=1)
    require(other.any(), name, "all observations are 0")
    at = mask(t.rows, choose(other, rate, t.rows, random))
    undo = Undo("drop_steps", "drop the steps; what the observation was is not known")
    observations = np.where(at[:, None], np.float32(0.0), t.observations)
    return edited(name, t, at, undo, involved=before(at, t), observations=observations, **_next_of(t, at, observations))


WINDOW = 10


@injector(
    "frozen_sensor",
    unit="steps",
    imitates="a sensor that hangs: for ten steps the observation repeats, while actions go on",
    evidence="robot logs with dropped messages; the recorder repeats the last one",
    why="the observation does not move by a bit, and then jumps",
)
def frozen_sensor(t: Trajectories, rate: float, random: Random) -> Corrupted:
    """Repeat the observation over windows of ten steps that cover a share of the steps."""
    name = "frozen_sensor"
    place = np.arange(t.rows) - np.repeat(t.offsets[:-1], t.lengths)
    starts = np.flatnonzero(place + WINDOW <= np.repeat(t.lengths, t.lengths))
    require(starts.size > 0, name, f"no episode has {WINDOW} steps")
    source = np.arange(t.rows)
    taken = np.zeros(t.rows, dtype=bool)
    left = max(round(rate * t.rows / WINDOW), 1)
    for start in random.permutation(starts).tolist():
        if left == 0:
            break
        window = slice(start, start + WINDOW)
        if not taken[window].any():
            taken[window] = True
            source[window] = start
            left -= 1
    observations = t.observations[source]
    steps = np.asarray((observations != t.observations).any(axis=1))
    require(steps.any(), name, "observations do not move")
    undo = Undo("drop_steps", "drop the steps; what the observation was is not known")
    return edited(
        name, t, steps, undo, involved=before(taken, t), observations=observations, **_next_of(t, steps, observations)
    )  # fmt: skip


def _next_of(t: Trajectories, at: Flags, observations: NDArray[np.float32]) -> dict[str, Any]:
    """Return next observations that agree with changed observations, where a set writes them out."""
    if t.next_observations is None:
        return {}
    following = t.next_observations.copy()
    inside = before(at, t) & np.concatenate([at[1:], [False]]) & ~last_of(t)
    if t.has_next is not None:
        inside &= t.has_next
    places = np.flatnonzero(inside)
    following[places] = observations[places + 1]
    return {"next_observations": following}
