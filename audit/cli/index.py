"""`audit index`: one page over a folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli.common import Language, Quiet, app, reported, say


@app.command("index")
@reported
def index_command(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder with results of `audit run -o result.json`.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="The page; default: DIR/index.html; '-' is stdout.")
    ] = None,
    lang: Language = None,
    quiet: Quiet = False,
) -> None:
    """Write one page over the results in a folder: the newest verdict of each dataset, the trend of each score."""
    from audit.errors import ConfigError
    from audit.files import write_text
    from audit.report.index_page import GENERATOR, render_index
    from audit.report.wording import plural, visible
    from audit.runs import read_runs

    runs = read_runs(folder)
    target = Path(output) if output is not None else runs.folder / "index.html"
    if output is None and target.exists() and f'content="{GENERATOR}"' not in _head(target):
        raise ConfigError(f"{target} is there already, and no index of audits; say where the page goes with -o")
    text = render_index(runs, Path() if output == "-" else target.absolute().parent, language=lang or "en")
    if output == "-":
        typer.echo(text, nl=False)
    else:
        write_text(target, text)
    for entry in runs.unread:
        if entry.broken:
            say(f"not read: {visible(entry.path, 300)}: {visible(entry.reason, 300)}")
    if not quiet:
        said = f"{plural(runs.count, 'run')} of {plural(len(runs.datasets), 'dataset')}"
        say(said if output == "-" else f"wrote {target}: {said}")


def _head(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(4096).decode("utf-8", "replace")
    except OSError:
        return ""
