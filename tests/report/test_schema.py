"""The published JSON schema fits what is written, and what is written holds nothing that the schema does not name."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from audit.report.formats import FORMATS
from audit.result import SCHEMA_VERSION, Result


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files("audit.report.formats") / "result.schema.json").read_text("utf-8"))
    return schema


def closed(part: Any) -> Any:
    """Return a schema that allows no unnamed property wherever properties are named."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    body = {key: value if key == "if" else closed(value) for key, value in part.items()}
    if part.get("type") == "object" and "properties" in part:
        body["additionalProperties"] = False
    return body


def body(result: Result) -> Any:
    return json.loads(FORMATS["json"](result))


def test_schema_is_a_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert "additive only" in schema["description"]
    assert SCHEMA_VERSION.startswith("1.")


def test_real_and_hostile_results_fit(
    schema: dict[str, Any], flights_result: Result, hostile_result: Result, make_wide: Callable[[int, int], Result]
) -> None:
    for result in (flights_result, make_wide(5, 20), make_wide(1, 0)):
        Draft202012Validator(schema).validate(body(result))
    found = list(Draft202012Validator(schema).iter_errors(body(hostile_result)))
    assert [list(error.path) for error in found] == [["outcomes", 4, "dimension"]]  # a dimension that does not exist


def test_every_property_is_published(
    schema: dict[str, Any], flights_result: Result, make_wide: Callable[[int, int], Result]
) -> None:
    for result in (flights_result, make_wide(5, 20)):
        Draft202012Validator(closed(schema)).validate(body(result))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict", "status"), "splendid"),
        (("findings", 0, "severity"), "blocker"),
        (("scores", 0, "value"), 101),
        (("columns", 3, "chart", "data", "edges"), [1]),
        (("outcomes", 0, "reason"), ""),
        (("schema_version",), "2.0"),
    ],
)
def test_schema_refuses_what_is_wrong(
    schema: dict[str, Any], flights_result: Result, path: tuple[Any, ...], value: Any
) -> None:
    broken = body(flights_result)
    part = broken
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert not Draft202012Validator(schema).is_valid(broken)


def test_json_has_no_nan_and_is_the_same_twice(flights_result: Result) -> None:
    text = FORMATS["json"](flights_result)
    assert text == FORMATS["json"](flights_result)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(text, parse_constant=refuse)
