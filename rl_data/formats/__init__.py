"""File formats of trajectories: which one a file has, told from its content, and how to read it.

Each format is a module with `NAME`, `matches(path) -> str | None` (the evidence in words when the file has that format;
cheap; it looks into the file, a name alone proves nothing) and `read(path) -> Trajectories`. A module is imported only
when a file is held against it, so that a format's library is needed by those who use the format.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from rl_data.trajectories import Trajectories, TrajectoryError

FORMATS: Mapping[str, str] = {
    "lerobot": "rl_data.formats.lerobot",
    "minari": "rl_data.formats.minari",
    "robomimic": "rl_data.formats.robomimic",
    "d3rlpy": "rl_data.formats.d3rlpy",
    "d4rl": "rl_data.formats.d4rl",
    "npz": "rl_data.formats.npz",
    "canonical": "rl_data.formats.canonical",
    "rlds": "rl_data.formats.rlds",
    "episode-lists": "rl_data.formats.episode_lists",
    "wide": "rl_data.formats.wide",
}
"""Module by format name, in the order in which a file is held against them: the particular before the general."""

WRITERS: Mapping[str, str] = {
    "canonical": "rl_data.formats.canonical",
    "minari": "rl_data.formats.minari_writer",
    "lerobot": "rl_data.formats.lerobot_writer",
    "d4rl": "rl_data.formats.d4rl_writer",
}
"""Module by name of a format that can be written: its `write(trajectories, path)` returns what the format does not
hold, in words."""


class Format(Protocol):
    """What a module of this package offers."""

    NAME: str

    def matches(self, path: Path) -> str | None:
        """Return the evidence that the file or folder has this format, in words; None when it has not."""
        ...

    def read(self, path: Path) -> Trajectories:
        """Return the trajectories.

        Raises:
            TrajectoryError: they cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Detected:
    """A format, and what in the file says so."""

    name: str
    evidence: str


def detect(path: str | Path) -> Detected | None:
    """Return the format of a file or folder, with the evidence; None when it holds no trajectories that we know."""
    path = Path(path)
    if not path.exists():
        return None
    for name in FORMATS:
        evidence = _load(name).matches(path)
        if evidence is not None:
            return Detected(name, evidence)
    return None


def read(path: str | Path, format: str | None = None) -> Trajectories:
    """Return the trajectories of a file or folder.

    Args:
        path: a file, or a folder where the format has one.
        format: a name of `FORMATS`; None detects it.

    Raises:
        TrajectoryError: no format matches, the format's name is unknown, or the content cannot be read.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise TrajectoryError(f"unknown trajectory format {format!r}; known: {', '.join(FORMATS)}")
    if not path.exists():
        raise TrajectoryError(f"{path}: no such file or folder")
    if format is None:
        detected = detect(path)
        if detected is None:
            from rl_data.formats.tables import describe_unknown

            raise TrajectoryError(
                f"{path}: {describe_unknown(path)}; this matches no known trajectory format ({', '.join(FORMATS)})"
            )
        format = detected.name
    return _load(format).read(path)


def write_canonical(trajectories: Trajectories, path: str | Path) -> None:
    """Write the canonical form: Parquet, or Arrow where the name ends in .arrow or .feather.

    Raises:
        TrajectoryError: the file cannot be written.
    """
    from rl_data.formats.canonical import write

    write(trajectories, Path(path))


def write(trajectories: Trajectories, path: str | Path, format: str = "canonical") -> tuple[str, ...]:
    """Write trajectories in a format of `WRITERS`; return what the format does not hold, in words.

    `path` is a file for the canonical form and D4RL, a new folder for Minari and LeRobot. It appears only when it is
    complete.

    Raises:
        TrajectoryError: the format's name is unknown, the format demands what the data do not say, or `path` cannot be
            written.
    """
    if format not in WRITERS:
        raise TrajectoryError(f"unknown format {format!r} to write; there are {', '.join(WRITERS)}")
    return cast(tuple[str, ...], importlib.import_module(WRITERS[format]).write(trajectories, Path(path)))


def _load(name: str) -> Format:
    return cast(Format, importlib.import_module(FORMATS[name]))
