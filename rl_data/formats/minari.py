"""Minari's data sets in all three storages: HDF5, Arrow and Parquet.

Layout: `data/metadata.json` beside `data/main_data.hdf5` (a group an episode), or beside one folder an episode with
`part-0.arrow` or `part-0.parquet`. An episode of T steps has T + 1 observations. Arrow and Parquet put them into T + 1
rows, whose last has a real observation, and an action, a reward and flags that only fill it up.

Each file is read whole here: Minari 0.5.4 takes an Arrow batch for an episode, which cuts off episodes of more than
32,767 steps and shifts the ones behind them (Farama-Foundation/Minari issue 351).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_data.formats import episodes, hdf5, spaces
from rl_data.formats.minari_storage import FIELDS, MAIN, METADATA, StoredEpisode, from_hdf5, from_table, read_json
from rl_data.trajectories import Provenance, Trajectories, TrajectoryError

NAME = "minari"
_KEYS = frozenset({"data_format", "total_episodes", "observation_space", "action_space"})
_GROUP = re.compile(r"episode_(\d+)")

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a data set's parts are, and what its metadata says."""

    uri: str
    data: Path
    main: Path | None
    metadata: dict[str, Any]
    problems: tuple[tuple[str, str], ...]


def matches(path: Path) -> str | None:
    """Return the evidence that the path is a Minari data set, or the HDF5 file of one; None when it is not."""
    main = _main_file(path)
    if main is not None:
        import h5py
    if main is not None and (groups := [name for name in hdf5.names(main) if _GROUP.fullmatch(name)]):
        with hdf5.open_file(main) as file:
            first = hdf5.entry(file, min(groups))
            if isinstance(first, h5py.Group) and FIELDS.issubset(hdf5.keys(first)):
                return (
                    f"HDF5 with {len(groups):,} groups `episode_{{i}}` of observations, actions, rewards and two flags"
                )
        return None
    data = _data_folder(path)
    if data is None:
        return None
    metadata, _ = read_json(data / METADATA)
    if not metadata.keys() >= _KEYS:
        return None
    return f"{METADATA} names `data_format` {metadata['data_format']!r} and {metadata['total_episodes']} episodes"


def read(path: Path) -> Trajectories:
    """Return the trajectories of a Minari data set.

    Args:
        path: the data set's folder, its `data` folder or its `main_data.hdf5`.

    Raises:
        TrajectoryError: there is no data, it is damaged, or no episode can be read.
    """
    main = _main_file(path)
    data = main.parent if main is not None else _data_folder(path)
    if data is None:
        raise TrajectoryError(f"{path}: neither `data/{MAIN}` nor `data/{METADATA}`; name the data set's folder")
    metadata, problem = read_json(data / METADATA)
    problems = ((METADATA, problem),) if problem else ()
    layout = _Layout(str(path), data, main, metadata, problems)
    if main is None and metadata.get("data_format") == "hdf5":
        main = data / MAIN  # missing, empty or a pointer: opening it says which
    return _read_hdf5(layout, main) if main is not None else _read_tables(layout)


def _read_hdf5(layout: _Layout, main: Path) -> Trajectories:
    with hdf5.open_file(main) as file:
        if not layout.metadata:  # Minari before 0.5 kept it in the file
            old = {name: hdf5.attribute(file, name) for name in (*sorted(_KEYS), "total_steps", "env_spec")}
            layout = replace(layout, metadata={name: value for name, value in old.items() if value is not None})
        numbers = sorted(int(match[1]) for name in hdf5.keys(file) if (match := _GROUP.fullmatch(name)))
        if not numbers:
            raise TrajectoryError("no group `episode_0`: the data set is empty or was not written to its end")
        return _read_episodes(layout, numbers, lambda number: from_hdf5(file, number), "minari-hdf5")


def _read_tables(layout: _Layout) -> Trajectories:
    folders = sorted(int(folder.name) for folder in layout.data.iterdir() if folder.is_dir() and folder.name.isdigit())
    total = layout.metadata.get("total_episodes")
    if isinstance(total, int) and (absent := episodes.missing(set(folders), total)):
        layout = replace(layout, problems=(*layout.problems, (absent, "missing; fetch the episode's folder again")))
    storage = layout.metadata.get("data_format", "arrow")
    return _read_episodes(layout, folders, lambda number: from_table(layout.data, number), f"minari-{storage}")


def _read_episodes(layout: _Layout, numbers: list[int], raw: Callable[[int], StoredEpisode], name: str) -> Trajectories:
    known = {
        "observations": spaces.leaves(layout.metadata.get("observation_space")),
        "actions": spaces.leaves(layout.metadata.get("action_space")),
    }
    skipped = episodes.Skipped()
    problems = list(layout.problems)
    lengths: dict[int, int] = {}
    found: list[episodes.Episode] = []
    for number in numbers:
        try:
            with hdf5.reading():
                stored = raw(number)
                if stored.declared is not None:
                    lengths[number] = stored.declared
                known = {field: leaves or stored.inferred(field) for field, leaves in known.items()}
                found.append(_episode(number, stored, known["observations"] or (), known["actions"] or (), skipped))
        except TrajectoryError as error:
            problems.append((f"episode {number}", str(error).removeprefix(f"{layout.data}/")))
    env_id, step_limit = _environment(layout.metadata.get("env_spec"))
    declared_spaces = "observation_space" in layout.metadata
    short = sum(episode.has_next is not None and not episode.has_next.all() for episode in found)
    provenance = Provenance(
        format=name,
        uri=layout.uri,
        mapping=_mapping(known["observations"] or (), known["actions"] or (), name),
        unknown=_unknown(short, len(found)),
        skipped=episodes.tell(skipped),
        declared=_declared(layout.metadata, lengths, step_limit),
        problems=tuple(problems),
    )
    return episodes.assemble(
        found,
        provenance,
        observation_space=spaces.vector_of(known["observations"] or ()) if declared_spaces else None,
        action_space=spaces.space_of(known["actions"] or ()) if declared_spaces else None,
        step_limit=step_limit,
        env_id=env_id,
    )


