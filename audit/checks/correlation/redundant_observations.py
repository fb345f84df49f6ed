"""COR101: entries of the observation that say nothing of their own, or stopped measuring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, spans, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.sensors import FrozenSensors, FrozenSensorValues, RedundantEntries, RedundantEntryValues
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity

OBSERVATION = ("observation",)


@register
@dataclass(frozen=True, slots=True)
class RedundantObservations:
    """Entries of the observation that are constant, copies of another, or frozen for a while.

    What it measures: over all steps, entries with one value, exact copies of another entry, and (on a sample) linear
        functions of another one; runs of exactly equal values, of one entry or of all, that end with a jump of at least
        1.5 usual steps: while the sensor stood still, the world moved on. Entries that repeat their value for one or
        two steps as a habit (quantised or resting joints) are not judged, nor are runs that end gently.
    Why it matters: a frozen sensor teaches that actions have no effect, and that the effect of ten comes at once.
        Copies and constants cost capacity, and make distances and weights depend on how often a thing is counted.
    What to do: look for lost messages in the recorder. `audit clean` proposes to drop the frozen steps; the first of
        a run is true and stays. Leave constants and copies out of the model's input.

    Options:
        fail: share (0 to 1) of frozen steps above which the check fails; below it warns.
    """

    code: ClassVar[str] = "COR101"
    name: ClassVar[str] = "redundant-observations"
    dimension: ClassVar[str] = "correlation"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for redundant and frozen entries."""
        if data.rows < 2:
            return NotEvaluated("fewer than two steps: nothing can repeat")
        return {
            "structure": EpisodeStructure(),
            "redundant": RedundantEntries(),
            "frozen": FrozenSensors(),
            "names": data.episodes.observation_names,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge constants, copies, frozen runs and entries that are stuck for a whole episode."""
        s: EpisodeStructureValues = facts["structure"]
        names: tuple[str, ...] = facts["names"]
        rows = int(s.lengths.sum())
        basis = Basis(rows, rows)
        yield from self._redundant(facts["redundant"], names, basis)
        yield from self._frozen(s, facts["frozen"], names, basis)

    def _redundant(self, r: RedundantEntryValues, names: Sequence[str], basis: Basis) -> Iterator[Judgement]:
        kinds = (
            ("constant_entries", [names[j] for j in r.constant], "have one value in all steps", Severity.INFO),
            (
                "copied_entries", [f"{names[j]} (of {names[i]})" for j, i in r.copies],
                "are exact copies of another entry", Severity.WARN,
            ),
            (
                "rescaled_entries", [f"{names[j]} (of {names[i]})" for j, i in r.rescaled],
                "are linear functions of another entry", Severity.INFO,
            ),
        )  # fmt: skip
        for statistic, which, words, severity in kinds:
            share = len(which) / max(len(names), 1)
            if not which:
                yield Measurement(statistic, OBSERVATION, 0, basis, limit=0)
                continue
            shown = ", ".join(which[:5]) + (f" and {len(which) - 5} more" if len(which) > 5 else "")
            yield Finding(
                self.code, OBSERVATION, severity,
                f"observation: {len(which)} of {counted(len(names), 'entry').replace('entrys', 'entries')} {words}, "
                f"limit 0 ({shown})",
                statistic, len(which), 0, basis, effect=min(share, 0.3),
                remedy="Leave them out of the model's input; first find out whether they should vary.",
                evidence={"entries": which},
            )  # fmt: skip

    def _frozen(
        self, s: EpisodeStructureValues, f: FrozenSensorValues, names: Sequence[str], basis: Basis
    ) -> Iterator[Judgement]:
        if f.habitual:
            yield NotEvaluated(
                "frozen values: " + ", ".join(names[j] for j in f.habitual[:5])
                + (f" and {len(f.habitual) - 5} more entries" if len(f.habitual) > 5 else "")
                + " repeat their value for a step or two as a habit",
                OBSERVATION,
            )  # fmt: skip
        count = int(f.frozen.sum())
        share = count / max(len(f.frozen), 1)
        if not count:
            yield Measurement("frozen_share", OBSERVATION, 0.0, basis, limit=0.0)
            return
        hit = s.per_episode(f.frozen)
        entries = ["all entries at once" if j == -1 else names[j] for j in f.by_entry]
        if len(f.stuck):
            which = sorted({names[j] for j in f.stuck_entry.tolist()})
            entries.append(f"{', '.join(which[:3])} for the whole of {counted(len(f.stuck), 'episode')}")
        runs = sum(f.runs.values())
        ids = worst_episodes(s.ids, hit)
        yield Finding(
            self.code, OBSERVATION, Severity.FAIL if share > self.fail and runs else Severity.WARN,
            f"observation: {counted(count, 'step')} of {len(f.frozen):,} ({percent(share)}) in "
            f"{int((hit > 0).sum()):,} of {len(s.ids):,} episodes repeat an earlier value exactly while the world "
            f"moved on, limit 0: {', '.join(entries[:5])} ({named(ids)})",
            "frozen_share", share, 0.0, basis, effect=min(2 * share, 1.0), affected=count, episodes=ids,
            row_ids=first_rows(f.frozen),
            remedy="Look for lost messages in the recorder; `audit clean` proposes to drop the repeated steps.",
            evidence={
                "runs": runs,
                "jump_after": {names[j] if j >= 0 else "all": round(v, 2) for j, v in f.jump.items()},
            },
        )  # fmt: skip
        yield Repair(
            self.code, OBSERVATION, "frozen_share", "drop_steps", rows=spans(np.asarray(f.frozen)),
            reason="the observation repeats an earlier one while the world moved on; the first of each run stays",
        )  # fmt: skip
