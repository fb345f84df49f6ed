"""COR102: episodes that are in the data twice, wholly or in part, also across splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import named, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.duplicates import DuplicateEpisodes, DuplicateEpisodeValues
from audit.episode_facts.structure import EpisodeStructure, EpisodeStructureValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity

EPISODE = ("episode_id",)
Flags = NDArray[np.bool_]


@register
@dataclass(frozen=True, slots=True)
class DuplicateAndOverlappingEpisodes:
    """Episodes that are in the data twice, wholly or in part, also across splits or in the reference.

    What it measures: over all episodes, equal ones (observation, action and reward of every step, bit by bit) and
        others that share a run of `window` equal steps with an earlier one; whether the two lie in different splits
        (a column `split` of the source), or one of them in the reference dataset.
    Why it matters: a copy counts double in training without anybody having decided that; across splits it makes the
        held-out result an exam with known questions. Published datasets contain the episodes of others whole.
    What to do: keep one of each; where doubling was meant, keep it as a weight. Take duplicates out before you split.
        A deterministic environment with a deterministic policy gives equal episodes by itself: then they say nothing
        new, and are no fault. `audit clean` leaves copies out without being asked only where all episodes come from
        one source, no weights and no other seeds are given, and observations do not repeat by themselves.

    Options:
        window: steps of a run that two episodes may not share.
        repetitive: share (0 to 1) of steps that occur five times or more, copies left out, above which equal episodes
            are no surprise.
        overlap: share (0 to 1) of an episode's steps that may lie in runs which an earlier one has.
    """

    code: ClassVar[str] = "COR102"
    name: ClassVar[str] = "duplicate-episodes"
    dimension: ClassVar[str] = "correlation"
    kinds: ClassVar[Kind] = TRAJECTORY

    window: int = 10
    repetitive: float = 0.2
    overlap: float = 0.1

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for duplicates, here and in the reference."""
        if data.episodes.episodes < 2 and data.reference is None:
            return NotEvaluated("there is one episode and no reference to compare it with; name one with --ref")
        return {
            "structure": EpisodeStructure(),
            "duplicates": DuplicateEpisodes(self.window),
            "reference": data.reference is not None,
            "weighted": data.episodes.gives("weights"),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge copies, overlaps, and what the reference has, too."""
        s: EpisodeStructureValues = facts["structure"]
        v: DuplicateEpisodeValues = facts["duplicates"]
        rows = int(s.lengths.sum())
        basis = Basis(rows, rows)
        copies = (v.original != np.arange(len(v.original))) & (v.rows > 0)
        natural = v.repetitive > self.repetitive
        yield from self._copies(s, v, copies, basis, natural=natural, weighted=facts["weighted"])
        if natural:
            yield NotEvaluated(
                f"overlaps: {percent(v.repetitive)} of the steps occur five times or more, so that equal runs are no "
                "surprise",
                EPISODE,
            )
        else:
            yield from self._overlaps(s, v, basis)
        if facts["reference"]:
            yield from self._reference(s, v, natural, basis)

    def _copies(
        self, s: EpisodeStructureValues, v: DuplicateEpisodeValues, copies: Flags, basis: Basis, *, natural: bool,
        weighted: bool,
    ) -> Iterator[Judgement]:  # fmt: skip
        share = float(copies.mean()) if len(copies) else 0.0
        if not copies.any():
            yield Measurement("duplicate_episode_share", EPISODE, 0.0, basis, limit=0.0)
            return
        across = _across(v, copies)
        ids = worst_episodes(s.ids, copies * (1.0 + across))
        severity = Severity.INFO if natural else Severity.FAIL if across.any() else Severity.WARN
        pairs = f"; {int(across.sum()):,} of them lie in another split than their original" if across.any() else ""
        because = "; steps repeat so often here that this may be chance" if natural else ""
        yield Finding(
            self.code, EPISODE, severity,
            f"episode_id: {counted(int(copies.sum()), 'episode')} of {len(copies):,} ({percent(share)}) "
            f"{'is a copy' if copies.sum() == 1 else 'are copies'} of an earlier one, step by step, limit 0 "
            f"({named(ids)}){pairs}{because}",
            "duplicate_episode_share", share, 0.0, basis, effect=share, affected=int(v.rows[copies].sum()),
            episodes=ids,
            remedy="Keep one of each (a weight can say how often it counted), and do it before the data are split.",
            evidence={"originals": {s.ids[i]: s.ids[v.original[i]] for i in np.flatnonzero(copies)[:20].tolist()}},
        )  # fmt: skip
        if natural:
            return
        safe = v.same_source and not weighted and not v.seeds_differ[copies].any()
        yield Repair(
            self.code, EPISODE, "duplicate_episode_share", "quarantine", safe=safe,
            reason="the episode is equal, step by step, to an earlier one, which stays",
            episodes=tuple(s.ids[i] for i in np.flatnonzero(copies).tolist()),
        )  # fmt: skip

    def _overlaps(self, s: EpisodeStructureValues, v: DuplicateEpisodeValues, basis: Basis) -> Iterator[Judgement]:
        part = v.overlap / np.maximum(v.rows, 1)
        bad = part > self.overlap
        share = float(bad.mean()) if len(bad) else 0.0
        if not bad.any():
            yield Measurement("overlapping_episode_share", EPISODE, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(s.ids, np.where(bad, part, 0.0))
        first = int(np.argmax(part))
        partner = f"; episode {s.ids[first]} shares {percent(float(part[first]))} of its steps with earlier ones"
        if v.partner[first] >= 0:
            partner += f", such as episode {s.ids[v.partner[first]]}"
        yield Finding(
            self.code, EPISODE, Severity.WARN,
            f"episode_id: {counted(int(bad.sum()), 'episode')} of {len(bad):,} ({percent(share)}) share runs of at "
            f"least {self.window} equal steps with an earlier one, over more than {percent(self.overlap)} of their "
            f"length, limit 0 ({named(ids)}){partner}",
            "overlapping_episode_share", share, 0.0, basis, effect=share, affected=int(v.overlap[bad].sum()),
            episodes=ids,
            remedy="Look for windows that were cut with overlap, or for a resumed recording written twice; split the "
            "data by what they were cut from.",
        )  # fmt: skip

    def _reference(
        self, s: EpisodeStructureValues, v: DuplicateEpisodeValues, natural: bool, basis: Basis
    ) -> Iterator[Judgement]:
        part = v.overlap_reference / np.maximum(v.rows, 1)
        shared = v.in_reference | ((part > self.overlap) & (not natural))
        share = float(shared.mean()) if len(shared) else 0.0
        if not shared.any():
            yield Measurement("shared_with_reference_share", EPISODE, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(s.ids, np.where(shared, part + v.in_reference, 0.0))
        yield Finding(
            self.code, EPISODE, Severity.INFO if natural else Severity.FAIL,
            f"episode_id: {counted(int(shared.sum()), 'episode')} of {len(shared):,} ({percent(share)}) are in the "
            f"reference dataset, too ({int(v.in_reference.sum()):,} whole, the others in part), limit 0 ({named(ids)})",
            "shared_with_reference_share", share, 0.0, basis, effect=share,
            affected=int(v.rows[shared].sum()), episodes=ids,
            remedy="Take them out of one of the two before either is used to judge what was learned from the other.",
        )  # fmt: skip


def _across(v: DuplicateEpisodeValues, copies: Flags) -> Flags:
    if not v.split:
        return np.zeros(len(copies), dtype=bool)
    own = np.array(v.split)
    return np.asarray(copies & (own != own[v.original]))
