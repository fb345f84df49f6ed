"""A suite of Great Expectations, run by Great Expectations itself over all rows as a pandas frame."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from audit.dataset import Column
from audit.engine.duckdb import Connection
from audit.errors import ConfigError
from audit.facts import ExpectationResult, ExpectationResults, quote_name

_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")
_PLACE = "audit_place"
_NEEDED = "Great Expectations is not installed; it comes with: pip install 'dataset-audit[gx]'"


def read_suite(path: str) -> Mapping[str, Any]:
    """Return a suite that was saved as JSON.

    Raises:
        ConfigError: the file cannot be read, or holds no suite.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"the suite {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not isinstance(found.get("expectations"), list):
        raise ConfigError(f"{path} holds no suite of Great Expectations: an object with `expectations` is wanted")
    return found


def run_suite(
    path: str, connection: Connection, source: str, row_id: str, columns: Sequence[Column]
) -> ExpectationResults:
    """Return what each expectation of a suite says of the rows.

    Raises:
        ConfigError: the suite cannot be read or is refused, or Great Expectations is not installed.
    """
    suite = read_suite(path)
    names = ", ".join(quote_name(column.name) for column in columns)
    numbered = connection.raw.sql(f"SELECT {row_id} AS audit_row, {names} FROM {source} ORDER BY {row_id}").df()
    rows = [int(row) for row in numbered.pop("audit_row")]
    with _quiet():
        try:
            import great_expectations as gx
            from great_expectations.data_context.types.base import ProgressBarsConfig
        except ModuleNotFoundError as error:
            raise ConfigError(_NEEDED) from error
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        try:
            placed = [_placed(one, place) for place, one in enumerate(suite["expectations"])]
            made = gx.ExpectationSuite(name=str(suite.get("name") or "suite"), expectations=placed)
        except Exception as error:  # it raises whatever its parts raise
            raise ConfigError(f"the suite {path} is refused: {' '.join(str(error).split())[:300]}") from error
        batch = context.data_sources.pandas_default.read_dataframe(numbered)
        done = batch.validate(made, result_format="COMPLETE")
    ordered = sorted(done.results, key=_place)
    return ExpectationResults(made.name, len(rows), tuple(_result(one, rows) for one in ordered))


def _place(result: Any) -> int:
    return int(result.expectation_config.meta[_PLACE])


def _placed(expectation: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Return an expectation that knows its place in the suite: results come in another order."""
    known = {key: expectation[key] for key in ("type", "kwargs", "severity") if expectation.get(key) is not None}
    return {**known, "meta": {_PLACE: place}}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Great Expectations from sending usage statistics, and its libraries' warnings to itself."""
    before = os.environ.get("GX_ANALYTICS_ENABLED")
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside its own dependencies
            yield
    finally:
        if before is None:
            del os.environ["GX_ANALYTICS_ENABLED"]
        else:
            os.environ["GX_ANALYTICS_ENABLED"] = before


def _result(one: Any, rows: Sequence[int]) -> ExpectationResult:
    configuration, said = one.expectation_config, one.result or {}
    arguments = dict(configuration.kwargs)
    arguments.pop("batch_id", None)
    columns: list[str] = []
    for name in _COLUMN_ARGUMENTS:
        value = arguments.pop(name, None)
        columns += [value] if isinstance(value, str) else [str(v) for v in value or ()]
    broken = _problem(one.exception_info or {})
    unexpected = said.get("unexpected_index_list")
    observed = said.get("observed_value")
    return ExpectationResult(
        type=configuration.type,
        columns=tuple(columns),
        parameters={str(key): value for key, value in arguments.items()},
        severity=str(getattr(configuration.severity, "value", configuration.severity) or "critical").lower(),
        success=bool(one.success),
        observed="" if observed is None else str(observed)[:200],
        unexpected=said.get("unexpected_count"),
        row_ids=tuple(rows[int(place)] for place in unexpected or () if isinstance(place, int)),
        error=broken,
    )


def _problem(raised: Mapping[str, Any]) -> str:
    """Return the message of what an expectation raised; one metric's exceptions lie one level deeper."""
    for info in (raised, *(value for value in raised.values() if isinstance(value, Mapping))):
        if info.get("raised_exception"):
            return " ".join(str(info.get("exception_message") or "an error without a message").split())[:300]
    return ""
