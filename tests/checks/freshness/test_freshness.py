"""Freshness on generated data: strays that hide nothing, patterns that are no gaps, and few false alarms."""

import datetime as dt
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.checks import check_by_code
from audit.checks.freshness.gaps import skipped_hour
from audit.config import make_check
from audit.dataset import Column, ColumnKind
from audit.errors import ConfigError
from audit.facts import QuantileValues, TimeBucketTable
from audit.findings import Finding, Outcome, Severity, Status
from audit.testing import audit_rows

AS_OF = "2024-07-01T06:00:00Z"
LAST = pd.Timestamp("2024-07-01", tz="UTC")


def audit_times(code: str, times: Any, options: dict[str, Any] | None = None, **more: Any) -> Outcome:
    columns: dict[str, Any] = {"t": times}
    columns.update(more.pop("columns", {}))
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    roles = {"time": "t", **more.pop("roles", {})}
    return audit_rows(check_by_code(code)(**(options or {})), table, roles=roles, **{"as_of": AS_OF, **more})


def daily(rows_a_day: Any, days: int = 180, seed: int = 0) -> pd.DatetimeIndex:
    """Times up to the audit's moment, rows_a_day (number or [days]) on average, by a Poisson process."""
    random = np.random.default_rng(seed)
    counts = random.poisson(np.broadcast_to(rows_a_day, days))
    start = np.repeat(np.arange(-days, 0), counts) * 86_400 + random.integers(0, 86_400, counts.sum())
    return LAST + pd.to_timedelta(np.sort(start), unit="s")


def severe(outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.severity > Severity.INFO]


# --- FRE001


def test_ten_rows_of_today_do_not_hide_a_pipeline_that_stopped() -> None:
    old = daily(500) - pd.Timedelta(days=30)
    strays = pd.DatetimeIndex([LAST] * 9)
    (finding,) = severe(audit_times("FRE001", old.append(strays), {"max_age": "7d"}))
    assert finding.severity is Severity.FAIL
    assert finding.value == pytest.approx(30.25 * 86_400, rel=0.02)


def test_a_long_history_does_not_make_fresh_data_look_old() -> None:
    # the 99.9% quantile of ten years lies four days back: the newest time is taken closer to the end in large tables
    assert severe(audit_times("FRE001", daily(30, days=3_650), {"max_age": "24h"})) == []


def test_data_of_working_days_is_fresh_on_monday() -> None:
    times = daily(50)
    monday = times[times.day_of_week < 5]
    assert pd.Timestamp(AS_OF).day_of_week == 0
    assert severe(audit_times("FRE001", monday)) == []


def test_an_archive_is_never_screamed_at() -> None:
    (finding,) = severe(audit_times("FRE001", daily(50), as_of="2034-07-01T00:00:00Z"))
    assert finding.severity is Severity.WARN
    assert "--as-of" in finding.remedy


def test_the_age_is_a_sentence_with_number_and_limit() -> None:
    check = check_by_code("FRE001")()
    days = tuple(dt.datetime(2024, 1, d, tzinfo=dt.UTC) for d in range(1, 11))
    table = TimeBucketTable("day", days, (5,) * 10)
    facts = {
        "newest": QuantileValues((0.999,), (dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC),), 50),
        "rhythm": {"fine": table, "days": table},
        "column": Column("t", ColumnKind.TEMPORAL, zoned=True),
        "as_of": dt.datetime(2024, 1, 20, tzinfo=dt.UTC),
        "timezone": None,
        "rows": 50,
    }
    (finding,) = [item for item in check.judge(facts) if isinstance(item, Finding)]
    assert finding.message == (
        "t: the newest data is of 2024-01-10 12:00 and 9.5 days old on 2024-01-20, limit 2 days (the longer of 1d and "
        "2 x the data's usual distance of 1 day)"
    )


def test_an_age_that_is_no_duration_is_a_setting_error() -> None:
    with pytest.raises(ConfigError, match="'a week' is not a duration"):
        make_check(check_by_code("FRE001"), {"max_age": "a week"})


# --- FRE002


