"""COM102: do the end flags say how each episode ended?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, spans, worst_episodes
from audit.checks.completeness._endings import ending_view, rows_of
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.flags import EpisodeEnds, EpisodeEndsValues
from audit.episode_facts.structure import steps_per_episode
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity
from audit.stats.episode_ends import chance_of_spike

TERMINATED, TRUNCATED, BOTH = ("terminated",), ("truncated",), ("terminated", "truncated")
Flags = NDArray[np.bool_]


@register
@dataclass(frozen=True, slots=True)
class TerminalFlags:
    """End flags that are lost, set inside episodes, or say `terminated` where only time ran out.

    What it measures: over all steps, the flags `terminated` (the task ended) and `truncated` (the recording ended):
        episodes without either, flags on steps that are not the last, episodes `terminated` in exactly the step that is
        the limit (the declared one, else the longest length), in numbers that chance does not explain, and a spike of
        episodes one step shorter than the limit. Where a flag is in doubt, a classifier says whether last observations
        can be told from others (AUC; 0.5: not at all).
    Why it matters: a learner takes the future after `terminated` as worth nothing. Lost flags make it bootstrap beyond
        the end of the task (a learner that scores 489 on clean CartPole data scores 9), and timeouts stored as
        `terminated` teach it that a state is worthless because the clock said so (Pardo et al., 2018).
    What to do: `audit clean` sets the flags where the declared step limit decides: `terminated` where an episode ended
        before it without a flag, `truncated` where it ended at it. Without a declared limit it only proposes them.
        Dropping the steps instead mends nothing. Tasks that never terminate are fine, if their ends are `truncated`.

    Options:
        fail: share (0 to 1) of episodes with wrong flags above which the check fails; below it warns.
        told: AUC from which on last observations count as told from others.
        chance: probability below which episodes that end at the limit are no coincidence.
    """

    code: ClassVar[str] = "COM102"
    name: ClassVar[str] = "terminal-flags"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    told: float = 0.9
    chance: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the flags, if the source has any that say how an episode ended."""
        fields = data.episodes
        if not (fields.gives("terminated") or fields.gives("truncated")):
            if fields.gives("ended"):
                return NotEvaluated("the source has one end flag: it says that an episode ended there, not how")
            return NotEvaluated("the rows have no end flag")
        return {"ends": EpisodeEnds()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge early flags, lost flags, timeouts stored as terminals, and lost last steps, each by itself."""
        e: EpisodeEndsValues = facts["ends"]
        rows = len(e.early_terminated)
        basis = Basis(rows, rows)
        yield from self._early(e, basis)
        if e.terminated is not None:
            if e.truncated is not None:
                yield from self._lost(e, basis)
                yield from self._trailing(e, basis)
            yield from self._timeouts(e, e.terminated, basis)
        yield from self._short_by_one(e, basis)
        yield ending_view(e)

    def _severity(self, share: float) -> Severity:
        return Severity.FAIL if share > self.fail else Severity.WARN

    def _early(self, e: EpisodeEndsValues, basis: Basis) -> Iterator[Judgement]:
        early = e.early_terminated | e.early_truncated
        if not early.any():
            yield Measurement("early_flag_share", BOTH, 0.0, basis, limit=0.0)
            return
        hit = steps_per_episode(early, np.concatenate([[0], np.cumsum(e.lengths)]))
        share = float((hit > 0).mean())
        ids = worst_episodes(e.ids, hit)
        yield Finding(
            self.code, BOTH, self._severity(share),
            f"terminated, truncated: {counted(int(early.sum()), 'step')} of {len(early):,} carry an end flag and are "
            f"not the last of their episode, in {int((hit > 0).sum()):,} of {len(hit):,} episodes ({percent(share)}), "
            f"limit 0 ({named(ids)})",
            "early_flag_share", share, 0.0, basis, effect=share, affected=int(early.sum()), episodes=ids,
            row_ids=first_rows(early),
            remedy="Find out whether the episodes end at the flags (then let `audit clean` split them there), or "
            "whether the flag means something else, such as success.",
        )  # fmt: skip
        if early.mean() <= 0.5:  # more than that is no end flag
            yield Repair(
                self.code, BOTH, "early_flag_share", "split", rows=spans(early),
                reason="an episode that carries an end flag inside ends there, and another begins",
            )  # fmt: skip

    def _lost(self, e: EpisodeEndsValues, basis: Basis) -> Iterator[Judgement]:
        lost, _ = _open_episodes(e, self.told)
        if not lost.any():
            yield Measurement("lost_flag_share", BOTH, 0.0, basis, limit=0.0)
            return
        share = float(lost.mean())
        ids = worst_episodes(e.ids, lost)
        at_limit = lost & (e.lengths >= e.horizon) if e.limit is not None else np.zeros(len(lost), dtype=bool)
        before = lost & ~at_limit
        yield Finding(
            self.code, BOTH, self._severity(share),
            f"terminated, truncated: {counted(int(lost.sum()), 'episode')} of {len(lost):,} ({percent(share)}) end "
            f"without a flag, limit 0; {_where_they_end(e, before)}{_told(e)} ({named(ids)})",
            "lost_flag_share", share, 0.0, basis, effect=min(1.0, 0.3 + share), affected=int(lost.sum()), episodes=ids,
            row_ids=first_rows(rows_of(lost, e)),
            remedy="Let `audit clean` set the flags where the step limit decides, or set them from the recording; "
            "dropping these steps does not help.",
            evidence={"before_limit": int(before.sum()), "at_limit": int(at_limit.sum()), "auc": e.open_auc},
        )  # fmt: skip
        if at_limit.any():
            yield Repair(
                self.code, BOTH, "lost_flag_share", "relabel", rows=spans(rows_of(at_limit, e)), field="truncated",
                value=True, safe=True,
                reason=f"an episode that reached the declared limit of {e.limit:,} steps was ended by it",
            )  # fmt: skip
        if before.any():
            yield from self._relabel_lost(e, before)

    def _relabel_lost(self, e: EpisodeEndsValues, before: Flags) -> Iterator[Judgement]:
        lengths = e.lengths[before]
        alike = len(lengths) > 2 and float((lengths == np.median(lengths)).mean()) > 0.5
        told = e.open_auc is None or e.open_auc >= self.told
        if alike and (e.open_auc is None or not told):
            # one length for most, and ends like any other step: the recording was cut, the task did not end
            yield Repair(
                self.code, BOTH, "lost_flag_share", "relabel", rows=spans(rows_of(before, e)), field="truncated",
                value=True, reason="most of these episodes have the same length: a clock ended them, not the task",
            )  # fmt: skip
            return
        safe = e.limit is not None and told and not alike
        why = (
            f"an episode that ended before the declared limit of {e.limit:,} steps was ended by the task"
            if e.limit is not None
            else "episodes of different lengths, none declared, were probably ended by the task"
        )
        yield Repair(
            self.code, BOTH, "lost_flag_share", "relabel", rows=spans(rows_of(before, e)), field="terminated",
            value=True, reason=why, safe=safe,
        )  # fmt: skip

    def _trailing(self, e: EpisodeEndsValues, basis: Basis) -> Iterator[Judgement]:
        _, trailing = _open_episodes(e, self.told)
        if not trailing.any():
            yield Measurement("open_last_episode", TRUNCATED, 0, basis, limit=0)
            return
        ids = worst_episodes(e.ids, trailing)
        steps = int(e.lengths[trailing].sum())
        yield Finding(
            self.code, TRUNCATED, Severity.WARN,
            f"truncated: the last episode ({ids[0]}, {counted(steps, 'step')}) of {len(e.ids):,} has no end flag, "
            "limit 0: the recording stopped while it was running",
            "open_last_episode", 1, 0, basis, effect=0.05, affected=1, episodes=ids,
            row_ids=first_rows(rows_of(trailing, e)),
            remedy="Mark its last step as truncated (`audit clean` does); many loaders drop an episode without a flag.",
        )  # fmt: skip
        yield Repair(
            self.code, TRUNCATED, "open_last_episode", "relabel", rows=spans(rows_of(trailing, e)), field="truncated",
            value=True, reason="the recording stopped while the last episode was running", safe=True,
        )  # fmt: skip

    def _timeouts(self, e: EpisodeEndsValues, terminated: Flags, basis: Basis) -> Iterator[Judgement]:
        alone = terminated if e.truncated is None else terminated & ~e.truncated
        at = alone & (e.lengths == e.horizon)
        count = int(at.sum())
        share = count / max(len(at), 1)
        by_task = terminated & ~(at | (e.lengths > e.horizon))
        if not self._spike(e, at, alone, by_task):
            yield Measurement("timeout_as_terminal_share", TERMINATED, share, basis)
            return
        declared = e.limit is not None
        ids = worst_episodes(e.ids, at)
        limit = f"the declared limit is {e.limit:,} steps" if declared else f"the longest length, {e.horizon:,} steps"
        auc = e.limit_auc
        looks = "" if auc is None else f"; their last observations are told from others with AUC {auc:.2f}"
        yield Finding(
            self.code, TERMINATED, self._severity(share) if declared else Severity.WARN,
            f"terminated: {counted(count, 'episode')} of {len(at):,} ({percent(share)}) are terminated in exactly the "
            f"step where time runs out ({limit}), limit 0{looks} ({named(ids)})",
            "timeout_as_terminal_share", share, 0.0, basis, effect=min(1.0, 0.2 + share), affected=count, episodes=ids,
            row_ids=first_rows(rows_of(at, e)),
            remedy="Store the end of time as truncated, not terminated (`audit clean` does where a limit is declared).",
            evidence={"steps": e.horizon, "declared": declared, "auc": auc},
        )  # fmt: skip
        for field, value in (("terminated", False), ("truncated", True)):
            if field == "truncated" and e.truncated is None:
                continue
            yield Repair(
                self.code, TERMINATED, "timeout_as_terminal_share", "relabel", rows=spans(rows_of(at, e)), field=field,
                value=value, safe=declared, reason=f"the limit of {e.horizon:,} steps ended the episode, not the task",
            )  # fmt: skip

    def _spike(self, e: EpisodeEndsValues, at: Flags, alone: Flags, by_task: Flags) -> bool:
        """Return whether terminated episodes pile up at the limit more than endings before it explain."""
        count = int(at.sum())
        if not count or chance_of_spike(e.lengths, at | by_task, e.horizon) >= self.chance:
            return False
        if e.limit is not None:
            return True
        # the longest length alone is a weak witness: many episodes must have it, and look as if they went on
        enough = count >= 5 and count >= 0.2 * int(alone.sum()) and e.horizon > 1
        return enough and (e.limit_auc is None or e.limit_auc < self.told)

    def _short_by_one(self, e: EpisodeEndsValues, basis: Basis) -> Iterator[Judgement]:
        if e.limit is None:
            return
        one_less = e.lengths == e.limit - 1
        count, share = int(one_less.sum()), float(one_less.mean()) if len(one_less) else 0.0
        spike = count >= 3 and chance_of_spike(e.lengths, np.ones(len(one_less), dtype=bool), e.limit - 1) < self.chance
        if not spike or (e.lengths >= e.limit).any():
            yield Measurement("lost_last_step_share", BOTH, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(e.ids, one_less)
        yield Finding(
            self.code, BOTH, Severity.WARN,
            f"terminated, truncated: {counted(count, 'episode')} of {len(one_less):,} ({percent(share)}) have "
            f"{e.limit - 1:,} steps and none has the declared {e.limit:,}, limit 0: a conversion probably lost the "
            f"last step of truncated episodes ({named(ids)})",
            "lost_last_step_share", share, 0.0, basis, effect=share, affected=count, episodes=ids,
            remedy="Convert the source again with a tool that keeps the last step; take returns from before.",
        )  # fmt: skip


def _open_episodes(e: EpisodeEndsValues, told: float) -> tuple[Flags, Flags]:
    """Return bool[E] twice: episodes that lost their flag, and the last one if the recording stopped inside it.

    The last episode of a file ends without a flag in healthy data, too. It lost its flag only if its last observation
    says so, or if it reached the limit.
    """
    lost = e.unflagged.copy()
    trailing = np.zeros(len(lost), dtype=bool)
    filled = np.flatnonzero(e.lengths > 0)
    if len(filled) and lost[last := int(filled[-1])]:
        at_limit = e.limit is not None and e.lengths[last] >= e.limit
        ended = e.open_auc is not None and e.open_auc >= told and e.open_likeness[last] >= 0.5
        if not (at_limit or ended):
            lost[last], trailing[last] = False, True
    return lost, trailing


def _where_they_end(e: EpisodeEndsValues, before: Flags) -> str:
    lengths = e.lengths[before]
    if not len(lengths):
        return f"all of them at the declared limit of {e.limit:,} steps"
    limit = "no limit is declared" if e.limit is None else f"the declared limit is {e.limit:,}"
    low, high = int(lengths.min()), int(lengths.max())
    steps = f"{low:,} steps" if low == high else f"{low:,} to {high:,} steps"
    return f"{len(lengths):,} of them after {steps}, {limit}"


def _told(e: EpisodeEndsValues) -> str:
    return "" if e.open_auc is None else f"; last observations are told from others with AUC {e.open_auc:.2f}"
