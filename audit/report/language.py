"""The language of a page: English texts in, the same texts in the chosen language out.

English stands where it is used, in templates and modules alike: `_("{count} more", count=7)`. A catalog, one YAML file
a language beside the templates, says what that is in another language. What it does not know stays English.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.errors import ConfigError
from audit.report.assets import templates
from audit.report.patterns import Pattern, holes_of, make_pattern

SOURCE = "en"


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """The texts of one language, and the patterns of sentences.

    Attributes:
        code: what `--lang` takes, such as "zh".
        tag: what `<html lang>` says (BCP 47), such as "zh-Hans".
        texts: English text -> text. A pair for counts ("{count} row" and "{count} rows") has an entry for each.
        sentences: group (the code of a check; "" for any, "parts" for parts of sentences) -> sentences without holes.
        patterns: group -> sentences with holes; the first that matches counts.
    """

    code: str
    tag: str
    texts: Mapping[str, str] = field(default_factory=dict)
    sentences: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    patterns: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)


ENGLISH = Catalog(SOURCE, "en")
_current: ContextVar[Catalog] = ContextVar("language", default=ENGLISH)


def folder() -> Path:
    """Return the folder of the catalogs: among the templates, which are data that ships with the package."""
    return templates() / "languages"


def languages() -> tuple[str, ...]:
    """Return the codes of the languages that there are, the source first."""
    return (SOURCE, *sorted(path.stem for path in folder().glob("*.yaml")))


def check_language(code: str) -> str:
    """Return the code of a language as it is.

    Raises:
        ConfigError: there is no such language; the message lists those there are.
    """
    known = languages()
    if code not in known:
        raise ConfigError(f"there is no report in the language '{code}'; there are {', '.join(known)}")
    return code


@functools.cache
def catalog(code: str) -> Catalog:
    """Return the catalog of a language.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if check_language(code) == SOURCE:
        return ENGLISH
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C, where there is one, is ten times as fast
    held = yaml.load((folder() / f"{code}.yaml").read_text("utf-8"), Loader=loader)  # noqa: S506  # both are safe loaders
    sentences, patterns = {}, {}
    for group, entries in held["sentences"].items():
        sentences[group] = {source: target for source, target in entries.items() if not holes_of(source)}
        patterns[group] = tuple(make_pattern(source, target) for source, target in entries.items() if holes_of(source))
    return Catalog(code, held["tag"], {**held["names"], **held["texts"]}, sentences, patterns)


def current() -> Catalog:
    """Return the catalog of the page that is being made; English outside of any."""
    return _current.get()


@contextmanager
def speaking(catalog: Catalog) -> Iterator[None]:
    """Make `_` and `ngettext` answer in a language inside the block (and in this thread or task only)."""
    token = _current.set(catalog)
    try:
        yield
    finally:
        _current.reset(token)


def _(text: str, /, **values: Any) -> str:
    """Return a text of ours in the current language, its `{placeholders}` filled in.

    The text is a literal, so that a test can hold the catalogs against the code; one from a variable is marked with
    `N_` where it is written. Values are filled in as they are, and escaped with the text when the template writes it.

    >>> _("{count} more", count=7)
    '7 more'
    """
    found = _current.get().texts.get(text, text)
    return found.format(**values) if values else found


def ngettext(one: str, many: str, count: int, /, **values: Any) -> str:
    """Return the text for a count, in the current language; `{count}` in it is the count with thousands separators.

    >>> ngettext("{count} row", "{count} rows", 1200)
    '1,200 rows'
    """
    return _(one if count == 1 else many, **{"count": f"{count:,}", **values})


def N_(text: str) -> str:  # noqa: N802  # the name that gettext gives it
    """Return a text as it is: it marks a text that is translated later, by `_` of the variable that holds it."""
    return text
