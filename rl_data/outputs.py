"""Whether a result can be written where it was asked for, looked at before the work; files that appear complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rl_data.errors import CheckpointError, SettingsError


def check_folder(path: Path) -> None:
    """Raise SettingsError where there can be no folder to write into."""
    place = path.absolute()
    while not os.path.exists(place):  # Path.exists raises where a folder on the way may not be read
        place = place.parent
    if not place.is_dir():
        raise SettingsError(f"{path}: cannot be written: {place} is a file; name a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise SettingsError(f"{path}: cannot be written: no permission in {place}; choose another place")


def check_file(path: Path, endings: Sequence[str]) -> None:
    """Raise SettingsError where no such file can be written, or its name has none of these endings (".parquet")."""
    if path.is_dir():
        raise SettingsError(f"{path}: cannot be written: it is a folder; name a file")
    if path.suffix.lower() not in endings:
        named = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise SettingsError(f"{path}: its name must end in {named}, which says what is written")
    if not os.path.isdir(path.absolute().parent):
        raise SettingsError(f"{path}: cannot be written: there is no folder {path.parent}; make it, or choose another")
    check_folder(path.parent)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file under another name, then give it its name: a kill leaves what was there before.

    Raises:
        CheckpointError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError where a file cannot be written
        raise CheckpointError(f"{path}: cannot be written: {error}") from error
    finally:
        with suppress(OSError):  # it is not there where its folder is none; the error above says it better
            temporary.unlink()
