"""A folder of results: read from their heads, grouped by dataset, and nothing unreadable passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import audit
from audit.errors import SourceError
from audit.runs import HEAD_BYTES, RunSummary, Unread, read_head, read_runs
from tests.test_cli import run_cli

RESULT = audit.run(pd.DataFrame({"x": [1.0, 2.0, None] * 40}), select=["COM001"], name="x", as_of="2026-01-01")


def body(dataset: str = "x", started: str = "2026-01-01T00:00:00+00:00") -> dict[str, Any]:
    made = RESULT.to_dict()
    return {**made, "dataset": {**made["dataset"], "id": dataset}, "run": {**made["run"], "started": started}}


def put(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1), "utf-8")
    return path


def test_a_run_is_what_its_result_says(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    RESULT.to_json(path)
    RESULT.to_html(tmp_path / "r.html")
    run = read_head(path)
    assert isinstance(run, RunSummary)
    assert (run.dataset, run.rows, run.columns, run.status) == ("x", 120, 1, RESULT.status.value)
    assert run.scores == {score.dimension: score.value for score in RESULT.scores}
    assert run.findings == {"fail": 1, "warn": 0, "info": 0}
    assert run.report == tmp_path / "r.html"


def test_runs_come_by_dataset_and_the_oldest_first(tmp_path: Path) -> None:
    put(tmp_path / "b" / "2.json", body("orders", "2026-01-03T00:00:00+00:00"))
    put(tmp_path / "a" / "1.json", body("orders", "2026-01-02T00:00:00+01:00"))
    put(tmp_path / "c" / "result.json", body("returns"))
    put(tmp_path / "c" / "report.html", "<p>")
    put(tmp_path / ".hidden" / "x.json", body("hidden"))
    runs = read_runs(tmp_path)
    assert {name: [run.path.name for run in each] for name, each in runs.datasets.items()} == {
        "returns": ["result.json"],
        "orders": ["1.json", "2.json"],
    }
    assert runs.datasets["returns"][0].report == tmp_path / "c" / "report.html"
    assert runs.count == 3
    assert runs.unread == ()


def test_the_order_of_keys_and_later_additions_do_not_matter(tmp_path: Path) -> None:
    ordered = dict(sorted({**body(), "zz_new_in_1.9": {"a": [1]}}.items()))
    assert isinstance(read_head(put(tmp_path / "sorted.json", ordered)), RunSummary)
    assert isinstance(read_head(put(tmp_path / "short.json", json.dumps(body()))), RunSummary)
    first = {"schema_version": "1.9", "new_in_1.9": 7, **{k: v for k, v in body().items() if k != "schema_version"}}
    assert isinstance(read_head(put(tmp_path / "new.json", first)), RunSummary)


def test_only_the_head_of_a_large_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    head = json.dumps({**body(), "columns": ["x" * 1000] * 100}, indent=1).encode()
    path.write_bytes(
        head[: 2 * HEAD_BYTES] + b"\xff" * 1_000_000 + b" " * 64 + b"}\n"
    )  # \xff is no text: reading it fails
    assert len(head) > HEAD_BYTES
    assert isinstance(read_head(path), RunSummary)


@pytest.mark.parametrize("size", [1, 50, 400, 3000])
def test_a_result_that_was_cut_off_is_broken_wherever_it_ends(tmp_path: Path, size: int) -> None:
    text = json.dumps(body(), indent=1)
    found = read_head(put(tmp_path / "cut.json", text[:-size] if size < 400 else text[:size]))
    assert isinstance(found, Unread)
    assert found.broken
    assert "ends in the middle" in found.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": "2.0"}, "schema_version 2.0"),
        ({"verdict": {"status": "fine"}}, "the verdict is fine"),
        ({"scores": [{"dimension": "freshness", "value": 1e9}]}, "a score is"),
        ({"scores": 5}, "TypeError"),
        ({"dataset": {}}, "KeyError"),
        ({"run": {"started": "yesterday"}}, "ValueError"),
    ],
)
def test_a_result_that_is_not_one_is_broken_with_the_reason(tmp_path: Path, change: Any, said: str) -> None:
    found = read_head(put(tmp_path / "odd.json", {**body(), **change}))
    assert isinstance(found, Unread)
    assert found.broken
    assert said in found.reason


@pytest.mark.parametrize(
    "text", ["{}", "[]", "7", '{"name": "package"}', '{"run": 1}', '"x"', '{"schema_version": "1.0"}']
)
def test_other_json_is_no_result_and_no_fault(tmp_path: Path, text: str) -> None:
    found = read_head(put(tmp_path / "other.json", text))
    assert found == Unread(tmp_path / "other.json", "it holds no result of an audit", False)


def test_bytes_that_are_no_text_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "binary.json"
    path.write_bytes(b"{\xff\xfe\x00")
    found = read_head(path)
    assert isinstance(found, Unread)
    assert (found.reason, found.broken) == ("it is not UTF-8 text", True)
    path.write_bytes(b"")
    assert isinstance(read_head(path), Unread)


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no result of an audit in"):
        read_runs(tmp_path)
    with pytest.raises(SourceError, match="there is no folder"):
        read_runs(tmp_path / "none")


def test_the_command_writes_the_page_and_names_what_it_could_not_read(tmp_path: Path) -> None:
    put(tmp_path / "r.json", body())
    put(tmp_path / "half.json", json.dumps(body())[:300])
    done = run_cli("index", str(tmp_path))
    assert done.returncode == 0
    assert "half.json: it ends in the middle" in done.stderr
    assert "1 run of 1 dataset" in done.stderr
    assert (tmp_path / "index.html").read_text("utf-8").startswith("<!doctype html>")
    assert run_cli("index", str(tmp_path), "-q").returncode == 0  # over its own page
    assert run_cli("index", str(tmp_path), "-o", "-").stdout.startswith("<!doctype html>")
    put(tmp_path / "index.html", "<p>mine</p>")
    refused = run_cli("index", str(tmp_path))
    assert refused.returncode == 2
    assert "no index of audits; say where the page goes with -o" in refused.stderr
    assert (tmp_path / "index.html").read_text("utf-8") == "<p>mine</p>"
    missing = run_cli("index", str(tmp_path / "none"))
    assert missing.returncode == 2
    assert "Traceback" not in missing.stderr
