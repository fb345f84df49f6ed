"""REP006: values far from all others, and values that cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.checks.representativeness.columns import is_identifier
from audit.dataset import ColumnKind, Dataset, Kind
from audit.errors import ConfigError, did_you_mean
from audit.facts import Asks, CountWhere, Extremes, ExtremeValues, Facts, Missing, MissingCounts, Sample, quote_name
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.density import bin_edges, histogram
from audit.stats.robust import Fences, fences

Floats = NDArray[np.float64]

NAMED_RANGES: tuple[tuple[str, float | None, float | None], ...] = (
    (r"age|age_years|age_in_years|alter|customer_age|patient_age", 0, 130),
    (r"lat|latitude|.*_lat|.*_latitude", -90, 90),
    (r"lon|lng|long|longitude|.*_lon|.*_lng|.*_longitude", -180, 180),
    (r"percent|percentage|pct|.*_(percent|percentage|pct)|humidity|relative_humidity", 0, 100),
    (r"probability|prob|.*_(probability|prob)", 0, 1),
    (r"month", 1, 12),
    (r"day_of_month", 1, 31),
    (r"hour|hour_of_day", 0, 24),
    (r"minute", 0, 59),
    (r"(n|num|number_of)_.*|count|.*_count|quantity|qty|.*_qty", 0, None),
    (r"(unit_|list_|sale_)?price|price_.*|income|salary|population|distance|height|weight|width|length|area", 0, None),
    (r".*_(price|income|salary|population|distance|height|weight|width|length|area|cm|kg|km)", 0, None),
)
"""Names of columns whose values have bounds by their nature: (pattern of the whole name, lowest, highest)."""

RARE = 0.05
"""Where more of the values than this lie outside, the name says something else about the column."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: float | None
    high: float | None
    declared: bool

    def __str__(self) -> str:
        low = "-∞" if self.low is None else f"{self.low:g}"
        return f"{low} to {'∞' if self.high is None else f'{self.high:g}'}"


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one column."""

    column: str
    floating: bool
    bounds: _Bounds | None
    extremes: ExtremeValues
    sampled: Sampled

    def outside(self, low: float | None, high: float | None) -> str:
        """Return the predicate that a value lies outside; NaN, which engines sort above every number, does not."""
        name = quote_name(self.column)
        parts = [f"{name} < {low!r}"] if low is not None else []
        if high is not None:
            parts.append(f"({name} > {high!r} AND NOT isnan({name}))" if self.floating else f"{name} > {high!r}")
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


@register
@dataclass(frozen=True, slots=True)
class OutliersAndRanges:
    """Numbers far from all others, and numbers that cannot be (an age of 999, a negative price, a latitude of 120).

    What it measures: rows outside the declared range of a column, or outside the one that its name implies (age,
    latitude, percent, count, price ...), over all rows. And far outliers by the shape of the column itself: more than
    `z` robust standard deviations (MAD / 0.6745) from the median, beyond where the column's own tail leads, and
    `gap` times as far from the median as any other value. So skewed and heavy-tailed columns have no outliers merely
    for their shape. At most 1% of the values are outliers on each side; more is another group (COM002 finds sentinels).
    Why it matters: one wrong value moves means, scales and regression lines; impossible ones are errors of entry or of
    units, or stand for missing.
    What to do: look at the rows. Repair the source, set impossible values to missing, or cap what is real but extreme;
    never drop what you have not looked at.

    Options:
        ranges: lowest and highest allowed value by column, such as {"age": [0, 120]}; null leaves an end open.
        z: robust standard deviations beyond which a value can be an outlier.
        gap: how many times as far from the median as any other value.
        names: whether names of columns imply ranges.
    """

    code: ClassVar[str] = "REP006"
    name: ClassVar[str] = "outliers-and-ranges"
    dimension: ClassVar[str] = "representativeness"
    kinds: ClassVar[Kind] = TABULAR
    ranges: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    z: float = 10.0
    gap: float = 5.0
    names: bool = True

    def __post_init__(self) -> None:
        """Refuse ranges without an end, or with the ends swapped.

        Raises:
            ConfigError: a range is not usable.
        """
        for column, (low, high) in self.ranges.items():
            if (low is None and high is None) or (low is not None and high is not None and low > high):
                raise ConfigError(f"REP006: the range of '{column}' is {low} to {high}: give [lowest, highest]")

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the sample and extremes of numeric columns, and for exact counts outside known ranges."""
        numeric = data.of_kind(ColumnKind.NUMERIC)
        for column in self.ranges:
            if column not in numeric:
                raise ConfigError(f"ranges name no numeric column '{column}'{did_you_mean(column, numeric)}")
        columns = tuple(c for c in numeric if c not in data.roles.key or c in self.ranges)
        if not columns:
            return NotEvaluated("there is no numeric column besides keys")
        bounds = {c: b for c in columns if (b := self._bounds(c)) is not None}
        return {
            "rows": data.rows,
            "columns": columns,
            "floating": frozenset(c for c in columns if data.by_name[c].floating),
            "bounds": {column: (b,) for column, b in bounds.items()},
            "below": {c: CountWhere(c, below=b.low) for c, b in bounds.items() if b.low is not None},
            "above": {c: CountWhere(c, above=b.high) for c, b in bounds.items() if b.high is not None},
            "missing": {c: Missing(c) for c in bounds},
            "extremes": {c: Extremes(c) for c in columns},
            "sample": Sample(columns),
        }

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge known ranges first, then the shape of what lies within them."""
        sampled: Sampled = facts["sample"]
        for column in facts["columns"]:
            bounds: _Bounds | None = facts["bounds"].get(column, (None,))[0]
            known = _Known(column, column in facts["floating"], bounds, facts["extremes"][column], sampled)
            if bounds is not None:
                outside = facts["below"].get(column, 0) + facts["above"].get(column, 0)
                yield from self._range(known, bounds, outside, facts["missing"][column])
            yield from self._outliers(known)

    def _bounds(self, column: str) -> _Bounds | None:
        if column in self.ranges:
            low, high = self.ranges[column]
            return _Bounds(low, high, declared=True)
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s.-]+", "_", column).lower()
        for pattern, low, high in NAMED_RANGES if self.names else ():
            if re.fullmatch(pattern, snake):
                return _Bounds(low, high, declared=False)
        return None

    def _range(self, known: _Known, bounds: _Bounds, outside: int, counts: MissingCounts) -> Iterator[Judgement]:
        column, extremes = known.column, known.extremes
        present = counts.rows - counts.missing
        share = outside / present if present else 0.0
        basis = Basis(counts.rows, counts.rows)
        yield Measurement("outside_share", (column,), share, basis, 0)
        if outside == 0:
            return
        if not bounds.declared and share > RARE:
            yield NotEvaluated(
                f"its name implies {bounds}, but {share:.1%} of its values lie outside: declare its range with the "
                f"option `ranges`",
                (column,),
            )
            return
        source = "declared" if bounds.declared else "implied by its name"
        yield Finding(
            self.code, (column,), Severity.FAIL if bounds.declared else Severity.WARN,
            f"{column}: {outside:,} of {present:,} values ({share:.2%}) {'lies' if outside == 1 else 'lie'} outside "
            f"{bounds}, the range {source}, limit 0; the extremes are {_number(extremes.low)} and "
            f"{_number(extremes.high)}",
            "outside_share", share, 0, basis, limit_source="options" if bounds.declared else "default",
            effect=min(1.0, 0.3 + share), affected=outside, where=known.outside(bounds.low, bounds.high),
            remedy="Look at these rows: repair the source, or set impossible values to missing. If they are right, "
            "declare the true range with the option `ranges`.",
            chart=_histogram(column, known.sampled.finite(column)),
            evidence={"low": bounds.low, "high": bounds.high},
        )  # fmt: skip

    def _outliers(self, known: _Known) -> Iterator[Judgement]:
        column, sampled, extremes = known.column, known.sampled, known.extremes
        found = sampled.finite(column)
        values = found
        if not sampled.exact and len(found):  # the sample may have missed the very largest: those are known exactly
            ends = [float(e) for e in (extremes.low, extremes.high) if isinstance(e, int | float)]
            values = np.append(found, [e for e in ends if np.isfinite(e) and not found.min() <= e <= found.max()])
        if known.bounds is not None:
            values = values[_inside(values, known.bounds)]
        if is_identifier(sampled, column, text=False):
            yield NotEvaluated("it numbers the rows", (column,))
            return
        ends_of_rest = fences(values, z=self.z, gap=self.gap)
        if ends_of_rest is None:
            yield NotEvaluated("it has too few different values to tell outliers from the rest", (column,))
            return
        beyond = (values < ends_of_rest.low) | (values > ends_of_rest.high)
        count = int(np.count_nonzero(beyond))
        basis = sampled.basis
        yield Measurement("outlier_share", (column,), count / len(values), basis, 0)
        if count:
            yield self._finding(known, values, beyond, ends_of_rest)

    def _finding(self, known: _Known, values: Floats, beyond: NDArray[np.bool_], ends: Fences) -> Finding:
        column, sampled = known.column, known.sampled
        far = values[beyond]
        count, middle = len(far), float(np.median(values))
        farthest = float(far[np.argmax(np.abs(far - middle))])
        at_least = "" if sampled.exact else "at least "
        estimate = count if sampled.exact else max(count, round(count / len(values) * sampled.of))
        low = ends.low if np.isfinite(ends.low) else None
        high = ends.high if np.isfinite(ends.high) else None
        return Finding(
            self.code, (column,), Severity.WARN,
            f"{column}: {at_least}{count:,} of {len(values):,} values {'lies' if count == 1 else 'lie'} far from all "
            f"others, the farthest at {farthest:.6g}; the rest lie between {ends.inner_low:.6g} and "
            f"{ends.inner_high:.6g}, around {middle:.6g}; limit: {self.gap:g} times as far out as any other value",
            "outlier_share", count / len(values), 0, sampled.basis,
            effect=min(1.0, 0.2 + 10 * count / len(values)), affected=estimate,
            where=known.outside(low, high),
            remedy="Look at these rows: a slipped decimal point, another unit, or a code for missing? Repair, set to "
            "missing, or cap them if they are real.",
            chart=_histogram(column, values),
            evidence={"fence_low": low, "fence_high": high, "rest_low": ends.inner_low, "rest_high": ends.inner_high,
                      "median": middle, "farthest": farthest},
        )  # fmt: skip


def _inside(values: Floats, bounds: _Bounds) -> NDArray[np.bool_]:
    low = -np.inf if bounds.low is None else bounds.low
    high = np.inf if bounds.high is None else bounds.high
    return (values >= low) & (values <= high)


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else "none"


def _histogram(column: str, values: Floats) -> Chart:
    """Return the histogram over the whole range: the outliers are the point of the picture."""
    whole = bool(len(values)) and bool(np.all(values == np.floor(values)))
    edges = bin_edges(values, whole=whole)
    if len(edges) > 1:
        edges = np.linspace(float(values.min()), float(values.max()), 41) if values.min() < values.max() else edges
    counts = histogram(values, edges).counts.tolist() if len(edges) > 1 else []
    return Chart("histogram", f"{column}: all values", {"edges": edges.tolist(), "counts": counts}, column, "rows")
