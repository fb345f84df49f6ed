"""COM004: is a column missing more in one part of the data, or at one time, than in another?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.completeness._wording import equals, is_missing, listed, nothing_to_judge, percent
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample, quote_name
from audit.findings import Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.intervals import benjamini_hochberg
from audit.stats.missingness import Gap, largest_gap

REMEDY = (
    "Look at how this part of the data was collected: a source, a version or a period that never filled the column. "
    "Repair it there, or leave the part (or the column) out; a model would learn the absence as a sign of the segment."
)
UNITS = ("h", "D", "W", "M", "Y")


@dataclass(frozen=True, slots=True)
class Segments:
    """The rows of the sample, divided: `codes` int [n] with -1 for none, and what each code means."""

    column: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]
    predicates: tuple[str, ...]
    time: bool = False

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each segment."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels)).astype(np.int64)


@register
@dataclass(frozen=True, slots=True)
class MissingBySegment:
    """Columns that are missing far more in one segment or period than in another.

    What it measures: the share of missing values by split, group, class of the label, values of a few text and boolean
        columns, and period of the time column; the largest less the smallest share, among segments with at least
        `smallest` rows in the sample. The gap decides; a two-proportion z test, corrected for the choice of the pair
        and for the number of columns, keeps small segments from alarming by chance.
    Why it matters: the model learns "it is missing" as a sign of the segment, and fails where the gap is closed; a
        column that a source stopped filling is a broken pipe.
    What to do: find the source, version or period that does not fill the column, and repair or leave out that part.

    Options:
        gap: difference of shares (0 to 1; 0.10 is ten percentage points) from which a column warns (our choice).
        smallest: fewest rows (in the sample) of a segment that takes part.
        significance: adjusted p-value below which a gap counts.
        segments: most columns that are used to divide the rows (split, group, label and time come first).
        values: most values of a text or boolean column that is used to divide the rows.
    """

    code: ClassVar[str] = "COM004"
    name: ClassVar[str] = "missing-by-segment"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TABULAR

    gap: float = 0.10
    smallest: int = 30
    significance: float = 0.01
    segments: int = 6
    values: int = 30

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the sample only: a gap of ten points shows in it, and no division costs a scan."""
        roles = data.roles
        classes = roles.label if roles.label_kind == "classes" else None
        first = [c for c in (roles.split, classes, roles.group) if c is not None]
        others = [c for c in data.of_kind(ColumnKind.BOOLEAN, ColumnKind.TEXT) if c not in (*first, *roles.key)]
        by = tuple(dict.fromkeys(first + others[:30]))
        problem = nothing_to_judge(data)
        if problem is None and not by and roles.time is None:
            problem = NotEvaluated("no split, group, label, category or time divides the rows")
        return problem or {
            "sample": Sample(data.names),
            "names": data.names,
            "by": by,
            "roles": tuple(first),
            "time": roles.time,
            "zoned": frozenset(column.name for column in data.columns if column.zoned),
            "floating": frozenset(column.name for column in data.columns if column.floating),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Compare each column with missing values over each division; one finding a column, the worst gap first."""
        sample: Sampled = facts["sample"]
        targets = [c for c in facts["names"] if sample.missing(c).any()]
        if not targets:
            yield Measurement("missing_gap", (), 0.0, sample.basis, limit=self.gap)
            return
        divisions = list(self._divisions(facts))
        if not divisions:
            yield NotEvaluated(f"no column divides the rows into segments of at least {self.smallest} rows")
            return
        gaps = _all_gaps(sample, targets, divisions, self.smallest)
        adjusted = benjamini_hochberg([gap.p_value for _, _, gap in gaps])
        by_column: dict[str, list[tuple[Segments, Gap, float]]] = {}
        for (column, division, gap), p in zip(gaps, adjusted, strict=True):
            by_column.setdefault(column, []).append((division, gap, float(p)))
        for column, found in by_column.items():
            yield self._judged(column, found, sample, column in facts["floating"])

    def _divisions(self, facts: Facts) -> Iterator[Segments]:
        """Yield the divisions: roles and time first, then columns with few values, at most `segments`."""
        sample: Sampled = facts["sample"]
        count = 0
        candidates = [*facts["roles"], *([facts["time"]] if facts["time"] else [])]
        candidates += [c for c in facts["by"] if c not in candidates]
        for column in candidates:
            if count == self.segments:
                return
            role = column in facts["roles"]
            division = (
                by_period(sample, column, column in facts["zoned"])
                if column == facts["time"]
                else by_value(sample, column)
            )
            if division is None or int((division.sizes >= self.smallest).sum()) < 2:
                continue
            if role or division.time or len(division.labels) <= self.values:
                count += 1
                yield division

    def _judged(
        self, column: str, found: list[tuple[Segments, Gap, float]], sample: Sampled, floating: bool
    ) -> Judgement:
        sure = [item for item in found if item[2] < self.significance]
        division, gap, p = max(sure or found, key=lambda item: item[1].size)
        segment = f"{division.column}={division.labels[gap.high]}"
        if p >= self.significance or gap.size < self.gap:
            p_value = gap.p_value
            return Measurement(
                "missing_gap",
                (column,),
                gap.size,
                sample.basis,
                self.gap,
                p_value=p_value,
                p_adjusted=p,
                segment=segment,
            )
        sizes = division.sizes
        others = [d.column for d, g, q in found if d is not division and q < self.significance and g.size >= self.gap]
        also = f"; it also differs by {listed(others, 3)}" if others else ""
        missing_high = round(gap.share_high * int(sizes[gap.high]))
        return Finding(
            code=self.code,
            columns=(column,),
            severity=Severity.WARN,
            message=f"'{column}' is missing in {percent(gap.share_high)} of {int(sizes[gap.high]):,} rows with "
            f"{segment}, but in {percent(gap.share_low)} of {int(sizes[gap.low]):,} with "
            f"{division.column}={division.labels[gap.low]}: a gap of {100 * gap.size:.1f} points among {gap.segments} "
            f"segments, limit {100 * self.gap:g} points{also}",
            statistic="missing_gap",
            value=gap.size,
            limit=self.gap,
            basis=sample.basis,
            effect=gap.size,
            affected=round(missing_high * sample.of / max(sample.rows, 1)),
            segment=segment,
            where=f"{division.predicates[gap.high]} AND {is_missing(column, floating)}",
            chart=_chart(column, division, sample),
            remedy=REMEDY,
            evidence={
                "p_adjusted": p,
                "gaps": [
                    {
                        "by": d.column,
                        "highest": d.labels[g.high],
                        "share_highest": g.share_high,
                        "lowest": d.labels[g.low],
                        "share_lowest": g.share_low,
                        "p_adjusted": q,
                    }
                    for d, g, q in sorted(found, key=lambda item: -item[1].size)
                ],
            },
        )


def _all_gaps(
    sample: Sampled, targets: list[str], divisions: list[Segments], smallest: int
) -> list[tuple[str, Segments, Gap]]:
    found = []
    sizes = [division.sizes for division in divisions]
    for column in targets:
        rows = np.flatnonzero(sample.missing(column))
        for division, size in zip(divisions, sizes, strict=True):
            if division.column == column:
                continue
            codes = division.codes[rows]
            missing = np.bincount(codes[codes >= 0], minlength=len(size)).astype(np.int64)
            gap = largest_gap(missing, size, smallest)
            if gap is not None:
                found.append((column, division, gap))
    return found


def by_value(sample: Sampled, column: str) -> Segments:
    """Divide the rows by the values of a column."""
    codes, values = sample.codes(column)
    labels = tuple(str(value) for value in values)
    return Segments(column, codes, labels, tuple(equals(column, value) for value in values))


def by_period(sample: Sampled, column: str, zoned: bool, most: int = 48) -> Segments | None:
    """Divide the rows by hour, day, week, month or year: the finest that gives at most `most` periods."""
    seconds = sample.numbers(column)
    known = np.isfinite(seconds)
    if not known.any():
        return None
    times = seconds[known].astype(np.int64).astype("datetime64[s]")
    for unit in UNITS:
        periods = times.astype(f"datetime64[{unit}]")
        starts, codes = np.unique(periods, return_inverse=True)
        if len(starts) <= most or unit == "Y":
            break
    placed = np.full(len(seconds), -1, dtype=np.int64)
    placed[known] = codes.ravel()
    labels = tuple(str(start.astype("datetime64[D]") if unit == "W" else start) for start in starts)
    name = quote_name(column)
    kind, zone = ("TIMESTAMPTZ", "+00") if zoned else ("TIMESTAMP", "")
    predicates = tuple(
        f"{name} >= {kind} '{_moment(start)}{zone}' AND {name} < {kind} '{_moment(start + 1)}{zone}'"
        for start in starts
    )
    return Segments(column, placed, labels, predicates, time=True)


def _moment(start: Any) -> str:
    return str(start.astype("datetime64[s]")).replace("T", " ")


def _chart(column: str, division: Segments, sample: Sampled, most: int = 30) -> Chart:
    sizes = division.sizes
    rows = np.flatnonzero(sample.missing(column))
    codes = division.codes[rows]
    missing = np.bincount(codes[codes >= 0], minlength=len(sizes))
    usable = np.flatnonzero(sizes > 0)
    shares = missing[usable] / sizes[usable]
    title = f"Share of '{column}' missing by '{division.column}'"
    if division.time:
        labels = [division.labels[i] for i in usable]
        series = [{"name": "share missing", "values": np.round(shares, 4).tolist()}]
        return Chart("line", title, {"x": labels, "series": series}, y_title="share missing")
    order = np.argsort(-shares, kind="stable")[:most]
    labels = [division.labels[usable[i]] for i in order]
    return Chart(
        "bars", title, {"labels": labels, "values": np.round(shares[order], 4).tolist()}, x_title="share missing"
    )
