"""Results that were written as JSON, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.errors import SourceError
from audit.result import SCHEMA_VERSION

_NEEDED = {"run", "dataset", "outcomes", "findings"}


def load_result(path: str | Path) -> Mapping[str, Any]:
    """Return a result that `audit run -o result.json` wrote.

    Raises:
        SourceError: the file cannot be read, holds no result, or one of another schema.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from error
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path} is not JSON (line {error.lineno}): write it with `audit run DATA -o {path}`"
        ) from error
    except RecursionError as error:
        raise SourceError(f"{path} holds no result of an audit: it is nested too deeply") from error
    if not isinstance(found, dict) or not set(found) >= _NEEDED:
        raise SourceError(f"{path} holds no result of an audit; write one with `audit run DATA -o result.json`")
    problem = schema_problem(found.get("schema_version"))
    if problem:
        raise SourceError(f"{path} {problem}")
    return found


def schema_problem(version: object) -> str:
    """Return why a result of this `schema_version` cannot be read here, in words; empty where it can.

    Additions raise the second number, so only the first one decides.

    >>> schema_problem("1.0"), schema_problem("9.2")
    ('', 'has schema_version 9.2, and this version of dataset-audit reads 1.x: audit the data again, or upgrade')
    """
    ours = SCHEMA_VERSION.partition(".")[0]
    if str(version).partition(".")[0] == ours:
        return ""
    told = str(version)[:20] if isinstance(version, str | int | float) else "none"
    return (
        f"has schema_version {told}, and this version of dataset-audit reads {ours}.x: audit the data again, or upgrade"
    )
