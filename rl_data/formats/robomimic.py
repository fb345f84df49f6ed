"""robomimic's HDF5: `data/demo_{i}` with actions, rewards, dones and groups of observations, and filter keys in `mask`.

Layout: robomimic's documentation, "Dataset Structure" (docs/datasets/overview.md).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rl_data.formats import episodes, hdf5
from rl_data.trajectories import Provenance, Space, Trajectories, TrajectoryError

if TYPE_CHECKING:
    import h5py

NAME = "robomimic"
_GYM = 2  # robomimic.envs.env_base.EnvType.GYM_TYPE
_USED = frozenset({"actions", "rewards", "dones", "obs", "next_obs"})


def matches(path: Path) -> str | None:
    """Return the evidence that the file is robomimic's, None when it is not."""
    if "data" not in hdf5.names(path):
        return None
    with hdf5.open_file(path) as file:
        demos = _demos(file)
        if not demos or hdf5.array(file, f"data/{demos[0]}/actions") is None:
            return None
        return f"HDF5 with {len(demos):,} groups `data/{demos[0]}` .. `data/{demos[-1]}` that hold `actions`"


def read(path: Path) -> Trajectories:
    """Return the trajectories of a robomimic file.

    Raises:
        TrajectoryError: the file is no HDF5 or damaged, or no demonstration can be read.
    """
    with hdf5.open_file(path) as file:
        demos = _demos(file)
        if not demos:
            raise TrajectoryError("no group `data/demo_0`; convert the file with robomimic's scripts first")
        return _read(file, path, demos)


def _read(file: h5py.File, path: Path, demos: list[str]) -> Trajectories:
    import h5py

    skipped = episodes.Skipped()
    names: dict[str, tuple[str, ...]] = {}
    found: list[episodes.Episode] = []
    problems: list[tuple[str, str]] = []
    lengths: dict[str, int] = {}
    for demo in demos:
        try:
            with hdf5.reading():
                group = hdf5.entry(file["data"], demo)
                if not isinstance(group, h5py.Group):
                    raise TrajectoryError("no group; the file was not written to its end, write it anew")
                samples = hdf5.attribute(group, "num_samples")
                if isinstance(samples, int | float):
                    lengths[demo] = int(samples)
                found.append(_episode(group, demo, path.name, skipped, names))
        except TrajectoryError as error:
            problems.append((f"data/{demo}", str(error)))
    found = _same_names(found, names, problems)
    env = _env(file)
    kept = found[0] if found else None
    provenance = Provenance(
        format="robomimic-hdf5",
        uri=str(path),
        mapping=_mapping(kept, names),
        unknown=_unknown(kept),
        skipped=episodes.tell(skipped),
        declared=_declared(file, env, lengths),
        problems=tuple(problems),
    )
    known = names[kept.where] if kept is not None else ()
    space = Space("box", len(known), names=known) if known else None
    return episodes.assemble(
        found,
        provenance,
        observation_space=space,
        fps=_frequency(env),
        env_id=env.get("env_name") if env.get("type", env.get("env_type")) == _GYM else None,
    )


def _same_names(
    found: list[episodes.Episode], names: dict[str, tuple[str, ...]], problems: list[tuple[str, str]]
) -> list[episodes.Episode]:
    """Leave out demonstrations whose observations are called otherwise than those of most."""
    parts = {
        episode.where: tuple(dict.fromkeys(n.partition("[")[0] for n in names[episode.where])) for episode in found
    }
    if len(set(parts.values())) <= 1:
        return found
    usual, often = Counter(parts.values()).most_common(1)[0]
    for where, given in parts.items():
        if given != usual:
            what = f"observations are {', '.join(given) or 'none'}, {', '.join(usual) or 'none'} in {often:,} others"
            problems.append((where, f"{what}; left out, extract the same observations for all"))
    return [episode for episode in found if parts[episode.where] == usual]


def _demos(file: h5py.File) -> list[str]:
    """Return the names of the demonstrations in the order of their numbers."""
    import h5py

    data = hdf5.entry(file, "data")
    if not isinstance(data, h5py.Group):
        return []
    numbered = [
        (int(number), name)
        for name in hdf5.keys(data)
        if (number := name.removeprefix("demo_")) != name and number.isdigit()
    ]
    return [name for _, name in sorted(numbered)]


