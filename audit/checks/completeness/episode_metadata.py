"""COM105: does what the source says of itself hold for its rows?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.metadata import Claim, DeclaredMetadata, DeclaredMetadataValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity

REMEDIES = {
    "count": "Fetch or copy the data again if parts are lost; else write the counts anew from the rows.",
    "lengths": "Fetch or copy these episodes again if steps are lost; else write the lengths anew from the rows.",
    "limit": "Look whether these episodes are several run together; else correct the declared limit.",
    "index": "Write the indices anew from the rows; a reader that follows them gets other rows than it thinks.",
    "splits": "Fetch the absent episodes, or correct the splits.",
    "space": "Correct the declared space, or look for other units and sentinels; clip actions only if the environment "
    "did.",
}


@register
@dataclass(frozen=True, slots=True)
class MetadataAgainstRows:
    """Counts, lengths, limits, indices and spaces that the rows contradict, and parts that could not be read.

    What it measures: all rows against what the source declares: how many episodes and steps there are, the length of
        each episode, the longest one allowed, Minari's and LeRobot's indices and splits, the bounds of observations and
        actions and the number of choices. And the parts that could not be read at all, each by its file or episode.
    Why it matters: readers trust metadata. With stale indices they return other rows than they were asked for, without
        an error; with a wrong step limit a timeout cannot be told from an end. What is missing cannot be learned from.
    What to do: fetch or copy the data again when parts are lost. When the rows are complete, write the metadata anew
        from them: the rows are the data, the metadata only describe it.

    Options:
        fail: share (0 to 1) of episodes or steps that contradict what is declared above which the check fails; below
            it warns.
    """

    code: ClassVar[str] = "COM105"
    name: ClassVar[str] = "episode-metadata"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01

    def ask(self, _data: Dataset) -> Asks:
        """Ask for what is declared."""
        return {"metadata": DeclaredMetadata()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each declared thing, and name each unreadable part."""
        metadata: DeclaredMetadataValues = facts["metadata"]
        basis = Basis(metadata.rows, metadata.rows)
        for where, what in metadata.problems:
            yield self._unreadable(where, what, basis)
        for claim in metadata.claims:
            yield self._judge_claim(claim, basis)
        if not metadata.claims and not metadata.problems:
            yield NotEvaluated("the source declares no counts, limits or spaces")

    def _unreadable(self, where: str, what: str, basis: Basis) -> Finding:
        return Finding(
            self.code, (), Severity.WARN, f"{where}: {what}", "unreadable", where, None, basis, effect=0.4,
            segment=where, remedy="Fetch or write this part again; the rest was audited without it.",
        )  # fmt: skip

    def _judge_claim(self, claim: Claim, basis: Basis) -> Judgement:
        share = claim.wrong / claim.of
        statistic = f"{claim.subject.replace(' ', '_')}_contradicted"
        if not claim.wrong:
            return Measurement(statistic, (), 0.0, basis, limit=0.0)
        # bounds are often declared by hand, and a step limit binds nobody; the data are lost in neither case
        soft = claim.kind == "limit" or (claim.subject == "observation_space")
        severity = Severity.FAIL if share > self.fail and not soft else Severity.WARN
        episodes = f" ({named(claim.episodes)})" if claim.episodes else ""
        columns = {"observation_space": ("observation",), "action_space": ("action",)}.get(claim.subject, ())
        return Finding(
            self.code, columns, severity,
            f"{claim.subject}: declared {claim.declared}, found {claim.found}; {counted(claim.wrong, claim.unit)} of "
            f"{claim.of:,} ({percent(min(share, 1.0))}) off, limit 0{episodes}",
            statistic, share, 0.0, basis, effect=min(1.0, share + 0.1), segment=claim.subject,
            affected=claim.wrong if claim.rows is not None else None, episodes=claim.episodes,
            row_ids=first_rows(claim.rows) if claim.rows is not None else (), remedy=REMEDIES[claim.kind],
            evidence={"declared": claim.declared, "found": claim.found},
        )  # fmt: skip
