"""What checks say, in the language of the page.

A check makes its sentences in English, and so they stand in the result. For a page in another language each is matched
against the patterns of the catalog, "{column}: {share} of the values missing", and written anew around the same names
and numbers. What no pattern matches stays English, and says so to browsers and screen readers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from audit.findings import Chart
from audit.report.language import ENGLISH, Catalog, current
from audit.report.patterns import Pattern
from audit.report.wording import isolated, sentence

if TYPE_CHECKING:
    from markupsafe import Markup


PARTS = "parts"
"""The group of patterns for parts of sentences only: lists and the like, too general for whole sentences."""


class English(str):
    """A text that stayed English on a page in another language."""

    __slots__ = ()


def told(text: str, code: str = "", names: Iterable[str] = (), limit: int = 600) -> str:
    """Return a sentence of a check in the language of the page, as visible text.

    Args:
        text: in English.
        code: of the check, whose patterns are tried before those that all checks share.
        names: of columns and episodes that the sentence may name: they are kept whole, whatever they hold.
        limit: most characters.
    """
    known, catalog = tuple(names), current()
    if catalog is ENGLISH or not text:
        return isolated(sentence(text, known, limit), known)
    found = translated(text, code, known, catalog)
    shown = isolated(sentence(text if found is None else found, known, limit), known)
    return English(shown) if found is None else shown


@functools.lru_cache(maxsize=4096)  # remedies, reasons and bases come again and again on a page
def translated(text: str, code: str, names: tuple[str, ...], catalog: Catalog, *, part: bool = False) -> str | None:
    """Return a sentence, or a part of one, in the catalog's language; None where the catalog has nothing for it."""
    for group in (code, "", PARTS) if part else (code, ""):
        exact = catalog.sentences.get(group, {}).get(text)
        if exact is not None:
            return exact
        for pattern in catalog.patterns.get(group, ()):
            values = pattern.match(text, names)
            if values is not None:
                return pattern.fill(values | dict(_inner(pattern, values, code, names, catalog)))
    return catalog.texts.get(text)


def _inner(
    pattern: Pattern, values: Mapping[str, str], code: str, names: tuple[str, ...], catalog: Catalog
) -> Iterator[tuple[str, str]]:
    """Yield the holes whose content is a text of ours in turn, such as "all 1,200 rows"."""
    for hole in pattern.inner:
        found = translated(values[hole], code, names, catalog, part=True) if values[hole] else None
        if found is not None:
            yield hole, found


def with_lang(text: object) -> object:
    """Return text for an element: what stayed English inside `<span lang="en">`, all else as it is (filter)."""
    if not isinstance(text, English):
        return text
    return _element().format(str(text))  # escapes what it takes in


def _element() -> Markup:
    from markupsafe import Markup

    return Markup('<span lang="en">{}</span>')


def told_chart(chart: Chart, code: str) -> Chart:
    """Return a chart whose titles and names of series are in the language of the page; its labels are data and stay."""
    if current() is ENGLISH:
        return chart

    def words(text: Any) -> Any:
        return (translated(text, code, (), current()) or text) if isinstance(text, str) and text else text

    data: dict[str, Any] = dict(chart.data)
    if isinstance(data.get("series"), list | tuple):
        data["series"] = [
            {**one, "name": words(one.get("name"))} if isinstance(one, Mapping) else one for one in data["series"]
        ]
    for key in ("row_title", "column_title"):
        if key in data:
            data[key] = words(data[key])
    return dataclasses.replace(
        chart, title=words(chart.title), data=data, x_title=words(chart.x_title), y_title=words(chart.y_title)
    )
