"""The result as a program meets it: verdicts, JSON, frames, fingerprints, and the rows behind each finding."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit
from audit.errors import ConfigError, FindingsError
from audit.findings import Finding, Severity, Status
from audit.result import Result, plain
from tests.test_sample_data import FOLDER, findings_of, result_of

PLANTED = ["customers_planted.parquet", "orders_planted.parquet"]


def without_run(text: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(text)
    del body["run"]
    return body


# --- verdict ----------------------------------------------------------------------------------------------------------


def holes(share: float) -> Result:
    rows = 1_000
    table = pa.table({"x": [None if i < share * rows else float(i * 7919 % rows) for i in range(rows)]})
    return audit.run(table, select=["COM001"])


@pytest.mark.parametrize(
    ("share", "status", "ok", "codes"),
    [
        (0.0, "pass", {"fail": True, "warn": True, "never": True}, {"fail": 0, "warn": 0, "never": 0}),
        (0.1, "warn", {"fail": True, "warn": False, "never": True}, {"fail": 0, "warn": 1, "never": 0}),
        (0.5, "fail", {"fail": False, "warn": False, "never": True}, {"fail": 1, "warn": 1, "never": 0}),
    ],
)
def test_verdict(share: float, status: str, ok: dict[str, bool], codes: dict[str, int]) -> None:
    result = holes(share)
    assert result.status == status
    for fail_on in ("fail", "warn", "never"):
        assert result.ok(fail_on) is ok[fail_on]
        assert result.exit_code(fail_on) == codes[fail_on]
        if ok[fail_on]:
            assert result.raise_for_status(fail_on) is result
        else:
            with pytest.raises(FindingsError, match=r"is not fit to train on:\nCOM001 (warn|fail): "):
                result.raise_for_status(fail_on)


def test_unknown_words_are_refused() -> None:
    result = holes(0.0)
    for call in (result.ok, result.exit_code, result.reaches, result.raise_for_status):
        with pytest.raises(ConfigError, match="allowed are fail, warn, never"):
            call("often")
    with pytest.raises(ConfigError, match="no check 'NON001'"):
        result.outcome("NON001")
    assert result.outcome("com001").status is Status.PASS


def test_findings_are_sorted_worst_first() -> None:
    found = result_of(PLANTED[0]).findings
    assert [f.severity for f in found] == sorted((f.severity for f in found), reverse=True)
    for severity in Severity:
        effects = [f.effect or 0.0 for f in found if f.severity is severity]
        assert effects == sorted(effects, reverse=True)


# --- machine-readable forms -------------------------------------------------------------------------------------------


def test_json_and_html_are_the_same_for_the_same_seed_and_as_of() -> None:
    first, second = (audit.run(str(FOLDER / PLANTED[1]), as_of="2025-01-01T00:00:00Z", seed=7) for _ in range(2))
    assert json.dumps(without_run(first.to_json())) == json.dumps(without_run(second.to_json()))
    assert first.run.id != second.run.id
    assert first.to_html() == first.to_html()


def test_what_is_written_is_what_is_returned(tmp_path: Path) -> None:
    result = holes(0.5)
    assert result.to_json(tmp_path / "r.json") == (tmp_path / "r.json").read_text(encoding="utf-8")
    assert result.to_html(tmp_path / "r.html") == (tmp_path / "r.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json"]


def test_the_frame_has_a_row_a_finding() -> None:
    result = result_of(PLANTED[0])
    frame = result.to_pandas()
    assert list(frame["fingerprint"]) == [result.fingerprint(f) for f in result.findings]
    assert set(frame["severity"]) <= {"info", "warn", "fail"}
    assert frame["dimension"].notna().all()
    empty = holes(0.0).to_pandas()
    assert list(empty.columns) == list(frame.columns)
    assert len(empty) == 0


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.int64(3), 3), (np.float32(0.5), 0.5), (np.float64("nan"), None), (np.bool_(True), True),
        (np.datetime64("2024-01-01T00:00:00"), "2024-01-01T00:00:00"), (np.array([1.0, np.inf]), [1.0, None]),
        (float("-inf"), None), (float("nan"), None), (True, True), (10**30, 10**30), (None, None), ("a", "a"),
        (decimal.Decimal("1.50"), "1.50"), (dt.date(2024, 1, 1), "2024-01-01"), (dt.time(12), "12:00:00"),
        ({1: {2, 1}, "a": (1, 2.5)}, {"1": [1, 2], "a": [1, 2.5]}), (Status.PASS, "pass"), (Severity.WARN, "warn"),
        (pd.Timestamp("2024-01-01"), "2024-01-01T00:00:00"), (pd.NaT, None),
    ],
)  # fmt: skip
def test_plain_types(value: object, wanted: object) -> None:
    assert plain(value) == wanted
    assert type(plain(value)) is type(wanted)
    json.dumps(plain(value), allow_nan=False)


# --- fingerprints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PLANTED, "flights.parquet"])
def test_fingerprints_are_unique(name: str) -> None:
    result = result_of(name)
    prints = Counter(result.fingerprint(f) for f in result.findings)
    assert [print_ for print_, times in prints.items() if times > 1] == []


def test_fingerprints_outlive_another_sample_another_place_and_other_rows(tmp_path: Path) -> None:
    path = tmp_path / PLANTED[1]
    shutil.copy(FOLDER / PLANTED[1], path)
    shutil.copy(FOLDER / "orders_planted.audit.yaml", tmp_path)
    known = {result_of(PLANTED[1]).fingerprint(f) for f in findings_of(PLANTED[1])}
    assert {f["fingerprint"] for f in audit.run(str(path)).to_dict()["findings"]} == known
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 50), path)
    assert {f["fingerprint"] for f in audit.run(str(path), seed=3).to_dict()["findings"]} >= known


# --- the rows behind a finding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PLANTED, "flights.parquet"])
def test_predicates_select_the_rows_that_findings_count(name: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        wrong = []
        for f in result_of(name).findings:
            if f.where is None:
                continue
            sql = f"SELECT count(*) FROM read_parquet('{FOLDER / name}', can_have_nan = true) WHERE {f.where}"
            rows = connection.execute(sql).fetchall()[0][0]
            if f.basis.exact and f.affected is not None and rows != f.affected:
                wrong.append(f"{f.code} {f.columns}: {f.affected} affected, {rows} selected by {f.where}")
    assert wrong == []


@pytest.fixture(scope="module")
def rows_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    audit.run(str(FOLDER / PLANTED[0]), rows_out=str(folder), rows_limit=200)
    return folder


def written(folder: Path, code: str, column: str | None = None) -> list[dict[str, str]]:
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    (entry,) = [e for e in index if e["code"] == code and (column is None or e["columns"] == [column]) and e["file"]]
    with (folder / entry["file"]).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == entry["written"] == min(entry["total"], 200)
    assert {row["reason"] for row in rows} == {entry["reason"]}
    return rows


def test_rows_out_holds_the_true_rows(rows_out: Path) -> None:
    frame = pq.read_table(FOLDER / PLANTED[0]).to_pandas()
    keys = {row["customer_id"] for row in written(rows_out, "KEY002")}
    repeated = frame["customer_id"].astype(str)[frame["customer_id"].duplicated(keep=False)]
    assert keys == set(repeated)
    copies = {int(row["source_row"]) for row in written(rows_out, "KEY001")}
    assert copies == set(np.flatnonzero(frame.duplicated()))
    ages = written(rows_out, "REP006", "age")
    assert (
        sorted(int(row["source_row"]) for row in ages)
        == np.flatnonzero((frame["age"] < 0) | (frame["age"] > 130)).tolist()
    )
    assert {int(row["tenure_months"]) for row in written(rows_out, "COM002", "tenure_months")} == {-999}
    for row in [*ages, *written(rows_out, "COM002", "note")]:
        assert row["customer_id"] == str(frame["customer_id"][int(row["source_row"])])


def test_rows_out_has_the_true_totals(rows_out: Path) -> None:
    index = {entry["fingerprint"]: entry for entry in json.loads((rows_out / "index.json").read_text("utf-8"))}
    result = result_of(PLANTED[0])
    assert set(index) == {result.fingerprint(f) for f in result.findings}

    def complaint(f: Finding) -> str | None:
        entry = index[result.fingerprint(f)]
        wrong = f.basis.exact and f.affected is not None and entry["total"] != f.affected
        return f"{f.code} {f.columns}: {entry['total']} is not {f.affected}" if wrong else None

    assert [text for f in result.findings if (text := complaint(f))] == []
    files = [entry["file"] for entry in index.values() if entry["file"]]
    assert len(set(files)) == len(files)
    assert {path.name for path in rows_out.iterdir()} == {"index.json", *files}
