"""Record trajectories from a Gymnasium environment: needs gymnasium and numpy, no torch.

Each episode has its own seed, made from (`seed`, number of the episode): the environment's reset and the actor's draws
come from it alone. So episode 7 is the same whether 1 or 16 environments run side by side, and whichever number of
episodes is asked for. There is no automatic reset: the environments are stepped here, so that the final observation is
the real one (a vector environment would hand out the first observation of the next episode in its place, or a row that
is no step; see "Autoreset" in Gymnasium's documentation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rl_data.trajectories import PER_ROW, Provenance, Space, Trajectories, TrajectoryError

Draws = Sequence[np.random.Generator]


class RecordError(TrajectoryError):
    """Nothing can be recorded; the message names the environment and what to do."""


class Actor(Protocol):
    """Whoever chooses the actions while a data set is recorded."""

    @property
    def name(self) -> str:
        """Becomes `policy_ids`."""
        ...

    def sample(
        self, observations: NDArray[np.float32], draws: Draws
    ) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        """Choose an action in each of n observations.

        Args:
            observations: float32[n, d]
            draws: n generators; row i takes its randomness from draws[i] only.

        Returns:
            Actions, int32[n] or float32[n, k]; and the log-probability (log-density) of each, float64[n], None when
            it is not known.
        """
        ...


@dataclass(frozen=True, slots=True)
class UniformActor:
    """Every action equally likely: over 0 .. n-1, or over the box."""

    space: Space
    name: str = "random"

    def sample(self, observations: NDArray[np.float32], draws: Draws) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Draw one action for each observation; see `Actor`."""
        if self.space.kind == "discrete":
            actions = np.array([draw.integers(self.space.size) for draw in draws], dtype=np.int32)
            return actions, np.full(len(draws), -np.log(self.space.size))
        low, high = np.array(self.space.low), np.array(self.space.high)
        boxes = np.array([draw.uniform(low, high) for draw in draws], dtype=np.float32)
        return boxes, np.full(len(draws), -np.log(high - low).sum())


@dataclass(slots=True)
class _Episode:
    """One episode while it is recorded."""

    observations: list[NDArray[np.float32]]
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    terminated: bool = False
    truncated: bool = False

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated

    def cut(self, length: int) -> _Episode:
        """Return the first steps: truncated, unless the episode was over by then."""
        if self.over and length >= len(self.rewards):
            return self
        first = (self.observations[: length + 1], self.actions[:length], self.rewards[:length], self.log_probs[:length])
        return _Episode(*first, truncated=True)


def record(
    env_id: str,
    actor: Actor | None = None,
    *,
    steps: int | None = None,
    episodes: int | None = None,
    seed: int = 0,
    parallel: int = 1,
    env_options: Mapping[str, Any] | None = None,
) -> Trajectories:
    """Return recorded episodes with log-probabilities, both flags and the real final observations.

    Args:
        env_id: Gymnasium's id, such as "CartPole-v1".
        actor: who acts; None: `UniformActor`.
        steps: exactly so many transitions; the last episode is cut there, and marked truncated.
        episodes: exactly so many episodes. One of `steps` and `episodes` must be given.
        seed: of environments and actor together.
        parallel: environments that are stepped side by side; changes the speed only.
        env_options: further arguments of `gymnasium.make`.

    Returns:
        Trajectories whose `next_observations` are given on the last row of each episode.

    Raises:
        RecordError: the environment is unknown or its library absent, its actions or observations are of a kind that
            the canonical form cannot hold, or the numbers asked for make no sense.
    """
    if (steps is None) == (episodes is None):
        raise RecordError("say how much to record: either steps or episodes")
    wanted = steps if steps is not None else episodes
    if wanted is None or wanted < 1 or parallel < 1:
        raise RecordError("steps, episodes and parallel must be at least 1")
    environments = [make_environment(env_id, env_options)]
    try:
        observation_space, action_space = spaces_of(environments[0])
        environments += [make_environment(env_id, env_options) for _ in range(min(parallel, wanted) - 1)]
        actor = actor or _uniform(action_space, env_id)
        run = _run(environments, actor, action_space, _Goal(steps, episodes), seed)
        limit = environments[0].spec.max_episode_steps
    finally:
        for environment in environments:
            environment.close()
    if steps is not None:
        run = _first_steps(run, steps)
    how = f"recorded by {actor.name}, seed {seed}"
    provenance = Provenance(
        format="gymnasium",
        uri=env_id,
        mapping={"policy": how, "next_observation": "the environment's, on the last row of each episode"},
        declared={"env_id": env_id, "step_limit": limit, "seed": seed},
    )
    return _trajectories(run, actor.name, observation_space, action_space, provenance)


