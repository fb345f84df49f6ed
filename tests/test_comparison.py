"""Two results of a dataset: what is new, fixed, worse, better, and what nobody judged again."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import audit
from audit.comparison import KINDS, Comparison, diff
from audit.errors import ConfigError, SourceError
from audit.overlay import overlay, rebin
from audit.report.comparison_markdown import render_comparison_markdown
from audit.report.comparison_text import render_comparison_text
from tests.test_cli import run_cli

ROWS = 400
SETTINGS: dict[str, Any] = {"select": ["COM001", "KEY002"], "key": "order", "as_of": "2026-06-01", "name": "orders"}


def frame(missing: int, **columns: Any) -> pd.DataFrame:
    amounts: list[Any] = [None] * missing + [10.0 + i % 7 for i in range(ROWS - missing)]
    return pd.DataFrame({"order": range(ROWS), "amount": amounts, **columns})


def audited(table: pd.DataFrame, **options: Any) -> audit.Result:
    return audit.run(table, **{**SETTINGS, **options})


def kinds(comparison: Comparison) -> dict[tuple[str, str], str]:
    return {(change.code, ",".join(change.columns)): change.kind for change in comparison.changes}


FEW, SOME, MANY = audited(frame(0)), audited(frame(40)), audited(frame(120))


@pytest.mark.parametrize(
    ("before", "after", "kind", "reason"),
    [
        (FEW, SOME, "new", ""),
        (SOME, FEW, "fixed", ""),
        (SOME, MANY, "worse", "from warn to fail"),
        (MANY, SOME, "better", "from fail to warn"),
        (SOME, SOME, "unchanged", ""),
        (SOME, audited(frame(41)), "unchanged", ""),  # 10% missing, then 10.25%: no move
        (SOME, audited(frame(60)), "worse", "farther beyond its limit"),
        (audited(frame(60)), SOME, "better", "nearer to its limit"),
    ],
)
def test_missing_values_come_go_and_move(before: audit.Result, after: audit.Result, kind: str, reason: str) -> None:
    comparison = audit.diff(before, after)
    (change,) = comparison.changes
    assert (change.kind, change.reason, change.columns) == (kind, reason, ("amount",))
    assert comparison.counts[kind] == 1
    assert sum(comparison.counts.values()) == 1


def test_only_what_is_new_or_worse_and_open_reaches_the_limit() -> None:
    assert diff(FEW, MANY).exit_code() == 1
    assert diff(FEW, SOME).exit_code() == 0  # a warning
    assert diff(FEW, SOME).exit_code("warn") == 1
    assert diff(FEW, MANY).exit_code("never") == 0
    assert diff(MANY, MANY).exit_code("warn") == 0  # as bad as it was
    assert diff(MANY, FEW).ok("warn")
    with pytest.raises(ConfigError, match="allowed are fail, warn, never"):
        diff(FEW, MANY).reaches("always")


def test_a_finding_that_is_accepted_counts_for_nothing_until_it_no_longer_is(tmp_path: Path) -> None:
    from audit.baseline import baseline_text, decide

    path = tmp_path / "baseline.yaml"
    path.write_text(baseline_text(decide(MANY.to_dict(), reason="optional by design")), "utf-8")
    accepted = audited(frame(120), baseline=path)
    seen = diff(FEW, accepted)
    assert [change.kind for change in seen.changes] == ["new"]
    assert seen.exit_code("warn") == 0
    assert "optional by design" in render_comparison_text(seen, width=300)
    assert "optional by design" in render_comparison_markdown(seen)
    again = diff(accepted, MANY)
    assert [(change.kind, change.reason) for change in again.changes] == [("worse", "no longer accepted")]
    assert again.exit_code() == 1


def test_a_finding_whose_check_did_not_run_again_is_not_called_fixed() -> None:
    (change,) = diff(SOME, audited(frame(40), ignore=["COM001"])).changes
    assert (change.kind, change.reason) == (
        "not_judged",
        "now the check was not evaluated: left out by --select or --ignore",
    )
    later = json.loads(FEW.to_json())
    outcome = next(outcome for outcome in later["outcomes"] if outcome["code"] == "COM001")
    outcome["not_evaluated"] = [{"reason": "no values", "columns": ["amount"]}]
    assert [c.kind for c in diff(SOME, later).changes] == ["not_judged"]
    outcome["not_evaluated"] = [{"reason": "no values", "columns": ["order"]}]
    assert [c.kind for c in diff(SOME, later).changes] == ["fixed"]


def test_a_check_that_broke_in_the_second_run_is_no_success() -> None:
    later = json.loads(FEW.to_json())
    for outcome in later["outcomes"]:
        outcome["status"], outcome["reason"] = "error", "ValueError: x"
    seen = diff(SOME, later)
    assert [change.kind for change in seen.changes] == ["not_judged"]
    assert seen.exit_code("never") == 3
    assert "Cannot be told" in render_comparison_text(seen)


def test_a_column_that_is_gone_takes_its_finding_with_it() -> None:
    seen = diff(audited(frame(0, note=[None] * ROWS)), FEW)
    (change,) = [c for c in seen.changes if c.columns == ("note",)]
    assert (change.kind, change.reason) == ("fixed", "the column is gone")
    assert seen.removed == ("note",)
    assert diff(FEW, audited(frame(0, note=["x"] * ROWS))).added == ("note",)


def test_the_data_and_the_options_that_changed_are_told() -> None:
    half = audited(frame(40).iloc[: ROWS // 2], checks={"COM001": {"warn": 0.3, "fail": 0.5}})
    seen = diff(SOME, half)
    assert [(fact.name, fact.before, fact.after) for fact in seen.facts if fact.name == "rows"] == [("rows", 400, 200)]
    assert [(o.name, o.before, o.after) for o in seen.options] == [
        ("COM001.warn", 0.05, 0.3),
        ("COM001.fail", 0.2, 0.5),
    ]
    text = render_comparison_text(seen)
    assert "rows: 400 → 200, −200 (−50%)" in text
    assert "option COM001.warn: 0.05 → 0.3" in text
    typed = diff(FEW, audited(frame(0).astype({"amount": "int64"})))
    assert [fact.name for fact in typed.retyped] == ["amount"]


def test_scores_stand_side_by_side() -> None:
    (completeness, *rest) = diff(SOME, FEW).scores
    assert completeness.before is not None
    assert completeness.after == 100
    assert completeness.before < 100
    assert {(score.before, score.after) for score in rest} == {(None, None)}


def test_the_same_run_and_the_wrong_order_are_told() -> None:
    assert diff(SOME, SOME).notes == ("both are the same run",)
    older = {**FEW.to_dict(), "run": {**FEW.to_dict()["run"], "id": "x", "started": "2020-01-01T00:00:00+00:00"}}
    assert "older than the first" in diff(SOME, older).notes[0]


def test_two_datasets_compare_only_when_asked() -> None:
    other = audited(frame(120), name="returns")
    with pytest.raises(ConfigError, match=r"different datasets, 'orders' and 'returns'.*--across"):
        diff(SOME, other)
    assert [change.kind for change in diff(SOME, other, across=True).changes] == ["worse"]
    trajectories = {**SOME.to_dict(), "dataset": {**SOME.to_dict()["dataset"], "kind": "trajectory"}}
    with pytest.raises(ConfigError, match="a table and trajectories"):
        diff(SOME, trajectories, across=True)


@pytest.mark.parametrize("version", ["2.0", None, 7, "", [1]])
def test_another_schema_is_refused_with_what_to_do(tmp_path: Path, version: object) -> None:
    body = {**SOME.to_dict(), "schema_version": version}
    with pytest.raises(ConfigError, match=r"this version of dataset-audit reads 1\.x"):
        diff(SOME, body)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(body), "utf-8")
    with pytest.raises(SourceError, match=r"r\.json has schema_version"):
        diff(SOME, path)


def test_a_file_a_result_and_its_dict_are_the_same(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    SOME.to_json(paths[0])
    MANY.to_json(paths[1])
    assert diff(*paths) == diff(SOME, MANY.to_dict())
    body = json.loads(diff(*paths).to_json())
    assert body["counts"]["worse"] == 1
    assert body["changes"][0]["after"]["severity"] == "fail"


def finding(severity: str, value: float, limit: float | None, effect: float | None) -> Mapping[str, Any]:
    body = copy.deepcopy(SOME.to_dict())
    body["findings"][0].update(severity=severity, value=value, limit=limit, effect=effect)
    return body


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        (("warn", 0.71, 0.8, 0.3), ("warn", 0.60, 0.8, 0.4), "worse"),  # agreement: the limit is a floor
        (("warn", 0.60, 0.8, 0.4), ("warn", 0.71, 0.8, 0.3), "better"),
        (("info", 0.60, 0.8, 0.4), ("info", 0.71, 0.8, 0.5), "worse"),  # info lies on no known side: the effect decides
        (("warn", 10.0, None, 0.2), ("warn", 30.0, None, 0.6), "worse"),
        (("warn", 10.0, None, None), ("warn", 30.0, None, None), "unchanged"),  # nothing says which way is bad
        (("warn", 0.2, 0.1, 0.2), ("warn", 0.2, 0.15, 0.2), "better"),  # the limit moved, and the value not
    ],
)
def test_direction_is_that_of_severity_then_limit_then_effect(was: Any, now: Any, kind: str) -> None:
    assert [change.kind for change in diff(finding(*was), finding(*now)).changes] == [kind]


def test_two_findings_with_one_fingerprint_meet_in_order() -> None:
    body = copy.deepcopy(SOME.to_dict())
    body["findings"] = body["findings"] * 2
    assert dict(diff(SOME, body).counts)["new"] == 1
    assert dict(diff(body, body).counts)["unchanged"] == 2


# --- distributions ----------------------------------------------------------------------------------------------------

edges = st.lists(st.integers(-50, 50), min_size=2, max_size=12, unique=True).map(sorted)


@given(edges, edges, st.data())
def test_moving_counts_onto_other_bins_loses_none_inside_their_range(
    one: list[int], two: list[int], data: st.DataObject
) -> None:
    counts = data.draw(st.lists(st.integers(0, 1000), min_size=len(one) - 1, max_size=len(one) - 1))
    covering = sorted({*two, one[0], one[-1]})
    moved = rebin(one, counts, covering)
    assert sum(moved) == pytest.approx(sum(counts))
    assert all(count >= -1e-9 for count in moved)
    assert rebin(one, counts, one) == pytest.approx(counts)


def histogram(edges: list[Any], counts: list[int]) -> dict[str, Any]:
    return {"kind": "histogram", "title": "x", "data": {"edges": edges, "counts": counts}, "x_title": "x"}


def bars(total: int | None = None, **values: int) -> dict[str, Any]:
    data: dict[str, Any] = {"labels": list(values), "values": list(values.values())}
    if total is not None:
        data |= {"total": total, "rest": total - sum(values.values()), "rest_values": 3}
    return {"kind": "bars", "title": "x", "data": data, "x_title": "rows"}


def test_equal_shapes_do_not_shift_and_disjoint_ones_shift_wholly() -> None:
    same = overlay(histogram([0, 1, 2], [10, 30]), histogram([0, 1, 2], [1, 3]))
    apart = overlay(histogram([0, 1], [10]), histogram([5, 6], [99]))
    assert same is not None
    assert apart is not None
    assert (same.shift, apart.shift) == (0, 1)
    assert apart.chart.data["edges"] == [0, 1, 2, 3, 4, 5, 6]
    assert apart.chart.data["reference"][0] == 10


def test_times_keep_their_axis() -> None:
    moved = overlay(histogram(["2026-01-01", "2026-01-03"], [5]), histogram(["2026-01-02", "2026-01-04"], [5]))
    assert moved is not None
    assert moved.chart.data["edges"][0] == "2026-01-01T00:00:00+00:00"
    assert moved.shift == pytest.approx(0.5, abs=0.01)


def test_of_values_only_those_whose_share_is_known_on_both_sides_are_drawn() -> None:
    full = overlay(bars(a=60, b=40), bars(a=20, c=20))
    assert full is not None
    assert full.chart.data["labels"] == ["a", "c", "b"]
    assert full.chart.data["reference"] == [60, 0, 40]
    assert full.shift == pytest.approx(0.5)
    part = overlay(bars(total=1000, a=600), bars(total=1000, a=500, c=100))
    assert part is not None
    assert part.chart.data["labels"] == ["a"]  # how often c was there before is not known
    assert part.shift == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, histogram([0, 1], [1])),
        (bars(a=1), histogram([0, 1], [1])),
        (histogram([0, 1], [0]), histogram([0, 1], [1])),
        (histogram(["2026-01-01", "2026-01-02"], [1]), histogram([0, 1], [1])),
        (histogram([0, None], [1]), histogram([0, 1], [1])),
        ({"kind": "line"}, {"kind": "line"}),
    ],
)
def test_what_does_not_compare_is_not_drawn(before: Any, after: Any) -> None:
    assert overlay(before, after) is None


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, result in (("few", FEW), ("some", SOME), ("many", MANY)):
        result.to_json(tmp_path / f"{name}.json")
    audited(frame(0), name="returns").to_json(tmp_path / "returns.json")
    (tmp_path / "list.json").write_text("[]", "utf-8")
    (tmp_path / "half.json").write_text(SOME.to_json()[:5000], "utf-8")
    return tmp_path


def test_the_command_tells_writes_and_exits(files: Path) -> None:
    done = run_cli("diff", "few.json", "many.json", "--html", "d.html", "-o", "d.md", "-o", "d.json", cwd=files)
    assert done.returncode == 1
    assert done.stdout.startswith("new amount COM001 fail ")
    assert done.stdout.endswith("Worse: 1 new.\n")
    assert "\x1b[" not in done.stdout
    assert json.loads((files / "d.json").read_text("utf-8"))["counts"]["new"] == 1
    assert "| **new** | fail | COM001 | amount |" in (files / "d.md").read_text("utf-8")
    assert (files / "d.html").read_text("utf-8").startswith("<!doctype html>")
    assert run_cli("diff", "many.json", "few.json", "-q", "--fail-on", "warn", cwd=files).returncode == 0
    unchanged = run_cli("diff", "some.json", "some.json", "--format", "json", cwd=files)
    assert json.loads(unchanged.stdout)["notes"] == ["both are the same run"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["few.json", "none.json"], "cannot read none.json"),
        (["few.json", "list.json"], "list.json holds no result of an audit"),
        (["few.json", "half.json"], "half.json is not JSON (line"),
        (["few.json", "returns.json"], "--across"),
        (["few.json", "some.json", "--fail-on", "bad"], "allowed are fail, warn, never"),
        (["few.json", "some.json", "--format", "junit"], "unknown format 'junit'"),
        (["few.json", "some.json", "-o", "x.sarif"], "add --format (text, json, md, html)"),
        (["few.json", "some.json", "--html", "none/d.html"], "there is no folder"),
        (["few.json", "some.json", "--html", "d.html", "--lang", "xx"], "there is no report in the language 'xx'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(files: Path, arguments: list[str], said: str) -> None:
    done = run_cli("diff", *arguments, cwd=files)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_every_kind_is_told_in_text(files: Path) -> None:
    assert set(KINDS) == set(diff(FEW, FEW).counts)
    done = run_cli("diff", "some.json", "some.json", "-v", cwd=files)
    assert "unchanged amount COM001 warn" in done.stdout
    assert "Nothing is worse: 1 unchanged." in done.stdout
