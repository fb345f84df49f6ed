"""What each format says when there is no result: the data could not be read, or a setting could not be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # written, never parsed

from audit.report.formats.github import command
from audit.report.formats.junit import xml_text
from audit.report.formats.markdown import escape
from audit.report.formats.sarif import SCHEMA, location_of
from audit.result import SCHEMA_VERSION

STATUS = "unreadable"


def render_problem(name: str, uri: str, problem: str) -> str:
    """Return the document of a format that says why there is no result; "" for formats without one (text, html)."""
    render = _RENDERERS.get(name)
    return "" if render is None else render(uri, problem)


def _json(uri: str, problem: str) -> str:
    said = {
        "schema_version": SCHEMA_VERSION,
        "verdict": {"status": STATUS},
        "dataset": {"uri": uri},
        "problem": problem,
    }
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def _junit(uri: str, problem: str) -> str:
    root = Element("testsuites", name=xml_text(uri), tests="1", failures="0", errors="1", skipped="0")
    suite = SubElement(root, "testsuite", name="audit", tests="1", failures="0", errors="1", skipped="0")
    case = SubElement(suite, "testcase", classname="audit", name="the data can be audited")
    SubElement(case, "error", type=STATUS, message=xml_text(problem))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _sarif(uri: str, problem: str) -> str:
    notification = {"level": "error", "message": {"text": problem}, "locations": [location_of(uri)]}
    run = {
        "tool": {"driver": {"name": "dataset-audit", "rules": []}},
        "invocations": [{"executionSuccessful": False, "toolConfigurationNotifications": [notification]}],
        "results": [],
        "properties": {"verdict": STATUS},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1) + "\n"


def _github(uri: str, problem: str) -> str:
    return command("error", problem, uri, "not audited") + "\n"


def _gitlab(uri: str, problem: str) -> str:
    entry = {
        "description": problem,
        "check_name": "audit",
        "fingerprint": STATUS,
        "severity": "blocker",
        "location": {"path": uri, "lines": {"begin": 1}},
    }
    return json.dumps([entry], ensure_ascii=False, indent=1) + "\n"


def _markdown(_uri: str, problem: str) -> str:
    return f"## Not audited\n\n{escape(problem)}\n"


_RENDERERS: Mapping[str, Callable[[str, str], str]] = {
    "json": _json,
    "junit": _junit,
    "sarif": _sarif,
    "github": _github,
    "gitlab": _gitlab,
    "md": _markdown,
}
