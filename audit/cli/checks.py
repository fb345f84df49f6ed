"""`audit checks` and `audit explain`: which checks there are, and the manual of each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from audit.cli.common import app, reported


@app.command("checks")
@reported
def checks_command(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the installed checks, those of plug-ins included."""
    from audit.checks import installed

    checks = installed().values()
    if as_json:
        import json

        rows = [{"code": c.code, "name": c.name, "dimension": c.dimension, "summary": _summary(c)} for c in checks]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    dimension = ""
    for check in checks:
        if check.dimension != dimension:
            typer.echo(
                f"{check.dimension.replace('_', ' ')}" if not dimension else f"\n{check.dimension.replace('_', ' ')}"
            )
            dimension = check.dimension
        typer.echo(f"  {check.code}  {check.name:<26} {_summary(check)}")


@app.command("explain")
@reported
def explain_command(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A check's code, such as COM001.")],
) -> None:
    """Print the manual of a check: what it measures, why it matters, what to do, its options."""
    import dataclasses
    import inspect

    from audit.checks import check_by_code

    check = check_by_code(code)
    typer.echo(f"{check.code} {check.name} ({check.dimension.replace('_', ' ')})\n")
    typer.echo(inspect.getdoc(check) or "")
    options = dataclasses.fields(check)  # type: ignore[arg-type]  # the registry holds dataclasses only
    if options:
        typer.echo("\nDefaults (change with --set CODE.option=value, or under `checks:` in audit.yaml):")
        instance: Any = check()
        for option in options:
            typer.echo(f"  {option.name} = {getattr(instance, option.name)!r}")


def _summary(check: Any) -> str:
    import inspect

    return (inspect.getdoc(check) or "").splitlines()[0]


@app.command("schema")
@reported
def schema_command() -> None:
    """Print the JSON schema of audit.yaml, for editors that complete and check settings."""
    import json

    from audit.config import config_schema

    typer.echo(json.dumps(config_schema(), ensure_ascii=False, indent=1))
