"""Sentences with holes: "{column}: {share} of the values missing" takes a sentence apart, and its translation together.

Matching goes literal by literal, from the left, and never back: the time is linear in the sentence, whatever a column
is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HOLE = re.compile(r"\{(\w+)([?#]|:text)?\}")
_NUMBER = re.compile(r"-?[\d,.]+(?:e[+-]?\d+)?%?")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sentence of a check, and what it is in another language.

    Attributes:
        literals: the pieces between the holes, one more than there are holes; the first and the last may be empty.
        holes: names of the holes, in order.
        target: the translation, with the same holes in its own order.
        inner: holes whose content is a text of ours in turn (written `{basis:text}` in the translation).
        optional: holes that may be empty (written `{more?}` in English).
        numeric: holes that hold a number, perhaps with a percent sign, and nothing else (written `{count#}`).
    """

    literals: tuple[str, ...]
    holes: tuple[str, ...]
    target: str
    inner: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    numeric: frozenset[str] = frozenset()

    def match(self, text: str, names: Sequence[str] = ()) -> dict[str, str] | None:
        """Return what stands in the holes; None where the text is another sentence.

        A hole holds at least one character, unless it is optional. Where one of `names` stands in it, it holds that
        name, even if the name has pieces of the sentence in it.
        """
        first, last = self.literals[0], self.literals[-1]
        if not text.startswith(first) or not text.endswith(last):
            return None
        found = self._split(text, names) if names else None
        return self._split(text, ()) if found is None else found

    def _split(self, text: str, names: Sequence[str]) -> dict[str, str] | None:
        at, end = len(self.literals[0]), len(text) - len(self.literals[-1])
        values = {}
        for hole, after in zip(self.holes[:-1], self.literals[1:-1], strict=True):
            named = [name for name in names if text.startswith(name + after, at)]
            if named:
                stop = at + len(max(named, key=len))
            elif not after and hole in self.numeric:  # two holes side by side: the first takes the whole number
                stop = number.end() if (number := _NUMBER.match(text, at, end)) else -1
            else:
                stop = text.find(after, at + (hole not in self.optional), end)
            if stop < 0:
                return None
            values[hole] = text[at:stop]
            at = stop + len(after)
        if at > end or (at == end and self.holes[-1] not in self.optional):
            return None
        values[self.holes[-1]] = text[at:end]
        if any(_NUMBER.fullmatch(values[hole]) is None for hole in self.numeric):
            return None
        return values

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the translation around these values, which are put in as they are."""
        return _HOLE.sub(lambda hole: values[hole[1]], self.target)


def holes_of(text: str) -> list[str]:
    """Return the names of the holes of a text, in order.

    >>> holes_of("{n#} of {all:text}")
    ['n', 'all']
    """
    return [hole[1] for hole in _HOLE.finditer(text)]


def make_pattern(source: str, target: str) -> Pattern:
    """Return the pattern of an English sentence with at least one hole, and its translation.

    >>> make_pattern("{n} of {all} rows", "{all} 行中的 {n} 行").match("3 of 7 rows")
    {'n': '3', 'all': '7'}
    """
    inner = tuple(dict.fromkeys(hole[1] for hole in _HOLE.finditer(target) if hole[2] == ":text"))
    marked = {mark: frozenset(hole[1] for hole in _HOLE.finditer(source) if hole[2] == mark) for mark in "?#"}
    literals = tuple(_HOLE.split(source)[::3])
    return Pattern(literals, tuple(holes_of(source)), target, inner, optional=marked["?"], numeric=marked["#"])
