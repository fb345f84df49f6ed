"""What checks of trajectories share: naming episodes and steps in findings and repairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.findings import Spans

MOST = 1_000
"""Episodes and steps that a finding names."""


def worst_episodes(ids: Sequence[str], badness: NDArray[Any]) -> tuple[str, ...]:
    """Return the ids of the episodes with a badness above 0, worst first (ties: as read), at most 1,000."""
    order = np.argsort(-np.asarray(badness, dtype=np.float64), kind="stable")
    return tuple(ids[i] for i in order[:MOST].tolist() if badness[i] > 0)


def first_rows(steps: NDArray[np.bool_], badness: NDArray[Any] | None = None) -> tuple[int, ...]:
    """Return the places of the marked steps, worst first where a badness (one entry a step) is given; 1,000 at most."""
    places = np.flatnonzero(steps)
    if badness is not None:
        places = places[np.argsort(-badness[places], kind="stable")]
    return tuple(places[:MOST].tolist())


def spans(steps: NDArray[np.bool_]) -> Spans:
    """Return the marked steps as half-open spans.

    >>> spans(np.array([False, True, True, False, True]))
    ((1, 3), (4, 5))
    """
    edges = np.diff(np.concatenate([[False], steps, [False]]).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return tuple(zip(starts.tolist(), stops.tolist(), strict=True))


def named(ids: Sequence[str], most: int = 3) -> str:
    """Return a few episodes in words, for the end of a sentence.

    >>> named(["4", "7"]), named(["1", "2", "3", "4"]), named([])
    ('episodes 4, 7', 'episodes 1, 2, 3 and 1 more', 'no episode')
    """
    if not ids:
        return "no episode"
    more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
    return f"episode{'' if len(ids) == 1 else 's'} {', '.join(ids[:most])}{more}"
