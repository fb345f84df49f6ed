"""The words of a comparison of two results: the same in every output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.comparison import Change, Comparison, FactChange, Kind
from audit.report.language import N_, _
from audit.report.wording import NONE, amount, listing, number, percent, sentence, visible

KIND_TITLES: Mapping[Kind, str] = {
    "new": N_("New"),
    "worse": N_("Worse"),
    "not_judged": N_("Not judged again"),
    "better": N_("Better"),
    "fixed": N_("Fixed"),
    "unchanged": N_("Unchanged"),
}
_COUNTS: Mapping[Kind, str] = {
    "new": N_("{count} new"),
    "worse": N_("{count} worse"),
    "not_judged": N_("{count} not judged again"),
    "better": N_("{count} better"),
    "fixed": N_("{count} fixed"),
    "unchanged": N_("{count} unchanged"),
}
KIND_STATES: Mapping[Kind, str] = {
    "new": "fail", "worse": "fail", "not_judged": "warn", "better": "pass", "fixed": "pass", "unchanged": "none",
}  # fmt: skip
"""The look of each kind: that of an outcome."""

_FACTS: Mapping[str, str] = {
    "uri": N_("place"), "rows": N_("rows"), "columns": N_("columns"), "episodes": N_("episodes"), "bytes": N_("bytes"),
    "schema_hash": N_("schema"),
}  # fmt: skip

SMALL_SHIFT = 0.02
"""Distributions that differ by less look alike: they are listed, not drawn."""


@dataclass(frozen=True, slots=True)
class Headline:
    """`status` is fail, warn, pass or none; `words` and `rest` make the sentence."""

    status: str
    words: str
    rest: str

    def __str__(self) -> str:
        """Return the sentence."""
        return f"{self.words}: {self.rest}."


def headline(comparison: Comparison) -> Headline:
    """Return whether the second result is better or worse than the first, in one sentence."""
    counts = comparison.counts
    rest = ", ".join(count_words(kind, counts[kind]) for kind in KIND_TITLES if counts[kind])
    rest = rest or _("no findings in either")
    open_worse = [c for c in comparison.changes if c.kind in ("new", "worse") and c.side.accepted is None]
    if comparison.broken:
        rest += "; " + _("these checks broke in the second run: {codes}", codes=listing(comparison.broken, 10))
    if open_worse and (counts["fixed"] or counts["better"]):
        return Headline("warn", _("Better here, worse there"), rest)
    if open_worse:
        return Headline("fail", _("Worse"), rest)
    if comparison.broken:  # what they would have found, nobody knows
        return Headline("error", _("Cannot be told"), rest)
    if counts["fixed"] or counts["better"]:
        return Headline("pass", _("Better"), rest)
    return Headline("none" if counts["not_judged"] else "pass", _("Nothing is worse"), rest)


def count_words(kind: Kind, count: int) -> str:
    """Return how many findings are of a kind, such as "3 new"."""
    return _(_COUNTS[kind], count=f"{count:,}")


def message_of(change: Change) -> str:
    """Return what the newest result that has the finding says about it."""
    return sentence(change.side.message, change.columns)


def movement(change: Change) -> str:
    """Return how its number moved, such as "12% → 15%"; empty where it did not, or is not in both.

    The reason of the kind follows, and whether somebody accepted it.
    """
    parts = []
    before, after = change.before, change.after
    if before is not None and after is not None and before.value != after.value and before.value is not None:
        parts.append(f"{amount(before.value, change.statistic)} → {amount(after.value, change.statistic)}")
    if before is not None and after is not None and before.limit != after.limit:
        limits = (amount(side.limit, change.statistic) for side in (before, after))
        parts.append(_("limit {limits}", limits=" → ".join(limits)))
    if change.reason:
        parts.append(visible(change.reason, 300))
    accepted = change.side.accepted
    if accepted is not None:
        parts.append(sentence(str(accepted)))
    return "; ".join(parts)


def subject(change: Change) -> str:
    """Return the columns and the segment that it is about; "dataset" without."""
    segment = f" [{visible(change.segment, 60)}]" if change.segment else ""
    return (listing(change.columns, 3) or _("dataset")) + segment


def fact(change: FactChange) -> tuple[str, str, str, str]:
    """Return name, before, after and the difference of a changed fact."""
    before, after = change.before, change.after
    difference = ""
    numbers = [v for v in (before, after) if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == 2:
        moved = numbers[1] - numbers[0]
        difference = f"{'+' if moved > 0 else '−'}{number(abs(moved))}"
        difference += f" ({'+' if moved > 0 else '−'}{percent(abs(moved / numbers[0]))})" if numbers[0] else ""
    name = _(_FACTS[change.name]) if change.name in _FACTS else visible(change.name, 80)
    return name, _value(before), _value(after), difference


def _value(value: object) -> str:
    return NONE if value is None else visible(number(value), 200)


def score_words(before: float | None, after: float | None) -> tuple[str, str, str]:
    """Return two scores and their difference in words."""
    shown = [_("not assessed") if score is None else f"{score:.0f}" for score in (before, after)]
    moved = "" if before is None or after is None or round(after) == round(before) else f"{after - before:+.0f}"
    return shown[0], shown[1], moved.replace("-", "−")


def columns_words(comparison: Comparison) -> Sequence[tuple[str, str]]:
    """Return (what, names) of the columns that came, went or changed their type."""
    retyped = [f"{change.name} ({change.before} → {change.after})" for change in comparison.retyped]
    said = (
        (_("columns added"), comparison.added),
        (_("columns removed"), comparison.removed),
        (_("types changed"), retyped),
    )
    return [(what, listing(names, 20, 120)) for what, names in said if names]
