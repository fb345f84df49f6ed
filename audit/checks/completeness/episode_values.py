"""COM103: are the values of the steps measurements at all?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, spans, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.values import ValueFaults, ValueFaultValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, Repair, Severity

Flags = NDArray[np.bool_]


@register
@dataclass(frozen=True, slots=True)
class ValuesOfSteps:
    """Values that are no measurements: not finite, out of all proportion, padding, constants for what was missing.

    What it measures: in every step, NaN and infinities in observation, action, reward and next observation; values
        `huge` times as far from the median as 99% of the values; steps at the end of episodes in which all is 0, and
        last rows that only carry a final observation; observations that hold one constant (0, or the most frequent
        value) in steps where their neighbours are far from it, as when missing values were filled.
    Why it matters: one NaN makes every weight of a network NaN. A filled observation is worse, because nothing breaks:
        the learner fits jumps to the constant and back (a learner that scores 489 on clean CartPole data scores 225
        with 30% of the observations set to 0).
    What to do: let `audit clean` drop the steps; it splits the episodes there, so that no transition jumps over the
        gap. Never fill observations or actions. Entries that are always -inf may be an action mask: mask them in the
        learner.

    Options:
        fail: share (0 to 1) of steps with such values above which the check fails; below it warns.
        huge: how many times as far from the median as 99% of the values a value must be to be out of all proportion.
        isolated: most steps in a row that may be dropped without being asked for, where their share is below `fail`.
    """

    code: ClassVar[str] = "COM103"
    name: ClassVar[str] = "episode-values"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    huge: float = 1e6
    isolated: int = 3

    def ask(self, _data: Dataset) -> Asks:
        """Ask for the marks of every step."""
        return {"values": ValueFaults(self.huge)}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each kind of fault by itself."""
        v: ValueFaultValues = facts["values"]
        rows = len(v.filled)
        basis = Basis(rows, rows)
        yield from self._not_finite(v, basis)
        for stream in v.streams:
            if stream in v.huge:
                yield from self._dropped(
                    v, v.huge[stream], stream, "huge_share",
                    words=f"hold a value more than {self.huge:g} times as far from the median as 99% of the values",
                    reason="a value out of all proportion is no measurement",
                    remedy="Look where it comes from (a sentinel, a unit, an overflow), then drop these steps.",
                )  # fmt: skip
        if not v.huge:
            yield Measurement("huge_share", v.streams, 0.0, basis, limit=0.0)
        yield from self._padding(v, basis)
        yield from self._filled(v, basis)

    def _severity(self, share: float) -> Severity:
        return Severity.FAIL if share > self.fail else Severity.WARN

    def _not_finite(self, v: ValueFaultValues, basis: Basis) -> Iterator[Judgement]:
        masks = v.negative_infinite
        for stream in v.streams:
            bad = v.not_finite.get(stream)
            if bad is not None and stream == "observation" and masks.mean() > self.fail:
                yield from self._masks(v, basis)
                bad = bad & ~masks
            if bad is None or not bad.any():
                yield Measurement("not_finite_share", (stream,), 0.0, basis, limit=0.0)
                continue
            runs = spans(bad)
            longest = max(stop - start for start, stop in runs)
            safe = bool(bad.mean() < self.fail) and longest <= self.isolated
            yield from self._dropped(
                v, bad, stream, "not_finite_share",
                words=f"are not finite (NaN or infinite), at most {longest:,} in a row",
                reason="a step without a finite value is no transition",
                remedy="Find out why they are missing, then drop these steps; never fill them.",
                safe=safe, rebuild=stream == "next_observation",
            )  # fmt: skip

    def _masks(self, v: ValueFaultValues, basis: Basis) -> Iterator[Judgement]:
        masks = v.negative_infinite
        share = float(masks.mean())
        yield Finding(
            self.code, ("observation",), Severity.INFO,
            f"observation: {counted(int(masks.sum()), 'step')} of {len(masks):,} ({percent(share)}) hold -inf, limit "
            f"{percent(self.fail)}; so many may be padding or a mask on purpose",
            "negative_infinite_share", share, self.fail, basis, effect=min(share, 0.3), affected=int(masks.sum()),
            row_ids=first_rows(masks),
            remedy="If it is a mask, take it out of the observation before learning; if not, drop these steps.",
        )  # fmt: skip

    def _dropped(
        self,
        v: ValueFaultValues,
        bad: Flags,
        stream: str,
        statistic: str,
        *,
        words: str,
        reason: str,
        remedy: str,
        safe: bool = False,
        rebuild: bool = False,
    ) -> Iterator[Judgement]:
        count, share = int(bad.sum()), float(bad.mean())
        hit = v.per_episode(bad)
        ids = worst_episodes(v.ids, hit)
        yield Finding(
            self.code, (stream,), self._severity(share),
            f"{stream}: {counted(count, 'step')} of {len(bad):,} ({percent(share)}) in {int((hit > 0).sum()):,} of "
            f"{len(hit):,} episodes {words}, limit 0 ({named(ids)})",
            statistic, share, 0.0, Basis(len(bad), len(bad)), effect=min(1.0, 0.2 + share), affected=count,
            episodes=ids, row_ids=first_rows(bad), remedy=remedy,
        )  # fmt: skip
        yield Repair(
            self.code, (stream,), statistic, "rebuild_next" if rebuild else "drop_steps", rows=spans(bad),
            reason=reason, safe=safe,
        )  # fmt: skip

    def _padding(self, v: ValueFaultValues, basis: Basis) -> Iterator[Judgement]:
        if not (v.padded.any() or v.dummy.any()):
            yield Measurement("padded_share", (), 0.0, basis, limit=0.0)
        if v.padded.any():
            yield from self._dropped(
                v, v.padded, "observation", "padded_share", words="are all 0 to the end of their episode",
                reason="steps that are 0 in every stream, to the end of the episode, fill it up to a length",
                remedy="Cut the episodes to their true lengths, and set the end flag on the last real step.",
            )  # fmt: skip
        dummy = v.dummy & ~v.padded
        if dummy.any():
            yield from self._dropped(
                v, dummy, "action", "dummy_row_share",
                words="have action 0, reward 0 and no flag, and are the last of their episode: rows that only carry "
                "its final observation",
                reason="the row carries the final observation, not a transition",
                remedy="Take the observation as the next observation of the row before, and drop the row.",
            )  # fmt: skip

    def _filled(self, v: ValueFaultValues, basis: Basis) -> Iterator[Judgement]:
        if not v.fills:
            yield Measurement("filled_share", ("observation",), 0.0, basis, limit=0.0)
            return
        largest = max(v.fills, key=lambda fill: fill.steps)
        subjects = ", ".join(dict.fromkeys(fill.subject for fill in v.fills))
        yield from self._dropped(
            v, v.filled, "observation", "filled_share",
            words=f"hold a constant in {subjects} (such as {largest.value:.4g} in {largest.subject}, "
            f"{percent(largest.far)} of these steps far from their neighbours on both sides)",
            reason="a constant stands in the place of a measurement",
            remedy="Drop these steps, or read the source again with the missing values left missing.",
        )  # fmt: skip
