"""What the writers of formats share: files that appear only when they are complete, and words for what gets lost.

A writer stores what its format can hold and returns the rest in words, one sentence each. What a format demands and the
data cannot say is an error: nothing is invented.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rl_data.trajectories import Flags, Trajectories, TrajectoryError

_WORDS = {
    "rewards": "rewards",
    "terminated": "`terminated`",
    "truncated": "`truncated`",
    "ended": "the flag of an end whose kind is not known",
    "timestamps": "timestamps",
    "behaviour_log_prob": "the behaviour policy's log probabilities",
    "policy_ids": "policy ids",
    "weights": "weights",
}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success the file is flushed to the disk and gets its name.

    Raises:
        TrajectoryError: it cannot be written, or `path` is a folder.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.is_dir():
            raise TrajectoryError(f"{path}: is a folder; name a file")
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
    except (OSError, pa.ArrowException) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise TrajectoryError(f"{path}: cannot be written ({why}); choose another place") from error
    finally:
        with suppress(OSError):  # it is not there where its folder is none; the error above says it better
            temporary.unlink()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success its files are flushed to the disk and it gets its name.

    Raises:
        TrajectoryError: it cannot be written, or something that is not an empty folder is there already.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise TrajectoryError(f"{path}: is there already; choose another name, or remove it first")
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.absolute().parent))
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                flush(file)
        if path.is_dir():
            path.rmdir()
        os.replace(temporary, path)
    except (OSError, pa.ArrowException) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise TrajectoryError(f"{path}: cannot be written ({why}); choose another place") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def flush(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def require(trajectories: Trajectories, fields: Collection[str], format: str) -> None:
    """Refuse data that do not say what a format demands.

    Raises:
        TrajectoryError: naming the fields.
    """
    absent = [_WORDS[name] for name in fields if getattr(trajectories, name) is None]
    if absent:
        raise TrajectoryError(
            f"{trajectories.provenance.uri}: {format} demands {' and '.join(absent)} for every step, which these data "
            "do not have, and nothing is invented; write the canonical form (a name that ends in .parquet)"
        )


def lost(trajectories: Trajectories, kept: Collection[str], format: str) -> tuple[str, ...]:
    """Return what a format does not hold, in words: fields beside `kept`, ids, step numbers, empty episodes."""
    t = trajectories
    said = [f"{format} does not hold {words}" for name, words in _WORDS.items() if name not in kept and has(t, name)]
    infos = sorted(name for name in t.infos if f"infos.{name}" not in kept)
    if infos:
        said.append(f"{format} does not hold the further columns {', '.join(infos[:8])}{', ...' * (len(infos) > 8)}")
    if t.episode_ids.dtype.kind not in "iu" or not np.array_equal(t.episode_ids, np.arange(t.episodes)):
        said.append(f"episodes are numbered from 0 (here: {t.episode_ids[0]}, ...), in their order")
    if "steps" not in kept and not np.array_equal(t.steps, places(t)):
        said.append(f"{format} does not hold step numbers; here they are not 0, 1, 2, ... in every episode")
    return tuple(said)


def has(trajectories: Trajectories, name: str) -> bool:
    """Return whether a field is there."""
    return getattr(trajectories, name) is not None


def places(trajectories: Trajectories) -> NDArray[np.int64]:
    """int64[N]: the place of each row in its episode."""
    t = trajectories
    return np.asarray(np.arange(t.rows) - np.repeat(t.offsets[:-1], t.lengths))


def following(trajectories: Trajectories) -> tuple[NDArray[np.float32], Flags]:
    """Return float32[N, d], the observation after each step, and bool[N], where it is known.

    Given next observations count; else the observation of the next row where that is the next step of the same episode.
    """
    t = trajectories
    linked = t.linked
    after = np.full_like(t.observations, np.nan)
    after[:-1][linked[:-1]] = t.observations[1:][linked[:-1]]
    known = linked
    if t.next_observations is not None:
        given = np.ones(t.rows, dtype=bool) if t.has_next is None else t.has_next
        after[given] = t.next_observations[given]
        known = linked | given
    return after, known


def narrowed(values: NDArray[np.float64]) -> NDArray[Any]:
    """Return numbers as float32, which most tools expect, where none of them changes; else as they are."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow.astype(np.float64), values, equal_nan=True) else values


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
