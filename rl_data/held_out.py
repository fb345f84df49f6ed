"""Episodes that a run did not learn from: held out when it is trained, found again when it is evaluated.

An estimate from the episodes that a policy was learned from is too good: its critic believes the same errors. A run's
`config.json` names the data by fingerprint, and the episodes that were held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_data.errors import CheckpointError, DataError
from rl_data.training import fingerprint
from rl_data.trajectories import Trajectories
from rl_data.transitions import transitions
from rl_data.tune import split


@dataclass(frozen=True, slots=True)
class Unseen:
    """What of some data a run can be evaluated on.

    Attributes:
        data: the episodes.
        held_out: whether they are the ones that the run held out of these very data.
        learned_from: whether they are those that the run learned from: estimates are too good then.
    """

    data: Trajectories
    held_out: bool = False
    learned_from: bool = False


def hold_out(
    data: Trajectories, share: float, *, seed: int = 0, ends: str | None = None
) -> tuple[Trajectories, dict[str, Any]]:
    """Return the episodes to learn from, and which ones were held out, for the run's `config.json`.

    Args:
        data: all of it.
        share: of the episodes, in (0, 1).
        seed: of the choice.
        ends: see `rl_data.transitions.transitions`.

    Raises:
        SettingsError: too few episodes for both.
        DataError: the data cannot be learned from.
    """
    learning, held = split(data, share, seed)
    whole = fingerprint(transitions(data, ends=ends))
    return learning, {"share": share, "seed": seed, "of": whole, "episodes": held.episode_ids.tolist()}


def unseen(config: Mapping[str, Any], data: Trajectories) -> Unseen:
    """Return what of the data a run has not learned from, as far as its `config.json` tells.

    Args:
        config: of the run.
        data: to evaluate on. Data that only share episodes with those of the run are not recognised.

    Raises:
        CheckpointError: the config says what was held out of these data, but they have no such episodes.
    """
    described = config.get("data") or {}
    held = described.get("held_out")
    prints = _fingerprints(data)
    if held is not None and held.get("of") in prints:
        places = np.flatnonzero(np.isin(data.episode_ids.astype(str), [str(name) for name in held["episodes"]]))
        if len(places) != len(held["episodes"]):
            raise CheckpointError("the run's config.json names held-out episodes that these data do not have")
        return Unseen(data.take(places), held_out=True)
    return Unseen(data, learned_from=described.get("sha256") in prints)


def _fingerprints(data: Trajectories) -> set[str]:
    """Return the fingerprints that a run can have written of these data, whatever its `--ends` was."""
    found = set()
    for ends in ("terminated", "truncated") if data.terminated is None else (None,):
        for imitation in (False, True):
            with suppress(DataError):  # what cannot be learned from was not
                found.add(fingerprint(transitions(data, ends=ends, imitation=imitation)))
    return found
