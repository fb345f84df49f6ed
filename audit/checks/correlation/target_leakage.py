"""COR003: one column alone gives the label away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.association import fisher_lower_bound, midranks, spearman
from audit.stats.encoding import first_seen
from audit.stats.leakage import (
    Bins,
    auc_z,
    bin_codes,
    bin_numbers,
    cross_fitted_auc,
    cross_fitted_r2,
    halves,
    rank_auc,
)

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_CLASSES = 10
MOST_LEVELS = 20_000
FEWEST_ROWS = 20
FEWEST_OF_CLASS = 5
FEW_ROWS = 2_000  # below, the order of the values is used beside bins, which are coarse there
MOST_FINDINGS = 30
MOST_BARS = 16


@dataclass(frozen=True, slots=True)
class _Target:
    """The label: `codes` int[n] of the scored classes (the last code: all others) or `ranks` float[n] of a number."""

    names: tuple[str, ...]
    codes: Codes
    sizes: Codes
    ranks: Floats | None
    half: Codes
    tests: int

    def score(self, bins: Bins, x: Floats | None) -> tuple[float, float]:
        """Return how well a column predicts the label (AUC or R^2), and how far from chance that is (0: chance)."""
        if self.ranks is None:
            return self._auc(bins, x)
        r2 = cross_fitted_r2(bins, self.ranks, self.half)
        if x is not None and self.ranks.size < FEW_ROWS:
            # missing values take the lowest rank
            r2 = float(np.fmax(r2, spearman(np.nan_to_num(midranks(x), nan=0.0), self.ranks) ** 2))
        n = self.ranks.size
        if np.isnan(r2):
            return r2, 0.0
        return r2, float(fisher_lower_bound(max(r2, 0.0) ** 0.5, n, self.tests))

    def _auc(self, bins: Bins, x: Floats | None) -> tuple[float, float]:
        aucs = cross_fitted_auc(bins, self.codes, len(self.names), self.half)
        if x is not None and self.codes.size < FEW_ROWS:
            aucs = np.fmax(aucs, [rank_auc(x, self.codes == c) for c in range(len(self.names))])
        known = ~np.isnan(aucs)
        if not known.any():
            return float("nan"), 0.0
        sizes = self.sizes[known].astype(np.float64)
        z = auc_z(aucs[known], sizes, self.codes.size - sizes)
        return float(aucs[known].mean()), max(0.0, float(z.max()) - _critical(self.tests))


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A column, its absence, an identifier or the row order, with its score."""

    part: str  # value, absence, identifier, row_order
    columns: tuple[str, ...]
    score: float
    certain: bool
    bins: Bins | None = None
    levels: Any = None


