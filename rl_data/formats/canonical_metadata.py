"""What the canonical form says in its schema's metadata: written in JSON, read with suspicion."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rl_data.trajectories import PER_ROW, Space, Trajectories

METADATA_KEY = b"rl_data"
_KINDS: Mapping[str, type] = {
    "mapping": dict, "declared": dict, "unknown": list, "skipped": list, "problems": list, "empty_episodes": list,
    "step_limit": int, "fps": float, "env_id": str, "source_format": str, "sha256": str,
}  # fmt: skip
"""Types of the metadata that are taken over; a file may have been written or changed by anyone."""

DECLARED = ("total_episodes", "total_steps", "step_limit", "fps", "env_id", "source_format", "sha256")
"""Metadata that become `Provenance.declared` under their own names."""


def write_metadata(trajectories: Trajectories) -> bytes:
    """Return the schema's metadata of trajectories, JSON without NaN or infinity, keys sorted."""
    return json.dumps(_finite(_description(trajectories)), sort_keys=True, allow_nan=False).encode()


def fingerprint(trajectories: Trajectories) -> str:
    """Return the sha256 of what the trajectories say: episodes, transitions and flags; not of where they come from."""
    digest = hashlib.sha256()
    names = ("episode_ids", "offsets", *(name for name in PER_ROW if name != "source_rows"))
    known = {name: getattr(trajectories, name) for name in names}
    known |= {f"info_{name}": values for name, values in trajectories.infos.items()}
    for name in sorted(known):
        if known[name] is None:
            continue
        array = np.ascontiguousarray(known[name])
        if array.dtype.kind in "UO":  # the same texts, whatever the width of their array
            array = array.astype(np.str_)
            array = array.astype(f"U{max(1, int(np.strings.str_len(array).max(initial=1)))}")
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def read_metadata(schema: pa.Schema) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return what the schema's metadata say, and what is wrong with them."""
    raw = (schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        return {}, []
    try:
        declared = json.loads(raw)
    except ValueError:
        declared = None
    if not isinstance(declared, dict):
        return {}, [("schema metadata", "not readable as JSON: spaces are taken from the arrays")]
    known = {name: value for name, value in declared.items() if value is not None}
    wrong = [name for name, kind in _KINDS.items() if name in known and not isinstance(known[name], kind)]
    problems = [("schema metadata", f"{name} is not {_KINDS[name].__name__}: ignored") for name in wrong]
    return {name: value for name, value in known.items() if name not in wrong}, problems


def declared_space(declared: Any, array: NDArray[Any]) -> tuple[Space | None, str]:
    """Return the declared space if it can hold the array's vectors or numbers, else why not."""
    if declared is None:
        return None, ""
    try:
        low, high = (None if declared.get(b) is None else tuple(map(float, declared[b])) for b in ("low", "high"))
        space = Space(str(declared["kind"]), int(declared["size"]), low, high, tuple(declared.get("names", ())))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None, "the declared space is not readable: taken from the arrays"
    if (space.kind == "discrete") != (array.ndim == 1) or (array.ndim == 2 and space.size != array.shape[1]):
        return (
            None,
            f"declared as {space.kind} of {space.size}, the rows have shape {array.shape[1:]}: taken from the arrays",
        )
    return space, ""


def pairs(values: list[Any]) -> list[list[Any]]:
    """Return the entries that are lists of two."""
    return [value for value in values if isinstance(value, list) and len(value) == 2]


def with_empty(trajectories: Trajectories, empty: list[Any]) -> Trajectories:
    """Put back episodes without a transition, which a table of transitions cannot hold, where they stood."""
    for stated, identity in pairs(empty):
        if identity in trajectories.episode_ids:
            continue
        end = trajectories.episodes
        place = min(max(stated, 0), end) if isinstance(stated, int) else end
        known = trajectories.episode_ids
        wide = np.result_type(known, np.asarray(identity))  # np.insert would cut a longer text
        ids = np.insert(known.astype(wide), place, identity)
        offsets = np.insert(trajectories.offsets, place, trajectories.offsets[place])
        files = trajectories.source_files
        files = None if files is None else np.insert(files, place, "")
        trajectories = replace(trajectories, episode_ids=ids, offsets=offsets, source_files=files)
    return trajectories


def _description(t: Trajectories) -> dict[str, Any]:
    """Return the schema's metadata."""
    empty = np.flatnonzero(t.lengths == 0)
    return {
        "version": 1,
        "reward_alignment": "reward and flags of a row are the result of its action in its observation",
        "observation_space": asdict(t.observation_space),
        "action_space": asdict(t.action_space),
        "env_id": t.env_id,
        "step_limit": t.step_limit,
        "fps": None if t.fps is None else float(t.fps),
        "source_format": t.provenance.declared.get("source_format", t.provenance.format),
        "mapping": dict(t.provenance.mapping),
        "unknown": list(t.provenance.unknown),
        "skipped": list(t.provenance.skipped),
        "declared": {name: value for name, value in t.provenance.declared.items() if name not in DECLARED},
        "problems": [list(problem) for problem in t.provenance.problems],
        "total_episodes": t.episodes,
        "total_steps": t.rows,
        "empty_episodes": [[int(place), t.episode_ids[place]] for place in empty],
        "sha256": fingerprint(t),
    }


def _finite(value: Any) -> Any:
    """Return a value as plain JSON: arrays become lists, numbers that are not finite become text."""
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, Space):
        return _finite(asdict(value))
    if isinstance(value, list | tuple | np.ndarray):
        return [_finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
