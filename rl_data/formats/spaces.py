"""Gymnasium's spaces as Minari writes them to JSON: the leaves that are vectors, and their bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_data.formats.episodes import entry_names, is_blob
from rl_data.trajectories import Space


@dataclass(frozen=True, slots=True)
class Leaf:
    """One simple space inside a space.

    Attributes:
        path: keys of dictionaries (text) and places in tuples (numbers) from the outside in.
        type: Gymnasium's name of it.
        low: float[size], first value; empty when it is no vector.
        high: float[size], last value.
        skip: why it is not read, in words; empty when it is.
    """

    path: tuple[str | int, ...]
    type: str
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    skip: str = ""

    @property
    def size(self) -> int:
        """Numbers a step."""
        return len(self.low)

    @property
    def name(self) -> str:
        """The path in words, such as goal/position; empty for a space that is not nested."""
        return "/".join(str(part) for part in self.path)


def leaves(text: object) -> tuple[Leaf, ...] | None:
    """Return the simple spaces of a space in JSON, in its order; None when it is no space in JSON."""
    try:
        space: Any = json.loads(text) if isinstance(text, str | bytes) else text
        return tuple(_leaves(space, ()))
    except (ValueError, TypeError, KeyError):
        return None


def space_of(parts: Sequence[Leaf]) -> Space:
    """Return the one vector, or the one choice, that the leaves are put together to."""
    read = [leaf for leaf in parts if not leaf.skip]
    if len(parts) == 1 and read and read[0].type == "Discrete":
        return Space("discrete", round(read[0].high[0] - read[0].low[0]) + 1)
    return vector_of(parts)


def vector_of(parts: Sequence[Leaf]) -> Space:
    """Return the one vector that the leaves are put together to."""
    read = [leaf for leaf in parts if not leaf.skip]
    low = tuple(value for leaf in read for value in leaf.low)
    high = tuple(value for leaf in read for value in leaf.high)
    names = entry_names((leaf.name, leaf.size) for leaf in read) if any(leaf.path for leaf in read) else ()
    return Space("box", len(low), low, high, names)


def _leaves(space: Mapping[str, Any], path: tuple[str | int, ...]) -> list[Leaf]:
    name = space["type"]
    if name == "Dict":
        return [leaf for key, below in space["subspaces"].items() for leaf in _leaves(below, (*path, key))]
    if name == "Tuple":
        return [leaf for place, below in enumerate(space["subspaces"]) for leaf in _leaves(below, (*path, place))]
    if name == "Box":
        if is_blob(space["shape"]):
            return [Leaf(path, name, skip="images of " + "x".join(str(n) for n in space["shape"]))]
        return [Leaf(path, name, _floats(space["low"]), _floats(space["high"]))]
    if name == "Discrete":
        first = float(space.get("start", 0))
        return [Leaf(path, name, (first,), (first + space["n"] - 1,))]
    if name == "MultiDiscrete":
        counts = np.ravel(space["nvec"]).astype(float)
        starts = np.ravel(space.get("start", np.zeros_like(counts))).astype(float)
        return [Leaf(path, name, tuple(starts.tolist()), tuple((starts + counts - 1).tolist()))]
    if name == "MultiBinary":
        size = int(np.prod(space["n"]))
        return [Leaf(path, name, (0.0,) * size, (1.0,) * size)]
    return [Leaf(path, name, skip=f"values of a {name} space")]


def _floats(bounds: Any) -> tuple[float, ...]:
    return tuple(np.ravel(np.asarray(bounds, dtype=float)).tolist())
