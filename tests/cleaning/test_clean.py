"""`audit clean` from start to end: the plan, the files, the manifest, and that a clean set stays as it is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

import audit
from audit.cleaning import write as writing
from audit.cleaning.repairs import repair
from audit.errors import AuditError, ConfigError, SourceError
from rl_data.episodes import from_episodes
from rl_data.formats import canonical, read, write_canonical
from rl_data.formats.canonical_metadata import fingerprint
from rl_data.trajectories import PER_ROW, Trajectories
from tests.test_cli import run_cli

ONLY = ("COM101",)


def trajectories(**changes: Any) -> Trajectories:
    """Ten episodes of ten steps; 2 lacks steps 4 and 5, and 5 has step 3 twice."""
    rng = np.random.default_rng(0)
    episodes = []
    for place in range(10):
        steps = list(range(10))
        if place == 2:
            steps = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
        if place == 5:
            steps = [0, 1, 2, 3, 3, 4, 5, 6, 7, 8]
        episodes.append(
            {
                "observations": rng.normal(size=(11, 3)).astype(np.float32),
                "actions": rng.integers(0, 2, 10),
                "rewards": rng.normal(size=10),
                "terminated": True,
                "truncated": False,
                "steps": steps,
            }
        )
    return dataclasses.replace(from_episodes(episodes, uri="faulty"), **changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "faulty.parquet"
    write_canonical(trajectories(), path)
    return path


def same_arrays(one: Trajectories, other: Trajectories) -> None:
    for name in PER_ROW:
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if name == "next_observations" and one.has_next is not None:  # a file holds only those that are given
            a, b = a[one.has_next], b[one.has_next]
        assert a is None or a.tobytes() == b.tobytes(), name
    assert np.array_equal(one.offsets, other.offsets)
    assert np.array_equal(one.episode_ids, other.episode_ids)


def test_safe_repairs_are_made_and_the_others_proposed(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = audit.clean(data, out, select=ONLY)
    assert sorted(p.name for p in out.iterdir()) == [
        "clean.parquet",
        "manifest.json",
        "plan.yaml",
        "quarantine.parquet",
    ]
    assert [(rule.kind, rule.applied) for rule in done.rules] == [("split", True), ("drop_steps", False)]
    clean = read(out / "clean.parquet")
    assert clean.episode_ids.tolist() == ["0", "1", "2.1", "2.2", *map(str, range(3, 10))]
    assert clean.lengths.tolist()[2:4] == [3, 6]  # the step before the gap has no next observation
    same_arrays(clean, done.clean)
    assert clean.source_files is not None
    assert set(clean.source_files.tolist()) == {str(data)}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest == json.loads(json.dumps(done.manifest))
    assert manifest["conservation"]["equation"] == "100 = 99 + 0 + 1"
    split = manifest["rules"][0]
    assert manifest["conservation"]["dropped_by_name"] == {f"{split['id']}: no next observation": 1}
    assert manifest["dropped"][f"{split['id']}: no next observation"]["rows"] == [[23, 24]]
    assert split["did"] == {"changed": 0, "dropped": 1, "quarantined": 0, "cuts": 1}
    assert "lack 2 steps in between" in split["evidence"]


def test_the_manifest_proves_input_and_outputs(data: Path, tmp_path: Path) -> None:
    manifest = audit.clean(data, tmp_path / "out", select=ONLY).manifest
    assert manifest["input"]["sha256"] == hashlib.sha256(data.read_bytes()).hexdigest()
    assert manifest["input"]["content_sha256"] == fingerprint(read(data))
    for name, about in manifest["outputs"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert about["sha256"] == hashlib.sha256(content).hexdigest()
        assert about["steps"] == pq.read_metadata(tmp_path / "out" / name).num_rows


def test_two_cleanings_are_alike_but_for_the_run(data: Path, tmp_path: Path) -> None:
    manifests = []
    for name in ("a", "b"):
        audit.clean(data, tmp_path / name, select=ONLY)
        manifests.append(json.loads((tmp_path / name / "manifest.json").read_text()))
        manifests[-1].pop("run")
    assert manifests[0] == manifests[1]
    for name in ("clean.parquet", "quarantine.parquet", "plan.yaml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_cleaning_the_clean_set_changes_nothing(data: Path, tmp_path: Path) -> None:
    first = audit.clean(data, tmp_path / "a", select=ONLY)
    second = audit.clean(tmp_path / "a" / "clean.parquet", tmp_path / "b", select=ONLY)
    assert second.unchanged
    assert not [rule for rule in second.rules if rule.safe]
    same_arrays(second.clean, first.clean)
    same_arrays(read(tmp_path / "b" / "clean.parquet"), read(tmp_path / "a" / "clean.parquet"))
    assert second.manifest["outputs"]["clean.parquet"]["steps"] == 99


def test_a_clean_set_is_said_to_need_nothing(tmp_path: Path) -> None:
    t = trajectories(steps=np.tile(np.arange(10, dtype=np.int32), 10))
    write_canonical(t, tmp_path / "good.parquet")
    done = run_cli("clean", str(tmp_path / "good.parquet"), "-o", str(tmp_path / "out"), "--select", "COM101")
    assert done.returncode == 0, done.stderr
    assert "nothing to do: every step is as it was" in done.stdout
    same_arrays(read(tmp_path / "out" / "clean.parquet"), t)


def edited(path: Path, **changes: Any) -> Path:
    """Write the plan anew with changes to the entry of a kind, and with entries of our own."""
    plan = yaml.safe_load(path.read_text())
    for entry in plan["repairs"]:
        entry.update(changes.get(entry["kind"], {}))
    plan["repairs"] += changes.get("added", [])
    target = path.parent.parent / "edited.yaml"
    target.write_text(yaml.safe_dump(plan))
    return target


def test_a_plan_is_followed_to_the_letter(data: Path, tmp_path: Path) -> None:
    audit.clean(data, tmp_path / "a", select=ONLY)
    added = [
        {"kind": "quarantine", "episodes": [3, 7], "reason": "the camera was covered"},
        {"kind": "drop_steps", "steps": {9: [0, 1]}, "reason": "moved by hand"},
        {"kind": "relabel", "field": "terminated", "value": False, "steps": {8: "last"}, "reason": "no goal"},
        {"kind": "quarantine", "episodes": [0], "reason": "not yet", "apply": False},
    ]
    plan = edited(tmp_path / "a" / "plan.yaml", split={"apply": False}, drop_steps={"apply": True}, added=added)
    done = audit.clean(data, tmp_path / "b", plan, select=ONLY)
    clean = read(tmp_path / "b" / "clean.parquet")
    assert clean.episode_ids.tolist() == [0, 1, 2, 4, 5, 6, 8, 9]
    assert clean.lengths.tolist() == [10, 10, 10, 10, 9, 10, 10, 8]
    assert clean.terminated is not None
    assert clean.terminated[clean.last_rows].tolist() == [True] * 6 + [False, True]
    made = [(rule.by, rule.applied) for rule in done.rules]
    assert made == [("plan", False), ("plan", True), *[("person", True)] * 3]
    quarantine = pq.read_table(tmp_path / "b" / "quarantine.parquet").to_pandas()
    assert quarantine["episode_id"].unique().tolist() == [3, 7]
    assert set(quarantine["reason"]) == {"the camera was covered"}
    assert set(quarantine["code"]) == {"manual"}
    assert quarantine["source_row"].tolist() == [*range(10)] * 2
    assert (tmp_path / "b" / "plan.yaml").read_bytes() == plan.read_bytes()
    assert done.manifest["conservation"]["equation"] == "100 = 77 + 20 + 3"


def test_a_repair_can_be_limited_to_some_of_its_episodes(tmp_path: Path) -> None:
    t = trajectories(steps=np.tile(np.array([0, 1, 2, 3, 3, 4, 5, 6, 7, 8], dtype=np.int32), 10))
    audit.clean(t, tmp_path / "a", select=ONLY)
    plan = edited(tmp_path / "a" / "plan.yaml", drop_steps={"apply": True, "episodes": [1, 4]})
    done = audit.clean(t, tmp_path / "b", plan, select=ONLY)
    assert done.clean.lengths.tolist() == [10, 9, 10, 10, 9, 10, 10, 10, 10, 10]


def test_the_plan_in_the_folder_is_left_as_a_person_edited_it(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    audit.clean(data, out, select=ONLY)
    text = "# my own words\n" + (out / "plan.yaml").read_text()
    (out / "plan.yaml").write_text(text)
    audit.clean(data, out, out / "plan.yaml", force=True, select=ONLY)
    assert (out / "plan.yaml").read_text() == text
    audit.clean(data, out, force=True, select=ONLY)
    assert (out / "plan.former.yaml").read_text() == text
    assert not (out / "plan.yaml").read_text().startswith("# my own words")


BAD_PLANS = [
    ("- {kind: quarantine, episode: [1], reason: x}", "line 2: unknown key 'episode'; did you mean 'episodes'?"),
    ("- {kind: quarantin, episodes: [1], reason: x}", "line 2: unknown kind 'quarantin'; did you mean 'quarantine'?"),
    ("- kind: split\n    reason: x\n    stesp: {1: [2]}", "line 4: unknown key 'stesp'; did you mean 'steps'?"),
    ("- {kind: quarantine, episodes: [1]}", "line 2: a repair that you add needs a `reason`"),
    ("- {kind: quarantine, reason: x}", "needs its `episodes: [...]`"),
    ("- {kind: drop_steps, reason: x}", "needs `steps: {EPISODE: [STEP, ...]}`"),
    ("- {kind: shift, steps: {1: last}, field: reward, value: 1, reason: x}", "of whole `episodes: [...]`"),
    ("- {kind: relabel, steps: {1: last}, reason: x}", "needs `field: terminated`"),
    ("- {kind: shift, field: reward, reason: x}", "and `value:`"),
    ("- {kind: quarantine, episodes: [99], reason: x}", "the data have no episode 99"),
    ("- {kind: drop_steps, steps: {1: [44]}, reason: x}", "episode 1 has no step 44; its steps are 0 to 9"),
    ("- {kind: split, id: COM101-split-000}", "no longer) have the repair COM101-split-000"),
    ("- {kind: drop_steps, id: SPLIT}", "no longer) have the repair SPLIT (drop_steps)"),
    ("- {kind: split, id: SPLIT, episodes: [1]}", "does not touch episode 1"),
    ("- {kind: split, id: SPLIT}\n  - {kind: split, id: SPLIT}", "is in the plan twice"),
    ("- {kind: split, id: SPLIT, apply: perhaps}", "line 2: 'apply': "),
    ("- {kind: split, id: [", "not YAML"),
    ("- {kind: quarantine, episodes: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], reason: x}", "nothing would be left"),
]


def test_the_top_of_a_plan_is_checked_too(data: Path, tmp_path: Path) -> None:
    plan = tmp_path / "bad.yaml"
    for text, words in (
        ("version: 1\nreparis: []\n", "line 2: unknown key 'reparis'; did you mean 'repairs'?"),
        ("version: 2\n", "line 1: 'version'"),
        ("- a\n", "a plan is wanted"),
        ("", "a plan is wanted"),
    ):
        plan.write_text(text)
        with pytest.raises(ConfigError, match=re.escape(words)):
            audit.clean(data, tmp_path / "b", plan, select=ONLY)
    with pytest.raises(ConfigError, match="no plan"):
        audit.clean(data, tmp_path / "b", tmp_path / "nowhere.yaml", select=ONLY)


@pytest.mark.parametrize(("text", "words"), BAD_PLANS)
def test_a_bad_plan_is_refused_with_line_and_near_match(text: str, words: str, data: Path, tmp_path: Path) -> None:
    identity = audit.clean(data, tmp_path / "a", select=ONLY).rules[0].id
    plan = tmp_path / "bad.yaml"
    plan.write_text("repairs:\n  " + text.replace("SPLIT", identity) + "\n")
    with pytest.raises(ConfigError) as caught:
        audit.clean(data, tmp_path / "b", plan, select=ONLY)
    assert words.replace("SPLIT", identity) in str(caught.value)
    assert str(plan) in str(caught.value)
    assert not (tmp_path / "b").exists()


def test_a_repair_that_the_data_no_longer_have_is_named(data: Path, tmp_path: Path) -> None:
    audit.clean(data, tmp_path / "a", select=ONLY)
    identity = yaml.safe_load((tmp_path / "a" / "plan.yaml").read_text())["repairs"][0]["id"]
    write_canonical(trajectories(steps=np.tile(np.arange(10, dtype=np.int32), 10)), data)
    done = run_cli(
        "clean", str(data), "-o", str(tmp_path / "b"), "--plan", str(tmp_path / "a" / "plan.yaml"), "--select", "COM101"
    )
    assert done.returncode == 2
    assert f"no longer) have the repair {identity}" in done.stderr
    assert done.stdout == ""


def test_other_content_and_repairs_left_out_of_the_plan_are_noted(data: Path, tmp_path: Path) -> None:
    audit.clean(data, tmp_path / "a", select=ONLY)
    plan = yaml.safe_load((tmp_path / "a" / "plan.yaml").read_text())
    plan["repairs"] = []
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(plan))
    rewards = np.zeros(100)
    write_canonical(trajectories(rewards=rewards), data)
    done = audit.clean(data, tmp_path / "b", tmp_path / "p.yaml", select=ONLY)
    assert done.unchanged
    assert "made for other content" in done.notes[0]
    assert "not in the plan, so not made: COM101-split" in done.notes[1]


def test_a_folder_that_is_not_empty_is_refused(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    audit.clean(data, out, select=ONLY)  # an empty one is taken
    (out / "notes.txt").write_text("mine")
    with pytest.raises(AuditError, match="not empty"):
        audit.clean(data, out, select=ONLY)
    audit.clean(data, out, force=True, select=ONLY)
    assert (out / "notes.txt").read_text() == "mine"
    with pytest.raises(AuditError, match="is a file"):
        audit.clean(data, data, select=ONLY)
    with pytest.raises(AuditError, match="there is no folder"):
        audit.clean(data, tmp_path / "x" / "y", select=ONLY)


def test_nothing_half_written_is_left(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    audit.clean(data, out, select=ONLY)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def broken(*_: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "quarantine_table", broken)
    with pytest.raises(AuditError, match="No space left"):
        audit.clean(data, out, force=True, select=ONLY)
    with pytest.raises(AuditError, match="No space left"):
        audit.clean(data, tmp_path / "new", select=ONLY)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faulty.parquet", "out"]


def test_steps_that_do_not_add_up_stop_the_writing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loses(*args: Any) -> Any:
        return dataclasses.replace(repair(*args), dropped={})

    monkeypatch.setattr("audit.cleaning.run.repair", loses)
    with pytest.raises(AuditError, match="do not add up: 100 in, 99 clean, 0 quarantined, 0 dropped"):
        audit.clean(data, tmp_path / "out", select=ONLY)
    assert not (tmp_path / "out").exists()


def test_tables_are_not_repaired(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    with pytest.raises(SourceError, match="is a table, and only trajectories are repaired"):
        audit.clean(frame, tmp_path / "out")
    frame.to_csv(tmp_path / "table.csv", index=False)
    done = run_cli("clean", str(tmp_path / "table.csv"), "-o", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "is a table" in done.stderr
    assert not (tmp_path / "out").exists()
    assert "does not exist" in run_cli("clean", str(tmp_path / "no.parquet"), "-o", str(tmp_path / "out")).stderr


def test_no_repair_is_about_low_returns(tmp_path: Path) -> None:
    """Value learners need failures: whatever the returns are, nothing may be removed for them."""
    from typing import get_args

    from audit.findings import RepairKind

    assert set(get_args(RepairKind)) == {"relabel", "shift", "split", "drop_steps", "quarantine", "rebuild_next"}
    rng = np.random.default_rng(0)
    episodes = []
    for place in range(60):
        good = place % 3 > 0
        observations = np.cumsum(rng.normal(size=(21, 3)), axis=0).astype(np.float32)
        rewards = rng.normal(1.0 if good else -5.0, 0.1, 20)
        episodes.append({"observations": observations, "actions": rng.normal(size=(20, 1)).astype(np.float32),
                         "rewards": rewards, "terminated": False, "truncated": True})  # fmt: skip
    t = from_episodes(episodes, step_limit=20)
    done = audit.clean(t, tmp_path / "out")
    assert not done.broken
    assert not [rule for rule in done.rules if rule.kind in {"quarantine", "drop_steps"}]
    assert done.clean.rows == t.rows


def test_at_the_command_line(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run_cli("clean", str(data), "-o", str(out), "--select", "COM101", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "100 steps in = 99 clean + 0 quarantined + 1 dropped" in done.stdout
    assert "COM101 split: 1 step in 1 episode" in done.stdout
    assert "proposed, not done\n  COM101 drop_steps" in done.stdout
    command = done.stdout.rsplit("\n  audit ", 1)[1].strip()
    assert "--select COM101 --seed 3" in command
    again = subprocess.run(
        [sys.executable, "-m", "audit", *command.split()], capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "left as it was" in again.stdout
    as_json = run_cli("clean", str(data), "-o", str(tmp_path / "json"), "--select", "COM101", "--json")
    assert json.loads(as_json.stdout)["conservation"]["holds"] is True
    quiet = run_cli("clean", str(data), "-o", str(tmp_path / "quiet"), "--select", "COM101", "-q")
    assert quiet.stdout == ""


def test_import_audit_stays_light() -> None:
    code = "import sys, audit; audit.clean; import audit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_quarantine_is_readable_as_trajectories(data: Path, tmp_path: Path) -> None:
    plan = tmp_path / "p.yaml"
    plan.write_text("repairs:\n  - {kind: quarantine, episodes: [4], reason: x}\n")
    audit.clean(data, tmp_path / "out", plan, select=ONLY)
    back = canonical.read(tmp_path / "out" / "quarantine.parquet")
    same_arrays(back, trajectories().take(np.array([4])))


def test_what_the_source_claims_of_its_rows_is_not_said_of_the_clean_ones(tmp_path: Path) -> None:
    """LeRobot's counts, spans and running index; splits are told in the new episodes."""
    from rl_data.formats import write

    write(trajectories(), tmp_path / "robot", "lerobot")
    plan = tmp_path / "p.yaml"
    added = ["{kind: quarantine, episodes: [4], reason: x}", "{kind: drop_steps, steps: {7: [5]}, reason: x}"]
    plan.write_text("repairs:\n" + "".join(f"  - {line}\n" for line in added))
    audit.clean(tmp_path / "robot", tmp_path / "out", plan, select=ONLY)
    clean = read(tmp_path / "out" / "clean.parquet")
    parts = ["0", "1", "2", "3", "5", "6", "7.1", "7.2", "8", "9"]
    assert clean.episode_ids.tolist() == parts
    assert clean.provenance.declared["splits"] == {"train": parts}
    assert "index" not in clean.infos
    result = audit.run(tmp_path / "out" / "clean.parquet", select=["COM105"])
    assert [finding.message for finding in result.findings] == []
    result = audit.run(tmp_path / "out" / "quarantine.parquet", select=["COM105"])
    assert [finding.message for finding in result.findings] == []


def test_what_becomes_safe_only_by_a_repair_is_done_too(tmp_path: Path) -> None:
    """Two episodes under one id show only once the gap behind them is cut."""
    steps = np.tile(np.arange(10, dtype=np.int32), 10)
    steps[20:30] = [0, 1, 2, 3, 0, 1, 2, 3, 8, 9]
    t = trajectories(steps=steps)
    done = audit.clean(t, tmp_path / "a", select=ONLY)
    made = [(rule.kind, rule.by) for rule in done.applied]
    assert made == [("split", "default"), ("split", "follow-up")]
    assert [rule.id.endswith("-round-2") for rule in done.applied] == [False, True]
    assert done.manifest["conservation"]["holds"]
    assert done.manifest["findings"]["after"]["fail"] < done.manifest["findings"]["before"]["fail"]
    again = audit.clean(tmp_path / "a" / "clean.parquet", tmp_path / "b", select=ONLY)
    assert again.unchanged
    plan = edited(tmp_path / "a" / "plan.yaml", split={"apply": False})
    declined = audit.clean(t, tmp_path / "c", plan, select=ONLY)
    assert declined.unchanged
