"""Which texts are spellings of one thing, decided with care: "A+" is not "A", "item1" is not "item2"."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_MARKS = re.compile(r"[\s.,'’`´\"“”„()\[\]/\\_–—-]")
_SPACE = re.compile(r"\s+")
_SPACE_BY_LETTER = re.compile(r"(?<=[^\W\d])\s+|\s+(?=[^\W\d])")


def spelling_key(text: str) -> str:
    """Return what is left of a text when case, white space, accents, width and unimportant punctuation are ignored.

    Texts with a digit, or with a sign that can carry meaning (+ # % & * < > = ! ? $ and others), or that end or begin
    with a minus, keep all their punctuation: "C++", "C#" and "C", "A-" and "A", "1.5" and "15" differ.

    >>> spelling_key(" U.S.A. ") == spelling_key("usa"), spelling_key("Café") == spelling_key("CAFE")
    (True, True)
    >>> spelling_key("A-") == spelling_key("A"), spelling_key("1.5 kg") == spelling_key("15kg")
    (False, False)
    """
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    bare = _MARKS.sub("", folded)
    if bare.isalpha() and not folded.startswith("-") and not folded.endswith("-"):
        return bare
    return _SPACE_BY_LETTER.sub("", _SPACE.sub(" ", folded))  # "1 1" stays apart from "11"


@dataclass(frozen=True, slots=True)
class Variants:
    """Texts that seem to be one thing: the most frequent first, with the rows of each; `typo` says how they differ."""

    texts: tuple[str, ...]
    counts: tuple[int, ...]
    typo: bool

    @property
    def minority(self) -> int:
        """Rows with another spelling than the most frequent."""
        return sum(self.counts[1:])


def spelling_variants(texts: Sequence[str], counts: Sequence[int]) -> list[Variants]:
    """Return groups of texts that differ only in case, spaces, accents or unimportant punctuation.

    Args:
        texts: distinct texts [k].
        counts: rows of each [k].
    """
    groups: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        key = spelling_key(text)
        if key:
            groups.setdefault(key, []).append(i)
    found = []
    for members in groups.values():
        if len(members) > 1:
            members.sort(key=lambda i: (-counts[i], texts[i]))
            found.append(Variants(tuple(texts[i] for i in members), tuple(counts[i] for i in members), typo=False))
    return sorted(found, key=lambda v: (-v.minority, v.texts))


def likely_typos(
    texts: Sequence[str], counts: Sequence[int], *, rare: float = 0.01, frequent: int = 50, shortest: int = 6
) -> list[Variants]:
    """Return rare texts that are one slip of the keyboard away from a frequent one (two, from ten letters on).

    A slip is a letter too many, too few, wrong, or two neighbours swapped. Both texts must be of letters (digits must
    agree exactly), begin with the same letter and have at least `shortest` letters; the rare one must have at most the
    share `rare` of the frequent one's rows. A text that is near two frequent ones belongs to neither.

    Args:
        texts: distinct texts [k].
        counts: rows of each [k].
        rare: largest ratio of rows, rare to frequent.
        frequent: fewest rows of a frequent text.
        shortest: fewest letters.

    Source: the four slips, Damerau (1964), Communications of the ACM 7:171-176; neighbours by common deletions.
    """
    keys = [spelling_key(text) for text in texts]
    usual = [i for i, n in enumerate(counts) if n >= frequent and len(keys[i]) >= shortest and keys[i][0].isalpha()]
    index: dict[str, list[int]] = {}
    for i in usual:
        for shorter in _deletions(keys[i]):
            index.setdefault(shorter, []).append(i)
    slips: dict[int, list[int]] = {}
    for j, n in enumerate(counts):
        if len(keys[j]) < shortest - 1:
            continue
        near = {i for shorter in _deletions(keys[j]) for i in index.get(shorter, ())}
        close = [i for i in near if n <= rare * counts[i] and _is_slip(keys[j], keys[i])]
        if len(close) == 1:
            slips.setdefault(close[0], []).append(j)
    found = []
    for i, members in slips.items():
        members.sort(key=lambda j: (-counts[j], texts[j]))
        all_of = [i, *members]
        found.append(Variants(tuple(texts[j] for j in all_of), tuple(counts[j] for j in all_of), typo=True))
    return sorted(found, key=lambda v: (-v.minority, v.texts))


def _deletions(key: str) -> set[str]:
    """Return a key and all that one or (from ten letters on) two deletions leave of it."""
    if len(key) > 40:
        return set()
    most = 2 if len(key) >= 9 else 1
    return {
        "".join(letter for place, letter in enumerate(key) if place not in gone)
        for k in range(most + 1)
        for gone in itertools.combinations(range(len(key)), k)
    }


def _is_slip(rare: str, frequent: str) -> bool:
    if rare == frequent or rare[0] != frequent[0]:
        return False
    if [c for c in rare if not c.isalpha()] != [c for c in frequent if not c.isalpha()]:
        return False
    allowed = 2 if min(len(rare), len(frequent)) >= 10 else 1
    return edit_distance(rare, frequent) <= allowed


def edit_distance(a: str, b: str) -> int:
    """Return the least number of slips (insert, delete, replace, swap neighbours) from one text to the other.

    >>> edit_distance("Germany", "Germnay"), edit_distance("gold", "bold"), edit_distance("", "ab")
    (1, 1, 2)
    """
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            least = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                least = min(least, rows[-2][j - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]
