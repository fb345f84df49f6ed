"""COM101: are the steps of each episode all there, once, in order?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, spans, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity

STEP = ("step",)


@register
@dataclass(frozen=True, slots=True)
class StructureOfEpisodes:
    """Episodes with missing, repeated or disordered steps, and episodes too short to learn from.

    What it measures: the step numbers of every episode, over all steps: numbers that are missing in between, that occur
        twice, that are lower than the one before, that start again as if another episode began, and episodes that do
        not start at 0; how many episodes' rows stand apart in the file; the share of episodes with a single step.
    Why it matters: every learner takes row t+1 as what followed row t. After a gap, a repetition or a shuffle that is
        false, and the learner fits a world that does not exist. An episode with one step has nothing to bootstrap from.
    What to do: `audit clean` splits episodes at gaps and drops repeated steps on request; episodes whose steps are out
        of order are quarantined on request, since only the recorder knows the true order. Look for two writers to one
        file (interleaved episodes) and for lost messages (gaps).

    Options:
        fail: share (0 to 1) of episodes with such steps above which the check fails; below it warns.
        single: share (0 to 1) of single-step episodes above which it warns.
    """

    code: ClassVar[str] = "COM101"
    name: ClassVar[str] = "episode-structure"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    single: float = 0.05

    def ask(self, _data: Dataset) -> Asks | NotEvaluated:
        """Ask for the step numbers."""
        return {"structure": EpisodeStructure()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge gaps, repetitions, order, starts, interleaving and single-step episodes, each by itself."""
        s: EpisodeStructureValues = facts["structure"]
        basis = Basis(int(s.lengths.sum()), int(s.lengths.sum()))
        yield from self._gaps(s, basis)
        yield from self._repeated(s, basis)
        yield from self._disordered(s, basis)
        yield from self._restarts(s, basis)
        yield from self._starts(s, basis)
        yield from self._scattered(s, basis)
        yield from self._single(s, basis)
        if s.stride > 1:
            yield Finding(
                self.code, STEP, Severity.INFO,
                f"step: the numbers go up by {s.stride}, limit 1: every {s.stride}th step was kept, or an action was "
                f"repeated {s.stride} times",
                "stride", s.stride, 1, basis, effect=0.05,
                remedy="Number the steps 0, 1, 2, ...; if actions were not repeated, the data lack what came between.",
            )  # fmt: skip

    def _severity(self, share: float) -> Severity:
        return Severity.FAIL if share > self.fail else Severity.WARN

    def _gaps(self, s: EpisodeStructureValues, basis: Basis) -> Iterator[Judgement]:
        bad = s.missing > 0
        share = float(bad.mean()) if len(bad) else 0.0
        if not bad.any():
            yield Measurement("gap_share", STEP, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(s.ids, s.missing)
        full = 0 if s.limit is None else int((bad & (s.lengths + s.missing + s.starts == s.limit)).sum())
        with_them = f"; with these, {full:,} of them would have the declared {s.limit:,} steps" if full else ""
        yield Finding(
            self.code, STEP, self._severity(share),
            f"step: {counted(int(bad.sum()), 'episode')} of {len(bad):,} ({percent(share)}) lack "
            f"{counted(int(s.missing.sum()), 'step')} in between, limit 0{with_them} ({named(ids)})",
            "gap_share", share, 0.0, basis, effect=share, affected=int(s.lengths[bad].sum()), episodes=ids,
            remedy="Recover the lost steps from the recording; else let `audit clean` split the episodes at the gaps.",
            evidence={"missing_steps": int(s.missing.sum())},
        )  # fmt: skip
        yield Repair(
            self.code, STEP, "gap_share", "split", rows=spans(s.before_gap),
            reason="the episode ends where steps are missing and a new one starts after the gap", safe=True,
        )  # fmt: skip

    def _repeated(self, s: EpisodeStructureValues, basis: Basis) -> Iterator[Judgement]:
        yield from self._marked(
            s, basis, steps=s.repeated, statistic="repeated_share",
            words="have a number that an earlier step of the episode has",
            remedy="Find out why the steps were written twice, then drop the copies (`audit clean` proposes it).",
            repair=lambda: Repair(
                self.code, STEP, "repeated_share", "drop_steps", rows=spans(s.repeated),
                reason="a step whose number an earlier step of its episode has is a copy",
            ),
        )  # fmt: skip

    def _disordered(self, s: EpisodeStructureValues, basis: Basis) -> Iterator[Judgement]:
        disordered = s.disordered & ~s.repeated
        yield from self._marked(
            s, basis, steps=disordered, statistic="disordered_share",
            words="have a lower number than the step before",
            remedy="Sort the steps by their numbers if these are right; else only the recorder knows the order.",
            repair=lambda: Repair(
                self.code, STEP, "disordered_share", "quarantine",
                episodes=tuple(s.ids[i] for i in np.flatnonzero(s.per_episode(disordered)).tolist()),
                reason="steps are out of order, and nothing says which order is true",
            ),
        )  # fmt: skip

    def _marked(
        self,
        s: EpisodeStructureValues,
        basis: Basis,
        *,
        steps: np.ndarray[tuple[int], np.dtype[np.bool_]],
        statistic: str,
        words: str,
        remedy: str,
        repair: Callable[[], Repair],
    ) -> Iterator[Judgement]:
        count = int(steps.sum())
        share = count / max(len(steps), 1)
        if not count:
            yield Measurement(statistic, STEP, 0.0, basis, limit=0.0)
            return
        hit = s.per_episode(steps)
        ids = worst_episodes(s.ids, hit)
        yield Finding(
            self.code, STEP, self._severity(float((hit > 0).mean())),
            f"step: {counted(count, 'step')} of {len(steps):,} ({percent(share)}) in {int((hit > 0).sum()):,} of "
            f"{len(s.ids):,} episodes {words}, limit 0 ({named(ids)})",
            statistic, share, 0.0, basis, effect=float((hit > 0).mean()), affected=count, episodes=ids,
            row_ids=first_rows(steps), remedy=remedy,
        )  # fmt: skip
        yield repair()

    def _restarts(self, s: EpisodeStructureValues, basis: Basis) -> Iterator[Judgement]:
        yield from self._marked(
            s, basis, steps=s.restarts, statistic="restart_share",
            words="are followed by the first number again: several episodes have one id",
            remedy="Give each episode an id of its own (`audit clean` splits them there).",
            repair=lambda: Repair(
                self.code, STEP, "restart_share", "split", rows=spans(s.restarts),
                reason="the numbers start again and run on, so another episode begins there", safe=True,
            ),
        )  # fmt: skip

    def _starts(self, s: EpisodeStructureValues, basis: Basis) -> Iterator[Judgement]:
        late = (s.starts != 0) & (s.lengths > 0)
        share = float(late.mean()) if len(late) else 0.0
        if not late.any():
            yield Measurement("late_start_share", STEP, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(s.ids, late)
        if (convention := _numbering(s)) is not None:
            yield Finding(
                self.code, STEP, Severity.INFO,
                f"step: {counted(int(late.sum()), 'episode')} of {len(late):,} ({percent(share)}) do not start at step "
                f"0, limit 0: {convention}",
                "late_start_share", share, 0.0, basis, effect=0.02,
                remedy="Nothing has to be done; the canonical form numbers the steps of an episode from 0.",
            )  # fmt: skip
            return
        reached = 0 if s.limit is None else int((late & (s.starts + s.lengths == s.limit)).sum())
        to_limit = f"; {reached:,} of them end with the declared step {s.limit:,}" if reached else ""
        yield Finding(
            self.code, STEP, Severity.WARN,
            f"step: {counted(int(late.sum()), 'episode')} of {len(late):,} ({percent(share)}) do not start at step 0, "
            f"limit 0{to_limit} ({named(ids)})",
            "late_start_share", share, 0.0, basis, effect=share, affected=int(s.lengths[late].sum()), episodes=ids,
            remedy="Find out whether the first steps were lost; the initial states of these episodes are not initial.",
        )  # fmt: skip

    def _scattered(self, s: EpisodeStructureValues, basis: Basis) -> Iterator[Judgement]:
        share = s.scattered / max(len(s.ids), 1)
        if not s.scattered:
            yield Measurement("interleaved_share", STEP, 0.0, basis, limit=0.0)
            return
        yield Finding(
            self.code, STEP, Severity.INFO,
            f"step: the rows of {counted(s.scattered, 'episode')} of {len(s.ids):,} ({percent(share)}) stand apart in "
            "the file, among those of other episodes, limit 0; they were gathered by their episode's id",
            "interleaved_share", share, 0.0, basis, effect=min(share, 0.3),
            remedy="Nothing has to be done if the ids are right; write episodes one after the other to be read faster.",
        )  # fmt: skip

    def _single(self, s: EpisodeStructureValues, basis: Basis) -> Iterator[Judgement]:
        short = s.lengths <= 1
        share = float(short.mean()) if len(short) else 0.0
        if share <= self.single:
            yield Measurement("single_step_share", STEP, share, basis, limit=self.single)
            return
        ids = worst_episodes(s.ids, short)
        yield Finding(
            self.code, STEP, Severity.WARN,
            f"step: {counted(int(short.sum()), 'episode')} of {len(short):,} ({percent(share)}) have at most one step, "
            f"limit {percent(self.single)} ({named(ids)})",
            "single_step_share", share, self.single, basis, effect=share, affected=int(s.lengths[short].sum()),
            episodes=ids,
            remedy="Look for an end flag that is set on every step, or for an episode column that counts steps.",
        )  # fmt: skip


def _numbering(s: EpisodeStructureValues) -> str | None:
    """Return what else explains that episodes start late: counting from another number, or over all episodes."""
    filled = s.lengths > 0
    starts, lengths = s.starts[filled], s.lengths[filled]
    if len(starts) > 1 and bool((starts == 1).all()):
        return "all are numbered from 1"
    ends = starts + (lengths - 1) * s.stride
    if len(starts) > 2 and bool((starts[1:] == ends[:-1] + s.stride).all()):
        return "the numbers run on over all episodes"
    return None
