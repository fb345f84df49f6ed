"""The built wheel works alone: in an empty environment, in a folder that holds modules with our names."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MARK = "written by the installed wheel"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program without this process' Python settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, repository, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel; its dependencies come from the environment of the tests.

    A line in a .pth file puts that environment's packages at the end of `sys.path`, without running the .pth files
    there: an editable install of this checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    interpreter = folder / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check"]
    run(*pip, "install", "--no-index", "--no-deps", wheel, cwd=folder.parent)
    (site_packages,) = folder.glob("lib/python3.*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


@pytest.fixture
def busy_folder(tmp_path: Path) -> Path:
    """A user's folder that holds the names of our packages and folders, each of which fails when imported."""
    shadow = "raise RuntimeError('a module of the user was imported: ' + __file__)\n"
    for name in ("reports.py", "rl_data.py", "templates.py", "config.py", "checks.py"):
        (tmp_path / name).write_text(shadow)
    templates = tmp_path / "reports" / "templates"
    templates.mkdir(parents=True)
    (tmp_path / "reports" / "__init__.py").write_text(shadow)
    for name in ("report.html", "report.html.j2", "base.html", "style.css"):
        (templates / name).write_text("not this template")
    table = pa.table({"price": [1.0, None, 3.0, 4.5] * 25, "size": ["S", "M", "L", "M"] * 25})
    pq.write_table(table, tmp_path / "orders.parquet")
    return tmp_path


def test_the_wheel_holds_the_packages_and_the_templates_only(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"audit", "rl_data"}
    source = repository / "reports" / "templates"
    templates = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert templates
    assert {f"audit/report/templates/{name}" for name in templates} <= names
    assert "audit/py.typed" in names
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_audit_comes_from_the_new_environment(python: Path, tmp_path: Path) -> None:
    done = run(python, "-c", "import audit; print(audit.__file__)", cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(python.parents[1])


@pytest.mark.parametrize("how", ["script", "module"])
def test_the_audit_runs_where_the_user_has_modules_of_our_names(python: Path, busy_folder: Path, how: str) -> None:
    command = [python.with_name("audit")] if how == "script" else [python, "-m", "audit"]
    arguments = ["run", "orders.parquet", "--fail-on", "never", "--format", "html", "-o", "report.html"]
    (templates,) = python.parents[1].glob("lib/python3.*/site-packages/audit/report/templates")
    for style in templates.rglob("*.css"):  # no other copy of the templates has this mark
        if MARK not in style.read_text(encoding="utf-8"):
            style.write_text(
                style.read_text(encoding="utf-8") + f"\n:root {{ --origin: '{MARK}'; }}\n", encoding="utf-8"
            )
    run(*command, *arguments, cwd=busy_folder)
    report = (busy_folder / "report.html").read_text(encoding="utf-8")
    assert "orders.parquet" in report
    assert "COM001" in report
    assert MARK in report
