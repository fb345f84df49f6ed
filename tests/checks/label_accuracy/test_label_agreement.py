"""LBL001, LBL003 and LBL004 on the real engine, and on facts written down by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from audit.checks.label_accuracy.annotator_agreement import AnnotatorAgreement
from audit.checks.label_accuracy.conflicting_labels import ConflictingLabels
from audit.checks.label_accuracy.label_agreement import LabelAgreement
from audit.errors import ConfigError
from audit.facts import ConflictCounts, GroupTable
from audit.findings import Finding, NotEvaluated, Outcome, Severity, Status
from audit.sample import Sampled
from audit.stats.agreement import krippendorff_alpha
from audit.testing import audit_rows


def second_labels(
    share: float, n: int = 2000, classes: int = 4, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    first = random.integers(0, classes, n)
    differs = random.random(n) < share
    return first, np.where(differs, (first + random.integers(1, classes, n)) % classes, first)


def agreement(first: Any, second: Any, **options: Any) -> Outcome:
    table = pa.table({"y": first, "p": second})
    return audit_rows(
        LabelAgreement(**options), table, roles={"label": "y", "prediction": "p", "label_kind": "classes"}
    )


def test_numbers_are_those_of_scikit_learn_over_all_rows() -> None:
    first, second = second_labels(0.4)
    outcome = agreement(first, second)
    (finding,) = outcome.findings
    assert finding.value == pytest.approx(cohen_kappa_score(first, second), rel=1e-9)
    assert finding.evidence["accuracy"] == pytest.approx(accuracy_score(first, second), rel=1e-9)
    quadratic = cohen_kappa_score(first, second, weights="quadratic")
    assert finding.evidence["kappa_quadratic"] == pytest.approx(quadratic, rel=1e-9)
    assert finding.severity is Severity.WARN
    assert finding.affected == int((first != second).sum())
    assert str(finding.basis) == "all 2,000 rows"
    (view,) = outcome.views
    assert np.array(view.chart.data["matrix"]).sum() == 2000
    assert view.chart.data["labels"] == ["0", "1", "2", "3"]


def test_the_predicate_selects_the_rows_that_differ() -> None:
    first, second = second_labels(0.4)
    (finding,) = agreement(first, second).findings
    rows = duckdb.from_arrow(pa.table({"y": first, "p": second})).filter(finding.where)
    assert len(rows) == finding.affected


def test_types_may_differ_but_codes_may_not() -> None:
    first, second = second_labels(0.05)
    as_text = pa.array([str(v) for v in second])
    assert agreement(first, as_text).status is Status.PASS
    assert agreement(first, second.astype(float)).status is Status.PASS
    outcome = agreement(pa.array(np.array(["no", "yes"])[first % 2]), second % 2)
    assert not outcome.findings
    assert "coded differently" in outcome.not_evaluated[0].reason
    assert agreement(first % 2 == 1, first % 2).status is Status.PASS  # true is 1


def test_ordered_classes_can_be_weighted() -> None:
    random = np.random.default_rng(1)
    first = random.integers(1, 6, 2000)
    second = np.clip(first + random.integers(-1, 2, 2000), 1, 5)
    assert agreement(first, second).status is Status.FAIL
    assert agreement(first, second, weights="quadratic").status is Status.PASS
    with pytest.raises(ConfigError, match="quadratic"):
        LabelAgreement(weights="cubic")  # type: ignore[arg-type]  # what a user may write in audit.yaml


def test_a_rare_class_alone_does_not_fail() -> None:
    first = np.array([1] * 123 + [0] * 2 + [1] * 0)
    second = np.array([1] * 118 + [0] * 5 + [1] * 2)
    (finding,) = agreement(first, second).findings  # Gwet's example: 94% agree, kappa is below 0
    assert finding.severity is Severity.WARN
    assert finding.evidence["gwet_ac1"] > 0.9
    assert "lowers kappa" in finding.message


def test_too_many_combinations_are_no_classes() -> None:
    table = GroupTable(keys=((1.5, 2.5),), counts=(1,), groups=50_000, total=50_000)
    facts = {"pairs": table, "label": "y", "prediction": "p", "same_type": True}
    (judgement,) = LabelAgreement().judge(facts)
    assert isinstance(judgement, NotEvaluated)


def three_annotators(share: float, n: int = 500, seed: int = 0, missing: float = 0.0) -> dict[str, pa.Array]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, n)
    columns = {}
    for name in ("ann", "bob", "cem"):
        differs = random.random(n) < share
        given = np.where(differs, (truth + random.integers(1, 3, n)) % 3, truth)
        columns[name] = pa.array([f"k{v}" for v in given], mask=random.random(n) < missing)
    return columns


def annotated(columns: Mapping[str, Any]) -> Outcome:
    return audit_rows(AnnotatorAgreement, pa.table(columns), roles={"annotators": list(columns)})


def test_annotators_agree_with_the_oracle() -> None:
    columns = three_annotators(0.2)
    outcome = annotated(columns)
    (finding,) = outcome.findings
    assert finding.severity is Severity.FAIL
    values = np.array([c.to_pylist() for c in columns.values()]).T
    counts, _ = aggregate_raters(values)
    measured = {m.statistic: m.value for m in outcome.measurements}
    assert measured["fleiss_kappa"] == pytest.approx(fleiss_kappa(counts), rel=1e-9)
    assert finding.value == pytest.approx(krippendorff_alpha(counts), rel=1e-9)
    assert finding.interval is not None
    assert isinstance(finding.value, float)
    assert finding.interval.low < finding.value < finding.interval.high
    differ = sum(len(set(row)) > 1 for row in values.tolist())
    assert finding.affected == differ
    assert annotated(three_annotators(0.02)).status is Status.PASS


def test_the_annotator_who_stands_apart_is_seen() -> None:
    columns = three_annotators(0.05)
    columns["cem"] = three_annotators(0.6, seed=0)["cem"]
    (finding,) = annotated(columns).findings
    agreement_of = finding.evidence["agreement_with_majority_of_others"]
    assert min(agreement_of, key=agreement_of.get) == "cem"


def test_missing_labels_do_not_count_as_disagreement() -> None:
    assert annotated(three_annotators(0.0, missing=0.5)).status is Status.PASS


def test_one_label_only_has_nothing_to_agree_on() -> None:
    outcome = annotated({"a": ["x"] * 20, "b": ["x"] * 20})
    assert not outcome.findings
    assert "nothing to agree on" in outcome.not_evaluated[0].reason


def test_beyond_the_groups_the_sample_serves() -> None:
    columns = three_annotators(0.2)
    table = pa.table(columns)
    sampled = Sampled(table, np.arange(500), 5000, 3)
    incomplete = GroupTable(keys=(), counts=(), groups=60_000, total=5000)
    facts = {"combinations": incomplete, "sample": sampled, "annotators": tuple(columns), "seed": 3}
    (finding,) = [j for j in AnnotatorAgreement().judge(facts) if isinstance(j, Finding)]
    assert finding.basis.rows == 500
    assert finding.value == pytest.approx(annotated(columns).findings[0].value, rel=1e-9)


def conflicts(counts: ConflictCounts, features: int = 5, **options: Any) -> list[Finding]:
    facts = {"conflicts": counts, "rows": counts.labelled, "label": "y", "features": features}
    return [j for j in ConflictingLabels(**options).judge(facts) if isinstance(j, Finding)]


def test_conflicts_bound_the_accuracy() -> None:
    (finding,) = conflicts(ConflictCounts(labelled=1000, repeated=100, groups=10, rows=25, minority=12))
    assert finding.severity is Severity.WARN
    assert finding.evidence["accuracy_ceiling"] == pytest.approx(0.988)
    assert "98.80% accuracy" in finding.message
    assert conflicts(ConflictCounts(1000, 200, 60, 150, 60))[0].severity is Severity.FAIL
    assert conflicts(ConflictCounts(1000, 900, 60, 150, 60))[0].severity is Severity.INFO
    assert not conflicts(ConflictCounts(1000, 100, 0, 0, 0))
    assert not conflicts(ConflictCounts(1000, 100, 10, 25, 12), warn=0.02)


def test_a_permuted_table_has_the_same_conflicts() -> None:
    random = np.random.default_rng(0)
    x = np.arange(300.0)
    x[:20] = x[20:40]
    columns = {"x": x, "y": random.integers(0, 2, 300).astype(str)}
    order = random.permutation(300)
    roles = {"label": "y", "features": ["x"]}
    one = audit_rows(ConflictingLabels, pa.table(columns), roles=roles).findings[0]
    two = audit_rows(ConflictingLabels, pa.table(columns).take(order), roles=roles).findings[0]
    assert (one.value, one.affected) == (two.value, two.affected)
    assert {int(order[i]) for i in two.row_ids} == set(one.row_ids)
