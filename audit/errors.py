"""What can go wrong that is not a finding.

    AuditError                the base of all; the command line prints its text and exits with 2
    ├── SourceError           the data cannot be found, opened or read
    ├── RolesError            a role names a column that is not there, or that cannot play it
    ├── MemoryLimitError      the SQL engine may not use the memory that it needs
    ├── ConfigError           audit.yaml, a check's option or a command-line value is not usable
    ├── CheckError            a check broke its contract (its author's mistake)
    └── FindingsError         raised by `Result.raise_for_status` when findings reach the limit

Each message says what, where, which values are allowed and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AuditError(Exception):
    """The base of every error that this package raises on purpose."""


class SourceError(AuditError):
    """The data cannot be found, opened or read."""


class MemoryLimitError(AuditError):
    """The SQL engine may not use the memory that it needs."""


class RolesError(AuditError):
    """A role names a column that is not there, or one that cannot play it."""


class ConfigError(AuditError):
    """A setting is unknown, malformed or out of range."""


class CheckError(AuditError):
    """A check broke its contract: the mistake is its author's, not the data's."""


class FindingsError(AuditError):
    """Findings at or above the limit, raised by `Result.raise_for_status`."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest known names, or all of them where they are few.

    >>> did_you_mean("prise", ["price", "size"])
    "; did you mean 'price'?"
    >>> did_you_mean("zzz", ["price", "size"])
    "; there are 'price', 'size'"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    if 0 < len(names) <= 12:  # more would bury the message
        return "; there are " + ", ".join(f"'{known_name}'" for known_name in names)
    return ""
