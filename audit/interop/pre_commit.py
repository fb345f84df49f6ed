"""The hook for pre-commit: audit each file that is about to be committed.

    repos:
      - repo: https://...            # this repository
        rev: v0.1.0
        hooks:
          - id: dataset-audit
            args: [--fail-on=warn]

Arguments before the files are options of `audit run`; write a value that is a path as one word (`--config=audit.yaml`),
since pre-commit puts the files right behind them. Settings beside a file (`orders.audit.yaml`) are used as always.
The hook fails where a file has findings at `--fail-on` or above, cannot be read, or a check breaks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the hook and return the worst exit code of all files."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    files = []
    while given and Path(given[-1]).exists():
        files.append(given.pop())
    worst = 0
    for file in reversed(files):
        command = [sys.executable, "-m", "audit", "run", file, "--format", "text", *given]
        worst = max(worst, subprocess.run(command, check=False).returncode)  # noqa: S603  # our own program
    return worst


def run() -> None:
    """Exit with the code of the hook."""
    sys.exit(main())


if __name__ == "__main__":
    run()
