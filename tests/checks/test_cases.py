"""Every case file, against the real engine."""

from pathlib import Path

import pytest

from audit.testing import run_cases

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases_hold(path: Path) -> None:
    assert run_cases(path) >= 4
