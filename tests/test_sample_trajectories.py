"""Every planted fault of the sample trajectories is found, in every layout that can show it; the clean twins pass."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

import audit
from audit.findings import Finding, Severity
from rl_data.formats import read
from rl_data.trajectories import PER_ROW, Trajectories

pytest.importorskip("gymnasium")
pytest.importorskip("h5py")
pytest.importorskip("minari")

FOLDER = Path(__file__).parents[1] / "sample_data"
SETS: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "trajectories/expected.yaml").read_text(encoding="utf-8"))
LAYOUTS = (
    "canonical", "wide", "minari-hdf5", "minari-arrow", "lerobot-v2.1", "lerobot-v3.0", "d4rl", "d3rlpy-v2",
    "robomimic", "rlds", "episode-lists", "npz",
)  # fmt: skip
FILES = [(name, layout) for name, about in SETS.items() for layout in LAYOUTS[: None if about["every_layout"] else 1]]
FAULTS = [
    (name, layout, fault)
    for name, layout in FILES
    for fault in SETS[name]["faults"]
    if layout in fault.get("only", LAYOUTS) and layout not in fault.get("not_in", ())
]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_trajectories", FOLDER / "make_trajectories.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


make = load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trajectories")


@functools.cache
def made() -> dict[str, Trajectories]:
    sets: dict[str, Trajectories] = make.sets()
    return sets


@functools.cache
def result_of(folder: Path, name: str, layout: str) -> audit.Result:
    if layout == "canonical":
        return audit.run(str(FOLDER / "trajectories" / f"{name}.parquet"))  # the settings lie beside some
    return audit.run(str(make.LAYOUTS[layout](made()[name], folder / name)))


def fits(finding: Finding, fault: dict[str, Any]) -> bool:
    return (
        finding.code == fault["code"]
        and finding.severity >= Severity[fault["at_least"].upper()]
        and fault.get("statistic", finding.statistic) == finding.statistic
        and fault.get("rows", finding.affected) == finding.affected
    )


@pytest.mark.parametrize(
    ("name", "layout", "fault"), FAULTS, ids=[f"{name}-{layout}-{f['code']}" for name, layout, f in FAULTS]
)
def test_a_planted_fault_is_found(folder: Path, name: str, layout: str, fault: dict[str, Any]) -> None:
    found = result_of(folder, name, layout).findings
    near = [f"{f.severity.label} {f.columns} {f.statistic} {f.affected}" for f in found if f.code == fault["code"]]
    assert any(fits(finding, fault) for finding in found), f"{fault['planted']}: found {near}"


@pytest.mark.parametrize(("name", "layout"), FILES)
def test_the_clean_twin_passes(folder: Path, name: str, layout: str) -> None:
    found = result_of(folder, SETS[name]["clean"], layout).findings
    assert [f"{f.code}: {f.message}" for f in found if f.severity == Severity.FAIL] == []


@pytest.mark.parametrize(("name", "layout"), FILES)
def test_no_check_breaks(folder: Path, name: str, layout: str) -> None:
    for part in (name, SETS[name]["clean"]):
        result = result_of(folder, part, layout)
        assert [f"{o.code}: {o.reason}" for o in result.outcomes if o.status.value == "error"] == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_hold_the_same_steps(folder: Path, layout: str) -> None:
    for name in ("cartpole_clean", "pendulum_clean"):
        t = read(make.LAYOUTS[layout](made()[name], folder / name))
        np.testing.assert_array_equal(t.offsets, made()[name].offsets)
        np.testing.assert_array_equal(t.observations, made()[name].observations)
        np.testing.assert_array_equal(t.actions.reshape(t.rows, -1), made()[name].actions.reshape(t.rows, -1))
        assert t.rewards is not None
        np.testing.assert_allclose(t.rewards, np.asarray(made()[name].rewards), rtol=1e-6)


@pytest.mark.parametrize(("name", "layout"), make.COMMITTED)
def test_the_script_makes_the_committed_files(tmp_path: Path, name: str, layout: str) -> None:
    path = make.LAYOUTS[layout](made()[name], tmp_path / name)
    one, other = read(path), read(FOLDER / "trajectories" / path.name)
    assert one.episode_ids.tolist() == other.episode_ids.tolist()
    for array in PER_ROW:
        np.testing.assert_array_equal(getattr(one, array), getattr(other, array), array)


def test_the_files_are_small() -> None:
    assert sum(path.stat().st_size for path in (FOLDER / "trajectories").rglob("*") if path.is_file()) < 3_000_000
