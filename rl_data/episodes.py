"""Trajectories from episodes in memory, as a collector or a test has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rl_data.formats.episodes import Episode, assemble
from rl_data.trajectories import Provenance, Space, Trajectories, TrajectoryError

KEYS = (
    "id", "observations", "actions", "rewards", "terminated", "truncated", "next_observations", "timestamps",
    "behaviour_log_prob", "steps",
)  # fmt: skip


def from_episodes(
    episodes: Sequence[Mapping[str, Any]],
    *,
    uri: str = "episodes",
    observation_space: Space | None = None,
    action_space: Space | None = None,
    step_limit: int | None = None,
    fps: float | None = None,
    env_id: str | None = None,
) -> Trajectories:
    """Return trajectories made of episodes, each a mapping with some of these keys.

    `observations` [T, d] or [T + 1, d] (the last is the final observation) and `actions` [T] or [T, k] are needed;
    `rewards`, `terminated`, `truncated`, `timestamps`, `behaviour_log_prob`, `steps` [T] and `next_observations` [T, d]
    are not. A flag given as one boolean is that of the last step. `id` is a number or a text, else the place.

    Raises:
        TrajectoryError: a key is unknown, a needed one is absent, or lengths do not go together.
    """
    made = [_episode(place, values) for place, values in enumerate(episodes)]
    return assemble(
        made,
        Provenance("memory", uri),
        observation_space=observation_space,
        action_space=action_space,
        step_limit=step_limit,
        fps=fps,
        env_id=env_id,
    )


def _episode(place: int, values: Mapping[str, Any]) -> Episode:
    where = f"episode {values.get('id', place)}"
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise TrajectoryError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(KEYS)}")
    if "observations" not in values or "actions" not in values:
        raise TrajectoryError(f"{where}: `observations` and `actions` are needed")
    actions = np.asarray(values["actions"])
    observations = np.asarray(values["observations"], dtype=np.float32)
    observations = observations[:, None] if observations.ndim == 1 else observations
    given: dict[str, Any] = {name: np.asarray(values[name]) for name in KEYS[6:] if values.get(name) is not None}
    if "next_observations" in given and given["next_observations"].ndim == 1:
        given["next_observations"] = given["next_observations"][:, None]
    if len(observations) == len(actions) + 1:
        given["next_observations"] = observations[1:]
        observations = observations[:-1]
        given["has_next"] = np.arange(len(actions)) == len(actions) - 1
    for name in ("terminated", "truncated"):
        if name in values:
            flag = np.asarray(values[name], dtype=bool)
            given[name] = flag if flag.ndim else (np.arange(len(actions)) == len(actions) - 1) & flag
    if values.get("rewards") is not None:
        given["rewards"] = np.asarray(values["rewards"], dtype=np.float64)
    return Episode(id=values.get("id", place), where=where, observations=observations, actions=actions, **given)
