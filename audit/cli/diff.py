"""`audit diff`: compare two results."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli.common import OUTPUT, WHAT, Language, Outputs, Quiet, app, colored, reported, say
from audit.cli.outputs import Style, Target, targets, to_stdout

if TYPE_CHECKING:
    from audit.comparison import Comparison

FORMATS = ("text", "json", "md", "html")


@app.command("diff")
@reported
def diff_command(  # noqa: PLR0917  # typer hands options over by name
    before: Annotated[str, typer.Argument(metavar="A.json", help="The earlier result of `audit run -o A.json`.")],
    after: Annotated[str, typer.Argument(metavar="B.json", help="The later result.")],
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write a page, too.", rich_help_panel=OUTPUT)
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"{', '.join(FORMATS)}; repeat, each with its own -o.", rich_help_panel=OUTPUT),
    ] = None,
    outputs: Outputs = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            envvar="AUDIT_FAIL_ON",
            help="Exit with 1 where something new or worse is: fail, warn, never.",
            rich_help_panel=WHAT,
        ),
    ] = "fail",
    across: Annotated[
        bool, typer.Option("--across", help="Compare two different datasets.", rich_help_panel=WHAT)
    ] = False,
    lang: Language = None,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show everything.", rich_help_panel=OUTPUT)] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.", rich_help_panel=OUTPUT)] = False,
) -> None:
    """Compare two results: what is new, fixed, worse, better; what changed about the data."""
    from audit.comparison import diff
    from audit.files import write_text

    made = targets(formats or [], outputs or [], allowed=FORMATS)
    if html is not None:
        made += targets(["html"], [html], allowed=FORMATS)
    comparison = diff(before, after, across=across)
    code = comparison.exit_code(fail_on)
    for target in made:
        if target.path != "-":
            write_text(target.path, _render(comparison, target, Style(verbose=verbose), lang))
    shown = to_stdout(made) or ("" if quiet else "text")
    if shown:
        style = Style(colored(no_color), verbose)
        typer.echo(_render(comparison, Target(shown, "-"), style, lang), nl=False, color=style.color)
    if not quiet:
        for target in made:
            if target.path != "-":
                say(f"wrote {target.path}")
    raise typer.Exit(code)


def _render(comparison: Comparison, target: Target, style: Style, lang: str | None) -> str:
    if target.format == "json":
        return comparison.to_json()
    if target.format == "html":
        return comparison.to_html(lang=lang or "en")
    if target.format == "md":
        from audit.report.comparison_markdown import render_comparison_markdown

        return render_comparison_markdown(comparison)
    from audit.report.comparison_text import render_comparison_text

    width = shutil.get_terminal_size((100, 24)).columns
    return render_comparison_text(comparison, color=style.color, verbose=style.verbose, width=width)
