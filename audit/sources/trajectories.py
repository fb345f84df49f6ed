"""Trajectories as a dataset: which files hold them, how they were read, and what checks may know beforehand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from threading import Thread

from audit.dataset import Column, ColumnKind, TrajectoryInfo
from audit.errors import SourceError
from rl_data.trajectories import Space, Trajectories, TrajectoryError

_ONLY_TRAJECTORIES = (".h5", ".hdf5", ".hdf", ".npz")
_FIELDS = (
    "rewards", "terminated", "truncated", "ended", "next_observations", "timestamps", "behaviour_log_prob",
    "policy_ids", "weights",
)  # fmt: skip


def open_trajectories(data: object, kind: str = "auto") -> Trajectories | None:
    """Return the trajectories that `data` is or holds; None where it is a table.

    Args:
        data: a `Trajectories`, or a path; anything else is a table.
        kind: "auto" looks into the file, "trajectory" insists, "tabular" never looks.

    Raises:
        SourceError: trajectories are wanted, or the file can hold nothing else, and they cannot be read.
    """
    if kind == "tabular":
        return None
    if isinstance(data, Trajectories):
        return data
    path = _local(data)
    if path is None:
        if kind == "trajectory":
            raise SourceError("trajectories are read from a local file or folder, or given as rl_data.Trajectories")
        return None
    from rl_data import formats

    try:
        if kind == "auto" and path.suffix.lower() not in _ONLY_TRAJECTORIES and formats.detect(path) is None:
            return None
        # half a second of imports that the facts need anyway, while Arrow decodes the file in threads of its own
        Thread(target=import_module, args=("sklearn.ensemble",), daemon=True).start()
        return formats.read(path)
    except PermissionError as error:
        raise SourceError(f"no permission to read {path}; ask its owner for read access, or copy it") from error
    except TrajectoryError as error:
        raise SourceError(" ".join(str(error).split())) from error


def _local(data: object) -> Path | None:
    """Return the path of an existing local file or folder, else None."""
    if not isinstance(data, str | Path) or "://" in str(data) or "::" in str(data):
        return None
    try:
        return Path(data) if Path(data).exists() else None
    except OSError:  # a name too long for the system: the table's reader says so
        return None


def size_of(path: str) -> int | None:
    """Return the bytes of a file, or of all files in a folder; None where there is none."""
    place = Path(path)
    try:
        if place.is_file():
            return place.stat().st_size
        return sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) if place.is_dir() else None
    except OSError:
        return None


def describe(trajectories: Trajectories) -> TrajectoryInfo:
    """Return what checks may know of trajectories without judging their values."""
    t = trajectories
    fields = {name for name in _FIELDS if getattr(t, name) is not None} | {f"infos.{name}" for name in t.infos}
    observed = names_of(t.observation_space, "observation")
    acted = () if t.discrete else names_of(t.action_space, "action")
    if set(observed) & set(acted):  # joints that are both measured and commanded: each name must mean one stream
        acted = tuple(f"action.{name}" for name in acted)
    return TrajectoryInfo(
        format=t.provenance.format,
        episodes=t.episodes,
        observation_names=observed,
        action_names=acted,
        actions=t.action_space.size if t.discrete else None,
        fields=frozenset(fields),
        step_limit=t.step_limit,
        fps=t.fps,
        env_id=t.env_id,
        mapping=dict(t.provenance.mapping),
        unknown=t.provenance.unknown,
        skipped=t.provenance.skipped,
        problems=t.provenance.problems,
    )


def names_of(space: Space, stream: str) -> tuple[str, ...]:
    """Return a name for each entry of a vector: the source's where it has distinct ones, else `stream[i]`."""
    if len(set(space.names)) == space.size:
        return space.names
    return tuple(f"{stream}[{i}]" for i in range(space.size))


def columns_of(trajectories: Trajectories) -> tuple[Column, ...]:
    """Return the canonical columns that the trajectories have, as a dataset's columns."""
    return tuple(_columns(trajectories))


def _columns(t: Trajectories) -> Iterator[Column]:
    numeric, nested = ColumnKind.NUMERIC, ColumnKind.NESTED
    text = t.episode_ids.dtype.kind not in "iu"
    yield Column("episode_id", ColumnKind.TEXT if text else numeric, "string" if text else "int64", integer=not text)
    yield Column("step", numeric, "int32", integer=True)
    yield Column("observation", nested, f"float32[{t.observation_space.size}]")
    if t.discrete:
        yield Column("action", numeric, "int32", integer=True)
    else:
        yield Column("action", nested, f"float32[{t.action_space.size}]")
    for name, column in (("rewards", "reward"), ("timestamps", "timestamp"), ("behaviour_log_prob",) * 2):
        if getattr(t, name) is not None:
            yield Column(column, numeric, "float64", floating=True)
    for name in ("terminated", "truncated"):
        if getattr(t, name) is not None:
            yield Column(name, ColumnKind.BOOLEAN, "bool")
    if t.next_observations is not None:
        yield Column("next_observation", nested, f"float32[{t.observation_space.size}]")
    if t.policy_ids is not None:
        yield Column("policy_id", ColumnKind.TEXT, "string")
    if t.weights is not None:
        yield Column("weight", numeric, "float64", floating=True)
    for name in sorted(t.infos):
        yield Column(f"info_{name}", ColumnKind.NESTED, str(t.infos[name].dtype))


def schema_hash(columns: tuple[Column, ...]) -> str:
    """Return the identity of names and types."""
    return hashlib.sha256("\x1f".join(f"{c.name}:{c.type}" for c in columns).encode()).hexdigest()


def notes_of(trajectories: Trajectories) -> tuple[str, ...]:
    """Return how the source was read, what it could not say and what was left out, one sentence each."""
    p = trajectories.provenance
    mapping = "; ".join(f"{name} -> {meaning}" for name, meaning in p.mapping.items())
    said = [f"format: {p.format}" + (f"; {mapping}" if mapping else "")]
    said += [f"not said by the source: {text}" for text in p.unknown]
    said += [f"left out: {text}" for text in p.skipped]
    return tuple(said)
