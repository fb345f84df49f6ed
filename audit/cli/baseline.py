"""`audit baseline`: accept known findings with a reason, and keep the file of decisions tidy."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from audit.cli.common import app, reported, say, words

baseline_app = typer.Typer(
    name="baseline",
    help="Accept known findings, each with a reason; `audit run --baseline FILE` reads the decisions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(baseline_app)

BaselineFile = Annotated[str, typer.Argument(metavar="BASELINE", help="The file of decisions.")]
ResultFile = Annotated[str, typer.Argument(metavar="RESULT", help="A result of `audit run -o result.json`.")]


@baseline_app.command("write")
@reported
def write_command(  # noqa: PLR0917  # typer hands options over by name
    result: ResultFile,
    output: Annotated[str, typer.Option("-o", "--output", help="The baseline; decisions in it are kept.")],
    reason: Annotated[str, typer.Option(help="Why these findings are accepted.")],
    author: Annotated[str, typer.Option(help="Who decides.")] = "",
    expires: Annotated[str | None, typer.Option(help="Last day on which they are accepted, as 2027-01-31.")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="fail, warn or info; default: fail and warn.")] = None,
    code: Annotated[list[str] | None, typer.Option(help="Code, or its beginning; default: all.")] = None,
) -> None:
    """Accept the findings of a result; decisions that are there already stay as they are."""
    from audit.baseline import baseline_text, decide, read_baseline
    from audit.files import write_text
    from audit.saved import load_result

    known = read_baseline(output) if Path(output).exists() else None
    made = decide(
        load_result(result),
        reason=reason,
        author=author,
        expires=_day(expires),
        severities=_severities(words(severity)),
        codes=words(code),
        known=known,
    )
    write_text(output, baseline_text(made))
    before = len(known.findings) if known else 0
    say(f"{output}: {len(made.findings) - before} findings accepted, {before} decisions kept")


@baseline_app.command("prune")
@reported
def prune_command(
    baseline: BaselineFile,
    result: ResultFile,
    today: Annotated[str | None, typer.Option("--as-of", help="The day that counts as today.")] = None,
) -> None:
    """Take out decisions that have expired, or whose finding is gone; say which."""
    from audit.baseline import baseline_text, prune, read_baseline
    from audit.files import write_text
    from audit.saved import load_result

    kept, gone = prune(read_baseline(baseline), load_result(result), _day(today) or dt.datetime.now(dt.UTC).date())
    for decision in gone:
        typer.echo(f"taken out: {decision}: {decision.reason}")
    if gone:
        write_text(baseline, baseline_text(kept))
    say(f"{baseline}: {len(kept.findings)} decisions kept, {len(gone)} taken out")


@baseline_app.command("show")
@reported
def show_command(
    baseline: BaselineFile,
    today: Annotated[str | None, typer.Option("--as-of", help="The day that counts as today.")] = None,
) -> None:
    """List the decisions, each with its reason."""
    from audit.baseline import read_baseline

    day = _day(today) or dt.datetime.now(dt.UTC).date()
    for decision in read_baseline(baseline).findings:
        by = f" by {decision.author}" if decision.author else ""
        until = f", until {decision.expires}" if decision.expires else ""
        late = "" if decision.holds(day) else " (expired)"
        typer.echo(f"{decision}: {decision.decision}{by}{until}{late}: {decision.reason}")


def _day(text: str | None) -> dt.date | None:
    from audit.errors import ConfigError

    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"'{text}' is no day; write it as 2027-01-31") from error


def _severities(chosen: tuple[str, ...]) -> tuple[str, ...]:
    from audit.errors import ConfigError, did_you_mean

    for word in chosen:
        if word not in ("fail", "warn", "info"):
            raise ConfigError(f"unknown severity '{word}'{did_you_mean(word, ('fail', 'warn', 'info'))}")
    return chosen or ("fail", "warn")
