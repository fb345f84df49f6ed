"""The published schema of audit.yaml, and errors that name the line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from audit.checks import installed
from audit.cli import app
from audit.config import config_schema, load_config, make_check
from audit.errors import ConfigError

GOOD = [
    "roles: {label: y, key: [a, b]}\nchecks:\n  COM001: {warn: 0.1, ignore: [x]}\n  REP006: {z: 9}\n",
    "kind: trajectory\nfail_on: warn\nsample: 5000\nas_of: 2026-01-01T00:00:00Z\n",
]
BAD = [
    "roles: {lable: y}\n",
    "checks:\n  COM001: {wran: 0.1}\n",
    "fail_on: sometimes\n",
    "colour: red\n",
]


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def use(path: Path) -> None:
    for code, options in load_config(path).checks.items():
        make_check(installed()[code], options)


def as_json(text: str) -> Any:
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


@pytest.mark.parametrize("text", GOOD)
def test_what_the_audit_reads_is_valid(text: str, validator: Any, tmp_path: Path) -> None:
    validator.validate(as_json(text))
    (tmp_path / "audit.yaml").write_text(text)
    load_config(tmp_path / "audit.yaml")


@pytest.mark.parametrize("text", BAD)
def test_what_the_audit_refuses_is_invalid(text: str, validator: Any, tmp_path: Path) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(as_json(text))
    (tmp_path / "audit.yaml").write_text(text)
    with pytest.raises(ConfigError):
        use(tmp_path / "audit.yaml")


def test_the_options_of_every_check_are_in_it(validator: Any) -> None:
    known = validator.schema["properties"]["checks"]["properties"]
    assert set(known) >= set(installed())
    for code, check in installed().items():
        assert set(known[code].get("properties", {})) == {f.name for f in dataclasses.fields(check)}, code  # type: ignore[arg-type]  # checks are dataclasses


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "fail_on: warn\nroles:\n  label: y\n  tme: t\n",
            r"audit.yaml, line 4: unknown setting 'roles.tme'; did you mean 'time'",
        ),
        ("# hello\nseed: -1\n", r"audit.yaml, line 2: 'seed'"),
        ("roles: {}\nsed: 1\n", r"audit.yaml, line 2: unknown setting 'sed'; did you mean 'seed'"),
    ],
)
def test_errors_name_the_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "audit.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / "audit.yaml")


def test_the_command_prints_it() -> None:
    shown = CliRunner().invoke(app, ["schema"])
    assert json.loads(shown.stdout) == json.loads(json.dumps(config_schema()))


def test_environment_variables_stand_in_for_options(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,\n2,3\n" * 20)
    command = ["run", str(tmp_path / "t.csv"), "--select", "COM001", "-q", "--config", "none"]
    assert CliRunner().invoke(app, command).exit_code == 1
    assert CliRunner().invoke(app, command, env={"AUDIT_FAIL_ON": "never"}).exit_code == 0
    assert CliRunner().invoke(app, command, env={"AUDIT_FAIL_ON": "sometimes"}).exit_code == 2
