"""Great Expectations, both ways, with the real library: contexts, checkpoints and Data Docs as its users have them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import audit
from audit.errors import ConfigError
from audit.findings import Severity, Status
from audit.interop.gx_suite import suite_json
from audit.suggestion import suggest

gx = pytest.importorskip("great_expectations", reason="needs the extra gx")

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning", "ignore::UserWarning"
)  # Great Expectations' own, on the newest pandas and marshmallow

GOOD = pd.DataFrame(
    {
        "order": range(400),
        "amount": [10.0 + i % 7 for i in range(400)],
        "country": [["DE", "FR", "PL"][i % 3] for i in range(400)],
    }
)
SUITE: list[dict[str, Any]] = [
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1000}, "severity": "warning"},
    {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 400}},
    {"type": "expect_table_column_count_to_equal", "kwargs": {"value": 3}},
    {"type": "expect_table_column_count_to_be_between", "kwargs": {"min_value": 4}},
    {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["order", "amount", "country"]}},
    {"type": "expect_table_columns_to_match_ordered_list", "kwargs": {"column_list": ["amount", "order", "country"]}},
    {"type": "expect_column_to_exist", "kwargs": {"column": "amount"}},
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "amount"}},
    {"type": "expect_column_values_to_be_null", "kwargs": {"column": "amount"}, "severity": "info"},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "order"}},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "country"}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "country", "value_set": ["DE", "FR", "PL"]}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "country", "value_set": ["DE", "FR"]}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0, "max_value": 20}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 11}},
    {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "min_value": 12, "max_value": 14}},
    {"type": "expect_column_max_to_be_between", "kwargs": {"column": "amount", "max_value": 12}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "country", "regex": "^[A-Z]{2}$"}},
    {"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "country", "value": 3}},
]


def flag_of(expected: dict[str, Any], results: list[Any]) -> bool:
    """Return what Great Expectations said of one expectation of the suite; results come in another order."""

    def plain(value: Any) -> Any:
        return sorted(value) if isinstance(value, list | set) else value

    (found,) = [
        one
        for one in results
        if one.expectation_config.type == expected["type"]
        and all(plain(one.expectation_config.kwargs.get(k)) == plain(v) for k, v in expected["kwargs"].items())
    ]
    return bool(found.success)


@pytest.fixture(autouse=True)
def _no_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "false")


def test_a_checkpoint_with_two_of_our_expectations_and_its_data_docs(tmp_path: Path) -> None:
    from audit.interop.great_expectations import ExpectAudit, expectation_of

    context = gx.get_context(mode="file", project_root_dir=str(tmp_path))
    batch = context.data_sources.add_pandas("orders").add_dataframe_asset("orders")
    definition = batch.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite("audited"))
    suite.add_expectation(ExpectAudit(select=["KEY002", "COM001"], roles={"key": "order"}))
    suite.add_expectation(expectation_of("COM001")(options={"warn": 0.01}, fail_on="warn"))
    validation = gx.ValidationDefinition(name="orders", data=definition, suite=suite)
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(name="audit", validation_definitions=[context.validation_definitions.add(validation)])
    )
    assert checkpoint.run(batch_parameters={"dataframe": GOOD}).success
    planted = GOOD.assign(order=0, amount=GOOD["amount"].where(GOOD.index >= 20))
    done = checkpoint.run(batch_parameters={"dataframe": planted})
    assert not done.success
    results = [one for run in done.run_results.values() for one in run.results]
    assert [one.success for one in results] == [False, False]
    assert "KEY002: key 'order'" in results[0].result["observed_value"]
    assert results[0].result["unexpected_count"] == 400
    context.build_data_docs()
    pages = [page.read_text("utf-8") for page in tmp_path.rglob("validations/**/*.html")]
    shown = next(page for page in pages if "399 of 400 rows repeat a key" in page)
    assert "KEY002" in shown
    assert "An audit of the batch" in shown
    assert "COM001 (missing-values)" in shown


def test_a_suite_run_through_us_says_what_it_says_when_run_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"name": "rules", "expectations": SUITE, "meta": {}}))
    outcome = audit.run(GOOD, select=["GXE001"], checks={"GXE001": {"suite": str(path)}}).outcome("GXE001")
    failed = {f.segment for f in outcome.findings}
    held = {m.segment for m in outcome.measurements}
    ours = [f"{one['type']}#{i}" not in failed for i, one in enumerate(SUITE)]
    assert len(failed) + len(held) == len(SUITE) == 20
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.pandas_default.read_dataframe(GOOD)
    direct = batch.validate(gx.ExpectationSuite(name="rules", expectations=SUITE))
    assert ours == [flag_of(one, direct.results) for one in SUITE]
    assert True in ours
    assert False in ours


def test_unexpected_rows_and_severities_are_those_of_the_suite(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"name": "rules", "expectations": SUITE}))
    outcome = audit.run(GOOD, select=["GXE001"], checks={"GXE001": {"suite": str(path)}}).outcome("GXE001")
    found = {f.segment: f for f in outcome.findings}
    low = found["expect_column_values_to_be_between#15"]
    assert (low.severity, low.affected) == (Severity.FAIL, sum(GOOD["amount"] < 11))
    assert low.row_ids == tuple(GOOD.index[GOOD["amount"] < 11])
    assert found["expect_table_row_count_to_be_between#1"].severity is Severity.WARN
    assert found["expect_column_values_to_be_null#9"].severity is Severity.INFO


def test_an_expectation_that_cannot_be_evaluated_breaks_the_check_by_name(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    absent = [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "absent"}}]
    path.write_text(json.dumps({"name": "rules", "expectations": absent}))
    result = audit.run(GOOD, select=["GXE001"], checks={"GXE001": {"suite": str(path)}})
    assert result.outcome("GXE001").status is Status.ERROR
    assert "expect_column_values_to_not_be_null" in result.outcome("GXE001").reason
    assert result.exit_code() == 3


@pytest.mark.parametrize("text", ["not json", "{}", '{"expectations": [{"type": "expect_nothing"}]}'])
def test_what_is_no_suite_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "suite.json"
    path.write_text(text)
    outcome = audit.run(GOOD, select=["GXE001"], checks={"GXE001": {"suite": str(path)}}).outcome("GXE001")
    assert outcome.status is Status.ERROR
    assert "suite.json" in outcome.reason


def test_a_suite_inferred_from_data_passes_there_and_fails_on_each_fault_that_it_covers(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    path.write_text(suite_json(suggest(GOOD, key="order"), "orders"))

    def failing(frame: pd.DataFrame) -> set[str]:
        result = audit.run(frame, select=["GXE001"], checks={"GXE001": {"suite": str(path)}})
        assert not result.errors, result.errors
        return {re.sub("#.*", "", f.segment or "") for f in result.findings}

    assert failing(GOOD) == set()
    faults = {
        "expect_table_columns_to_match_set": GOOD.assign(extra=1),
        "expect_table_row_count_to_be_between": GOOD.head(100),
        "expect_column_values_to_not_be_null": GOOD.assign(amount=GOOD["amount"].where(GOOD.index > 3)),
        "expect_column_values_to_be_unique": GOOD.assign(order=GOOD["order"].where(GOOD.index > 3, 0)),
        "expect_column_values_to_be_in_set": GOOD.assign(country=GOOD["country"].where(GOOD.index > 3, "??")),
        "expect_column_values_to_be_between": GOOD.assign(amount=GOOD["amount"].where(GOOD.index > 3, -50.0)),
    }
    for name, planted in faults.items():
        assert name in failing(planted), name


def test_a_batch_that_is_no_pandas_frame_is_refused() -> None:
    from audit.errors import AuditError
    from audit.interop.great_expectations import ExpectAudit, expectation_of

    with pytest.raises(AuditError, match="pandas"):
        ExpectAudit()._validate({}, None, None)
    with pytest.raises(ConfigError, match="COM999"):
        expectation_of("COM999")
