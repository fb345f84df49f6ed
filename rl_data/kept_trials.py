"""Finished trials in a folder, so that a comparison which was interrupted goes on and its policies stay.

Each trial has a folder of its own, named after all that its outcome depends on: the bytes of its data, the learner, its
options, seed, updates and all else of the `Trial`, and the code of this package. Only what the data set is called, and
where it lies, may change. The code of plug-ins (learners, environments) is not looked at: empty the folder when it
changes.

    outcome.json                                what came of it
    config.json, checkpoint.pt, metrics.jsonl   the policy, as `rl_data.checkpoints.load` reads it

Nothing in it is code. A folder gets its name when it is complete; a kill leaves at most one that begins with a dot.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import shutil
import typing
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rl_data.errors import CheckpointError
from rl_data.outputs import check_folder, replace_file
from rl_data.trial import Outcome, Trial, run_trial

OUTCOME = "outcome.json"


def key_of(trial: Trial, digest_of: Callable[[Path], str]) -> str:
    """Return the name of a trial's folder: the same for the same outcome; `digest_of` is `digest` or a cache of it."""
    settings = {field.name: getattr(trial, field.name) for field in dataclasses.fields(trial)}
    del settings["arm"]
    settings["data"] = digest_of(trial.data)
    settings["held_out"] = None if trial.held_out is None else digest_of(trial.held_out)
    settings["code"] = _code()
    settings["versions"] = _versions()
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def digest(path: Path, pattern: str = "*") -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files in a folder."""
    found = hashlib.sha256()
    files = sorted(file for file in path.rglob(pattern) if file.is_file()) if path.is_dir() else [path]
    for file in files:
        try:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:  # whoever reads the data says it better
            content = "none"
        found.update(f"{file.relative_to(path)} {content}\n".encode())
    return found.hexdigest()


def find(folder: Path, trial: Trial, key: str) -> Outcome | None:
    """Return what came of a trial; None where it is not there, or damaged."""
    try:
        saved = json.loads((folder / key / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(saved, dict) or saved.keys() != set(_names()):
        return None
    kinds = typing.get_type_hints(Outcome)
    fields = {n: _tuples(value) if typing.get_origin(kinds[n]) is tuple else value for n, value in saved.items()}
    outcome = Outcome(trial=trial, **fields)
    # the name as in `rl_data.checkpoints`, which would import torch here
    if not outcome.problem and not (folder / key / "checkpoint.pt").exists():
        return None
    return _with_run(outcome, folder / key)


def run_and_keep(folder: Path, trial: Trial, key: str) -> Outcome:
    """Run a trial, and put its outcome and its policy into the folder."""
    part = folder / f".{key}.{os.getpid()}.part"
    try:
        outcome = run_trial(trial, part)
        text = json.dumps({name: getattr(outcome, name) for name in _names()})
        replace_file(part / OUTCOME, lambda path: path.write_text(text, encoding="utf-8"))
        if find(folder, trial, key) is None:  # else another process was faster
            shutil.rmtree(folder / key, ignore_errors=True)
            _rename(part, folder / key)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _with_run(outcome, folder / key)


def _rename(part: Path, whole: Path) -> None:
    try:
        os.replace(part, whole)
    except OSError as error:
        raise CheckpointError(f"{whole}: cannot be written: {error}") from error


def remove_others(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Remove trials of earlier settings, so that the folder has those of one comparison; other files stay."""
    mine = {outcome.run for outcome in outcomes}
    for place in folder.iterdir():
        if place not in mine and (place.name.endswith(".part") or (place / OUTCOME).exists()):
            shutil.rmtree(place)


def prepare(folder: Path) -> None:
    """Make the folder.

    Raises:
        SettingsError: there can be none.
    """
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _with_run(outcome: Outcome, run: Path) -> Outcome:
    return dataclasses.replace(outcome, run=None if outcome.problem else run)


def _names() -> list[str]:
    """Return what is saved of an outcome."""
    return [field.name for field in dataclasses.fields(Outcome) if field.name not in ("trial", "run")]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


@cache
def _code() -> str:
    return digest(Path(__file__).parent, "*.py")


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("torch", "numpy", "gymnasium"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
