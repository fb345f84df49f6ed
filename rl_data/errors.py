"""What can go wrong while something is learned, evaluated or collected.

    LearningError             the base of all; the command line prints its text and exits with 2
    ├── SettingsError         an option is unknown, out of range, or does not fit the data
    ├── DataError             the data can be read but not be learned from; the message names column and row
    ├── PolicyError           a policy is asked for what it does not have, such as a deterministic one for a density
    ├── CheckpointError       a checkpoint is absent, damaged, unsafe, or of something else
    ├── DivergenceError       training went astray; the message says the likely cause in the data
    └── WorkerError           a process that learned beside others ended before it was done

Data that cannot be read as trajectories are `rl_data.trajectories.TrajectoryError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class LearningError(ValueError):
    """The base of every error that learning, evaluation and collection raise on purpose."""


class SettingsError(LearningError):
    """An option is unknown, out of range, or does not fit the data."""


class DataError(LearningError):
    """The data can be read, but not be learned from."""


class PolicyError(LearningError):
    """A policy is asked for what it does not have."""


class CheckpointError(LearningError):
    """A checkpoint is absent, damaged, unsafe to load, or of something else."""


class DivergenceError(LearningError):
    """Training went astray, or cannot but do so on these data."""


class WorkerError(LearningError):
    """A process that learned beside others ended before it was done."""


def unknown(what: str, name: str, known: Sequence[str], prefix: str = "") -> SettingsError:
    """Return the error about a name that is not among those known, with the nearest one where there is one near.

    Args:
        what: the name in words, as the sentence begins after "unknown": "option network.widht".
        name: what was asked for.
        known: what there is.
        prefix: put before each known name, such as "network.".
    """
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {prefix}{near[0]}? Known: " if near else "known: "
    return SettingsError(f"unknown {what}; {hint}{', '.join(prefix + one for one in known)}")
