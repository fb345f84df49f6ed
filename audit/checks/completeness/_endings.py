"""The picture of how episodes end, and last rows of episodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.episode_facts.flags import EpisodeEndsValues
from audit.findings import Chart, View


def rows_of(episodes: NDArray[np.bool_], e: EpisodeEndsValues) -> NDArray[np.bool_]:
    """Return bool[N]: the last rows of the marked episodes."""
    rows = np.zeros(len(e.early_terminated), dtype=bool)
    last = e.last_rows[episodes]
    rows[last[last >= 0]] = True
    return rows


def ending_view(e: EpisodeEndsValues) -> View:
    """Return the numbers of episodes by how their last step is flagged."""
    none = np.zeros(len(e.lengths), dtype=bool)
    terminated = none if e.terminated is None else e.terminated
    truncated = none if e.truncated is None else e.truncated
    kinds = {
        "terminated": terminated & ~truncated,
        "truncated": truncated & ~terminated,
        "both": terminated & truncated,
        "no flag": ~terminated & ~truncated & (e.lengths > 0),
    }
    shown = {kind: int(marked.sum()) for kind, marked in kinds.items()}
    chart = Chart(
        "bars", "How episodes end", {"labels": list(shown), "values": list(shown.values())}, x_title="episodes"
    )
    limit = "" if e.limit is None else f" The declared limit is {e.limit:,} steps; the longest has "
    longest = f"{int(e.lengths.max(initial=0)):,}."
    return View(chart, f"Flags on the last step of {len(e.lengths):,} episodes.{limit}{longest if limit else ''}")
