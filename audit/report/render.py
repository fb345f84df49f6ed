"""A result as one HTML file: no network, no inline style, a strict content security policy, readable without script."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from audit.report.assets import templates
from audit.report.language import SOURCE, _, catalog, ngettext, speaking
from audit.report.page import make_page
from audit.report.sentences import told, with_lang
from audit.report.wording import listing, number, percent, visible
from audit.result import Result

if TYPE_CHECKING:
    from jinja2 import Environment

_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def render_html(result: Result, *, include_samples: bool = False, language: str = SOURCE) -> str:
    """Return the report of a result as the text of one HTML file; the same result gives the same text.

    Args:
        result: what to draw; nothing else is read, and no statistic is computed.
        include_samples: show evidence that consists of values of the data (evidence keys named `examples...`).
        language: of the page's own texts, such as "en" or "zh"; names and values of the data stay as they are.

    Raises:
        ConfigError: there is no such language; the message lists those there are.
        AuditError: the templates are not where the package was installed.
    """
    return render_page(
        "report.html",
        lambda: make_page(result, include_samples=include_samples),
        language=language,
        scripts=("page.js", "baseline.js", "review.js", "app.js"),
    )


def render_page(
    template: str, make: Callable[[], object], *, language: str = SOURCE, scripts: Sequence[str] = ("page.js", "app.js")
) -> str:
    """Return a page of ours: a template with the common style, a script and the content security policy for both.

    Args:
        template: file name of the template; it gets `page`, `language`, `policy`, `style` and `script`.
        make: makes the `page`, called while the language is chosen.
        language: as in `render_html`.
        scripts: file names, inlined in this order as one script; with none, the policy forbids any.

    Raises:
        ConfigError: there is no such language.
        AuditError: the templates are not where the package was installed.
    """
    from markupsafe import Markup

    environment = _environment()
    style, script = _asset("style.css"), "\n".join(_asset(name) for name in scripts)
    policy = _POLICY.format(script=_hash(script) if script else "'none'", style=_hash(style))
    spoken = catalog(language)
    with speaking(spoken):
        return environment.get_template(template).render(
            page=make(),
            language=spoken,
            policy=policy,
            style=Markup(style),  # noqa: S704  # our own file, hashed into the policy: never data
            script=Markup(script),  # noqa: S704  # the same
        )


def render_fragment(template: str, make: Callable[[], object]) -> str:
    """Return a part of somebody else's page: a template that brings its own style, without script and policy.

    Raises:
        AuditError: the templates are not where the package was installed.
    """
    return _environment().get_template(template).render(page=make())


@functools.lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates()),
        autoescape=True,  # for every template: select_autoescape() decides by the end of the name
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: dict[str, Any] = {"visible": visible, "number": number, "percent": percent, "listing": listing}
    filters |= {"told": told, "with_lang": with_lang}
    environment.filters.update(filters)
    environment.globals.update({"_": _, "ngettext": ngettext})
    return environment


@functools.lru_cache(maxsize=8)
def _asset(name: str) -> str:
    r"""Return the style or the script with `\n` line ends: browsers hash what the parser sees."""
    text = (templates() / name).read_text("utf-8").replace("\r\n", "\n")
    for ending in ("</script", "</style", "<!--"):
        assert ending not in text.lower(), f"{name} holds {ending}, which would end it early"
    return text


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
