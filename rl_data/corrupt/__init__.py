"""Defects planted into trajectories on purpose, with the truth about where they are.

For tests, for benchmarks, and for anyone who wants to know what an audit, or a learner, does about a defect:

    corrupted = inject("obs_units", trajectories, rate=0.1, seed=0)
    corrupted.trajectories       # with the defect
    corrupted.episodes           # bool, one entry an episode: where it is
    corrupted.undo               # the typed repair that undoes it

`INJECTORS` lists the defects: what each imitates, where it was seen, and whether the data alone can show it. The same
name, data, rate and seed give the same result. The trajectories that are given are never changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from rl_data.corrupt import episodes, flags, streams
from rl_data.corrupt._base import REGISTRY, Corrupted, InjectionError, Injector, Undo
from rl_data.trajectories import Trajectories

__all__ = ["INJECTORS", "Corrupted", "InjectionError", "Injector", "Undo", "inject"]

INJECTORS: Mapping[str, Injector] = MappingProxyType(
    {
        name: about
        for module in (flags, streams, episodes)
        for name, about in REGISTRY.items()
        if about.function.__module__ == module.__name__
    }
)
"""Every defect by its name."""


def inject(name: str, trajectories: Trajectories, *, rate: float, seed: int) -> Corrupted:
    """Return the trajectories with a defect planted into a share of them.

    Args:
        name: one of `INJECTORS`.
        trajectories: what to plant it into; they stay as they are.
        rate: share of the injector's unit (steps or episodes) that is hit, above 0 and at most 1; of those that can be
            hit, at least one is.
        seed: of the choice.

    Raises:
        InjectionError: the name or the rate is unknown, or the defect cannot be planted into these data.
    """
    if name not in INJECTORS:
        raise InjectionError(f"there is no injector '{name}'; there are {', '.join(INJECTORS)}")
    if not 0.0 < rate <= 1.0:
        raise InjectionError(f"rate must be above 0 and at most 1, not {rate}")
    if not trajectories.rows:
        raise InjectionError(f"{name} cannot be planted: there are no steps")
    random = np.random.default_rng([zlib.crc32(name.encode()), seed])
    return INJECTORS[name].function(trajectories, rate, random)
