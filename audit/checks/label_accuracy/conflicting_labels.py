"""LBL003: do equal rows carry different labels?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TABULAR, register
from audit.checks.label_accuracy._wording import label_classes_missing, percent
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, ConflictCounts, Conflicts, Count, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.stats.agreement import label_text

REMEDY = (
    "Look at the rows in conflict: give each group of equal rows one label, the right one, or drop the copies. If both "
    "labels are right, a feature that tells them apart is missing: add it."
)
REMEDY_COARSE = (
    "Expected with a few coarse features, which repeat without being copies. Read the number as a ceiling: these "
    "features alone allow no better accuracy; a finer feature raises it."
)


@register
@dataclass(frozen=True, slots=True)
class ConflictingLabels:
    """Rows that are equal in every feature but carry another label.

    What it measures: exactly, over all labelled rows, the share whose label is not the majority label of the rows with
        the same features. No model can be more accurate than 1 minus that share on these features.
    Why it matters: copies with different labels are the surest sign of a labelling mistake: at least one is wrong. They
        teach a model nothing, and put a ceiling on its measured accuracy.
    What to do: settle each group of equal rows, or add the feature that tells them apart. With a few coarse features
        (age band, sex, region) rows repeat without being copies, and then different labels are natural: when more than
        `coarse` of the rows have an equal, conflicts are information, not a warning.

    Options:
        warn: share (0 to 1) of rows with a minority label above which to warn.
        fail: share above which to fail (our choice).
        coarse: share of rows with an equal above which the features count as coarse.
    """

    code: ClassVar[str] = "LBL003"
    name: ClassVar[str] = "conflicting-labels"
    dimension: ClassVar[str] = "label_accuracy"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.0
    fail: float = 0.05
    coarse: float = 0.5

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the conflicts of all features: one scan."""
        unfit = label_classes_missing(data)
        if unfit:
            return unfit
        features = tuple(f for f in data.roles.features if data.column(f).kind is not ColumnKind.NULL)
        if not features:
            return NotEvaluated("no feature besides the label to compare rows by")
        label = str(data.roles.label)
        return {"conflicts": Conflicts(features, label), "rows": Count(), "label": label, "features": len(features)}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge the share of minority labels."""
        found: ConflictCounts = facts["conflicts"]
        label = facts["label"]
        if found.labelled == 0:
            yield NotEvaluated(f"no row has a {label}", (label,))
            return
        basis = Basis(facts["rows"], facts["rows"])
        share, repeated = found.minority / found.labelled, found.repeated / found.labelled
        yield Measurement("accuracy_ceiling", (label,), 1 - share, basis)
        if share <= self.warn:
            yield Measurement("conflicting_label_share", (label,), share, basis, self.warn)
            return
        coarse = repeated > self.coarse
        severity = Severity.INFO if coarse else Severity.FAIL if share > self.fail else Severity.WARN
        limit = self.fail if severity is Severity.FAIL else self.warn
        why = (
            f"; {percent(repeated)} of the rows have an equal, so the {facts['features']} features are coarse"
            if coarse
            else ""
        )
        yield Finding(
            self.code,
            (label,),
            severity,
            f"{label}: {found.rows:,} of {found.labelled:,} labelled rows are equal in all features to a row with "
            f"another label ({percent(share)} hold a minority label, limit {percent(limit)}), so no model can exceed "
            f"{1 - share:.2%} accuracy{why}",
            "conflicting_label_share",
            share,
            limit,
            basis,
            effect=min(1.0, 5 * share) if not coarse else 0.0,
            affected=found.rows,
            row_ids=found.row_ids,
            chart=_pairs(found, label),
            remedy=REMEDY_COARSE if coarse else REMEDY,
            evidence={
                "groups": found.groups,
                "minority_rows": found.minority,
                "repeated_rows": found.repeated,
                "accuracy_ceiling": 1 - share,
                "pairs": [{"labels": [label_text(v) for v in pair], "groups": n} for pair, n in found.pairs],
            },
        )


def _pairs(found: ConflictCounts, label: str) -> Chart | None:
    if not found.pairs:
        return None
    names = [" / ".join(label_text(v) for v in pair) for pair, _ in found.pairs]
    values = [n for _, n in found.pairs]
    title = f"Labels of {label} that equal rows carry"
    return Chart("bars", title, {"labels": names, "values": values}, y_title="groups of equal rows")
