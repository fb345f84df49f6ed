"""LBL105: does the environment answer as the recording says?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import MOST
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.replay import Replay, ReplayValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity

NEXT, REWARD, TERMINATED = ("next_observation",), ("reward",), ("terminated",)


@register
@dataclass(frozen=True, slots=True)
class EnvironmentReplay:
    """Recorded steps that the environment, asked again, answers differently.

    What it measures: a seeded sample of steps is taken again in the registered Gymnasium environment that you name: the
        state is set from the observation where the environment allows it (CartPole, Pendulum, MountainCar, Acrobot),
        else episodes are replayed from the seed that the source gives. Compared are the next observation (largest
        difference as a share of the entry's spread), the reward and `terminated`.
    Why it matters: it is the only test with a truth. Another version of the environment, a wrapper that is not
        declared, or altered rewards show here and perhaps nowhere else.
    What to do: name the version and the wrappers that the data were recorded with, or record again.

    Options:
        environment: the environment's registered name, such as CartPole-v1; without it nothing is run.
        steps: most steps that are replayed.
        tolerance: difference of an observation, as a share of its spread, and of a reward, that counts as equal.
        fail: share (0 to 1) of differing steps above which the check fails; below it warns.
    """

    code: ClassVar[str] = "LBL105"
    name: ClassVar[str] = "environment-replay"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TRAJECTORY

    environment: str | None = None
    steps: int = 2_000
    tolerance: float = 1e-3
    fail: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for a replay where an environment is named."""
        if not self.environment:
            known = data.episodes.env_id
            example = f" (the source says {known})" if known else ""
            return NotEvaluated(f"no environment is named to replay in; set its option `environment`{example}")
        if not data.rows:
            return NotEvaluated("there are no steps to replay")
        return {"replay": Replay(self.environment, self.steps), "rows": data.rows, "seed": data.seed}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge next observations, rewards and ends."""
        r: ReplayValues = facts["replay"]
        if r.reason:
            yield NotEvaluated(r.reason)
            return
        n = len(r.rows)
        basis = Basis(n, facts["rows"]) if n >= facts["rows"] else Basis(n, facts["rows"], facts["seed"])
        yield from self._stream(
            r, NEXT, "next_differs_share", ~(r.next_off <= self.tolerance), basis, words="lead to another observation"
        )
        if np.isfinite(r.reward_off).any():
            off = ~(r.reward_off <= self.tolerance)
            yield from self._stream(r, REWARD, "reward_differs_share", off, basis, words="earn another reward")
        yield from self._stream(
            r, TERMINATED, "terminated_differs_share", r.terminated_off, basis,
            words="end the task where the data do not, or do not where the data do",
        )  # fmt: skip

    def _stream(
        self,
        r: ReplayValues,
        column: tuple[str, ...],
        statistic: str,
        off: NDArray[np.bool_],
        basis: Basis,
        *,
        words: str,
    ) -> Iterator[Judgement]:
        share = float(off.mean())
        if not off.any():
            yield Measurement(statistic, column, 0.0, basis, limit=0.0)
            return
        yield Finding(
            self.code, column, Severity.FAIL if share > self.fail else Severity.WARN,
            f"{column[0]}: {counted(int(off.sum()), 'step')} of {len(off):,} ({percent(share)}) replayed in "
            f"{self.environment} {words}, limit 0",
            statistic, share, 0.0, basis, effect=share, affected=round(share * basis.of),
            row_ids=tuple(r.rows[off][:MOST].tolist()),
            remedy="Find the version and the wrappers that the data were recorded with; where they are these, "
            "the data were altered.",
        )  # fmt: skip