def _episode(
    number: int,
    raw: StoredEpisode,
    observed: tuple[spaces.Leaf, ...],
    acted: tuple[spaces.Leaf, ...],
    skipped: episodes.Skipped,
) -> episodes.Episode:
    if raw.observations - raw.steps not in {0, 1}:
        what = f"{raw.observations:,} observations for {raw.steps:,} steps instead of {raw.steps + 1:,}"
        raise TrajectoryError(f"{what}; left out, record the episode anew")
    observations = _joined("observations", raw, observed, raw.observations, skipped)
    following = np.full((raw.steps, observations.shape[1]), np.nan, np.float32)
    has_next = np.arange(1, raw.steps + 1) < raw.observations
    following[has_next] = observations[1 : raw.steps + 1]
    for name in raw.infos:
        skipped[f"infos/{name}", "episodes' arrays, not read"] += 1
    leaf = spaces.Leaf((), "flag")
    return episodes.Episode(
        id=number,
        where=f"episode {number}",
        observations=observations[: raw.steps],
        actions=_actions(raw, acted, skipped),
        rewards=episodes.scalars(raw.fetch("rewards", leaf), "rewards"),
        terminated=episodes.flags(raw.fetch("terminations", leaf), "terminations"),
        truncated=episodes.flags(raw.fetch("truncations", leaf), "truncations"),
        next_observations=following,
        has_next=has_next,
        file=raw.where,
    )


def _actions(raw: StoredEpisode, acted: tuple[spaces.Leaf, ...], skipped: episodes.Skipped) -> Array:
    if len(acted) == 1 and acted[0].type == "Discrete":
        chosen = episodes.scalars(raw.fetch("actions", acted[0]), "actions")
        return chosen - int(acted[0].low[0]) if chosen.dtype.kind in "biu" and acted[0].low else chosen
    return _joined("actions", raw, acted, raw.steps, skipped)


def _joined(
    field: str, raw: StoredEpisode, parts: tuple[spaces.Leaf, ...], rows: int, skipped: episodes.Skipped
) -> Array:
    """Return the leaves of a space beside one another, [rows, d]."""
    arrays: list[Array] = []
    for leaf in parts:
        label = f"{field}/{leaf.name}" if leaf.path else field
        if leaf.skip:
            skipped[label, f"{leaf.skip}, counted and not read"] += rows
            continue
        array = episodes.vectors(raw.fetch(field, leaf))
        if len(array) != rows:
            raise TrajectoryError(f"`{label}` has {len(array):,} entries instead of {rows:,}; left out, record it anew")
        with np.errstate(over="ignore"):  # huge values stay what they are; the audit says so
            arrays.append(array.astype(np.float32, copy=False))
    return np.concatenate(arrays, axis=1) if arrays else np.empty((rows, 0), np.float32)


def _main_file(path: Path) -> Path | None:
    candidates = (path, path / MAIN, path / "data" / MAIN)
    return next((file for file in candidates if file.is_file() and hdf5.is_hdf5(file)), None)


def _data_folder(path: Path) -> Path | None:
    candidates = (path / "data", path)
    return next((folder for folder in candidates if (folder / METADATA).is_file()), None)


def _environment(spec: object) -> tuple[str | None, int | None]:
    """Return id and step limit of the environment that `env_spec` names."""
    try:
        content = json.loads(spec) if isinstance(spec, str) else spec
    except ValueError:
        return None, None
    if not isinstance(content, dict):
        return None, None
    name, limit = content.get("id"), content.get("max_episode_steps")
    return name if isinstance(name, str) else None, limit if isinstance(limit, int) and limit > 0 else None


def _declared(metadata: dict[str, Any], lengths: dict[int, int], step_limit: int | None) -> dict[str, Any]:
    wanted = ("total_episodes", "total_steps", "dataset_id", "minari_version", "data_format", "algorithm_name")
    declared: dict[str, Any] = {name: metadata[name] for name in wanted if name in metadata}
    if lengths:
        declared["lengths"] = lengths
    if step_limit is not None:
        declared["step_limit"] = step_limit
    return declared


def _mapping(observed: tuple[spaces.Leaf, ...], acted: tuple[spaces.Leaf, ...], name: str) -> dict[str, str]:
    def parts(leaves: tuple[spaces.Leaf, ...]) -> str:
        nested = [leaf.name for leaf in leaves if leaf.path and not leaf.skip]
        return f", put together from {', '.join(nested)}" if nested else ""

    first = f", numbered from 0 (its own first is {acted[0].low[0]:.0f})" if _starts_elsewhere(acted) else ""
    final = (
        "" if name == "minari-hdf5" else "; the last row of a file only fills up and its observation is the final one"
    )
    return {
        "observations": f"observation t, and t + 1 as next_observation{parts(observed)}{final}",
        "actions": f"action{parts(acted)}{first}",
        "rewards": "reward of the same step's action",
        "terminations": "terminated",
        "truncations": "truncated",
    }


def _starts_elsewhere(acted: tuple[spaces.Leaf, ...]) -> bool:
    return len(acted) == 1 and acted[0].type == "Discrete" and bool(acted[0].low) and acted[0].low[0] != 0


def _unknown(short: int, episodes_read: int) -> tuple[str, ...]:
    if not short:
        return ()
    return (
        f"the observation after the last action of {short:,} of {episodes_read:,} episodes: they have as many "
        "observations as actions, instead of one more",
    )