@register
@dataclass(frozen=True, slots=True)
class TargetLeakage:
    """One column alone predicts the label so well that it may hold the answer.

    What it measures: how well each feature alone predicts the label, cross-fitted: in each of two random halves of the
    labelled rows the label's shares in bins of the feature (up to 64 quantiles of a number, the categories of a text,
    one bin for missing values) are learned, and judged on the other half. For classes the area under the ROC curve, one
    class against the rest, averaged over the ten largest classes; for a numeric label R^2 of the label's ranks. With
    fewer than 2,000 rows the order of a number's values is used as well. Judged in the same way: whether the value is
    missing, each identifier, and the row's place in the file. A score counts only where chance is ruled out (5% error
    over all columns together). A text feature with more than 20,000 different values is left out.
    Why it matters: a column that is filled in after the outcome (or from it) makes a model look perfect and fail in
    use; a file sorted by its label leaks through the row order into every fold that is not shuffled.
    What to do: a high score can be honest: confirm that the column is available, with this value, at the time of the
    prediction. If it is not, leave it out. Shuffle a file that is sorted by its label; never train on identifiers.

    Options:
        warn: AUC (0.5 to 1) of a feature or its absence from which it is suspicious (all limits here: our choice).
        fail: AUC from which it is almost surely the answer.
        warn_r2: R^2 of a feature for a numeric label, in the same sense as `warn`.
        fail_r2: R^2 of a feature for a numeric label, in the same sense as `fail`.
        order: AUC of an identifier or of the row order from which it gives the label away.
        order_r2: R^2 of an identifier or of the row order for a numeric label.
    """

    code: ClassVar[str] = "COR003"
    name: ClassVar[str] = "target-leakage"
    dimension: ClassVar[str] = "correlation"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.95
    fail: float = 0.99
    warn_r2: float = 0.90
    fail_r2: float = 0.99
    order: float = 0.60
    order_r2: float = 0.25

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the sampled features, the label, identifiers and time."""
        roles = data.roles
        if roles.label is None:
            return NotEvaluated("no column has the role label; name it with --label")
        read = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.TEMPORAL)
        numbers = data.of_kind(*read, names=roles.features + roles.key)
        texts = data.of_kind(ColumnKind.TEXT, names=roles.features + roles.key)
        extra = tuple(name for name in (roles.label, roles.time) if name is not None)
        return {
            "sample": Sample(tuple(dict.fromkeys(numbers + texts + extra))),
            "features": tuple(c for c in roles.features if c in {*numbers, *texts}),
            "keys": tuple(c for c in roles.key if c in {*numbers, *texts}),
            "numbers": frozenset(numbers),
            "label": roles.label,
            "number": roles.label_kind == "number",
            "time": roles.time,
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Score every column alone and report those that predict too well."""
        sampled: Sampled = facts["sample"]
        label: str = facts["label"]
        known = ~sampled.missing(label)
        if facts["number"]:
            known &= np.isfinite(sampled.numbers(label))
        rows = np.flatnonzero(known)
        if rows.size < FEWEST_ROWS:
            yield NotEvaluated(
                f"{rows.size:,} rows with a label are too few to judge prediction ({FEWEST_ROWS} needed)"
            )
            return
        tests = 2 * len(facts["features"]) + len(facts["keys"]) + 1
        target = _target(sampled, label, rows, number=facts["number"], tests=tests)
        if target is None:
            what = "its values are all equal" if facts["number"] else f"no two classes have {FEWEST_OF_CLASS} rows"
            yield NotEvaluated(f"the label '{label}' cannot be predicted: {what}")
            return
        suspects: list[_Suspect] = []
        for name in facts["features"]:
            found = _score_feature(sampled, name, rows, target, number=name in facts["numbers"])
            if found:
                suspects += found
            else:
                yield NotEvaluated(f"more than {MOST_LEVELS:,} different texts", (name,))
        basis = sampled.basis
        yield from self._features(label, suspects, target, basis)
        yield from self._order(facts, sampled, rows, target)

    def _features(self, label: str, suspects: list[_Suspect], target: _Target, basis: Basis) -> Iterator[Judgement]:
        number = target.ranks is not None
        warn, fail = (self.warn_r2, self.fail_r2) if number else (self.warn, self.fail)
        statistic = "r2" if number else "auc"
        best: dict[tuple[str, ...], _Suspect] = {}
        for suspect in suspects:  # absence comes after values: where it gives the label away, that is the finding
            if suspect.columns not in best or (suspect.score >= warn and suspect.certain):
                best[suspect.columns] = suspect
        ranked = sorted(best.values(), key=lambda s: -np.nan_to_num(s.score, nan=-1.0))
        leaks = [s for s in ranked if s.certain and s.score >= warn]
        for suspect in leaks[:MOST_FINDINGS]:
            severity, limit = (Severity.FAIL, fail) if suspect.score >= fail else (Severity.WARN, warn)
            column = suspect.columns[0]
            subject = f"whether '{column}' is missing" if suspect.part == "absence" else f"'{column}' alone"
            yield Finding(
                code=self.code,
                columns=suspect.columns,
                severity=severity,
                message=f"{subject} predicts the label '{label}' with {_words(suspect.score, number)} over "
                f"{target.half.size:,} labelled rows, limit {limit:.2f}: too good, confirm that it is available at "
                f"prediction time",
                statistic=statistic + ("_of_absence" if suspect.part == "absence" else ""),
                value=suspect.score,
                limit=limit,
                basis=basis,
                effect=_effect(suspect.score, number),
                chart=_chart(suspect, target, label) if suspect.bins is not None else None,
                remedy="Confirm that this is known, with this value, before the outcome; if not, leave the column out.",
                evidence={"part": suspect.part, "labelled_rows": int(target.half.size), "classes": list(target.names)},
            )
        if len(leaks) > MOST_FINDINGS:
            rest = leaks[MOST_FINDINGS:]
            yield Finding(
                code=self.code,
                columns=tuple(s.columns[0] for s in rest),
                severity=Severity.FAIL if rest[0].score >= fail else Severity.WARN,
                message=f"{len(rest)} more features each predict the label '{label}' with up to "
                f"{_words(rest[0].score, number)}, limit {warn:.2f}",
                statistic="leaking_features",
                value=len(rest),
                limit=warn,
                basis=basis,
                effect=_effect(rest[0].score, number),
                remedy="Confirm that they are known before the outcome; if not, leave them out.",
            )
        for suspect in ranked[:20]:
            if not np.isnan(suspect.score):
                yield Measurement(statistic, suspect.columns, round(suspect.score, 6), basis, warn)

    def _order(self, facts: Facts, sampled: Sampled, rows: Codes, target: _Target) -> Iterator[Judgement]:
        """Judge the row order and the identifiers; one that follows the row order is named with it."""
        number = target.ranks is not None
        limit = self.order_r2 if number else self.order
        statistic = "r2" if number else "auc"
        place = sampled.row_ids[rows].astype(np.float64)
        score, certainty = target.score(bin_numbers(place), place)
        by_order = certainty > 0 and score >= limit
        yield Measurement(f"{statistic}_of_row_order", (), round(score, 6), sampled.basis, limit)
        follow: list[str] = []
        for key in facts["keys"]:
            x = _order_of_values(sampled, key, rows, number=key in facts["numbers"])
            if abs(spearman(x, place)) > 0.99:
                follow.append(key)
                continue
            found, certain = target.score(bin_numbers(x), x)
            yield Measurement(f"{statistic}_of_identifier", (key,), round(found, 6), sampled.basis, limit)
            if certain > 0 and found >= limit:
                yield self._order_finding(
                    f"the identifier '{key}'", (key,), "identifier", found, facts, sampled, number
                )
        if by_order:
            dated = (
                facts["time"] is not None and abs(spearman(sampled.numbers(facts["time"])[rows], place)) > 0.99
            )  # the file is in time order: then drift is the plainer explanation
            subject = "the row order" + "".join(f" (and with it '{key}')" for key in follow)
            yield self._order_finding(subject, tuple(follow), "row_order", score, facts, sampled, number, dated=dated)

    def _order_finding(  # noqa: PLR0917  # one sentence's worth of facts
        self,
        subject: str,
        columns: tuple[str, ...],
        part: str,
        score: float,
        facts: Facts,
        sampled: Sampled,
        number: bool,
        dated: bool = False,
    ) -> Finding:
        label = facts["label"]
        limit = self.order_r2 if number else self.order
        sure = score >= (self.warn_r2 if number else self.warn)
        gentle = dated and not sure
        advice = (
            "Rows are in time order, so the label drifts: split by time, never at random."
            if gentle
            else "Shuffle the rows before splitting or batching, never train on identifiers, and find out why the "
            "label follows them."
        )
        return Finding(
            code=self.code,
            columns=columns,
            severity=Severity.INFO if gentle else Severity.WARN,
            message=f"{subject} predicts the label '{label}' with {_words(score, number)}, limit {limit:.2f}: "
            + _how_it_follows(part, sure, dated),
            statistic=("r2" if number else "auc") + f"_of_{part}",
            value=score,
            limit=limit,
            basis=sampled.basis,
            effect=_effect(score, number),
            remedy=advice,
            evidence={"part": part},
        )


