"""Where the report's templates, style, script and catalogs lie."""

from __future__ import annotations

import functools
from pathlib import Path

from audit.errors import AuditError


@functools.lru_cache(maxsize=1)
def templates() -> Path:
    """Return the folder of the templates: beside this module in an installed package, else the checkout's.

    Raises:
        AuditError: neither exists.
    """
    here = Path(__file__).resolve()
    for folder in (here.parent / "templates", here.parents[2] / "reports" / "templates"):
        if (folder / "report.html").is_file():
            return folder
    raise AuditError(f"the report's templates are missing beside {here.parent}; reinstall dataset-audit")
