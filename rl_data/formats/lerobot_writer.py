"""Writing LeRobot's layout v2.1: one Parquet file an episode, metadata and statistics in `meta/`.

Beside `next.done`, which LeRobot has, the flags that it merges are kept apart in `next.terminated` and
`next.truncated` where they are known.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rl_data.formats import columns, writing
from rl_data.trajectories import Trajectories, TrajectoryError

_NAME = "LeRobot"
_CHUNK = 1000  # episodes a folder
_KEPT = (
    "rewards", "terminated", "truncated", "ended", "timestamps", "steps", "infos.index", "infos.task_index",
    "infos.next.success",
)  # fmt: skip
_DEFAULTS = {
    name: {"dtype": kind, "shape": [1], "names": None}
    for name, kind in (
        ("timestamp", "float32"), ("frame_index", "int64"), ("episode_index", "int64"), ("index", "int64"),
        ("task_index", "int64"),
    )
}  # fmt: skip

Columns = dict[str, NDArray[Any]]


def write(trajectories: Trajectories, path: Path) -> tuple[str, ...]:
    """Write a folder `path` with a LeRobot v2.1 data set; return what the format does not hold, in words.

    Raises:
        TrajectoryError: there is no step, or the folder cannot be written.
    """
    t = trajectories
    if not t.rows:
        raise TrajectoryError(f"{t.provenance.uri}: there is no step to write")
    filled = np.flatnonzero(t.lengths)
    values = _columns(t)
    task = t.env_id or "recorded"
    with writing.new_folder(path) as folder:
        (folder / "meta").mkdir()
        lines: list[str] = []
        statistics: list[str] = []
        for number, episode in enumerate(filled.tolist()):
            rows = slice(int(t.offsets[episode]), int(t.offsets[episode + 1]))
            own = {name: array[rows] for name, array in values.items()}
            own["episode_index"] = np.full(rows.stop - rows.start, number, dtype=np.int64)
            file = folder / f"data/chunk-{number // _CHUNK:03d}/episode_{number:06d}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(_table(own), file)
            lines.append(json.dumps({"episode_index": number, "tasks": [task], "length": rows.stop - rows.start}))
            statistics.append(json.dumps({"episode_index": number, "stats": _statistics(own)}))
        _write_lines(folder / "meta/episodes.jsonl", lines)
        _write_lines(folder / "meta/episodes_stats.jsonl", statistics)
        _write_lines(folder / "meta/tasks.jsonl", [json.dumps({"task_index": 0, "task": task})])
        info = json.dumps(_info(t, values, len(filled)), indent=4)
        (folder / "meta/info.json").write_text(info + "\n", encoding="utf-8")
    return (*writing.lost(t, _KEPT, _NAME), *_lost_rest(t, len(filled)))


def _columns(t: Trajectories) -> Columns:
    """Return the columns of all rows but the episode's number."""
    values: Columns = {
        "observation.state": t.observations,
        "action": t.actions.astype(np.int64) if t.discrete else t.actions,
        "timestamp": _timestamps(t).astype(np.float32),
        "frame_index": t.steps.astype(np.int64),
        "index": np.arange(t.rows, dtype=np.int64),
        "task_index": np.zeros(t.rows, dtype=np.int64),
    }
    if t.rewards is not None:
        values["next.reward"] = writing.narrowed(t.rewards)
    for name in ("terminated", "truncated"):
        flags = getattr(t, name)
        if flags is not None:
            values[f"next.{name}"] = flags
    known = [flags for flags in (t.terminated, t.truncated, t.ended) if flags is not None]
    if known:
        values["next.done"] = np.logical_or.reduce(known)
    success = t.infos.get("next.success")
    if success is not None and success.ndim == 1:
        values["next.success"] = success
    return values


def _timestamps(t: Trajectories) -> NDArray[np.float64]:
    return t.timestamps if t.timestamps is not None else t.steps / float(_fps(t))


def _fps(t: Trajectories) -> int | float:
    """Return frames a second; 1 where nothing says, so that a timestamp is the step's number."""
    fps = t.fps or 1.0
    return int(fps) if float(fps).is_integer() else fps


def _table(values: Columns) -> pa.Table:
    arrays = {
        name: pa.array(array) if array.ndim == 1 else columns.fixed_size_lists(array) for name, array in values.items()
    }
    return pa.table(arrays)


def _statistics(values: Columns) -> dict[str, Any]:
    """Return LeRobot's statistics of each column: lists with one entry a number of the vector, JSON without NaN."""
    found = {}
    for name, array in values.items():
        flat = array.reshape(len(array), -1).astype(np.float64)
        known = np.where(np.isfinite(flat), flat, 0.0)
        found[name] = {
            "min": known.min(axis=0).tolist(),
            "max": known.max(axis=0).tolist(),
            "mean": known.mean(axis=0).tolist(),
            "std": known.std(axis=0).tolist(),
            "count": [len(array)],
        }
    return found


def _info(t: Trajectories, values: Columns, total: int) -> dict[str, Any]:
    names = {"observation.state": t.observation_space.names, "action": t.action_space.names}
    features = {
        name: {
            "dtype": str(array.dtype),
            "shape": list(array.shape[1:]) or [1],
            "names": list(names.get(name, ())) or None,
        }
        for name, array in values.items()
        if name not in _DEFAULTS
    }
    return {
        "codebase_version": "v2.1",
        "robot_type": t.provenance.declared.get("robot_type") or "unknown",
        "total_episodes": total,
        "total_frames": t.rows,
        "total_tasks": 1,
        "total_videos": 0,
        "total_chunks": -(-total // _CHUNK),
        "chunks_size": _CHUNK,
        "fps": _fps(t),
        "splits": {"train": f"0:{total}"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": None,
        "features": {**features, **_DEFAULTS},
    }


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lost_rest(t: Trajectories, filled: int) -> tuple[str, ...]:
    said = []
    if t.next_observations is not None:
        said.append("LeRobot does not hold next observations: the final one of each episode is lost")
    if t.fps is None:
        said.append("frames a second are not known: written as 1, so that a timestamp is the step's number")
    if filled < t.episodes:
        said.append(f"{t.episodes - filled:,} episodes without a step are left out")
    if t.step_limit is not None:
        said.append(f"LeRobot does not hold the step limit ({t.step_limit:,})")
    return tuple(said)
