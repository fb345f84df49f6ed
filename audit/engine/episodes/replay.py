"""Answers about steps taken again in the environment that the user names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.replay import Replay, ReplayValues

Places = NDArray[np.int64]
Floats = NDArray[np.floating]

SEEDS = ("seed", "reset_seed")


@answers(Replay)
def replay(fact: Replay, view: EpisodeView) -> ReplayValues:
    """Make the environment, see whether it fits the data, and take a sample of the steps again."""
    made = _make(fact.environment)
    if isinstance(made, str):
        return _none(made)
    try:
        reason = _misfit(made, view)
        if reason:
            return _none(reason)
        setter = STATE_SETTERS.get(made.spec.id.split("-v")[0])
        if setter is not None:
            return _by_state(fact, view, made, setter)
        return _by_seed(fact, view, made)
    finally:
        made.close()


def _none(reason: str) -> ReplayValues:
    return ReplayValues(reason, "", np.empty(0, dtype=np.int64), np.empty(0), np.empty(0), np.empty(0, dtype=bool))


def _make(name: str) -> Any:
    """Return the environment, or the reason why there is none."""
    if not re.fullmatch(r"[\w./-]+", name):  # "module:Env" would import any module
        return f"'{name}' is not the name of a registered environment (such as CartPole-v1)"
    try:
        import gymnasium
    except ImportError:
        return "gymnasium is not installed: pip install 'dataset-audit[rl]'"
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return gymnasium.make(name, disable_env_checker=True)
    except Exception as error:  # what an environment raises is its own affair; the audit goes on
        return f"the environment {name} cannot be made: {' '.join(str(error).split())[:200]}"


def _misfit(made: Any, view: EpisodeView) -> str:
    t = view.trajectories
    shape = getattr(made.observation_space, "shape", None)
    if shape is None or int(np.prod(shape)) != t.observations.shape[1]:
        return f"the environment observes {made.observation_space}, the data {t.observations.shape[1]} entries a step"
    choices = getattr(made.action_space, "n", None)
    if t.discrete != (choices is not None):
        return f"the environment acts by {made.action_space}, the data by {'choices' if t.discrete else 'vectors'}"
    return ""


def _cart_pole(env: Any, observation: Floats) -> None:
    env.state = np.asarray(observation, dtype=np.float64)
    env.steps_beyond_terminated = None


def _pendulum(env: Any, observation: Floats) -> None:
    cosine, sine, velocity = (float(v) for v in observation)
    env.state = np.array([np.arctan2(sine, cosine), velocity])
    env.last_u = None


def _mountain_car(env: Any, observation: Floats) -> None:
    env.state = np.asarray(observation, dtype=np.float64)


def _acrobot(env: Any, observation: Floats) -> None:
    c1, s1, c2, s2, v1, v2 = (float(v) for v in observation)
    env.state = np.array([np.arctan2(s1, c1), np.arctan2(s2, c2), v1, v2])


STATE_SETTERS: dict[str, Callable[[Any, Floats], None]] = {
    "CartPole": _cart_pole,
    "Pendulum": _pendulum,
    "MountainCar": _mountain_car,
    "MountainCarContinuous": _mountain_car,
    "Acrobot": _acrobot,
}
"""Environments whose whole state the observation gives."""


def _by_state(fact: Replay, view: EpisodeView, made: Any, setter: Callable[[Any, Floats], None]) -> ReplayValues:
    t = view.trajectories
    known = np.flatnonzero(view.following[1] & view.finite)
    rows = np.sort(np.random.default_rng(view.seed).permutation(known)[: fact.steps])
    made.reset(seed=view.seed)
    bare = made.unwrapped
    answers_ = []
    for row in rows.tolist():
        setter(bare, t.observations[row])
        answers_.append(bare.step(_action(t.actions[row]))[:3])
    return _compare(view, "state", rows, answers_)


def _by_seed(fact: Replay, view: EpisodeView, made: Any) -> ReplayValues:
    t = view.trajectories
    name = next((n for n in SEEDS if n in t.infos and t.infos[n].ndim == 1), None)
    if name is None:
        return _none(
            f"the state of {made.spec.id} cannot be set from an observation, and the data name no seed to replay from"
        )
    rows: list[int] = []
    answers_: list[Any] = []
    order = np.random.default_rng(view.seed).permutation(t.episodes)
    for episode in order.tolist():
        for row, answer in _episode(view, made, episode, t.infos[name]):
            rows.append(row)
            answers_.append(answer)
        if len(rows) >= fact.steps:
            break
    return _compare(view, "seed", np.array(rows, dtype=np.int64), answers_)


def _episode(view: EpisodeView, made: Any, episode: int, seeds: NDArray[Any]) -> Iterator[tuple[int, Any]]:
    t = view.trajectories
    start, stop = int(t.offsets[episode]), int(t.offsets[episode + 1])
    if start == stop:
        return
    first, _ = made.reset(seed=int(seeds[start]))
    if not np.allclose(np.asarray(first, dtype=np.float32).ravel(), t.observations[start], atol=1e-4):
        return  # another version of the environment: nothing after it can agree
    for row in range(start, stop):
        answer = made.step(_action(t.actions[row]))
        yield row, answer[:3]
        if answer[2] or answer[3]:
            return


def _action(action: Any) -> Any:
    return int(action) if np.ndim(action) == 0 else np.asarray(action)


def _compare(view: EpisodeView, how: str, rows: Places, answers_: list[Any]) -> ReplayValues:
    t = view.trajectories
    if not len(rows):
        return _none("no episode starts where the environment starts with its seed: another version recorded it")
    spread = np.nanstd(t.observations[rows].astype(np.float64), axis=0)
    following = view.following[0][rows].astype(np.float64)
    got = np.array([np.asarray(a[0], dtype=np.float64).ravel() for a in answers_])
    next_off = (np.abs(got - following) / np.where(spread > 0, spread, 1.0)).max(axis=1)
    next_off[~view.following[1][rows]] = 0.0
    reward_off = np.full(len(rows), np.nan)
    if t.rewards is not None:
        reward_off = np.abs(np.array([float(a[1]) for a in answers_]) - t.rewards[rows])
    terminated_off = np.zeros(len(rows), dtype=bool)
    if t.terminated is not None:
        terminated_off = np.array([bool(a[2]) for a in answers_]) != t.terminated[rows]
    return ReplayValues("", how, rows, next_off, reward_off, terminated_off)
