"""Class balance on generated data: oracles for every number, effects found, chance left alone."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit.checks import check_by_code
from audit.facts import ValueCountTable
from audit.findings import Finding, Measurement, NotEvaluated, Outcome, Severity, View
from audit.testing import audit_rows


def severe(outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.severity > Severity.INFO]


def judged(counts: dict[Any, int], **options: Any) -> list[Any]:
    """The judgements of BAL001 on class counts, without an engine."""
    ordered = dict(sorted(counts.items(), key=lambda item: -item[1]))
    table = ValueCountTable(tuple(ordered), tuple(ordered.values()), sum(counts.values()), len(counts))
    facts = {"label": "y", "classes": table, "rows": table.total}
    return list(check_by_code("BAL001")(**options).judge(facts))


def severities(judgements: list[Any]) -> list[tuple[str, Severity]]:
    return [(item.statistic, item.severity) for item in judgements if isinstance(item, Finding)]


# --- BAL001


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"a": 5_000, "b": 5_000}, []),
        ({"a": 9_900, "b": 100}, [("imbalance_ratio", Severity.WARN)]),
        ({"a": 99_900, "b": 100}, [("imbalance_ratio", Severity.FAIL)]),
        ({"a": 10_000, "b": 1_000}, [("imbalance_ratio", Severity.WARN)]),
        ({"a": 8_900, "b": 1_100}, []),
        ({"only": 10_000}, [("classes", Severity.FAIL)]),
    ],
)
def test_what_everybody_would_say(counts: dict[str, int], expected: list[tuple[str, Severity]]) -> None:
    assert severities(judged(counts)) == expected


def test_a_hundred_classes_are_judged_by_entropy_not_by_ratio() -> None:
    counts = {k: 2_000 // (1 + k % 10) for k in range(100)}
    counts[0] = 30_000  # a ratio of 150 to 1, yet nearly all classes are well filled
    assert severities(judged(counts)) == []
    counts[0] = 3_000_000
    assert severities(judged(counts)) == [("unevenness", Severity.WARN)]


def test_the_message_has_subject_number_denominator_and_limit() -> None:
    (finding,) = [item for item in judged({"a": 9_900, "b": 100}) if isinstance(item, Finding)]
    assert finding.message == (
        "y: the largest class 'a' has 9,900 and the smallest 'b' 100 of 10,000 labelled rows: 99.0 to 1, limit 10 to 1"
    )
    assert "not a defect" in finding.remedy
    assert finding.where == "\"y\" IN ('b')"


def test_numbers_are_scipys() -> None:
    counts = {"a": 700, "b": 250, "c": 50}
    measured = {item.statistic: item.value for item in judged(counts) if isinstance(item, Measurement)}
    entropy = float(stats.entropy(list(counts.values())))
    assert measured["normalised_entropy"] == pytest.approx(entropy / np.log(3), rel=1e-9)
    assert measured["effective_classes"] == pytest.approx(np.exp(entropy), rel=1e-9)
    assert measured["inverse_simpson"] == pytest.approx(1 / (0.7**2 + 0.25**2 + 0.05**2), rel=1e-9)


def test_classes_are_drawn_passed_or_not() -> None:
    (view,) = [item for item in judged({1.0: 60, 0.0: 40}) if isinstance(item, View)]
    assert view.chart.data == {"labels": ["1", "0"], "values": [60, 40]}


def test_sampled_counts_are_not_taken_for_sizes() -> None:
    table = ValueCountTable(tuple(range(500)), (2,) * 500, 1_000, 500, sampled_of=1_000_000)
    items = list(check_by_code("BAL001")().judge({"label": "y", "classes": table, "rows": 1_000_000}))
    assert not any(isinstance(item, Finding) for item in items)
    assert any(isinstance(item, NotEvaluated) for item in items)


# --- BAL002


def splits(random: np.random.Generator, test_mix: np.ndarray, train_mix: np.ndarray, rows: int) -> dict[str, Any]:
    k = len(train_mix)
    train, test = random.choice(k, 4 * rows, p=train_mix), random.choice(k, rows, p=test_mix)
    labels = [f"c{c}" for c in np.concatenate([train, test])]
    return {"y": labels, "split": ["train"] * 4 * rows + ["test"] * rows}


@pytest.mark.parametrize(("classes", "rows"), [(2, 40), (10, 200), (100, 500)])
def test_random_splits_raise_no_alarm(classes: int, rows: int) -> None:
    random = np.random.default_rng(classes)
    alarms = 0
    for _ in range(15):
        mix = random.dirichlet(np.full(classes, 2.0))
        outcome = audit_rows(
            check_by_code("BAL002"), splits(random, mix, mix, rows), roles={"label": "y", "split": "split"}
        )
        alarms += any(f.statistic == "tvd_beyond_chance" for f in outcome.findings)
    assert alarms == 0


def test_a_split_with_another_mix_is_found() -> None:
    random = np.random.default_rng(0)
    data = splits(random, np.array([0.5, 0.5]), np.array([0.65, 0.35]), 1_000)
    (finding,) = severe(audit_rows(check_by_code("BAL002"), data, roles={"label": "y", "split": "split"}))
    table = pd.crosstab(pd.Series(data["split"]), pd.Series(data["y"]))
    shares = table.div(table.sum(axis=1), axis=0)
    assert finding.evidence["tvd"] == pytest.approx(float(np.abs(shares.iloc[0] - shares.iloc[1]).sum() / 2), rel=1e-9)
    oracle = stats.chi2_contingency(table, correction=False)
    assert finding.evidence["p_value"] == pytest.approx(oracle.pvalue, rel=1e-9)


# --- BAL003


def test_groups_and_months_alike_raise_no_alarm() -> None:
    random = np.random.default_rng(0)
    rows = 6_000
    data = {
        "y": random.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2]).tolist(),
        "site": random.integers(0, 60, rows).tolist(),
        "t": (pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 360, rows), unit="D")).to_pydatetime(),
    }
    outcome = audit_rows(check_by_code("BAL003"), data, roles={"label": "y", "group": "site", "time": "t"})
    assert outcome.findings == ()
    assert [view.chart.kind for view in outcome.views] == ["line"]


def test_one_row_of_the_year_2999_does_not_hide_a_month_that_drifts() -> None:
    random = np.random.default_rng(0)
    day = random.integers(0, 360, 6_000)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    label = np.where(random.random(6_000) < np.where(times.month == 5, 0.8, 0.4), "b", "a")
    data = {
        "y": [*label.tolist(), "a"],
        "t": [*times.to_pydatetime(), pd.Timestamp("2199-01-01").to_pydatetime()],
    }
    (finding,) = severe(audit_rows(check_by_code("BAL003"), data, roles={"label": "y", "time": "t", "group": "none"}))
    assert finding.evidence["parts"][0]["part"] == "2024-05-01"


# --- BAL004


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda r: r.normal(50, 10, 5_000), []),
        (lambda r: r.uniform(0, 1, 5_000), []),
        (lambda r: r.gamma(4, 10, 5_000), []),
        (lambda r: r.integers(1, 6, 5_000).astype(float), []),
        (lambda r: np.exp(r.normal(10, 1.6, 5_000)), ["tail_share"]),
        (lambda r: np.where(r.random(5_000) < 0.4, 0.0, r.gamma(4, 10, 5_000)), ["pile_share"]),
        (lambda r: np.minimum(r.normal(50, 10, 5_000), 60.0), ["pile_share"]),
    ],
)
def test_shapes_of_a_numeric_target(draw: Any, expected: list[str]) -> None:
    values = draw(np.random.default_rng(0))
    outcome = audit_rows(check_by_code("BAL004"), {"y": values}, roles={"label": "y", "label_kind": "number"})
    assert [f.statistic for f in severe(outcome)] == expected
    measured = {m.statistic: m.value for m in outcome.measurements}
    assert measured["skewness"] == pytest.approx(stats.skew(values), rel=1e-9, abs=1e-12)
    assert measured["kurtosis"] == pytest.approx(stats.kurtosis(values), rel=1e-9)


def test_two_humps_are_mentioned() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(10, 1, 3_000), random.normal(20, 1, 3_000)])
    outcome = audit_rows(check_by_code("BAL004"), {"y": values}, roles={"label": "y", "label_kind": "number"})
    assert [(f.statistic, f.severity) for f in outcome.findings] == [("humps", Severity.INFO)]