def _target(sampled: Sampled, label: str, rows: Codes, *, number: bool, tests: int) -> _Target | None:
    """Return the label over the labelled rows; None when there is nothing to predict."""
    half = halves(rows.size, sampled.seed)
    if number:
        ranks = midranks(sampled.numbers(label)[rows]) / rows.size
        if ranks.min() == ranks.max():
            return None
        return _Target((), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), ranks, half, tests)
    found = first_seen(sampled.table.column(label))
    assert found is not None  # no limit was given
    codes, values = found[0][rows], found[1].to_pylist()
    sizes = np.bincount(codes, minlength=len(values))
    largest = [int(c) for c in np.argsort(-sizes, kind="stable")[:MOST_CLASSES] if sizes[c] >= FEWEST_OF_CLASS]
    if len(largest) < 2:
        return None
    scored = np.full(len(values), len(largest), dtype=np.int64)
    scored[largest] = np.arange(len(largest))
    if len(values) == 2:  # the second class's curve is the first one's, mirrored
        scored[largest[1]], largest = 1, largest[:1]
    names = tuple(str(values[c]) for c in largest)
    return _Target(names, scored[codes], sizes[largest], None, half, tests)


def _score_feature(sampled: Sampled, name: str, rows: Codes, target: _Target, *, number: bool) -> list[_Suspect]:
    """Return the scores of a column's values and of its absence; empty when the column has too many texts."""
    everything = rows.size == sampled.rows
    levels = None
    x: Floats | None = None
    if number:
        x = sampled.numbers(name) if everything else sampled.numbers(name)[rows]
        bins = bin_numbers(x)
    else:
        found = first_seen(sampled.table.column(name), MOST_LEVELS)
        if found is None:
            return []
        levels = found[1]
        bins = bin_codes(found[0] if everything else found[0][rows], len(levels))
    score, certainty = target.score(bins, x)
    suspects = [_Suspect("value", (name,), score, certainty > 0, bins, levels)]
    absent = bins.codes == bins.count - 1
    if 0 < absent.sum() < absent.size:
        alone = Bins(absent.astype(np.int64), 2, np.zeros(0))
        score, certainty = target.score(alone, None)
        suspects.append(_Suspect("absence", (name,), score, certainty > 0, alone))
    return suspects


