"""LBL002: planted label errors are found, honest data stays quiet, class order is never trusted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from audit.checks.label_accuracy.label_errors import LabelErrors
from audit.findings import Finding, Judgement, Measurement, NotEvaluated, Severity, View
from audit.sample import Floats, Sampled
from audit.testing import audit_rows

CIFAR = Path(__file__).parents[3].parent / "shared" / "data" / "cifar10_label_errors"

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def judged(
    columns: Mapping[str, Any],
    *,
    label: str = "y",
    features: Sequence[str] | None = None,
    group: str | None = None,
    probabilities: tuple[str, ...] = (),
    classes: tuple[str, ...] = (),
    of: int | None = None,
    seed: int = 0,
    **options: Any,
) -> list[Judgement]:
    table = pa.table(columns)
    sampled = Sampled(table, np.arange(table.num_rows), of or table.num_rows, seed)
    own = [c for c in table.column_names if c not in (label, group, *probabilities)]
    facts = {
        "sample": sampled,
        "label": label,
        "features": tuple(own if features is None else features),
        "group": group,
        "probabilities": probabilities,
        "classes": classes,
    }
    return list(LabelErrors(**options).judge(facts))


def findings(judgements: Iterable[Judgement]) -> list[Finding]:
    return [j for j in judgements if isinstance(j, Finding)]


def measured(judgements: Iterable[Judgement]) -> dict[str, Any]:
    return {j.statistic: j.value for j in judgements if isinstance(j, Measurement)}


def reasons(judgements: Iterable[Judgement]) -> list[str]:
    return [j.reason for j in judgements if isinstance(j, NotEvaluated)]


def digits(labels: Ints) -> dict[str, Any]:
    return {**{f"pixel_{i}": column for i, column in enumerate(load_digits().data.T)}, "y": labels}


def flip(labels: Ints, share: float, classes: int, seed: int) -> tuple[Ints, Bools]:
    random = np.random.default_rng(seed)
    flipped = np.zeros(len(labels), dtype=bool)
    flipped[random.choice(len(labels), round(share * len(labels)), replace=False)] = True
    moved = (labels + random.integers(1, classes, len(labels))) % classes
    return np.where(flipped, moved, labels), flipped


def clusters(
    n: int, *, noise: float = 0.0, distance: float = 4.0, classes: int = 3, seed: int = 0
) -> tuple[dict[str, pa.Array], Bools]:
    """Mixed columns with missing values, a name and a time that tell nothing, and labels k0, k1, ..."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    x = random.normal(size=(n, classes)) + distance * np.eye(classes)[truth]
    category = np.where(random.random(n) < 0.7, truth, random.integers(0, classes, n))
    labels, flipped = flip(truth, noise, classes, seed + 1)
    columns = {f"x{i}": pa.array(x[:, i], mask=random.random(n) < 0.05) for i in range(classes)}
    columns["category"] = pa.array([f"c{c}" for c in category], mask=random.random(n) < 0.1)
    columns["name"] = pa.array([f"name {i}" for i in range(n)])
    columns["when"] = pa.array(random.integers(0, 10**15, n), pa.timestamp("us"))
    columns["y"] = pa.array([f"k{label}" for label in labels])
    return columns, flipped


def test_flipped_digits_are_found_without_probabilities() -> None:
    truth = load_digits().target
    precision, recall = [], []
    for seed in range(5):
        labels, flipped = flip(truth, 0.10, 10, seed)
        (finding,) = findings(judged(digits(labels), seed=seed))
        assert finding.severity >= Severity.WARN
        candidates = np.array(finding.row_ids)
        precision.append(flipped[candidates].mean())
        recall.append(flipped[candidates].sum() / flipped.sum())
        assert finding.interval is not None
        assert finding.interval.low < flipped.mean() < finding.interval.high
    assert np.mean(precision) >= 0.85
    assert np.mean(recall) >= 0.85


def test_digits_as_they_are_pass() -> None:
    judgements = judged(digits(load_digits().target))
    assert not findings(judgements)
    assert measured(judgements)["label_noise_rate"] < 0.01
    assert [j.chart.kind for j in judgements if isinstance(j, View)] == ["confusion"]


def test_mixed_columns_with_missing_values() -> None:
    columns, flipped = clusters(3000, noise=0.05)
    (finding,) = findings(judged(columns))
    assert finding.severity is Severity.WARN
    candidates = np.array(finding.row_ids)
    assert flipped[candidates].mean() >= 0.85
    assert flipped[candidates].sum() / flipped.sum() >= 0.85
    assert "candidates" in finding.message
    assert "4 of 6" not in finding.evidence["probabilities"]
    assert "5 of 6 features" in finding.evidence["probabilities"]  # the name identifies rows and tells nothing
    assert not findings(judged(clusters(3000)[0]))


def test_a_fifth_of_wrong_labels_fails() -> None:
    columns, _ = clusters(3000, noise=0.2)
    (finding,) = findings(judged(columns))
    assert finding.severity is Severity.FAIL
    assert finding.limit == 0.10


