"""Names and numbers as words: made visible, made short, made readable. Used by every output for people."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from audit.report.language import _, ngettext

NONE = "–"
"""Stands for a number that there is not."""

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TIDY_SPACES = "\u00a0\u2009\u202f"  # spaces that our own texts use between a number and its unit
_SHARES = ("share", "rate", "fraction")
_SIGNIFICANT = 4


def visible(text: object, limit: int | None = None) -> str:
    r"""Return text in which nothing hides and that is at most `limit` characters long.

    Control, formatting (right-to-left override, zero width), surrogate, private, unassigned and separator characters
    become `\uXXXX`: they can reorder or hide what a reader sees, and in a terminal they are commands.

    >>> visible("a\u202egnp.exe")
    'a\\u202egnp.exe'
    >>> visible("x" * 50, 10)
    'xxxxxxxxx…'
    """
    shown = str(text)
    if limit is not None and len(shown) > limit:
        shown = shown[: max(limit - 1, 1)] + "…"
    if shown.isprintable():  # the common case, at C speed
        return shown
    return "".join(c if c.isprintable() or c in _TIDY_SPACES else _escape(c) for c in shown)


def _escape(character: str) -> str:
    code = ord(character)
    return _ESCAPES.get(character) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def number(value: Any) -> str:
    """Return a number with four significant digits and thousands separators, or another value as visible text.

    >>> [number(v) for v in (336776, 0.024513, 1234.56, 1.2e-7, None)]
    ['336,776', '0.02451', '1,235', '1.2e-07', '–']
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**15 else f"{value:.4g}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return NONE
        if 1000 <= abs(value) < 1e15:
            return f"{value:,.0f}"
        return f"{value:.{_SIGNIFICANT}g}"
    return visible(value, 200)


def amount(value: Any, statistic: str) -> str:
    """Return the value of a statistic: a share as a percentage, anything else as `number` writes it.

    >>> amount(0.0245, "missing_share"), amount(0.31, "psi")
    ('2.45%', '0.31')
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and statistic.endswith(_SHARES) and math.isfinite(value) and abs(value) <= 1:
        return percent(value)
    return number(value)


def percent(share: float | None) -> str:
    """Return a share as a percentage with three significant digits, never rounded to 0% or 100% by accident.

    >>> [percent(s) for s in (0, 0.00001234, 0.024513, 0.99999, 1, None)]
    ['0%', '0.00123%', '2.45%', '99.999%', '100%', '–']
    """
    if share is None or not math.isfinite(share):
        return NONE
    scaled = 100 * share
    if scaled and abs(scaled) < 1e-4:
        return f"{scaled:.1e}%"
    text = _plain(f"{scaled:.3g}", scaled)
    if text == "100" and scaled < 100:
        text = _plain(f"{scaled:.6g}", scaled)
        text = ">99.9999" if text == "100" else text
    return f"{text}%"


def _plain(text: str, value: float) -> str:
    return f"{value:.0f}" if "e" in text and abs(value) >= 1 else text


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "column"), plural(1200, "row")
    ('1 column', '1,200 rows')
    """
    return ngettext(f"{{count}} {noun}", f"{{count}} {noun}s", count)


def span(low: str, high: str) -> str:
    """Return two ends of a range as words.

    >>> span("1%", "3%")
    '1% to 3%'
    """
    return _("{low} to {high}", low=low, high=high)


def listing(names: Iterable[str], most: int, limit: int = 40) -> str:
    """Return names joined by commas; after `most` of them only how many more there are.

    >>> listing(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = [visible(name, limit) for name in names]
    if len(shown) <= most:
        return ", ".join(shown)
    return _("{names} and {count} more", names=", ".join(shown[:most]), count=f"{len(shown) - most:,}")


def sentence(text: str, names: Iterable[str] = (), limit: int = 600) -> str:
    """Return a message as visible text, with over-long column names cut inside it so that its numbers survive."""
    for name in names:
        if len(name) > 80:
            text = text.replace(name, name[:79] + "…")
    return visible(text, limit)


def isolated(text: str, names: Iterable[str]) -> str:
    """Return visible text in which right-to-left names keep to themselves, so that they do not move the numbers.

    The two isolating characters (U+2068, U+2069) are for HTML; terminals get `sentence` as it is.
    """
    for name in dict.fromkeys(visible(name) for name in names):
        if not name.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in name):
            text = text.replace(name, f"\u2068{name}\u2069")
    return text


def title_of(name: str) -> str:
    """Return the name of a check or a dimension as people write it.

    >>> title_of("missing-values"), title_of("class_balance")
    ('Missing values', 'Class balance')
    """
    words = visible(name, 80).replace("-", " ").replace("_", " ")
    return _(words[:1].upper() + words[1:])


def brief(value: Any, limit: int = 300) -> str:
    """Return any JSON value in one short line, for evidence and options."""
    if isinstance(value, Mapping):
        return visible(", ".join(f"{key}: {brief(item, 60)}" for key, item in value.items()), limit) or NONE
    if isinstance(value, list | tuple):
        if any(isinstance(item, list | tuple | Mapping) for item in value):
            return visible(json.dumps(value, ensure_ascii=False, default=str), limit)
        return visible(", ".join(number(item) for item in value), limit) or NONE
    return number(value)
