"""Every case file, against the real engine."""

from pathlib import Path

import pytest

from audit.testing import run_cases

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*.yaml"))
NEEDS = {"GXE001": ("great_expectations", "gx"), "LBL105": ("gymnasium", "rl")}
"""The package, and its extra, without which a check evaluates nothing."""


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases_hold(path: Path) -> None:
    if path.stem in NEEDS:
        package, extra = NEEDS[path.stem]
        pytest.importorskip(package, reason=f"needs the extra {extra}")
    assert run_cases(path) >= 4