def make_environment(env_id: str, options: Mapping[str, Any] | None = None) -> Any:
    """Return a Gymnasium environment whose observations are vectors (others are flattened, choices become one-hot).

    Raises:
        RecordError: gymnasium or a library of the environment is absent, or the id is unknown.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise RecordError("recording needs gymnasium: pip install 'dataset-audit[rl]'") from error
    try:
        environment = gymnasium.make(env_id, disable_env_checker=True, **(options or {}))
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        raise RecordError(f"{env_id}: {' '.join(str(error).split())}") from error
    space = environment.observation_space
    if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
        try:
            environment = gymnasium.wrappers.FlattenObservation(environment)
        except (NotImplementedError, ValueError) as error:
            raise RecordError(f"{env_id}: observations of {space} cannot be put into one vector") from error
    if not isinstance(environment.observation_space, gymnasium.spaces.Box):
        raise RecordError(f"{env_id}: observations of {space} have no fixed length")
    return environment


def spaces_of(environment: Any) -> tuple[Space, Space]:
    """Return observation and action space of an environment from `make_environment`.

    Raises:
        RecordError: actions are neither choices nor vectors.
    """
    import gymnasium

    action = environment.action_space
    if isinstance(action, gymnasium.spaces.Discrete):
        return _box(environment.observation_space), Space("discrete", int(action.n))
    if isinstance(action, gymnasium.spaces.Box) and len(action.shape) == 1:
        return _box(environment.observation_space), _box(action)
    raise RecordError(f"{environment.spec.id}: actions of {action} are neither choices nor vectors")


def to_environment(action: Any, environment: Any) -> Any:
    """Return an action of the canonical form (0 .. n-1, or a vector) as the environment wants it."""
    space = environment.action_space
    if space.shape == ():
        return int(action) + int(space.start)
    return np.asarray(action, dtype=space.dtype)


def join(parts: Sequence[Trajectories]) -> Trajectories:
    """Return recordings of one environment as one; episodes are numbered anew, 0 .. E-1.

    A field that one of them lacks is lacking.

    Raises:
        RecordError: there are none, or their spaces differ.
    """
    if not parts:
        raise RecordError("nothing to join")
    first = parts[0]
    for part in parts[1:]:
        if (part.observation_space, part.action_space) != (first.observation_space, first.action_space):
            raise RecordError("recordings with different observation or action spaces cannot be joined")
    changes: dict[str, Any] = {}
    for name in PER_ROW:
        arrays = [getattr(part, name) for part in parts]
        changes[name] = None if any(array is None for array in arrays) else np.concatenate(arrays)
    lengths = np.concatenate([part.lengths for part in parts])
    changes["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    changes["episode_ids"] = np.arange(len(lengths), dtype=np.int64)
    changes["source_rows"] = np.arange(changes["offsets"][-1], dtype=np.int64)
    shared = set.intersection(*(set(part.infos) for part in parts))
    changes["infos"] = {name: np.concatenate([part.infos[name] for part in parts]) for name in sorted(shared)}
    how = "; ".join(part.provenance.mapping.get("policy", part.provenance.uri) for part in parts)
    changes["provenance"] = replace(first.provenance, mapping={**first.provenance.mapping, "policy": how})
    return replace(first, source_files=None, **changes)


def episode_seeds(seed: int, episode: int) -> tuple[int, np.random.Generator]:
    """Return what the environment is reset with, and the generator of the actor's draws, of one episode."""
    environment, draws = np.random.SeedSequence([seed, episode]).spawn(2)
    return int(environment.generate_state(1)[0]), np.random.Generator(np.random.PCG64(draws))


@dataclass(slots=True)
class _Goal:
    """How much is to be recorded, and how much of it is there.

    Only the first episodes up to the first that still runs count. Among those that run side by side the short ones are
    over first: to take them as they come would record too many of them.
    """

    steps: int | None
    episodes: int | None
    settled: int = 0
    settled_steps: int = 0

    def reached(self, run: Sequence[_Episode]) -> bool:
        while self.settled < len(run) and run[self.settled].over:
            self.settled_steps += len(run[self.settled].rewards)
            self.settled += 1
        if self.steps is None:
            return self.settled == self.episodes
        return self.settled_steps + sum(len(episode.rewards) for episode in run[self.settled :][:1]) >= self.steps

    def asks_for_another(self, run: Sequence[_Episode]) -> bool:
        if self.steps is None:
            return len(run) < (self.episodes or 0)
        return self.settled_steps + sum(len(episode.rewards) for episode in run[self.settled :]) < self.steps


