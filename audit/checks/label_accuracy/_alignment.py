"""What the checks of alignment share: episodes whose stream fits at another lag than the dataset's, and repairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.checks._episodes import named, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, Repair, Severity

WHEN = {-1: "one step later", 1: "one step earlier"}
"""Where a stream belongs that fits at this lag: what stands at t + lag belongs to t."""


def lag_words(lag: int) -> str:
    """Return a lag as a row is named.

    >>> lag_words(-1), lag_words(0), lag_words(1)
    ('t - 1', 't', 't + 1')
    """
    return "t" if lag == 0 else f"t {'+' if lag > 0 else '-'} {abs(lag)}"


def lag_chart(title: str, values: dict[int, float], y_title: str) -> Chart:
    """Return bars by lag."""
    return Chart(
        "bars", title,
        {"labels": [lag_words(lag) for lag in sorted(values)], "values": [round(values[k], 4) for k in sorted(values)]},
        x_title="taken from", y_title=y_title,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LaggedEpisodes:
    """Episodes whose stream fits at another lag than that of the dataset.

    Attributes:
        code: of the check.
        field: `action` or `reward`.
        ids: of all episodes.
        lengths: int64[E].
        lagged: bool[E].
        lags: int8[E], the lag of the lagged ones.
        usual: the lag of the dataset.
        fail: share of lagged episodes above which the check fails.
    """

    code: str
    field: str
    ids: tuple[str, ...]
    lengths: NDArray[np.int64]
    lagged: NDArray[np.bool_]
    lags: NDArray[np.int8]
    usual: int
    fail: float

    @property
    def others(self) -> tuple[str, ...]:
        """Episodes that are as the dataset is; empty where all are (which means all in a repair)."""
        if not self.lagged.any():
            return ()
        return tuple(self.ids[i] for i in np.flatnonzero(~self.lagged).tolist())

    def judge(self, basis: Basis) -> Iterator[Judgement]:
        """Yield a finding and a repair for each lag."""
        episodes = max(len(self.ids), 1)
        if not self.lagged.any():
            yield Measurement("lagged_episode_share", (self.field,), 0.0, basis, limit=0.0)
            return
        for lag in np.unique(self.lags[self.lagged]).tolist():
            own = self.lagged & (self.lags == lag)
            count = int(own.sum())
            share = count / episodes
            ids = worst_episodes(self.ids, own)
            segment = f"lag {lag:+d}"
            yield Finding(
                self.code, (self.field,), Severity.FAIL if share > self.fail else Severity.WARN,
                f"{self.field}: {counted(count, 'episode')} of {episodes:,} ({percent(share)}) fit the others only "
                f"with the {self.field} of {lag_words(lag)} in place of {lag_words(self.usual)}, limit 0 "
                f"({named(ids)})",
                "lagged_episode_share", share, 0.0, basis, effect=share, affected=int(self.lengths[own].sum()),
                segment=segment, episodes=ids,
                remedy=f"Find out whether another recorder wrote them; if so, shift their {self.field}s "
                f"(`audit clean` proposes it).",
            )  # fmt: skip
            if lag:
                yield Repair(
                    self.code, (self.field,), "lagged_episode_share", "shift",
                    reason=f"in these episodes {self.field}s belong {WHEN[lag]}: there the model of the other "
                    "episodes explains them",
                    episodes=tuple(self.ids[i] for i in np.flatnonzero(own).tolist()), field=self.field, value=-lag,
                    segment=segment,
                )  # fmt: skip
