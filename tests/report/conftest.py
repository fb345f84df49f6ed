"""Results to draw: a realistic one, and ones with as many columns and findings, and names as hostile, as one likes."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from audit.findings import (
    Basis,
    Chart,
    Finding,
    Interval,
    Measurement,
    NotEvaluated,
    Outcome,
    Severity,
    Status,
    View,
)
from audit.result import ColumnProfile, DatasetSummary, Result, RoleAssignment, Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

ROWS = 336_776
ALL = Basis(ROWS, ROWS)
SAMPLE = Basis(200_000, ROWS, seed=0, error=0.0022)

HOSTILE = (
    '<img src=x onerror="window.__xss=1">',
    '"><script>window.__xss=2</script>',
    "</script><script>window.__xss=3</script>",
    "</style><style>*{display:none}</style>",
    "' onmouseover='window.__xss=4",
    "javascript:window.__xss=5",
    "{{ 7*7 }}{% raw %}",
    "$\\frac{bad{$",
    "\u202egnp.exe",
    "nul\x00esc\x1b[31mred\x07bell",
    "line\nbreak\u2028sep\ttab",
    "\U0001f600 emoji \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "<b>bold</b> &amp; <!-- comment -->",
    "中文列名 العربية",
    "n" * 10_000,
)


def histogram(seed: int, *, reference: bool = False, bins: int = 30, title: str = "") -> Chart:
    rng = np.random.default_rng(seed)
    values = rng.gamma(2 + seed % 5, 100, 20_000) - 60
    edges = np.linspace(values.min(), np.quantile(values, 0.999), bins + 1)
    counts, _ = np.histogram(values, edges)
    middle = np.linspace(edges[0], edges[-1], 64)
    smooth = np.interp(middle, (edges[:-1] + edges[1:]) / 2, counts / counts.sum() / (edges[1] - edges[0]))
    data = {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "density": [[x, y] for x, y in zip(middle.tolist(), smooth.tolist(), strict=True)],
    }
    if reference:
        data["reference"] = np.histogram(rng.gamma(2 + seed % 5, 90, 9_000) - 20, edges)[0].tolist()
    return Chart("histogram", title or f"Distribution {seed}", data, "value", "share of rows")


def time_histogram(title: str) -> Chart:
    start = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
    edges = [(start + dt.timedelta(days=365 / 24 * i)).isoformat() for i in range(25)]
    counts = [int(14_000 + 900 * np.sin(i)) for i in range(24)]
    return Chart("histogram", title, {"edges": edges, "counts": counts})


def bars(labels: Sequence[str], title: str, *, reference: bool = False) -> Chart:
    values = [int(60_000 / (i + 1)) for i in range(len(labels))]
    data: dict[str, object] = {"labels": list(labels), "values": values}
    if reference:
        data["reference"] = [int(40_000 / (i + 1.6)) for i in range(len(labels))]
    return Chart("bars", title, data, "origin", "rows")


def heatmap(names: Sequence[str], low: float, high: float, title: str) -> Chart:
    rng = np.random.default_rng(1)
    values = rng.uniform(low, high, (len(names), len(names))).round(3)
    np.fill_diagonal(values, high)
    return Chart(
        "heatmap",
        title,
        {"rows": list(names), "columns": list(names), "values": values.tolist(), "low": low, "high": high},
    )


def confusion(labels: Sequence[str]) -> Chart:
    rng = np.random.default_rng(2)
    matrix = rng.integers(0, 60, (len(labels), len(labels)))
    np.fill_diagonal(matrix, rng.integers(700, 1200, len(labels)))
    data = {"labels": list(labels), "matrix": matrix.tolist(), "row_title": "given", "column_title": "predicted"}
    return Chart("confusion", "Label against prediction", data)


def timeline() -> Chart:
    start = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
    rng = np.random.default_rng(3)
    rows = [*(rng.normal(920, 40, 200).round().tolist()), *[None] * 6, *(rng.normal(900, 40, 159).round().tolist())]
    days = [(start + dt.timedelta(days=i)).isoformat() for i in range(365)]
    series = [{"name": "flights", "values": rows, "low": [None if v is None else v - 60 for v in rows]}]
    series[0]["high"] = [None if v is None else v + 60 for v in rows]
    series.append({"name": "expected", "values": [910.0] * 365})
    return Chart("line", "Rows a day", {"x": days, "series": series, "limit": 750}, "day", "rows a day")


def intervals(labels: Sequence[str]) -> Chart:
    values = [0.02 + 0.015 * i for i in range(len(labels))]
    data = {
        "labels": list(labels),
        "values": values,
        "low": [v - 0.01 for v in values],
        "high": [v + 0.012 for v in values],
        "limit": 0.05,
    }
    return Chart("intervals", "Missing share by carrier", data, x_title="share missing")


def scatter() -> Chart:
    rng = np.random.default_rng(4)
    x = rng.normal(0, 1, 400)
    return Chart(
        "scatter",
        "Departure against arrival delay",
        {"x": x.tolist(), "y": (x + rng.normal(0, 0.3, 400)).tolist()},
        "departure",
        "arrival",
    )


def flights() -> Result:
    """A result like that of the flights data, with every kind of chart and every status."""
    carriers = ["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS"]
    names = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time"]
    names += ["arr_delay", "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute"]
    names.append("time_hour")
    missing = {"dep_time": 8_255, "dep_delay": 8_255, "arr_time": 8_713, "arr_delay": 9_430, "air_time": 9_430}
    outcomes = (
        Outcome(
            "COM001",
            "missing-values",
            "completeness",
            Status.WARN,
            "5 of 19 columns miss more than 2% of their values.",
            findings=tuple(
                Finding(
                    "COM001",
                    (name,),
                    Severity.WARN,
                    f"{name} misses {n / ROWS:.2%} of its values ({n:,} of {ROWS:,} rows, limit 2%).",
                    "missing_share",
                    n / ROWS,
                    0.02,
                    ALL,
                    interval=Interval(n / ROWS - 0.0005, n / ROWS + 0.0005, "Wilson"),
                    effect=n / ROWS,
                    affected=n,
                    where=f'"{name}" IS NULL',
                    chart=intervals(carriers) if name == "arr_delay" else None,
                    remedy="Find out why it is absent: fill it where the reason is known, else model the absence.",
                    evidence={"null": n, "nan": 0, "examples": ["1545 EWR", "533 LGA"]},
                )
                for name, n in missing.items()
            ),
            measurements=tuple(Measurement("missing_share", (n,), 0.0, ALL, limit=0.02) for n in names[:10]),
            views=(
                View(heatmap(list(missing), 0, 1, "Missing together"), "Share of absences that two columns share."),
            ),
            options={"warn": 0.02, "fail": 0.2},
            seconds=0.012,
        ),
        Outcome(
            "KEY001",
            "duplicate-rows",
            "completeness",
            Status.PASS,
            "No row occurs twice (336,776 rows, all columns).",
            options={"warn": 0.0, "fail": 0.01},
            seconds=0.31,
        ),
        Outcome(
            "REP001",
            "drift",
            "representativeness",
            Status.FAIL,
            "2 of 19 columns drifted.",
            findings=(
                Finding(
                    "REP001",
                    ("dep_delay",),
                    Severity.FAIL,
                    "dep_delay drifted from the reference: PSI 0.31, limit 0.25 (200,000 rows against 168,000).",
                    "psi",
                    0.3142,
                    0.25,
                    SAMPLE,
                    limit_source="Siddiqi 2006",
                    effect=0.62,
                    chart=histogram(3, reference=True, title="dep_delay: this data and the reference"),
                    remedy="Retrain on recent data, or weight rows so that the mix of the reference is met.",
                    evidence={"ks": 0.14, "wasserstein": 4.1, "js": 0.05},
                ),
                Finding(
                    "REP001",
                    ("carrier",),
                    Severity.WARN,
                    "carrier drifted from the reference: PSI 0.13, limit 0.1 (200,000 rows against 168,000).",
                    "psi",
                    0.131,
                    0.1,
                    SAMPLE,
                    effect=0.26,
                    chart=bars(carriers, "carrier: this data and the reference", reference=True),
                    remedy="Retrain on recent data, or weight rows so that the mix of the reference is met.",
                ),
            ),
            seconds=0.22,
        ),
        Outcome(
            "BAL001",
            "class-imbalance",
            "class_balance",
            Status.PASS,
            "The smallest of 3 origins has 31.1% of the rows.",
            measurements=(Measurement("imbalance_ratio", ("origin",), 1.15, ALL, limit=10.0),),
            views=(View(bars(["EWR", "JFK", "LGA"], "Rows by class of origin"), "Rows of each class of the label."),),
            seconds=0.004,
        ),
        Outcome(
            "LBL001",
            "label-agreement",
            "label_accuracy",
            Status.WARN,
            "Kappa is 0.71, below 0.8.",
            findings=(
                Finding(
                    "LBL001",
                    ("origin", "dest"),
                    Severity.WARN,
                    "origin and dest agree beyond chance with kappa 0.71, limit 0.8 (all 336,776 rows).",
                    "kappa",
                    0.71,
                    0.8,
                    ALL,
                    interval=Interval(0.70, 0.72, "Fleiss, Cohen and Everitt 1969"),
                    effect=0.29,
                    affected=41_000,
                    row_ids=tuple(range(100, 140)),
                    remedy="Read the rows on which the two disagree, and settle them.",
                ),
            ),
            views=(View(confusion(["EWR", "JFK", "LGA", "other airports"]), "Where label and prediction disagree."),),
            seconds=0.05,
        ),
        Outcome(
            "LBL002",
            "label-errors",
            "label_accuracy",
            Status.NOT_APPLICABLE,
            "No label was given or found; name one with --label.",
        ),
        Outcome(
            "COR001",
            "associated-features",
            "correlation",
            Status.WARN,
            "1 cluster of features is associated beyond 0.95.",
            findings=(
                Finding(
                    "COR001",
                    tuple(names[3:9]),
                    Severity.WARN,
                    "6 features move together: the weakest pair has Spearman 0.96, limit 0.95 (sample of 200,000).",
                    "spearman",
                    0.96,
                    0.95,
                    SAMPLE,
                    effect=0.2,
                    chart=scatter(),
                    remedy="Keep one feature of the cluster, or let regularisation choose.",
                ),
                Finding(
                    "COR001",
                    ("hour", "sched_dep_time"),
                    Severity.INFO,
                    "hour is a step function of sched_dep_time (all 336,776 rows).",
                    "spearman",
                    0.999,
                    None,
                    ALL,
                ),
            ),
            not_evaluated=(NotEvaluated("fewer than 30 rows with both values", ("tailnum", "year")),),
            views=(View(heatmap(names[2:18], -1, 1, "Association of features"), "Spearman correlation, all pairs."),),
            seconds=0.4,
        ),
        Outcome(
            "COR003",
            "target-leakage",
            "correlation",
            Status.ERROR,
            "ValueError: the label has one class only",
        ),
        Outcome(
            "FRE001",
            "age",
            "freshness",
            Status.NOT_APPLICABLE,
            "No time column was given or found; name one with --time.",
            views=(View(timeline(), "Rows a day; the gap in July is FRE003."),),
        ),
        Outcome(
            "FRE002",
            "future-timestamps",
            "freshness",
            Status.NOT_APPLICABLE,
            "No time column was given or found; name one with --time.",
        ),
    )
    kinds = {"carrier": carriers, "tailnum": ["N725MQ", "N722MQ"], "origin": ["EWR", "JFK", "LGA"], "dest": ["ORD"]}
    columns = tuple(
        ColumnProfile(
            name,
            "text" if name in kinds else "temporal" if name == "time_hour" else "numeric",
            "string" if name in kinds else "timestamp[us]" if name == "time_hour" else "int64",
            {"origin": "label", "time_hour": "time"}.get(name),
            ROWS,
            missing.get(name, 0),
            0,
            0,
            len(kinds.get(name, names)) * 37,
            name != "tailnum",
            mean=None if name in kinds or name == "time_hour" else 12.6391 * i,
            std=None if name in kinds or name == "time_hour" else 40.21,
            skewness=None if name in kinds else 4.8,
            low="2013-01-01T05:00:00" if name == "time_hour" else None if name in kinds else -43,
            high="2013-12-31T23:00:00" if name == "time_hour" else None if name in kinds else 1301,
            quantiles={} if name in kinds else {"0.05": -11.0, "0.25": -5.0, "0.5": -2.0, "0.75": 11.0, "0.95": 88.0},
            top=tuple((v, 60_000 // (k + 1)) for k, v in enumerate(kinds.get(name, ()))),
            chart=bars(kinds[name], name)
            if name in kinds
            else time_histogram(name)
            if name == "time_hour"
            else None
            if name == "year"
            else histogram(i, title=name, reference=name == "dep_delay"),
            basis=str(SAMPLE),
        )
        for i, name in enumerate(names)
    )
    return _result(outcomes, columns, roles=True)


def _result(
    outcomes: tuple[Outcome, ...], columns: tuple[ColumnProfile, ...], *, roles: bool = False, uri: str = ""
) -> Result:
    return Result(
        Run(
            "0192f3c1",
            "2026-11-23T15:47:12+00:00",
            2.134,
            {"open": 0.08, "facts": 0.91, "checks": 1.1},
            "0.1.0",
            {"python": "3.11.7", "duckdb": "2.0.0"},
            412.0,
            2,
        ),
        DatasetSummary(
            uri or "data/flights.parquet",
            "flights",
            "parquet",
            ROWS,
            len(columns),
            bytes=5_400_000,
            schema_hash="a1b2c3d4e5f6a7b8c9",
        ),
        (
            RoleAssignment("label", (), "no column is named like a label", False),
            RoleAssignment("time", ("time_hour",), "timestamp column named like a time", False),
            RoleAssignment("key", ("year", "month", "day", "carrier", "flight"), "given with --key", True),
        )
        if roles
        else (),
        outcomes,
        columns,
        {"seed": 0, "sample": 200_000, "fail_on": "fail", "ignore": []},
        (str(SAMPLE) + ": distribution pictures, REP001, COR001.",),
        DatasetSummary("data/flights_2012.parquet", "ref", "parquet", 168_000, 19) if roles else None,
    )


def wide(columns: int, findings: int, names: Sequence[str] = ()) -> Result:
    """A result with many columns and findings; the first columns are called `names`, the others `column_000` ..."""
    all_names = [*names, *(f"column_{i:03d}" for i in range(len(names), columns))][:columns]
    charts = [histogram(i, reference=i % 2 == 0) for i in range(8)]
    numbers: dict[str, Any] = {"std": 3.25, "skewness": 0.4, "low": -4.0, "high": 88.5}
    numbers["quantiles"] = {"0.05": 0.1, "0.5": 4.25, "0.95": 71.5}
    profiles = tuple(
        ColumnProfile(
            name,
            "numeric" if i % 4 else "text",
            "double" if i % 4 else "string",
            None,
            ROWS,
            i * 37 % 5000,
            0,
            0,
            1000 + i,
            True,
            **(numbers | {"mean": 12.5 + i} if i % 4 else {}),
            chart=charts[i % 8] if i % 4 else bars([*names[:4], *(f"category {k}" for k in range(5))], name),
            basis=str(SAMPLE),
        )
        for i, name in enumerate(all_names)
    )
    codes = [("COM001", "missing-values", "completeness"), ("REP001", "drift", "representativeness")]
    codes.append(("COR002", "multicollinearity", "correlation"))
    outcomes = []
    for k, (code, name, dimension) in enumerate(codes):
        found = tuple(
            Finding(
                code,
                (all_names[i % columns],),
                Severity(3 - (i * 7 % 3)),
                f"{all_names[i % columns]}: {0.01 + i % 90 / 100:.2%} of the values ({i:,} of {ROWS:,} rows, limit 5%)",
                "missing_share",
                0.01 + i % 90 / 100,
                0.05,
                ALL,
                interval=Interval(0.01, 0.02, "Wilson"),
                effect=(i % 97) / 97,
                affected=i,
                segment=f"{i // columns}" if i >= columns else None,
                where='"column" IS NULL',
                chart=charts[i % 8],
                remedy="Fill it where the reason is known, else model the absence.",
                evidence={"null": i, "nan": 0},
            )
            for i in range(k, findings, len(codes))
        )
        status = Status(max(f.severity for f in found).label.replace("info", "pass")) if found else Status.PASS
        measured = tuple(Measurement("missing_share", (n,), 0.01, ALL, limit=0.05) for n in all_names)
        outcomes.append(Outcome(code, name, dimension, status, f"{len(found)} findings.", found, measured, seconds=0.1))
    return _result(tuple(outcomes), profiles)


def hostile() -> Result:
    """A result in which every name, category, role, option and reason is an attack or a nuisance."""
    base = wide(24, 60, HOSTILE)
    one = HOSTILE[0]
    nasty = Outcome(
        "XSS001",
        one,
        "label_accuracy",
        Status.WARN,
        HOSTILE[1],
        findings=(
            Finding(
                "XSS001",
                HOSTILE,
                Severity.FAIL,
                f"{HOSTILE[-1]} and {HOSTILE[1]} are hostile",
                one,
                HOSTILE[2],
                HOSTILE[3],
                ALL,
                limit_source=HOSTILE[4],
                segment=HOSTILE[5],
                where=f'"{HOSTILE[1]}" = 1',
                chart=bars(HOSTILE, HOSTILE[1]),
                remedy=HOSTILE[2],
                evidence={HOSTILE[0]: {HOSTILE[1]: [HOSTILE[2]]}},
            ),
        ),
        not_evaluated=(NotEvaluated(HOSTILE[3], HOSTILE),),
        views=(
            View(heatmap(HOSTILE, -1, 1, HOSTILE[0]), HOSTILE[1]),
            View(confusion(HOSTILE[:5]), HOSTILE[2]),
            View(Chart("line", HOSTILE[0], {"x": [0, 1], "series": [{"name": HOSTILE[1], "values": [1, 2]}]}, one)),
        ),
        options={HOSTILE[0]: HOSTILE[1]},
    )
    odd = Outcome("XSS002", HOSTILE[1], HOSTILE[2], Status.NOT_APPLICABLE, HOSTILE[1])
    result = _result((*base.outcomes, nasty, odd), base.columns, uri=f"data/{HOSTILE[0].replace('/', '')}.parquet")
    roles = tuple(RoleAssignment(name[:40], (name,), name, False) for name in HOSTILE)
    return Result(
        result.run,
        result.dataset,
        roles,
        result.outcomes,
        result.columns,
        {HOSTILE[0]: HOSTILE[1]},
        HOSTILE,
        result.dataset,
    )


@pytest.fixture(scope="session")
def flights_result() -> Result:
    return flights()


@pytest.fixture(scope="session")
def hostile_result() -> Result:
    return hostile()


@pytest.fixture(scope="session")
def make_wide() -> Callable[[int, int], Result]:
    return wide


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    from tests.report.browsing import ARGUMENTS, CHROMIUM

    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium: bash scripts/install_debian_packages.sh")
        pytest.skip("no chromium")
    with sync_playwright() as p:
        started = p.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light", offline=True)
    yield context
    context.close()