@pytest.mark.parametrize("distance", [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_classes_that_overlap_do_not_alarm(distance: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, 3000)
    x = random.normal(size=(3000, 3)) + distance / 3**0.5 * truth[:, None]
    judgements = judged({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": truth})
    assert all(finding.severity is Severity.INFO for finding in findings(judgements))


def test_a_label_that_nothing_predicts_is_not_judged() -> None:
    random = np.random.default_rng(0)
    judgements = judged({"x": random.normal(size=500), "y": random.integers(0, 2, 500)})
    assert all(finding.severity is Severity.INFO for finding in findings(judgements))


def test_coarse_features_cannot_tell_an_exception_from_an_error() -> None:
    random = np.random.default_rng(0)
    plan = random.integers(0, 3, 4000)
    churned = random.random(4000) < np.array([0.05, 0.1, 0.9])[plan]
    (finding,) = findings(judged({"plan": plan, "region": random.integers(0, 4, 4000), "y": churned}))
    assert finding.severity is Severity.INFO


def test_copies_do_not_hide_a_wrong_label() -> None:
    # 30% of the rows are there twice with the same (wrong) label: folds that split them would find it confirmed
    columns, flipped = clusters(1500, noise=0.1, distance=5.0)
    table = pa.table(columns)
    copies = np.flatnonzero(np.random.default_rng(1).random(1500) < 0.3)
    again = table.take(copies)
    both = pa.concat_tables([table, again])
    wrong = np.concatenate([flipped, flipped[copies]])
    names = {name: both.column(name) for name in both.column_names if name not in ("name", "when")}
    (finding,) = findings(judged(names))
    copied = np.arange(len(wrong)) >= 1500
    found = np.isin(np.arange(len(wrong)), finding.row_ids)
    assert found[copied & wrong].mean() >= 0.8


def test_groups_stay_together() -> None:
    # each customer has a fingerprint (level) and one label at random: only a leak could predict it
    random = np.random.default_rng(0)
    level, label = random.normal(size=60), random.integers(0, 2, 60)
    customer = np.repeat(np.arange(60), 20)
    columns = {
        "level": level[customer] + 0.001 * random.normal(size=1200),
        "customer": customer,
        "y": label[customer],
    }
    leaked = measured(judged(columns, features=["level"]))["kappa_of_prediction"]
    judgements = judged(columns, features=["level"], group="customer")
    assert leaked > 0.9
    assert measured(judgements).get("kappa_of_prediction", 0.0) < 0.4
    assert all(finding.severity is Severity.INFO for finding in findings(judgements))


def test_the_same_seed_gives_the_same_candidates() -> None:
    columns, _ = clusters(300, noise=0.1)
    first, second = findings(judged(columns)), findings(judged(columns))
    assert first == second


def test_rare_classes_are_left_out_and_said_so() -> None:
    columns, _ = clusters(1000, noise=0.1)
    labels = columns["y"].to_pylist()
    labels[:3] = ["rare"] * 3
    judgements = judged({**columns, "y": pa.array(labels)})
    assert reasons(judgements) == ["3 rows are of classes with fewer than 5 rows, too few to judge"]
    assert not {0, 1, 2} & set(findings(judgements)[0].row_ids)


def test_the_sample_is_bounded_and_named() -> None:
    columns, _ = clusters(3000, noise=0.2)
    (finding,) = findings(judged(columns, rows=1000, of=30_000))
    assert finding.basis.rows == 1000
    assert finding.basis.of == 30_000
    assert finding.affected == pytest.approx(finding.evidence["candidates"] * 30)


def test_identifiers_and_single_classes_are_not_judged() -> None:
    assert "classes of y have at least 5 rows" in reasons(judged({"x": np.arange(100.0), "y": np.arange(100)}))[0]
    assert reasons(judged({"x": np.arange(100.0), "y": ["a"] * 100}))
    assert "max_classes" in reasons(judged({"x": np.arange(2000.0), "y": np.arange(2000) % 200}))[0]
    assert "varies" in reasons(judged({"x": np.ones(100), "y": np.arange(100) % 2}))[0]


# --- given probabilities ----------------------------------------------------------------------------------------------


def test_cifar10_gives_the_rows_of_cleanlab() -> None:
    if not CIFAR.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the data of {CIFAR.name} beside the project")
        pytest.skip(f"no {CIFAR.name} beside the project: NOT compared with cleanlab on real labels")
    labels, probabilities = np.load(CIFAR / "labels.npy").astype(int), np.load(CIFAR / "pred_probs.npy")
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    columns = {"y": [names[i] for i in labels], **{f"p_{n}": probabilities[:, i] for i, n in enumerate(names)}}
    roles = {"label": "y", "probabilities": [f"p_{n}" for n in names], "probability_classes": names}
    outcome = audit_rows(LabelErrors, pa.table(columns), roles=roles)
    (finding,) = outcome.findings
    theirs = set(np.flatnonzero(find_label_issues(labels, probabilities, n_jobs=1)).tolist())
    ours = set(finding.row_ids)
    assert len(ours & theirs) / len(ours | theirs) >= 0.99
    assert str(finding.basis) == "all 10,000 rows"


def given(n: int = 400, noise: float = 0.1, seed: int = 0) -> tuple[Ints, Bools, Floats]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, n)
    sure = random.uniform(0.90, 0.98, n)
    probabilities = ((1 - sure) / 2)[:, None] + (sure - (1 - sure) / 2)[:, None] * np.eye(3)[truth]
    return *flip(truth, noise, 3, seed + 1), probabilities


def as_columns(probabilities: Floats) -> dict[str, Floats]:
    return {f"p{k}": probabilities[:, k] for k in range(probabilities.shape[1])}


def test_classes_are_matched_by_name_whatever_the_order_of_columns() -> None:
    labels, _, probabilities = given()
    names = np.array(["cat", "ant", "bee"])[labels]
    plain = judged(
        {"y": names, **as_columns(probabilities)}, probabilities=("p0", "p1", "p2"), classes=("cat", "ant", "bee")
    )
    turned = judged(
        {"y": names, **as_columns(probabilities)}, probabilities=("p2", "p0", "p1"), classes=("bee", "cat", "ant")
    )
    assert set(findings(plain)[0].row_ids) == set(findings(turned)[0].row_ids)


def test_numbers_match_their_text_and_ten_comes_after_nine() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 11, 1100)
    probabilities = 0.005 + 0.945 * np.eye(11)[truth]
    labels, flipped = flip(truth, 0.1, 11, 1)
    columns = {"y": labels.astype(float), **as_columns(probabilities)}
    by_name = judged(columns, probabilities=tuple(as_columns(probabilities)), classes=tuple(map(str, range(11))))
    by_order = judged(columns, probabilities=tuple(as_columns(probabilities)))
    assert set(findings(by_name)[0].row_ids) == set(np.flatnonzero(flipped).tolist())
    assert findings(by_name)[0].row_ids == findings(by_order)[0].row_ids


def test_a_wrong_class_order_is_refused_not_reported_as_errors() -> None:
    labels, _, probabilities = given()
    columns = {"y": labels, **as_columns(np.roll(probabilities, 1, axis=1))}
    judgements = judged(columns, probabilities=("p0", "p1", "p2"), classes=("0", "1", "2"))
    assert not findings(judgements)
    assert "given for the right class" in reasons(judgements)[0]


def test_a_list_column_equals_plain_columns() -> None:
    labels, _, probabilities = given()
    classes = ("0", "1", "2")
    plain = judged({"y": labels, **as_columns(probabilities)}, probabilities=("p0", "p1", "p2"), classes=classes)
    for kind in (pa.list_(pa.float64()), pa.list_(pa.float64(), 3), pa.large_list(pa.float64())):
        listed = judged({"y": labels, "p": pa.array(list(probabilities), kind)}, probabilities=("p",), classes=classes)
        assert findings(listed)[0].row_ids == findings(plain)[0].row_ids
    holes = [None if i in (3, 4) else row for i, row in enumerate(probabilities)]
    listed = judged({"y": labels, "p": pa.array(holes, pa.list_(pa.float64()))}, probabilities=("p",), classes=classes)
    assert "2 labelled rows have no usable probabilities" in reasons(listed)[0]
    assert findings(listed)[0].basis.rows == 398


def test_one_column_speaks_of_one_class_of_two() -> None:
    labels, flipped, _ = given()
    random = np.random.default_rng(5)
    truth = random.integers(0, 2, 400)
    labels, flipped = flip(truth, 0.1, 2, 6)
    p = np.where(truth == 1, 0.95, 0.05)
    wrong = set(np.flatnonzero(flipped).tolist())
    assert set(findings(judged({"y": labels, "p": p}, probabilities=("p",)))[0].row_ids) == wrong
    named = judged({"y": labels, "p": 1 - p}, probabilities=("p",), classes=("0",))
    assert set(findings(named)[0].row_ids) == wrong
    boolean = judged({"y": labels == 1, "p": p}, probabilities=("p",), classes=("1",))
    assert set(findings(boolean)[0].row_ids) == wrong


def test_scores_and_unknown_classes_are_refused() -> None:
    labels, _, probabilities = given()
    logits = judged({"y": labels, **as_columns(np.log(probabilities))}, probabilities=("p0", "p1", "p2"))
    assert "softmax" in reasons(logits)[0]
    strangers = judged(
        {"y": labels, **as_columns(probabilities)}, probabilities=("p0", "p1", "p2"), classes=("x", "y", "z")
    )
    assert "probability_classes" in reasons(strangers)[0]
    few = judged({"y": labels, **as_columns(probabilities[:, :2])}, probabilities=("p0", "p1"))
    assert "2 probabilities a row, but 3 classes" in reasons(few)[0]


@pytest.mark.slow
def test_speed_of_twenty_thousand_rows_by_fifteen_columns() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(20_000, 15))
    labels = (x[:, :3] @ random.normal(size=(3, 4))).argmax(axis=1)
    columns = {**{f"x{i}": x[:, i] for i in range(15)}, "y": labels}
    started = time.process_time()
    judged(columns)
    assert time.process_time() - started < 20  # CPU seconds: about half as long on two cores
