"""COR004: columns that are copies of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TABULAR, register
from audit.dataset import ColumnKind, Dataset, Kind
from audit.facts import Asks, Facts, Sample
from audit.findings import Finding, Judgement, Measurement, NotEvaluated, Severity
from audit.sample import Sampled
from audit.stats.association import pearson_matrix
from audit.stats.encoding import evenly_spaced, first_seen

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SCREEN_ROWS = 2_000  # candidates for y = a x + b are found on these, and verified on all sampled rows
SINGLE_VALUES = 1_000  # numbers with at most so many values can be codes of a category
FEWEST_STEPS = 100  # rounded values are compared up to rounding only where the range has so many steps
EXACT = 1e-9  # of the range: what float arithmetic may have lost
WORDS = {"equal": "equal", "affine": "equal up to scale and offset", "one_to_one": "recodings of each other"}


@dataclass(slots=True)
class _Group:
    """A column and its copies; `how` describes each copy."""

    first: str
    copies: list[str] = field(default_factory=list)
    how: list[str] = field(default_factory=list)


@register
@dataclass(frozen=True, slots=True)
class RedundantColumns:
    """Columns that hold the same information as another column, exactly.

    What it measures: columns with equal values in every row; numeric columns that are y = a x + b of another in every
    row, up to rounding (the same length in metres and feet); and columns whose values correspond one to one (a code and
    its name). Missing values must fall on the same rows (for recodings, a missing value may correspond to a value).
    Verified on every row of the sample, which is every row of the data where the basis says so. A correspondence that
    chance could bring about (few rows, few values) does not count, nor do constant columns. Where values occur fewer
    than twice on average, any two columns correspond one to one or nearly so, which says nothing: such columns are
    compared only for being equal or y = a x + b. One finding for each set of copies.
    Why it matters: a copy adds no information, costs memory and time, and makes coefficients and importances arbitrary.
    What to do: keep one column. A code beside its name is harmless for people and needs no change before training, when
    one of the two is left out.

    Options:
        one_to_one: also look for one-to-one recodings.
    """

    code: ClassVar[str] = "COR004"
    name: ClassVar[str] = "redundant-columns"
    dimension: ClassVar[str] = "correlation"
    kinds: ClassVar[Kind] = TABULAR

    one_to_one: bool = True

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the sampled features."""
        features = data.roles.features
        numbers = data.of_kind(ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.TEMPORAL, names=features)
        texts = data.of_kind(ColumnKind.TEXT, names=features)
        if len(numbers) + len(texts) < 2:
            return NotEvaluated("fewer than two features hold numbers, dates or text")
        return {"sample": Sample(numbers + texts), "numbers": numbers, "texts": texts}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Group columns by what they hold, from the strictest sense of "the same" to the widest."""
        sampled: Sampled = facts["sample"]
        tests = (len(facts["numbers"]) + len(facts["texts"])) ** 2 // 2
        numbers = [name for name in facts["numbers"] if _varies(sampled.numbers(name))]
        texts = {name: first_seen(sampled.table.column(name)) for name in facts["texts"]}
        varied = {name: found for name, found in texts.items() if found is not None and len(found[1]) > 1}
        equal = _group_by(numbers, {name: _bytes_of(sampled.numbers(name)) for name in numbers})
        equal += _group_by(list(varied), {name: (f[0].tobytes(), _values_of(f[1])) for name, f in varied.items()})
        kept = [group.first for group in equal]
        affine = _affine_groups(sampled, [name for name in numbers if name in set(kept)])
        kept_numbers = [group.first for group in affine]
        kept_texts = [name for name in varied if name in set(kept)]
        one_to_one = self._one_to_one(sampled, kept_numbers, kept_texts, varied) if self.one_to_one else []
        found = 0
        for sense, groups in (("equal", equal), ("affine", affine), ("one_to_one", one_to_one)):
            for group in groups:
                if group.copies and not _by_chance(sampled, group.first, tests, sense):
                    found += len(group.copies)
                    yield self._finding(sampled, sense, group)
        yield Measurement("redundant_columns", (), found, sampled.basis, 0)

    def _one_to_one(
        self, sampled: Sampled, numbers: list[str], texts: list[str], encoded: dict[str, Any]
    ) -> list[_Group]:
        """Group columns whose values, numbered in the order of first appearance, are equal in every row."""
        patterns: dict[str, Any] = {}
        for name in numbers + texts:
            found = encoded.get(name) or first_seen(sampled.table.column(name), SINGLE_VALUES)
            if found is not None and 2 * len(found[1]) <= sampled.rows:
                patterns[name] = _renumbered(found[0], len(found[1])).tobytes()
        return _group_by([name for name in numbers + texts if name in patterns], patterns)

    def _finding(self, sampled: Sampled, sense: str, group: _Group) -> Finding:
        columns = (group.first, *group.copies)
        rows = f"{'all' if sampled.exact else 'the sampled'} {sampled.rows:,} rows"
        if len(columns) == 2:
            how = f" ({group.how[0]})" if group.how else ""
            message = f"'{columns[0]}' and '{columns[1]}' are {WORDS[sense]} in {rows}{how}"
        else:
            named = ", ".join(f"'{c}'" for c in columns[:8]) + (f" and {len(columns) - 8} more" * (len(columns) > 8))
            message = f"{len(columns)} columns are {WORDS[sense]} in {rows}: {named}"
        info = sense == "one_to_one"
        return Finding(
            code=self.code,
            columns=columns,
            severity=Severity.INFO if info else Severity.WARN,
            message=message,
            statistic=sense,
            value=len(group.copies),
            limit=0,
            basis=sampled.basis,
            effect=0.3 if info else 1.0,
            remedy="Leave one of the two out before training; for people both may stay."
            if info
            else f"Keep one of them (such as '{group.first}') and drop the rest.",
            evidence={"how": group.how[:20]} if group.how else {},
        )


def _varies(x: Floats) -> bool:
    finite = x[np.isfinite(x)]
    return bool(finite.size and finite.min() < finite.max())


def _bytes_of(x: Floats) -> bytes:
    """Return bytes that are equal for equal values: one NaN, one zero."""
    return np.where(np.isnan(x), np.nan, x + 0.0).tobytes()


def _values_of(dictionary: Any) -> tuple[str, ...]:
    return tuple(dictionary.to_pylist())


def _renumbered(codes: Codes, levels: int) -> Codes:
    """Return codes in the order of first appearance, with missing as a value like any other."""
    if not (codes < 0).any():
        return codes
    codes = np.where(codes < 0, levels, codes)
    first = np.full(levels + 1, codes.size, dtype=np.int64)
    first[codes[::-1]] = np.arange(codes.size)[::-1]  # the last write wins: the first row of each value
    rank = np.empty(levels + 1, dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(levels + 1)
    return rank[codes]


def _group_by(names: list[str], content: dict[str, Any]) -> list[_Group]:
    """Return a group for each content, in the order of the names: hashed, then compared in full."""
    groups: dict[Any, _Group] = {}
    for name in names:
        if content[name] in groups:
            groups[content[name]].copies.append(name)
        else:
            groups[content[name]] = _Group(name)
    return list(groups.values())


def _affine_groups(sampled: Sampled, names: list[str]) -> list[_Group]:
    """Return a group for each set of columns that are y = a x + b of its first, verified on every sampled row."""
    if not names:
        return []
    rows = evenly_spaced(sampled.rows, SCREEN_ROWS)
    X = np.array([sampled.numbers(name)[rows] for name in names]).T
    r = pearson_matrix(X).r
    step = np.array([_step(X[:, j]) for j in range(len(names))])
    finite = np.isfinite(X)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # the square of 1e300 is infinite
        spread = np.array([X[finite[:, j], j].std() if finite[:, j].any() else 0.0 for j in range(len(names))])
        # what rounding leaves of 1 - r^2, relative to the variance; generous, since every candidate is verified
        relative = np.where(spread > 0, step / spread, 0.0) ** 2
        candidate = 1.0 - r**2 <= relative[:, None] + relative[None, :] + 1e-9
    groups: list[_Group] = []
    members: list[int] = []
    for j, name in enumerate(names):
        for g in [g for g, i in enumerate(members) if candidate[i, j]]:
            how = _affine(sampled.numbers(groups[g].first), sampled.numbers(name), groups[g].first, name)
            if how:
                groups[g].copies.append(name)
                groups[g].how.append(how)
                break
        else:
            groups.append(_Group(name))
            members.append(j)
    return groups


def _step(x: Floats) -> float:
    """Return the decimal step that all values are multiples of, such as 0.01; 0.0 for none, or one too coarse."""
    values = x[np.isfinite(x)]
    if values.size == 0:
        return 0.0
    span = float(values.max() - values.min())
    largest = float(np.abs(values).max())
    for digits in range(7):
        scaled = values * 10.0**digits
        if largest * 10.0**digits < 1e12 and np.abs(scaled - np.round(scaled)).max() <= 1e-9 * max(1.0, largest):
            step: float = 10.0**-digits
            return step if span >= FEWEST_STEPS * step else 0.0
    return 0.0


def _affine(x: Floats, y: Floats, first: str, second: str) -> str | None:
    """Return the formula by which y follows from x in every row, up to rounding; None when it does not."""
    finite = np.isfinite(x)
    if not np.array_equal(finite, np.isfinite(y)):
        return None
    if not finite.all():
        if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
            return None
        x, y = x[finite], y[finite]
    centre_x, centre_y = x.mean(), y.mean()
    dx, dy = x - centre_x, y - centre_y
    a = float(dx @ dy / (dx @ dx))
    if a == 0:
        return None
    residual, exact = float(np.abs(dy - a * dx).max()), EXACT * float(y.max() - y.min())
    if residual > exact and residual > exact + 0.51 * (_step(y) + abs(a) * _step(x)):
        return None
    b = float(centre_y - a * centre_x)
    offset = "" if abs(b) <= EXACT * (np.abs(y).max() + abs(a) * np.abs(x).max()) else f" {'+-'[b < 0]} {abs(b):.6g}"
    up_to = ", up to rounding" if residual > exact else ""
    return f"{second} = {a:.6g} * {first}{offset}{up_to}"


def _by_chance(sampled: Sampled, name: str, tests: int, sense: str) -> bool:
    """Whether a second column with the same values in another order would agree by chance (5% over all pairs).

    The chance is the ways to name k values (k! for a recoding, 2 for the ends of a line, 1 for equal values) over the
    ways to place them in n rows, n! / (n_1! ... n_k!).
    """
    from scipy import special

    found = first_seen(sampled.table.column(name), None if sampled.rows < SINGLE_VALUES else SINGLE_VALUES)
    if found is None:
        return False
    sizes = np.bincount(found[0] + 1).astype(np.float64)
    sizes = sizes[sizes > 0]
    ways = float(special.gammaln(sizes.sum() + 1) - special.gammaln(sizes + 1).sum())
    names = {"equal": 0.0, "affine": float(np.log(2.0))}.get(sense, float(special.gammaln(sizes.size + 1)))
    return ways - names < float(np.log(20.0 * max(tests, 1)))
