"""REP101: which states and actions do the steps cover?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.coverage import CellCoverage, CellCoverageValues, NeighbourCoverage, NeighbourCoverageValues
from audit.facts import Asks, Facts
from audit.findings import Chart, Finding, Judgement, Measurement, NotEvaluated, Severity, View

SUBJECT = ("observation", "action")


@register
@dataclass(frozen=True, slots=True)
class StateActionCoverage:
    """How much of the space of states and actions the steps cover, by themselves and against a reference.

    What it measures: up to four varying entries (observation and continuous action together), each is cut into equal
        bins over the middle 99% of the steps, at most 10,000 cells in all, times the discrete actions; every step is
        counted, exactly. Reported are the cells that hold a step and how many equally full ones have the same entropy.
        With a reference, SACo is the cells of the data over those of the reference, on the same bins and at the same
        number of steps (Schweighofer et al., arXiv:2111.04714, who count in 100 bins between the extremes, where one
        outlier moves every bin). For any number of entries, distances to the fifth-nearest step in whitened space are
        compared with each set's own: the share of the reference's steps that the data leave uncovered, and of the
        data's that lie outside the reference; 5% each when both are alike. Without a reference there is nothing to
        judge coverage by, so that only one action, or a state that never changes, is a finding.
    Why it matters: an offline learner knows nothing of states and actions outside the data, and the maximum over
        actions picks exactly the errors made there. What a policy will meet but the data lack cannot be learnt.
    What to do: collect steps where the reference has been and the data have not; else choose a learner that stays near
        the data (REP105), and do not trust values outside.

    Options:
        warn: SACo (0 to 1) below which it warns.
        outside: share (0 to 1) of steps outside above which it warns.
        narrow: share (0 to 1) of their declared ranges that no entry of the observation exceeds when it warns.
    """

    code: ClassVar[str] = "REP101"
    name: ClassVar[str] = "state-action-coverage"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    warn: float = 0.5
    outside: float = 0.2
    narrow: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for cells, and with a reference for distances."""
        return {
            "discrete": data.episodes.discrete,
            "reference": data.reference is not None,
            "cells": CellCoverage(),
            "neighbours": NeighbourCoverage() if data.reference is not None else None,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the degenerate cases, then coverage against the reference."""
        c: CellCoverageValues = facts["cells"]
        if not c.basis.rows:
            yield NotEvaluated("there are no steps")
            return
        yield from self._degenerate(c, discrete=facts["discrete"])
        yield from self._cells(c, reference=facts["reference"])
        if facts["neighbours"] is not None:
            yield from self._distances(facts["neighbours"])
        if len(c.map_names) == 2:
            yield _map(c)

    def _degenerate(self, c: CellCoverageValues, *, discrete: bool) -> Iterator[Judgement]:
        if discrete:
            used = int((c.used > 0).sum())
            yield Measurement("used_actions", ("action",), used, c.basis, limit=2, unit="actions")
            if used == 1 and len(c.used) > 1:
                only = int(np.argmax(c.used))
                yield Finding(
                    self.code, ("action",), Severity.WARN,
                    f"action: all {c.basis.rows:,} steps take action {only}, 1 of {len(c.used):,} actions, limit 2; "
                    "nothing can be learnt of the others",
                    "used_actions", 1, 2, c.basis, effect=1.0, affected=c.basis.rows,
                    remedy="Collect steps with the other actions; with one alone there is no choice to learn.",
                )  # fmt: skip
        share = c.narrowest
        if c.map_counts.size == 0 and c.entries == 0:
            yield Finding(
                self.code, ("observation",), Severity.WARN,
                f"observation: all {c.constant:,} entries hold one value only over {c.basis.rows:,} steps, limit: at "
                "least one that varies",
                "varying_entries", 0, 1, c.basis, effect=1.0, affected=c.basis.rows,
                remedy="Look for a recorder that wrote the same observation again and again.",
            )  # fmt: skip
        elif share is not None:
            yield Measurement("spanned_share", ("observation",), share, c.map_basis, limit=self.narrow)
            if share < self.narrow:
                yield Finding(
                    self.code, ("observation",), Severity.WARN,
                    f"observation: the middle 99% of {c.map_basis.rows:,} steps span at most {percent(share)} of the "
                    f"declared range of any entry, limit {percent(self.narrow)}",
                    "spanned_share", share, self.narrow, c.map_basis, effect=1.0 - share,
                    remedy="Check units and bounds first; if both are right, the data stay in one spot: collect more "
                    "of the state space.",
                )  # fmt: skip

    def _cells(self, c: CellCoverageValues, *, reference: bool) -> Iterator[Judgement]:
        if not c.bins:
            yield NotEvaluated(
                f"{c.entries:,} varying entries: with more than four nearly every step has a cell of its own, so cells "
                "are not counted" + ("" if reference else "; distances need a reference (--ref)"),
                SUBJECT,
            )
            return
        yield Measurement("cells", SUBJECT, c.cells, c.basis, unit="cells")
        yield Measurement("effective_cells", SUBJECT, c.effective, c.basis, unit="cells")
        yield Measurement("cell_entropy", SUBJECT, c.entropy, c.basis)
        if c.reference_cells is None or not c.reference_at_equal_rows:
            return
        saco = c.at_equal_rows / c.reference_at_equal_rows
        yield Measurement("saco", SUBJECT, saco, c.basis, limit=self.warn)
        yield Measurement("shared_cells", SUBJECT, c.shared, c.basis)
        if saco >= self.warn:
            return
        yield Finding(
            self.code, SUBJECT, Severity.WARN,
            f"observation and action: {counted(c.equal_rows, 'step')} of the data hit {c.at_equal_rows:,.0f} cells, as "
            f"many of the reference hit {c.reference_at_equal_rows:,.0f}: coverage (SACo) {saco:.2f}, limit "
            f"{self.warn:g}",
            "saco", saco, self.warn, c.basis, effect=min(1.0, 1 - saco),
            remedy="Collect steps where only the reference has been, or choose a learner that stays near the data "
            "(REP105).",
            evidence={"cells": c.cells, "reference_cells": c.reference_cells, "shared_cells": c.shared,
                      "equal_rows": c.equal_rows, "bins": c.bins},
        )  # fmt: skip

    def _distances(self, n: NeighbourCoverageValues) -> Iterator[Judgement]:
        if n.reason:
            yield NotEvaluated(n.reason, SUBJECT)
            return
        yield Measurement("uncovered_share", SUBJECT, n.uncovered, n.basis, limit=self.outside)
        yield Measurement("foreign_share", SUBJECT, n.foreign, n.basis, limit=self.outside)
        evidence = {"rows": n.rows, "reference_rows": n.reference_rows, "components": n.components}
        own = "lie farther away than 95% of {} own steps do from each other (5% would if both were alike)"
        if n.uncovered > self.outside:
            yield Finding(
                self.code, SUBJECT, Severity.WARN,
                f"observation and action: {percent(n.uncovered)} of {n.reference_rows:,} steps of the reference "
                f"{own.format('the data’s')}, limit {percent(self.outside)}",
                "uncovered_share", n.uncovered, self.outside, n.basis, effect=n.uncovered,
                remedy="The data do not cover what the reference does there: collect such steps, or do not judge a "
                "policy by values in those states.",
                evidence=evidence,
            )  # fmt: skip
        if n.foreign > self.outside:
            yield Finding(
                self.code, SUBJECT, Severity.WARN,
                f"observation and action: {percent(n.foreign)} of {n.rows:,} steps of the data "
                f"{own.format('the reference’s')}, limit {percent(self.outside)}",
                "foreign_share", n.foreign, self.outside, n.basis, effect=n.foreign, row_ids=n.foreign_rows,
                remedy="Look at the named steps: another policy, another task, or a changed unit.",
                evidence=evidence,
            )  # fmt: skip


def _map(c: CellCoverageValues) -> View:
    """Return a picture of where the steps have been, on the two entries that are spread most evenly."""
    across, down = c.map_names
    columns, rows = ([f"{low:.3g}" for low in edges[:-1]] for edges in c.map_edges)
    values = np.log10(1 + c.map_counts.T[::-1])
    return View(
        Chart(
            "heatmap", f"Where the data have been: {across} and {down}",
            {"rows": rows[::-1], "columns": columns, "values": np.round(values, 3).tolist(), "low": 0.0,
             "high": float(max(values.max(), 1.0))},
            across, down,
        ),
        f"Steps in each field as log10(1 + steps), of a {c.map_basis}; these two entries of the observation are spread "
        "most evenly." if not c.map_basis.exact else
        "Steps in each field as log10(1 + steps); these two entries of the observation are spread most evenly.",
    )  # fmt: skip
