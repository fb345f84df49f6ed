"""Tell whether a dataset is fit to train on, and show what to fix.

    import audit

    result = audit.run("orders.parquet", label="returned")
    result.raise_for_status()

Everything is loaded when it is first used: `import audit` alone costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from audit._version import __version__

if TYPE_CHECKING:
    from audit.checks import Check, register
    from audit.cleaning import Cleaned, clean
    from audit.comparison import Comparison, diff
    from audit.config import Config
    from audit.errors import AuditError
    from audit.findings import Finding
    from audit.interop.guard import guard
    from audit.learning import learn
    from audit.result import Result
    from audit.runner import run
    from audit.suggestion import Suggestion, suggest

__all__ = [
    "AuditError", "Check", "Cleaned", "Comparison", "Config", "Finding", "Result", "Suggestion", "__version__", "clean",
    "diff", "guard", "learn", "register", "run", "suggest",
]  # fmt: skip

_HOMES = {
    "AuditError": "audit.errors",
    "Check": "audit.checks",
    "Cleaned": "audit.cleaning",
    "Comparison": "audit.comparison",
    "Config": "audit.config",
    "Finding": "audit.findings",
    "Result": "audit.result",
    "clean": "audit.cleaning",
    "diff": "audit.comparison",
    "guard": "audit.interop.guard",
    "learn": "audit.learning",
    "register": "audit.checks",
    "run": "audit.runner",
    "suggest": "audit.suggestion",
    "Suggestion": "audit.suggestion",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'audit' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