def _run(environments: Sequence[Any], actor: Actor, action_space: Space, goal: _Goal, seed: int) -> list[_Episode]:
    """Step all environments until the goal is reached; episodes come in the order in which they were begun."""
    run: list[_Episode] = []
    active: list[tuple[Any, _Episode, np.random.Generator]] = []
    free = list(environments)
    while not goal.reached(run):
        while free and goal.asks_for_another(run):
            reset_seed, draws = episode_seeds(seed, len(run))
            environment = free.pop()
            observation, _ = environment.reset(seed=reset_seed)
            run.append(_Episode([np.asarray(observation, dtype=np.float32)]))
            active.append((environment, run[-1], draws))
        _step(active, actor, action_space)
        free += [environment for environment, episode, _ in active if episode.over]
        active = [entry for entry in active if not entry[1].over]
    return run


def _step(active: Sequence[tuple[Any, _Episode, np.random.Generator]], actor: Actor, action_space: Space) -> None:
    observations = np.stack([episode.observations[-1] for _, episode, _ in active])
    actions, log_probs = actor.sample(observations, [draws for _, _, draws in active])
    if action_space.kind == "box":
        actions = np.clip(actions, action_space.low, action_space.high).astype(np.float32)
    for row, (environment, episode, _) in enumerate(active):
        action = to_environment(actions[row], environment)
        observation, reward, terminated, truncated, _ = environment.step(action)
        episode.observations.append(np.asarray(observation, dtype=np.float32))
        episode.actions.append(actions[row])
        episode.rewards.append(float(reward))
        if log_probs is not None:
            episode.log_probs.append(float(log_probs[row]))
        episode.terminated, episode.truncated = bool(terminated), bool(truncated)


def _first_steps(run: Sequence[_Episode], steps: int) -> list[_Episode]:
    kept, total = [], 0
    for episode in run:
        kept.append(episode.cut(steps - total))
        total += len(kept[-1].rewards)
        if total >= steps:
            break
    return kept


def _trajectories(
    run: Sequence[_Episode], name: str, observation_space: Space, action_space: Space, provenance: Provenance
) -> Trajectories:
    lengths = np.array([len(episode.rewards) for episode in run])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows, last = int(offsets[-1]), offsets[1:] - 1
    terminated, truncated, has_next = (np.zeros(rows, dtype=np.bool_) for _ in range(3))
    terminated[last] = [episode.terminated for episode in run]
    truncated[last] = [episode.truncated for episode in run]
    has_next[last] = True
    final = np.full((rows, observation_space.size), np.nan, dtype=np.float32)
    final[last] = [episode.observations[-1] for episode in run]
    known = all(len(episode.log_probs) == len(episode.rewards) for episode in run)
    kind = np.int32 if action_space.kind == "discrete" else np.float32
    return Trajectories(
        episode_ids=np.arange(len(run), dtype=np.int64),
        offsets=offsets,
        steps=np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
        observations=np.stack([vector for episode in run for vector in episode.observations[:-1]]),
        actions=np.array([action for episode in run for action in episode.actions], dtype=kind),
        rewards=np.array([reward for episode in run for reward in episode.rewards], dtype=np.float64),
        source_rows=np.arange(rows, dtype=np.int64),
        observation_space=observation_space,
        action_space=action_space,
        provenance=provenance,
        terminated=terminated,
        truncated=truncated,
        next_observations=final,
        has_next=has_next,
        behaviour_log_prob=np.array([p for episode in run for p in episode.log_probs]) if known else None,
        policy_ids=np.full(rows, name),
        step_limit=provenance.declared["step_limit"],
        env_id=provenance.declared["env_id"],
    )


def _uniform(space: Space, env_id: str) -> UniformActor:
    if space.kind == "box" and not np.isfinite([*(space.low or ()), *(space.high or ())]).all():
        raise RecordError(f"{env_id}: actions without bounds cannot be drawn uniformly; give an actor")
    return UniformActor(space)


def _box(space: Any) -> Space:
    low, high = (tuple(np.asarray(bound, dtype=np.float64).tolist()) for bound in (space.low, space.high))
    return Space("box", int(space.shape[0]), low, high)
