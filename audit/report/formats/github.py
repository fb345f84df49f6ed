"""A result as workflow commands of GitHub Actions: an annotation a finding, in the log of the job."""

from __future__ import annotations

from audit.findings import Severity
from audit.report.verdict import verdict
from audit.report.wording import sentence, title_of
from audit.result import Result

_COMMANDS = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.INFO: "notice"}


def render_github(result: Result) -> str:
    """Return one workflow command a line, worst first, then accepted findings as plain lines, and the verdict."""
    file = result.dataset.uri
    names = {outcome.code: title_of(outcome.name) for outcome in result.outcomes}
    lines = [
        command(
            _COMMANDS[f.severity], sentence(f.message, f.columns), file, f"{f.code} {names.get(f.code, '')}".strip()
        )
        for f in result.findings
        if f.accepted is None
    ]
    lines += [command("error", sentence(o.reason), file, f"{o.code} broke") for o in result.errors]
    known = [f"accepted: {f.code} {sentence(f.message, f.columns)}" for f in result.findings if f.accepted is not None]
    return "\n".join([*lines, *known, str(verdict(result))]) + "\n"


def command(name: str, message: str, file: str, title: str) -> str:
    r"""Return a workflow command, its parts escaped as the runner unescapes them.

    >>> command("error", "50% are\nmissing", "a,b.csv", "COM001")
    '::error file=a%2Cb.csv,title=COM001::50%25 are%0Amissing'
    """
    return f"::{name} file={_property(file)},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
