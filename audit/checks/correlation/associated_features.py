"""COR001: groups of features that carry nearly the same information."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample
from audit.findings import Chart, Finding, Interval, Judgement, Measurement, NotEvaluated, Severity, View
from audit.sample import Sampled
from audit.stats.association import (
    analyse_variance,
    chi_squared,
    contingency,
    cramers_v,
    fisher_lower_bound,
    pearson_matrix,
    rank_columns,
    standardise,
)
from audit.stats.collinearity import connected
from audit.stats.encoding import evenly_spaced, first_seen

Floats = NDArray[np.float64]

WORDS = {"pearson": "Pearson's r", "spearman": "Spearman's rho", "cramers_v": "Cramer's V", "omega": "omega"}
MOST_ROWS = 20_000  # a coefficient of 0.9 is then known to +-0.003
CELLS = 5_000_000  # values that correlations are computed from: 1,000 columns are compared on 5,000 rows
PAIR_ROWS = 20_000_000  # pairs of columns x rows, for pairs with a text column
MOST_CATEGORIES = 60  # text columns that take part: 1,770 pairs of them
MOST_FINDINGS = 30
MOST_SHOWN = 40  # columns of the heat map
FEWEST_ROWS = 10
FEWEST_SHARED = 0.05  # of the rows: what two columns share on fewer says little about the rest


@dataclass(frozen=True, slots=True)
class _Pairs:
    """All pairs of the columns `names`: `strength` float[p, p] (signed for numbers), `certain` bool[p, p].

    `rows` int[p, p] have both values, among `looked` rows of the sample.
    """

    names: tuple[str, ...]
    strength: Floats
    statistic: NDArray[np.str_]
    certain: NDArray[np.bool_]
    rows: NDArray[np.int64]
    looked: NDArray[np.int64]

    def strongest(self, members: list[int], most: int) -> list[tuple[int, int]]:
        """Return pairs of some columns, strongest first."""
        i, j = np.triu_indices(len(members), 1)
        chosen = np.asarray(members)
        i, j = chosen[i], chosen[j]
        value = np.nan_to_num(np.abs(self.strength[i, j]), nan=-1.0)
        order = np.lexsort((j, i, -value))[:most]
        return [(int(i[k]), int(j[k])) for k in order if value[k] >= 0]


@register
@dataclass(frozen=True, slots=True)
class AssociatedFeatures:
    """Groups of features that carry nearly the same information.

    What it measures: for two numeric columns (dates and booleans count as numbers) Pearson's r and Spearman's rho, the
    larger in size; for two text columns Cramer's V with Bergsma's correction for bias; for a number and a text column
    omega, the root of omega^2, on values and on ranks, the larger. Pearson's r and omega on values count only where
    ranks give at least half as much, so one extreme value can neither make nor hide an association. Columns tied by
    pairs at or above the limit form a group: one finding a group, with its strongest pair (two columns of a large group
    need not be alike: a chain of pairs may tie them). Among few rows some pairs of noise are strong by chance: a pair
    of numbers counts only if the lower end of its interval, corrected for the number of pairs, is above half the limit;
    another pair only if it is significant (5% error over all pairs). Rows where either value is missing are left out
    pair by pair, and a pair counts only if at least 10 rows, and 5% of those compared, have both. Left out, and said
    so: constant columns, running numbers, text columns with too many different values, keys and every other column with
    a role. At most 20,000 rows of the sample are compared, fewer in wide tables; each finding says how many.
    Why it matters: columns that say the same thing twice make coefficients and importances unstable, cost memory and
    time, and hide each other when columns are ranked.
    What to do: keep one of each group (the one that is measured best), or combine them. If they should not be related,
    look for a mistake in how they were joined or derived.

    Options:
        warn: association from which two columns are tied, 0 to 1 (Deepchecks: 0.9).
        most_levels: text columns with more different values than this are left out.
    """

    code: ClassVar[str] = "COR001"
    name: ClassVar[str] = "associated-features"
    dimension: ClassVar[str] = "correlation"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.9
    most_levels: int = 200

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the sampled features."""
        features = data.roles.features
        numbers = data.of_kind(ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.TEMPORAL, names=features)
        texts = data.of_kind(ColumnKind.TEXT, names=features)
        if len(numbers) + len(texts) < 2:
            return NotEvaluated("fewer than two features hold numbers, dates or text")
        whole = tuple(name for name in numbers if data.by_name[name].integer)
        return {"sample": Sample(numbers + texts), "numbers": numbers, "texts": texts, "whole": frozenset(whole)}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Tie columns by their pairs, and report each group."""
        sampled: Sampled = facts["sample"]
        if sampled.rows < FEWEST_ROWS:
            yield NotEvaluated(
                f"{sampled.rows} rows are too few to tell association from chance ({FEWEST_ROWS} needed)"
            )
            return
        numbers, left_out = _usable_numbers(sampled, facts["numbers"], facts["whole"])
        texts, codes, more = self._usable_texts(sampled, facts["texts"])
        yield from left_out + more
        if len(numbers) + len(texts) < 2:
            yield NotEvaluated("fewer than two features are left to compare")
            return
        pairs = self._compare(sampled, numbers, texts, codes)
        yield from self._report(sampled, pairs)

    def _usable_texts(
        self, sampled: Sampled, names: tuple[str, ...]
    ) -> tuple[tuple[str, ...], list[NDArray[np.int64]], list[NotEvaluated]]:
        """Return the text columns to compare, their codes, and why others are left out."""
        usable: list[str] = []
        codes: list[NDArray[np.int64]] = []
        constant, many, beyond = [], [], []
        for name in names:
            if len(usable) == MOST_CATEGORIES:
                beyond.append(name)
                continue
            found = first_seen(sampled.table.column(name), self.most_levels)
            if found is None:
                many.append(name)
            elif len(found[1]) < 2:
                constant.append(name)
            else:
                usable.append(name)
                codes.append(found[0])
        reasons = (
            ("constant or empty in the sample", constant),
            (f"more than {self.most_levels} different values: compared as categories they would say nothing", many),
            (f"only the first {MOST_CATEGORIES} text columns are compared with each other", beyond),
        )
        return tuple(usable), codes, [NotEvaluated(reason, tuple(found)) for reason, found in reasons if found]

    def _compare(
        self, sampled: Sampled, numbers: tuple[str, ...], texts: tuple[str, ...], codes: list[NDArray[np.int64]]
    ) -> _Pairs:
        p, q = len(numbers), len(texts)
        size = p + q
        strength = np.full((size, size), np.nan)
        statistic = np.full((size, size), "pearson", dtype="U9")
        certain = np.zeros((size, size), dtype=bool)
        rows = np.zeros((size, size), dtype=np.int64)
        tests = size * (size - 1) // 2
        pairs = _Pairs(numbers + texts, strength, statistic, certain, rows, np.zeros_like(rows))
        if p:
            chosen = evenly_spaced(sampled.rows, min(MOST_ROWS, CELLS // p))
            X = np.array([sampled.numbers(name)[chosen] for name in numbers]).T  # columns lie together in memory
            ranks = rank_columns(X)
            _compare_numbers(pairs, X, ranks, self.warn, tests)
            pairs.looked[:p, :p] = len(chosen)
            if q:
                some = evenly_spaced(len(chosen), max(500, PAIR_ROWS // (p * q)))
                _compare_mixed(pairs, X[some], ranks[some], [c[chosen[some]] for c in codes], tests)
                pairs.looked[:p, p:] = pairs.looked[p:, :p] = len(some)
        if q > 1:
            some = evenly_spaced(sampled.rows, min(MOST_ROWS, max(500, PAIR_ROWS // (q * (q - 1) // 2))))
            _compare_texts(pairs, p, [c[some] for c in codes], tests)
            pairs.looked[p:, p:] = len(some)
        return pairs

    def _report(self, sampled: Sampled, pairs: _Pairs) -> Iterator[Judgement]:
        enough = pairs.rows >= np.maximum(FEWEST_ROWS, FEWEST_SHARED * pairs.looked)
        with np.errstate(invalid="ignore"):
            links = (np.abs(pairs.strength) >= self.warn) & pairs.certain & enough
        groups = [(pairs.strongest(members, 10), members) for members in connected(links)]
        groups.sort(key=lambda group: -abs(pairs.strength[group[0][0]]))
        for strongest, members in groups[:MOST_FINDINGS]:
            yield self._finding(sampled, pairs, strongest, members)
        if len(groups) > MOST_FINDINGS:
            yield self._rest(sampled, pairs, groups[MOST_FINDINGS:])
        for i, j in pairs.strongest(list(range(len(pairs.names))), 20):
            yield Measurement(
                str(pairs.statistic[i, j]),
                (pairs.names[i], pairs.names[j]),
                round(float(pairs.strength[i, j]), 6),
                sampled.basis_of(int(pairs.looked[i, j])),
                self.warn,
            )
        yield View(_heatmap(pairs), "Association of the most related features: signed for numbers, 0 to 1 otherwise.")

    def _finding(
        self, sampled: Sampled, pairs: _Pairs, strongest: list[tuple[int, int]], members: list[int]
    ) -> Finding:
        i, j = strongest[0]
        statistic, value, n = str(pairs.statistic[i, j]), float(pairs.strength[i, j]), int(pairs.rows[i, j])
        first, second = pairs.names[i], pairs.names[j]
        columns = tuple(pairs.names[m] for m in members)
        measured = f"{WORDS[statistic]} {value:.3f} over {n:,} rows, limit {self.warn:.2f}"
        if len(members) > 2:
            message = (
                f"{len(members)} columns are closely associated, each with at least one other ({_named(columns)}): "
                f"strongest are '{first}' and '{second}' with {measured}"
            )
        elif statistic == "omega":  # one way only: a city has one altitude, an altitude many cities
            message = f"'{second}' nearly determines '{first}': {measured}"
        else:
            message = f"'{first}' and '{second}' carry nearly the same information: {measured}"
        return Finding(
            code=self.code,
            columns=columns,
            severity=Severity.WARN,
            message=message,
            statistic=statistic,
            value=value,
            limit=self.warn,
            basis=sampled.basis_of(int(pairs.looked[i, j])),
            interval=_fisher_interval(value, n) if statistic in ("pearson", "spearman") else None,
            effect=abs(value),
            chart=_scatter(sampled, first, second) if statistic in ("pearson", "spearman") else None,
            remedy="Keep one column of the group, or combine them; check the join or formula if they should differ.",
            evidence={
                "pairs": [
                    [pairs.names[a], pairs.names[b], str(pairs.statistic[a, b]), round(float(pairs.strength[a, b]), 6)]
                    for a, b in strongest
                ]
            },
        )

    def _rest(self, sampled: Sampled, pairs: _Pairs, groups: list[tuple[list[tuple[int, int]], list[int]]]) -> Finding:
        (i, j), n = groups[0][0][0], len(groups)
        return Finding(
            code=self.code,
            columns=tuple(pairs.names[m] for _, members in groups for m in members),
            severity=Severity.WARN,
            message=f"{n} more groups of columns are closely associated, the strongest pair with "
            f"{WORDS[str(pairs.statistic[i, j])]} {pairs.strength[i, j]:.3f}, limit {self.warn:.2f}",
            statistic="groups",
            value=n,
            limit=self.warn,
            basis=sampled.basis_of(int(pairs.looked[i, j])),
            effect=abs(float(pairs.strength[i, j])),
            remedy="Keep one column of each group, or combine them; the evidence lists the groups.",
            evidence={"groups": [[pairs.names[m] for m in members] for _, members in groups]},
        )


def _usable_numbers(
    sampled: Sampled, names: tuple[str, ...], whole: frozenset[str]
) -> tuple[tuple[str, ...], list[NotEvaluated]]:
    """Return the numeric columns to compare, and why others are left out."""
    usable, constant, running = [], [], []
    for name in names:
        x = sampled.numbers(name)
        finite = x if np.isfinite(x).all() else x[np.isfinite(x)]
        if finite.size < 2 or finite.min() == finite.max():
            constant.append(name)
        elif name in whole and _running_number(finite, sampled.of):
            running.append(name)
        else:
            usable.append(name)
    reasons = (
        ("constant or empty in the sample", constant),
        ("a running number: whole, never repeated and without large gaps, so it names rows", running),
    )
    return tuple(usable), [NotEvaluated(reason, tuple(found)) for reason, found in reasons if found]


def _running_number(x: Floats, of: int) -> bool:
    """Whether whole numbers are all different and fill most of their range."""
    if x.size < 100 or x.max() - x.min() >= 2.0 * of:
        return False
    return bool(np.unique(x).size == x.size)


def _compare_numbers(pairs: _Pairs, X: Floats, ranks: Floats, limit: float, tests: int) -> None:
    p = X.shape[1]
    pearson, spearman = pearson_matrix(X), pearson_matrix(ranks)
    size, by_rank = np.abs(pearson.r), np.abs(spearman.r)
    with np.errstate(invalid="ignore"):
        linear = (size >= by_rank - 1e-9) & (by_rank >= size / 2)
    block = (slice(0, p), slice(0, p))
    strength = np.where(linear, pearson.r, spearman.r)
    pairs.strength[block] = strength
    pairs.statistic[block] = np.where(linear, "pearson", "spearman")
    pairs.rows[block] = pearson.n
    with np.errstate(invalid="ignore"):
        i, j = np.nonzero(np.abs(strength) >= limit)
    pairs.certain[i, j] = fisher_lower_bound(strength[i, j], pearson.n[i, j], tests) > limit / 2


def _compare_mixed(pairs: _Pairs, X: Floats, ranks: Floats, codes: list[NDArray[np.int64]], tests: int) -> None:
    p = X.shape[1]
    Z, present, _ = standardise(X)
    Zr, _, _ = standardise(ranks)
    for k, groups in enumerate(codes, start=p):
        values, by_rank = analyse_variance(Z, present, groups), analyse_variance(Zr, present, groups)
        omega, omega_of_ranks = np.sqrt(values.omega_squared), np.sqrt(by_rank.omega_squared)
        with np.errstate(invalid="ignore"):
            on_values = (omega > omega_of_ranks) & (omega_of_ranks >= omega / 2)
        strength = np.where(on_values, omega, omega_of_ranks)
        certain = np.where(on_values, values.p_value, by_rank.p_value) * tests < 0.05
        for block in ((slice(0, p), k), (k, slice(0, p))):
            pairs.strength[block] = strength
            pairs.statistic[block] = "omega"
            pairs.certain[block] = certain
            pairs.rows[block] = values.n


def _compare_texts(pairs: _Pairs, p: int, codes: list[NDArray[np.int64]], tests: int) -> None:
    from scipy import special

    levels = [int(c.max()) + 1 if c.size else 0 for c in codes]
    for a in range(len(codes)):
        for b in range(a + 1, len(codes)):
            table = contingency(codes[a], codes[b], levels[a], levels[b])
            statistic, freedom = chi_squared(table)
            for i, j in ((p + a, p + b), (p + b, p + a)):
                pairs.strength[i, j] = cramers_v(table)
                pairs.statistic[i, j] = "cramers_v"
                pairs.certain[i, j] = freedom > 0 and special.chdtrc(freedom, statistic) * tests < 0.05
                pairs.rows[i, j] = table.sum()


def _fisher_interval(r: float, n: int) -> Interval | None:
    if n < 4 or abs(r) >= 1.0:
        return None
    half = 1.959963984540054 * (1.06 / (n - 3)) ** 0.5
    return Interval(float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half)), "Fisher z")


def _scatter(sampled: Sampled, first: str, second: str) -> Chart:
    x, y = sampled.numbers(first), sampled.numbers(second)
    both = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    shown = both[evenly_spaced(both.size, 500)]
    data: dict[str, Any] = {"x": x[shown].tolist(), "y": y[shown].tolist()}
    return Chart("scatter", f"{first} and {second}", data, x_title=first, y_title=second)


def _heatmap(pairs: _Pairs) -> Chart:
    """The most related columns, ordered so that related ones are neighbours."""
    size = np.nan_to_num(np.abs(pairs.strength))
    np.fill_diagonal(size, 0.0)
    shown = np.sort(np.argsort(-size.max(axis=1), kind="stable")[:MOST_SHOWN])
    order = shown[_angular_order(pairs.strength[np.ix_(shown, shown)])]
    values = [
        [1.0 if i == j else None if np.isnan(v := pairs.strength[i, j]) else round(float(v), 4) for j in order]
        for i in order
    ]
    names = [pairs.names[i] for i in order]
    low = -1.0 if any(v is not None and v < 0 for row in values for v in row) else 0.0
    data = {"rows": names, "columns": names, "values": values, "low": low, "high": 1.0}
    return Chart("heatmap", "Associated features", data)


def _angular_order(strength: Floats) -> NDArray[np.int64]:
    """Return the order of columns by their angle in the plane of the first two eigenvectors (Friendly 2002)."""
    similar = np.nan_to_num(np.abs(strength))
    np.fill_diagonal(similar, 1.0)
    if len(similar) < 3:
        return np.arange(len(similar))
    vectors = np.linalg.eigh((similar + similar.T) / 2)[1]
    first, second = vectors[:, -1], vectors[:, -2]
    first = first * (1.0 if first.sum() >= 0 else -1.0)
    second = second * (1.0 if second[np.argmax(np.abs(second))] >= 0 else -1.0)
    # cut the circle at its largest gap, so that the ends of the order are the least alike
    angle = np.arctan2(second, first)
    order = np.argsort(angle, kind="stable")
    gaps = np.diff(np.append(angle[order], angle[order[0]] + 2 * np.pi))
    return np.roll(order, -(int(np.argmax(gaps)) + 1))


def _named(columns: tuple[str, ...], most: int = 8) -> str:
    """Return names for a sentence."""
    rest = len(columns) - most
    return ", ".join(f"'{c}'" for c in columns[:most]) + (f" and {rest} more" if rest > 0 else "")
