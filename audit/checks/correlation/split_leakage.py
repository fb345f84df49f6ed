"""COR005: rows, entities or times that occur in more than one split."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from audit.checks import TABULAR, register
from audit.dataset import ColumnKind, Dataset, Kind, Roles
from audit.facts import (
    Asks,
    Count,
    Distinct,
    DistinctCount,
    Facts,
    Grouped,
    GroupTable,
    SplitOverlap,
    SplitOverlapTable,
)
from audit.findings import Basis, Finding, Judgement, Measurement, NotEvaluated, Severity

TRAINING = frozenset(("train", "training", "fit", "learn"))
ROOM = 100.0  # possible combinations of values for each row, below which equal rows are no surprise


@register
@dataclass(frozen=True, slots=True)
class SplitLeakage:
    """Training and evaluation splits that share rows, keys, groups or a stretch of time.

    What it measures: how many rows of the evaluation split (of a pair of splits the one that is not for training, else
    the smaller) have the same features, the same key or the same group as a row of the other split, exactly, over all
    rows. With a time column also whether a split that starts and ends earlier than another runs past the other's start.
    Where the features can take few combinations of values (fewer than 100 for each row) equal rows are to be expected,
    and are only `info`. NULL equals NULL in rows; rows without a key or group are left out there.
    Why it matters: a model that has seen the test rows, or other rows of the same patient, or the future, scores better
    in the test than it will in use: the estimate is wrong, and nobody sees it.
    What to do: remove duplicates before splitting, split by group, and split dated data at a moment in time.

    Options:
        warn: share of the evaluation split that may be shared; more is a warning.
        fail: share of the evaluation split above which it is a failure (our choice).
    """

    code: ClassVar[str] = "COR005"
    name: ClassVar[str] = "split-leakage"
    dimension: ClassVar[str] = "correlation"
    kinds: ClassVar[Kind] = TABULAR

    warn: float = 0.0
    fail: float = 0.01

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for the overlaps of splits and for the time that each covers."""
        roles = data.roles
        if roles.split is None:
            return NotEvaluated("no column has the role split; name it with --split")
        asks: dict[str, Any] = {"rows": Count(), "split": roles.split, "overlaps": {}, "subjects": _subjects(data)}
        for subject, columns in asks["subjects"].items():
            asks["overlaps"][subject] = SplitOverlap(columns, roles.split)
        if "rows" in asks["subjects"]:
            asks["distinct"] = {column: Distinct(column) for column in asks["subjects"]["rows"]}
        if roles.time is not None:
            asks["time"] = roles.time
            asks["spans"] = Grouped((roles.split,), extremes=(roles.time,))
        return asks

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge each pair of splits in each sense of overlap."""
        basis = Basis(facts["rows"], facts["rows"])
        if len(facts["overlaps"]) == 0 and "spans" not in facts:
            yield NotEvaluated("there is no feature, key, group or time to compare the splits by")
            return
        for subject, overlap in facts["overlaps"].items():
            if len(overlap.sizes) < 2:
                yield NotEvaluated(f"'{facts['split']}' has fewer than two splits with values to compare")
                return
            columns = facts["subjects"][subject]
            expected = subject == "rows" and not _roomy(facts["distinct"], facts["rows"])
            yield from self._overlap(subject, columns, facts["split"], overlap, basis, expected=expected)
        if "spans" in facts:
            yield from self._time(facts["time"], facts["split"], facts["spans"], basis)

    def _overlap(  # noqa: PLR0917  # one sentence's worth of facts
        self,
        subject: str,
        columns: tuple[str, ...],
        split: str,
        overlap: SplitOverlapTable,
        basis: Basis,
        expected: bool,
    ) -> Iterator[Judgement]:
        pairs = zip(overlap.pairs, overlap.shared, overlap.rows_a, overlap.rows_b, strict=True)
        for (first, second), shared, rows_a, rows_b in pairs:
            by_size = sorted(((first, rows_a), (second, rows_b)), key=lambda s: (_trains(s[0]), overlap.sizes[s[0]]))
            (judged, rows), (other, _) = by_size
            share = rows / overlap.sizes[judged] if overlap.sizes[judged] else 0.0
            segment = f"{judged}/{other}"
            named = () if subject == "rows" else columns
            statistic = f"shared_{subject}"
            yield Measurement(statistic, named, round(share, 9), basis, self.warn, segment=segment)
            if share <= self.warn:
                continue
            severity = Severity.FAIL if share > self.fail else Severity.WARN
            limit = self.fail if severity is Severity.FAIL else self.warn
            what = {
                "rows": f"the same {len(columns)} features as a row of",
                "keys": f"a key ({_named(columns)}) that also occurs in",
                "groups": f"a group ({_named(columns)}) that also occurs in",
            }[subject]
            note = ": the features take few combinations of values, so this is to be expected" if expected else ""
            yield Finding(
                code=self.code,
                columns=named,
                severity=Severity.INFO if expected else severity,
                message=f"{rows:,} of {overlap.sizes[judged]:,} rows of '{judged}' ({share:.2%}) have {what} '{other}' "
                f"({shared:,} different), limit {limit:.2%}{note}",
                statistic=statistic,
                value=share,
                limit=limit,
                basis=basis,
                effect=0.1 if expected else min(1.0, 0.5 + share / 2),
                affected=rows,
                segment=segment,
                remedy={
                    "rows": "Remove duplicates before splitting; leave the shared rows out of the evaluation.",
                    "keys": f"Give each key to one split; check how '{split}' was assigned.",
                    "groups": "Split by group (such as GroupKFold), so that no group is in two splits.",
                }[subject],
                evidence={"shared": shared, "columns": list(columns)[:50]},
            )

    def _time(self, time: str, split: str, spans: GroupTable, basis: Basis) -> Iterator[Judgement]:
        """Report splits in time order of which the earlier runs past the start of the later."""
        low, high = spans.low[time], spans.high[time]
        known: list[tuple[str, Any, Any]] = [
            (str(key[0]), low[i], high[i])
            for i, key in enumerate(spans.keys)
            if key[0] is not None and low[i] is not None and high[i] is not None
        ]
        for i, (first, low_a, high_a) in enumerate(known):
            for second, low_b, high_b in known[i + 1 :]:
                early, late = sorted(((first, low_a, high_a), (second, low_b, high_b)), key=_start)
                overlap = _overlap_share(early, late)
                segment = f"{late[0]}/{early[0]}"
                yield Measurement("shared_time", (time,), round(overlap, 9), basis, 0.0, segment=segment)
                # splits drawn at random cover the same time: that is a choice, not a slip
                ordered = early[1] < late[1] and early[2] < late[2] and overlap < 0.5
                if not ordered or overlap <= 0 or not (_trains(early[0]) or _trains(late[0])):
                    continue
                yield Finding(
                    code=self.code,
                    columns=(time,),
                    severity=Severity.WARN,
                    message=f"'{early[0]}' runs to {_when(early[2])}, past the start of '{late[0]}' at "
                    f"{_when(late[1])}: they share {overlap:.1%} of the time that '{late[0]}' covers, limit 0%",
                    statistic="shared_time",
                    value=overlap,
                    limit=0.0,
                    basis=basis,
                    effect=min(1.0, 0.3 + overlap),
                    segment=segment,
                    remedy=f"End '{early[0]}' before '{late[0]}' starts, with a gap as long as a feature looks back.",
                    evidence={early[0]: [_when(early[1]), _when(early[2])], late[0]: [_when(late[1]), _when(late[2])]},
                )


def _subjects(data: Dataset) -> dict[str, tuple[str, ...]]:
    """Return what splits can share: rows (all features that can be compared), keys and groups."""
    roles: Roles = data.roles
    comparable = set(data.of_kind(*(k for k in ColumnKind if k not in (ColumnKind.NESTED, ColumnKind.NULL))))
    subjects: dict[str, tuple[str, ...]] = {}
    features = tuple(c for c in roles.features if c in comparable)
    if features:
        subjects["rows"] = features
    key = tuple(c for c in roles.key if c != roles.split)
    if key:
        subjects["keys"] = key
    if roles.group is not None and (roles.group,) != key:
        subjects["groups"] = (roles.group,)
    return subjects


def _roomy(distinct: dict[str, DistinctCount], rows: int) -> bool:
    """Whether the features can take so many combinations of values that equal rows are no accident."""
    combinations = 1.0
    for count in distinct.values():
        combinations *= max(count.count, 1)
        if combinations >= ROOM * rows:
            return True
    return False


def _trains(split: str) -> bool:
    return split.strip().lower() in TRAINING


def _start(span: tuple[str, Any, Any]) -> Any:
    return (span[1], span[2])


def _overlap_share(early: tuple[str, Any, Any], late: tuple[str, Any, Any]) -> float:
    """Return the share of the later split's time that the earlier one also covers; negative gaps count as 0."""
    shared, whole = _length(late[1], min(early[2], late[2])), _length(late[1], late[2])
    if shared < 0:
        return 0.0
    return min(1.0, shared / whole) if whole > 0 else 1.0


def _length(start: Any, end: Any) -> float:
    length = end - start
    return length.total_seconds() if isinstance(length, dt.timedelta) else float(length)


def _when(moment: Any) -> str:
    return moment.isoformat(sep=" ") if isinstance(moment, dt.datetime) else str(moment)


def _named(columns: tuple[str, ...]) -> str:
    return ", ".join(f"'{c}'" for c in columns)