def _order_of_values(sampled: Sampled, key: str, rows: Codes, *, number: bool) -> Floats:
    """Return an identifier as numbers that keep its order: texts by their alphabetical rank."""
    if number:
        return sampled.numbers(key)[rows]
    import pyarrow.compute as pc

    found = first_seen(sampled.table.column(key))
    assert found is not None  # no limit was given
    codes, values = found
    rank = np.full(len(values) + 1, np.nan)
    rank[np.asarray(pc.sort_indices(values))] = np.arange(len(values), dtype=np.float64)
    return rank[codes[rows]]  # code -1 (missing) picks the last place


def _how_it_follows(part: str, sure: bool, dated: bool) -> str:
    """Return what a label that follows the row order or an identifier means."""
    if dated and not sure:
        return "the label changes over time"
    if part == "identifier":
        return "the rows were numbered by it" if sure else "where a row was numbered tells something about it"
    return "the data is sorted by it" if sure else "where a row stands in the file tells something about it"


def _critical(tests: int) -> float:
    """Return how many standard deviations chance alone stays below in 95% of `tests` independent tests."""
    from scipy import special

    return float(special.ndtri(1.0 - 0.05 / (2.0 * tests)))


def _words(score: float, number: bool) -> str:
    return f"R² {score:.3f}" if number else f"AUC {score:.3f}"


def _effect(score: float, number: bool) -> float:
    return float(np.clip(score if number else 2.0 * score - 1.0, 0.0, 1.0))


def _chart(suspect: _Suspect, target: _Target, label: str) -> Chart:
    """Bars: the share of the first class (or the label's mean rank) in each bin, few enough to read."""
    bins = suspect.bins
    assert bins is not None
    outcome = target.ranks if target.ranks is not None else (target.codes == 0).astype(np.float64)
    n = np.bincount(bins.codes, minlength=bins.count)
    sums = np.bincount(bins.codes, weights=outcome, minlength=bins.count)
    names: list[str]
    if suspect.part == "absence":
        groups, names = np.array([0, 1]), ["present", "missing"]
    elif suspect.levels is not None:
        groups = np.argsort(-n[:-1], kind="stable")[:MOST_BARS]
        names = [str(suspect.levels[int(g)].as_py()) for g in groups]
    else:
        finite = bins.count - 1
        groups = np.unique(np.linspace(0, finite, min(MOST_BARS, finite) + 1).astype(np.int64))
        n, sums = np.add.reduceat(n[:finite], groups[:-1]), np.add.reduceat(sums[:finite], groups[:-1])
        names = [f"≤ {bins.edges[g - 1]:.6g}" if g < finite else "above" for g in groups[1:]]
        groups = np.arange(groups.size - 1)
    values = [float(sums[g] / n[g]) if n[g] else None for g in groups]
    title = f"mean rank of {label}" if target.ranks is not None else f"share of {label} = {target.names[0]}"
    data = {"labels": names, "values": values}
    return Chart("bars", f"{label} by {suspect.columns[0]}", data, x_title=suspect.columns[0], y_title=title)
