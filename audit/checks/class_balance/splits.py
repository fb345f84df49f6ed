"""BAL002: whether the splits hold the classes in the same proportions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TABULAR, register
from audit.checks.class_balance.labels import (
    ClassTable,
    class_table,
    largest_change,
    name_of,
    where_in,
    without_classes,
)
from audit.dataset import Dataset, Kind
from audit.facts import Asks, Facts, Grouped, GroupTable
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.balance import chance_variation, homogeneity, total_variation
from audit.stats.intervals import benjamini_hochberg

TRAINING = ("train", "training", "tr", "fit", "learn")


@register
@dataclass(frozen=True, slots=True)
class SplitBalance:
    """Classes in other proportions, or missing, in one of the splits.

    What it measures: the total variation distance (half the sum of differences of shares) between the label's
    distributions in each pair of splits, exactly, beyond the distance that chance gives for their sizes; it must also
    be significant (chi-square, false discovery rate over the pairs). And classes that a split has and training lacks.
    Why it matters: a score on a split with another class mix says little about the one that was trained on, and a class
    that training never saw cannot be predicted.
    What to do: split again with stratification by the label (by group or time first, where rows belong together). A
    split by time may differ rightly: then say so and report scores per class.

    Options:
        warn: distance beyond chance (0 to 1) that is worth a warning; this limit and the next are our choice.
        fail: the same, for fail.
        significance: false discovery rate of the chi-square tests.
    """

    code: ClassVar[str] = "BAL002"
    name: ClassVar[str] = "split-balance"
    dimension: ClassVar[str] = "class_balance"
    kinds: ClassVar[Kind] = TABULAR
    warn: float = 0.05
    fail: float = 0.10
    significance: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the rows of each class in each split."""
        reason = without_classes(data)
        if reason is not None:
            return reason
        label, split = data.roles.label, data.roles.split
        if split is None or label is None:
            return NotEvaluated("no column has the role split; name it with --split")
        return {"label": label, "split": split, "table": Grouped((split, label)), "rows": data.rows}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each pair of splits, then the classes that training lacks."""
        label, split, groups = facts["label"], facts["split"], facts["table"]
        assert isinstance(groups, GroupTable)
        table = class_table([k[0] for k in groups.keys], [k[1] for k in groups.keys], groups.counts)
        if min(table.counts.shape) < 2:
            yield NotEvaluated(
                f"the split '{split}' has {len(table.parts)} parts with a label and the label '{label}' "
                f"{len(table.classes)} classes: at least two of each are needed"
            )
            return
        basis = Basis(facts["rows"], facts["rows"])
        yield from self._pairs(label, split, table, basis)
        yield from self._unseen(label, split, table, basis)

    def _pairs(self, label: str, split: str, classes: ClassTable, basis: Basis) -> Iterator[Judgement]:
        splits, table = classes.parts, classes.counts
        pairs = list(itertools.combinations(range(len(splits)), 2))
        p_values = [homogeneity(table[[a, b]]).p_value for a, b in pairs]
        adjusted = benjamini_hochberg(p_values)
        for (a, b), p, q in zip(pairs, p_values, adjusted, strict=True):
            distance, chance = total_variation(table[a], table[b]), chance_variation(table[a], table[b])
            beyond = max(0.0, distance - chance)
            one, other = name_of(splits[a]), name_of(splits[b])
            segment = f"{split}={one} / {other}"
            yield Measurement(
                "tvd_beyond_chance", (label, split), beyond, basis, self.warn,
                p_value=p, p_adjusted=float(q), segment=segment,
            )  # fmt: skip
            if beyond < self.warn or q >= self.significance:
                continue
            fails = beyond >= self.fail
            limit = self.fail if fails else self.warn
            yield Finding(
                self.code, (label, split), Severity.FAIL if fails else Severity.WARN,
                f"{label}: the classes of {split} '{one}' ({table[a].sum():,.0f} rows) and '{other}' "
                f"({table[b].sum():,.0f} rows) differ by a distance of {distance:.3f}, {beyond:.3f} more than chance "
                f"gives, limit {limit:g}; {largest_change(classes.classes, table[a], table[b])}",
                "tvd_beyond_chance", beyond, limit, basis, effect=min(1.0, beyond), segment=segment,
                affected=int(min(table[a].sum(), table[b].sum())),
                remedy="Split again, stratified by the label; if the split is by time, report scores per class.",
                chart=_chart(label, classes, a, b),
                evidence={"tvd": distance, "chance": chance, "p_value": p, "p_adjusted": float(q)},
            )  # fmt: skip

    def _unseen(self, label: str, split: str, by_split: ClassTable, basis: Basis) -> Iterator[Judgement]:
        splits, classes, table = by_split.parts, by_split.classes, by_split.counts
        training = [i for i, s in enumerate(splits) if str(s).strip().lower() in TRAINING]
        if not training:
            return
        unseen = np.flatnonzero(table[training].sum(axis=0) == 0)
        if unseen.size == 0:
            return
        rows = int(table[:, unseen].sum())
        named = ", ".join(f"'{name_of(classes[k])}'" for k in unseen[:3]) + (", …" if unseen.size > 3 else "")
        yield Finding(
            self.code, (label, split), Severity.WARN,
            f"{label}: {unseen.size} of {len(classes)} classes ({named}; {rows:,} rows) are in other splits but never "
            f"in {split} '{name_of(splits[training[0]])}', limit 0",
            "unseen_classes", int(unseen.size), 0, basis, effect=min(1.0, rows / float(table.sum()) + 0.1),
            affected=rows, where=where_in(label, [classes[k] for k in unseen[:100]]),
            remedy="Split again, stratified by the label, so that training sees every class.",
        )  # fmt: skip


def _chart(label: str, by_split: ClassTable, a: int, b: int) -> Chart:
    here, there = by_split.counts[a], by_split.counts[b]
    top = np.argsort(-(here + there), kind="stable")[:20]
    one, other = name_of(by_split.parts[a]), name_of(by_split.parts[b])
    return Chart(
        "bars", f"Shares of the classes of {label}: {one}, with {other} as reference",
        {"labels": [name_of(by_split.classes[k]) for k in top], "values": (here[top] / here.sum()).tolist(),
         "reference": (there[top] / there.sum()).tolist()},
        label, "share",
    )  # fmt: skip
