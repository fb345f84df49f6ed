"""The promises that the layout makes: one check a file, a manual and a case file each, a light import."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

import audit.checks
from audit.checks import HEADINGS, Check, installed
from audit.findings import DIMENSIONS

PACKAGE = Path(audit.checks.__file__).parent
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(audit.checks.__path__, "audit.checks.") if not module.ispkg
)
HEAVY = ("torch", "great_expectations", "pandas", "sklearn", "scipy", "pyarrow", "duckdb", "numpy")


def built_in() -> Mapping[str, type[Check]]:
    return {code: check for code, check in installed().items() if check.__module__.startswith("audit.checks.")}


def test_there_are_checks_in_every_dimension() -> None:
    assert {check.dimension for check in built_in().values()} == set(DIMENSIONS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_holds_one_check_of_its_folders_dimension(module: str) -> None:
    importlib.import_module(module)
    checks = [check for check in built_in().values() if check.__module__ == module]
    if checks:
        assert [check.dimension for check in checks] == [module.split(".")[2]]
    else:  # what the checks of a dimension share: no dead file, somebody must use it
        users = [other for other in PACKAGE.rglob("*.py") if f"from {module} import" in other.read_text("utf-8")]
        assert users, f"{module} registers no check, and no check imports it"


def test_every_folder_is_a_dimension() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(DIMENSIONS)


def test_every_check_has_a_manual() -> None:
    for code, check in built_in().items():
        manual = check.__doc__ or ""
        first_line = manual.strip().splitlines()[0]
        assert first_line.endswith("."), f"{code}: the first line is a sentence, found: {first_line}"
        positions = [manual.find(heading) for heading in HEADINGS]
        assert -1 not in positions, f"{code} lacks one of {HEADINGS}"
        assert positions == sorted(positions), f"{code}: the headings come in the order {HEADINGS}"
        for heading in HEADINGS:
            assert re.search(re.escape(heading) + r"\s+\w", manual), f"{code}: nothing stands below '{heading}'"


def test_every_check_has_a_case_file_and_every_case_file_a_check(repository: Path) -> None:
    files = {path.stem for path in (repository / "tests" / "cases").glob("*.yaml")}
    assert files == set(built_in())


def test_names_are_unique_and_speak() -> None:
    names = Counter(check.name for check in installed().values())
    assert [name for name, count in names.items() if count > 1] == []
    for name in names:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name), f"'{name}' is not kebab-case"


@pytest.mark.parametrize("module", ["audit", "rl_data"])
def test_the_import_is_light(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
