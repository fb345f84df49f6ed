"""REP104: do the steps look like those of the reference?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from audit.checks import TRAJECTORY, register
from audit.checks.representativeness.columns import NO_REFERENCE, listed
from audit.dataset import Dataset, Kind
from audit.episode_facts.drift import (
    DriftOfEntry,
    EntryDrift,
    EntryDriftValues,
    TransitionSeparation,
    TransitionSeparationValues,
)
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity, View
from audit.stats.intervals import benjamini_hochberg

SIGNIFICANCE = 0.01
REMEDY = (
    "Find out what changed: the policy (another state distribution is then its nature), the unit or order of the "
    "entries, or the robot. Do not mix both sets under one policy id."
)


@register
@dataclass(frozen=True, slots=True)
class TrajectoryDrift:
    """Entries of observation, action and reward, and whole transitions, that differ from the reference.

    What it measures: for each number Kolmogorov-Smirnov's D and the population stability index (PSI) over tenths of the
        reference, for discrete actions the total variation distance and PSI. Steps of an episode are not independent,
        so chance is measured by letting whole episodes change sides; PSI counts only beyond its average then, and the
        false discovery rate over all entries is kept. Beside that a classifier, cross-validated by episode, tells
        transitions (observation, action, change of the observation, reward) of the data from those of the reference;
        2 AUC - 1 is judged, and its 95% interval, which counts episodes, must lie above half the limit too.
    Why it matters: a policy, a value or a normalisation learnt from one set fails on another with other units, another
        order of entries or other dynamics. Another policy alone moves the distribution of states, so that this warns
        and fails only where more than half of the steps would have to move.
    What to do: look at the overlaid distributions, largest first. If only the policy differs, keep both sets apart; if
        a unit, an order or a sign changed, repair the recording.

    Options:
        psi: PSI beyond chance that is worth a warning (rule of thumb: 0.10 is small, 0.25 large).
        warn: Kolmogorov-Smirnov's D or total variation that is worth a warning.
        fail: the same, for fail.
        separable: 2 AUC - 1 of the classifier that is worth a warning.
    """

    code: ClassVar[str] = "REP104"
    name: ClassVar[str] = "trajectory-drift"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    psi: float = 0.25
    warn: float = 0.2
    fail: float = 0.5
    separable: float = 0.25

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the distance of each entry, and for the classifier."""
        if data.reference is None:
            return NO_REFERENCE
        return {"entries": EntryDrift(), "transitions": TransitionSeparation()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each entry, then all of them together."""
        found: EntryDriftValues = facts["entries"]
        if found.different_shape:
            yield Finding(
                self.code, ("observation", "action"), Severity.FAIL,
                f"the data cannot be compared with the reference: {found.reason}, limit: the same entries",
                "shape", found.reason, "the same entries", Basis(0, 0), effect=1.0,
                remedy="Name a reference of the same task and recorder, or repair the export that changed the entries.",
            )  # fmt: skip
            return
        if found.reason:
            yield NotEvaluated(found.reason)
            return
        worst, q = drifted(found, self.warn, self.psi)
        bad = {e.name for e in worst}
        for e in found.entries:
            p = q[e.name]
            yield Measurement(
                "distance", (e.name,), e.distance, found.basis, self.warn, p_value=e.p_value, p_adjusted=p
            )
            yield Measurement("psi", (e.name,), e.psi, found.basis, e.psi_by_chance + self.psi, p_adjusted=p)
            if e.name in bad:
                yield self._entry(e, p, found)
        yield _overview(found)
        yield from self._transitions(facts["transitions"])

    def _entry(self, e: DriftOfEntry, q: float, found: EntryDriftValues) -> Finding:
        fails = e.distance > self.fail
        return Finding(
            self.code, (e.name,), Severity.FAIL if fails else Severity.WARN,
            f"{words_of(e)} of {found.basis.rows:,} steps in {found.episodes[1]:,} episodes from "
            f"{found.episodes[0]:,} of the reference, limit {self.fail if fails else self.warn:g}; PSI "
            f"{max(0.0, e.psi - e.psi_by_chance):.2f} beyond chance, limit {self.psi:g}",
            "distance", e.distance, self.fail if fails else self.warn, found.basis, effect=min(1.0, e.distance),
            remedy=REMEDY, chart=_picture(e),
            evidence={"psi": e.psi, "psi_by_chance": e.psi_by_chance, "p_value": e.p_value, "p_adjusted": q,
                      "reference_median": e.medians[0], "median": e.medians[1]},
        )  # fmt: skip

    def _transitions(self, t: TransitionSeparationValues) -> Iterator[Judgement]:
        if t.reason:
            yield NotEvaluated(f"transitions: {t.reason}")
            return
        apart, low, high = 2 * t.auc - 1, 2 * t.low - 1, 2 * t.high - 1
        interval = Interval(low, high, "DeLong, by episode")
        yield Measurement("separability", (), apart, t.basis, self.separable, interval=interval)
        if apart <= self.separable or low <= self.separable / 2:
            return
        names = [name for name, _ in t.drivers]
        by = f", mostly by {listed(names)}" if names else ", by many entries together"
        yield Finding(
            self.code, (), Severity.WARN,
            f"a model tells {t.rows[1]:,} transitions of the data from {t.rows[0]:,} of the reference with an AUC of "
            f"{t.auc:.3f} (2 AUC - 1 = {apart:.3f}, 95% interval {low:.3f} to {high:.3f}, limit "
            f"{self.separable:g}){by}",
            "separability", apart, self.separable, t.basis, interval=interval, effect=max(0.0, min(1.0, apart)),
            remedy=REMEDY,
            chart=Chart(
                "bars", "Fall of the AUC when an entry is shuffled",
                {"labels": names, "values": [fall for _, fall in t.drivers]}, "entry", "fall of AUC",
            ) if names else None,
            evidence={"auc": t.auc, "drivers": [[name, fall] for name, fall in t.drivers]},
        )  # fmt: skip


def drifted(
    found: EntryDriftValues, distance: float, psi: float = 0.25
) -> tuple[list[DriftOfEntry], Mapping[str, float]]:
    """Return the entries that drifted, farthest first, and the adjusted p-value of every entry.

    An entry drifted when one of its distances is large and both together are beyond chance.
    """
    adjusted = benjamini_hochberg([e.p_value for e in found.entries])
    q = {e.name: float(p) for e, p in zip(found.entries, adjusted, strict=True)}
    bad = [
        e
        for e in found.entries
        if q[e.name] < SIGNIFICANCE and (e.distance > distance or e.psi - e.psi_by_chance > psi)
    ]
    return sorted(bad, key=lambda e: -e.distance), q


def words_of(e: DriftOfEntry) -> str:
    """Return what changed in an entry, in words."""
    if e.action is not None:
        return (
            f"{e.name}: action {e.action} has {e.medians[1]:.1%} of the steps instead of {e.medians[0]:.1%}, a total "
            f"variation distance of {e.distance:.2f}"
        )
    return (
        f"{e.name}: the median is {e.medians[1]:.4g} instead of {e.medians[0]:.4g}, a Kolmogorov-Smirnov distance of "
        f"{e.distance:.2f}"
    )


def _picture(e: DriftOfEntry) -> Chart:
    if e.action is not None:
        return Chart(
            "bars", f"{e.name}: this data, with the reference as a mark",
            {"labels": [f"{number:.0f}" for number in e.edges], "values": e.counts.tolist(),
             "reference": (e.reference * (e.counts.sum() / max(e.reference.sum(), 1))).tolist()},
            "action", "steps",
        )  # fmt: skip
    return Chart(
        "histogram", f"{e.name}: this data, with the reference overlaid",
        {"edges": e.edges.tolist(), "counts": e.counts.tolist(), "reference": e.reference.tolist()}, e.name, "steps",
    )  # fmt: skip


def _overview(found: EntryDriftValues) -> View:
    most = sorted(found.entries, key=lambda e: -e.distance)[:20]
    return View(
        Chart(
            "bars", "Distance of each entry from the reference",
            {"labels": [e.name for e in most], "values": [e.distance for e in most]}, "entry", "distance (0 to 1)",
        ),
        f"Kolmogorov-Smirnov's D, or total variation for discrete actions, of the {len(most):,} farthest of "
        f"{len(found.entries):,} entries.",
    )  # fmt: skip