def _episode(
    group: h5py.Group, demo: str, file: str, skipped: episodes.Skipped, names: dict[str, tuple[str, ...]]
) -> episodes.Episode:
    actions = hdf5.array(group, "actions")
    if actions is None:
        raise TrajectoryError("`actions` is missing; the file was not written to its end, write it anew")
    values = hdf5.numbers(actions, "actions")
    where = f"data/{demo}"
    observations, names[where] = _observations(group, "obs", len(values), skipped)
    following = None
    if hdf5.entry(group, "next_obs") is not None:
        following, _ = _observations(group, "next_obs", len(values), None)
    for name in hdf5.keys(group):
        if name not in _USED and not (name == "states" and "obs" not in group):
            skipped[name, "arrays, not read"] += 1
    dones = hdf5.array(group, "dones")
    rewards = hdf5.array(group, "rewards")
    return episodes.Episode(
        id=demo,
        where=where,
        observations=observations,
        actions=values if values.ndim <= 2 else episodes.vectors(values),
        rewards=None if rewards is None else episodes.scalars(hdf5.numbers(rewards, "rewards"), "rewards"),
        ended=None if dones is None else episodes.flags(hdf5.numbers(dones, "dones"), "dones"),
        next_observations=following,
        file=file,
    )


def _observations(
    group: h5py.Group, name: str, rows: int, skipped: episodes.Skipped | None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the vectors of a group of observations beside one another, and the names of the entries."""
    below = hdf5.entry(group, name)
    if below is None:
        below = hdf5.entry(group, "states")  # recorded by robosuite and not yet turned into observations
        if below is None:
            raise TrajectoryError("neither `obs` nor `states`; extract observations with robomimic's scripts")
    parts: list[NDArray[Any]] = []
    sizes: list[tuple[str, int]] = []
    for key, array in sorted(hdf5.leaves(below, "" if name in group else "states").items()):
        if not array.shape or episodes.is_blob(array.shape[1:]) or array.dtype.kind not in "biuf":
            what = "images" if episodes.is_blob(array.shape[1:]) else f"entries of {hdf5.kind(array.dtype)}"
            if skipped is not None:
                skipped[f"{name}/{key}", f"{what}, counted and not read"] += array.shape[0] if array.shape else 1
            continue
        part = episodes.vectors(hdf5.numbers(array, f"{name}/{key}"))
        if len(part) != rows:
            raise TrajectoryError(
                f"`{name}/{key}` has {len(part):,} steps, `actions` {rows:,}; left out, write it anew"
            )
        parts.append(part)
        sizes.append((key, part.shape[1]))
    joined = np.concatenate(parts, axis=1) if parts else np.empty((rows, 0), np.float32)
    return joined, episodes.entry_names(sizes)


def _env(file: h5py.File) -> dict[str, Any]:
    """Return what `env_args` declares; empty when it is absent or no JSON."""
    text = hdf5.attribute(file["data"], "env_args")
    try:
        env = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return env if isinstance(env, dict) else {}


def _frequency(env: dict[str, Any]) -> float | None:
    arguments = env.get("env_kwargs")
    frequency = arguments.get("control_freq") if isinstance(arguments, dict) else None
    return float(frequency) if isinstance(frequency, int | float) and frequency > 0 else None


def _declared(file: h5py.File, env: dict[str, Any], lengths: dict[str, int]) -> dict[str, Any]:
    import h5py

    declared: dict[str, Any] = {}
    total = hdf5.attribute(file["data"], "total")
    if isinstance(total, int | float):
        declared["total_steps"] = int(total)
    if lengths:
        declared["lengths"] = lengths
    if env:
        declared["env_args"] = {
            name: env[name] for name in ("env_name", "type", "env_type", "env_version") if name in env
        }
    if (frequency := _frequency(env)) is not None:
        declared["fps"] = frequency
    mask = hdf5.entry(file, "mask")
    if isinstance(mask, h5py.Group):
        splits = {name: hdf5.texts(array) for name, array in hdf5.leaves(mask).items()}
        declared["splits"] = splits
    return declared


def _mapping(episode: episodes.Episode | None, names: dict[str, tuple[str, ...]]) -> dict[str, str]:
    mapping = {"data/demo_{i}": "episode, in the order of the numbers", "actions": "action"}
    if episode is None:
        return mapping
    if any(name.partition("[")[0] == "states" for name in names[episode.where]):
        mapping["states"] = "observation; the simulator's whole state, since there is no `obs`"
    else:
        mapping["obs/*"] = "observation; the arrays are put one after the other, in the order of their names"
    if episode.rewards is not None:
        mapping["rewards"] = "reward of the same row's action"
    if episode.next_observations is not None:
        mapping["next_obs/*"] = "next_observation, put together as `obs/*`"
    if episode.ended is not None:
        mapping["dones"] = "ended; neither terminated nor truncated, see what is unknown"
    return mapping


def _unknown(episode: episodes.Episode | None) -> tuple[str, ...]:
    if episode is None:
        return ()
    unknown = [
        "terminated and truncated: robomimic's `dones` marks success, the end of the demonstration or both, as its "
        "conversion script was told (`--done_mode`), and the file does not say which"
        if episode.ended is not None
        else "terminated and truncated: the file has no `dones`"
    ]
    if episode.rewards is None:
        unknown.append("reward: the file has none")
    if episode.next_observations is None:
        unknown.append("the observation after an episode's last action: the file has no `next_obs`")
    return tuple(unknown)