def test_milliseconds_read_as_seconds_are_found_and_counted() -> None:
    good = daily(20).tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    wrong = good[:7] * 1_000  # the year 56,000
    times = pa.array(np.concatenate([good, wrong]), pa.int64()).cast(pa.timestamp("us", "UTC"))
    found = audit_rows(check_by_code("FRE002"), pa.table({"t": times}), roles={"time": "t"}, as_of=AS_OF).findings
    assert [(f.statistic, f.affected) for f in found] == [("far_future_share", 7)]


def test_counts_are_those_of_pandas() -> None:
    random = np.random.default_rng(0)
    times = pd.Series(
        pd.Timestamp("1850-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 90_000, 3_000), unit="D")
    )
    found = {f.statistic: f.affected for f in audit_times("FRE002", times).findings}
    latest = pd.Timestamp(AS_OF) + pd.Timedelta(hours=1)
    assert found == {
        "future_share": int((times > latest).sum()),
        "past_share": int((times < pd.Timestamp("1900-01-01", tz="UTC")).sum()),
    }


# --- FRE003


def test_missing_days_are_those_of_an_anti_join() -> None:
    times = daily(80)
    gone = [pd.Timestamp("2024-03-02", tz="UTC"), *pd.date_range("2024-05-10", "2024-05-14", tz="UTC")]
    left = times[~times.floor("D").isin(gone)]
    (finding,) = severe(audit_times("FRE003", left))
    with duckdb.connect() as connection:
        connection.register("rows", pa.table({"t": pa.array(left.tz_localize(None).to_numpy())}))
        oracle = connection.sql(
            """WITH seen AS (SELECT DISTINCT t::DATE AS day FROM rows),
                 wanted AS (SELECT unnest(generate_series(min(day), max(day), INTERVAL 1 DAY))::DATE AS day FROM seen)
               SELECT day FROM wanted ANTI JOIN seen USING (day)"""
        ).fetchall()
    assert sum(gap["missing"] for gap in finding.evidence["gaps"]) == len(oracle) == 6
    assert finding.value == 6.0  # five days missing: six times the usual distance


def test_one_row_with_a_wrong_year_does_not_hide_a_gap() -> None:
    times = daily(80)
    left = times[(times < pd.Timestamp("2024-04-01", tz="UTC")) | (times > pd.Timestamp("2024-04-20", tz="UTC"))]
    strays = pd.DatetimeIndex(["1970-01-01", "2099-01-01"], tz="UTC")
    (finding,) = severe(audit_times("FRE003", left.append(strays)))
    assert finding.evidence["every"] == "day"
    assert len(finding.evidence["gaps"]) == 1


@pytest.mark.parametrize("rows_a_day", [0.3, 1, 3, 20, 300])
def test_rows_at_random_have_no_gaps(rows_a_day: float) -> None:
    alarms = [len(severe(audit_times("FRE003", daily(rows_a_day, seed=seed)))) for seed in range(8)]
    assert sum(alarms) == 0


def test_nights_and_weekends_are_no_gaps() -> None:
    times = daily(400, days=60)
    open_hours = times[(times.hour >= 8) & (times.hour < 18) & (times.day_of_week < 6)]
    outcome = audit_times("FRE003", open_hours)
    assert severe(outcome) == []
    assert outcome.status.value == "pass"


@pytest.mark.parametrize(("zone", "hour", "skipped"), [
    ("Europe/Berlin", dt.datetime(2024, 3, 31, 2), True),
    ("Europe/Berlin", dt.datetime(2024, 3, 30, 2), False),
    ("America/New_York", dt.datetime(2024, 3, 10, 2), True),
    ("UTC", dt.datetime(2024, 3, 31, 2), False),
    (None, dt.datetime(2024, 3, 31, 2), True),
    (None, dt.datetime(2024, 3, 30, 2), False),
])  # fmt: skip
def test_daylight_saving_skips_an_hour(zone: str | None, hour: dt.datetime, skipped: bool) -> None:
    assert skipped_hour(hour, "hour", Column("t", ColumnKind.TEMPORAL), zone) is skipped
    assert not skipped_hour(hour, "hour", Column("t", ColumnKind.TEMPORAL, zoned=True), zone)


# --- FRE004


def test_lags_are_the_quantiles_of_numpy() -> None:
    random = np.random.default_rng(0)
    times = daily(20)
    lags = np.round(random.exponential(7_200, len(times)))
    lags[:200] += 30 * 86_400
    arrived = times + pd.to_timedelta(lags, unit="s")
    outcome = audit_times("FRE004", times, columns={"arrived": arrived}, roles={"ingested": "arrived"})
    measured = {m.statistic: m.value for m in outcome.measurements}
    for name, q in (("lag_p50", 0.5), ("lag_p95", 0.95), ("lag_p99", 0.99)):
        assert measured[name] == pytest.approx(np.quantile(lags, q, method="inverted_cdf"), rel=1e-9)
    assert [f.statistic for f in severe(outcome)] == ["lag_p95"]


# --- FRE005


@pytest.mark.parametrize("shape", ["steady", "weekly", "growing", "sparse"])
def test_usual_volumes_raise_no_alarm(shape: str) -> None:
    day = np.arange(180)
    rate = {
        "steady": np.full(180, 200.0),
        "weekly": np.where(day % 7 < 2, 20.0, 300.0),
        "growing": 100.0 * 1.01**day,
        "sparse": np.full(180, 4.0),
    }[shape]
    alarms = [len(severe(audit_times("FRE005", daily(rate, seed=seed)))) for seed in range(10)]
    assert sum(alarms) == 0


def test_half_a_load_and_a_double_load_are_found() -> None:
    rate = np.full(180, 200.0)
    rate[60], rate[120] = 60.0, 520.0
    found = severe(audit_times("FRE005", daily(rate)))
    assert sorted(f.statistic for f in found) == ["volume_drop", "volume_rise"]
    drop = next(f for f in found if f.statistic == "volume_drop")
    assert drop.evidence["periods"][0]["start"] == "2024-03-03T00:00:00"
    assert drop.where == (
        "(\"t\" >= TIMESTAMPTZ '2024-03-03 00:00:00+00:00' AND \"t\" < TIMESTAMPTZ '2024-03-04 00:00:00+00:00')"
    )


def test_the_timeline_is_drawn() -> None:
    (view,) = audit_times("FRE005", daily(50)).views
    assert view.chart.kind == "line"
    assert sum(view.chart.data["series"][0]["values"]) == len(daily(50))


# --- FRE006


@pytest.mark.parametrize("rows_a_day", [5, 100, 1_000])
def test_groups_at_random_are_not_stale(rows_a_day: int) -> None:
    times = daily(rows_a_day)
    group = np.random.default_rng(1).integers(0, 40, len(times))
    outcome = audit_times("FRE006", times, columns={"site": group}, roles={"group": "site"})
    assert outcome.findings == ()


def test_silent_groups_are_named() -> None:
    times = daily(400)
    site = np.random.default_rng(1).integers(0, 40, len(times))
    silent = np.isin(site, [3, 17, 31]) & np.asarray(times < pd.Timestamp("2024-05-01", tz="UTC"))
    kept = silent | ~np.isin(site, [3, 17, 31])
    outcome = audit_times("FRE006", times[kept], columns={"site": site[kept]}, roles={"group": "site"})
    (finding,) = severe(outcome)
    assert finding.value == pytest.approx(3 / 40)
    assert {item["group"] for item in finding.evidence["groups"]} == {"3", "17", "31"}
    assert finding.affected == int(silent.sum())


def test_where_several_columns_hold_times_the_reason_names_them() -> None:
    day = dt.datetime(2024, 1, 1)
    times = pa.array([day + dt.timedelta(hours=h) for h in range(100)], pa.timestamp("us"))
    outcome = audit_rows(check_by_code("FRE001"), pa.table({"shipped": times, "billed": times}))
    assert outcome.status is Status.NOT_APPLICABLE
    assert outcome.reason == "no column has the role time; name it with --time (one of shipped, billed)"
