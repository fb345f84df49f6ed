"""Findings that people know and live with."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import audit
from audit.baseline import Baseline, baseline_text, decide, prune, read_baseline
from audit.cli import app
from audit.errors import ConfigError
from audit.findings import Status
from audit.report.formats.github import render_github
from audit.report.formats.gitlab import render_gitlab
from audit.report.formats.junit import render_junit
from audit.report.formats.markdown import render_markdown
from audit.report.formats.sarif import render_sarif
from audit.report.formats.text import render_text

FRAME = pd.DataFrame(
    {"order": [0] * 200, "amount": [None] * 20 + [10.0 + i % 7 for i in range(180)], "note": [None] * 150 + ["x"] * 50}
)
SETTINGS: dict[str, Any] = {"key": "order", "select": ["COM001", "KEY002"], "as_of": "2026-06-01", "name": "orders"}
REASON = "known since the migration: \"q\" # 'x' é 漢 😀"


def audited(baseline: Path | None = None) -> audit.Result:
    return audit.run(FRAME, baseline=baseline, **SETTINGS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "baseline.yaml"


def written(path: Path, **options: Any) -> Baseline:
    made = decide(audited().to_dict(), **{"reason": REASON, **options})
    path.write_text(baseline_text(made), "utf-8")
    return made


def test_accepted_findings_count_neither_for_the_exit_code_nor_for_the_verdict(path: Path) -> None:
    assert audited().exit_code() == 1
    written(path, author="ada", expires=dt.date(2026, 6, 1))
    result = audited(path)
    assert (result.exit_code("warn"), result.status) == (0, Status.PASS)
    assert len(result.findings) == len(audited().findings)
    assert all(f.accepted and f.accepted.reason == REASON and f.accepted.author == "ada" for f in result.findings)
    assert result.baseline is not None
    assert result.baseline.accepted == len(result.findings)
    assert result.outcome("KEY002").reason.endswith("1 of them accepted")


def test_what_is_new_still_counts(path: Path) -> None:
    written(path, codes=["COM"])
    result = audited(path)
    assert [f.code for f in result.reaches("warn")] == ["KEY002"]
    assert result.findings[0].code == "KEY002"
    assert result.exit_code() == 1


def test_a_decision_that_expired_no_longer_holds_and_is_told(path: Path) -> None:
    written(path, expires=dt.date(2026, 5, 31))
    result = audited(path)
    assert result.exit_code() == 1
    assert result.baseline is not None
    assert len(result.baseline.expired) == len(result.findings)
    assert "no longer holds: KEY002 order (expired on 2026-05-31)" in render_text(result, width=200)


def test_a_decision_without_its_finding_is_stale_and_told(path: Path) -> None:
    written(path)
    mended = FRAME.assign(order=range(200))
    result = audit.run(mended, baseline=path, **SETTINGS)
    assert result.baseline is not None
    assert result.baseline.stale == ("KEY002 order",)
    assert "stale, its finding is gone: KEY002 order" in render_text(result, width=200)
    left_out = audit.run(mended, baseline=path, **{**SETTINGS, "select": ["COM001"]})
    assert left_out.baseline is not None
    assert left_out.baseline.stale == ()  # a check that did not run says nothing about its findings


def test_every_output_shows_the_reason(path: Path) -> None:
    written(path)
    result = audited(path)
    assert REASON in render_text(result)
    assert REASON in json.dumps(result.to_dict(), ensure_ascii=False).replace('\\"', '"')
    assert "known since the migration" in render_junit(result)
    assert 'failures="0"' in render_junit(result)
    sarif = json.loads(render_sarif(result))["runs"][0]["results"]
    assert all(r["suppressions"][0]["justification"].endswith(REASON) for r in sarif)
    assert "known since the migration" in render_markdown(result)
    assert "known since the migration" in result.to_html()
    assert json.loads(render_gitlab(result)) == []
    assert "::error" not in render_github(result)


def test_pruning_takes_out_what_is_stale_or_expired_and_nothing_else(path: Path) -> None:
    made = written(path)
    mended = audit.run(FRAME.assign(order=range(200)), **SETTINGS).to_dict()
    kept, gone = prune(made, mended, dt.date(2026, 6, 1))
    assert [d.code for d in gone] == ["KEY002"]
    assert {d.code for d in kept.findings} == {"COM001"}
    late = decide(audited().to_dict(), reason=REASON, expires=dt.date(2020, 1, 1))
    assert prune(late, audited().to_dict(), dt.date(2026, 6, 1))[0].findings == ()


BAD = {
    "not YAML": ("findings: [", "line 1"),
    "a list": ("- a", "a list of decisions is wanted"),
    "no reason": ("findings: [{fingerprint: '%s'}]" % ("0" * 32), "reason"),
    "empty reason": ("findings: [{fingerprint: '%s', reason: ' '}]" % ("0" * 32), "a reason is wanted"),
    "misspelt": ("findings: [{fingerprint: '%s', reasn: x}]" % ("0" * 32), "reason"),
    "unknown": ("finding: []", "did you mean 'findings'"),
    "twice": (yaml.safe_dump({"findings": [{"fingerprint": "0" * 32, "reason": "x"}] * 2}), "decided twice"),
    "version": ("version: 2", "version"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_baseline_is_refused_with_the_place(kind: str, path: Path) -> None:
    text, said = BAD[kind]
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_baseline(path)


def test_the_commands(tmp_path: Path, path: Path) -> None:
    FRAME.to_parquet(tmp_path / "orders.parquet")
    audited().to_json(tmp_path / "r.json")
    say = CliRunner()
    made = say.invoke(
        app, ["baseline", "write", str(tmp_path / "r.json"), "-o", str(path), "--reason", "known", "--author", "ada"]
    )
    assert made.exit_code == 0, made.output
    shown = say.invoke(app, ["baseline", "show", str(path)])
    assert "KEY002 order: accepted by ada: known" in shown.output
    options = ["--key", "order", "--select", "COM001,KEY002", "--as-of", "2026-06-01", "--config", "none"]
    run = say.invoke(
        app, ["run", str(tmp_path / "orders.parquet"), *options, "--baseline", str(path), "-q", "--format", "json"]
    )
    assert json.loads(run.stdout)["baseline"]["stale"] != []  # another dataset: its fingerprints are others
    pruned = say.invoke(app, ["baseline", "prune", str(path), str(tmp_path / "r.json"), "--as-of", "2026-06-01"])
    assert "4 decisions kept, 0 taken out" in pruned.output or "decisions kept, 0 taken out" in pruned.output
    assert (
        say.invoke(app, ["baseline", "write", str(tmp_path / "r.json"), "-o", str(path), "--reason", " "]).exit_code
        == 2
    )
    assert say.invoke(app, ["baseline", "show", str(path), "--as-of", "soon"]).exit_code == 2
